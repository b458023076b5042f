using Dora.Engines.MongoDb;
using Dora.Engines.MongoDb.Wire;
using Dora.Engines.Rendering;

namespace Dora.Engines.Tests.MongoDb;

public sealed class MongoDbProbeTests
{
    private static readonly MongoHello Secondary = MongoHello.Unknown with { SetName = "rs0", Secondary = true, MaxWireVersion = 25 };
    private static readonly MongoHello PrimaryHello = MongoHello.Unknown with { SetName = "rs0", IsWritablePrimary = true, ElectionId = "7FFFFFFF0000000000000002", MaxWireVersion = 25 };

    [Fact]
    public void A_primary_and_followers_are_healthy_with_their_lag_in_seconds()
    {
        var health = Judge(Findings(0, 1, 2) with { Lags = Lags(0.5, 0, 12) }, Secondary, PrimaryHello, Secondary);
        Assert.Equal((EngineVerdict.Healthy, "payments-mongodb-1", "8.0.4", ""), (health.Verdict, health.Primary, health.Version, health.Message));
        Assert.Equal([0.5, 0, 12], health.Members.Select(member => member.LagSeconds!.Value));
        Assert.Equal([MemberRole.Replica, MemberRole.Primary, MemberRole.Replica], health.Members.Select(member => member.Role));
        Assert.Empty(health.Needs);
    }

    [Fact]
    public void Of_two_that_believe_to_be_primary_the_later_election_counts()
    {
        var old = PrimaryHello with { ElectionId = "7FFFFFFF0000000000000001" };
        var health = Judge(Findings(0, 1, 2), old, PrimaryHello, Secondary);
        Assert.Equal("payments-mongodb-1", health.Primary);
        Assert.Equal("payments-mongodb-0: believes to be primary, and another member was elected later", health.Message);
    }

    [Fact]
    public void Without_a_primary_it_says_whether_there_is_a_set_at_all()
    {
        Assert.Contains("not initiated", Judge(null, MongoHello.Unknown, MongoHello.Unknown, MongoHello.Unknown).Message, StringComparison.Ordinal);
        var health = Judge(null, Secondary, Secondary, null);
        Assert.Equal((EngineVerdict.Degraded, null), (health.Verdict, health.Primary));
        Assert.Contains("majority", health.Message, StringComparison.Ordinal);
        Assert.Equal(EngineVerdict.Unreachable, Judge(Plan(), null, null, null, null).Verdict);
    }

    [Theory]
    [InlineData("STARTUP2", "is copying the data")]
    [InlineData("RECOVERING", "is recovering")]
    [InlineData("ROLLBACK", "is rolling back what a majority never had")]
    [InlineData("DOWN", "neither takes writes nor follows")]
    public void A_member_that_does_not_follow_degrades_and_is_named(string state, string detail)
    {
        var findings = Findings(0, 1, 2) with { States = new Dictionary<string, string> { ["payments-mongodb-2"] = state } };
        var health = Judge(findings, PrimaryHello, Secondary, Secondary with { Secondary = false });
        Assert.Equal((EngineVerdict.Degraded, $"payments-mongodb-2: {detail}"), (health.Verdict, health.Message));
    }

    [Theory]
    [InlineData(30, EngineVerdict.Healthy)]
    [InlineData(30.1, EngineVerdict.Degraded)]
    public void A_secondary_far_behind_does_not_count_as_following(double lag, EngineVerdict verdict) =>
        Assert.Equal(verdict, Judge(Findings(0, 1, 2) with { Lags = Lags(0, 0, lag) }, PrimaryHello, Secondary, Secondary).Verdict);

    [Fact]
    public void A_missing_member_joins_when_it_answers_and_those_before_it_serve()
    {
        Assert.Equal(["AddMember/payments-mongodb-1"], Judge(Findings(0), PrimaryHello, MongoHello.Unknown, MongoHello.Unknown).Needs);
        Assert.Empty(Judge(Findings(0), PrimaryHello, null, null).Needs);
        Assert.Equal(["AddMember/payments-mongodb-2"], Judge(Findings(0, 1), PrimaryHello, Secondary, MongoHello.Unknown).Needs);
        // The second one still copies: one after the other.
        Assert.Empty(Judge(Findings(0, 1), PrimaryHello, Secondary with { Secondary = false }, MongoHello.Unknown).Needs);
    }

    [Fact]
    public void While_a_change_is_not_on_a_majority_nothing_else_is_changed()
    {
        var health = Judge(Findings(0) with { Committed = false }, PrimaryHello, MongoHello.Unknown, null);
        Assert.Empty(health.Needs);
        Assert.Equal(EngineVerdict.Degraded, health.Verdict);
    }

    [Fact]
    public void A_scale_in_takes_the_highest_member_from_the_set_and_then_lets_its_pod_go()
    {
        var plan = Plan(new(Instances: 1));
        var members = Judge(plan, Findings(0, 1, 2), PrimaryHello, Secondary, Secondary);
        Assert.Equal(["RemoveMember/payments-mongodb-2"], members.Needs);
        Assert.Equal(3, MongoDbScaleIn.Replicas(plan, Engines.Observed(3) with { Health = members }));
        var removed = Judge(plan, Findings(0, 1), PrimaryHello, Secondary, MongoHello.Unknown);
        Assert.Equal(["RemoveMember/payments-mongodb-1", "PodMayGo/payments-mongodb-2"], removed.Needs);
        Assert.Equal(2, MongoDbScaleIn.Replicas(plan, Engines.Observed(3) with { Health = removed }));
        Assert.Equal(2, MongoDbScaleIn.Replicas(plan, Engines.Observed(2) with { Health = removed }));
    }

    [Fact]
    public void A_pod_never_goes_on_no_evidence()
    {
        var plan = Plan(new(Instances: 1));
        Assert.Equal(3, MongoDbScaleIn.Replicas(plan, Engines.Observed(3) with { Health = null }));
        Assert.Equal(3, MongoDbScaleIn.Replicas(plan, Engines.Observed(3) with { Health = Judge(plan, null, PrimaryHello, Secondary, Secondary) }));
        Assert.Equal(3, MongoDbScaleIn.Replicas(plan, Engines.Observed(3) with { Health = Judge(plan, Findings(0, 1) with { Committed = false }, PrimaryHello, Secondary, MongoHello.Unknown) }));
        Assert.Equal(1, MongoDbScaleIn.Replicas(plan, EngineObservation.None));
    }

    [Fact]
    public void The_primary_steps_down_before_its_pod_goes_and_nothing_else_is_said_meanwhile()
    {
        var plan = Plan(new(Instances: 1));
        var health = Judge(plan, Findings(0, 1, 2), Secondary, Secondary, PrimaryHello);
        var command = Assert.Single(MongoDbCommands.Decide(plan, Engines.Observed(3) with { Health = health }));
        Assert.Equal((MongoDbCommands.StepDown, "payments-mongodb-2"), (command.Name, command.Subject));
    }

    [Fact]
    public void A_member_is_not_taken_out_while_another_one_is_away()
    {
        var plan = Plan(new(Instances: 3));
        var health = MongoDbProbe.Judge(plan, Answers(PrimaryHello, Secondary, null, Secondary, Secondary), Findings(0, 1, 2, 3, 4));
        Assert.Empty(health.Needs);
    }

    [Fact]
    public void Compatibility_is_raised_when_every_member_runs_the_new_version()
    {
        var findings = Findings(0, 1, 2) with { Compatibility = "7.0" };
        Assert.Equal(["SetFeatureCompatibilityVersion/8.0"], Judge(findings, PrimaryHello, Secondary, Secondary).Needs);
        var old = Answers(PrimaryHello, Secondary, Secondary);
        old[2] = old[2] with { Version = "7.0.14" };
        var health = MongoDbProbe.Judge(Plan(), old, findings);
        Assert.Empty(health.Needs);
        Assert.Equal(("7.0.14", "payments-mongodb-2: runs 7.0.14, not 8.0"), (health.Version, health.Message));
        Assert.Empty(Judge(Findings(0, 1, 2) with { Compatibility = null }, PrimaryHello, Secondary, Secondary).Needs);
    }

    [Fact]
    public void The_write_concern_is_stated_before_an_arbiter_joins()
    {
        var plan = Plan(new(Arbiter: true));
        List<MongoDbAnswer> answers = [.. Answers(PrimaryHello, Secondary), new(new(plan.ArbiterPod, 0, "10.0.0.9", true, null), MongoHello.Unknown, null, null, null)];
        var health = MongoDbProbe.Judge(plan, answers, Findings(0, 1) with { WriteConcern = null });
        Assert.Equal(["SetDefaultWriteConcern/1", "AddMember/payments-mongodb-arb-0"], health.Needs);
        Assert.Equal(MemberRole.Arbiter, health.Members[2].Role);
        answers[2] = answers[2] with { Hello = MongoHello.Unknown with { SetName = "rs0", ArbiterOnly = true, MaxWireVersion = 25 } };
        var findings = Findings(0, 1) with { WriteConcern = "1", Pods = new HashSet<string> { "payments-mongodb-0", "payments-mongodb-1", plan.ArbiterPod } };
        Assert.Equal(EngineVerdict.Healthy, MongoDbProbe.Judge(plan, answers, findings).Verdict);
    }

    [Fact]
    public void An_arbiter_that_is_not_wanted_any_more_stays_until_it_left_the_set()
    {
        var plan = Plan(new(Instances: 3));
        var workload = new Kubernetes.Model.StatefulSet(new(Name: "x", Annotations: new Dictionary<string, string> { [MongoDbStatefulSet.ArbiterAnnotation] = "true" }));
        List<MongoDbAnswer> answers = [.. Answers(PrimaryHello, Secondary, Secondary), new(new(plan.ArbiterPod, 0, "10.0.0.9", true, null), MongoHello.Unknown with { SetName = "rs0", ArbiterOnly = true }, null, null, null)];
        var member = MongoDbProbe.Judge(plan, answers, Findings(0, 1, 2) with { Pods = new HashSet<string> { "payments-mongodb-0", "payments-mongodb-1", "payments-mongodb-2", plan.ArbiterPod } });
        Assert.Equal([$"RemoveMember/{plan.ArbiterPod}"], member.Needs);
        Assert.True(MongoDbScaleIn.KeepsArbiter(plan, new(Workload: workload, Health: member)));
        Assert.True(MongoDbScaleIn.KeepsArbiter(plan, new(Workload: workload)));
        Assert.False(MongoDbScaleIn.KeepsArbiter(plan, new(Workload: workload, Health: MongoDbProbe.Judge(plan, answers, Findings(0, 1, 2)))));
        Assert.False(MongoDbScaleIn.KeepsArbiter(plan, EngineObservation.None));
    }

    [Fact]
    public void What_is_not_as_declared_degrades_until_it_is_said()
    {
        var health = Judge(Findings(0, 1, 2) with { Needs = ["CreateUser/alice", "CreateIndex/sales.orders/by_at"] }, PrimaryHello, Secondary, Secondary);
        Assert.Equal((EngineVerdict.Degraded, "not as declared yet: alice (CreateUser)"), (health.Verdict, health.Message));
        Assert.Equal(
            [("CreateUser", "alice"), ("CreateIndex", "sales.orders/by_at")],
            MongoDbCommands.Decide(Plan(), Engines.Observed(3) with { Health = health }).Select(command => (command.Name, command.Subject)));
    }

    [Fact]
    public void A_need_that_nobody_knows_and_no_primary_give_no_command()
    {
        Assert.Empty(MongoDbCommands.Decide(Plan(), Engines.Observed(3, "payments-mongodb-0", needs: ["CreateAppDatabase", "PodMayGo/x", "Nonsense/y"])));
        Assert.Empty(MongoDbCommands.Decide(Plan(), Engines.Observed(3, null, needs: ["CreateUser/alice"])));
    }

    [Fact]
    public void Answers_of_wrong_types_are_no_findings()
    {
        var findings = MongoDbFindings.Of(
            new() { { "config", new BsonDocument { { "members", new BsonArray(1, new BsonDocument { { "host", 5 } }) } } }, { "commitmentStatus", "yes" } },
            new() { { "members", new BsonArray(new BsonDocument { { "name", "a.b:1" }, { "state", 1 }, { "optimeDate", "never" } }, new BsonDocument { { "name", 1 } }) } },
            new() { { "featureCompatibilityVersion", "8.0" } },
            new() { { "defaultWriteConcern", 1 } });
        Assert.Empty(findings.Pods);
        Assert.Empty(findings.Lags);
        Assert.Equal((false, null, null), (findings.Committed, findings.Compatibility, findings.WriteConcern));
    }

    private static EngineHealth Judge(MongoDbFindings? findings, params MongoHello?[] hellos) => Judge(Plan(), findings, hellos);

    private static EngineHealth Judge(MongoDbPlan plan, MongoDbFindings? findings, params MongoHello?[] hellos) => MongoDbProbe.Judge(plan, Answers(hellos), findings);

    private static List<MongoDbAnswer> Answers(params MongoHello?[] hellos) => [.. hellos.Select((hello, ordinal) =>
        new MongoDbAnswer(Engines.Pod(ordinal, "mongodb"), hello, hello?.SetName is null ? null : "8.0.4", 3, hello is null ? "does not answer" : null))];

    private static MongoDbFindings Findings(params int[] ordinals) => new(
        ordinals.Select(ordinal => $"payments-mongodb-{ordinal}").ToHashSet(), true, new Dictionary<string, string>(), new Dictionary<string, double>(), "8.0", "majority", [], null);

    private static Dictionary<string, double> Lags(params double[] seconds) =>
        seconds.Select((lag, ordinal) => ($"payments-mongodb-{ordinal}", lag)).ToDictionary(pair => pair.Item1, pair => pair.lag);

    private static MongoDbPlan Plan(MongoDbSettings? settings = null) => MongoDbPlan.Of(new EngineNames(Engines.Stack(), "mongodb"), settings ?? new(Instances: 3));
}
