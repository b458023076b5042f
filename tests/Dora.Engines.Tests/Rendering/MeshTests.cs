using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Testing;

namespace Dora.Engines.Tests.Rendering;

/// <summary>What a service mesh is told of servers that speak TLS themselves.</summary>
public sealed class MeshTests
{
    private static readonly (string Engine, string Settings)[] Everybody =
        [("postgres", "{pooler: {}}"), ("neo4j", "{license: Evaluation, instances: 3}"), ("mongodb", "{arbiter: true}"), ("influxdb", "{instances: 2}"), ("redis", "{mode: Sentinel}"), ("redis", "{mode: Cluster}")];

    [Fact]
    public void It_is_as_in_the_golden_file() => GoldenFile.Matches(KubeYaml.WriteAll(Everybody.SelectMany(Told)), "tests/Dora.Engines.Tests/Golden/mesh-istio.yaml");

    [Fact]
    public void Every_port_of_a_policy_but_metrics_is_the_server_s_own_to_encrypt()
    {
        foreach (var (engine, settings) in Everybody)
        {
            var objects = Render(engine, settings, new(Mesh: NetworkMesh.Istio, Monitoring: [new(NamespaceSelector: new())]));
            foreach (var policy in objects.Where(manifest => manifest.Resource == KubeTypes.NetworkPolicies.Resource))
            {
                var peers = objects.Single(manifest => manifest.Resource == KubeTypes.PeerAuthentications.Resource && manifest.Name == policy.Name).Body["spec"]!;
                Assert.True(JsonNode.DeepEquals(policy.Body["spec"]!["podSelector"]!["matchLabels"], peers["selector"]!["matchLabels"]));
                Assert.Equal("STRICT", (string?)peers["mtls"]!["mode"]);
                var ports = policy.Body["spec"]!["ingress"]!.AsArray().SelectMany(rule => rule!["ports"]!.AsArray()).Select(port => port!["port"]!.ToString()).ToHashSet();
                ports.Remove("2004");
                Assert.Equal(ports.Order(), peers["portLevelMtls"]!.AsObject().Select(port => port.Key).Order());
            }
        }
    }

    [Fact]
    public void It_needs_no_NetworkPolicies_and_changes_nothing_where_nobody_asks()
    {
        Assert.Equal(["payments-redis"], Render("redis", "{}", new(NetworkPolicyMode.Disabled, Mesh: NetworkMesh.Istio)).Where(manifest => manifest.Resource == KubeTypes.PeerAuthentications.Resource).Select(manifest => manifest.Name));
        foreach (var (engine, settings) in Everybody)
            Assert.Equal(Render(engine, settings, null).Select(manifest => manifest.Body.ToJsonString()), Render(engine, settings, new()).Select(manifest => manifest.Body.ToJsonString()));
    }

    [Fact]
    public void Servers_that_speak_in_the_clear_are_refused()
    {
        var violation = Assert.Single(NetworkRules.Check(new(Mesh: NetworkMesh.Istio), StackVersions.V202611));
        Assert.Equal("spec.network.mesh", violation.Field);
        Assert.Contains(StackVersions.Newest, violation.Fix, StringComparison.Ordinal);
        Assert.Empty(NetworkRules.Check(new(Mesh: NetworkMesh.Istio), StackVersions.Newest));
    }

    private static IEnumerable<JsonObject> Told((string Engine, string Settings) one) => Render(one.Engine, one.Settings, new(Mesh: NetworkMesh.Istio)).Select(manifest => manifest.Resource == KubeTypes.PeerAuthentications.Resource
        ? manifest.Body
        : manifest.Body["spec"]?["template"]?["metadata"]?["annotations"] is JsonObject annotations
            ? new JsonObject
            {
                ["kind"] = manifest.Resource.Kind,
                ["name"] = manifest.Name,
                ["annotations"] = new JsonObject(annotations.Where(annotation => annotation.Key.Contains("istio", StringComparison.Ordinal)).Select(annotation => KeyValuePair.Create(annotation.Key, annotation.Value?.DeepClone()))),
            }
            : null).OfType<JsonObject>();

    private static IReadOnlyList<Manifest> Render(string engine, string settings, NetworkSettings? network) =>
        Engines.Bind(engine, settings, Engines.Stack(Tier.Staging) with { Network = network }).Render(EngineObservation.None);
}
