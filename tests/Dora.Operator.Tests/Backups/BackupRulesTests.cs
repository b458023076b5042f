using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Backups;
using Dora.Operator.Backups;

namespace Dora.Operator.Tests.Backups;

public sealed class BackupRulesTests
{
    private readonly BackupWorld _world = new();

    [Fact]
    public void Its_id_is_written_down_before_anything_is_made()
    {
        var decision = BackupRules.Decide(_world.Of(BackupWorld.Backup()));

        Assert.Equal((RunPhase.Running, BackupRules.Starting), (decision.Status.Phase, decision.Status.Reason));
        Assert.StartsWith("20261121t120000z-", decision.Status.Id, StringComparison.Ordinal);
        Assert.Equal($"https://s3.example/backups/eu/compliance/shop/redis/{decision.Status.Id}/", decision.Status.Location);
        Assert.Null(decision.Start);
    }

    [Fact]
    public void The_member_that_follows_most_closely_is_read()
    {
        var status = BackupRules.Decide(_world.Of(BackupWorld.Backup())).Status;
        Assert.Equal("shop-redis-2", status.Source);

        var run = BackupRules.Decide(_world.Of(BackupWorld.Backup(status: status))).Start!;
        Assert.Contains(run.Tool!.Environment, variable => variable is { Name: "HOST", Value: "shop-redis-2.shop-redis-members.compliance.svc" });
        Assert.Equal("backup", run.Command);
    }

    [Fact]
    public void Where_nobody_follows_the_primary_is_read()
    {
        _world.Health = _world.Health! with { Members = [new("shop-redis-0", MemberRole.Primary, true)] };
        Assert.Equal("shop-redis-0", BackupRules.Decide(_world.Of(BackupWorld.Backup())).Status.Source);
    }

    [Fact]
    public void It_waits_while_no_member_serves_and_while_another_run_is_under_way()
    {
        Assert.Equal("Busy", BackupRules.Decide(_world.Of(BackupWorld.Backup(), busy: "ComplianceBackup other")).Status.Reason);
        _world.Health = null;
        var decision = BackupRules.Decide(_world.Of(BackupWorld.Backup()));
        Assert.Equal((RunPhase.Pending, "EngineNotServing"), (decision.Status.Phase, decision.Status.Reason));
        Assert.NotNull(decision.Again);
    }

    [Fact]
    public void What_cannot_be_done_fails_at_once_and_says_why()
    {
        var unknown = BackupWorld.Backup() with { Spec = new("shop", "postgres") };
        Assert.Contains("choose from redis", BackupRules.Decide(new(unknown, _world.Stack, _world.Engine("postgres"), null, [], null, _world.Now)).Status.Message, StringComparison.Ordinal);
        var log = BackupRules.Decide(_world.Of(BackupWorld.Backup(type: BackupType.Log)));
        Assert.Equal((RunPhase.Failed, "NotSupported"), (log.Status.Phase, log.Status.Reason));
    }

    [Fact]
    public void An_engine_that_knows_only_whole_backups_makes_a_whole_one() =>
        Assert.Equal(RunPhase.Running, BackupRules.Decide(_world.Of(BackupWorld.Backup(type: BackupType.Incremental))).Status.Phase);

    [Fact]
    public void A_stack_that_is_not_there_yet_is_waited_for() =>
        Assert.Equal("StackMissing", BackupRules.Decide(new(BackupWorld.Backup(), null, null, null, [], null, _world.Now)).Status.Reason);

    [Fact]
    public void Success_is_what_the_agent_reports_and_nothing_else()
    {
        var begun = Begun();
        var (job, pod) = BackupWorld.Ended(begun.Job!, BackupWorld.Report().ToJsonString());
        var status = BackupRules.Decide(_world.Of(BackupWorld.Backup(status: begun), job, pod)).Status;

        Assert.Equal(RunPhase.Succeeded, status.Phase);
        Assert.Equal((1000, 400, "current", "10"), (status.Bytes, status.StoredBytes, status.KeyId, status.Facts!["count:keys"]));

        // An API server of 1.20 takes an empty text for null, and refuses it.
        Assert.DoesNotContain("prior-label", status.Facts.Keys);

        // A pod that ended well and says nothing has stored nothing that anybody knows of.
        (job, pod) = BackupWorld.Ended(begun.Job!, "");
        Assert.Equal(RunPhase.Failed, BackupRules.Decide(_world.Of(BackupWorld.Backup(status: begun), job, pod)).Status.Phase);
        (job, pod) = BackupWorld.Ended(begun.Job!, """{"reason": "Completed"}""");
        Assert.Equal(RunPhase.Failed, BackupRules.Decide(_world.Of(BackupWorld.Backup(status: begun), job, pod)).Status.Phase);
    }

    [Fact]
    public void A_failure_is_final_and_keeps_the_words_of_the_agent()
    {
        var begun = Begun();
        var (job, pod) = BackupWorld.Ended(begun.Job!, BackupWorld.Report(false, "StoreFull", "the bucket is full").ToJsonString());
        var failed = BackupRules.Decide(_world.Of(BackupWorld.Backup(status: begun), job, pod)).Status;

        Assert.Equal((RunPhase.Failed, "StoreFull", "the bucket is full"), (failed.Phase, failed.Reason, failed.Message));
        _world.Now = _world.Now.AddDays(1);
        var later = BackupRules.Decide(_world.Of(BackupWorld.Backup(status: failed), job, pod));
        Assert.Equal(failed, later.Status);
        Assert.Null(later.Start);
        Assert.Equal(job, later.End);
    }

    [Fact]
    public void A_job_that_vanished_has_failed_and_is_not_made_again()
    {
        var running = Begun() with { Reason = "Running" };
        var decision = BackupRules.Decide(_world.Of(BackupWorld.Backup(status: running)));
        Assert.Equal((RunPhase.Failed, "JobGone"), (decision.Status.Phase, decision.Status.Reason));
        Assert.Null(decision.Start);
    }

    [Fact]
    public void A_job_that_ran_out_of_time_has_failed()
    {
        var running = Begun() with { Reason = "Running" };
        var job = BackupWorld.Running(running.Job!) with { Status = new([new("Failed", "True", "DeadlineExceeded", "Job was active longer than specified deadline")]) };
        var status = BackupRules.Decide(_world.Of(BackupWorld.Backup(status: running), job)).Status;
        Assert.Equal((RunPhase.Failed, "DeadlineExceeded"), (status.Phase, status.Reason));
    }

    [Fact]
    public void What_is_over_costs_no_writes()
    {
        var stored = BackupWorld.Stored("first", _world.Now);
        stored = stored with { Status = stored.Status! with { Protection = BackupChores.Protected } };
        var settled = BackupRules.Decide(_world.Of(stored)).Status;
        Assert.Equal(settled, BackupRules.Decide(_world.Of(stored with { Status = settled })).Status);
        Assert.Null(BackupRules.Decide(_world.Of(stored with { Status = settled })).Again);
    }

    [Fact]
    public void After_the_newest_backup_old_ones_go_and_then_it_is_tried_whether_they_could_be_removed()
    {
        _world.Stack = BackupWorld.Read(BackupWorld.Settings + "\nkeep: {last: 2}");
        var stored = BackupWorld.Stored("first", _world.Now);
        var decision = BackupRules.Decide(_world.Of(stored));
        Assert.Equal("expire", decision.Start!.Command);
        Assert.Contains("\"last\":2", decision.Start.Order, StringComparison.Ordinal);

        var report = BackupWorld.Report();
        report["facts"] = new JsonObject { ["kept"] = "2", ["removed"] = "5" };
        var (job, pod) = BackupWorld.Ended(decision.Start.Name, report.ToJsonString());
        decision = BackupRules.Decide(_world.Of(stored with { Status = decision.Status }, job, pod));
        Assert.Equal("kept 2, removed 5", decision.Status.Expiry);

        decision = BackupRules.Decide(_world.Of(stored with { Status = decision.Status }));
        Assert.Equal("protect", decision.Start!.Command);
        (job, pod) = BackupWorld.Ended(decision.Start.Name, BackupWorld.Report(true, "NotProtected", "enable versioning").ToJsonString());
        decision = BackupRules.Decide(_world.Of(stored with { Status = decision.Status }, job, pod));
        Assert.Equal(("enable versioning", RunPhase.Succeeded), (decision.Status.Protection, decision.Status.Phase));
        Assert.Null(BackupRules.Decide(_world.Of(stored with { Status = decision.Status })).Start);
    }

    [Fact]
    public void Chores_are_done_after_the_newest_backup_only_and_that_of_the_lock_once_a_day()
    {
        var older = BackupWorld.Stored("older", _world.Now.AddHours(-2));
        _world.Backups.Add(BackupWorld.Stored("newer", _world.Now));
        Assert.Null(BackupRules.Decide(_world.Of(older)).Start);

        _world.Backups.Clear();
        _world.Backups.Add(older with { Status = older.Status! with { Protection = BackupChores.Protected } });
        Assert.Null(BackupRules.Decide(_world.Of(BackupWorld.Stored("newer", _world.Now))).Start);
        Assert.Equal("protect", BackupRules.Decide(_world.Of(BackupWorld.Stored("next", _world.Now.AddDays(1)))).Start!.Command);
    }

    [Fact]
    public void A_chore_that_fails_leaves_the_backup_as_good_as_it_was()
    {
        _world.Stack = BackupWorld.Read(BackupWorld.Settings + "\nkeep: {last: 2}");
        var stored = BackupWorld.Stored("first", _world.Now);
        var begun = BackupRules.Decide(_world.Of(stored));
        var (job, pod) = BackupWorld.Ended(begun.Start!.Name, BackupWorld.Report(false, "StoreDenied", "grant s3:DeleteObject").ToJsonString());
        var status = BackupRules.Decide(_world.Of(stored with { Status = begun.Status }, job, pod)).Status;
        Assert.Equal(RunPhase.Succeeded, status.Phase);
        Assert.Contains("grant s3:DeleteObject", status.Expiry, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_the_agent_holds_the_keys_and_only_the_tool_the_passwords_of_servers()
    {
        var run = BackupRules.Decide(_world.Of(BackupWorld.Backup(status: Begun()))).Start!;
        var pod = BackupPods.Render(_world.Engine().Context, run).Spec!.Template.Spec;
        var (agent, tool) = (pod.Containers.Single(container => container.Name == "agent"), pod.Containers.Single(container => container.Name == "tool"));

        Assert.DoesNotContain(tool.VolumeMounts!, mount => mount.Name is "keys" or "store");
        Assert.DoesNotContain(agent.Env ?? [], variable => variable.ValueFrom is not null);
        Assert.Contains(tool.Env!, variable => variable.ValueFrom?.SecretKeyRef is { Name: "shop-redis-internal" });
        Assert.False(pod.AutomountServiceAccountToken);
        Assert.All(pod.Containers.Concat(pod.InitContainers!), container => Assert.True(container.SecurityContext!.ReadOnlyRootFilesystem));
        // What a server's selector finds it would take for a member.
        Assert.DoesNotContain(Labels.Engine, BackupPods.Render(_world.Engine().Context, run).Spec!.Template.Metadata.Labels!.Keys);
    }

    [Fact]
    public void The_order_holds_no_secret_and_says_whose_data_it_is()
    {
        var run = BackupRules.Decide(_world.Of(BackupWorld.Backup(status: Begun()))).Start!;
        var order = JsonNode.Parse(run.Order)!;
        Assert.Equal("7b6f7c0e", (string?)order["origin"]!["uid"]);
        Assert.Equal("backups", (string?)order["store"]!["bucket"]);
        Assert.DoesNotContain("accessKey", run.Order, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void Of_two_that_wait_the_older_goes_first_and_one_that_runs_before_both()
    {
        var (older, younger) = (Created("older", 0), Created("younger", 1));
        Assert.Null(RunTurns.Before(RunTurns.Turn(older), [older, younger], []));
        Assert.Equal("ComplianceBackup older", RunTurns.Before(RunTurns.Turn(younger), [older, younger], []));
        var running = Created("running", 2) with { Status = new(RunPhase.Running) };
        Assert.Equal("ComplianceBackup running", RunTurns.Before(RunTurns.Turn(older), [older, younger, running], []));
        Assert.Null(RunTurns.Before(RunTurns.Turn(running), [older, younger, running], []));
        // One that has failed blocks nothing.
        Assert.Null(RunTurns.Before(RunTurns.Turn(younger), [older with { Status = new(RunPhase.Failed) }, younger], []));
    }

    [Fact]
    public void A_drill_waits_for_no_backup()
    {
        var drill = BackupWorld.Restore(new(RestoreMode.Drill));
        Assert.Null(RunTurns.Before(RunTurns.Turn(drill), [Created("running", 0) with { Status = new(RunPhase.Running) }], [drill]));
    }

    private ComplianceBackupStatus Begun() => BackupRules.Decide(_world.Of(BackupWorld.Backup())).Status;

    private ComplianceBackup Created(string name, int minute) =>
        BackupWorld.Backup(name) is var backup ? backup with { Metadata = backup.Metadata with { CreationTimestamp = _world.Now.AddMinutes(minute) } } : backup;
}
