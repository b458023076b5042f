using System.Text;
using System.Text.Json;
using Dora.Api;
using Dora.Backup.Runs;
using Dora.Engines.Backups;
using Dora.Kubernetes.Model;
using Dora.Operator.Backups;

namespace Dora.Operator.Tests.Backups;

/// <summary>One dump goes into one empty database of servers that run, and they stop for nothing.</summary>
public sealed class DatabaseRestoreTests
{
    private static readonly RestoreTarget Copy = new(RestoreMode.Database, Database: "copy");
    private readonly BackupWorld _world = new();
    private (Job Job, Pod Pod)? _run;

    public DatabaseRestoreTests()
    {
        _world.Stack = _world.Stack with { Spec = _world.Stack.Spec with { Engines = new Dictionary<string, JsonElement> { ["postgres"] = JsonElement.Parse("""{"databases": [{"name": "copy"}]}""") } } };
        _world.Health = _world.Health! with { Primary = "shop-postgres-1" };
        _world.Backups.Add(Stored("dump", BackupType.Dump, "postgres-dump", ("database", "app"), ("parts", "all"), ("count:rows", "3")));
        _world.Backups.Add(Stored("whole", BackupType.Full, "postgres-pgbackrest"));
    }

    [Fact]
    public void It_is_written_to_the_member_that_leads_and_nothing_is_stopped_or_removed()
    {
        var status = Decide(new("dump"), Copy).Status;
        Assert.Equal((RestorePhase.Restoring, "dump"), (status.Phase, status.Backup));
        Assert.Null(RestoreRules.Holds("shop", "postgres", [Restore(new("dump"), Copy, status)]));

        var decision = Decide(new("dump"), Copy, status);
        Assert.Equal(("restore", null), (decision.Start!.Command, decision.Start.Data));
        Assert.Null(decision.Remove);
        Assert.Contains(new EnvVar("PGHOST", "shop-postgres-1.shop-postgres-members.compliance.svc"), decision.Start.Tool!.Environment);
        // Servers let in pods of this name.
        Assert.Equal(BackupPods.Role, BackupPods.Render(_world.Engine("postgres").Context, decision.Start).Spec!.Template.Metadata.Labels![Labels.Name]);

        var report = BackupWorld.Report();
        report["comparison"] = "Verified";
        _run = BackupWorld.Ended(status.Job!, report.ToJsonString());
        decision = Decide(new("dump"), Copy, status);
        Assert.Equal((RestorePhase.Succeeded, "dump"), (decision.Status.Phase, decision.Verified!.Metadata.Name));
    }

    [Fact]
    public void After_a_failure_the_servers_go_on()
    {
        var status = Decide(new("dump"), Copy).Status;
        _run = BackupWorld.Ended(status.Job!, BackupWorld.Report(false, "ToolFailed", "database copy holds 2 relations already").ToJsonString());
        var failed = Decide(new("dump"), Copy, status).Status;
        Assert.Equal((RestorePhase.Failed, "database copy holds 2 relations already"), (failed.Phase, failed.Message));
        Assert.Null(RestoreRules.Holds("shop", "postgres", [Restore(new("dump"), Copy, failed)]));
    }

    public static TheoryData<RestoreSource, RestoreTarget, string, string> Refused { get; } = new()
    {
        { new("dump"), new(RestoreMode.Database), "InvalidSpec", "database is needed with mode Database" },
        { new("dump"), new(RestoreMode.Drill, Database: "copy"), "InvalidSpec", "database is needed with mode Database" },
        { new(), Copy, "InvalidSpec", "give its name in source.backup" },
        { new("whole"), Copy, "NotSupported", "name a backup of type Dump" },
        { new("dump"), Copy with { Database = "app2" }, "UnknownDatabase", "declare it in spec.engines.postgres.databases, or choose app, copy" },
    };

    [Theory, MemberData(nameof(Refused))]
    public void What_cannot_be_is_refused_at_once(RestoreSource source, RestoreTarget target, string reason, string words)
    {
        var status = Decide(source, target).Status;
        Assert.Equal((RestorePhase.Failed, reason), (status.Phase, status.Reason));
        Assert.Contains(words, status.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void It_waits_for_a_member_that_takes_writes()
    {
        _world.Health = _world.Health! with { Primary = null };
        Assert.Equal("EngineNotServing", Decide(new("dump"), Copy).Status.Reason);
    }

    [Fact]
    public void A_dump_that_is_newer_is_not_taken_for_all_of_the_data()
    {
        var later = Stored("later", BackupType.Dump, "postgres-dump");
        _world.Backups.Add(later with { Status = later.Status! with { StartedAt = _world.Now } });
        Assert.Equal("whole", Decide(new(), new(RestoreMode.Drill)).Status.Backup);
        _world.Backups.RemoveAll(backup => backup.Metadata.Name == "whole");
        Assert.Equal("later", Decide(new(), new(RestoreMode.Drill)).Status.Backup);
    }

    [Fact]
    public void Rows_without_tables_are_no_cluster()
    {
        _world.Backups.Add(Stored("rows", BackupType.Dump, "postgres-dump", ("parts", "data")));
        Assert.Equal("OutsideWindow", Decide(new("rows"), new(RestoreMode.InPlace, Confirm: "shop")).Status.Reason);
        Assert.Equal(RestorePhase.Restoring, Decide(new("rows"), Copy).Status.Phase);
    }

    // The restored servers archive on where the backup's did. A dump's have no archive, and a copy's is nowhere that they write.
    [Theory]
    [InlineData("whole", RestoreMode.InPlace, true)]
    [InlineData("whole", RestoreMode.Drill, false)]
    [InlineData("dump", RestoreMode.InPlace, false)]
    public void What_the_restored_servers_write_to_next_must_be_this_stacks(string backup, RestoreMode mode, bool claims)
    {
        var (source, target) = (new RestoreSource(backup), new RestoreTarget(mode, Confirm: mode == RestoreMode.InPlace ? "shop" : null));
        var order = RunOrder.Parse(Encoding.UTF8.GetBytes(Decide(source, target, Decide(source, target).Status).Start!.Order));
        Assert.Equal(claims, order.Claims);
    }

    private ComplianceBackup Stored(string name, BackupType type, string content, params (string Name, string Value)[] facts)
    {
        var stored = BackupWorld.Stored(name, _world.Now.AddHours(-3));
        return stored with { Spec = stored.Spec with { Engine = "postgres", Type = type }, Status = stored.Status! with { Content = content, Facts = facts.ToDictionary(fact => fact.Name, fact => fact.Value) } };
    }

    private static ComplianceRestore Restore(RestoreSource source, RestoreTarget target, ComplianceRestoreStatus? status) =>
        new(new(Name: "again", Namespace: "compliance", Uid: "uid-again", Generation: 1), new("shop", "postgres", source, target), status);

    private RestoreDecision Decide(RestoreSource source, RestoreTarget target, ComplianceRestoreStatus? status = null) => RestoreRules.Decide(new(
        Restore(source, target, status), _world.Stack, _world.Stack, _world.Engine("postgres"), _world.Engine("postgres"), _world.Backups, _run?.Job, null, _run is { Pod: var pod } ? [pod] : [], [], null, _world.Now));
}
