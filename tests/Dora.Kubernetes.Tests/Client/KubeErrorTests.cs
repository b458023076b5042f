using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Testing;
using Dora.Testing.Http;
using Xunit;

namespace Dora.Kubernetes.Tests.Client;

public sealed class KubeErrorTests
{
    private const string Path = $"GET {Wire.ConfigMaps}/a";

    public static TheoryData<int, string, Type> Refusals => new()
    {
        { 400, "BadRequest", typeof(KubeException) },
        { 401, "Unauthorized", typeof(KubeUnauthorizedException) },
        { 403, "Forbidden", typeof(KubeForbiddenException) },
        { 404, "NotFound", typeof(KubeNotFoundException) },
        { 409, "Conflict", typeof(KubeConflictException) },
        { 409, "AlreadyExists", typeof(KubeAlreadyExistsException) },
        { 410, "Expired", typeof(KubeGoneException) },
        { 415, "UnsupportedMediaType", typeof(KubeException) },
        { 422, "Invalid", typeof(KubeInvalidException) },
        { 429, "TooManyRequests", typeof(KubeThrottledException) },
        { 500, "InternalError", typeof(KubeException) },
        { 503, "ServiceUnavailable", typeof(KubeUnavailableException) },
        { 504, "Timeout", typeof(KubeUnavailableException) },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task A_refusal_has_its_own_type_and_is_sent_once(int code, string reason, Type type)
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On(Path, Reply.Status(code, reason, "the reason why"));
        var fault = await Assert.ThrowsAnyAsync<KubeException>(() => scripted.Client.GetAsync(KubeTypes.ConfigMaps, "ns", "a", default));
        Assert.Equal(type, fault.GetType());
        Assert.Equal(code, fault.HttpCode);
        Assert.Equal(("get", "configmaps", "a"), (fault.Verb, fault.Resource, fault.Name));
        Assert.Contains("the reason why", fault.Message, StringComparison.Ordinal);
        Assert.Single(scripted.Server.Requests);
    }

    [Fact]
    public async Task A_missing_object_is_null_to_find()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On(Path, Reply.Status(404, "NotFound", "not found", """{"name":"a","kind":"configmaps"}"""));
        Assert.Null(await scripted.Client.FindAsync(KubeTypes.ConfigMaps, "ns", "a", default));
    }

    [Fact]
    public async Task A_missing_kind_is_an_error_to_find_and_names_the_definition()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On(Path, Reply.Text(404, "404 page not found\n"), Reply.Status(404, "NotFound", "the server could not find the requested resource"));
        for (var i = 0; i < 2; i++)
        {
            var fault = await Assert.ThrowsAsync<KubeNotFoundException>(() => scripted.Client.FindAsync(KubeTypes.ConfigMaps, "ns", "a", default));
            Assert.True(fault.KindMissing);
            Assert.Contains("CustomResourceDefinition", fault.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_missing_namespace_is_not_a_missing_object()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On(Path, Reply.Status(404, "NotFound", "namespaces not found", """{"name":"ns","kind":"namespaces"}"""));
        var fault = await Assert.ThrowsAsync<KubeNotFoundException>(() => scripted.Client.FindAsync(KubeTypes.ConfigMaps, "ns", "a", default));
        Assert.False(fault.KindMissing);
        Assert.False(fault.ObjectMissing);
    }

    [Fact]
    public async Task A_field_manager_conflict_names_the_fields_and_a_stale_version_does_not()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On(
            $"PATCH {Wire.ConfigMaps}/a",
            Reply.Status(409, "Conflict", "conflict", """{"causes":[{"reason":"FieldManagerConflict","message":"conflict with \"kubectl\"","field":".data.k"}]}"""),
            Reply.Status(409, "Conflict", "the object has been modified"));
        var manifest = Manifest.Of(KubeTypes.ConfigMaps, Wire.Value("a"));
        var owned = await Assert.ThrowsAsync<KubeConflictException>(() => scripted.Client.ApplyAsync(manifest, new(Force: false), default));
        Assert.True(owned.HasFieldManagerConflicts);
        Assert.Equal(".data.k", Assert.Single(owned.Causes).Field);
        var stale = await Assert.ThrowsAsync<KubeConflictException>(() => scripted.Client.ApplyAsync(manifest, new(), default));
        Assert.False(stale.HasFieldManagerConflicts);
    }

    [Fact]
    public async Task Forbidden_names_verb_and_resource()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On("PATCH /apis/apps/v1/namespaces/ns/statefulsets/a", Reply.Status(403, "Forbidden", "user cannot"));
        var manifest = new Manifest(KubeTypes.StatefulSets.Resource, "ns", "a", []);
        var fault = await Assert.ThrowsAsync<KubeForbiddenException>(() => scripted.Client.ApplyAsync(manifest, new(), default));
        Assert.Contains("grant the verb patch on statefulsets.apps", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_error_about_a_secret_never_quotes_it()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On(
            "POST /api/v1/namespaces/ns/secrets",
            Reply.Status(400, "BadRequest", "error found in #10 byte of ...|hunter2|...", """{"causes":[{"message":"bad: hunter2","field":"data"}]}"""));
        var secret = new Secret(new("s", "ns"), new Dictionary<string, string> { ["p"] = "hunter2" });
        var fault = await Assert.ThrowsAnyAsync<KubeException>(() => scripted.Client.CreateAsync(KubeTypes.Secrets, secret, default));
        Assert.DoesNotContain("hunter2", fault.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", fault.Status!.ToString(), StringComparison.Ordinal);
        Assert.Equal("data", Assert.Single(fault.Status.Details!.Causes!).Field);
    }

    [Fact]
    public async Task A_500_without_reason_is_final()
    {
        // What an unknown field in a server-side apply gives: repeating it cannot help.
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On($"PATCH {Wire.ConfigMaps}/a", Reply.Json(500, """{"kind":"Status","status":"Failure","message":".spec.x: field not declared in schema","code":500}"""));
        var fault = await Assert.ThrowsAsync<KubeException>(() => scripted.Client.ApplyAsync(Manifest.Of(KubeTypes.ConfigMaps, Wire.Value("a")), new(), default));
        Assert.Contains("field not declared", fault.Message, StringComparison.Ordinal);
        Assert.Single(scripted.Server.Requests);
    }

    [Theory]
    [InlineData(429, "TooManyRequests")]
    [InlineData(500, "InternalError")]
    [InlineData(503, "ServiceUnavailable")]
    [InlineData(504, "Timeout")]
    public async Task Retry_After_is_obeyed(int code, string reason)
    {
        // 504 with retry-after is how a resource version beyond the newest is told ("Too large resource version").
        var clock = new ManualClock();
        await using var scripted = await ScriptedClient.StartAsync(clock);
        scripted.Server.On(Path, Reply.Status(code, reason, "wait", "{}", "Retry-After: 3"), Reply.Json(Wire.ConfigMap("a")));
        var get = scripted.Client.GetAsync(KubeTypes.ConfigMaps, "ns", "a", default);
        await scripted.Server.NextRequestAsync();
        await clock.TimerWithinAsync(TimeSpan.FromSeconds(3));
        clock.Advance(TimeSpan.FromSeconds(2.9));
        Assert.Single(scripted.Server.Requests);
        Assert.False(get.IsCompleted);
        clock.Advance(TimeSpan.FromSeconds(0.1));
        Assert.Equal("a", (await get).Metadata.Name);
    }

    [Fact]
    public async Task Retries_are_bounded()
    {
        var clock = new ManualClock();
        await using var scripted = await ScriptedClient.StartAsync(clock, new(MaxRetries: 3));
        scripted.Server.On(Path, [.. Enumerable.Range(0, 4).Select(_ => Reply.Status(429, "TooManyRequests", "no", "{}", "Retry-After: 1"))]);
        var get = scripted.Client.GetAsync(KubeTypes.ConfigMaps, "ns", "a", default);
        await clock.AdvanceUntilAsync(() => get.IsCompleted, TimeSpan.FromSeconds(0.1));
        var fault = await Assert.ThrowsAsync<KubeThrottledException>(() => get);
        Assert.Equal(TimeSpan.FromSeconds(1), fault.RetryAfter);
        Assert.Equal(4, scripted.Server.Requests.Count);
    }

    [Fact]
    public async Task A_wait_beyond_the_deadline_is_not_waited()
    {
        var clock = new ManualClock();
        await using var scripted = await ScriptedClient.StartAsync(clock, new(Timeout: TimeSpan.FromSeconds(5)));
        scripted.Server.On(Path, Reply.Status(429, "TooManyRequests", "no", "{}", "Retry-After: 6"));
        await Assert.ThrowsAsync<KubeThrottledException>(() => scripted.Client.GetAsync(KubeTypes.ConfigMaps, "ns", "a", default));
        Assert.Equal(TimeSpan.Zero, clock.Elapsed);
    }

    [Fact]
    public async Task A_server_that_says_nothing_meets_the_deadline()
    {
        var clock = new ManualClock();
        await using var scripted = await ScriptedClient.StartAsync(clock, new(Timeout: TimeSpan.FromSeconds(5)));
        scripted.Server.On(Path, Reply.Silence());
        var get = scripted.Client.GetAsync(KubeTypes.ConfigMaps, "ns", "a", default);
        await scripted.Server.NextRequestAsync();
        clock.Advance(TimeSpan.FromSeconds(5));
        var fault = await Assert.ThrowsAsync<KubeUnavailableException>(() => get);
        Assert.Contains("did not answer within 5 s", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_callers_cancellation_is_a_cancellation()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        using var caller = new CancellationTokenSource();
        scripted.Server.On(Path, Reply.Silence());
        var get = scripted.Client.GetAsync(KubeTypes.ConfigMaps, "ns", "a", caller.Token);
        await scripted.Server.NextRequestAsync();
        await caller.CancelAsync();
        var fault = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => get);
        Assert.Equal(caller.Token, fault.CancellationToken);
    }

    [Fact]
    public async Task A_connection_cut_before_the_answer_is_not_repeated()
    {
        // The server may have done it: only a refused connection is safe to repeat.
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On($"POST {Wire.ConfigMaps}", Reply.Abort());
        var fault = await Assert.ThrowsAsync<KubeUnavailableException>(() => scripted.Client.CreateAsync(KubeTypes.ConfigMaps, Wire.Value("a"), default));
        Assert.Contains(scripted.Server.Address.ToString(), fault.Message, StringComparison.Ordinal);
        Assert.Single(scripted.Server.Requests);
    }

    [Fact]
    public async Task A_refused_connection_is_tried_again_until_the_server_is_back()
    {
        Uri address;
        await using (var first = await ScriptedServer.StartAsync())
            address = first.Address;
        var clock = new ManualClock();
        using var client = ScriptedClient.Connect(new(address), clock);
        var get = client.CreateAsync(KubeTypes.ConfigMaps, Wire.Value("a"), default);
        await clock.TimerWithinAsync(TimeSpan.FromMilliseconds(100));
        await using var server = await ScriptedServer.StartAsync(port: address.Port);
        server.On($"POST {Wire.ConfigMaps}", Reply.Json(201, Wire.ConfigMap("a")));
        await clock.AdvanceUntilAsync(() => get.IsCompleted, TimeSpan.FromMilliseconds(50));
        Assert.Equal("a", (await get).Metadata.Name);
        Assert.Single(server.Requests);
    }

    [Fact]
    public async Task A_refused_connection_says_address_and_what_to_check()
    {
        Uri address;
        await using (var first = await ScriptedServer.StartAsync())
            address = first.Address;
        using var client = ScriptedClient.Connect(new(address), options: new(MaxRetries: 0));
        var fault = await Assert.ThrowsAsync<KubeUnavailableException>(() => client.GetVersionAsync(default));
        Assert.Contains(address.ToString(), fault.Message, StringComparison.Ordinal);
        Assert.Contains("refused", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("<html>a portal</html>")]
    [InlineData("""{"metadata":{"name":7}}""")]
    [InlineData("")]
    public async Task An_answer_of_another_shape_is_a_typed_error(string body)
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On(Path, Reply.Json(body));
        await Assert.ThrowsAsync<KubeMalformedException>(() => scripted.Client.GetAsync(KubeTypes.ConfigMaps, "ns", "a", default));
    }
}
