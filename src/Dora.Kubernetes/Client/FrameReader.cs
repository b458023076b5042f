using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Dora.Kubernetes.Client;

/// <summary>
/// Cuts a watch's bytes into frames, one JSON value in each line, and hands each on as soon as its line has ended. The JSON reader of
/// <c>DeserializeAsyncEnumerable</c> cannot be used on a live stream: it may hold back what it has until much more has come.
/// </summary>
internal sealed class FrameReader(Stream stream) : IAsyncDisposable
{
    /// <summary>Longest frame, in bytes: ten times what etcd stores of an object at most.</summary>
    public const int Longest = 16 * 1024 * 1024;

    private readonly PipeReader _pipe = PipeReader.Create(stream, new(bufferSize: 16 * 1024));

    // Bytes of the unfinished line that were searched already.
    private long _searched;

    /// <summary>The next frame; null at the end of the stream.</summary>
    /// <exception cref="JsonException">A frame is no JSON of that type, is cut off, or is too long.</exception>
    public async ValueTask<T?> NextAsync<T>(JsonTypeInfo<T> json, CancellationToken cancellationToken)
        where T : class
    {
        while (true)
        {
            var read = await _pipe.ReadAsync(cancellationToken);
            var bytes = read.Buffer;
            if (bytes.Slice(_searched).PositionOf((byte)'\n') is { } end)
            {
                var line = bytes.Slice(0, end);
                var frame = IsBlank(line) ? null : Parse(line, json);
                _searched = 0;
                _pipe.AdvanceTo(bytes.GetPosition(1, end));
                if (frame is null)
                    continue;
                return frame;
            }

            if (bytes.Length > Longest)
                throw new JsonException($"a watch frame is longer than {Longest} bytes");
            if (read.IsCompleted)
            {
                var last = IsBlank(bytes) ? null : Parse(bytes, json);
                _pipe.AdvanceTo(bytes.End);
                _searched = 0;
                return last;
            }

            _searched = bytes.Length;
            _pipe.AdvanceTo(bytes.Start, bytes.End);
        }
    }

    public ValueTask DisposeAsync() => _pipe.CompleteAsync();

    private static T Parse<T>(ReadOnlySequence<byte> line, JsonTypeInfo<T> json)
        where T : class
    {
        var reader = new Utf8JsonReader(line, new JsonReaderOptions { MaxDepth = json.Options.MaxDepth });
        var value = JsonSerializer.Deserialize(ref reader, json) ?? throw new JsonException("a watch frame is null");
        return reader.Read() ? throw new JsonException("a watch frame goes on after its end") : value;
    }

    private static bool IsBlank(ReadOnlySequence<byte> line)
    {
        foreach (var part in line)
        {
            if (part.Span.IndexOfAnyExcept(" \t\r\n"u8) >= 0)
                return false;
        }

        return true;
    }
}
