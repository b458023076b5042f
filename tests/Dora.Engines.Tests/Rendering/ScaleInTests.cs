using Dora.Engines.Rendering;

namespace Dora.Engines.Tests.Rendering;

public sealed class ScaleInTests
{
    [Theory]
    [InlineData(3, 3, "payments-postgres-0", 3)]
    [InlineData(5, 3, "payments-postgres-0", 5)]
    [InlineData(1, 3, "payments-postgres-0", 2)]
    [InlineData(1, 3, "payments-postgres-2", 3)]
    [InlineData(1, 2, "payments-postgres-1", 2)]
    [InlineData(1, 2, "payments-postgres-0", 1)]
    public void One_member_at_a_time_and_never_the_primary(int wanted, int live, string primary, int next) =>
        Assert.Equal(next, ScaleIn.Replicas(wanted, Engines.Observed(live, primary)));

    [Fact]
    public void Nothing_goes_while_the_engine_is_not_healthy() =>
        Assert.Equal(3, ScaleIn.Replicas(1, Engines.Observed(3, "payments-postgres-0", EngineVerdict.Degraded)));

    [Fact]
    public void Without_a_cluster_the_wish_stands() => Assert.Equal(3, ScaleIn.Replicas(3, EngineObservation.None));

    [Theory]
    [InlineData("payments-postgres-12", 12)]
    [InlineData("payments", null)]
    [InlineData("payments-", null)]
    [InlineData(null, null)]
    public void The_ordinal_stands_at_the_end_of_the_name(string? pod, int? ordinal) => Assert.Equal(ordinal, ScaleIn.Ordinal(pod));
}
