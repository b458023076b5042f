using Dora.Api;
using Dora.Engines;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Stacks;

/// <summary>A spec that cannot be carried out must not keep clients from the master that the servers elect meanwhile.</summary>
public sealed class BlockedStackTests
{
    [Fact]
    public void With_an_unknown_stack_version_nothing_is_done_but_to_follow_the_elected_master() => Follows("UnknownStackVersion", spec => spec with { StackVersion = "2099.01" });

    [Fact]
    public void With_an_unknown_engine_too() => Follows("UnknownEngine", spec => spec with { Engines = spec.Engines.Append(new("oracle", spec.Engines["redis"])).ToDictionary() });

    [Fact]
    public void With_settings_that_cannot_be_done_too() => Follows("StorageShrink", spec => spec with
    {
        Engines = new Dictionary<string, System.Text.Json.JsonElement> { ["redis"] = System.Text.Json.JsonDocument.Parse("""{"mode":"Sentinel","instances":3,"storage":{"size":"1Mi"}}""").RootElement.Clone() },
    });

    [Fact]
    public void A_paused_stack_is_left_alone_even_then() =>
        Assert.Empty(StackPlanner.Plan(With(spec => spec with { StackVersion = "2099.01", Paused = true })).Steps);

    private static void Follows(string reason, Func<ComplianceStackSpec, ComplianceStackSpec> change)
    {
        var plan = StackPlanner.Plan(With(change));
        Assert.Equal(reason, Assert.Single(plan.Violations).Reason);
        Assert.Equal(
            [new PlanStep.LabelRole("shop-redis-0", Labels.ReplicaRole), new PlanStep.LabelRole("shop-redis-2", Labels.ReplicaRole), new PlanStep.LabelRole("shop-redis-1", Labels.PrimaryRole)],
            plan.Steps);
    }

    private static StackObservation With(Func<ComplianceStackSpec, ComplianceStackSpec> change)
    {
        var stack = new RunningStack("{tier: Development, engines: {redis: {mode: Sentinel, instances: 3}}}").Set("shop-redis", 3);
        string[] pods = ["shop-redis-0", "shop-redis-1", "shop-redis-2"];
        stack.Pods.UnionWith(pods);
        stack.Health["redis"] = new(EngineVerdict.Healthy, [.. pods.Select(pod => new MemberHealth(pod, MemberRole.Replica, Serving: true))], "shop-redis-1", null, "", []);
        return stack.Observation with { Stack = stack.Stack with { Spec = change(stack.Stack.Spec) } };
    }
}
