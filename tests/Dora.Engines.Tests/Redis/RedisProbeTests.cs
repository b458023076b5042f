using Dora.Engines.Redis;
using Dora.Engines.Rendering;

namespace Dora.Engines.Tests.Redis;

public sealed class RedisProbeTests
{
    private static readonly string _master = Host(1);

    [Fact]
    public void A_master_that_the_Sentinels_agree_on_is_healthy()
    {
        var health = RedisProbe.Judge(Plan(), [Member(0, Replica(90), Watching()), Member(1, Master(100), Watching()), Member(2, Replica(100), Watching())]);
        Assert.Equal((EngineVerdict.Healthy, "payments-redis-1", "7.0.15"), (health.Verdict, health.Primary, health.Version));
        Assert.Equal([10L, 0L, 0L], health.Members.Select(member => member.LagBytes!.Value));
    }

    [Fact]
    public void A_server_that_only_believes_to_be_master_is_not_the_primary()
    {
        // After an outage an old master may start with its old belief; the Sentinels' majority counts.
        var health = RedisProbe.Judge(Plan(), [Member(0, Master(50), Watching(Host(0))), Member(1, Master(100), Watching()), Member(2, Replica(100), Watching())]);
        Assert.Equal("payments-redis-1", health.Primary);
        Assert.Equal("payments-redis-0: does not follow the master yet", health.Message);
    }

    [Fact]
    public void The_newest_epoch_names_the_master_before_the_other_Sentinels_have_heard_of_it()
    {
        var leader = Watching(Host(2)) with { Epoch = 8 };
        var others = Watching(Host(1)) with { Epoch = 7 };
        Assert.Equal("payments-redis-2", RedisProbe.Judge(Plan(), [Member(0, Replica(100), others), Member(2, Master(100), leader)]).Primary);
        Assert.Null(RedisProbe.Judge(Plan(), [Member(2, Master(100), leader)]).Primary);
        Assert.Null(RedisProbe.Judge(Plan(), [Member(0, Replica(100), others), Member(2, Replica(100), leader)]).Primary);
    }

    [Fact]
    public void Without_a_majority_of_Sentinels_there_is_no_primary()
    {
        var health = RedisProbe.Judge(Plan(), [Member(0, Replica(1), null), Member(1, Master(1), Watching()), Member(2, Replica(1), null)]);
        Assert.Null(health.Primary);
    }

    [Fact]
    public void A_replica_that_was_left_behind_is_taken_along()
    {
        var astray = Replica(100) with { MasterHost = Host(0) };
        var health = RedisProbe.Judge(Plan(), [Member(0, Replica(100), Watching()), Member(1, Master(100), Watching()), Member(2, astray, Watching())]);
        Assert.Equal(EngineVerdict.Degraded, health.Verdict);
        var command = Assert.Single(RedisCommands.Decide(Plan(), new(Health: health)));
        Assert.Equal((RedisCommands.FollowMaster, "payments-redis-2"), (command.Name, command.Subject));
    }

    [Fact]
    public void Sentinels_that_know_gone_members_are_refreshed_once_all_is_settled()
    {
        var stale = Watching() with { OtherSentinels = 4 };
        var health = RedisProbe.Judge(Plan(), [Member(0, Replica(100), stale), Member(1, Master(100), Watching()), Member(2, Replica(100), Watching())]);
        var observed = Engines.Observed(3) with { Health = health };
        Assert.Equal(RedisCommands.RefreshSentinels, Assert.Single(RedisCommands.Decide(Plan(), observed)).Name);
        Assert.Empty(RedisCommands.Decide(Plan(), observed with { Workload = null }));
    }

    [Theory]
    [InlineData(1, 2)]
    [InlineData(2, 1)]
    public void While_a_Sentinel_still_learns_of_the_others_none_is_reset(int others, int replicas)
    {
        var learning = Watching() with { OtherSentinels = others, Replicas = replicas };
        var stale = Watching() with { OtherSentinels = 4 };
        Assert.Null(RedisProbe.NextStale(Plan(), [learning, stale, Watching()]));
        Assert.Null(RedisProbe.NextStale(Plan(), [null, stale, Watching()]));
        Assert.Equal(1, RedisProbe.NextStale(Plan(), [Watching(), stale, stale]));
        Assert.Null(RedisProbe.NextStale(Plan(), [Watching(), Watching(), Watching()]));
    }

    [Fact]
    public void A_failover_that_has_not_ended_degrades_though_the_new_master_serves() => Assert.Equal(
        "payments-redis-0: the Sentinel is still failing over",
        RedisProbe.Judge(Plan(), [Member(0, Replica(1), Watching() with { FailingOver = true }), Member(1, Master(1), Watching()), Member(2, Replica(1), Watching())]).Message);

    [Fact]
    public void A_Sentinel_without_quorum_degrades() => Assert.Equal(
        "payments-redis-2: the Sentinel sees no quorum",
        RedisProbe.Judge(Plan(), [Member(0, Replica(1), Watching()), Member(1, Master(1), Watching()), Member(2, Replica(1), Watching() with { Quorum = false })]).Message);

    [Theory]
    [InlineData(1, EngineVerdict.Healthy)]
    [InlineData(2, EngineVerdict.Degraded)]
    public void While_most_Sentinels_know_no_replica_there_is_nobody_to_fail_over_to(int unaware, EngineVerdict verdict)
    {
        // They ask the master every 10 s; one that was just started or reset knows none until then.
        SentinelAnswer Sentinel(int ordinal) => ordinal < unaware ? Watching() with { Replicas = 0 } : Watching();
        var health = RedisProbe.Judge(Plan(), [Member(0, Replica(100), Sentinel(0)), Member(1, Master(100), Sentinel(1)), Member(2, Replica(100), Sentinel(2))]);
        Assert.Equal((verdict, "payments-redis-1"), (health.Verdict, health.Primary));
    }

    [Fact]
    public void A_standalone_server_needs_no_Sentinel()
    {
        var plan = Plan() with { Mode = RedisMode.Standalone, Instances = 1 };
        Assert.Equal(EngineVerdict.Healthy, RedisProbe.Judge(plan, [Member(0, Master(1), null)]).Verdict);
        Assert.Equal(EngineVerdict.Unreachable, RedisProbe.Judge(plan, [new(Engines.Pod(0, "redis"), null, null, "does not answer")]).Verdict);
    }

    [Fact]
    public void Info_is_read_as_the_server_writes_it()
    {
        var info = RedisInfo.Parse("# Server\r\nredis_version:7.0.15\r\n# Replication\r\nrole:slave\r\nmaster_host:a.b\r\nmaster_link_status:up\r\nslave_repl_offset:77\r\nmaster_repl_offset:77\r\nloading:0\r\n");
        Assert.Equal((MemberRole.Replica, "7.0.15", true, 77L, "a.b"), (info.Role, info.Version, info.LinkUp, info.Offset, info.MasterHost));
    }

    [Theory]
    [InlineData(false, 0, "false")]
    [InlineData(true, 0, "true")]
    [InlineData(false, 1, "true")]
    public void Pods_are_told_whether_there_ever_was_data(bool served, int volumes, string told)
    {
        var claims = Enumerable.Range(0, volumes).Select(_ => new Kubernetes.Model.PersistentVolumeClaim(new(Name: "data"))).ToList();
        var memory = RedisConfig.Memory(Plan(), new(new("redis", Primary: served ? "payments-redis-2" : null, Initialized: served ? true : null), Claims: claims));
        Assert.Equal(told, memory["initialized"]);
        Assert.Equal(served, memory.ContainsKey("last-primary"));
    }

    private static string Host(int ordinal) => $"payments-redis-{ordinal}.payments-redis-members.compliance.svc";

    private static RedisAnswer Member(int ordinal, RedisInfo info, SentinelAnswer? sentinel) => new(Engines.Pod(ordinal, "redis"), info, sentinel, null);

    private static RedisInfo Master(long offset) => new(MemberRole.Primary, "7.0.15", false, false, false, offset, 2, 5);

    private static RedisInfo Replica(long offset) => new(MemberRole.Replica, "7.0.15", false, true, false, offset, 0, 5, _master);

    private static SentinelAnswer Watching(string? master = null) => new(master ?? _master, true, 2, 2, 2);

    private static RedisPlan Plan() => RedisPlan.Of(new EngineNames(Engines.Stack(), "redis"), new(Mode: RedisMode.Sentinel));
}
