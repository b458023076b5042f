using Dora.Engines;
using Dora.Engines.MongoDb;
using Dora.Engines.MongoDb.Wire;
using Dora.Kubernetes.Model;
using Dora.Testing.MongoDb;
using Xunit;

namespace Dora.Integration.Tests.MongoDb;

/// <summary>The operator's whole circle - probe, decide, execute - on a scripted replica set that enforces what a real one does.</summary>
public sealed class ReplicaSetTests : IAsyncLifetime
{
    private readonly ScriptedReplicaSet _set = new();
    private readonly Dictionary<string, ScriptedMongod> _pods = [];
    private readonly List<string> _done = [];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_set_that_was_just_founded_becomes_healthy()
    {
        Found(3);
        var health = await ConvergeAsync(Plan(new(Instances: 3)));
        Assert.Equal(("payments-mongodb-0", "8.0.4"), (health.Primary, health.Version));
        Assert.Equal(["SetDefaultWriteConcern/majority", "CreateUser/app", "CreateUser/monitor", "CreateUser/backup"], _done);
        Assert.Equal([3, 3, 3], health.Members.Select(member => member.Connections!.Value));
    }

    [Fact]
    public async Task A_healthy_set_is_asked_and_never_told()
    {
        Found(3);
        await ConvergeAsync(Plan(new(Instances: 3)));
        var before = _set.Commands.Count;
        await ConvergeAsync(Plan(new(Instances: 3)));
        string[] questions = ["admin.buildInfo", "admin.serverStatus", "admin.dbStats", "admin.replSetGetConfig", "admin.replSetGetStatus", "admin.getParameter", "admin.getDefaultRWConcern", "admin.usersInfo", "admin.rolesInfo"];
        Assert.Empty(_set.Commands.Skip(before).Except(questions));
    }

    [Fact]
    public async Task It_grows_from_one_to_three_to_five_one_member_at_a_time()
    {
        Found(1);
        await ConvergeAsync(Plan(new(Instances: 1)));
        Start(1, 2, 3, 4);
        _done.Clear();
        await ConvergeAsync(Plan(new(Instances: 5)));
        Assert.Equal(["AddMember/payments-mongodb-1", "AddMember/payments-mongodb-2", "AddMember/payments-mongodb-3", "AddMember/payments-mongodb-4"], _done);
        Assert.Equal(5, _set.Configured.Count);
    }

    [Fact]
    public async Task It_shrinks_from_five_to_three_without_its_primary_and_without_an_orphan()
    {
        Found(5);
        var plan = Plan(new(Instances: 3));
        await ConvergeAsync(Plan(new(Instances: 5)));
        _set.Elect(except: Host(0));
        _set.Elect(except: Host(1));
        while (_set.Primary != Host(4))
            MakePrimary(4);
        _done.Clear();
        var replicas = 5;
        for (var pass = 0; pass < 20 && replicas > 3; pass++)
        {
            var health = await PassAsync(plan, replicas);
            var asked = MongoDbScaleIn.Replicas(plan, Observed(plan, health, replicas));
            for (; replicas > asked; replicas--)
            {
                Assert.DoesNotContain(Host(replicas - 1), _set.Configured.Select(member => member.Host));
                _pods.Remove($"payments-mongodb-{replicas - 1}", out var gone);
                gone!.Stop();
            }
        }

        Assert.Equal(["StepDown/payments-mongodb-4", "RemoveMember/payments-mongodb-4", "RemoveMember/payments-mongodb-3"], _done);
        Assert.Equal(EngineVerdict.Healthy, (await ConvergeAsync(plan)).Verdict);
    }

    [Fact]
    public async Task Members_that_left_and_come_back_get_new_numbers()
    {
        Found(3);
        var ids = _set.Configured.ToDictionary(member => member.Host, member => member.Id);
        await ConvergeAsync(Plan(new(Instances: 3)));
        await ConvergeAsync(Plan(new(Instances: 1)));
        Assert.Equal([Host(0)], _set.Configured.Select(member => member.Host));
        await ConvergeAsync(Plan(new(Instances: 3)));
        Assert.All(_set.Configured.Skip(1), member => Assert.DoesNotContain(member.Id, ids.Values));
    }

    [Fact]
    public async Task Three_members_become_two_and_an_arbiter_and_back()
    {
        Found(3);
        await ConvergeAsync(Plan(new(Instances: 3)));
        var plan = Plan(new(Arbiter: true));
        StartArbiter(plan);
        _done.Clear();
        await ConvergeAsync(plan);
        Assert.Equal(["SetDefaultWriteConcern/1", "AddMember/payments-mongodb-arb-0", "RemoveMember/payments-mongodb-2"], _done);
        _done.Clear();
        await ConvergeAsync(Plan(new(Instances: 3)));
        Assert.Equal(["SetDefaultWriteConcern/majority", "AddMember/payments-mongodb-2", "RemoveMember/payments-mongodb-arb-0"], _done);
    }

    [Fact]
    public async Task An_arbiter_is_asked_for_nothing_that_it_cannot_know()
    {
        Found(2);
        var plan = Plan(new(Arbiter: true));
        StartArbiter(plan);
        var health = await ConvergeAsync(plan);
        Assert.Equal([MemberRole.Primary, MemberRole.Replica, MemberRole.Arbiter], health.Members.Select(member => member.Role));
    }

    [Fact]
    public async Task While_a_change_is_not_on_a_majority_no_other_is_made()
    {
        Found(1);
        await ConvergeAsync(Plan(new(Instances: 1)));
        Start(1, 2);
        _set.CommitsAtOnce = false;
        var health = await ProbeAsync(Plan(new(Instances: 3)));
        Assert.Empty(MongoDbCommands.Decide(Plan(new(Instances: 3)), new(Health: health)));
        await Assert.ThrowsAsync<InvalidOperationException>(() => ExecuteAsync(Plan(new(Instances: 3)), "AddMember/payments-mongodb-1"));
        Assert.DoesNotContain("admin.replSetReconfig", _set.Commands);
    }

    [Fact]
    public async Task A_failed_primary_is_replaced_by_the_others_and_the_operator_asks_the_new_one()
    {
        Found(3);
        await ConvergeAsync(Plan(new(Instances: 3)));
        _pods["payments-mongodb-0"].Stop();
        var health = await ProbeAsync(Plan(new(Instances: 3)));
        Assert.Equal((EngineVerdict.Degraded, "payments-mongodb-1", "payments-mongodb-0: does not answer"), (health.Verdict, health.Primary, health.Message));
        _pods["payments-mongodb-1"].Stop();
        health = await ProbeAsync(Plan(new(Instances: 3)));
        Assert.Equal((EngineVerdict.Degraded, null), (health.Verdict, health.Primary));
        _pods["payments-mongodb-2"].Stop();
        Assert.Equal(EngineVerdict.Unreachable, (await ProbeAsync(Plan(new(Instances: 3)))).Verdict);
    }

    [Fact]
    public async Task A_primary_whose_followers_lag_does_not_step_down()
    {
        Found(3);
        _pods["payments-mongodb-1"].Lag = _pods["payments-mongodb-2"].Lag = TimeSpan.FromSeconds(20);
        var refused = await Assert.ThrowsAsync<MongoException>(() => ExecuteAsync(Plan(new(Instances: 3)), "StepDown/payments-mongodb-0"));
        Assert.Equal(262, refused.Code);
        Assert.Equal(Host(0), _set.Primary);
        _pods["payments-mongodb-2"].Lag = TimeSpan.Zero;
        await ExecuteAsync(Plan(new(Instances: 3)), "StepDown/payments-mongodb-0");
        Assert.Equal(Host(2), _set.Primary);
        // Again is nothing: it is not primary any more.
        await ExecuteAsync(Plan(new(Instances: 3)), "StepDown/payments-mongodb-0");
        Assert.Equal(Host(2), _set.Primary);
    }

    [Fact]
    public async Task A_secondary_far_behind_is_named_with_its_lag()
    {
        Found(3);
        await ConvergeAsync(Plan(new(Instances: 3)));
        _pods["payments-mongodb-2"].Lag = TimeSpan.FromSeconds(45);
        var health = await ProbeAsync(Plan(new(Instances: 3)));
        Assert.Equal("payments-mongodb-2: is more than 30 s behind", health.Message);
        Assert.Equal(45, health.Members[2].LagSeconds);
    }

    [Fact]
    public async Task Each_member_tells_how_full_its_file_system_is()
    {
        Found(3);
        await ConvergeAsync(Plan(new(Instances: 3)));
        _pods["payments-mongodb-1"].UsedBytes = 900_000_000;
        var health = await ProbeAsync(Plan(new(Instances: 3)));
        Assert.Equal([new VolumeUse(100_000_000, 1 << 30), new(900_000_000, 1 << 30), new(100_000_000, 1 << 30)], health.Members.Select(member => member.Volume));
    }

    [Fact]
    public async Task An_upgrade_raises_compatibility_when_the_last_member_runs_the_new_version()
    {
        Found(3, "7.0.14");
        await ConvergeAsync(Plan(new(MongoDbVersion.V7, 3)));
        var plan = Plan(new(MongoDbVersion.V8, 3));
        foreach (var (pod, last) in (IEnumerable<(string, bool)>)[("payments-mongodb-2", false), ("payments-mongodb-1", false), ("payments-mongodb-0", true)])
        {
            _pods[pod].Version = "8.0.4";
            _done.Clear();
            await PassAsync(plan, 3);
            Assert.Equal(last ? ["SetFeatureCompatibilityVersion/8.0"] : [], _done);
        }

        Assert.Equal("8.0", _set.Compatibility);
        Assert.Equal(EngineVerdict.Healthy, (await ConvergeAsync(plan)).Verdict);
    }

    [Fact]
    public async Task A_refused_password_is_said_and_nothing_is_done()
    {
        Found(1);
        var target = Target() with { Secrets = new Dictionary<string, IReadOnlyDictionary<string, string>> { ["payments-mongodb-internal"] = new Dictionary<string, string> { ["admin-password"] = "not-the-password" } } };
        var health = await MongoDbProbe.RunAsync(Plan(new()), target, Cancel);
        Assert.Equal((EngineVerdict.Degraded, "payments-mongodb-0: the operator's password is refused"), (health.Verdict, health.Message));
        Assert.Empty(MongoDbCommands.Decide(Plan(new()), new(Health: health)));
    }

    [Fact]
    public async Task Servers_without_a_set_wait_for_the_bootstrap()
    {
        Start(0, 1, 2);
        var health = await ProbeAsync(Plan(new(Instances: 3)));
        Assert.Equal((EngineVerdict.Degraded, null), (health.Verdict, health.Primary));
        Assert.Contains("not initiated", health.Message, StringComparison.Ordinal);
        Assert.Empty(_set.Commands);
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _set.DisposeAsync();

    private void Found(int members, string version = "8.0.4")
    {
        for (var ordinal = 0; ordinal < members; ordinal++)
            _pods[$"payments-mongodb-{ordinal}"] = _set.AddServer(Host(ordinal), version);
        _set.Initiate(MongoDbPlan.AdminUser, MongoDbServers.ScriptedPassword, [.. _pods.Values]);
    }

    private void Start(params int[] ordinals)
    {
        foreach (var ordinal in ordinals)
            _pods[$"payments-mongodb-{ordinal}"] = _set.AddServer(Host(ordinal));
    }

    private void StartArbiter(MongoDbPlan plan) => _pods[plan.ArbiterPod] = _set.AddServer(plan.Host(plan.ArbiterPod));

    private void MakePrimary(int ordinal)
    {
        foreach (var pod in _pods.Values)
            pod.Lag = pod.Host == Host(ordinal) ? TimeSpan.Zero : TimeSpan.FromSeconds(1);
        _set.Elect(except: _set.Primary!);
        foreach (var pod in _pods.Values)
            pod.Lag = TimeSpan.Zero;
    }

    private static string Host(int ordinal) => MongoDbServers.Plan.Host($"payments-mongodb-{ordinal}");

    private static MongoDbPlan Plan(MongoDbSettings settings) => MongoDbServers.Of(settings);

    private EngineTarget Target() => new(
        [.. _pods.OrderBy(pod => pod.Key.Contains("-arb-", StringComparison.Ordinal)).ThenBy(pod => pod.Key, StringComparer.Ordinal).Select((pod, index) => new MemberPod(pod.Key, index, pod.Value.Address.ToString(), true, null))],
        new Dictionary<string, IReadOnlyDictionary<string, string>>
        {
            ["payments-mongodb-internal"] = new Dictionary<string, string> { ["admin-password"] = MongoDbServers.ScriptedPassword, ["monitor-password"] = "m", ["backup-password"] = "b" },
            ["payments-mongodb-app"] = new Dictionary<string, string> { ["password"] = "a" },
        });

    private Task<EngineHealth> ProbeAsync(MongoDbPlan plan) => MongoDbProbe.RunAsync(plan, Target(), Cancel);

    private static EngineObservation Observed(MongoDbPlan plan, EngineHealth health, int replicas) => new(
        Workload: new(new(Name: plan.Names.Cluster), new("s", new(), new(new(), new([])), Replicas: replicas), new StatefulSetStatus(ReadyReplicas: replicas)), Health: health);

    /// <summary>One pass of the operator: what the last probe found is acted upon.</summary>
    private async Task<EngineHealth> PassAsync(MongoDbPlan plan, int replicas)
    {
        var health = await ProbeAsync(plan);
        foreach (var command in MongoDbCommands.Decide(plan, Observed(plan, health, replicas)))
        {
            _done.Add($"{command.Name}/{command.Subject}");
            await MongoDbCommands.ExecuteAsync(plan, command, Target(), Cancel);
        }

        return await ProbeAsync(plan);
    }

    private async Task<EngineHealth> ConvergeAsync(MongoDbPlan plan)
    {
        var health = await ProbeAsync(plan);
        for (var pass = 0; pass < 12 && health.Verdict != EngineVerdict.Healthy; pass++)
            health = await PassAsync(plan, Math.Max(plan.Instances, _pods.Count));
        Assert.True(health.Verdict == EngineVerdict.Healthy, health.Message);
        return health;
    }

    private Task ExecuteAsync(MongoDbPlan plan, string command) =>
        MongoDbCommands.ExecuteAsync(plan, new(command.Split('/')[0], command.Split('/')[1], "test"), Target(), Cancel);
}
