using Dora.Api;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Operator.Cli;
using Dora.Operator.Network;
using Dora.Testing;
using Dora.Testing.ApiServer;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dora.Operator.Tests.Network;

/// <summary>Clients that are nobody are said, at little cost.</summary>
public sealed class ClientViewTests : IAsyncDisposable
{
    private readonly ManualClock _clock = new();
    private InMemoryApiServer? _server;
    private KubeClient? _client;
    private long _generation;

    [Theory]
    [InlineData("{podSelector: {matchLabels: {app: shop}}}", false)]
    [InlineData("{podSelector: {matchLabels: {app: nobody}}}", true)]
    [InlineData("{podSelector: {matchExpressions: [{key: app, operator: In, values: [shop, x]}, {key: legacy, operator: DoesNotExist}]}}", false)]
    [InlineData("{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [shop]}, {key: app, operator: Exists}]}}", true)]
    [InlineData("{podSelector: {matchLabels: {app: far}}}", true)]
    [InlineData("{podSelector: {matchLabels: {app: far}}, namespaceSelector: {}}", false)]
    [InlineData("{namespaceSelector: {matchLabels: {team: a}}}", false)]
    [InlineData("{namespaceSelector: {matchLabels: {team: b}}}", true)]
    [InlineData("{podSelector: {matchLabels: {app: nobody}}, namespaceSelector: {matchLabels: {team: a}}}", true)]
    [InlineData("{podSelector: {}}", false)]
    [InlineData("{namespaceSelector: {}}", false)]
    [InlineData("{cidr: 10.0.0.0/8}", false)]
    public async Task A_selector_that_finds_nothing_is_named(string client, bool idle)
    {
        var view = await StartAsync();
        Assert.Equal(idle ? ["spec.network.clients[0]"] : [], await view.ReadAsync(Stack($"clients: [{client}]"), Token));
        Assert.Equal(idle ? ["spec.network.monitoring[0]"] : [], await view.ReadAsync(Stack($"monitoring: [{client}]"), Token));
        Assert.Empty(await view.ReadAsync(Stack($"policies: Disabled, clients: [{client}]"), Token));
    }

    [Fact]
    public async Task It_is_asked_for_one_object_every_five_minutes_and_when_the_spec_changes()
    {
        var view = await StartAsync();
        var stack = Stack("clients: [{podSelector: {matchLabels: {app: nobody}}}]");
        for (var i = 0; i < 5; i++)
            await view.ReadAsync(stack, Token);
        Assert.Contains("limit=1", Assert.Single(Lists).Query, StringComparison.Ordinal);
        _clock.Advance(TimeSpan.FromMinutes(5));
        await view.ReadAsync(stack, Token);
        Assert.Equal(2, Lists.Count);
        await view.ReadAsync(Stack("clients: [{podSelector: {matchLabels: {app: nobody}}}]"), Token);
        Assert.Equal(3, Lists.Count);
    }

    [Fact]
    public async Task Stacks_that_name_nobody_by_labels_cost_no_request()
    {
        var view = await StartAsync();
        Assert.Empty(await view.ReadAsync(Stack(""), Token));
        Assert.Empty(await view.ReadAsync(Stack("clients: [], egress: [{podSelector: {matchLabels: {app: x}}, ports: [1]}]"), Token));
        Assert.Empty(Lists);
    }

    [Fact]
    public async Task Who_may_not_ask_says_nothing()
    {
        var view = await StartAsync();
        _server!.Access.Deny(new("list", "namespaces"));
        Assert.Empty(await view.ReadAsync(Stack("clients: [{namespaceSelector: {matchLabels: {team: b}}}]"), Token));
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private List<ApiRequest> Lists => [.. _server!.Requests.All.Where(request => request.Verb == "list")];

    public async ValueTask DisposeAsync()
    {
        _client?.Dispose();
        if (_server is not null)
            await _server.DisposeAsync();
    }

    private async Task<ClientView> StartAsync()
    {
        _server = await InMemoryApiServer.StartAsync(new(NamespacesExistByThemselves: true));
        _server.Create(Manifest.Of(KubeTypes.Namespaces, new(new("far", Labels: new Dictionary<string, string> { ["team"] = "a" }))));
        Pod("default", "shop");
        Pod("far", "far");
        _client = new(new(_server.Address), new(), TimeProvider.System, NullLogger<KubeClient>.Instance);
        return new(_client, _clock);
    }

    private void Pod(string ns, string app) =>
        _server!.Create(Manifest.Of(KubeTypes.Pods, new(new(app, ns, Labels: new Dictionary<string, string> { ["app"] = app }), new([new("app", "image")]))));

    private ComplianceStack Stack(string network) =>
        StackFile.Read($"{{apiVersion: {StackResource.ApiVersion}, kind: {StackResource.Kind}, metadata: {{name: shop, namespace: default, generation: {++_generation}}}, spec: {{tier: Development, network: {{{network}}}, engines: {{redis: {{}}}}}}}}")[0];
}
