using System.Text.Json;
using System.Text.Json.Nodes;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Testing;
using Dora.Testing.Http;
using Xunit;

namespace Dora.Kubernetes.Tests.Client;

public sealed class KubeRequestTests
{
    [Fact]
    public async Task Apply_names_manager_force_and_media_type()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On($"PATCH {Wire.ConfigMaps}/a", Reply.Json(Wire.ConfigMap("a", "7")), Reply.Json(201, Wire.ConfigMap("a")));
        var manifest = Manifest.Of(KubeTypes.ConfigMaps, Wire.Value("a"));
        var answer = await scripted.Client.ApplyAsync(manifest, new(), default);
        Assert.Equal("7", answer.GetProperty("metadata").GetProperty("resourceVersion").GetString());
        var typed = await scripted.Client.ApplyAsync(KubeTypes.ConfigMaps, manifest, new("other", Force: false, DryRun: true), default);
        Assert.Equal("a", typed.Metadata.Name);

        var first = scripted.Server.Requests[0];
        Assert.Equal(("dora-operator", "true", null), (first.Query("fieldManager"), first.Query("force"), first.Query("dryRun")));
        Assert.Equal("application/apply-patch+yaml", first.Headers["Content-Type"]);
        var second = scripted.Server.Requests[1];
        Assert.Equal(("other", "false", "All"), (second.Query("fieldManager"), second.Query("force"), second.Query("dryRun")));
        var body = JsonNode.Parse(first.Body)!;
        Assert.Equal(("v1", "ConfigMap"), ((string?)body["apiVersion"], (string?)body["kind"]));
    }

    [Theory]
    [InlineData("a/b")]
    [InlineData("é ü 漢")]
    [InlineData("rocket 🚀 and 𝒳")]
    [InlineData("<tag> & 'quote' + plus")]
    [InlineData("🚀")]
    [InlineData("before 🚀🚀 after")]
    public async Task Apply_bodies_are_valid_yaml_too(string text)
    {
        // The server reads them as YAML, where \/ and escaped surrogate pairs are errors.
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On($"PATCH {Wire.ConfigMaps}/a", Reply.Json(Wire.ConfigMap("a")));
        await scripted.Client.ApplyAsync(Manifest.Of(KubeTypes.ConfigMaps, Wire.Value("a", text)), new(), default);
        var body = scripted.Server.Requests[0].Body;
        Assert.DoesNotContain("\\/", body, StringComparison.Ordinal);
        Assert.DoesNotContain("\\u", body, StringComparison.Ordinal);
        Assert.Contains(text, body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\\uD83D\\uDE80 is text, 🚀 is a character")]
    [InlineData("\\🚀\\\"🚀\"\n\u0001\t🚀\\")]
    [InlineData("\\u \\ud83d\\")]
    public async Task Apply_bodies_keep_backslashes_as_they_are(string text)
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On($"PATCH {Wire.ConfigMaps}/a", Reply.Json(Wire.ConfigMap("a")));
        await scripted.Client.ApplyAsync(Manifest.Of(KubeTypes.ConfigMaps, Wire.Value("a", text)), new(), default);
        Assert.Equal(text, (string?)JsonNode.Parse(scripted.Server.Requests[0].Body)!["data"]!["k"]);
    }

    [Fact]
    public async Task Apply_to_status_goes_to_the_subresource()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On($"PATCH {Wire.ConfigMaps}/a/status", Reply.Json(Wire.ConfigMap("a")));
        await scripted.Client.ApplyAsync(Manifest.Of(KubeTypes.ConfigMaps, Wire.Value("a")), new(Subresource: "status"), default);
        Assert.Equal("dora-operator", scripted.Server.Requests[0].Query("fieldManager"));
    }

    [Fact]
    public async Task A_value_read_from_a_list_is_sent_with_its_kind()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On($"PUT {Wire.ConfigMaps}/a", Reply.Json(Wire.ConfigMap("a")));
        await scripted.Client.UpdateAsync(KubeTypes.ConfigMaps, Wire.Value("a") with { Kind = null, ApiVersion = null }, default);
        var body = JsonNode.Parse(scripted.Server.Requests[0].Body)!;
        Assert.Equal(("v1", "ConfigMap"), ((string?)body["apiVersion"], (string?)body["kind"]));
    }

    [Fact]
    public async Task A_value_is_sent_in_the_version_of_its_route()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On("POST /apis/policy/v1beta1/namespaces/ns/poddisruptionbudgets", Reply.Json(201, """{"metadata":{"name":"a"}}"""));
        await scripted.Client.CreateAsync(KubeTypes.PodDisruptionBudgetsBeta, new(new("a", "ns")), default);
        Assert.Equal("policy/v1beta1", (string?)JsonNode.Parse(scripted.Server.Requests[0].Body)!["apiVersion"]);
    }

    [Fact]
    public async Task Updates_and_patches_use_their_verbs_and_media_types()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server
            .On($"PUT {Wire.ConfigMaps}/a/status", Reply.Json(Wire.ConfigMap("a")))
            .On($"PATCH {Wire.ConfigMaps}/a", Reply.Json(Wire.ConfigMap("a")), Reply.Json(Wire.ConfigMap("a")))
            .On($"PATCH {Wire.ConfigMaps}/a/scale", Reply.Json(Wire.ConfigMap("a")));
        await scripted.Client.UpdateStatusAsync(KubeTypes.ConfigMaps, Wire.Value("a"), default);
        await scripted.Client.PatchAsync(KubeTypes.ConfigMaps, "ns", "a", KubePatch.Merge(new JsonObject { ["data"] = null }), default);
        await scripted.Client.PatchAsync(KubeTypes.ConfigMaps, "ns", "a", KubePatch.Json([new JsonObject { ["op"] = "remove", ["path"] = "/data" }]), default);
        await scripted.Client.PatchAsync(KubeTypes.ConfigMaps, "ns", "a", KubePatch.Merge(new JsonObject(), "scale"), default);
        Assert.Equal(
            ["application/json", "application/merge-patch+json", "application/json-patch+json", "application/merge-patch+json"],
            scripted.Server.Requests.Select(request => request.Headers["Content-Type"]));
        Assert.Equal("""{"data":null}""", scripted.Server.Requests[1].Body);
        Assert.Equal("""[{"op":"remove","path":"/data"}]""", scripted.Server.Requests[2].Body);
    }

    [Fact]
    public async Task Delete_sends_preconditions_and_propagation()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On($"DELETE {Wire.ConfigMaps}/a", Reply.Json("{}"), Reply.Status(404, "NotFound", "gone", """{"name":"a","kind":"configmaps"}"""), Reply.Status(409, "Conflict", "uid differs"));
        await scripted.Client.DeleteAsync(KubeTypes.ConfigMaps.Resource, "ns", "a", new("uid-1", "5", DeletePropagation.Foreground, 0), default);
        Assert.Equal(
            """{"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"uid-1","resourceVersion":"5"},"propagationPolicy":"Foreground","gracePeriodSeconds":0}""",
            scripted.Server.Requests[0].Body);
        await Assert.ThrowsAsync<KubeNotFoundException>(() => scripted.Client.DeleteAsync(KubeTypes.ConfigMaps.Resource, "ns", "a", new(), default));
        await Assert.ThrowsAsync<KubeConflictException>(() => scripted.Client.DeleteAsync(KubeTypes.ConfigMaps.Resource, "ns", "a", new("other"), default));
    }

    [Fact]
    public async Task A_list_follows_the_continue_token_and_never_sends_a_version_with_it()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On(
            $"GET {Wire.ConfigMaps}",
            Reply.Json(Wire.List("5", "t/1+=", Wire.ConfigMap("a"), Wire.ConfigMap("b"))),
            Reply.Json(Wire.List("5", null, Wire.ConfigMap("c"))));
        var names = new List<string?>();
        await foreach (var item in scripted.Client.ListAsync(KubeTypes.ConfigMaps, "ns", new("app in (x,y)", ResourceVersion: "3"), default))
            names.Add(item.Metadata.Name);
        Assert.Equal(["a", "b", "c"], names);
        var (first, second) = (scripted.Server.Requests[0], scripted.Server.Requests[1]);
        Assert.Equal(("500", "3", null, "app in (x,y)"), (first.Query("limit"), first.Query("resourceVersion"), first.Query("continue"), first.Query("labelSelector")));
        Assert.Equal(("500", null, "t/1+=", "app in (x,y)"), (second.Query("limit"), second.Query("resourceVersion"), second.Query("continue"), second.Query("labelSelector")));
    }

    [Fact]
    public async Task A_compacted_continue_token_is_told_and_not_hidden()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On($"GET {Wire.ConfigMaps}", Reply.Json(Wire.List("5", "t", Wire.ConfigMap("a"))), Reply.Status(410, "Expired", "token expired"));
        await Assert.ThrowsAsync<KubeGoneException>(async () =>
        {
            await foreach (var _ in scripted.Client.ListAsync(KubeTypes.ConfigMaps, "ns", new(), default))
            {
            }
        });
    }

    [Fact]
    public async Task Answers_larger_than_a_buffer_are_read_whole()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        var big = new string('x', 3 << 20);
        scripted.Server.On($"GET {Wire.ConfigMaps}/a", Reply.Json(Wire.ConfigMap("a", data: big)), Reply.Stream(Wire.ConfigMap("a", data: big)));
        for (var i = 0; i < 2; i++)
            Assert.Equal(big.Length, (await scripted.Client.GetAsync(KubeTypes.ConfigMaps, "ns", "a", default)).Data!["k"].Length);
    }

    [Theory]
    [InlineData("../../secrets/x")]
    [InlineData("a?watch=true")]
    [InlineData("a#b")]
    [InlineData("a b:c")]
    public async Task A_name_never_leaves_its_path_segment(string name)
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On($"GET {Wire.ConfigMaps}/{Uri.EscapeDataString(name)}", Reply.Json(Wire.ConfigMap("a")));
        await scripted.Client.GetAsync(KubeTypes.ConfigMaps, "ns", name, default);
    }

    [Fact]
    public void Routes_refuse_what_does_not_fit_the_kind()
    {
        Assert.Throws<ArgumentException>(() => KubeRoute.Object(KubeTypes.Pods.Resource, null, "a"));
        Assert.Throws<ArgumentException>(() => KubeRoute.Object(KubeTypes.Namespaces.Resource, "ns", "a"));
        Assert.Throws<ArgumentException>(() => KubeRoute.Object(KubeTypes.Pods.Resource, "ns", ".."));
        Assert.Throws<ArgumentException>(() => KubeRoute.Object(KubeTypes.Pods.Resource, "ns", ""));
        Assert.Equal("/apis/apps/v1/statefulsets", KubeRoute.Collection(KubeTypes.StatefulSets.Resource, null));
        Assert.Equal("/api/v1/namespaces/a", KubeRoute.Object(KubeTypes.Namespaces.Resource, null, "a"));
    }

    [Fact]
    public async Task A_path_prefix_of_the_server_is_kept()
    {
        await using var scripted = await ScriptedClient.StartAsync(address => new(new Uri(address, "/k8s/clusters/c-1/")));
        scripted.Server.On("GET /k8s/clusters/c-1/version", Reply.Json("""{"gitVersion":"v1.34.1"}"""));
        Assert.Equal("v1.34.1", await scripted.Client.GetVersionAsync(default));
    }

    [Fact]
    public async Task Discovery_is_remembered_until_it_expires_or_a_kind_turns_out_missing()
    {
        var clock = new ManualClock();
        await using var scripted = await ScriptedClient.StartAsync(clock);
        var served = Reply.Json("""{"kind":"APIResourceList","resources":[{"name":"statefulsets","kind":"StatefulSet"}]}""");
        scripted.Server
            .On("GET /apis/apps/v1", served, Reply.Json("""{"resources":[]}"""), Reply.Text(404, "404 page not found"), served)
            .On("GET /apis/apps/v1/namespaces/ns/statefulsets/a", Reply.Text(404, "404 page not found"));
        var resource = KubeTypes.StatefulSets.Resource;
        Assert.True(await scripted.Client.ServesAsync(resource, default));
        Assert.True(await scripted.Client.ServesAsync(resource, default));
        await Assert.ThrowsAsync<KubeNotFoundException>(() => scripted.Client.GetAsync(KubeTypes.StatefulSets, "ns", "a", default));
        Assert.False(await scripted.Client.ServesAsync(resource, default));
        clock.Advance(TimeSpan.FromSeconds(9));
        Assert.False(await scripted.Client.ServesAsync(resource, default));
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.False(await scripted.Client.ServesAsync(resource, default));
        clock.Advance(TimeSpan.FromSeconds(10));
        Assert.True(await scripted.Client.ServesAsync(resource, default));
        Assert.Equal(4, scripted.Server.Requests.Count(request => request.Path == "/apis/apps/v1"));
    }

    [Fact]
    public async Task Micro_times_have_exactly_six_digits()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server.On("POST /apis/coordination.k8s.io/v1/namespaces/ns/leases", Reply.Json(201, """{"metadata":{"name":"a"}}"""));
        var lease = new Lease(new("a", "ns"), new("me", 15, RenewTime: new(2026, 1, 2, 3, 4, 5, TimeSpan.FromHours(1))));
        await scripted.Client.CreateAsync(KubeTypes.Leases, lease, default);
        using var body = JsonDocument.Parse(scripted.Server.Requests[0].Body);
        Assert.Equal("2026-01-02T02:04:05.000000Z", body.RootElement.GetProperty("spec").GetProperty("renewTime").GetString());
    }
}
