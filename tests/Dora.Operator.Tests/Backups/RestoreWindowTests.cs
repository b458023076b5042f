using System.Text.Json;
using Dora.Api;
using Dora.Operator.Backups;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Backups;

/// <summary>To which points PostgreSQL can be restored, and what is said of those to which it cannot.</summary>
public sealed class RestoreWindowTests
{
    private static readonly RestoreTarget InPlace = new(RestoreMode.InPlace, Confirm: "shop");
    private readonly BackupWorld _world = new();

    public RestoreWindowTests()
    {
        _world.Stack = _world.Stack with { Spec = _world.Stack.Spec with { Engines = new Dictionary<string, JsonElement> { ["postgres"] = JsonElement.Parse("{}") } } };
        _world.Backups.Add(Stored("old", _world.Now.AddDays(-2), "0/5000100"));
        _world.Backups.Add(Stored("new", _world.Now.AddHours(-3), "1/100"));
    }

    [Theory]
    [InlineData("0/5000100", "old")]
    [InlineData("0/FFFFFFFF", "old")]
    [InlineData("1/100", "new")]
    [InlineData("A/0", "new")]
    public void A_position_is_reached_from_the_newest_backup_that_ended_before_it(string lsn, string expected)
    {
        var status = Decide(new(Lsn: lsn)).Status;
        Assert.Equal((RestorePhase.Verifying, expected), (status.Phase, status.Backup));
    }

    [Fact]
    public void A_name_is_looked_for_in_the_log_after_the_newest_backup_or_the_one_that_is_named()
    {
        Assert.Equal("new", Decide(new(RestorePoint: "before migration")).Status.Backup);
        Assert.Equal("old", Decide(new("old", RestorePoint: "before migration")).Status.Backup);
    }

    [Fact]
    public void A_position_before_every_backup_is_refused_with_where_the_window_begins()
    {
        var status = Decide(new(Lsn: "0/50000FF")).Status;
        Assert.Equal((RestorePhase.Failed, "NoBackup"), (status.Phase, status.Reason));
        Assert.Contains("0/5000100", status.Message, StringComparison.Ordinal);

        status = Decide(new("new", Lsn: "0/5000100")).Status;
        Assert.Equal((RestorePhase.Failed, "OutsideWindow"), (status.Phase, status.Reason));
        Assert.Contains("1/100 to what was archived", status.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_dump_has_no_log()
    {
        _world.Backups.Add(Stored("dump", _world.Now.AddHours(-1), null, "postgres-dump"));
        Assert.Equal("OutsideWindow", Decide(new("dump", RestorePoint: "migration")).Status.Reason);
    }

    public static TheoryData<RestoreSource, string> Contradictions { get; } = new()
    {
        { new(PointInTime: new(2026, 11, 21, 0, 0, 0, TimeSpan.Zero), Lsn: "0/1"), "give one of pointInTime, lsn and restorePoint" },
        { new(Lsn: "0/1", RestorePoint: "a"), "give one of pointInTime, lsn and restorePoint" },
        { new(RestorePoint: "a", Exclusive: true), "exclusive belongs to pointInTime or lsn" },
        { new("new", Exclusive: true), "exclusive belongs to pointInTime or lsn" },
        { new(Lsn: "here"), "spec.source.lsn: 'here' is no position in the log" },
        { new(Lsn: "0/1\n"), "is no position in the log" },
        // It comes to stand in the servers' configuration.
        { new(RestorePoint: "a'\narchive_command = 'rm"), "spec.source.restorePoint: give letters" },
        { new(RestorePoint: "a\n"), "spec.source.restorePoint: give letters" },
    };

    [Theory, MemberData(nameof(Contradictions))]
    public void What_the_schema_refuses_is_refused_again(RestoreSource source, string expected)
    {
        var status = Decide(source).Status;
        Assert.Equal((RestorePhase.Failed, "InvalidSpec"), (status.Phase, status.Reason));
        Assert.Contains(expected, status.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Positions_in_a_log_are_no_other_engines() => Assert.Equal(
        $"spec.source: {RestoreSource.OnlyPostgres}", RestoreWindow.Contradiction(new("shop", "redis", new(Lsn: "0/1"), InPlace)));

    [Fact]
    public void The_tool_reads_what_it_stored_before_anything_is_touched_and_is_told_up_to_where()
    {
        var source = new RestoreSource(Lsn: "1/200", Exclusive: true);
        var decision = Decide(source, Decide(source).Status);

        Assert.Equal(("inspect", "verify-pgbackrest.sh"), (decision.Start!.Command, decision.Start.Tool!.Script));
        Assert.Null(decision.Start.Data);
        Assert.Equal([("TARGET_TYPE", "lsn"), ("TARGET", "1/200"), ("TARGET_EXCLUSIVE", "1")], decision.Start.Tool.Environment.Select(variable => (variable.Name, variable.Value)));
        // It reaches no server.
        Assert.Equal("restore", Engines.Backups.BackupPods.Render(_world.Engine("postgres").Context, decision.Start).Spec!.Template.Metadata.Labels![Labels.Name]);
    }

    [Fact]
    public void How_old_the_restored_state_was_is_known_from_the_log()
    {
        var found = new Dictionary<string, string> { ["until"] = "2026-11-21T11:30:00.123456Z" };
        Assert.Equal(new DateTimeOffset(2026, 11, 21, 11, 30, 0, TimeSpan.Zero).AddTicks(1_234_560), RestoreWindow.State(new(RestorePoint: "a"), null, found));
        Assert.Null(RestoreWindow.State(new(RestorePoint: "a"), null, null));
    }

    [Fact]
    public void The_stacks_status_says_where_the_window_begins()
    {
        var entry = BackupReport.Entries(StackPlanner.Plan(_world.Observation), _world.Observation)!.Engines!.Single();
        Assert.Equal((_world.Now.AddDays(-3), "0/4000000"), (entry.RestorableFrom, entry.RestorableFromLsn));
    }

    private ComplianceBackup Stored(string name, DateTimeOffset at, string? stop, string content = "postgres-pgbackrest")
    {
        var stored = BackupWorld.Stored(name, at);
        var facts = new Dictionary<string, string> { ["label"] = name };
        if (stop is not null)
            (facts["lsn-stop"], facts["window-from"], facts["window-from-lsn"]) = (stop, _world.Now.AddDays(-3).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", null), "0/4000000");
        return stored with { Spec = stored.Spec with { Engine = "postgres" }, Status = stored.Status! with { Content = content, Facts = facts } };
    }

    private RestoreDecision Decide(RestoreSource source, ComplianceRestoreStatus? status = null) => RestoreRules.Decide(new(
        new(new(Name: "again", Namespace: "compliance", Uid: "uid-again", Generation: 1), new("shop", "postgres", source, InPlace), status),
        _world.Stack,
        _world.Stack,
        _world.Engine("postgres"),
        _world.Engine("postgres"),
        _world.Backups,
        null,
        null,
        [],
        [],
        null,
        _world.Now));
}
