using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Microsoft.Extensions.Logging;

namespace Dora.Kubernetes.Runtime;

/// <summary>What an informer watches.</summary>
/// <param name="Namespace">Null: all namespaces.</param>
/// <param name="LabelSelector">Only objects with these labels are read and held.</param>
/// <param name="FieldSelector">Only objects with these fields are read and held.</param>
/// <param name="PageSize">Objects per page of the list.</param>
/// <param name="IdleTimeout">A watch without a sign of life for so long is opened anew; null: 3 minutes. Servers send a bookmark each minute.</param>
/// <param name="IndexLabel">Label that <see cref="ObjectStore{T}.ByLabel"/> looks up.</param>
/// <param name="Trim">Drops what nobody reads before the object is held, to save memory.</param>
public sealed record InformerOptions<T>(
    string? Namespace = null,
    string? LabelSelector = null,
    string? FieldSelector = null,
    int PageSize = 500,
    TimeSpan? IdleTimeout = null,
    string? IndexLabel = null,
    Func<T, T>? Trim = null)
    where T : class, IKubeObject;

/// <summary>
/// Keeps a store equal to the server: a paged list, then a watch from its resource version, each again when it ends. Nothing
/// that the server or the network does ends an informer; it backs off and goes on.
/// </summary>
public sealed partial class Informer<T>
    where T : class, IKubeObject
{
    private static readonly TimeSpan _shortWatch = TimeSpan.FromSeconds(1);

    private readonly KubeClient _client;
    private readonly KubeType<T> _type;
    private readonly InformerOptions<T> _options;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly List<Action<ObjectChange<T>>> _handlers = [];
    private readonly TaskCompletionSource _synced = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly KeyValuePair<string, object?> _label;
    private readonly string _resource;
    private volatile Exception? _error;
    private volatile bool _running;
    private string? _version;
    private int _failures;

    /// <summary>An informer that begins once <see cref="RunAsync"/> is called.</summary>
    public Informer(KubeClient client, KubeType<T> type, InformerOptions<T> options, TimeProvider clock, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(type);
        ArgumentNullException.ThrowIfNull(options);
        _client = client;
        _type = type;
        _options = options;
        _clock = clock;
        _logger = logger;
        _resource = type.Resource.ToString();
        _label = new("resource", _resource);
        Store = new(options.IndexLabel);
    }

    /// <summary>The objects as last seen.</summary>
    public ObjectStore<T> Store { get; }

    /// <summary>Ends when the first list is in the store and every handler was told of it.</summary>
    public Task Synced => _synced.Task;

    /// <summary>Whether the first list is in the store.</summary>
    public bool IsSynced => _synced.Task.IsCompletedSuccessfully;

    /// <summary>Why the store may be behind the server; null while the watch is open.</summary>
    public Exception? Error => _error;

    /// <summary>Adds a handler; it runs on the informer's own task, in order, and should only note what is to do.</summary>
    /// <exception cref="InvalidOperationException">The informer runs already, so that the handler would miss objects.</exception>
    public void Subscribe(Action<ObjectChange<T>> handler)
    {
        if (_running)
            throw new InvalidOperationException("subscribe before the informer runs");
        _handlers.Add(handler);
    }

    /// <summary>Lists and watches until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        _running = true;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                _version ??= await RelistAsync(cancellationToken);
                if (!await WatchAsync(_version, cancellationToken))
                    await PauseAsync(TimeSpan.Zero, cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception fault)
            {
                await RecoverAsync(fault, cancellationToken);
            }
        }
    }

    /// <summary>Notes what went wrong, decides whether the list must be read again, and waits.</summary>
    private async Task RecoverAsync(Exception fault, CancellationToken cancellationToken)
    {
        _error = fault;
        KubeMetrics.InformerRestarts.Add(1, _label, new("reason", fault.GetType().Name));
        if (fault is KubeGoneException)
        {
            _version = null;
            LogGone(_resource);

            // Compaction is no fault of the server: the first list after it need not wait.
            if (_failures == 0)
            {
                _failures++;
                return;
            }
        }
        else
        {
            // When no answer was had at all, the last version is as good as before; otherwise it cannot be relied on.
            if (fault is not (KubeUnavailableException or KubeThrottledException or KubeConfigException))
                _version = null;
            LogFailed(_resource, fault.Message);
        }

        await PauseAsync((fault as KubeThrottledException)?.RetryAfter ?? TimeSpan.Zero, cancellationToken);
    }

    private async Task PauseAsync(TimeSpan atLeast, CancellationToken cancellationToken)
    {
        var wait = Backoff.OfInformer.After(_failures++, _client.Jitter());
        try
        {
            await Task.Delay(wait > atLeast ? wait : atLeast, _clock, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // The loop sees the cancellation.
        }
    }

    /// <summary>Reads everything, swaps the store, tells the handlers the difference; returns the resource version.</summary>
    private async Task<string> RelistAsync(CancellationToken cancellationToken)
    {
        var (objects, version) = await ListAsync(cancellationToken);
        foreach (var change in Store.Replace(objects))
            Tell(change);
        KubeMetrics.InformerObjects.Record(Store.Count, _label);
        _error = null;
        if (_synced.TrySetResult())
            LogSynced(_resource, objects.Count);
        return version;
    }

    private async Task<(List<T> Objects, string Version)> ListAsync(CancellationToken cancellationToken)
    {
        // No resourceVersion: with "0" the server would ignore the limit and answer from an old cache.
        var page = new ListOptions(_options.LabelSelector, _options.FieldSelector, _options.PageSize);
        var objects = new List<T>();
        while (true)
        {
            KubeList<T> list;
            try
            {
                list = await _client.ListPageAsync(_type, _options.Namespace, page, cancellationToken);
            }
            catch (KubeGoneException) when (page.Continue is not null)
            {
                // Paging took longer than the server keeps versions; all in one answer is always consistent.
                objects.Clear();
                page = page with { Continue = null, Limit = null };
                continue;
            }

            foreach (var item in list.Items ?? [])
                objects.Add(Trimmed(item));
            if (list.Metadata.Continue is not { Length: > 0 } next)
                return (objects, list.Metadata.ResourceVersion ?? "");
            page = page with { Continue = next };
        }
    }

    /// <summary>Follows one watch to its end; false if it ended at once, so that the next one should wait.</summary>
    private async Task<bool> WatchAsync(string version, CancellationToken cancellationToken)
    {
        var options = new WatchOptions(
            _options.LabelSelector,
            _options.FieldSelector,
            version,
            IdleTimeout: _options.IdleTimeout ?? TimeSpan.FromMinutes(3));
        await using var watch = await _client.OpenWatchAsync(_type, _options.Namespace, options, cancellationToken);
        _error = null;
        var opened = _clock.GetTimestamp();
        var seen = false;
        while (await watch.NextAsync() is { } change)
        {
            seen = true;
            _failures = 0;
            Observe(change);
            if (change.ResourceVersion is { } next)
                _version = next;
        }

        if (!seen && _clock.GetElapsedTime(opened) < _shortWatch)
            return false;
        _failures = 0;
        return true;
    }

    private void Observe(KubeWatchEvent<T> change)
    {
        if (change.Object is not { } value)
            return;
        if (change.Type == KubeWatchEventType.Deleted)
        {
            Store.Remove(ObjectKey.Of(value));
            Tell(new(Trimmed(value), null));
        }
        else
        {
            var now = Trimmed(value);
            var old = Store.Set(now);
            if (old is not null && !string.Equals(old.Metadata.Uid, now.Metadata.Uid, StringComparison.Ordinal))
            {
                Tell(new(old, null));
                old = null;
            }

            if (old is null || !string.Equals(old.Metadata.ResourceVersion, now.Metadata.ResourceVersion, StringComparison.Ordinal))
                Tell(new(old, now));
        }

        KubeMetrics.InformerObjects.Record(Store.Count, _label);
    }

    private T Trimmed(T value) => _options.Trim is { } trim ? trim(value) : value;

    private void Tell(ObjectChange<T> change)
    {
        foreach (var handler in _handlers)
        {
            try
            {
                handler(change);
            }
            catch (Exception fault)
            {
                LogHandlerFailed(fault, _resource, change.Key);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Informer of {Resource} holds {Count} objects.")]
    private partial void LogSynced(string resource, int count);

    [LoggerMessage(Level = LogLevel.Information, Message = "Informer of {Resource} lists again: its resource version was compacted.")]
    private partial void LogGone(string resource);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Informer of {Resource} is behind and tries again: {Reason}")]
    private partial void LogFailed(string resource, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "A handler of {Resource} failed for {Key}.")]
    private partial void LogHandlerFailed(Exception fault, string resource, ObjectKey key);
}
