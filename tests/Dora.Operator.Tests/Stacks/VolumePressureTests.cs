using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Stacks;

public sealed class VolumePressureTests
{
    private const long Gibi = 1 << 30;

    private readonly RunningStack _stack = new RunningStack("{tier: Development, engines: {redis: {mode: Sentinel, instances: 3}, postgres: {}}}")
        .Claim("data-shop-redis-0", "redis").Claim("data-shop-redis-1", "redis").Claim("data-shop-redis-2", "redis").Claim("data-shop-postgres-0", "postgres", size: "2Gi");

    [Theory]
    [InlineData(0.79, Conditions.True)]
    [InlineData(0.80, Conditions.False)]
    [InlineData(1.50, Conditions.False)]
    public void A_member_whose_data_takes_four_fifths_of_its_volume_is_said(double full, string status)
    {
        Redis(0.1, full, 0.1);
        Assert.Equal(status, Judge()!.Status);
    }

    [Fact]
    public void The_message_names_member_volume_and_the_field_to_raise_and_the_nearest_to_its_end_first()
    {
        Redis(0.85, 0.96, 0.1);
        Postgres(0.9);
        Assert.Equal(
            ("VolumePressure", "redis: shop-redis-1 (1Gi): data takes over 95 % of the volume, writes are about to fail; raise spec.engines.redis.storage.size, or remove data"),
            (Judge()!.Reason, Judge()!.Message.Split(" | ")[0]));
        Assert.Contains("postgres: shop-postgres-0 (2Gi): data takes over 75 % of the volume; raise spec.engines.postgres.storage.size, or remove data", Judge()!.Message, StringComparison.Ordinal);
        Assert.Contains("redis: shop-redis-0 (1Gi): data takes over 75 %", Judge()!.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("shop-redis-2", Judge()!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Data_that_grows_within_a_step_changes_no_word()
    {
        Redis(0.81, 0.1, 0.1);
        var first = Judge();
        Redis(0.94, 0.2, 0.3);
        Assert.Equal(first, Judge());
    }

    [Fact]
    public void A_volume_at_the_edge_is_not_full_and_not_full_by_turns()
    {
        Postgres(0.1);
        Redis(0.8, 0.1, 0.1);
        var pressed = Judge();
        Redis(0.76, 0.1, 0.1);
        Assert.Equal(Conditions.False, Judge(pressed)!.Status);
        Redis(0.74, 0.1, 0.1);
        Assert.Equal(Conditions.True, Judge(pressed)!.Status);
    }

    [Fact]
    public void Who_stopped_telling_may_have_stopped_because_its_volume_is_full()
    {
        Redis(0.1, 0.1, 0.1);
        Postgres(0.96);
        var pressed = Judge();
        _stack.Health["postgres"] = new(EngineVerdict.Unreachable, [new("shop-postgres-0", MemberRole.Unknown, false)], null, null, "", []);
        Assert.Equal(pressed, Judge(pressed));
        _stack.Health.Remove("redis");
        Assert.Equal(pressed, Judge(pressed));
        Postgres(0.2);
        Redis(0.1, 0.1, 0.1);
        Assert.Equal(Conditions.True, Judge(pressed)!.Status);
    }

    [Fact]
    public void Nothing_is_said_while_nobody_tells() => Assert.Null(Judge());

    [Fact]
    public void The_file_system_counts_where_the_server_looks_at_it()
    {
        _stack.Health["postgres"] = new(EngineVerdict.Healthy, [new("shop-postgres-0", MemberRole.Primary, true) { Volume = new(90 * Gibi, 500 * Gibi) }], null, null, "", []);
        Assert.Equal(Conditions.True, Judge()!.Status);
    }

    private void Redis(params double[] full) => _stack.Health["redis"] = new(
        EngineVerdict.Healthy, [.. full.Select((part, ordinal) => new MemberHealth($"shop-redis-{ordinal}", MemberRole.Replica, true) { Volume = new((long)Math.Ceiling(part * Gibi)) })], null, null, "", []);

    private void Postgres(double full) =>
        _stack.Health["postgres"] = new(EngineVerdict.Healthy, [new("shop-postgres-0", MemberRole.Primary, true) { Volume = new((long)(full * 2 * Gibi)) }], null, null, "", []);

    private Condition? Judge(Condition? before = null)
    {
        var observed = _stack.Observation with { Stack = _stack.Stack with { Status = before is null ? null : new(Conditions: [before]) } };
        return VolumePressure.Judge(StackPlanner.Plan(observed), observed, _stack.Health);
    }
}
