using Dora.Kubernetes.Runtime;
using Dora.Testing;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Dora.Kubernetes.Tests.Runtime;

public sealed class WorkQueueTests
{
    private readonly ManualClock _clock = new();

    private WorkQueue<string> Queue(Backoff? backoff = null) => new("test", _clock, backoff);

    private static async Task<string> TakeAsync(WorkQueue<string> queue)
    {
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        return await queue.GetAsync(soon.Token);
    }

    [Fact]
    public async Task A_key_added_twice_waits_once()
    {
        using var queue = Queue();
        queue.Add("a");
        queue.Add("b");
        queue.Add("a");
        Assert.Equal(2, queue.Length);
        Assert.Equal(["a", "b"], [await TakeAsync(queue), await TakeAsync(queue)]);
    }

    [Fact]
    public async Task A_key_added_while_in_work_comes_again_after_it_and_behind_the_others()
    {
        using var queue = Queue();
        queue.Add("a");
        await TakeAsync(queue);
        queue.Add("a");
        queue.Add("a");
        queue.Add("b");
        Assert.Equal(1, queue.Length);
        queue.Done("a");
        Assert.Equal(["b", "a"], [await TakeAsync(queue), await TakeAsync(queue)]);
        queue.Done("a");
        queue.Done("b");
        Assert.Equal(0, queue.Length);
    }

    [Fact]
    public async Task A_cancelled_get_takes_no_key()
    {
        using var queue = Queue();
        using var caller = new CancellationTokenSource();
        var waiting = queue.GetAsync(caller.Token);
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await waiting);
        queue.Add("a");
        Assert.Equal("a", await TakeAsync(queue));
    }

    [Fact]
    public void A_delayed_key_comes_in_its_time()
    {
        using var queue = Queue();
        queue.AddAfter("late", TimeSpan.FromSeconds(10));
        queue.AddAfter("soon", TimeSpan.FromSeconds(1));
        queue.AddAfter("now", TimeSpan.Zero);
        Assert.Equal(1, queue.Length);
        _clock.Advance(TimeSpan.FromSeconds(0.999));
        Assert.Equal(1, queue.Length);
        _clock.Advance(TimeSpan.FromSeconds(0.001));
        Assert.Equal(2, queue.Length);
        _clock.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal(3, queue.Length);
    }

    [Fact]
    public async Task Of_two_delays_of_a_key_the_earlier_counts_and_once()
    {
        using var queue = Queue();
        queue.AddAfter("a", TimeSpan.FromSeconds(10));
        queue.AddAfter("a", TimeSpan.FromSeconds(2));
        queue.AddAfter("a", TimeSpan.FromSeconds(5));
        _clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal("a", await TakeAsync(queue));
        queue.Done("a");
        _clock.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal(0, queue.Length);
    }

    [Fact]
    public void A_failing_key_waits_twice_as_long_each_time_until_it_is_forgotten()
    {
        using var queue = Queue();
        foreach (var expected in new[] { 5, 10, 20, 40 })
        {
            Assert.Equal(expected, Wait(queue, "a"));
        }

        Assert.Equal(5, Wait(queue, "b"));
        queue.Forget("a");
        Assert.Equal(5, Wait(queue, "a"));
    }

    [Fact]
    public void The_longest_wait_is_bounded()
    {
        using var queue = Queue(new(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(4)));
        Assert.Equal([1000, 2000, 4000, 4000], [Wait(queue, "a"), Wait(queue, "a"), Wait(queue, "a"), Wait(queue, "a")]);
        Assert.Equal(TimeSpan.FromSeconds(1000), Backoff.OfQueue.After(int.MaxValue));
    }

    /// <summary>Milliseconds until a rate-limited key is ready.</summary>
    private double Wait(WorkQueue<string> queue, string key)
    {
        var before = _clock.Elapsed;
        queue.AddRateLimited(key);
        while (queue.Length == 0)
            _clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(key, TakeAsync(queue).GetAwaiter().GetResult());
        queue.Done(key);
        return (_clock.Elapsed - before).TotalMilliseconds;
    }

    [Fact]
    public void Ever_earlier_delays_leave_no_growing_pile_behind()
    {
        using var queue = Queue();
        for (var milliseconds = 100_000; milliseconds > 1; milliseconds--)
            queue.AddAfter("a", TimeSpan.FromMilliseconds(milliseconds));
        _clock.Advance(TimeSpan.FromSeconds(200));
        Assert.Equal(1, queue.Length);
        Assert.Equal(0, _clock.PendingTimers);
    }

    [Fact]
    public void A_delay_beyond_all_bounds_is_no_error()
    {
        using var queue = Queue();
        queue.AddAfter("a", TimeSpan.MaxValue);
        queue.AddAfter("b", TimeSpan.FromDays(100));
        _clock.Advance(TimeSpan.FromDays(100));
        Assert.Equal(1, queue.Length);
    }

    private enum Step
    {
        Add,
        Delay,
        Take,
        Done,
        Advance,
    }

    /// <summary>Any sequence of steps against a model: what waits, in order; what is in work; what was added meanwhile.</summary>
    [Fact]
    public void Every_sequence_of_steps_does_what_the_model_does()
    {
        var steps = Gen.Elements(Enum.GetValues<Step>()).Zip(Gen.Choose(0, 4)).ListOf().ToArbitrary();
        Prop.ForAll(steps, sequence =>
        {
            var clock = new ManualClock();
            using var queue = new WorkQueue<int>("model", clock);
            var waiting = new List<int>();
            var working = new List<int>();
            var again = new HashSet<int>();
            var delayed = new SortedDictionary<TimeSpan, List<int>>();
            void Add(int key)
            {
                if (working.Contains(key))
                    again.Add(key);
                else if (!waiting.Contains(key))
                    waiting.Add(key);
            }

            foreach (var (step, key) in sequence)
            {
                switch (step)
                {
                    case Step.Add:
                        queue.Add(key);
                        Add(key);
                        break;
                    case Step.Delay:
                        queue.AddAfter(key, TimeSpan.FromSeconds(key + 1));
                        if (!delayed.Values.Any(list => list.Contains(key)))
                        {
                            var due = clock.Elapsed + TimeSpan.FromSeconds(key + 1);
                            if (!delayed.TryGetValue(due, out var list))
                                delayed[due] = list = [];
                            list.Add(key);
                        }

                        break;
                    case Step.Take when waiting.Count > 0:
                        var taken = queue.GetAsync(CancellationToken.None);
                        if (!taken.IsCompletedSuccessfully || taken.Result != waiting[0] || working.Contains(taken.Result))
                            return false;
                        working.Add(waiting[0]);
                        waiting.RemoveAt(0);
                        break;
                    case Step.Done when working.Count > 0:
                        var done = working[key % working.Count];
                        working.Remove(done);
                        queue.Done(done);
                        if (again.Remove(done))
                            waiting.Add(done);
                        break;
                    case Step.Advance:
                        clock.Advance(TimeSpan.FromSeconds(key));
                        foreach (var due in delayed.Keys.Where(due => due <= clock.Elapsed).ToList())
                        {
                            delayed[due].ForEach(Add);
                            delayed.Remove(due);
                        }

                        break;
                    default:
                        break;
                }

                if (queue.Length != waiting.Count)
                    return false;
            }

            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500).WithEndSize(60));
    }

    /// <summary>Real threads: the work on a key is never shared, and the last add of each key is always seen.</summary>
    [Theory]
    [InlineData(2, 1)]
    [InlineData(4, 3)]
    [InlineData(8, 50)]
    public async Task Under_load_no_key_is_with_two_workers_and_no_add_is_lost(int workers, int keys)
    {
        using var queue = new WorkQueue<int>("load", TimeProvider.System);
        using var stop = new CancellationTokenSource();
        var versions = new int[keys];
        var seen = new int[keys];
        var inWork = new int[keys];
        var shared = 0;
        using var done = new SemaphoreSlim(0);
        var pool = Enumerable.Range(0, workers).Select(_ => Task.Run(async () =>
        {
            while (true)
            {
                var key = await queue.GetAsync(stop.Token);
                if (Interlocked.Increment(ref inWork[key]) > 1)
                    Interlocked.Increment(ref shared);
                var version = Volatile.Read(ref versions[key]);
                await Task.Yield();
                Volatile.Write(ref seen[key], version);
                Interlocked.Decrement(ref inWork[key]);
                queue.Done(key);
                done.Release();
            }
        })).ToArray();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(adder => Task.Run(() =>
        {
            var random = new Random(adder);
            for (var i = 0; i < 5000; i++)
            {
                var key = random.Next(keys);
                Interlocked.Increment(ref versions[key]);
                if (i % 7 == 0)
                    queue.AddAfter(key, TimeSpan.FromMilliseconds(random.Next(3)));
                else
                    queue.Add(key);
                if (i % 7 == 0)
                    queue.Add(key);
            }
        })));
        // An add that is lost shows as a wait for work that never comes.
        while (!versions.SequenceEqual(seen) && await done.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken))
        {
            // Another piece of work is done.
        }

        Assert.Equal(versions, seen);
        Assert.Equal(0, shared);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Task.WhenAll(pool));
    }

    [Fact]
    public async Task A_busy_key_does_not_starve_the_others()
    {
        using var queue = Queue();
        for (var key = 0; key < 10; key++)
            queue.Add($"quiet-{key}");
        queue.Add("busy");
        var rounds = new List<string>();
        for (var i = 0; i < 33; i++)
        {
            var key = await TakeAsync(queue);
            rounds.Add(key);
            queue.Add("busy");
            queue.Add(key);
            queue.Done(key);
        }

        Assert.All(rounds.GroupBy(key => key, StringComparer.Ordinal), group => Assert.Equal(3, group.Count()));
    }
}
