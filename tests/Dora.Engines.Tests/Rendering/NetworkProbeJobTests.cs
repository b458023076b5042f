using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Testing;

namespace Dora.Engines.Tests.Rendering;

/// <summary>The pod that tries what the network keeps out.</summary>
public sealed class NetworkProbeJobTests
{
    private static readonly Manifest Rendered = Manifest.Of(KubeTypes.Jobs, NetworkProbeJob.Render(
        Engines.Stack() with { Pods = new(NodeSelector: new Dictionary<string, string> { ["disktype"] = "nvme" }, AntiAffinity: AntiAffinityRule.Required, ImagePullSecrets: ["mirror"]) },
        new(),
        "payments-netprobe-0a1b2c3d",
        [NetworkProbeJob.Control, NetworkProbeJob.ApiServer, NetworkProbeJob.Target, "payments-redis-0=10.0.0.1:6379"]));

    [Fact]
    public void It_is_as_in_the_golden_file() => GoldenFile.Matches(KubeYaml.Write(Rendered.Body), "tests/Dora.Engines.Tests/Golden/network-probe.yaml");

    [Fact]
    public void It_is_as_Pod_Security_restricted_asks() => Assert.Empty(RestrictedProfile.Breaches(Rendered.Body["spec"]!["template"]!["spec"]!.AsObject()));

    [Theory]
    [InlineData(NetworkProbeJob.Role)]
    [InlineData(NetworkProbeJob.OutwardRole)]
    public void No_selector_of_any_engine_finds_its_pod(string role)
    {
        var labels = NetworkProbeJob.PodLabels("payments", role);
        foreach (var manifest in EngineCatalogue.All.SelectMany(engine => Engines.Bind(engine.Name, "{}", Tier.Production).Render(EngineObservation.None)))
        {
            var spec = manifest.Body["spec"];
            if ((spec?["podSelector"]?["matchLabels"] ?? spec?["selector"]?["matchLabels"] ?? spec?["selector"]) is JsonObject selector)
                Assert.Contains(selector, label => labels.GetValueOrDefault(label.Key) != (string?)label.Value);
        }
    }

    [Fact]
    public void The_policy_of_the_pod_that_may_reach_nobody_lets_nothing_in_or_out_and_is_for_that_pod_alone()
    {
        var policy = NetworkProbeJob.Shut(Engines.Stack()).Body;
        Assert.Equal("payments-netprobe", (string?)policy["metadata"]!["name"]);
        Assert.Equal("""{"podSelector":{"matchLabels":{"dora-operator.io/stack":"payments","app.kubernetes.io/name":"network-probe-outward"}},"policyTypes":["Ingress","Egress"]}""", policy["spec"]!.ToJsonString());
    }

    [Fact]
    public void A_mirror_s_image_takes_the_place_of_the_operator_s() =>
        Assert.Equal("mirror.example/agent:1", NetworkProbeJob.Render(Engines.Stack(), new(Image: "mirror.example/agent:1"), "x", []).Spec!.Template.Spec.Containers[0].Image);
}
