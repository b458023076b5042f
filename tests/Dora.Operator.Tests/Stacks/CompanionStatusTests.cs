using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Stacks;

/// <summary>The pooler in front of PostgreSQL counts: its clients are not served while it is away.</summary>
public sealed class CompanionStatusTests
{
    private const string Pooler = "shop-postgres-pooler";

    [Fact]
    public void A_pooler_that_does_not_exist_yet_is_waited_for() =>
        Assert.Equal(("Creating", $"Deployment {Pooler} does not exist yet"), Condition(null));

    [Fact]
    public void A_pooler_that_lacks_pods_is_said_with_numbers() =>
        Assert.Equal(("CompanionNotReady", $"{Pooler}: 1 of 2 pods serve"), Condition(new(ObservedGeneration: 4, UpdatedReplicas: 2, AvailableReplicas: 1)));

    [Fact]
    public void Why_its_pods_do_not_come_up_is_said()
    {
        var pod = new Pod(new(Name: $"{Pooler}-x", Labels: new Dictionary<string, string> { [Labels.Engine] = "postgres-pooler" }), Status: new(ContainerStatuses: [new("pgbouncer", State: new(new("CrashLoopBackOff")))]));
        Assert.Equal("CrashLooping", Condition(new(ObservedGeneration: 4), pod).Reason);
    }

    [Theory]
    [InlineData(3, 2)]
    [InlineData(4, 1)]
    public void A_pooler_that_takes_up_a_change_is_not_as_asked_yet(int observed, int updated) =>
        Assert.Equal("RollingOut", Condition(new(ObservedGeneration: observed, UpdatedReplicas: updated, AvailableReplicas: 2)).Reason);

    [Fact]
    public void With_all_its_pods_the_engine_is_ready_and_without_them_degraded_though_members_serve()
    {
        var complete = new DeploymentStatus(ObservedGeneration: 4, UpdatedReplicas: 2, AvailableReplicas: 2);
        var ready = Calculate(complete);
        Assert.Equal(EnginePhase.Ready, Assert.Single(ready.Engines!).Phase);
        Assert.Equal(EnginePhase.Degraded, Assert.Single(Calculate(complete with { AvailableReplicas = 0 }, before: ready).Engines!).Phase);
    }

    private static (string Reason, string Message) Condition(DeploymentStatus? status, params Pod[] pods)
    {
        var condition = Calculate(status, null, pods).Conditions!.Single(condition => condition.Type == "PostgresReady");
        return (condition.Reason, condition.Message);
    }

    private static ComplianceStackStatus Calculate(DeploymentStatus? pooler, ComplianceStackStatus? before = null, params Pod[] pods)
    {
        using var settings = System.Text.Json.JsonDocument.Parse("""{"postgres":{"pooler":{"instances":2}}}""");
        var engines = settings.RootElement.EnumerateObject().ToDictionary(engine => engine.Name, engine => engine.Value.Clone());
        ComplianceStack stack = new(new(Name: "shop", Namespace: "default", Generation: 7), new(Tier.Development, engines), before);
        Dictionary<ObjectId, LiveObject> live = new() { [new(KubeTypes.StatefulSets.Resource, "shop-postgres")] = new(KubeTypes.StatefulSets.Resource, Members(), () => []) };
        if (pooler is not null)
            live[new(KubeTypes.Deployments.Resource, Pooler)] = new(KubeTypes.Deployments.Resource, Deployment(pooler), () => []);
        var observed = StackObservation.Nowhere(stack, new()) with { Live = live, Pods = pods };
        Dictionary<string, EngineHealth> health = new() { ["postgres"] = new(EngineVerdict.Healthy, [], "shop-postgres-0", "15.18", "", []) };
        return StackStatus.Calculate(observed, StackPlanner.Plan(observed), new([], []), health, DateTimeOffset.UnixEpoch);
    }

    private static StatefulSet Members() => new(
        new(Name: "shop-postgres", Namespace: "default", Generation: 1, Labels: new Dictionary<string, string> { [Labels.Engine] = "postgres" }),
        new("s", new(), new(new(), new([])), Replicas: 1),
        new(ObservedGeneration: 1, ReadyReplicas: 1, CurrentRevision: "a", UpdateRevision: "a"));

    private static Deployment Deployment(DeploymentStatus status) => new(
        new(Name: Pooler, Namespace: "default", Generation: 4, Labels: new Dictionary<string, string> { [Labels.Engine] = "postgres" }),
        new(new(MatchLabels: new Dictionary<string, string> { [Labels.Engine] = "postgres-pooler" }), new(new(), new([])), Replicas: 2),
        status);
}
