using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Microsoft.Extensions.Logging;

namespace Dora.Kubernetes.Runtime;

/// <summary>Type of an event.</summary>
public enum KubeEventType
{
    /// <summary>All as it should be.</summary>
    Normal,

    /// <summary>Somebody should look.</summary>
    Warning,
}

/// <summary>How events are written.</summary>
/// <param name="ReportingController">Name of the controller, e.g. <c>dora-operator.io/operator</c>.</param>
/// <param name="ReportingInstance">Name of the process, e.g. the pod.</param>
/// <param name="Capacity">Events that may wait to be written; more are dropped.</param>
/// <param name="Burst">Writes per object before the rate bound sets in.</param>
/// <param name="Refill">Time until an object may have one more write; null: 5 minutes.</param>
/// <param name="SeriesWindow">A repetition within this time joins the event before; null: 6 minutes.</param>
public sealed record EventRecorderOptions(
    string ReportingController,
    string ReportingInstance,
    int Capacity = 1000,
    int Burst = 25,
    TimeSpan? Refill = null,
    TimeSpan? SeriesWindow = null);

/// <summary>
/// Writes events.k8s.io events. Recording never waits and never throws: what cannot be written is dropped and counted.
/// Repetitions become a series on the first event; a noisy object is bounded by a token bucket of its own.
/// </summary>
public sealed partial class EventRecorder : IDisposable
{
    private const int MaxNoteBytes = 1024;
    private const int MaxRemembered = 4096;
    private const int MaxNameLength = 253;

    private readonly KubeClient _client;
    private readonly EventRecorderOptions _options;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly TimeSpan _refill;
    private readonly TimeSpan _window;
    private readonly Channel<Pending> _waiting;
    private readonly SemaphoreSlim _writing = new(1, 1);
    private readonly Dictionary<Pending, Series> _series = [];
    private readonly Dictionary<ObjectReference, Bucket> _buckets = [];
    private long _sequence;

    /// <summary>A recorder that writes once <see cref="RunAsync"/> or <see cref="FlushAsync"/> is called.</summary>
    public EventRecorder(KubeClient client, EventRecorderOptions options, TimeProvider clock, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(options);
        _client = client;
        _options = options;
        _clock = clock;
        _logger = logger;
        _refill = options.Refill ?? TimeSpan.FromMinutes(5);
        _window = options.SeriesWindow ?? TimeSpan.FromMinutes(6);
        _waiting = Channel.CreateBounded<Pending>(options.Capacity);
    }

    /// <summary>Notes an event about an object.</summary>
    /// <param name="regarding">The object.</param>
    /// <param name="type">Normal or Warning.</param>
    /// <param name="reason">Why, in CamelCase, for machines.</param>
    /// <param name="action">What was done or failed, in CamelCase, for machines.</param>
    /// <param name="note">For people; cut at 1 KiB.</param>
    public void Record(ObjectReference regarding, KubeEventType type, string reason, string action, string note)
    {
        ArgumentNullException.ThrowIfNull(regarding);

        // The resource version would make each repetition look like another object.
        var pending = new Pending(regarding with { ResourceVersion = null }, type, reason, action, Cut(note));
        if (!_waiting.Writer.TryWrite(pending))
            KubeMetrics.EventsDropped.Add(1, new KeyValuePair<string, object?>("reason", "full"));
    }

    /// <summary>Writes events as they come, until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (await _waiting.Reader.WaitToReadAsync(cancellationToken))
                await FlushAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // What still waits is written by FlushAsync, if the caller has time for it.
        }
    }

    /// <summary>Writes everything that waits.</summary>
    /// <exception cref="OperationCanceledException">Cancelled; the rest still waits.</exception>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            while (!cancellationToken.IsCancellationRequested && _waiting.Reader.TryRead(out var pending))
                await WriteAsync(pending, cancellationToken);
            cancellationToken.ThrowIfCancellationRequested();
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _writing.Dispose();

    private async Task WriteAsync(Pending pending, CancellationToken cancellationToken)
    {
        var now = _clock.GetUtcNow();
        var repeats = _series.TryGetValue(pending, out var series) && now - series.Last < _window;
        if (repeats)
        {
            // Counted even if the bucket is empty: the next write tells the whole number.
            series = series! with { Count = series.Count + 1, Last = now };
            _series[pending] = series;
        }

        if (!TakeToken(pending.Regarding, now))
        {
            KubeMetrics.EventsDropped.Add(1, new KeyValuePair<string, object?>("reason", "rate"));
            return;
        }

        try
        {
            if (!repeats || !await RepeatAsync(pending.Regarding, series!, cancellationToken))
                await CreateAsync(pending, now, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception fault)
        {
            KubeMetrics.EventsDropped.Add(1, new KeyValuePair<string, object?>("reason", "error"));
            LogDropped(pending.Reason, pending.Regarding.Name, fault.Message);
        }
    }

    private async Task CreateAsync(Pending pending, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var ns = Namespace(pending.Regarding);
        var name = UniqueName(pending.Regarding.Name ?? "", now);
        var written = new KubeEvent(
            new(name, ns),
            now,
            _options.ReportingController,
            _options.ReportingInstance,
            pending.Action,
            pending.Reason,
            pending.Type.ToString(),
            pending.Note,
            pending.Regarding);
        await _client.CreateAsync(KubeTypes.Events, written, cancellationToken);
        if (_series.Count >= MaxRemembered)
            ForgetOld(now);
        _series[pending] = new(name, 1, now);
    }

    /// <summary>False if the first event has expired meanwhile.</summary>
    private async Task<bool> RepeatAsync(ObjectReference regarding, Series series, CancellationToken cancellationToken)
    {
        var patch = new JsonObject
        {
            ["series"] = JsonSerializer.SerializeToNode(new EventSeries(series.Count, series.Last), KubeJson.Wire.EventSeries),
        };
        try
        {
            await _client.PatchAsync(KubeTypes.Events, Namespace(regarding), series.Name, KubePatch.Merge(patch), cancellationToken);
            return true;
        }
        catch (KubeNotFoundException)
        {
            return false;
        }
    }

    private bool TakeToken(ObjectReference regarding, DateTimeOffset now)
    {
        if (_buckets.Count >= MaxRemembered)
            ForgetOld(now);
        var bucket = _buckets.GetValueOrDefault(regarding, new(_options.Burst, now));
        var tokens = Math.Min(_options.Burst, bucket.Tokens + ((now - bucket.At) / _refill));
        var granted = tokens >= 1;
        _buckets[regarding] = new(granted ? tokens - 1 : tokens, now);
        return granted;
    }

    private void ForgetOld(DateTimeOffset now)
    {
        foreach (var (pending, series) in _series)
        {
            if (now - series.Last >= _window)
                _series.Remove(pending);
        }

        foreach (var (regarding, bucket) in _buckets)
        {
            if (bucket.Tokens + ((now - bucket.At) / _refill) >= _options.Burst)
                _buckets.Remove(regarding);
        }

        // All of them recent: beginning anew costs a few more events, keeping them would cost memory without end.
        if (_series.Count >= MaxRemembered)
            _series.Clear();
        if (_buckets.Count >= MaxRemembered)
            _buckets.Clear();
    }

    /// <summary>Events about cluster-scoped objects live in <c>default</c>.</summary>
    private static string Namespace(ObjectReference regarding) => regarding.Namespace is { Length: > 0 } ns ? ns : "default";

    private string UniqueName(string name, DateTimeOffset now)
    {
        var suffix = string.Create(CultureInfo.InvariantCulture, $".{now.UtcTicks:x}{_sequence++ & 0xff:x2}");
        return string.Concat(name.AsSpan(0, Math.Min(name.Length, MaxNameLength - suffix.Length)), suffix);
    }

    /// <summary>Cuts to what the API server accepts, between characters.</summary>
    private static string Cut(string note)
    {
        if (Encoding.UTF8.GetByteCount(note) <= MaxNoteBytes)
            return note;
        const string ellipsis = "…";
        var left = MaxNoteBytes - Encoding.UTF8.GetByteCount(ellipsis);
        var length = 0;
        foreach (var rune in note.EnumerateRunes())
        {
            if (rune.Utf8SequenceLength > left)
                break;
            left -= rune.Utf8SequenceLength;
            length += rune.Utf16SequenceLength;
        }

        return string.Concat(note.AsSpan(0, length), ellipsis);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Event {Reason} about {Name} could not be written: {Fault}")]
    private partial void LogDropped(string reason, string? name, string fault);

    private sealed record Pending(ObjectReference Regarding, KubeEventType Type, string Reason, string Action, string Note);

    private sealed record Series(string Name, int Count, DateTimeOffset Last);

    private readonly record struct Bucket(double Tokens, DateTimeOffset At);
}
