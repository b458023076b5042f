using System.Globalization;
using Xunit;

namespace Dora.Testing.ApiServer.Contract;

/// <summary>Lists, pages, selectors and watches.</summary>
public abstract class ListWatchContract(IApiServerUnderTest server) : ApiServerContract(server)
{
    [Fact]
    public async Task Items_of_a_built_in_list_come_without_type()
    {
        await CreateAsync("a", "b");

        var list = (await Api.Get(ConfigMaps)).Must(200);

        Assert.Equal("ConfigMapList", (string?)list["kind"]);
        Assert.Equal(["a", "b"], Names(list));
        Assert.Null(list["items"]![0]!["kind"]);
        Assert.NotEmpty(list.Version);
    }

    [Fact]
    public async Task Pages_belong_to_one_state()
    {
        await CreateAsync("a", "b", "c", "d", "e");

        var first = (await Api.Get($"{ConfigMaps}?limit=2")).Must(200);
        await CreateAsync("bb");
        (await Api.Delete($"{ConfigMaps}/d")).Must(200);
        var second = (await Api.Get($"{ConfigMaps}?limit=2&continue={Token(first)}")).Must(200);
        var third = (await Api.Get($"{ConfigMaps}?limit=2&continue={Token(second)}")).Must(200);

        Assert.Equal(["a", "b", "c", "d", "e"], Names(first).Concat(Names(second)).Concat(Names(third)));
        Assert.Equal((first.Version, first.Version), (second.Version, third.Version));
        Assert.Equal(3, (int?)first["metadata"]!["remainingItemCount"]);
        Assert.True(string.IsNullOrEmpty(Token(third)));
    }

    [Fact]
    public async Task The_limit_is_ignored_at_resource_version_0()
    {
        await CreateAsync("a", "b", "c");

        // Served from a cache, which may be a little behind.
        var list = await Until(() => Api.Get($"{ConfigMaps}?limit=1&resourceVersion=0"), answer => answer.Must(200)["items"]!.AsArray().Count != 0);

        Assert.True(string.IsNullOrEmpty(Token(list)));
        Assert.Equal(3, (await Until(() => Api.Get($"{ConfigMaps}?limit=1&resourceVersion=0"), answer => answer["items"]!.AsArray().Count == 3))["items"]!.AsArray().Count);
    }

    [Fact]
    public async Task A_compacted_continue_token_is_410_Expired()
    {
        await CreateAsync("a", "b");
        var first = (await Api.Get($"{ConfigMaps}?limit=1")).Must(200);
        await CreateAsync("c");
        await Server.CompactAsync();

        var expired = (await Api.Get($"{ConfigMaps}?limit=1&continue={Token(first)}")).Must(410);

        Assert.Equal("Expired", expired.Reason);
        var rest = (await Api.Get($"{ConfigMaps}?continue={Token(expired)}")).Must(200);
        Assert.Equal(["b", "c"], Names(rest));
    }

    [Fact]
    public async Task An_old_state_can_be_listed_exactly_until_it_is_compacted()
    {
        await CreateAsync("a");
        var then = (await Api.Get(ConfigMaps)).Must(200).Version;
        await CreateAsync("b");

        Assert.Equal(["a"], Names((await Api.Get($"{ConfigMaps}?resourceVersion={then}&resourceVersionMatch=Exact")).Must(200)));
        await Server.CompactAsync();
        Assert.Equal("Expired", (await Api.Get($"{ConfigMaps}?resourceVersion={then}&resourceVersionMatch=Exact")).Must(410).Reason);
    }

    [Fact]
    public async Task A_resource_version_from_the_future_is_504_with_Retry_After()
    {
        var answer = (await Api.Get($"{ConfigMaps}?resourceVersion=999999999")).Must(504);

        Assert.Equal("Timeout", answer.Reason);
        Assert.Equal("1", answer.Headers.RetryAfter?.ToString());
        Assert.Equal("ResourceVersionTooLarge", (string?)answer["details"]!["causes"]![0]!["reason"]);
    }

    [Theory]
    [InlineData("continue=abc", 400)]
    [InlineData("fieldSelector=data.x%3D5", 400)]
    [InlineData("labelSelector=a%3D%3D%3Db", 400)]
    [InlineData("resourceVersionMatch=Exact", 422)]
    public async Task A_bad_query_is_refused(string query, int code) => (await Api.Get($"{ConfigMaps}?{query}")).Must(code);

    [Theory]
    [InlineData("labelSelector=app%3Dx", "a,b")]
    [InlineData("labelSelector=app%3Dx,tier%3Dt", "b")]
    [InlineData("labelSelector=app", "a,b,c")]
    [InlineData("labelSelector=!app", "d")]
    [InlineData("labelSelector=app!%3Dx", "c,d")]
    [InlineData("labelSelector=app%20in%20(x,y)", "a,b,c")]
    [InlineData("labelSelector=app%20notin%20(x,y)", "d")]
    [InlineData("fieldSelector=metadata.name%3Dc", "c")]
    [InlineData("fieldSelector=metadata.name!%3Dc", "a,b,d")]
    public async Task Selectors_select(string query, string expected)
    {
        foreach (var (name, labels) in ((string, string)[])[("a", "\"app\":\"x\""), ("b", "\"app\":\"x\",\"tier\":\"t\""), ("c", "\"app\":\"y\""), ("d", "")])
            (await Api.Post(ConfigMaps, ConfigMap(name, metadata: $$"""
                "labels":{ {{labels}} }
                """))).Must(201);

        Assert.Equal(expected.Split(','), Names((await Api.Get($"{ConfigMaps}?{query}")).Must(200)));
    }

    [Fact]
    public async Task A_watch_continues_from_the_version_of_a_list()
    {
        await CreateAsync("a");
        var version = (await Api.Get(ConfigMaps)).Must(200).Version;
        using var watch = await Api.Watch($"{ConfigMaps}?watch=true&resourceVersion={version}");

        await CreateAsync("b");
        (await Api.Patch($"{ConfigMaps}/a", Json("""{"data":{"x":"1"}}"""))).Must(200);
        var deleted = (await Api.Delete($"{ConfigMaps}/b")).Must(200);

        Assert.Equal(("ADDED", "b"), TypeAndName(await watch.NextChange()));
        Assert.Equal(("MODIFIED", "a"), TypeAndName(await watch.NextChange()));
        var last = await watch.NextChange();
        Assert.Equal(("DELETED", "b"), TypeAndName(last));
        Assert.Equal(("ConfigMap", "v1"), ((string?)last.Object["kind"], (string?)last.Object["apiVersion"]));
        Assert.True(long.Parse(last.Version!, CultureInfo.InvariantCulture) > long.Parse(version, CultureInfo.InvariantCulture));
        Assert.Equal("Success", (string?)deleted["status"]);
    }

    [Fact]
    public async Task A_watch_without_version_begins_with_what_is_there()
    {
        await CreateAsync("a", "b");
        await Until(() => Api.Get($"{ConfigMaps}?resourceVersion=0"), answer => Names(answer).Count() == 2);
        using var watch = await Api.Watch($"{ConfigMaps}?watch=true");

        var seen = new[] { TypeAndName(await watch.NextChange()), TypeAndName(await watch.NextChange()) };

        Assert.Equal([("ADDED", "a"), ("ADDED", "b")], seen.Order());
    }

    [Fact]
    public async Task A_watch_can_replay_history()
    {
        var first = (await Api.Post(ConfigMaps, ConfigMap("a"))).Must(201).Version;
        (await Api.Patch($"{ConfigMaps}/a", Json("""{"data":{"x":"1"}}"""))).Must(200);
        (await Api.Delete($"{ConfigMaps}/a")).Must(200);

        using var watch = await Api.Watch($"{ConfigMaps}?watch=true&resourceVersion={first}");

        Assert.Equal("MODIFIED", (await watch.NextChange()).Type);
        Assert.Equal("DELETED", (await watch.NextChange()).Type);
    }

    [Fact]
    public async Task Entering_and_leaving_a_selection_looks_like_adding_and_deleting()
    {
        await CreateAsync("a");
        var version = (await Api.Get(ConfigMaps)).Must(200).Version;
        using var watch = await Api.Watch($"{ConfigMaps}?watch=true&labelSelector=in%3Dyes&resourceVersion={version}");

        foreach (var labels in (string[])["""{"in":"yes"}""", """{"in":"yes","more":"x"}""", """{"in":"no"}"""])
            (await Api.Patch($"{ConfigMaps}/a", Json($$"""{"metadata":{"labels":{{labels}}} }"""))).Must(200);

        Assert.Equal("ADDED", (await watch.NextChange()).Type);
        Assert.Equal("MODIFIED", (await watch.NextChange()).Type);
        Assert.Equal("DELETED", (await watch.NextChange()).Type);
    }

    [Fact]
    public async Task A_watch_of_one_name_sees_only_that()
    {
        var version = (await Api.Get(ConfigMaps)).Must(200).Version;
        using var watch = await Api.Watch($"{ConfigMaps}?watch=true&fieldSelector=metadata.name%3Db&resourceVersion={version}");

        await CreateAsync("a", "b");

        Assert.Equal(("ADDED", "b"), TypeAndName(await watch.NextChange()));
    }

    [Fact]
    public async Task A_bookmark_before_the_end_moves_past_what_the_watch_does_not_show()
    {
        var version = (await Api.Get(ConfigMaps)).Must(200).Version;
        using var watch = await Api.Watch($"{ConfigMaps}?watch=true&allowWatchBookmarks=true&timeoutSeconds=5&labelSelector=not%3Dhere&resourceVersion={version}");
        var unseen = (await Api.Post(ConfigMaps, ConfigMap("a"))).Must(201).Version;

        var bookmark = await watch.Next();

        Assert.Equal("BOOKMARK", bookmark?.Type);
        Assert.True(long.Parse(bookmark!.Version!, CultureInfo.InvariantCulture) >= long.Parse(unseen, CultureInfo.InvariantCulture));
        Assert.Equal(("ConfigMap", "v1"), ((string?)bookmark.Object["kind"], (string?)bookmark.Object["apiVersion"]));
        for (var frame = await watch.Next(); frame is not null; frame = await watch.Next())
            Assert.Equal("BOOKMARK", frame.Type);
    }

    [Fact]
    public async Task A_watch_without_bookmarks_ends_silently()
    {
        var version = (await Api.Get(ConfigMaps)).Must(200).Version;
        using var watch = await Api.Watch($"{ConfigMaps}?watch=true&timeoutSeconds=1&resourceVersion={version}");

        Assert.Equal(200, watch.Code);
        Assert.Null(await watch.Next());
    }

    [Fact]
    public async Task All_namespaces_can_be_listed_at_once()
    {
        await CreateAsync("a");

        var list = (await Api.Get("/api/v1/configmaps")).Must(200);

        Assert.Contains(list["items"]!.AsArray(), one => (string?)one!["metadata"]!["namespace"] == Namespace);
    }

    private async Task CreateAsync(params string[] names)
    {
        foreach (var name in names)
            (await Api.Post(ConfigMaps, ConfigMap(name))).Must(201);
    }

    // The controllers of a real cluster put objects of their own into every namespace.
    private static IEnumerable<string?> Names(ApiAnswer list) =>
        list["items"]!.AsArray().Select(one => (string?)one!["metadata"]!["name"]).Where(name => name != "kube-root-ca.crt");

    private static string? Token(ApiAnswer list) => (string?)list["metadata"]!["continue"];

    private static (string, string?) TypeAndName(Frame frame) => (frame.Type, frame.Name);
}
