using System.Collections.Concurrent;
using Dora.Kubernetes.Runtime;
using Dora.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dora.Kubernetes.Tests.Runtime;

[Collection(ClockCollection.Name)]
public sealed class ControllerLoopTests : IAsyncDisposable
{
    private readonly ManualClock _clock = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly WorkQueue<ObjectKey> _queue;
    private Task _running = Task.CompletedTask;

    public ControllerLoopTests() => _queue = new("test", _clock);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _queue.Dispose();
        _stop.Dispose();
    }

    private void Run(Func<ObjectKey, CancellationToken, Task<Reconciled>> reconcile, ControllerOptions? options = null) =>
        _running = new ControllerLoop("test", _queue, reconcile, options ?? new(1), _clock, NullLogger.Instance).RunAsync(_stop.Token);

    private static ObjectKey Key(string name) => new("ns", name);

    [Fact]
    public async Task A_key_is_reconciled_once_per_add()
    {
        var calls = new BlockingCollection<ObjectKey>();
        Run((key, _) =>
        {
            calls.Add(key, CancellationToken.None);
            return Task.FromResult(Reconciled.Done);
        });
        _queue.Add(Key("a"));
        _queue.Add(Key("b"));
        Assert.Equal([Key("a"), Key("b")], [calls.Take(), calls.Take()]);
        await _stop.CancelAsync();
        await _running;
        Assert.Empty(calls);
    }

    [Fact]
    public async Task After_comes_again_in_time_and_not_before()
    {
        var calls = 0;
        Run((_, _) => Task.FromResult(Interlocked.Increment(ref calls) == 1 ? Reconciled.After(TimeSpan.FromMinutes(10)) : Reconciled.Done));
        _queue.Add(Key("a"));
        await _clock.AdvanceUntilAsync(() => Volatile.Read(ref calls) == 2, TimeSpan.FromSeconds(1));
        Assert.InRange(_clock.Elapsed.TotalSeconds, 600, 660);
    }

    [Fact]
    public async Task A_failure_is_told_and_tried_again_for_ever_with_growing_delay()
    {
        var failures = new ConcurrentQueue<Exception>();
        var times = new ConcurrentQueue<TimeSpan>();
        Run(
            (_, _) =>
            {
                times.Enqueue(_clock.Elapsed);
                throw new InvalidOperationException("no");
            },
            new(1, OnError: (_, fault) =>
            {
                failures.Enqueue(fault);
                throw new NotSupportedException("the handler is broken, too");
            }));
        _queue.Add(Key("a"));
        await _clock.AdvanceUntilAsync(() => times.Count >= 8, TimeSpan.FromMilliseconds(1));
        var waits = times.Zip(times.Skip(1), (a, b) => (b - a).TotalMilliseconds).ToList();
        Assert.All(waits.Zip(new[] { 5, 10, 20, 40, 80, 160, 320 }), pair => Assert.True(pair.First >= pair.Second, $"{pair}"));
        Assert.All(failures, fault => Assert.IsType<InvalidOperationException>(fault));
    }

    [Fact]
    public async Task A_success_makes_the_delay_small_again()
    {
        var results = new Queue<bool>([false, false, false, true, false, true]);
        var times = new ConcurrentQueue<TimeSpan>();
        Run((_, _) =>
        {
            times.Enqueue(_clock.Elapsed);
            return results.Dequeue() ? Task.FromResult(Reconciled.Done) : throw new InvalidOperationException("no");
        });
        _queue.Add(Key("a"));
        await _clock.AdvanceUntilAsync(() => times.Count == 4, TimeSpan.FromMilliseconds(1));
        _queue.Add(Key("a"));
        await _clock.AdvanceUntilAsync(() => times.Count == 6, TimeSpan.FromMilliseconds(1));
        var all = times.ToArray();
        Assert.True((all[5] - all[4]).TotalMilliseconds < 20, $"{all[5] - all[4]}");
    }

    [Fact]
    public async Task A_reconcile_beyond_its_deadline_is_cancelled_and_counts_as_a_failure()
    {
        var failure = new TaskCompletionSource<Exception>();
        Run(
            async (_, token) =>
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, _clock, token);
                return Reconciled.Done;
            },
            new(1, TimeSpan.FromSeconds(30), (_, fault) => failure.TrySetResult(fault)));
        _queue.Add(Key("a"));
        await _clock.TimerWithinAsync(TimeSpan.FromSeconds(30));
        _clock.Advance(TimeSpan.FromSeconds(30));
        var fault = await failure.Task.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.IsType<TimeoutException>(fault);
        Assert.Contains("ns/a", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_more_than_the_given_workers_work_at_a_time()
    {
        var working = 0;
        var gate = new SemaphoreSlim(0);
        var entered = new SemaphoreSlim(0);
        Run(
            async (_, _) =>
            {
                Interlocked.Increment(ref working);
                entered.Release();
                await gate.WaitAsync(CancellationToken.None);
                Interlocked.Decrement(ref working);
                return Reconciled.Done;
            },
            new(3));
        for (var i = 0; i < 9; i++)
            _queue.Add(Key($"k{i}"));
        for (var i = 0; i < 3; i++)
            Assert.True(await entered.WaitAsync(TimeSpan.FromSeconds(10)));
        Assert.Equal((3, 6), (Volatile.Read(ref working), _queue.Length));
        for (var i = 3; i < 9; i++)
        {
            gate.Release();
            Assert.True(await entered.WaitAsync(TimeSpan.FromSeconds(10)));
            Assert.True(Volatile.Read(ref working) <= 3);
        }

        gate.Release(3);
    }

    [Fact]
    public async Task Shutdown_cancels_work_waits_for_it_and_keeps_its_key()
    {
        var started = new TaskCompletionSource();
        var ended = false;
        Run(async (_, token) =>
        {
            started.SetResult();
            try
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, _clock, token);
            }
            finally
            {
                ended = true;
            }

            return Reconciled.Done;
        });
        _queue.Add(Key("a"));
        await started.Task.WaitAsync(TimeSpan.FromSeconds(10));
        await _stop.CancelAsync();
        await _running;
        Assert.True(ended);
        Assert.Equal(1, _queue.Length);
    }
}
