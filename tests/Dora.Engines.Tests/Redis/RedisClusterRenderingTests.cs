using Dora.Kubernetes.Model;

namespace Dora.Engines.Tests.Redis;

public sealed class RedisClusterRenderingTests
{
    [Fact]
    public void Objects_of_a_cluster_are_as_in_the_golden_file() => Dora.Testing.GoldenFile.Matches(
        KubeYaml.WriteAll(Engines.Bind("redis", "{mode: Cluster, masters: 4}", Dora.Api.Tier.Production).Render(EngineObservation.None).Select(manifest => manifest.Body)),
        "tests/Dora.Engines.Tests/Golden/redis-cluster-Production.yaml");

    [Fact]
    public void Each_master_brings_its_replicas()
    {
        Assert.Equal(6, Engines.Bind("redis", "{mode: Cluster}").Instances);
        Assert.Equal(12, Engines.Bind("redis", "{mode: Cluster, masters: 4, replicasPerMaster: 2}").Instances);
    }

    [Theory]
    [InlineData(1, true)]
    [InlineData(0, false)]
    public void A_primary_moves_only_where_a_replica_can_take_over(int replicas, bool moves) =>
        Assert.Equal(moves, Engines.Bind("redis", $"{{mode: Cluster, replicasPerMaster: {replicas}}}").MovesPrimary);
}
