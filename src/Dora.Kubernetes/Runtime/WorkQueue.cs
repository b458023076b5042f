using System.Threading.Channels;
using Dora.Kubernetes.Client;

namespace Dora.Kubernetes.Runtime;

/// <summary>
/// Keys to work on, in the order they were added. A key waits at most once however often it is added, and is never with two
/// workers: added while in work, it comes again after <see cref="Done"/>. Memory is bounded by the number of live keys.
/// </summary>
public sealed class WorkQueue<TKey> : IDisposable
    where TKey : notnull
{
    private readonly Lock _lock = new();
    private readonly Channel<TKey> _ready = Channel.CreateUnbounded<TKey>();
    private readonly HashSet<TKey> _dirty = [];
    private readonly HashSet<TKey> _processing = [];
    private readonly Dictionary<TKey, int> _failures = [];
    private readonly Dictionary<TKey, long> _due = [];
    private readonly PriorityQueue<TKey, (long Due, long Sequence)> _delayed = new();
    private readonly KeyValuePair<string, object?> _name;
    private readonly Backoff _backoff;
    private readonly TimeProvider _clock;
    private readonly ITimer _timer;
    private long _sequence;
    private long _timerDue = long.MaxValue;

    /// <summary>An empty queue.</summary>
    /// <param name="name">Label of its metric.</param>
    /// <param name="clock">Source of time for delays.</param>
    /// <param name="backoff">Delays of <see cref="AddRateLimited"/>; null: 5 ms doubling up to 1,000 s.</param>
    public WorkQueue(string name, TimeProvider clock, Backoff? backoff = null)
    {
        ArgumentNullException.ThrowIfNull(clock);
        _name = new("name", name);
        _clock = clock;
        _backoff = backoff ?? Backoff.OfQueue;
        _timer = clock.CreateTimer(static queue => ((WorkQueue<TKey>)queue!).AddDue(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Keys that wait for a worker; delayed ones and those in work are not counted.</summary>
    public int Length => _ready.Reader.Count;

    /// <summary>Asks for work on a key, as soon as a worker is free.</summary>
    public void Add(TKey key)
    {
        lock (_lock)
            Enqueue(key);
    }

    /// <summary>Asks for work on a key after a delay; an earlier request for the same key stays.</summary>
    public void AddAfter(TKey key, TimeSpan delay)
    {
        if (delay <= TimeSpan.Zero)
        {
            Add(key);
            return;
        }

        lock (_lock)
            Delay(key, delay);
    }

    /// <summary>Asks for work on a key after a delay that doubles each time until <see cref="Forget"/>.</summary>
    public void AddRateLimited(TKey key)
    {
        lock (_lock)
        {
            var failures = _failures.GetValueOrDefault(key);
            _failures[key] = failures + 1;
            Delay(key, _backoff.After(failures));
        }
    }

    /// <summary>The key succeeded: its delays begin small again.</summary>
    public void Forget(TKey key)
    {
        lock (_lock)
            _failures.Remove(key);
    }

    /// <summary>The next key; it is with the caller until <see cref="Done"/>.</summary>
    /// <exception cref="OperationCanceledException">Cancelled; no key was taken.</exception>
    public async ValueTask<TKey> GetAsync(CancellationToken cancellationToken)
    {
        var key = await _ready.Reader.ReadAsync(cancellationToken);
        lock (_lock)
        {
            _dirty.Remove(key);
            _processing.Add(key);
        }

        KubeMetrics.QueueDepth.Record(Length, _name);
        return key;
    }

    /// <summary>The work on a key ended, well or not; if it was added meanwhile it waits again, behind the others.</summary>
    public void Done(TKey key)
    {
        lock (_lock)
        {
            if (_processing.Remove(key) && _dirty.Contains(key))
                MakeReady(key);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    private void Enqueue(TKey key)
    {
        if (_dirty.Add(key) && !_processing.Contains(key))
            MakeReady(key);
    }

    private void MakeReady(TKey key)
    {
        _ready.Writer.TryWrite(key);
        KubeMetrics.QueueDepth.Record(Length, _name);
    }

    private void Delay(TKey key, TimeSpan delay)
    {
        var due = Due(delay);
        if (_due.TryGetValue(key, out var known) && known <= due)
            return;
        _due[key] = due;
        _delayed.Enqueue(key, (due, _sequence++));
        DropSuperseded();
        SetTimer();
    }

    /// <summary>A key that got an earlier time leaves its later entry behind; those must not outgrow the live ones.</summary>
    private void DropSuperseded()
    {
        if (_delayed.Count <= (2 * _due.Count) + 64)
            return;
        var live = _delayed.UnorderedItems.Where(item => _due.TryGetValue(item.Element, out var due) && due == item.Priority.Due).ToList();
        _delayed.Clear();
        _delayed.EnqueueRange(live);
    }

    private void AddDue()
    {
        lock (_lock)
        {
            _timerDue = long.MaxValue;
            var now = _clock.GetTimestamp();
            while (_delayed.TryPeek(out var key, out var priority) && priority.Due <= now)
            {
                _delayed.Dequeue();
                if (!_due.TryGetValue(key, out var due) || due != priority.Due)
                    continue;
                _due.Remove(key);
                Enqueue(key);
            }

            SetTimer();
        }
    }

    private void SetTimer()
    {
        if (!_delayed.TryPeek(out _, out var next) || next.Due >= _timerDue)
            return;
        _timerDue = next.Due;
        var wait = TimeSpan.FromSeconds(Math.Max(0, next.Due - _clock.GetTimestamp()) / (double)_clock.TimestampFrequency);

        // Timers count whole milliseconds: rounded up, so that the key is due when the timer fires. They cannot wait beyond 49 days.
        var milliseconds = Math.Min(Math.Ceiling(wait.TotalMilliseconds), uint.MaxValue - 1d);
        _timer.Change(TimeSpan.FromMilliseconds(milliseconds), Timeout.InfiniteTimeSpan);
    }

    private long Due(TimeSpan delay)
    {
        var ticks = delay.TotalSeconds * _clock.TimestampFrequency;
        var now = _clock.GetTimestamp();
        return ticks >= long.MaxValue - now ? long.MaxValue - 1 : now + (long)ticks;
    }
}
