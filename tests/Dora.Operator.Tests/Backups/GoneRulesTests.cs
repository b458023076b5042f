using Dora.Api;
using Dora.Operator.Backups;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Backups;

public sealed class GoneRulesTests
{
    private readonly FindWorld _world = new();

    private BackupWorld World => _world.World;

    [Fact]
    public void What_a_run_removed_says_that_it_expired_and_is_refused_at_once()
    {
        Fill(removed: [0, 1]);
        Mark();
        Assert.Equal([RunPhase.Gone, RunPhase.Gone, RunPhase.Succeeded, RunPhase.Succeeded], World.Backups.Select(backup => backup.Status!.Phase));
        Assert.Equal("Expired", World.Backups[0].Status!.Reason);
        Assert.Empty(GoneRules.Steps(World.Observation));

        var restore = BackupWorld.Restore(new(RestoreMode.Drill), new("backup-0"));
        var refused = RestoreRules.Decide(new(restore, World.Stack, World.Stack, World.Engine(), World.Engine(), World.Backups, null, null, [], [], null, World.Now)).Status;
        Assert.Equal((RestorePhase.Failed, "NoBackup"), (refused.Phase, refused.Reason));
        Assert.Contains("backup-0 is Gone", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Where_too_many_went_to_be_listed_those_that_stayed_tell_which()
    {
        Fill(stayed: [1, 3]);
        World.Backups.Add(BackupWorld.Stored("younger", World.Now.AddDays(1)));
        Mark();
        Assert.Equal([RunPhase.Gone, RunPhase.Succeeded, RunPhase.Gone, RunPhase.Succeeded, RunPhase.Succeeded], World.Backups.Select(backup => backup.Status!.Phase));
    }

    [Fact]
    public void The_record_goes_thirty_days_later_and_not_before()
    {
        Fill(removed: [0]);
        Mark();
        World.Now = World.Now.AddDays(30).AddSeconds(-1);
        Assert.Empty(GoneRules.Steps(World.Observation));
        World.Now = World.Now.AddSeconds(1);
        Assert.Equal("backup-0", Assert.IsType<PlanStep.Discard>(Assert.Single(GoneRules.Steps(World.Observation))).Name);
    }

    [Fact]
    public void The_report_of_an_expiry_is_kept_in_its_record()
    {
        World.Stack = BackupWorld.Read(BackupWorld.Settings + "\nkeep: {last: 2}");
        var stored = BackupWorld.Stored("first", World.Now);
        var begun = BackupRules.Decide(World.Of(stored));
        var report = BackupWorld.Report();
        report["removed"] = new System.Text.Json.Nodes.JsonArray("20261102t030000z-aaaaaa", "20261101t030000z-aaaaaa");
        var (job, pod) = BackupWorld.Ended(begun.Start!.Name, report.ToJsonString());

        var status = BackupRules.Decide(World.Of(stored with { Status = begun.Status }, job, pod)).Status;

        Assert.Equal(["20261101t030000z-aaaaaa", "20261102t030000z-aaaaaa"], status.Removed);
        Assert.Null(status.Stayed);
    }

    private void Fill(int[]? removed = null, int[]? stayed = null)
    {
        foreach (var day in Enumerable.Range(0, 4))
            World.Backups.Add(BackupWorld.Stored($"backup-{day}", World.Now.AddDays(day - 4)));
        string[]? Ids(int[]? days) => days is null ? null : [.. days.Select(day => World.Backups[day].Status!.Id!)];
        World.Backups[3] = World.Backups[3] with { Status = World.Backups[3].Status! with { Removed = Ids(removed), Stayed = Ids(stayed) } };
    }

    private void Mark()
    {
        foreach (var record in GoneRules.Steps(World.Observation).Cast<PlanStep.RecordBackup>().ToList())
            World.Backups[World.Backups.FindIndex(backup => backup.Metadata.Name == record.Backup.Metadata.Name)] = record.Backup with { Status = record.Status };
    }
}
