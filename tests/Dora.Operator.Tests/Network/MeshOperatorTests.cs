using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.Operator.Tests.Network;

/// <summary>A stack that asks for a mesh, with and without one.</summary>
[Collection("operator")]
public sealed class MeshOperatorTests
{
    [Fact]
    public async Task What_the_mesh_is_told_comes_is_put_right_and_goes()
    {
        await using var host = await OperatorHost.StartAsync();
        host.Define(Istio());
        host.Apply("shop", "{tier: Development, network: {mesh: Istio}, engines: {redis: {}}}");
        await host.UntilAsync(() => Peers(host) is not null);
        await host.ConvergedAsync("shop");
        Assert.Equal("DISABLE", (string?)Peers(host)!["spec"]!["portLevelMtls"]!["6379"]!["mode"]);
        Assert.Equal("6379", (string?)host.Find(KubeTypes.StatefulSets.Resource, "shop-redis")!["spec"]!["template"]!["metadata"]!["annotations"]!["traffic.sidecar.istio.io/excludeInboundPorts"]);
        Assert.Equal("Istio", (string?)host.Find(StackResource.Type.Resource, "shop")!["status"]!["network"]!["mesh"]);

        host.Server.Patch(KubeTypes.PeerAuthentications.Resource, OperatorHost.Namespace, "shop-redis", JsonNode.Parse("""{"spec":{"mtls":{"mode":"PERMISSIVE"}}}""")!.AsObject());
        await host.UntilAsync(() => (string?)Peers(host)!["spec"]!["mtls"]!["mode"] == "STRICT");
        host.PatchSpec("shop", "{network: null}");
        await host.UntilAsync(() => Peers(host) is null);
        await host.UntilAsync(() => host.Find(StackResource.Type.Resource, "shop")!["status"]!["network"]!["mesh"] is null);
        await host.ConvergedAsync("shop");
    }

    [Fact]
    public async Task Without_the_mesh_it_is_said_and_the_rest_goes_on()
    {
        await using var host = await OperatorHost.StartAsync();
        host.Apply("shop", "{tier: Development, network: {mesh: Istio}, engines: {redis: {}}}");
        var condition = await host.ConditionAsync("shop", ConditionTypes.NetworkSegmented, condition => (string?)condition["reason"] == "MeshUnavailable");
        Assert.Equal("False", (string?)condition["status"]);
        Assert.Contains("spec.network.mesh", (string?)condition["message"], StringComparison.Ordinal);
        Assert.Equal("False", (string?)(await host.ConditionAsync("shop", ConditionTypes.Stalled, _ => true))["status"]);
        Assert.NotNull(host.Find(KubeTypes.StatefulSets.Resource, "shop-redis"));
        await host.ConvergedAsync("shop");
    }

    [Fact]
    public async Task Stacks_that_ask_for_none_cost_no_request()
    {
        await using var host = await OperatorHost.StartAsync();
        host.Define(Istio());
        host.Apply("shop", "{tier: Development, engines: {redis: {}}}");
        await host.ConvergedAsync("shop");
        Assert.DoesNotContain(host.Server.Requests.All, request => request.Resource.Contains("istio", StringComparison.Ordinal));
    }

    private static JsonObject? Peers(OperatorHost host) => host.Find(KubeTypes.PeerAuthentications.Resource, "shop-redis");

    private static JsonObject Istio() => JsonNode.Parse(
        """
        {"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"peerauthentications.security.istio.io"},
         "spec":{"group":"security.istio.io","scope":"Namespaced","names":{"plural":"peerauthentications","singular":"peerauthentication","kind":"PeerAuthentication","listKind":"PeerAuthenticationList"},
         "versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}
        """)!.AsObject();
}
