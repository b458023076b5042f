using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Stacks;

public sealed class StackStatusTests
{
    private static readonly DateTimeOffset _now = new(2026, 11, 21, 1, 2, 3, TimeSpan.Zero);

    [Fact]
    public void The_first_status_has_the_kstatus_triple_and_claims_no_compliance()
    {
        var status = Calculate(Observed());
        Assert.Equal(("False", "True", "False", "Unknown"), (Of(status, "Ready").Status, Of(status, "Reconciling").Status, Of(status, "Stalled").Status, Of(status, "Compliant").Status));
        Assert.All(status.Conditions!, condition => Assert.Equal(7, condition.ObservedGeneration));
        Assert.All(status.Conditions!, condition => Assert.NotEmpty(condition.Message));
        Assert.Equal("0/1", Assert.Single(status.Engines!).Ready);
    }

    [Theory]
    [InlineData("ErrImagePull")]
    [InlineData("ImagePullBackOff")]
    [InlineData("InvalidImageName")]
    public void An_image_that_cannot_be_pulled_is_said(string waiting)
    {
        var pod = new Pod(new(Name: "shop-redis-0", Labels: new Dictionary<string, string> { [Labels.Engine] = "redis" }), Status: new(ContainerStatuses: [new("redis", State: new(new(waiting)), Image: "docker.io/dora/redis:7.0")]));
        var status = Calculate(Observed(Workload(0)) with { Pods = [pod] });
        Assert.Equal("ImagePullFailed", Of(status, "Ready").Reason);
        Assert.Contains("docker.io/dora/redis:7.0", Of(status, "RedisReady").Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Ready_needs_the_servers_own_word_and_not_just_ready_pods()
    {
        Assert.Equal("NotProbed", Of(Calculate(Observed(Workload(1))), "Ready").Reason);
        var healthy = new Dictionary<string, EngineHealth> { ["redis"] = new(EngineVerdict.Healthy, [], "shop-redis-0", "7.0.15", "", []) };
        var status = Calculate(Observed(Workload(1)), healthy);
        Assert.Equal(("True", "False"), (Of(status, "Ready").Status, Of(status, "Reconciling").Status));
        Assert.Equal(new EngineStatus("redis", EnginePhase.Ready, "1/1", "7.0.15", "shop-redis.default.svc:6379", "shop-redis-0", true), Assert.Single(status.Engines!));
    }

    [Fact]
    public void What_was_applied_and_not_seen_yet_is_not_ready()
    {
        var healthy = new Dictionary<string, EngineHealth> { ["redis"] = new(EngineVerdict.Healthy, [], "shop-redis-0", "7.0.15", "", []) };
        var pending = Observed(Workload(1)) with { Pending = new Dictionary<ObjectId, string> { [new(KubeTypes.StatefulSets.Resource, "shop-redis")] = "hash" } };
        Assert.Equal(("False", "Applying"), (Of(Calculate(pending, healthy), "Ready").Status, Of(Calculate(pending, healthy), "Ready").Reason));
    }

    [Fact]
    public void A_roll_that_stopped_says_at_whom_and_why_and_who_still_serves()
    {
        Pod Member(int ordinal, string revision, ContainerStatus? status = null) => new(
            new(Name: $"shop-redis-{ordinal}", Uid: $"{ordinal}", Labels: new Dictionary<string, string> { [Labels.Engine] = "redis", [Labels.Revision] = revision }),
            Status: new(Conditions: [new("Ready", status is null ? "True" : "False")], ContainerStatuses: status is null ? null : [status]));
        var broken = new ContainerStatus("redis", State: new(new("CrashLoopBackOff")));
        var status = Calculate(Observed(Workload(1) with { Status = new(ObservedGeneration: 1, ReadyReplicas: 1, UpdateRevision: "b") }) with { Pods = [Member(0, "a"), Member(1, "b", broken)] });
        Assert.Equal(("True", "RollStopped"), (Of(status, "Stalled").Status, Of(status, "Stalled").Reason));
        Assert.Contains("shop-redis-1: container redis keeps ending", Of(status, "Stalled").Message, StringComparison.Ordinal);
        Assert.Contains("shop-redis-0 keep running", Of(status, "Stalled").Message, StringComparison.Ordinal);
        Assert.Equal(("False", "CrashLooping"), (Of(status, "RedisReady").Status, Of(status, "RedisReady").Reason));
    }

    [Fact]
    public void A_volume_that_cannot_grow_is_said_and_needs_a_person_while_one_that_grows_needs_time()
    {
        var healthy = new Dictionary<string, EngineHealth> { ["redis"] = new(EngineVerdict.Healthy, [], "shop-redis-0", "7.0.15", "", []) };
        var observed = Observed(Workload(1));
        ComplianceStackStatus With(VolumeProblem problem) => StackStatus.Calculate(observed, StackPlanner.Plan(observed) with { Volumes = [problem] }, new([], []), healthy, _now);

        var refused = With(new("redis", ["data-shop-redis-0"], VolumeProblem.Refused, "StorageClass slow does not let volumes grow", Lasting: true));
        Assert.Equal(("True", VolumeProblem.Refused), (Of(refused, "Stalled").Status, Of(refused, "Stalled").Reason));
        Assert.Equal("spec.engines.redis.storage.size: data-shop-redis-0: StorageClass slow does not let volumes grow", Of(refused, "Stalled").Message);
        Assert.Equal(("False", VolumeProblem.Refused), (Of(refused, "RedisReady").Status, Of(refused, "RedisReady").Reason));

        var growing = With(new("redis", ["data-shop-redis-0"], VolumeProblem.Growing, "grows from 1Gi to 2Gi", Lasting: false));
        Assert.Equal(("False", "True", "False"), (Of(growing, "Ready").Status, Of(growing, "Reconciling").Status, Of(growing, "Stalled").Status));
        Assert.Equal("data-shop-redis-0: grows from 1Gi to 2Gi", Assert.Single(growing.Engines!).Message);
    }

    [Theory]
    [InlineData(ProtectionReading.Enforced, "True", "PolicyInstalled")]
    [InlineData(ProtectionReading.NotServed, "False", "DeletionProtectionUnavailable")]
    [InlineData(ProtectionReading.NotInstalled, "False", "DeletionProtectionUnavailable")]
    [InlineData(ProtectionReading.Unknown, "Unknown", "DeletionProtectionUnknown")]
    public void Whether_deletion_is_refused_is_said_and_keeps_no_stack_from_being_ready(ProtectionReading reading, string status, string reason)
    {
        var healthy = new Dictionary<string, EngineHealth> { ["redis"] = new(EngineVerdict.Healthy, [], "shop-redis-0", "7.0.15", "", []) };
        var observed = Observed(Workload(1));
        Assert.DoesNotContain(Calculate(observed, healthy).Conditions!, condition => condition.Type == ConditionTypes.DeletionProtected);
        var found = Calculate(observed with { Stack = observed.Stack with { Spec = observed.Stack.Spec with { DeletionProtection = true } }, Protection = reading }, healthy);
        Assert.Equal((status, reason), (Of(found, ConditionTypes.DeletionProtected).Status, Of(found, ConditionTypes.DeletionProtected).Reason));
        Assert.Equal(("True", "False"), (Of(found, "Ready").Status, Of(found, "Stalled").Status));
    }

    [Fact]
    public void A_full_outage_remembers_the_primary_and_that_there_was_data()
    {
        var before = new EngineStatus("redis", EnginePhase.Ready, "1/1", "7.0.15", "e", "shop-redis-0", true);
        var observed = Observed(Workload(0));
        observed = observed with { Stack = observed.Stack with { Status = new(Engines: [before]) } };
        var engine = Assert.Single(Calculate(observed).Engines!);
        Assert.Equal((EnginePhase.Unavailable, "shop-redis-0", true), (engine.Phase, engine.Primary, engine.Initialized));
    }

    [Fact]
    public void The_same_findings_give_the_same_status_and_keep_transition_times()
    {
        var first = Calculate(Observed(Workload(0)));
        var observed = Observed(Workload(0));
        var second = Calculate(observed with { Stack = observed.Stack with { Status = first } }, now: _now.AddHours(1));
        Assert.Equal(first.Conditions, second.Conditions);
        Assert.Equal(first.Engines, second.Engines);
    }

    private static ComplianceStackStatus Calculate(StackObservation observed, Dictionary<string, EngineHealth>? health = null, DateTimeOffset? now = null) =>
        StackStatus.Calculate(observed, StackPlanner.Plan(observed), new([], []), health ?? [], now ?? _now);

    private static Condition Of(ComplianceStackStatus status, string type) => status.Conditions!.Single(condition => condition.Type == type);

    private static StatefulSet Workload(int ready) => new(
        new(Name: "shop-redis", Namespace: "default", Generation: 1, Labels: new Dictionary<string, string> { [Labels.Engine] = "redis" }),
        new("s", new(), new(new(), new([])), Replicas: 1),
        new(ObservedGeneration: 1, ReadyReplicas: ready, CurrentRevision: "a", UpdateRevision: "a"));

    private static StackObservation Observed(StatefulSet? workload = null)
    {
        using var settings = System.Text.Json.JsonDocument.Parse("""{"redis":{}}""");
        var engines = settings.RootElement.EnumerateObject().ToDictionary(engine => engine.Name, engine => engine.Value.Clone());
        var observed = StackObservation.Nowhere(new(new(Name: "shop", Namespace: "default", Generation: 7), new(Tier.Development, engines)), new());
        return workload is null ? observed : observed with
        {
            Live = new Dictionary<ObjectId, LiveObject> { [new(KubeTypes.StatefulSets.Resource, "shop-redis")] = new(KubeTypes.StatefulSets.Resource, workload, () => []) },
        };
    }
}
