using System.Security.Cryptography;

namespace Dora.Backup.Streams;

/// <summary>How long something is, and its SHA-256.</summary>
/// <param name="Bytes">Its length.</param>
/// <param name="Sha256">Lower case hex.</param>
public sealed record ContentDigest(long Bytes, string Sha256)
{
    /// <summary>Of no byte at all.</summary>
    public static ContentDigest Nothing { get; } = new(0, Convert.ToHexStringLower(SHA256.HashData([])));
}

/// <summary>Counts and hashes what is written to it, and hands it on.</summary>
public sealed class DigestStream(Stream inner) : WriteOnlyStream
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <summary>Bytes so far.</summary>
    public long Bytes { get; private set; }

    /// <summary>What was written so far.</summary>
    public ContentDigest Digest => new(Bytes, Convert.ToHexStringLower(_hash.GetCurrentHash()));

    /// <inheritdoc/>
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        _hash.AppendData(buffer.Span);
        Bytes += buffer.Length;
        return inner.WriteAsync(buffer, cancellationToken);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _hash.Dispose();
        base.Dispose(disposing);
    }
}
