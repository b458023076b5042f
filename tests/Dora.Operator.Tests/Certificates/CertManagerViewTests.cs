using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Operator.Certificates;
using Dora.Operator.Stacks;
using Dora.Testing;
using Dora.Testing.ApiServer;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dora.Operator.Tests.Certificates;

public sealed class CertManagerViewTests : IAsyncDisposable
{
    private readonly ManualClock _clock = new();
    private ComplianceStack _stack = new CertificateWorld().Stack;
    private InMemoryApiServer? _server;
    private KubeClient? _client;

    [Fact]
    public async Task Where_the_kind_is_not_served_nothing_is_read()
    {
        var view = await StartAsync(served: false);
        var (served, live, unreadable) = await ReadAsync(view);
        Assert.False(served);
        Assert.Empty(live);
        Assert.Empty(unreadable);
    }

    [Fact]
    public async Task One_that_is_being_made_is_looked_at_each_time_and_one_that_is_ready_every_few_minutes()
    {
        var view = await StartAsync();
        Create("shop", ready: "False");
        await ReadAsync(view);
        var (served, live, _) = await ReadAsync(view);
        Assert.True(served);
        Assert.Equal(CertificateWorld.Redis, Assert.Single(live).Key.Name);
        Assert.Equal(2, Gets);
        Ready("True");
        await ReadAsync(view);
        await ReadAsync(view);
        Assert.Equal(3, Gets);
        _clock.Advance(TimeSpan.FromMinutes(6));
        Assert.Single((await ReadAsync(view)).Live);
        Assert.Equal(4, Gets);
    }

    [Fact]
    public async Task One_of_somebody_else_is_none_of_the_stack()
    {
        var view = await StartAsync();
        Create("other", ready: "True");
        Assert.Empty((await ReadAsync(view)).Live);
    }

    [Fact]
    public async Task A_kind_that_may_not_be_read_is_unreadable_and_not_missing()
    {
        var view = await StartAsync();
        _server!.Access.Deny(new("get", "certificates.cert-manager.io"));
        var (served, live, unreadable) = await ReadAsync(view);
        Assert.True(served);
        Assert.Empty(live);
        Assert.Contains("certificates.cert-manager.io", Assert.Single(unreadable).Value, StringComparison.Ordinal);
    }

    public async ValueTask DisposeAsync()
    {
        _client?.Dispose();
        if (_server is not null)
            await _server.DisposeAsync();
    }

    private int Gets => _server!.Requests.All.Count(request => request is { Verb: "get", Resource: "certificates.cert-manager.io" });

    private async Task<CertManagerView> StartAsync(bool served = true)
    {
        _server = await InMemoryApiServer.StartAsync(new(NamespacesExistByThemselves: true));
        if (served)
        {
            _server.Create(new("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", Namespaced: false), null, JsonNode.Parse(
                """
                {"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"certificates.cert-manager.io"},
                 "spec":{"group":"cert-manager.io","scope":"Namespaced","names":{"plural":"certificates","singular":"certificate","kind":"Certificate","listKind":"CertificateList"},
                 "versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}
                """)!.AsObject());
        }

        _client = new(new(_server.Address), new(), TimeProvider.System, NullLogger<KubeClient>.Instance);
        return new(_client, new(_clock), _clock);
    }

    private void Create(string stack, string ready)
    {
        // Without an owner that is there it would be collected as garbage.
        var uid = (string)_server!.Create(Manifest.Of(KubeTypes.ConfigMaps, new(new("owner", "default"))))["metadata"]!["uid"]!;
        _stack = _stack with { Metadata = _stack.Metadata with { Uid = uid } };
        var owner = new OwnerReference("v1", "ConfigMap", "owner", uid, Controller: true);
        _server.Create(Manifest.Of(KubeTypes.Certificates, new(
            new(CertificateWorld.Redis, "default", Labels: new Dictionary<string, string> { [Labels.Stack] = stack }, OwnerReferences: [owner]),
            new(CertificateWorld.Redis, new("corporate")))));
        Ready(ready);
    }

    private void Ready(string ready) =>
        _server!.Patch(KubeTypes.Certificates.Resource, "default", CertificateWorld.Redis, new JsonObject { ["status"] = new JsonObject { ["conditions"] = new JsonArray(new JsonObject { ["type"] = "Ready", ["status"] = ready, ["reason"] = "Test" }) } }, "status");

    private async Task<(bool Served, Dictionary<ObjectId, LiveObject> Live, Dictionary<KubeResource, string> Unreadable)> ReadAsync(CertManagerView view)
    {
        var (live, unreadable) = (new Dictionary<ObjectId, LiveObject>(), new Dictionary<KubeResource, string>());
        var served = await view.ReadAsync(_stack, [CertificateWorld.Redis], live, unreadable, TestContext.Current.CancellationToken);
        return (served, live, unreadable);
    }
}
