using System.Collections.Concurrent;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Dora.Kubernetes.Tests.Client;
using Dora.Testing;
using Dora.Testing.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dora.Kubernetes.Tests.Runtime;

[Collection(ClockCollection.Name)]
public sealed class InformerTests : IAsyncLifetime
{
    private const string Route = $"GET {Wire.ConfigMaps}";

    private readonly ManualClock _clock = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly BlockingCollection<string> _changes = [];
    private readonly OpenStream _last = new();
    private ScriptedClient _scripted = null!;
    private Informer<ConfigMap> _informer = null!;
    private Task _running = Task.CompletedTask;

    private ScriptedServer Server => _scripted.Server;

    public async ValueTask InitializeAsync() => _scripted = await ScriptedClient.StartAsync(_clock);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.WaitAsync(TimeSpan.FromSeconds(10));
        await _scripted.DisposeAsync();
        _stop.Dispose();
        _changes.Dispose();
    }

    /// <summary>Runs an informer against these replies, lists and watches in turn; the last watch stays open.</summary>
    private void Run(InformerOptions<ConfigMap>? options, params Reply[] replies)
    {
        Server.On(Route, [.. replies, Reply.Open(_last)]);
        _informer = new(_scripted.Client, KubeTypes.ConfigMaps, options ?? new("ns"), _clock, NullLogger.Instance);
        _informer.Subscribe(change => _changes.Add($"{change.Key.Name}:{change.Old?.Metadata.ResourceVersion}>{change.New?.Metadata.ResourceVersion}"));
        _running = _informer.RunAsync(_stop.Token);
    }

    private string Change() => _changes.TryTake(out var change, TimeSpan.FromSeconds(10)) ? change : throw new TimeoutException("no change within 10 s");

    private string[] Changes(int count) => [.. Enumerable.Range(0, count).Select(_ => Change())];

    private static Reply List(string version, params string[] items) => Reply.Json(Wire.List(version, null, items));

    private static string[] Names(IEnumerable<ReceivedRequest> requests) =>
        [.. requests.Select(request => request.Query("watch") is null ? $"list {request.Query("continue")}".TrimEnd() : $"watch {request.Query("resourceVersion")}")];

    [Fact]
    public async Task The_list_is_paged_without_a_version_and_the_watch_goes_on_from_it()
    {
        // With resourceVersion=0 the server would ignore the limit.
        Run(new("ns", "app=x", PageSize: 2), Reply.Json(Wire.List("5", "next", Wire.ConfigMap("a"), Wire.ConfigMap("b"))), List("5", Wire.ConfigMap("c")));
        await _informer.Synced.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.True(_informer.IsSynced);
        Assert.Equal(3, _informer.Store.Count);
        Assert.Equal(["a:>1", "b:>1", "c:>1"], Changes(3).Order());
        for (var i = 0; i < 3; i++)
            await Server.NextRequestAsync();
        Assert.Equal(["list", "list next", "watch 5"], Names(Server.Requests));
        Assert.All(Server.Requests, request => Assert.Equal("app=x", request.Query("labelSelector")));
        Assert.All(Server.Requests.Take(2), request => Assert.Equal(("2", null), (request.Query("limit"), request.Query("resourceVersion"))));
        Assert.Null(_informer.Error);
    }

    [Fact]
    public void Watch_events_change_the_store_before_the_handlers_hear_of_them()
    {
        Run(null, List("5", Wire.ConfigMap("a")));
        Assert.Equal("a:>1", Change());
        _last.Send(Wire.Event("ADDED", Wire.ConfigMap("b", "6")));
        Assert.Equal("b:>6", Change());
        Assert.NotNull(_informer.Store.Find(new("ns", "b")));
        _last.Send(Wire.Event("MODIFIED", Wire.ConfigMap("a", "7")));
        Assert.Equal("a:1>7", Change());
        _last.Send(Wire.Event("DELETED", Wire.ConfigMap("a", "8")));
        Assert.Equal("a:8>", Change());
        Assert.Null(_informer.Store.Find(new("ns", "a")));
    }

    [Fact]
    public async Task A_watch_that_ends_in_order_goes_on_from_the_last_bookmark()
    {
        Run(null, List("5"), Reply.Stream(Wire.Event("ADDED", Wire.ConfigMap("a", "6")), Wire.Bookmark("9")));
        for (var i = 0; i < 3; i++)
            await Server.NextRequestAsync();
        Assert.Equal(["list", "watch 5", "watch 9"], Names(Server.Requests));
    }

    public static TheoryData<string> WaysToSayGone => ["status", "event"];

    [Theory]
    [MemberData(nameof(WaysToSayGone))]
    public void A_compacted_version_means_a_new_list_that_tells_what_was_missed(string way)
    {
        Run(
            null,
            List("5", Wire.ConfigMap("same"), Wire.ConfigMap("changed"), Wire.ConfigMap("gone")),
            way == "status" ? Reply.Status(410, "Expired", "too old") : Reply.Stream(Wire.Gone()),
            List("50", Wire.ConfigMap("same"), Wire.ConfigMap("changed", "40"), Wire.ConfigMap("new", "41")));
        Changes(3);

        // At once: the clock stands still.
        Assert.Equal(["changed:1>40", "gone:1>", "new:>41"], Changes(3).Order(StringComparer.Ordinal));
        Assert.Equal(3, _informer.Store.Count);
    }

    [Fact]
    public async Task Always_gone_is_not_a_loop_without_pause()
    {
        Run(null, [.. Enumerable.Range(0, 4).SelectMany(_ => new[] { List("5"), Reply.Stream(Wire.Gone()) }), List("6")]);
        for (var i = 0; i < 4; i++)
            await Server.NextRequestAsync();
        await _clock.TimerWithinAsync(TimeSpan.FromSeconds(1.6));
        Assert.Equal(4, Server.Requests.Count);
        await _clock.AdvanceUntilAsync(() => Server.Requests.Count == 10, TimeSpan.FromMilliseconds(100));
        Assert.InRange(_clock.Elapsed.TotalSeconds, 4.79, 60);
    }

    [Fact]
    public async Task A_token_that_expires_between_pages_leads_to_one_whole_list()
    {
        Run(
            new("ns", PageSize: 1),
            Reply.Json(Wire.List("5", "t", Wire.ConfigMap("a"))),
            Reply.Status(410, "Expired", "the continue token is too old"),
            List("8", Wire.ConfigMap("a", "7"), Wire.ConfigMap("b", "8")));
        Assert.Equal(["a:>7", "b:>8"], Changes(2).Order());
        for (var i = 0; i < 4; i++)
            await Server.NextRequestAsync();
        Assert.Null(Server.Requests[2].Query("limit"));
        Assert.Equal("watch 8", Names(Server.Requests)[3]);
    }

    [Fact]
    public async Task A_stream_cut_in_mid_frame_goes_on_from_the_last_event_after_a_pause()
    {
        var gate = new TaskCompletionSource();
        Run(
            null,
            List("5"),
            Reply.Cut(Wire.Event("ADDED", Wire.ConfigMap("a", "6"))),
            Reply.After(gate.Task, Reply.Stream(Wire.Event("ADDED", Wire.ConfigMap("a", "6")), Wire.Event("MODIFIED", Wire.ConfigMap("a", "7")))));
        await _clock.AdvanceUntilAsync(() => Server.Requests.Count == 3, TimeSpan.FromMilliseconds(100));
        gate.SetResult();
        Assert.InRange(_clock.Elapsed.TotalSeconds, 0.79, 5);

        // The cut may swallow the event before it; either way it is told exactly once.
        Assert.Equal(["a:>6", "a:6>7"], Changes(2));
        Assert.DoesNotContain("list", Names(Server.Requests).Skip(1));
    }

    [Fact]
    public async Task A_malformed_frame_leads_to_a_new_list_and_is_shown_as_the_error()
    {
        Run(null, List("5"), Reply.Stream("garbage\n"), List("6", Wire.ConfigMap("a", "6")));
        await _clock.TimerWithinAsync(TimeSpan.FromSeconds(0.8));
        Assert.IsType<KubeMalformedException>(_informer.Error);
        _clock.Advance(TimeSpan.FromSeconds(0.8));
        Assert.Equal("a:>6", Change());
        await Server.NextRequestAsync();
        Assert.Equal(["list", "watch 5", "list"], Names(Server.Requests).Take(3));
    }

    [Fact]
    public async Task An_idle_watch_is_opened_anew()
    {
        var dead = new OpenStream();
        Run(new("ns", IdleTimeout: TimeSpan.FromMinutes(1)), List("5"), Reply.Open(dead));
        await Server.NextRequestAsync();
        await Server.NextRequestAsync();
        await _clock.AdvanceUntilAsync(() => Server.Requests.Count == 3, TimeSpan.FromSeconds(1));
        Assert.InRange(_clock.Elapsed.TotalSeconds, 60, 75);
        Assert.Equal("watch 5", Names(Server.Requests)[2]);
        _last.Send(Wire.Event("ADDED", Wire.ConfigMap("a", "6")));
        Assert.Equal("a:>6", Change());
    }

    [Theory]
    [InlineData(403, "Forbidden")]
    [InlineData(404, "NotFound")]
    [InlineData(500, "InternalError")]
    [InlineData(401, "Unauthorized")]
    public async Task No_refusal_ends_an_informer(int code, string reason)
    {
        var refused = Reply.Status(code, reason, "no");
        Run(null, refused, refused, refused, List("5", Wire.ConfigMap("a")));
        await _clock.TimerWithinAsync(TimeSpan.FromSeconds(0.8));
        Assert.Equal(code, Assert.IsAssignableFrom<KubeException>(_informer.Error).HttpCode);
        Assert.False(_informer.IsSynced);
        await _clock.AdvanceUntilAsync(() => _informer.IsSynced, TimeSpan.FromMilliseconds(100));
        Assert.InRange(_clock.Elapsed.TotalSeconds, 5.59, 20);
        Assert.Null(_informer.Error);
    }

    [Fact]
    public async Task A_throttled_watch_waits_as_long_as_it_is_told_and_keeps_its_version()
    {
        // Beyond the longest wait of the client itself.
        Run(null, List("5"), Reply.Status(429, "TooManyRequests", "busy", "{}", "Retry-After: 45"));
        await Server.NextRequestAsync();
        await Server.NextRequestAsync();
        await _clock.TimerWithinAsync(TimeSpan.FromSeconds(45));
        _clock.Advance(TimeSpan.FromSeconds(44));
        Assert.Equal(2, Server.Requests.Count);
        await _clock.AdvanceUntilAsync(() => Server.Requests.Count == 3, TimeSpan.FromSeconds(0.5));
        Assert.Equal("watch 5", Names(Server.Requests)[2]);
    }

    [Fact]
    public async Task Watches_that_end_at_once_are_not_a_loop_without_pause()
    {
        Run(null, List("5"), Reply.Stream(), Reply.Stream());
        await Server.NextRequestAsync();
        await Server.NextRequestAsync();
        await _clock.TimerWithinAsync(TimeSpan.FromSeconds(0.8));
        Assert.Equal(2, Server.Requests.Count);
        await _clock.AdvanceUntilAsync(() => Server.Requests.Count == 4, TimeSpan.FromMilliseconds(100));
        Assert.InRange(_clock.Elapsed.TotalSeconds, 2.39, 20);
    }

    [Fact]
    public void A_handler_that_throws_harms_neither_the_informer_nor_the_next_handler()
    {
        Server.On(Route, List("5", Wire.ConfigMap("a")), Reply.Open(_last));
        _informer = new(_scripted.Client, KubeTypes.ConfigMaps, new("ns"), _clock, NullLogger.Instance);
        _informer.Subscribe(_ => throw new InvalidOperationException("bad handler"));
        _informer.Subscribe(change => _changes.Add(change.Key.Name));
        _running = _informer.RunAsync(_stop.Token);
        Assert.Equal("a", Change());
        _last.Send(Wire.Event("ADDED", Wire.ConfigMap("b", "6")));
        Assert.Equal("b", Change());
    }

    [Fact]
    public void A_reborn_object_is_told_as_gone_and_new()
    {
        Run(null, List("5", Wire.ConfigMap("a", "1", "u1")));
        Change();
        _last.Send(Wire.Event("MODIFIED", Wire.ConfigMap("a", "9", "u2")));
        Assert.Equal(["a:1>", "a:>9"], Changes(2));
    }

    [Fact]
    public void Objects_are_trimmed_before_they_are_held()
    {
        Run(new("ns", Trim: value => value with { Data = null }), List("5", Wire.ConfigMap("a")));
        Change();
        _last.Send(Wire.Event("ADDED", Wire.ConfigMap("b", "6")));
        Change();
        Assert.All(_informer.Store.All, item => Assert.Null(item.Data));
    }

    [Fact]
    public void A_late_handler_is_refused_rather_than_told_half()
    {
        Run(null, List("5", Wire.ConfigMap("a")));
        Change();
        Assert.Throws<InvalidOperationException>(() => _informer.Subscribe(_ => { }));
    }
}
