using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Testing;
using Dora.Testing.Http;
using Xunit;

namespace Dora.Kubernetes.Tests.Client;

public sealed class KubeWatchTests
{
    private const string Route = $"GET {Wire.ConfigMaps}";

    private static IAsyncEnumerable<KubeWatchEvent<ConfigMap>> Watch(ScriptedClient scripted, WatchOptions? options = null, CancellationToken token = default) =>
        scripted.Client.WatchAsync(KubeTypes.ConfigMaps, "ns", options ?? new(ResourceVersion: "1"), token);

    [Fact]
    public async Task Events_arrive_at_once_and_in_order()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        var stream = new OpenStream();
        scripted.Server.On(Route, Reply.Open(stream));
        await using var events = Watch(scripted).GetAsyncEnumerator();
        stream.Send(Wire.Event("ADDED", Wire.ConfigMap("a", "2")));
        Assert.True(await events.MoveNextAsync());
        Assert.Equal((KubeWatchEventType.Added, "a", "2"), (events.Current.Type, events.Current.Object!.Metadata.Name, events.Current.ResourceVersion));
        stream.Send(Wire.Event("MODIFIED", Wire.ConfigMap("a", "3")) + Wire.Event("DELETED", Wire.ConfigMap("a", "4")));
        Assert.True(await events.MoveNextAsync());
        Assert.Equal((KubeWatchEventType.Modified, "3"), (events.Current.Type, events.Current.ResourceVersion));
        Assert.True(await events.MoveNextAsync());
        Assert.Equal((KubeWatchEventType.Deleted, "4"), (events.Current.Type, events.Current.ResourceVersion));
        stream.End();
        Assert.False(await events.MoveNextAsync());
    }

    [Fact]
    public async Task A_watch_asks_for_bookmarks_and_an_end_by_the_server()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On(Route, Reply.Stream());
        Assert.Empty(await Watch(scripted, new("app=x", ResourceVersion: "9")).ReadAsync());
        var request = scripted.Server.Requests[0];
        Assert.Equal(("true", "true", "9", "app=x"), (request.Query("watch"), request.Query("allowWatchBookmarks"), request.Query("resourceVersion"), request.Query("labelSelector")));
        Assert.InRange(int.Parse(request.Query("timeoutSeconds")!), 300, 600);
    }

    [Fact]
    public async Task A_bookmark_is_not_read_as_an_object()
    {
        // Bookmarks are no whole objects: the server sends "containers": null, which no pod may have.
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On(
            "GET /api/v1/pods",
            Reply.Stream("""{"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":{"annotations":{"resourceVersion":"no"},"resourceVersion":"77","creationTimestamp":null},"spec":{"containers":null},"status":{"resourceVersion":"no"}}}"""));
        await foreach (var change in scripted.Client.WatchAsync(KubeTypes.Pods, null, new(), default))
            Assert.Equal((KubeWatchEventType.Bookmark, null, "77"), (change.Type, change.Object, change.ResourceVersion));
    }

    [Theory]
    [InlineData("""{"object":OBJECT,"type":"ADDED"}""")]
    [InlineData("""{"extra":{"type":"x"},"type":"ADDED","more":[1,{"object":2}],"object":OBJECT}""")]
    [InlineData("  \n\n {\"type\" : \"ADDED\", \"object\" : OBJECT }  \r\n ")]
    public async Task The_order_and_spacing_of_a_frame_do_not_matter(string frame)
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On(Route, Reply.Stream(frame.Replace("OBJECT", Wire.ConfigMap("a"), StringComparison.Ordinal)));
        var change = Assert.Single(await Watch(scripted).ReadAsync());
        Assert.Equal("a", change.Object!.Metadata.Name);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(64)]
    public async Task Frames_may_come_in_pieces_of_any_size(int size)
    {
        await using var scripted = await ScriptedClient.StartAsync();
        var text = Wire.Event("ADDED", Wire.ConfigMap("a", "2", data: "漢🚀")) + Wire.Bookmark("3") + Wire.Event("DELETED", Wire.ConfigMap("a", "4"));
        var pieces = text.EnumerateRunes().Select(rune => rune.ToString()).Chunk(size).Select(chunk => string.Concat(chunk)).ToArray();
        scripted.Server.On(Route, Reply.Stream(pieces));
        var events = await Watch(scripted).ReadAsync();
        Assert.Equal(["2", "3", "4"], events.Select(change => change.ResourceVersion));
        Assert.Equal("漢🚀", events[0].Object!.Data!["k"]);
    }

    [Fact]
    public async Task Gone_is_the_same_by_status_code_and_by_event()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On(Route, Reply.Status(410, "Expired", "too old"), Reply.Stream(Wire.Event("ADDED", Wire.ConfigMap("a")), Wire.Gone()));
        await Assert.ThrowsAsync<KubeGoneException>(() => Watch(scripted).ReadAsync());
        await Assert.ThrowsAsync<KubeGoneException>(() => Watch(scripted).ReadAsync());
    }

    [Fact]
    public async Task Another_error_event_keeps_its_type()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On(Route, Reply.Stream(Wire.Event("ERROR", """{"kind":"Status","message":"etcd is slow","reason":"Timeout","code":504}""")));
        var fault = await Assert.ThrowsAsync<KubeUnavailableException>(() => Watch(scripted).ReadAsync());
        Assert.Contains("etcd is slow", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"na")]
    [InlineData("")]
    [InlineData("{\"type\":\"ADD")]
    public async Task A_stream_cut_in_the_middle_is_a_transport_fault(string half)
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On(Route, Reply.Cut(Wire.Event("ADDED", Wire.ConfigMap("a", "2")), half));
        var seen = new List<string?>();
        await Assert.ThrowsAsync<KubeUnavailableException>(async () =>
        {
            await foreach (var change in Watch(scripted))
                seen.Add(change.ResourceVersion);
        });
        Assert.True(seen.Count <= 1);
    }

    [Theory]
    [InlineData("not json\n")]
    [InlineData("[1]\n")]
    [InlineData("{}\n")]
    [InlineData("{\"type\":\"ADDED\"}\n")]
    [InlineData("{\"type\":7,\"object\":{}}\n")]
    [InlineData("{\"type\":\"SURPRISE\",\"object\":{}}\n")]
    [InlineData("{\"type\":\"ADDED\",\"object\":null}\n")]
    [InlineData("{\"type\":\"ADDED\",\"object\":{\"metadata\":7}}\n")]
    [InlineData("{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{}}}\n")]
    [InlineData("{\"type\":\"BOOKMARK\",\"object\":7}\n")]
    [InlineData("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"na")]
    public async Task A_malformed_frame_is_a_typed_error(string frame)
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On(Route, Reply.Stream(Wire.Event("ADDED", Wire.ConfigMap("a")), frame));
        await Assert.ThrowsAsync<KubeMalformedException>(() => Watch(scripted).ReadAsync());
    }

    [Fact]
    public async Task An_idle_watch_is_given_up_and_a_bookmark_keeps_it_alive()
    {
        var clock = new ManualClock();
        await using var scripted = await ScriptedClient.StartAsync(clock);
        var stream = new OpenStream();
        scripted.Server.On(Route, Reply.Open(stream));
        await using var events = Watch(scripted, new(IdleTimeout: TimeSpan.FromMinutes(2))).GetAsyncEnumerator();
        var next = events.MoveNextAsync().AsTask();
        await scripted.Server.NextRequestAsync();
        stream.Send(Wire.Bookmark("5"));
        Assert.True(await next);
        clock.Advance(TimeSpan.FromSeconds(119));
        stream.Send(Wire.Bookmark("6"));
        Assert.True(await events.MoveNextAsync());
        next = events.MoveNextAsync().AsTask();
        clock.Advance(TimeSpan.FromSeconds(119));
        Assert.False(next.IsCompleted);
        clock.Advance(TimeSpan.FromSeconds(1));
        var fault = await Assert.ThrowsAsync<KubeUnavailableException>(() => next);
        Assert.Contains("no sign of life for 120 s", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_slow_reader_is_not_an_idle_watch()
    {
        var clock = new ManualClock();
        await using var scripted = await ScriptedClient.StartAsync(clock);
        var stream = new OpenStream();
        scripted.Server.On(Route, Reply.Open(stream));
        await using var events = Watch(scripted, new(IdleTimeout: TimeSpan.FromMinutes(2))).GetAsyncEnumerator();
        stream.Send(Wire.Bookmark("5"));
        Assert.True(await events.MoveNextAsync());
        clock.Advance(TimeSpan.FromHours(1));
        stream.Send(Wire.Bookmark("6"));
        Assert.True(await events.MoveNextAsync());
    }

    [Fact]
    public async Task A_watch_that_the_server_forgets_to_end_is_ended_here()
    {
        var clock = new ManualClock();
        await using var scripted = await ScriptedClient.StartAsync(clock);
        var stream = new OpenStream();
        scripted.Server.On(Route, Reply.Open(stream));
        await using var events = Watch(scripted, new(Timeout: TimeSpan.FromSeconds(300))).GetAsyncEnumerator();
        stream.Send(Wire.Bookmark("5"));
        Assert.True(await events.MoveNextAsync());
        var next = events.MoveNextAsync().AsTask();
        clock.Advance(TimeSpan.FromSeconds(330));
        await Assert.ThrowsAsync<KubeUnavailableException>(() => next);
    }

    [Fact]
    public async Task Cancelling_a_watch_closes_its_stream()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        using var caller = new CancellationTokenSource();
        scripted.Server.On(Route, Reply.Open(new()));
        var watch = Watch(scripted, token: caller.Token).ReadAsync();
        await scripted.Server.NextRequestAsync();
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watch);
    }
}
