using System.Security.Cryptography;

namespace Dora.Backup.Streams;

/// <summary>
/// Seals what is written to it (AES-256-GCM in frames) and hands it on. Only <see cref="CompleteAsync"/> ends it: what is merely disposed
/// of is cut off, and no reader takes it for whole.
/// </summary>
public sealed class SealingStream : WriteOnlyStream
{
    private readonly Stream _inner;
    private readonly AesGcm _cipher;
    private readonly byte[] _plain;
    private readonly byte[] _sealed;
    private int _held;
    private ulong _number;
    private bool _completed;

    private SealingStream(Stream inner, byte[] key, int frameBytes)
    {
        _inner = inner;
        _cipher = new AesGcm(key, FrameNonce.TagBytes);
        _plain = new byte[frameBytes];
        _sealed = new byte[frameBytes + FrameNonce.TagBytes];
    }

    /// <summary>Writes the header and begins.</summary>
    /// <param name="inner">Where it goes; stays open.</param>
    /// <param name="header">What stands before it.</param>
    /// <param name="dataKey">32 bytes; not kept.</param>
    /// <param name="cancellationToken">Stops writing the header.</param>
    public static async Task<SealingStream> CreateAsync(Stream inner, StreamHeader header, ReadOnlyMemory<byte> dataKey, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(header);
        var bytes = header.Write();
        var key = header.FrameKey(dataKey.Span, bytes);
        await inner.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
        try
        {
            return new(inner, key, header.FrameBytes);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_completed, this);
        while (buffer.Length > 0)
        {
            // A full frame goes only when something follows it: the last one must be known as such.
            if (_held == _plain.Length)
                await EmitAsync(last: false, cancellationToken).ConfigureAwait(false);
            var count = Math.Min(buffer.Length, _plain.Length - _held);
            buffer[..count].CopyTo(_plain.AsMemory(_held));
            _held += count;
            buffer = buffer[count..];
        }
    }

    /// <summary>Writes the last frame.</summary>
    public async Task CompleteAsync(CancellationToken cancellationToken = default)
    {
        if (_completed)
            return;
        await EmitAsync(last: true, cancellationToken).ConfigureAwait(false);
        _completed = true;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _cipher.Dispose();
            CryptographicOperations.ZeroMemory(_plain);
        }

        base.Dispose(disposing);
    }

    private async ValueTask EmitAsync(bool last, CancellationToken cancellationToken)
    {
        Seal(last);
        var count = _held + FrameNonce.TagBytes;
        _held = 0;
        _number++;
        await _inner.WriteAsync(_sealed.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
    }

    private void Seal(bool last)
    {
        Span<byte> nonce = stackalloc byte[FrameNonce.Bytes];
        FrameNonce.Write(nonce, _number, last);
        _cipher.Encrypt(nonce, _plain.AsSpan(0, _held), _sealed.AsSpan(0, _held), _sealed.AsSpan(_held, FrameNonce.TagBytes));
    }
}
