using System.Text.Json;
using Dora.Kubernetes.Model;
using Dora.Operator.Network;

namespace Dora.Operator.Tests.Network;

/// <summary>Whom a NetworkPolicy lets in, by its own words; what it does not say is not guessed.</summary>
public sealed class PolicyReachTests
{
    private static readonly PodIdentity Pod = new(new Dictionary<string, string> { ["app"] = "probe" }, "shop");

    [Theory]
    [InlineData("[]", false)]
    [InlineData("[{}]", true)]
    [InlineData("[{ports: [{port: 1}]}]", true)]
    [InlineData("[{ports: [{port: 2}]}]", false)]
    [InlineData("[{from: [{podSelector: {}}]}]", true)]
    [InlineData("[{from: [{podSelector: {matchLabels: {app: probe}}}]}]", true)]
    [InlineData("[{from: [{podSelector: {matchLabels: {app: other}}}]}]", false)]
    [InlineData("[{from: [{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [other]}, {key: app, operator: Exists}]}}]}]", true)]
    [InlineData("[{from: [{podSelector: {matchExpressions: [{key: app, operator: In, values: [other]}]}}]}]", false)]
    [InlineData("[{from: [{podSelector: {matchExpressions: [{key: app, operator: DoesNotExist}]}}]}]", false)]
    [InlineData("[{from: [{namespaceSelector: {}}]}]", true)]
    [InlineData("[{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}]}]", true)]
    [InlineData("[{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}}]}]", false)]
    [InlineData("[{from: [{namespaceSelector: {matchLabels: {team: a}}}]}]", null)]
    [InlineData("[{from: [{namespaceSelector: {matchLabels: {team: a, kubernetes.io/metadata.name: other}}}]}]", false)]
    [InlineData("[{from: [{namespaceSelector: {matchLabels: {team: a}}, podSelector: {matchLabels: {app: other}}}]}]", false)]
    [InlineData("[{from: [{namespaceSelector: {matchExpressions: [{key: team, operator: DoesNotExist}]}}]}]", null)]
    [InlineData("[{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]", null)]
    [InlineData("[{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}, {from: [{podSelector: {}}]}]", true)]
    [InlineData("[{from: [{podSelector: {matchLabels: {app: other}}}], ports: [{port: 1}]}, {from: [{podSelector: {}}], ports: [{port: 2}]}]", false)]
    public void A_pod_is_let_in_kept_out_or_nobody_can_tell(string ingress, bool? expected)
    {
        var policy = new NetworkPolicy(new("shop-redis", "shop"), KubeYaml.Read($"{{podSelector: {{}}, ingress: {ingress}}}").Deserialize(KubeJson.Wire.NetworkPolicySpec));
        Assert.Equal(expected, PolicyReach.LetsIn(policy, 1, Pod));
    }
}
