using System.Globalization;
using Dora.Engines;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;
using FsCheck;
using FsCheck.Fluent;

namespace Dora.Operator.Tests.Stacks;

public sealed class ClaimPlanTests
{
    private const string Three = "{tier: Development, deletionPolicy: Delete, engines: {redis: {mode: Sentinel, instances: 3}}}";

    [Fact]
    public void The_claim_of_a_member_that_is_gone_goes_under_deletionPolicy_Delete_and_stays_under_Retain()
    {
        Assert.Equal([Gone(3), Gone(4)], Left(Three, owned: true).ClaimSteps());
        Assert.Empty(Left(Three.Replace("Delete", "Retain", StringComparison.Ordinal), owned: false).ClaimSteps());
    }

    [Fact]
    public void A_claim_is_owned_before_it_is_removed() => Assert.Equal(
        Enumerable.Range(0, 5).Select(ordinal => (PlanStep)new PlanStep.SetOwner(KubeTypes.PersistentVolumeClaims.Resource, Name(ordinal), Owned: true)),
        Left(Three, owned: false).ClaimSteps());

    [Fact]
    public void A_paused_stack_loses_no_claim() =>
        Assert.Empty(Left(Three, owned: true).ClaimSteps(observed => observed with { Stack = observed.Stack with { Spec = observed.Stack.Spec with { Paused = true } } }));

    [Fact]
    public void A_claim_that_is_going_already_is_not_deleted_again()
    {
        var stack = Left(Three, owned: true);
        Assert.Empty(stack.ClaimSteps(observed => observed with
        {
            Live = observed.Live.ToDictionary(pair => pair.Key, pair => pair.Value.Object is PersistentVolumeClaim claim
                ? pair.Value with { Object = claim with { Metadata = claim.Metadata with { DeletionTimestamp = DateTimeOffset.UnixEpoch } } }
                : pair.Value),
        }));
    }

    [Fact]
    public void Nothing_is_removed_while_pods_or_StatefulSets_cannot_be_read_or_a_write_is_not_seen_yet()
    {
        var stack = Left(Three, owned: true);
        foreach (var kind in new[] { KubeTypes.Pods.Resource, KubeTypes.StatefulSets.Resource })
            Assert.Empty(stack.ClaimSteps(observed => observed with { Unreadable = new Dictionary<KubeResource, string> { [kind] = "forbidden" } }));
        Assert.Empty(stack.ClaimSteps(observed => observed with { Pending = new Dictionary<ObjectId, string> { [new(KubeTypes.StatefulSets.Resource, "shop-redis")] = "hash" } }));
    }

    [Fact]
    public void Whatever_is_observed_exactly_the_claims_of_members_that_are_surely_gone_are_removed()
    {
        var cases =
            from wanted in Gen.Elements(3, 5, 7, 9)
            from replicas in Gen.Choose(0, 9)
            from running in Gen.Choose(0, 9)
            from seen in Gen.Frequency((4, Gen.Constant(1)), (1, Gen.Constant(0)))
            from claims in Gen.SubListOf(Enumerable.Range(0, 12))
            from foreign in Gen.SubListOf(Enumerable.Range(0, 12))
            from pods in Gen.SubListOf(Enumerable.Range(0, 12))
            from answering in Gen.SubListOf(Enumerable.Range(0, 12))
            from verdict in Gen.Frequency((4, Gen.Constant(EngineVerdict.Healthy)), (1, Gen.Elements(EngineVerdict.Degraded, EngineVerdict.Unreachable)))
            from delete in Gen.Frequency((4, Gen.Constant(true)), (1, Gen.Constant(false)))
            select (wanted, replicas, running, seen, claims, foreign, pods, answering, verdict, delete);
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(400), Prop.ForAll(cases.ToArbitrary(), one =>
        {
            var stack = new RunningStack($"{{tier: Development, deletionPolicy: {(one.delete ? "Delete" : "Retain")}, engines: {{redis: {{mode: Sentinel, instances: {one.wanted}}}}}}}").Set("shop-redis", one.replicas, one.running, one.seen);
            foreach (var ordinal in one.claims)
                stack.Claim(Name(ordinal), "redis", owned: !one.foreign.Contains(ordinal));
            foreach (var ordinal in one.pods)
                stack.Pods.Add($"shop-redis-{ordinal}");
            stack.Health["redis"] = new(one.verdict, [.. one.answering.Select(ordinal => new MemberHealth($"shop-redis-{ordinal}", MemberRole.Replica, Serving: true))], null, null, "", []);
            var expected = one.claims.Where(ordinal => one.delete && one.verdict == EngineVerdict.Healthy && one.seen == 1
                && ordinal >= one.wanted && ordinal >= one.replicas && ordinal >= one.running
                && !one.foreign.Contains(ordinal) && !one.pods.Contains(ordinal) && !one.answering.Contains(ordinal));
            return stack.ClaimSteps().OfType<PlanStep.Prune>().Select(step => step.Name).Order(StringComparer.Ordinal)
                .SequenceEqual(expected.Select(Name).Order(StringComparer.Ordinal));
        }));
    }

    [Fact]
    public void Each_claim_grows_to_the_size_in_its_own_StatefulSets_template()
    {
        // The arbiter's StatefulSet has no volume, and its name begins like the data members' own.
        var stack = new RunningStack("{tier: Development, engines: {mongodb: {instances: 2, arbiter: true, storage: {size: 9Gi}}, redis: {storage: {size: 2048Mi}}}}");
        stack.Set("shop-mongodb", 2).Set("shop-mongodb-arb", 1).Set("shop-redis", 1)
            .Claim("data-shop-mongodb-0", "mongodb").Claim("data-shop-mongodb-1", "mongodb", size: "9216Mi").Claim("data-shop-mongodb-arb-0", "mongodb")
            .Claim("data-shop-redis-0", "redis", size: "2000000000").Claim("mine-shop-redis-0", "redis");
        Assert.Equal(
            [new PlanStep.GrowClaim("data-shop-mongodb-0", "9Gi", null), new PlanStep.GrowClaim("data-shop-redis-0", "2048Mi", null)],
            stack.ClaimSteps());
    }

    [Fact]
    public void Claims_of_members_that_are_gone_and_claims_that_are_not_bound_yet_are_not_grown()
    {
        var stack = new RunningStack("{tier: Development, engines: {redis: {storage: {size: 2Gi}}}}").Set("shop-redis", 1)
            .Claim("data-shop-redis-0", "redis", status: new("Pending")).Claim("data-shop-redis-1", "redis");
        Assert.Empty(stack.ClaimSteps());
        Assert.Empty(stack.Plan().Volumes);
    }

    [Fact]
    public void A_class_is_read_before_its_claims_grow_and_not_otherwise()
    {
        var stack = Small();
        Assert.Equal(["slow"], stack.Plan().Unread);
        Assert.Empty(stack.ClaimSteps());
        Assert.Empty(new RunningStack("{tier: Development, engines: {redis: {storage: {size: 1Gi}}}}").Set("shop-redis", 1).Claim("data-shop-redis-0", "redis", @class: "slow").Plan().Unread);
    }

    [Theory]
    [InlineData(ClassReading.Expandable)]
    [InlineData(ClassReading.Unknown)]
    public void Where_the_class_allows_it_or_cannot_be_read_the_API_server_is_asked(ClassReading reading) => Assert.Equal(
        Enumerable.Range(0, 3).Select(ordinal => (PlanStep)new PlanStep.GrowClaim(Name(ordinal), "2Gi", "slow")),
        Small().ClaimSteps(observed => observed with { Classes = new Dictionary<string, ClassReading> { ["slow"] = reading } }));

    [Fact]
    public void A_class_that_does_not_let_volumes_grow_is_named_and_everything_else_goes_on()
    {
        var plan = Small().Plan(observed => observed with
        {
            Classes = new Dictionary<string, ClassReading> { ["slow"] = ClassReading.Fixed },
            Live = observed.Live.Where(pair => pair.Key.Name != "shop-redis-config").ToDictionary(),
        });
        var problem = Assert.Single(plan.Volumes);
        Assert.Equal((VolumeProblem.Refused, true), (problem.Reason, problem.Lasting));
        Assert.Equal(
            "data-shop-redis-0, data-shop-redis-1, data-shop-redis-2: StorageClass slow does not let volumes grow; set its allowVolumeExpansion to true if its driver can, or create a new stack with larger volumes and restore into it",
            problem.Message);
        Assert.Equal("shop-redis-config", Assert.Single(plan.Steps.OfType<PlanStep.Apply>()).Manifest.Name);
        Assert.DoesNotContain(plan.Steps, step => step is PlanStep.GrowClaim);
    }

    [Fact]
    public void What_was_refused_is_not_asked_again_until_another_size_is_wanted()
    {
        static StackObservation Refused(StackObservation observed, string size) => observed with
        {
            Classes = new Dictionary<string, ClassReading> { ["slow"] = ClassReading.Unknown },
            Refusals = Enumerable.Range(0, 3).ToDictionary(Name, _ => new GrowthRefusal(size, "exceeded quota")),
        };
        Assert.Empty(Small().ClaimSteps(observed => Refused(observed, "2Gi")));
        Assert.Contains("(exceeded quota); see allowVolumeExpansion of StorageClass slow", Assert.Single(Small().Plan(observed => Refused(observed, "2Gi")).Volumes).Message, StringComparison.Ordinal);
        Assert.Equal(3, Small().ClaimSteps(observed => Refused(observed, "1536Mi")).Count);
    }

    [Theory]
    [InlineData(null, null, null, VolumeProblem.Growing, false, "grows from 1Gi to 2Gi")]
    [InlineData("FileSystemResizePending", null, null, VolumeProblem.Growing, false, "its file system still 1Gi")]
    [InlineData("ControllerResizeError", "disk is at its limit", null, VolumeProblem.Failed, false, "disk is at its limit")]
    [InlineData(null, null, "ControllerResizeInfeasible", VolumeProblem.Failed, true, "ControllerResizeInfeasible")]
    [InlineData("NodeResizeError", "busy", "NodeResizeInfeasible", VolumeProblem.Failed, true, "busy")]
    public void A_volume_that_was_asked_to_grow_says_how_far_it_is(string? condition, string? message, string? state, string reason, bool lasting, string words)
    {
        var stack = new RunningStack("{tier: Development, engines: {redis: {storage: {size: 2Gi}}}}").Set("shop-redis", 1).Claim("data-shop-redis-0", "redis", size: "2Gi", status: new(
            "Bound",
            new Dictionary<string, string> { ["storage"] = "1Gi" },
            condition is null ? null : [new(condition, "True", Message: message)],
            state is null ? null : new Dictionary<string, string> { ["storage"] = state }));
        var problem = Assert.Single(stack.Plan().Volumes);
        Assert.Equal((reason, lasting), (problem.Reason, problem.Lasting));
        Assert.Contains(words, problem.Message, StringComparison.Ordinal);
        Assert.Empty(stack.ClaimSteps());
    }

    // Three members are wanted and run; the claims of two that were scaled in are left.
    private static RunningStack Left(string spec, bool owned)
    {
        var stack = new RunningStack(spec).Set("shop-redis", 3);
        for (var ordinal = 0; ordinal < 5; ordinal++)
            stack.Claim(Name(ordinal), "redis", owned);
        stack.Pods.UnionWith(["shop-redis-0", "shop-redis-1", "shop-redis-2"]);
        stack.Health["redis"] = new(EngineVerdict.Healthy, [], "shop-redis-0", null, "", []);
        return stack;
    }

    private static RunningStack Small()
    {
        var stack = new RunningStack("{tier: Development, engines: {redis: {mode: Sentinel, instances: 3, storage: {size: 2Gi}}}}").Set("shop-redis", 3);
        for (var ordinal = 0; ordinal < 3; ordinal++)
            stack.Claim(Name(ordinal), "redis", @class: "slow");
        return stack;
    }

    private static PlanStep Gone(int ordinal) => new PlanStep.Prune(KubeTypes.PersistentVolumeClaims.Resource, Name(ordinal), $"uid-{Name(ordinal)}");

    private static string Name(int ordinal) => string.Create(CultureInfo.InvariantCulture, $"data-shop-redis-{ordinal}");
}
