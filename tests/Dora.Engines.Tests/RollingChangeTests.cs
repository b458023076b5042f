using Dora.Kubernetes.Model;
using FsCheck;
using FsCheck.Fluent;

namespace Dora.Engines.Tests;

public sealed class RollingChangeTests
{
    private const string New = "b";
    private const string Old = "a";

    [Fact]
    public void Nothing_rolls_while_all_run_what_is_asked() =>
        Assert.Equal(RollingStep.None, Of([Pod(0, New), Pod(1, New)], Healthy("m-0", 2)).Step);

    [Fact]
    public void Nothing_rolls_before_the_StatefulSet_controller_has_seen_the_newest_template()
    {
        var unseen = Workload(2) with { Metadata = new(Name: "m", Generation: 2) };
        Assert.Equal(RollingStep.None, RollingChange.Of(2, "m", [unseen], [Pod(0, Old), Pod(1, Old)], Healthy("m-0", 2), true).Step);
        Assert.Equal(RollingStep.None, RollingChange.Of(2, "m", [], [], null, true).Step);
    }

    [Fact]
    public void Members_that_cannot_work_together_restart_all_at_once_whatever_their_health()
    {
        foreach (var health in (EngineHealth?[])[Healthy("m-0", 3), null])
        {
            var rolling = RollingChange.Of(3, "m", [Workload(3)], [Pod(0, Old), Pod(1, New), Pod(2, Old)], health, true, together: true);
            Assert.Equal((RollingStep.RestartAll, "m-2 m-0"), (rolling.Step, string.Join(' ', rolling.Outdated)));
        }

        Assert.Equal(RollingStep.None, RollingChange.Of(2, "m", [Workload(2)], [Pod(0, New), Pod(1, New)], null, true, together: true).Step);
    }

    [Fact]
    public void Replicas_go_first_the_highest_ordinal_ahead()
    {
        var rolling = Of([Pod(0, Old), Pod(1, Old), Pod(2, Old)], Healthy("m-2", 3));
        Assert.Equal((RollingStep.Restart, "m-1"), (rolling.Step, rolling.Pod!.Name));
        Assert.Equal(["m-2", "m-1", "m-0"], rolling.Outdated);
    }

    [Fact]
    public void The_primary_moves_away_before_it_restarts_as_the_last()
    {
        var moving = Of([Pod(0, New), Pod(1, New), Pod(2, Old)], Healthy("m-2", 3));
        Assert.Equal((RollingStep.MovePrimary, "m-2"), (moving.Step, moving.Pod!.Name));
        var moved = Of([Pod(0, New), Pod(1, New), Pod(2, Old)], Healthy("m-0", 3));
        Assert.Equal((RollingStep.Restart, "m-2"), (moved.Step, moved.Pod!.Name));
    }

    [Fact]
    public void A_single_member_just_restarts_and_so_does_a_primary_that_cannot_be_moved()
    {
        Assert.Equal(RollingStep.Restart, Of([Pod(0, Old)], Healthy("m-0", 1)).Step);
        Assert.Equal("m-1", Of([Pod(0, Old), Pod(1, Old)], Healthy("m-0", 2), movesPrimary: false).Pod!.Name);
        Assert.Equal((RollingStep.Restart, "m-0"), (Of([Pod(0, Old), Pod(1, New)], Healthy("m-0", 2), movesPrimary: false).Step, Of([Pod(0, Old), Pod(1, New)], Healthy("m-0", 2), movesPrimary: false).Pod!.Name));
    }

    [Fact]
    public void A_primary_that_cannot_move_for_now_restarts_as_the_last_even_while_members_shall_be_removed()
    {
        var stays = Healthy("m-2", 3) with { PrimaryStays = true };
        Assert.Equal((RollingStep.Restart, "m-1"), (Of([Pod(0, New), Pod(1, Old), Pod(2, Old)], stays).Step, Of([Pod(0, New), Pod(1, Old), Pod(2, Old)], stays).Pod!.Name));
        Assert.Equal((RollingStep.Restart, "m-2"), (Of([Pod(0, New), Pod(1, New), Pod(2, Old)], stays).Step, Of([Pod(0, New), Pod(1, New), Pod(2, Old)], stays).Pod!.Name));
        Assert.Equal("m-2", RollingChange.Of(2, "m", [Workload(3)], [Pod(0, New), Pod(1, New), Pod(2, Old)], stays, true).Pod!.Name);
    }

    [Fact]
    public void A_roll_stops_at_a_member_that_does_not_come_back()
    {
        var stopped = Of([Pod(0, Old), Pod(1, Old), Pod(2, New, ready: false)], Healthy("m-0", 3) with { Verdict = EngineVerdict.Degraded });
        Assert.Equal((RollingStep.Wait, "m-2"), (stopped.Step, stopped.Pod!.Name));
    }

    [Fact]
    public void When_the_change_is_mended_the_member_that_is_down_restarts_first()
    {
        var mended = Of([Pod(0, Old), Pod(1, Old), Pod(2, "broken", ready: false)], Healthy("m-0", 3) with { Verdict = EngineVerdict.Degraded });
        Assert.Equal((RollingStep.Restart, "m-2"), (mended.Step, mended.Pod!.Name));
    }

    [Fact]
    public void Without_a_primary_all_that_is_down_restarts_though_others_are_not_back()
    {
        // No member can become ready alone where a quorum is needed: waiting for the first would be waiting for ever.
        var dark = Of([Pod(0, "broken", ready: false), Pod(1, "broken", ready: false), Pod(2, New, ready: false)], Healthy("m-0", 3) with { Verdict = EngineVerdict.Unreachable, Primary = null });
        Assert.Equal((RollingStep.Restart, "m-1"), (dark.Step, dark.Pod!.Name));
    }

    [Theory]
    [InlineData(EngineVerdict.Degraded)]
    [InlineData(EngineVerdict.Unreachable)]
    public void An_engine_that_is_not_healthy_is_left_alone(EngineVerdict verdict) =>
        Assert.Equal(RollingStep.Wait, Of([Pod(0, Old), Pod(1, Old)], Healthy("m-0", 2) with { Verdict = verdict, Message = "m-1 lags" }).Step);

    [Fact]
    public void Nothing_restarts_while_a_member_ends_or_is_missing_or_members_come_and_go()
    {
        Assert.Equal(RollingStep.Wait, Of([Pod(0, Old), Pod(1, Old) with { Ending = true, Ready = false }], Healthy("m-0", 2)).Step);
        Assert.Equal(RollingStep.Wait, RollingChange.Of(3, "m", [Workload(3)], [Pod(0, Old), Pod(1, Old)], Healthy("m-0", 2), true).Step);
        Assert.Equal(RollingStep.Wait, RollingChange.Of(1, "m", [Workload(3)], [Pod(0, Old), Pod(1, Old), Pod(2, Old)], Healthy("m-0", 3), true).Step);
    }

    [Fact]
    public void An_arbiter_beside_the_members_has_a_template_of_its_own_and_takes_its_turn()
    {
        var arbiter = Workload(1) with { Metadata = new(Name: "m-arbiter", Generation: 1), Status = new(ObservedGeneration: 1, UpdateRevision: "c") };
        MemberPod Voter(string revision) => new("m-arbiter-0", 0, "10.0.0.9", true, null, "voter", revision);
        RollingChange With(MemberPod voter, string members) => RollingChange.Of(2, "m", [Workload(2), arbiter], [Pod(0, members), Pod(1, members), voter], Healthy("m-0", 2), true);
        Assert.Equal(RollingStep.None, With(Voter("c"), New).Step);
        Assert.Equal((RollingStep.Restart, "m-arbiter-0"), (With(Voter("x"), New).Step, With(Voter("x"), New).Pod!.Name));
        Assert.Equal((RollingStep.Restart, "m-1"), (With(Voter("x"), Old).Step, With(Voter("x"), Old).Pod!.Name));
    }

    [Fact]
    public void A_member_whose_settings_wait_for_a_restart_is_outdated_too()
    {
        var health = Healthy("m-0", 2);
        health = health with { Members = [health.Members[0], health.Members[1] with { PendingRestart = true }] };
        Assert.Equal("m-1", Of([Pod(0, New), Pod(1, New)], health).Pod!.Name);
    }

    /// <summary>Whatever breaks and comes back meanwhile: every roll ends, one member is away at a time, and the primary is never restarted while others follow it.</summary>
    [Fact]
    public void Every_roll_ends_and_never_takes_a_second_member_away() =>
        Prop.ForAll(ArbMap.Default.ArbFor<NonEmptyArray<byte>>(), luck =>
        {
            var cluster = new Model(1 + (luck.Get[0] % 5), luck.Get);
            for (var pass = 0; pass < 400 && !cluster.Rolled; pass++)
                cluster.Pass();
            Assert.True(cluster.Rolled, cluster.ToString());
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(1000));

    private static RollingChange Of(IReadOnlyList<MemberPod> pods, EngineHealth health, bool movesPrimary = true) => RollingChange.Of(pods.Count, "m", [Workload(pods.Count)], pods, health, movesPrimary);

    private static StatefulSet Workload(int replicas) => new(
        new(Name: "m", Generation: 1),
        new("m", new(), new(new(), new([])), Replicas: replicas),
        new(ObservedGeneration: 1, UpdateRevision: New));

    private static MemberPod Pod(int ordinal, string revision, bool ready = true) => new($"m-{ordinal}", ordinal, "10.0.0.1", ready, null, $"uid-{ordinal}", revision);

    private static EngineHealth Healthy(string primary, int members) => new(
        EngineVerdict.Healthy,
        [.. Enumerable.Range(0, members).Select(ordinal => new MemberHealth($"m-{ordinal}", $"m-{ordinal}" == primary ? MemberRole.Primary : MemberRole.Replica, true))],
        primary, "1", "", []);

    /// <summary>Members that end, come back after a while, fall over by chance, and elect another primary when theirs is away.</summary>
    private sealed class Model(int count, byte[] luck)
    {
        private readonly MemberPod[] _pods = [.. Enumerable.Range(0, count).Select(ordinal => Pod(ordinal, Old))];
        private readonly int[] _back = new int[count];
        private int _primary = luck[0] % count;
        private int _pass;

        public bool Rolled => _pods.All(pod => pod is { Revision: New, Ready: true });

        public void Pass()
        {
            _pass++;
            Mishap();
            Return();
            Elect();
            var healthy = _pods.All(pod => pod.Ready);
            var health = Healthy(_pods[_primary].Ready ? $"m-{_primary}" : "", count) with { Verdict = healthy ? EngineVerdict.Healthy : EngineVerdict.Degraded };
            var rolling = RollingChange.Of(count, "m", [Workload(count)], _pods, health.Primary!.Length > 0 ? health : health with { Primary = null }, true);
            if (rolling.Step == RollingStep.MovePrimary)
                _primary = Array.FindIndex(_pods, pod => pod.Ordinal != _primary && pod.Ready);
            else if (rolling is { Step: RollingStep.Restart, Pod: { } member })
                Restart(member, healthy);
        }

        public override string ToString() => $"pass {_pass}: {string.Join(", ", _pods.Select(pod => $"{pod.Name} {pod.Revision} ready={pod.Ready}"))}, primary {_primary}";

        private void Restart(MemberPod member, bool healthy)
        {
            Assert.True(healthy || !member.Ready, $"{member.Name} was taken away while another was: {this}");
            Assert.True(member.Ordinal != _primary || count == 1 || !member.Ready, $"the primary was restarted: {this}");
            Assert.NotEqual(New, member.Revision);
            _pods[member.Ordinal] = member with { Revision = New, Ready = false };
            _back[member.Ordinal] = _pass + 1 + (Luck(_pass) % 5);
        }

        // Only in the first half, so that an end can be demanded.
        private void Mishap()
        {
            if (_pass > 100 || Luck(_pass) % 7 != 0)
                return;
            var victim = Luck(_pass + 1) % count;
            _pods[victim] = _pods[victim] with { Ready = false };
            _back[victim] = _pass + 1 + (Luck(_pass + 2) % 5);
        }

        private void Return()
        {
            for (var ordinal = 0; ordinal < count; ordinal++)
            {
                if (!_pods[ordinal].Ready && _back[ordinal] <= _pass)
                    _pods[ordinal] = _pods[ordinal] with { Ready = true };
            }
        }

        private void Elect()
        {
            if (!_pods[_primary].Ready && Array.FindIndex(_pods, pod => pod.Ready) is >= 0 and var other)
                _primary = other;
        }

        private int Luck(int index) => luck[index % luck.Length] + index;
    }
}
