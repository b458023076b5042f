using Dora.Engines.Redis;
using Dora.Engines.Rendering;

namespace Dora.Engines.Tests.Redis;

public sealed class ClusterStepsTests
{
    [Fact]
    public void New_members_first_meet()
    {
        var blank = Enumerable.Range(0, 6).Select(ordinal => Member(ordinal, Self(ordinal, "master"), [])).ToList();
        Assert.Equal(ClusterSteps.MeetMembers, Only(Plan(), blank).Name);
    }

    [Fact]
    public void Slots_are_assigned_once_all_know_each_other_and_only_where_there_never_was_data()
    {
        var plan = Plan();
        var met = Cluster(6, ordinal => Self(ordinal, "master"));
        Assert.Equal(ClusterSteps.AssignSlots, Only(plan, met).Name);
        var health = ClusterProbe.Judge(plan, new(plan, met));
        Assert.Null(health.Primary);
        Assert.Equal(ClusterSteps.AssignSlots, Assert.Single(ClusterCommands.Decide(plan, new(Health: health))).Name);
        Assert.Empty(ClusterCommands.Decide(plan, new(Status: new("redis", Initialized: true), Health: health)));
        Assert.Empty(Next(plan, [.. met.Select((member, index) => index == 4 ? member with { Answer = member.Answer! with { Keys = 1 } } : member)]));
        Assert.Empty(Next(plan, met[..5]));
    }

    [Fact]
    public void Slots_of_a_member_that_is_away_are_given_to_nobody_else()
    {
        var plan = Plan();
        var lost = Settled().Where(member => member.Pod.Ordinal is not 0 and not 3).ToList();
        Assert.Empty(ClusterSteps.Unserved(new(plan, lost)));
        Assert.Empty(Next(plan, lost));
        var health = ClusterProbe.Judge(plan, new(plan, lost));
        Assert.Equal((EngineVerdict.Degraded, null), (health.Verdict, health.Primary));
    }

    [Fact]
    public void A_settled_cluster_needs_nothing_and_the_master_of_slot_0_stands_for_all()
    {
        var health = ClusterProbe.Judge(Plan(), new(Plan(), Settled()));
        Assert.Equal((EngineVerdict.Healthy, "payments-redis-0", ""), (health.Verdict, health.Primary, health.Message));
        Assert.Empty(health.Needs);
    }

    [Fact]
    public void Members_with_other_addresses_meet_again()
    {
        var moved = Settled().Select(member => member with { Pod = member.Pod with { Address = $"10.9.9.{member.Pod.Ordinal}" } }).ToList();
        Assert.Equal(ClusterSteps.MeetMembers, Only(Plan(), moved).Name);
        Assert.Equal(30, ClusterSteps.Meetings(new(Plan(), moved)).Count());
    }

    [Fact]
    public void A_member_that_holds_data_of_another_cluster_is_left_alone()
    {
        var alone = Settled();
        alone[5] = Member(5, Self(5, "master"), []) with { };
        alone[5] = alone[5] with { Answer = alone[5].Answer! with { Keys = 7 } };
        var elsewhere = Settled();
        var foreign = Node("f", "192.0.2.1", "other-0.elsewhere.svc", "master");
        elsewhere[5] = elsewhere[5] with { Answer = elsewhere[5].Answer! with { Others = [foreign] } };
        foreach (var members in (List<ClusterMember>[])[alone, elsewhere])
        {
            var health = ClusterProbe.Judge(Plan(), new(Plan(), members));
            Assert.Empty(health.Needs);
            Assert.StartsWith("payments-redis-5 holds data or members of another cluster", health.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_failed_name_without_slots_is_forgotten_but_not_while_its_pod_is_silent()
    {
        var old = Node("e", "10.0.0.5", Plan().Names.MemberHost(5), "master,fail");
        var members = Settled().Select(member => member with { Answer = member.Answer! with { Others = [.. member.Answer.Others, old] } }).ToList();
        var step = Only(Plan(), members);
        Assert.Equal((ClusterSteps.ForgetNode, Id("e")), (step.Name, step.Subject));
        members[5] = members[5] with { Answer = null, Problem = "does not answer" };
        Assert.Empty(Next(Plan(), members));
    }

    [Fact]
    public void Members_beyond_the_masters_follow_those_that_lack_replicas()
    {
        var started = Cluster(6, ordinal => ordinal < 3 ? Self(ordinal, "master", Third(ordinal)) : Self(ordinal, "master"));
        Assert.Equal(
            [(ClusterSteps.Replicate, "payments-redis-3", "payments-redis-0"), (ClusterSteps.Replicate, "payments-redis-4", "payments-redis-1"), (ClusterSteps.Replicate, "payments-redis-5", "payments-redis-2")],
            Next(Plan(), started).Select(step => (step.Name, step.Subject, step.To!)));
    }

    [Fact]
    public void A_new_master_gets_its_replica_before_its_slots()
    {
        var plan = Plan(4);
        var grown = Cluster(8, ordinal => ordinal < 3 ? Self(ordinal, "master", Third(ordinal)) : ordinal < 6 ? Self(ordinal, "slave", master: ordinal - 3) : Self(ordinal, "master"));
        var step = Only(plan, grown);
        Assert.Equal((ClusterSteps.Replicate, "payments-redis-7", "payments-redis-6"), (step.Name, step.Subject, step.To));
        var followed = Cluster(8, ordinal => ordinal < 3 ? Self(ordinal, "master", Third(ordinal)) : ordinal < 6 ? Self(ordinal, "slave", master: ordinal - 3) : ordinal == 6 ? Self(6, "master") : Self(7, "slave", master: 6));
        Assert.Equal(ClusterSteps.MoveSlots, Only(plan, followed).Name);
        var moves = ClusterLayout.Of(plan, new(plan, followed)).Moves();
        Assert.Equal(4096, moves.Count);
        Assert.All(moves, move => Assert.Equal(6, move.To.Pod.Ordinal));
        Assert.Equal(4096, moves.Select(move => move.Slot).Distinct().Count());
    }

    [Fact]
    public void What_leaves_gives_its_slots_away_then_goes_and_then_its_pod()
    {
        var plan = Plan();
        SlotRange Quarter(int index) => new(index * 4096, (index * 4096) + 4095);
        var four = Cluster(8, ordinal => ordinal < 3 ? Self(ordinal, "master", Quarter(ordinal)) : ordinal < 6 ? Self(ordinal, "slave", master: ordinal - 3) : ordinal == 6 ? Self(6, "master", Quarter(3)) : Self(7, "slave", master: 6));
        Assert.Equal(ClusterSteps.MoveSlots, Only(plan, four).Name);
        Assert.All(ClusterLayout.Of(plan, new(plan, four)).Moves(), move => Assert.Equal(6, move.From.Pod.Ordinal));
        Assert.Equal(8, ClusterCommands.Replicas(plan, Observed(plan, 8, four)));

        var drained = Cluster(8, ordinal => ordinal < 3 ? Self(ordinal, "master", Third(ordinal)) : ordinal < 6 ? Self(ordinal, "slave", master: ordinal - 3) : ordinal == 6 ? Self(6, "master") : Self(7, "slave", master: 6));
        Assert.Equal([(ClusterSteps.Leave, "payments-redis-6"), (ClusterSteps.Leave, "payments-redis-7")], Next(plan, drained).Select(step => (step.Name, step.Subject)));
        Assert.Equal(8, ClusterCommands.Replicas(plan, Observed(plan, 8, drained)));

        List<ClusterMember> left = [.. Settled(), Member(6, Self(6, "master"), []), Member(7, Self(7, "master"), [])];
        Assert.Equal(6, ClusterCommands.Replicas(plan, Observed(plan, 8, left)));
    }

    [Fact]
    public void A_master_that_leaves_is_taken_over_from_by_a_replica_that_stays()
    {
        // After failovers, any shard may have its master on a pod that goes.
        var plan = Plan();
        var mixed = Cluster(7, ordinal => ordinal is 1 or 2 or 6 ? Self(ordinal, "master", Third(ordinal % 3)) : Self(ordinal, "slave", master: ordinal switch { 0 or 3 => 6, 4 => 1, _ => 2 }));
        var step = Only(plan, mixed);
        Assert.Equal((ClusterSteps.Failover, "payments-redis-6"), (step.Name, step.Subject));
    }

    [Fact]
    public void A_slot_between_two_members_is_finished_before_anything_else_moves()
    {
        var open = Settled();
        open[1] = open[1] with { Answer = open[1].Answer! with { Self = open[1].Answer!.Self with { Open = [new(5, Id("0"), true)] } } };
        Assert.Equal(ClusterSteps.FinishSlots, Only(Plan(4), open, 8).Name);
    }

    [Theory]
    [InlineData(RollingStep.Restart, "payments-redis-1", ClusterSteps.Failover)]
    [InlineData(RollingStep.MovePrimary, "payments-redis-0", ClusterSteps.Failover)]
    [InlineData(RollingStep.Restart, "payments-redis-4", null)]
    [InlineData(RollingStep.Wait, "payments-redis-1", null)]
    public void Whichever_master_restarts_next_is_taken_over_from(RollingStep step, string pod, string? command)
    {
        var rolling = new RollingChange([pod], step, "why", Settled().Single(member => member.Pod.Name == pod).Pod);
        var decided = ClusterCommands.Decide(Plan(), Observed(Plan(), 6, Settled()) with { Rolling = rolling });
        Assert.Equal(command, decided.SingleOrDefault()?.Name);
        Assert.Empty(ClusterCommands.Decide(Plan(replicas: 0), Observed(Plan(), 6, Settled()) with { Rolling = rolling }));
    }

    private static EngineObservation Observed(RedisPlan plan, int replicas, List<ClusterMember> members) =>
        Engines.Observed(replicas) with { Health = ClusterProbe.Judge(plan, new(plan, members)) };

    private static ClusterStep Only(RedisPlan plan, List<ClusterMember> members, int grown = 0)
    {
        for (var ordinal = members.Count; ordinal < grown; ordinal++)
            members = Cluster(ordinal + 1, index => index < members.Count ? members[index].Answer!.Self : Self(index, "master"));
        return Assert.Single(Next(plan, members));
    }

    private static IReadOnlyList<ClusterStep> Next(RedisPlan plan, List<ClusterMember> members) => ClusterSteps.Next(plan, new(plan, members));

    private static List<ClusterMember> Settled() => Cluster(6, ordinal => ordinal < 3 ? Self(ordinal, "master", Third(ordinal)) : Self(ordinal, "slave", master: ordinal - 3));

    private static SlotRange Third(int index) => new(index * SlotRange.All / 3, ((index + 1) * SlotRange.All / 3) - 1);

    private static List<ClusterMember> Cluster(int count, Func<int, ClusterNode> node)
    {
        var nodes = Enumerable.Range(0, count).Select(node).ToList();
        return [.. nodes.Select((self, ordinal) => Member(ordinal, self, [.. nodes.Where(other => other.Id != self.Id).Select(other => other with { Flags = [.. other.Flags.Where(flag => flag != "myself")], Open = [] })]))];
    }

    private static ClusterMember Member(int ordinal, ClusterNode self, IReadOnlyList<ClusterNode> others) =>
        new(Engines.Pod(ordinal, "redis"), new(self, others, true, 0, new(self.Master ? MemberRole.Primary : MemberRole.Replica, "7.0.15", false, true, false, 100, 1, 5)), null);

    private static ClusterNode Self(int ordinal, string role, SlotRange? slots = null, int? master = null) =>
        Node($"{ordinal}", $"10.0.0.{ordinal}", Plan().Names.MemberHost(ordinal), $"myself,{role}", slots, master);

    private static ClusterNode Node(string id, string ip, string host, string flags, SlotRange? slots = null, int? master = null) =>
        new(Id(id), ip, host, flags.Split(','), master is null ? null : Id($"{master}"), 1, slots is { } range ? [range] : [], []);

    private static string Id(string digit) => new(digit[0], 40);

    private static RedisPlan Plan(int masters = 3, int replicas = 1) => RedisPlan.Of(new EngineNames(Engines.Stack(), "redis"), new(Mode: RedisMode.Cluster, Masters: masters, ReplicasPerMaster: replicas));
}
