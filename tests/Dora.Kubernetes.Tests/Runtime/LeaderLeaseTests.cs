using System.Text.Json;
using System.Text.Json.Nodes;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Dora.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dora.Kubernetes.Tests.Runtime;

/// <summary>Tests that move a clock in steps while other threads work run alone, so that the clock does not outrun them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ClockCollection
{
    public const string Name = "clock";
}

/// <summary>Candidates against one Lease with optimistic locking, each behind a network of its own.</summary>
[Collection(ClockCollection.Name)]
public sealed class LeaderLeaseTests : IDisposable
{
    private static readonly TimeSpan _step = TimeSpan.FromMilliseconds(100);

    private readonly ManualClock _clock = new();
    private readonly LeaseServer _server = new();
    private readonly List<Candidate> _candidates = [];

    public void Dispose()
    {
        foreach (var candidate in _candidates)
            candidate.Dispose();
    }

    private Candidate Start(string identity, Func<CancellationToken, Task>? lead = null, TimeProvider? clock = null)
    {
        var candidate = new Candidate(_server, identity, clock ?? _clock, lead);
        _candidates.Add(candidate);
        return candidate;
    }

    private Task UntilAsync(Func<bool> condition) => _clock.AdvanceUntilAsync(condition, _step);

    [Fact]
    public async Task Of_two_candidates_one_leads_and_renews()
    {
        var first = Start("a");
        await UntilAsync(() => first.Lease.IsLeader);
        var second = Start("b");
        var until = _clock.Elapsed + TimeSpan.FromMinutes(1);
        await UntilAsync(() =>
        {
            Assert.False(second.Lease.IsLeader);
            return _clock.Elapsed >= until;
        });
        Assert.True(first.Lease.IsLeader);
        Assert.InRange(_server.Writes, 20, 40);
        Assert.Equal("a", _server.Holder);
    }

    [Fact]
    public async Task A_released_lease_is_taken_at_the_next_try()
    {
        var first = Start("a");
        await UntilAsync(() => first.Lease.IsLeader);
        var second = Start("b");
        await UntilAsync(() => second.Reads > 0);
        await first.StopAsync();
        Assert.True(first.LeadEnded);
        Assert.Equal("", _server.Holder);
        var released = _clock.Elapsed;
        await UntilAsync(() => second.Lease.IsLeader);
        Assert.InRange((_clock.Elapsed - released).TotalSeconds, 0, 3);
        Assert.Equal(1, _server.Spec!.LeaseTransitions);
    }

    [Fact]
    public async Task A_vanished_holder_is_replaced_when_its_lease_has_run_out_and_not_before()
    {
        var first = Start("a");
        await UntilAsync(() => first.Lease.IsLeader);
        var second = Start("b");
        await UntilAsync(() => second.Reads > 0);
        first.Cut = true;
        var cut = _clock.Elapsed;
        await UntilAsync(() =>
        {
            Assert.False(first.Lease.IsLeader && second.Lease.IsLeader);
            return second.Lease.IsLeader;
        });
        Assert.InRange((_clock.Elapsed - cut).TotalSeconds, 13, 19);
    }

    [Fact]
    public async Task A_leader_that_cannot_renew_stops_its_work_before_another_can_begin()
    {
        var first = Start("a");
        await UntilAsync(() => first.Lease.IsLeader);
        var second = Start("b");
        await UntilAsync(() => second.Reads > 0);
        first.Cut = true;
        var cut = _clock.Elapsed;
        await UntilAsync(() => first.LeadEnded);
        Assert.InRange((_clock.Elapsed - cut).TotalSeconds, 7.9, 10.2);
        Assert.False(second.Lease.IsLeader);
        var fault = await Assert.ThrowsAsync<LeadershipLostException>(() => first.Running);
        Assert.Contains("within 10 s", fault.Message, StringComparison.Ordinal);
        Assert.False(first.Lease.IsLeader);
    }

    [Fact]
    public async Task A_server_that_hangs_counts_as_a_failed_renewal()
    {
        var first = Start("a");
        await UntilAsync(() => first.Lease.IsLeader);
        first.Hang = true;
        var hung = _clock.Elapsed;
        await UntilAsync(() => first.Running.IsCompleted);
        Assert.InRange((_clock.Elapsed - hung).TotalSeconds, 7.9, 10.2);
        await Assert.ThrowsAsync<LeadershipLostException>(() => first.Running);
    }

    [Fact]
    public async Task Work_that_will_not_stop_does_not_hold_the_process_back()
    {
        var never = new TaskCompletionSource();
        var first = Start("a", _ => never.Task);
        await UntilAsync(() => first.Lease.IsLeader);
        first.Cut = true;
        await UntilAsync(() => first.Running.IsCompleted);
        await Assert.ThrowsAsync<LeadershipLostException>(() => first.Running);
        never.SetResult();
    }

    [Fact]
    public async Task A_short_outage_costs_nothing()
    {
        var first = Start("a");
        await UntilAsync(() => first.Lease.IsLeader);
        first.Cut = true;
        var cut = _clock.Elapsed;
        await UntilAsync(() => _clock.Elapsed - cut > TimeSpan.FromSeconds(6));
        first.Cut = false;
        await UntilAsync(() => _clock.Elapsed - cut > TimeSpan.FromSeconds(60));
        Assert.True(first.Lease.IsLeader);
        Assert.False(first.LeadEnded);
    }

    [Theory]
    [InlineData(-3600)]
    [InlineData(3600)]
    public async Task A_clock_that_is_wrong_by_an_hour_changes_nothing(int seconds)
    {
        var first = Start("a");
        await UntilAsync(() => first.Lease.IsLeader);
        _clock.Skew(TimeSpan.FromSeconds(seconds));
        var second = Start("b");
        var until = _clock.Elapsed + TimeSpan.FromMinutes(1);
        await UntilAsync(() => _clock.Elapsed >= until);
        Assert.True(first.Lease.IsLeader);
        Assert.False(second.Lease.IsLeader);
    }

    [Fact]
    public async Task A_touched_lease_is_no_lost_lease()
    {
        var first = Start("a");
        await UntilAsync(() => first.Lease.IsLeader);
        for (var i = 0; i < 5; i++)
        {
            _server.Touch();
            var writes = _server.Writes;
            await UntilAsync(() => _server.Writes > writes);
        }

        Assert.True(first.Lease.IsLeader);
    }

    [Fact]
    public async Task A_deleted_lease_is_made_again()
    {
        var first = Start("a");
        await UntilAsync(() => first.Lease.IsLeader);
        _server.Delete();
        await UntilAsync(() => _server.Holder == "a");
        Assert.True(first.Lease.IsLeader);
    }

    [Fact]
    public async Task A_lease_taken_by_force_ends_leadership_at_once()
    {
        var first = Start("a");
        await UntilAsync(() => first.Lease.IsLeader);
        _server.Take("intruder");
        var taken = _clock.Elapsed;
        await UntilAsync(() => first.Running.IsCompleted);
        var fault = await Assert.ThrowsAsync<LeadershipLostException>(() => first.Running);
        Assert.Contains("intruder", fault.Message, StringComparison.Ordinal);
        Assert.InRange((_clock.Elapsed - taken).TotalSeconds, 0, 3);
        Assert.Equal("intruder", _server.Holder);
    }

    [Fact]
    public async Task Renewal_goes_on_while_the_work_winds_down()
    {
        var wound = new TaskCompletionSource();
        var first = Start("a", async token =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, token).ContinueWith(_ => { }, TaskScheduler.Default);
            await wound.Task;
        });
        await UntilAsync(() => first.Lease.IsLeader);
        first.Cancel();
        var writes = _server.Writes;
        await UntilAsync(() => _server.Writes >= writes + 3);
        Assert.Equal("a", _server.Holder);
        wound.SetResult();
        await UntilAsync(() => first.Running.IsCompleted);
        await first.Running;
        Assert.Equal("", _server.Holder);
    }

    [Fact]
    public async Task Work_that_ends_or_fails_by_itself_releases_the_lease()
    {
        var first = Start("a", _ => Task.CompletedTask);
        await UntilAsync(() => first.Running.IsCompleted);
        await first.Running;
        Assert.Equal("", _server.Holder);
        var second = Start("b", _ => throw new InvalidOperationException("bug"));
        await UntilAsync(() => second.Running.IsCompleted);
        await Assert.ThrowsAsync<InvalidOperationException>(() => second.Running);
        Assert.Equal("", _server.Holder);
    }

    [Fact]
    public async Task A_candidate_that_is_stopped_while_waiting_ends_quietly()
    {
        var first = Start("a");
        await UntilAsync(() => first.Lease.IsLeader);
        var second = Start("b");
        await UntilAsync(() => second.Reads > 0);
        await second.StopAsync();
        Assert.Equal("a", _server.Holder);
        Assert.False(second.LeadStarted);
    }

    [Fact]
    public void Times_that_would_allow_two_leaders_are_refused()
    {
        using var client = ScriptedClientWithout();
        Assert.Throws<ArgumentException>(() => new LeaderLease(client, new("ns", "l", "a", TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(10)), _clock, NullLogger.Instance));
    }

    private KubeClient ScriptedClientWithout() => new(new(new("http://lease")), new(), _clock, NullLogger<KubeClient>.Instance);

    private sealed class Candidate : IDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly KubeClient _client;

        public Candidate(LeaseServer server, string identity, TimeProvider clock, Func<CancellationToken, Task>? lead)
        {
            _client = new(
                new(new("http://lease")),
                new(Handler: new Network(this, server), Jitter: () => 0.5),
                clock,
                NullLogger<KubeClient>.Instance);
            Lease = new(_client, new("ns", "l", identity), clock, NullLogger.Instance);
            Running = Lease.RunAsync(
                async token =>
                {
                    LeadStarted = true;
                    try
                    {
                        await (lead?.Invoke(token) ?? Task.Delay(Timeout.InfiniteTimeSpan, token));
                    }
                    finally
                    {
                        LeadEnded = true;
                    }
                },
                _stop.Token);
        }

        public LeaderLease Lease { get; }

        public Task Running { get; }

        public volatile bool Cut;

        public volatile bool Hang;

        public volatile bool LeadStarted;

        public volatile bool LeadEnded;

        public volatile int Reads;

        public void Cancel() => _stop.Cancel();

        public async Task StopAsync()
        {
            await _stop.CancelAsync();
            await Running.WaitAsync(TimeSpan.FromSeconds(10));
        }

        public void Dispose()
        {
            _stop.Cancel();
            _client.Dispose();
        }

        private sealed class Network(Candidate candidate, LeaseServer server) : HttpMessageHandler
        {
            protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
            {
                if (candidate.Hang)
                    await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
                if (candidate.Cut)
                    throw new HttpRequestException("cut");
                var body = request.Content is null ? null : await request.Content.ReadAsStringAsync(cancellationToken);
                var answer = server.Answer(request.Method.Method, body);
                if (request.Method == HttpMethod.Get)
                    candidate.Reads++;
                return answer;
            }
        }
    }

    /// <summary>One Lease with the rules of the API server: versions, conflicts, not found, already exists.</summary>
    private sealed class LeaseServer
    {
        private readonly Lock _lock = new();
        private JsonNode? _lease;
        private int _version;

        public int Writes { get; private set; }

        public string? Holder => Spec?.HolderIdentity;

        public LeaseSpec? Spec
        {
            get
            {
                lock (_lock)
                    return _lease is null ? null : JsonSerializer.Deserialize(_lease, KubeJson.Wire.Lease)!.Spec;
            }
        }

        public void Touch()
        {
            lock (_lock)
                Store(_lease!.DeepClone());
        }

        public void Delete()
        {
            lock (_lock)
                _lease = null;
        }

        public void Take(string holder)
        {
            lock (_lock)
            {
                var lease = _lease!.DeepClone();
                lease["spec"]!["holderIdentity"] = holder;
                Store(lease);
            }
        }

        public HttpResponseMessage Answer(string method, string? body)
        {
            lock (_lock)
            {
                return (method, _lease) switch
                {
                    ("GET" or "PUT", null) => Refuse(404, "NotFound", """{"name":"l","kind":"leases"}"""),
                    ("GET", _) => Json(200, _lease.ToJsonString()),
                    ("POST", not null) => Refuse(409, "AlreadyExists", "{}"),
                    ("PUT", _) when (string?)JsonNode.Parse(body!)!["metadata"]!["resourceVersion"] != $"{_version}" => Refuse(409, "Conflict", "{}"),
                    _ => Write(JsonNode.Parse(body!)!),
                };
            }
        }

        private HttpResponseMessage Write(JsonNode lease)
        {
            Writes++;
            Store(lease);
            return Json(200, _lease!.ToJsonString());
        }

        private void Store(JsonNode lease)
        {
            lease["metadata"]!["resourceVersion"] = $"{++_version}";
            _lease = lease;
        }

        private static HttpResponseMessage Refuse(int code, string reason, string details) =>
            Json(code, $$"""{"kind":"Status","message":"no","reason":"{{reason}}","code":{{code}},"details":{{details}}}""");

        private static HttpResponseMessage Json(int code, string json) =>
            new((System.Net.HttpStatusCode)code) { Content = new StringContent(json, System.Text.Encoding.UTF8, "application/json") };
    }
}
