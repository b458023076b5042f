using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dora.Backup.Keys;

namespace Dora.Backup.Streams;

/// <summary>
/// What stands in the clear before the sealed frames of a stored stream: eight bytes <c>DORABK01</c>, the length of the rest (four bytes, big
/// endian), and this record as JSON. Every byte of it goes into the key of the frames: a header that was changed opens nothing.
/// </summary>
/// <param name="Subject">What the stream is and where it belongs; a stream that is found in another place is not taken for that one.</param>
/// <param name="Salt">32 random bytes in base64: no two streams have the same key.</param>
/// <param name="Key">The data key, wrapped.</param>
/// <param name="FrameBytes">Plaintext bytes of each frame but the last.</param>
/// <param name="Compression"><c>zstd</c>, or <c>none</c>.</param>
public sealed record StreamHeader(string Subject, string Salt, WrappedKey Key, int FrameBytes = StreamHeader.DefaultFrameBytes, string Compression = StreamHeader.Zstd)
{
    /// <summary>Compressed by zstd before it was sealed.</summary>
    public const string Zstd = "zstd";

    /// <summary>Sealed as it came.</summary>
    public const string None = "none";

    /// <summary>Large enough that the 16 bytes of each tag do not count.</summary>
    public const int DefaultFrameBytes = 256 * 1024;

    private const int LongestHeader = 64 * 1024;
    private const int LongestFrame = 4 * 1024 * 1024;

    private static ReadOnlySpan<byte> Magic => "DORABK01"u8;

    /// <summary>A header with fresh salt.</summary>
    public static StreamHeader Create(string subject, WrappedKey key, string compression = Zstd) =>
        new(subject, Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)), key, Compression: compression);

    /// <summary>The bytes that a stored stream begins with.</summary>
    public byte[] Write()
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(this, StreamJson.Default.StreamHeader);
        var bytes = new byte[Magic.Length + sizeof(int) + json.Length];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(Magic.Length), json.Length);
        json.CopyTo(bytes, Magic.Length + sizeof(int));
        return bytes;
    }

    /// <summary>Reads a header and leaves the stream at the first frame.</summary>
    /// <exception cref="SealBrokenException">It is none, or one that this version does not know.</exception>
    public static async Task<(StreamHeader Header, byte[] Bytes)> ReadAsync(Stream stream, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(stream);
        var start = new byte[Magic.Length + sizeof(int)];
        if (await stream.ReadAtLeastAsync(start, start.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false) < start.Length || !start.AsSpan(0, Magic.Length).SequenceEqual(Magic))
            throw new SealBrokenException("it does not begin as a backup of ours does");
        var length = BinaryPrimitives.ReadInt32BigEndian(start.AsSpan(Magic.Length));
        if (length is <= 0 or > LongestHeader)
            throw new SealBrokenException($"its header claims {length} bytes");
        var bytes = new byte[start.Length + length];
        start.CopyTo(bytes, 0);
        if (await stream.ReadAtLeastAsync(bytes.AsMemory(start.Length), length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false) < length)
            throw new SealBrokenException("it ends within its header");
        return (Parse(bytes.AsSpan(start.Length)), bytes);
    }

    /// <summary>The key that the frames of a stream are sealed with (HKDF-SHA256, RFC 5869).</summary>
    /// <param name="dataKey">32 bytes.</param>
    /// <param name="bytes">The header as it was stored.</param>
    internal byte[] FrameKey(ReadOnlySpan<byte> dataKey, ReadOnlySpan<byte> bytes)
    {
        Span<byte> info = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes, info);
        var key = new byte[32];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, dataKey, key, Convert.FromBase64String(Salt), info);
        return key;
    }

    private static StreamHeader Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            var header = JsonSerializer.Deserialize(json, StreamJson.Default.StreamHeader) ?? throw new SealBrokenException("its header is empty");
            if (header.FrameBytes is < 1 or > LongestFrame)
                throw new SealBrokenException($"its header claims frames of {header.FrameBytes} bytes");
            if (header.Compression is not (Zstd or None))
                throw new SealBrokenException($"it is compressed by '{Printable(header.Compression)}', which this version does not know");
            if (Convert.FromBase64String(header.Salt).Length != 32)
                throw new SealBrokenException("its salt has the wrong length");
            return header;
        }
        catch (Exception exception) when (exception is JsonException or FormatException)
        {
            throw new SealBrokenException("its header cannot be read", exception);
        }
    }

    private static string Printable(string text) => Encoding.ASCII.GetString(Encoding.ASCII.GetBytes(text.Length > 20 ? text[..20] : text));
}

/// <summary>What was stored is not what was written: changed, cut, in another order, in another place, or under another key.</summary>
public sealed class SealBrokenException : IOException
{
    /// <summary>Says what is wrong with it, after "the stored stream cannot be trusted:".</summary>
    public SealBrokenException(string message, Exception? inner = null)
        : base($"the stored stream cannot be trusted: {message}", inner)
    {
    }
}

/// <summary>The contract of headers.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(StreamHeader))]
internal sealed partial class StreamJson : JsonSerializerContext;
