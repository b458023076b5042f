using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Dora.Kubernetes.Model;

namespace Dora.Kubernetes.Client;

/// <summary>One open watch.</summary>
internal sealed class KubeWatch<T> : IAsyncDisposable
    where T : class, IKubeObject
{
    private readonly KubeSender _sender;
    private readonly KubeSubject _subject;
    private readonly HttpResponseMessage _response;
    private readonly CancellationTokenSource _alive;
    private readonly CancellationTokenRegistration _cancelled;
    private readonly TimeSpan _idle;
    private readonly CancellationToken _cancellationToken;
    private readonly FrameReader _frames;
    private readonly JsonTypeInfo<WatchFrame<T>> _json;

    private KubeWatch(
        KubeSender sender,
        KubeSubject subject,
        HttpResponseMessage response,
        CancellationTokenSource alive,
        CancellationTokenRegistration cancelled,
        TimeSpan idle,
        FrameReader frames,
        JsonTypeInfo<WatchFrame<T>> json,
        CancellationToken cancellationToken)
    {
        _sender = sender;
        _subject = subject;
        _response = response;
        _alive = alive;
        _cancelled = cancelled;
        _idle = idle;
        _frames = frames;
        _json = json;
        _cancellationToken = cancellationToken;
    }

    /// <summary>Sends the request; returns when the server has accepted the watch.</summary>
    public static async Task<KubeWatch<T>> OpenAsync(
        KubeSender sender, KubeCall call, JsonTypeInfo<T> json, TimeSpan idle, TimeProvider clock, CancellationToken cancellationToken)
    {
        var alive = new CancellationTokenSource(sender.Timeout, clock);
        var cancelled = cancellationToken.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), alive);
        HttpResponseMessage? response = null;
        try
        {
            response = await sender.SendAsync(call, alive.Token);
            var stream = await response.Content.ReadAsStreamAsync(alive.Token);
            alive.CancelAfter(Timeout.InfiniteTimeSpan);
            var frameJson = JsonMetadataServices.CreateValueInfo<WatchFrame<T>>(json.Options, new WatchFrameConverter<T>(json));
            return new(sender, call.Subject, response, alive, cancelled, idle, new(stream), frameJson, cancellationToken);
        }
        catch (Exception fault)
        {
            response?.Dispose();
            await cancelled.DisposeAsync();
            alive.Dispose();
            if (KubeSender.IsUntyped(fault))
                throw sender.Typed(call.Subject, fault, sender.Timeout, cancellationToken);
            throw;
        }
    }

    /// <summary>The next event; null when the server ended the watch in order.</summary>
    /// <exception cref="KubeGoneException">The resource version is compacted.</exception>
    /// <exception cref="KubeUnavailableException">The stream was cut, or idle for too long.</exception>
    /// <exception cref="KubeMalformedException">A frame is not what the API promises.</exception>
    public async ValueTask<KubeWatchEvent<T>?> NextAsync()
    {
        WatchFrame<T>? frame;
        try
        {
            _alive.CancelAfter(_idle);
            frame = await _frames.NextAsync(_json, _alive.Token);
            if (frame is null)
                return null;

            // Only waiting counts as idle, not the time a caller takes to work on an event.
            _alive.CancelAfter(Timeout.InfiniteTimeSpan);
        }
        catch (OperationCanceledException fault) when (!_cancellationToken.IsCancellationRequested)
        {
            throw new KubeUnavailableException(
                _subject,
                $"Cannot {_subject}: the watch gave no sign of life for {_idle.TotalSeconds.ToString(CultureInfo.InvariantCulture)} s.",
                inner: fault);
        }
        catch (Exception fault) when (KubeSender.IsUntyped(fault))
        {
            throw _sender.Typed(_subject, fault, _idle, _cancellationToken);
        }

        return frame.Event ?? throw KubeErrors.FromStatus(_subject, frame.Error!.Code, frame.Error);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _cancelled.DisposeAsync();
        try
        {
            await _frames.DisposeAsync();
        }
        finally
        {
            // Disposing the response resets the stream; the connection stays.
            _response.Dispose();
            _alive.Dispose();
        }
    }
}

/// <summary>
/// One line of a watch. A class, because the serializer's generic code is precompiled for all reference types at once, but would
/// be compiled at run time for each struct.
/// </summary>
internal sealed record WatchFrame<T>(KubeWatchEvent<T>? Event, KubeStatus? Error)
    where T : class;

/// <summary>
/// Reads a frame in one pass, straight into the object. The object of a BOOKMARK is not a whole one (a Pod has
/// <c>"containers": null</c>), therefore only its resource version is read.
/// </summary>
internal sealed class WatchFrameConverter<T>(JsonTypeInfo<T> json) : JsonConverter<WatchFrame<T>>
    where T : class, IKubeObject
{
    public override WatchFrame<T> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw new JsonException("a watch frame is an object");
        string? type = null;
        Utf8JsonReader later = default;
        var isLater = false;
        WatchFrame<T>? frame = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("type"u8))
            {
                reader.Read();
                type = Name(ref reader);
            }
            else if (!reader.ValueTextEquals("object"u8))
            {
                Skip(ref reader);
            }
            else
            {
                reader.Read();
                if (type is not null)
                {
                    frame = Frame(type, ref reader);
                }
                else
                {
                    later = reader;
                    isLater = true;
                    Skip(ref reader);
                }
            }
        }

        if (type is not null && isLater)
            frame = Frame(type, ref later);
        return frame ?? throw new JsonException("a watch frame has a type and an object");
    }

    public override void Write(Utf8JsonWriter writer, WatchFrame<T> value, JsonSerializerOptions options) =>
        throw new NotSupportedException("watch frames are only read");

    private WatchFrame<T> Frame(string type, ref Utf8JsonReader reader) => type switch
    {
        "ADDED" => Object(KubeWatchEventType.Added, ref reader),
        "MODIFIED" => Object(KubeWatchEventType.Modified, ref reader),
        "DELETED" => Object(KubeWatchEventType.Deleted, ref reader),
        "BOOKMARK" => new(new(KubeWatchEventType.Bookmark, null, BookmarkVersion(ref reader)), null),
        "ERROR" => new(null, JsonSerializer.Deserialize(ref reader, KubeJson.Wire.KubeStatus) ?? new()),
        _ => throw new JsonException($"unknown watch event type {type}"),
    };

    private WatchFrame<T> Object(KubeWatchEventType type, ref Utf8JsonReader reader)
    {
        var value = JsonSerializer.Deserialize(ref reader, json) ?? throw new JsonException("a watch event without an object");
        return new(new(type, value, value.Metadata.ResourceVersion), null);
    }

    private static string BookmarkVersion(ref Utf8JsonReader reader)
    {
        string? version = null;
        var depth = reader.CurrentDepth;
        var inMetadata = false;
        while (reader.Read() && reader.CurrentDepth > depth)
        {
            if (reader.TokenType != JsonTokenType.PropertyName)
                continue;
            if (reader.CurrentDepth == depth + 1)
                inMetadata = reader.ValueTextEquals("metadata"u8);
            else if (inMetadata && reader.CurrentDepth == depth + 2 && reader.ValueTextEquals("resourceVersion"u8) && reader.Read())
                version = reader.GetString();
        }

        return version ?? throw new JsonException("a bookmark without a resource version");
    }

    // The serializer hands over whole values, but in a reader that expects more; there only TrySkip works.
    private static void Skip(ref Utf8JsonReader reader)
    {
        if (!reader.TrySkip())
            throw new JsonException("a watch frame ends too early");
    }

    private static string? Name(ref Utf8JsonReader reader)
    {
        if (reader.ValueTextEquals("MODIFIED"u8))
            return "MODIFIED";
        if (reader.ValueTextEquals("ADDED"u8))
            return "ADDED";
        return reader.TokenType == JsonTokenType.String ? reader.GetString() : throw new JsonException("the type of a watch frame is a string");
    }
}
