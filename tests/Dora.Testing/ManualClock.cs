namespace Dora.Testing;

/// <summary>
/// A clock that stands still until the test moves it. Timers fire on the thread that moves it, in the order of their times, each
/// seeing its own time as now.
/// </summary>
public sealed class ManualClock : TimeProvider
{
    private readonly Lock _lock = new();
    private readonly List<ManualTimer> _timers = [];
    private readonly List<TaskCompletionSource> _awaitingTimers = [];
    private readonly DateTimeOffset _start;
    private TimeSpan _elapsed;
    private TimeSpan _skew;
    private long _sequence;

    /// <summary>A clock at this time, or at 2026-11-20 12:00 UTC.</summary>
    public ManualClock(DateTimeOffset? start = null) => _start = start ?? new(2026, 11, 20, 12, 0, 0, TimeSpan.Zero);

    /// <inheritdoc/>
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>Time moved so far.</summary>
    public TimeSpan Elapsed
    {
        get
        {
            lock (_lock)
                return _elapsed;
        }
    }

    /// <summary>Timers that will fire, i.e. things that wait for this clock.</summary>
    public int PendingTimers
    {
        get
        {
            lock (_lock)
                return _timers.Count;
        }
    }

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow()
    {
        lock (_lock)
            return _start + _elapsed + _skew;
    }

    /// <inheritdoc/>
    public override long GetTimestamp() => Elapsed.Ticks;

    /// <summary>Sets the wall clock wrong by this much; timers and timestamps do not notice, as on a real machine.</summary>
    public void Skew(TimeSpan skew)
    {
        lock (_lock)
            _skew = skew;
    }

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Moves the clock; everything that falls due on the way happens before this returns.</summary>
    public void Advance(TimeSpan by)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(by, TimeSpan.Zero);
        TimeSpan target;
        lock (_lock)
            target = _elapsed + by;
        while (NextDue(target) is { } timer)
            timer.Fire();
        lock (_lock)
            _elapsed = _elapsed > target ? _elapsed : target;
    }

    /// <summary>
    /// Moves the clock in steps until a condition holds, giving other threads time to run between. Tests that use it should not
    /// run beside others, lest the clock outruns the code.
    /// </summary>
    /// <exception cref="TimeoutException">It does not hold after a real minute.</exception>
    public async Task AdvanceUntilAsync(Func<bool> condition, TimeSpan step)
    {
        ArgumentNullException.ThrowIfNull(condition);
        var started = System.GetTimestamp();
        while (!condition())
        {
            if (System.GetElapsedTime(started) > TimeSpan.FromMinutes(1))
                throw new TimeoutException($"The condition does not hold after {Elapsed} on the clock.");
            await Task.Delay(TimeSpan.FromMilliseconds(2), System);
            while (ThreadPool.PendingWorkItemCount > 0)
                await Task.Delay(TimeSpan.FromMilliseconds(1), System);
            if (!condition())
                Advance(step);
        }
    }

    /// <summary>Ends when a timer is pending that falls due within this time.</summary>
    /// <exception cref="TimeoutException">There is none after 30 real seconds.</exception>
    public async Task TimerWithinAsync(TimeSpan span)
    {
        while (true)
        {
            Task added;
            lock (_lock)
            {
                if (_timers.Exists(timer => timer.Due <= _elapsed + span))
                    return;
                var source = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                _awaitingTimers.Add(source);
                added = source.Task;
            }

            await added.WaitAsync(TimeSpan.FromSeconds(30));
        }
    }

    /// <summary>The result of a call; whenever it waits for this clock, the clock moves.</summary>
    public async Task<T> DrivingAsync<T>(Task<T> call)
    {
        ArgumentNullException.ThrowIfNull(call);
        while (!call.IsCompleted)
        {
            var timer = TimerWithinAsync(TimeSpan.FromSeconds(2));
            if (await Task.WhenAny(call, timer) == timer && !call.IsCompleted)
                Advance(TimeSpan.FromSeconds(2));
        }

        return await call;
    }

    private ManualTimer? NextDue(TimeSpan target)
    {
        lock (_lock)
        {
            var next = _timers.Where(timer => timer.Due <= target).OrderBy(timer => timer.Due).ThenBy(timer => timer.Sequence).FirstOrDefault();
            if (next is null)
                return null;
            _elapsed = next.Due > _elapsed ? next.Due : _elapsed;
            _timers.Remove(next);
            next.Reschedule();
            return next;
        }
    }

    private void Schedule(ManualTimer timer)
    {
        _timers.Add(timer);
        timer.Sequence = _sequence++;
        foreach (var waiting in _awaitingTimers)
            waiting.TrySetResult();
        _awaitingTimers.Clear();
    }

    private sealed class ManualTimer(ManualClock clock, TimerCallback callback, object? state) : ITimer
    {
        private TimeSpan _period;

        public TimeSpan Due { get; private set; }

        public long Sequence { get; set; }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (clock._lock)
            {
                clock._timers.Remove(this);
                _period = period;
                if (dueTime == Timeout.InfiniteTimeSpan)
                    return true;
                Due = clock._elapsed + dueTime;
                clock.Schedule(this);
                return true;
            }
        }

        public void Reschedule()
        {
            if (_period <= TimeSpan.Zero)
                return;
            Due += _period;
            clock.Schedule(this);
        }

        public void Fire() => callback(state);

        public void Dispose()
        {
            lock (clock._lock)
                clock._timers.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
