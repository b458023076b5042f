using System.Buffers;
using System.Buffers.Text;
using System.Net;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;

namespace Dora.Kubernetes.Client;

/// <summary>A growing buffer on the shared pool.</summary>
internal sealed class PooledBuffer : IBufferWriter<byte>
{
    private byte[] _bytes;

    public PooledBuffer(int capacity = 4096) => _bytes = ArrayPool<byte>.Shared.Rent(capacity);

    public int Length { get; private set; }

    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, Length);

    public void Advance(int count) => Length += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _bytes.AsMemory(Length);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _bytes.AsSpan(Length);
    }

    /// <summary>What was written, to be changed in place.</summary>
    public Span<byte> WrittenSpan => _bytes.AsSpan(0, Length);

    /// <summary>Keeps only the beginning.</summary>
    public void Truncate(int length) => Length = length;

    /// <summary>Gives the memory back; only when nothing can read it any more.</summary>
    public void Return()
    {
        var bytes = _bytes;
        _bytes = [];
        Length = 0;
        if (bytes.Length > 0)
            ArrayPool<byte>.Shared.Return(bytes);
    }

    private void Reserve(int sizeHint)
    {
        var wanted = Length + Math.Max(sizeHint, 1);
        if (wanted <= _bytes.Length)
            return;
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(wanted, _bytes.Length * 2));
        _bytes.AsSpan(0, Length).CopyTo(larger);
        var old = _bytes;
        _bytes = larger;
        ArrayPool<byte>.Shared.Return(old);
    }
}

/// <summary>The body of a request as UTF-8 bytes, which can be sent again on a retry.</summary>
internal sealed class KubeBody(PooledBuffer bytes, string mediaType)
{
    public const string JsonMediaType = "application/json";
    public const string ApplyMediaType = "application/apply-patch+yaml";

    // The relaxed encoder keeps server-side apply bodies valid YAML, but for surrogate pairs.
    private static readonly JsonWriterOptions _writerOptions = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
    };

    [ThreadStatic]
    private static Utf8JsonWriter? _writer;

    public static KubeBody Of<T>(T value, JsonTypeInfo<T> json)
    {
        var buffer = new PooledBuffer();
        var writer = Writer(buffer);
        JsonSerializer.Serialize(writer, value, json);
        writer.Flush();
        return new(buffer, JsonMediaType);
    }

    public static KubeBody Of(JsonNode value, string mediaType)
    {
        var buffer = new PooledBuffer();
        var writer = Writer(buffer);
        value.WriteTo(writer);
        writer.Flush();
        if (string.Equals(mediaType, ApplyMediaType, StringComparison.Ordinal))
            SurrogatePairs.Unescape(buffer);
        return new(buffer, mediaType);
    }

    public HttpContent Content() => new BytesContent(bytes.Written, mediaType);

    /// <summary>Gives the memory back. Not after a failed call: the transport may still be reading it.</summary>
    public void Return() => bytes.Return();

    private static Utf8JsonWriter Writer(PooledBuffer buffer)
    {
        var writer = _writer ??= new(buffer, _writerOptions);
        writer.Reset(buffer);
        return writer;
    }

    private sealed class BytesContent : HttpContent
    {
        private readonly ReadOnlyMemory<byte> _bytes;

        public BytesContent(ReadOnlyMemory<byte> bytes, string mediaType)
        {
            _bytes = bytes;
            Headers.TryAddWithoutValidation("Content-Type", mediaType);
        }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
            stream.WriteAsync(_bytes, cancellationToken).AsTask();

        protected override bool TryComputeLength(out long length)
        {
            length = _bytes.Length;
            return true;
        }
    }
}

/// <summary>
/// Even the relaxed encoder of System.Text.Json writes characters beyond U+FFFF as two escaped surrogates. That is right in JSON,
/// but in YAML, as which server-side apply bodies are read, an error.
/// </summary>
internal static class SurrogatePairs
{
    private const int PairLength = 12;

    /// <summary>Replaces escaped pairs by the characters themselves, which are shorter, in place.</summary>
    public static void Unescape(PooledBuffer buffer)
    {
        var json = buffer.WrittenSpan;
        var read = json.IndexOf("\\uD"u8);
        if (read < 0)
            return;

        // A backslash may itself be escaped, so that escapes must be read from the first one on.
        read = json.IndexOf((byte)'\\');
        var write = read;
        while (read < json.Length)
        {
            if (Pair(json[read..]) is { } rune)
            {
                write += rune.EncodeToUtf8(json[write..]);
                read += PairLength;
                continue;
            }

            var count = json[read] == (byte)'\\' ? 2 : 1;
            json.Slice(read, count).CopyTo(json[write..]);
            read += count;
            write += count;
        }

        buffer.Truncate(write);
    }

    private static Rune? Pair(ReadOnlySpan<byte> json) =>
        json.Length >= PairLength && Unit(json) is { } high && Unit(json[6..]) is { } low && Rune.TryCreate(high, low, out var rune) ? rune : null;

    private static char? Unit(ReadOnlySpan<byte> json) =>
        json[0] == (byte)'\\' && json[1] == (byte)'u' && Utf8Parser.TryParse(json.Slice(2, 4), out ushort unit, out var consumed, 'x') && consumed == 4
            ? (char)unit
            : null;
}
