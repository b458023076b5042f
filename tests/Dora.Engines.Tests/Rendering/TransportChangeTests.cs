using Dora.Api;

namespace Dora.Engines.Tests.Rendering;

/// <summary>Stacks whose members speak in the clear, and shall not any more.</summary>
public sealed class TransportChangeTests
{
    [Theory]
    [InlineData("redis", "{mode: Sentinel}")]
    [InlineData("redis", "{mode: Cluster}")]
    [InlineData("mongodb", "{instances: 3}")]
    [InlineData("neo4j", "{license: Evaluation, instances: 3}")]
    public void Members_that_cannot_change_one_by_one_do_so_together_when_they_may(string engine, string settings)
    {
        var wanted = Engines.Stack(Tier.Staging);
        var refusal = Assert.Single(Engines.Bind(engine, settings, wanted).Validate(Running(encrypted: false)));
        Assert.Equal(("spec.stackVersion", "RestartTogetherNeeded"), (refusal.Field, refusal.Reason));
        Assert.Contains($"{Labels.RestartTogether}={engine}", refusal.Fix, StringComparison.Ordinal);
        Assert.Empty(Engines.Bind(engine, settings, wanted with { RestartTogether = new HashSet<string> { engine } }).Validate(Running(encrypted: false)));
        Assert.Empty(Engines.Bind(engine, settings, wanted).Validate(Running(encrypted: true)));
        Assert.False(Engines.Bind(engine, settings, wanted).MixesTransport);
    }

    [Theory]
    [InlineData("redis", "{mode: Sentinel}")]
    [InlineData("mongodb", "{instances: 3}")]
    public void Nobody_goes_back(string engine, string settings)
    {
        var older = Engines.Stack(Tier.Staging, version: StackVersions.V202611) with { RestartTogether = new HashSet<string> { engine } };
        Assert.Equal("EncryptedAlready", Assert.Single(Engines.Bind(engine, settings, older).Validate(Running(encrypted: true))).Reason);
    }

    [Theory]
    [InlineData("postgres", "{instances: 3}")]
    [InlineData("redis", "{mode: Standalone}")]
    [InlineData("mongodb", "{instances: 1}")]
    [InlineData("neo4j", "{}")]
    [InlineData("influxdb", "{}")]
    public void Others_change_as_they_always_do(string engine, string settings) =>
        Assert.Empty(Engines.Bind(engine, settings, Engines.Stack()).Validate(Running(encrypted: false, replicas: 1)));

    private static EngineObservation Running(bool encrypted, int replicas = 3)
    {
        var observed = Engines.Observed(replicas);
        var annotations = new Dictionary<string, string>();
        if (encrypted)
            annotations[Labels.Encrypted] = "true";
        return observed with { Workload = observed.Workload! with { Metadata = new(Name: "payments", Annotations: annotations) } };
    }
}
