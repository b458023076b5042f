using System.Globalization;
using Dora.Kubernetes.Client;
using Microsoft.Extensions.Logging;

namespace Dora.Kubernetes.Runtime;

/// <summary>How a reconcile ended; one that failed throws instead.</summary>
public abstract record Reconciled
{
    private Reconciled()
    {
    }

    /// <summary>Nothing more until something changes.</summary>
    public static Reconciled Done { get; } = new Settled();

    /// <summary>Look again after a while, even if nothing changes.</summary>
    public static Reconciled After(TimeSpan delay) => new Again(delay);

    internal sealed record Settled : Reconciled;

    internal sealed record Again(TimeSpan Delay) : Reconciled;
}

/// <summary>Settings of a controller.</summary>
/// <param name="Workers">Keys in work at a time.</param>
/// <param name="Deadline">Longest time of one reconcile; null: 60 s.</param>
/// <param name="OnError">Told of every failure, e.g. to record an event; what it throws is logged.</param>
public sealed record ControllerOptions(int Workers = 2, TimeSpan? Deadline = null, Action<ObjectKey, Exception>? OnError = null);

/// <summary>Takes keys from a queue and reconciles them with a bounded number of workers; failures come back with growing delay, for ever.</summary>
public sealed partial class ControllerLoop
{
    private readonly WorkQueue<ObjectKey> _queue;
    private readonly Func<ObjectKey, CancellationToken, Task<Reconciled>> _reconcile;
    private readonly ControllerOptions _options;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly TimeSpan _deadline;
    private readonly KeyValuePair<string, object?> _label;
    private readonly string _name;

    /// <summary>A loop that runs once <see cref="RunAsync"/> is called.</summary>
    public ControllerLoop(
        string name,
        WorkQueue<ObjectKey> queue,
        Func<ObjectKey, CancellationToken, Task<Reconciled>> reconcile,
        ControllerOptions options,
        TimeProvider clock,
        ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Workers < 1)
            throw new ArgumentException("at least one worker is needed", nameof(options));
        _name = name;
        _label = new("controller", name);
        _queue = queue;
        _reconcile = reconcile;
        _options = options;
        _clock = clock;
        _logger = logger;
        _deadline = options.Deadline ?? TimeSpan.FromSeconds(60);
    }

    /// <summary>Works until cancelled; returns when the last worker has ended.</summary>
    public Task RunAsync(CancellationToken cancellationToken)
    {
        var workers = new Task[_options.Workers];
        for (var worker = 0; worker < workers.Length; worker++)
            workers[worker] = Task.Run(() => WorkAsync(cancellationToken), CancellationToken.None);
        return Task.WhenAll(workers);
    }

    private async Task WorkAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            ObjectKey key;
            try
            {
                key = await _queue.GetAsync(cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }

            try
            {
                await ReconcileAsync(key, cancellationToken);
            }
            finally
            {
                _queue.Done(key);
            }
        }
    }

    private async Task ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        var started = _clock.GetTimestamp();
        using var deadline = new CancellationTokenSource(_deadline, _clock);
        using var cancelled = cancellationToken.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), deadline);
        string result;
        try
        {
            var outcome = await _reconcile(key, deadline.Token);
            _queue.Forget(key);
            result = outcome is Reconciled.Again ? "requeue_after" : "done";
            if (outcome is Reconciled.Again again)
                _queue.AddAfter(key, again.Delay);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Not done: whoever works on this queue next finds it there.
            _queue.Add(key);
            return;
        }
        catch (OperationCanceledException fault) when (deadline.IsCancellationRequested)
        {
            result = "timeout";
            Failed(key, new TimeoutException($"The reconcile of {key} did not end within {_deadline.TotalSeconds.ToString(CultureInfo.InvariantCulture)} s.", fault));
        }
        catch (Exception fault)
        {
            result = "error";
            Failed(key, fault);
        }

        KubeMetrics.Reconciles.Add(1, _label, new("result", result));
        KubeMetrics.ReconcileDuration.Record(_clock.GetElapsedTime(started).TotalSeconds, _label);
    }

    private void Failed(ObjectKey key, Exception fault)
    {
        _queue.AddRateLimited(key);

        // A conflict means that somebody was faster; the next try reads again. That is daily business, not an error.
        if (fault is KubeConflictException { HasFieldManagerConflicts: false })
            LogConflict(_name, key);
        else
            LogFailed(fault, _name, key);
        try
        {
            _options.OnError?.Invoke(key, fault);
        }
        catch (Exception handlerFault)
        {
            LogOnErrorFailed(handlerFault, _name, key);
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "{Controller}: reconcile of {Key} failed; it is tried again.")]
    private partial void LogFailed(Exception fault, string controller, ObjectKey key);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Controller}: {Key} changed meanwhile; it is tried again.")]
    private partial void LogConflict(string controller, ObjectKey key);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Controller}: the error handler failed for {Key}.")]
    private partial void LogOnErrorFailed(Exception fault, string controller, ObjectKey key);
}
