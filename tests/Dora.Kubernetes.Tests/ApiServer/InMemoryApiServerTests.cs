using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Dora.Kubernetes.Model;
using Dora.Testing.ApiServer;
using Dora.Testing.ApiServer.Contract;
using Xunit;

namespace Dora.Kubernetes.Tests.ApiServer;

/// <summary>What the in-memory server can do that a real one cannot be made to do: fail on purpose, and tell what it was asked.</summary>
public sealed class InMemoryApiServerTests : IAsyncLifetime
{
    private const string ConfigMaps = "/api/v1/namespaces/default/configmaps";

    private InMemoryApiServer server = null!;
    private HttpClient http = null!;
    private RawClient api = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        server = await InMemoryApiServer.StartAsync(new(Tls: true), Token);
        http = new HttpClient { BaseAddress = server.Address };
        api = new RawClient(http);
    }

    public async ValueTask DisposeAsync()
    {
        http.Dispose();
        await server.DisposeAsync();
    }

    [Fact]
    public async Task A_fault_strikes_the_nth_request_of_its_kind_only()
    {
        server.Faults.Add(new("get", "configmaps"), new Fault.Respond(429, RetryAfter: 2, Reason: "TooManyRequests"), skip: 1, times: 1);

        (await api.Get($"{ConfigMaps}/a")).Must(404);
        var struck = (await api.Get($"{ConfigMaps}/a")).Must(429);
        (await api.Get($"{ConfigMaps}/a")).Must(404);

        Assert.Equal(("TooManyRequests", "2"), (struck.Reason, struck.Headers.RetryAfter?.ToString()));
    }

    [Fact]
    public async Task A_lost_answer_leaves_the_work_done()
    {
        server.Faults.Add(new("create", "configmaps"), new Fault.LoseAnswer());

        await Assert.ThrowsAsync<HttpRequestException>(() => api.Post(ConfigMaps, Named("a")));

        Assert.NotNull(server.Find(KubeTypes.ConfigMaps.Resource, "default", "a"));
    }

    [Fact]
    public async Task A_reset_leaves_nothing_done()
    {
        server.Faults.Add(new("create", "configmaps"), new Fault.Reset());

        await Assert.ThrowsAsync<HttpRequestException>(() => api.Post(ConfigMaps, Named("a")));

        Assert.Null(server.Find(KubeTypes.ConfigMaps.Resource, "default", "a"));
    }

    [Fact]
    public async Task A_watch_can_be_cut_in_the_middle_of_a_frame()
    {
        server.Faults.Add(new("watch", "configmaps"), new Fault.CutAfterFrames(1));
        server.Create(KubeTypes.ConfigMaps.Resource, "default", Named("a"));
        server.Create(KubeTypes.ConfigMaps.Resource, "default", Named("b"));

        using var watch = await api.Watch($"{ConfigMaps}?watch=true");

        Assert.Equal("a", (await watch.NextChange()).Name);
        await Assert.ThrowsAnyAsync<IOException>(() => watch.Next());
    }

    [Fact]
    public async Task A_watch_can_fall_silent_with_the_connection_open()
    {
        server.Faults.Add(new("watch", "configmaps"), new Fault.HangAfterFrames(1));
        server.Create(KubeTypes.ConfigMaps.Resource, "default", Named("a"));

        using var watch = await api.Watch($"{ConfigMaps}?watch=true");
        Assert.Equal("a", (await watch.NextChange()).Name);
        var next = watch.Next();
        server.Create(KubeTypes.ConfigMaps.Resource, "default", Named("b"));
        // Something that is answered after the change shows that the silent watch is not merely slow.
        (await api.Get($"{ConfigMaps}/b")).Must(200);

        Assert.False(next.IsCompleted);
        await server.PauseAsync(Token);
        await Assert.ThrowsAnyAsync<Exception>(() => next);
    }

    [Fact]
    public async Task Open_watches_can_be_expired()
    {
        using var watch = await api.Watch($"{ConfigMaps}?watch=true");
        server.Create(KubeTypes.ConfigMaps.Resource, "default", Named("a"));
        Assert.Equal("ADDED", (await watch.NextChange()).Type);

        server.ExpireWatches();

        var frame = await watch.NextChange();
        Assert.Equal(("ERROR", 410), (frame.Type, (int)frame.Object["code"]!));
        Assert.Null(await watch.Next());
    }

    [Fact]
    public async Task Compaction_expires_old_versions_but_not_watches_that_are_up_to_date()
    {
        using var open = await api.Watch($"{ConfigMaps}?watch=true");
        server.Create(KubeTypes.ConfigMaps.Resource, "default", Named("a"));
        await open.NextChange();

        server.Compact();
        server.Create(KubeTypes.ConfigMaps.Resource, "default", Named("b"));
        Assert.Equal("b", (await open.NextChange()).Name);

        using var late = await api.Watch($"{ConfigMaps}?watch=true&resourceVersion=1");
        Assert.Equal((200, "ERROR"), (late.Code, (await late.Next())?.Type));
        server.ExpiredWatchesGetHttpStatus = true;
        (await api.Get($"{ConfigMaps}?watch=true&resourceVersion=1")).Must(410);
    }

    [Fact]
    public async Task Bookmarks_can_be_sent_at_will()
    {
        using var watch = await api.Watch($"{ConfigMaps}?watch=true&allowWatchBookmarks=true");
        server.Create(KubeTypes.ConfigMaps.Resource, "default", Named("a"));
        await watch.NextChange();

        server.SendBookmarks();

        var frame = await watch.Next();
        Assert.Equal(("BOOKMARK", server.ResourceVersion.ToString()), (frame!.Type, frame.Version));
    }

    [Fact]
    public async Task Requests_are_logged_and_writes_told_apart()
    {
        await api.Apply($"{ConfigMaps}/a", Named("a"));
        await api.Apply($"{ConfigMaps}/b?dryRun=All", Named("b"));
        await api.Get($"{ConfigMaps}/a");

        Assert.Equal(["patch", "patch", "get"], server.Requests.All.Select(request => request.Verb));
        var write = Assert.Single(server.Requests.Writes);
        Assert.Equal(("configmaps", "default", "a", "apply", 201), (write.Resource, write.Namespace, write.Name, write.Patch, write.Code));
        Assert.Equal(1, server.Requests.Count("get", "configmaps"));
        Assert.Equal(write, await server.Requests.WaitForAsync(request => request.Name == "a", Token));
    }

    [Fact]
    public async Task A_denied_verb_is_403_and_others_go_on()
    {
        server.Access.Deny(new("list", "secrets"));

        (await api.Get("/api/v1/namespaces/default/secrets")).Must(403);
        (await api.Get("/api/v1/namespaces/default/secrets/x")).Must(404);
        server.Access.AllowAll();
        (await api.Get("/api/v1/namespaces/default/secrets")).Must(200);
    }

    [Fact]
    public async Task A_paused_server_refuses_connections_and_comes_back_with_its_objects()
    {
        server.Create(KubeTypes.ConfigMaps.Resource, "default", Named("a"));

        await server.PauseAsync(Token);
        await Assert.ThrowsAsync<HttpRequestException>(() => api.Get($"{ConfigMaps}/a"));
        await server.ResumeAsync(Token);

        (await api.Get($"{ConfigMaps}/a")).Must(200);
    }

    [Fact]
    public async Task TLS_negotiates_HTTP_2_under_the_certificate_of_this_run()
    {
        using var handler = new SocketsHttpHandler();
        handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            CustomTrustStore = { X509Certificate2.CreateFromPem(server.CertificateAuthority) },
        };
        using var client = new HttpClient(handler) { BaseAddress = server.SecureAddress, DefaultRequestVersion = HttpVersion.Version20 };

        using var response = await client.GetAsync(new Uri("/version", UriKind.Relative), Token);

        Assert.Equal((HttpStatusCode.OK, HttpVersion.Version20), (response.StatusCode, response.Version));
    }

    [Fact]
    public async Task HTTP_2_is_spoken_without_TLS_too()
    {
        using var client = new HttpClient { BaseAddress = server.Http2Address, DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };

        using var response = await client.GetAsync(new Uri("/version", UriKind.Relative), Token);

        Assert.Equal(HttpVersion.Version20, response.Version);
    }

    [Fact]
    public async Task An_older_server_lacks_kinds_and_aggregated_discovery()
    {
        await using var older = await InMemoryApiServer.StartAsync(new(AggregatedDiscovery: false, Without: ["policy/v1/poddisruptionbudgets"]), Token);
        using var client = new HttpClient { BaseAddress = older.Address };
        var old = new RawClient(client);

        (await old.Get("/apis/policy/v1")).Must(404);
        (await old.Get("/apis/policy/v1beta1")).Must(200);
        http.DefaultRequestHeaders.Accept.ParseAdd("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
        client.DefaultRequestHeaders.Accept.ParseAdd("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
        Assert.Equal("APIGroupDiscoveryList", (string?)(await api.Get("/apis"))["kind"]);
        Assert.Equal("APIGroupList", (string?)(await old.Get("/apis"))["kind"]);
    }

    [Fact]
    public async Task Namespaces_can_come_into_being_by_themselves()
    {
        await using var lenient = await InMemoryApiServer.StartAsync(new(NamespacesExistByThemselves: true), Token);

        lenient.Create(KubeTypes.ConfigMaps.Resource, "anywhere", Named("a"));

        Assert.NotNull(lenient.Find(KubeTypes.Namespaces.Resource, null, "anywhere"));
    }

    [Fact]
    public async Task Ten_thousand_objects_and_fifty_watches_are_no_burden()
    {
        for (var i = 0; i < 10_000; i++)
            server.Create(KubeTypes.ConfigMaps.Resource, "default", Named($"many-{i:d5}"));
        var seen = 0;
        for (var page = ""; page is not null; page = seen < 10_000 ? page : null)
        {
            var answer = (await api.Get($"{ConfigMaps}?limit=500&continue={page}")).Must(200);
            seen += answer["items"]!.AsArray().Count;
            page = (string?)answer["metadata"]!["continue"] ?? "";
        }

        using var client = new HttpClient { BaseAddress = server.Http2Address, DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };
        var watches = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => new RawClient(client).Watch($"{ConfigMaps}?watch=true&resourceVersion={server.ResourceVersion}")));
        for (var i = 0; i < 100; i++)
            server.Patch(KubeTypes.ConfigMaps.Resource, "default", "many-00000", new JsonObject { ["data"] = new JsonObject { ["n"] = $"{i}" } });

        await Task.WhenAll(watches.Select(async watch =>
        {
            for (var i = 0; i < 100; i++)
                Assert.Equal($"{i}", (string?)(await watch.NextChange()).Object["data"]!["n"]);
            watch.Dispose();
        }));
        Assert.Equal(10_000, seen);
    }

    private static JsonObject Named(string name) => new()
    {
        ["apiVersion"] = "v1",
        ["kind"] = "ConfigMap",
        ["metadata"] = new JsonObject { ["name"] = name },
    };
}
