using Dora.Api;
using Dora.Engines.Backups;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Operator.Backups;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Backups;

public sealed class RestoreRulesTests
{
    private static readonly RestoreTarget InPlace = new(RestoreMode.InPlace, Confirm: "shop");
    private readonly BackupWorld _world = new();
    private readonly List<PersistentVolumeClaim> _claims = [];
    private StatefulSet? _workload;
    private Job? _job;
    private Pod? _pod;

    public RestoreRulesTests()
    {
        _world.Backups.Add(BackupWorld.Stored("old", _world.Now.AddDays(-2)));
        _world.Backups.Add(BackupWorld.Stored("new", _world.Now.AddHours(-3)));
        _workload = Workload(3);
        _claims.AddRange([Claim("data-shop-redis-0"), Claim("data-shop-redis-1"), Claim("data-shop-redis-2")]);
    }

    [Fact]
    public void Without_the_stacks_own_name_nothing_is_replaced()
    {
        var status = Decide(BackupWorld.Restore(new(RestoreMode.InPlace, Confirm: "shopp"))).Status;
        Assert.Equal((RestorePhase.Failed, "NotConfirmed"), (status.Phase, status.Reason));
    }

    [Fact]
    public void From_a_copy_the_newest_that_is_there_is_read_there_and_the_first_place_is_not_asked()
    {
        Copied("old");
        var restore = BackupWorld.Restore(InPlace, new(Copy: "abroad"));
        var status = Decide(restore).Status;
        Assert.Equal("old", status.Backup);

        var run = Decide(restore with { Status = status }).Start!;
        Assert.Contains("https://s3.elsewhere", run.Order, StringComparison.Ordinal);
        Assert.DoesNotContain("https://s3.example", run.Order, StringComparison.Ordinal);
        var context = _world.Engine().Context;
        var pod = BackupPods.Render(context with { Backup = RunOrders.From(context.Backup, "abroad") }, run).Spec!.Template.Spec;
        Assert.Equal("elsewhere", pod.Volumes!.Single(volume => volume.Name == "store").Secret!.SecretName);
        Assert.Contains(pod.Volumes!, volume => volume.Name == "keys");
    }

    [Theory]
    [InlineData("nowhere", null, "UnknownCopy", "has no copy 'nowhere': choose from abroad")]
    [InlineData("abroad", null, "NoBackup", "no backup of redis of shop is in copy abroad")]
    [InlineData("abroad", "new", "NoBackup", "ComplianceBackup new is not in copy abroad: its status.copies says why")]
    public void A_copy_that_is_not_there_is_refused(string copy, string? backup, string reason, string words)
    {
        _world.Stack = BackupWorld.Read(BackupWorld.Settings + Copies);
        var status = Decide(BackupWorld.Restore(InPlace, new(backup, Copy: copy))).Status;
        Assert.Equal((RestorePhase.Failed, reason), (status.Phase, status.Reason));
        Assert.Contains(words, status.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_restored_from_a_copy_proves_the_copy()
    {
        Copied("old");
        var verified = RestorePlace.Verified(BackupWorld.Restore(InPlace, new(Copy: "abroad")), _world.Backups[0].Status!, _world.Now);
        Assert.Null(verified.VerifiedAt);
        Assert.Equal(_world.Now, Assert.Single(verified.Copies!).VerifiedAt);
    }

    [Fact]
    public void The_newest_backup_is_taken_and_read_whole_before_anything_is_touched()
    {
        var status = Decide(BackupWorld.Restore(InPlace)).Status;
        Assert.Equal((RestorePhase.Verifying, "new"), (status.Phase, status.Backup));

        var decision = Decide(BackupWorld.Restore(InPlace, status: status));
        Assert.Equal("verify", decision.Start!.Command);
        Assert.Null(decision.Start.Data);
        Assert.Null(decision.Remove);
    }

    [Fact]
    public void Who_is_in_a_hurry_may_have_the_servers_stopped_without_that()
    {
        var restore = BackupWorld.Restore(InPlace);
        var status = Decide(restore with { Spec = restore.Spec with { SkipVerification = true } }).Status;
        Assert.Equal((RestorePhase.Stopping, "new"), (status.Phase, status.Backup));
        Assert.Equal("again", Held(status));
    }

    [Fact]
    public void A_backup_that_cannot_be_read_whole_leaves_everything_as_it_is()
    {
        var status = Decide(BackupWorld.Restore(InPlace)).Status;
        Ends(status, BackupWorld.Report(false, "BackupBroken", "frame 7 was changed").ToJsonString());
        var failed = Decide(BackupWorld.Restore(InPlace, status: status)).Status;

        Assert.Equal((RestorePhase.Failed, "BackupBroken"), (failed.Phase, failed.Reason));
        Assert.Contains("nothing was touched", failed.Message, StringComparison.Ordinal);
        Assert.Null(RestoreRules.Holds("shop", "redis", [BackupWorld.Restore(InPlace, status: failed)]));
    }

    // A claim is not removed while a pod exists that mounts it, and the pod of a failed Job stays for its log.
    [Fact]
    public void The_pod_of_a_restore_that_failed_before_holds_no_claim_any_longer()
    {
        var status = Verified();
        _workload = Workload(0);
        status = Decide(BackupWorld.Restore(InPlace, status: status)).Status;
        var volumes = new[] { new Volume("data", PersistentVolumeClaim: new("data-shop-redis-0")) };
        var labels = new Dictionary<string, string> { [BackupPods.RunLabel] = "before-restore-1" };
        _pod = new(new("before-restore-1-x", "default", Uid: "x", Labels: labels), new([], Volumes: volumes), new("Failed"));
        Assert.Equal("before-restore-1-x", Assert.Single(Decide(BackupWorld.Restore(InPlace, status: status)).Release!).Metadata.Name);
        _pod = _pod with { Status = new("Running") };
        Assert.Empty(Decide(BackupWorld.Restore(InPlace, status: status)).Release!);
    }

    [Fact]
    public void The_servers_stop_then_their_claims_go_then_an_empty_one_is_filled_then_they_start()
    {
        var status = Verified();
        Assert.Equal(RestorePhase.Stopping, status.Phase);
        Assert.Equal("again", Held(status));

        // As long as one of them runs no claim goes.
        status = Decide(BackupWorld.Restore(InPlace, status: status)).Status;
        Assert.Equal(RestorePhase.Stopping, status.Phase);
        _workload = Workload(0);
        status = Decide(BackupWorld.Restore(InPlace, status: status)).Status;
        Assert.Equal(RestorePhase.Restoring, status.Phase);

        var decision = Decide(BackupWorld.Restore(InPlace, status: status));
        Assert.Equal(3, decision.Remove!.Count);
        Assert.Empty(decision.Release!);
        Assert.Null(decision.Start);
        _claims.Clear();
        decision = Decide(BackupWorld.Restore(InPlace, status: status));
        Assert.Equal("data-shop-redis-0", decision.Claim!.Metadata.Name);
        _claims.Add(decision.Claim);

        status = Decide(BackupWorld.Restore(InPlace, status: status)).Status;
        var run = Decide(BackupWorld.Restore(InPlace, status: status)).Start!;
        Assert.Equal(("restore", "data-shop-redis-0"), (run.Command, run.Data!.PersistentVolumeClaim!.ClaimName));
        Assert.Equal("again", Held(status));

        Ends(status, Restored());
        status = Decide(BackupWorld.Restore(InPlace, status: status)).Status;
        Assert.Equal((RestorePhase.Starting, "Verified"), (status.Phase, status.Comparison));
        Assert.Null(Held(status));

        _world.Now = _world.Now.AddMinutes(2);
        Assert.Equal(RestorePhase.Starting, Decide(BackupWorld.Restore(InPlace, status: status)).Status.Phase);
        Serves();
        decision = Decide(BackupWorld.Restore(InPlace, status: status));
        Assert.Equal((RestorePhase.Succeeded, "2m", "3h"), (decision.Status.Phase, decision.Status.MeasuredRto, decision.Status.MeasuredRpo));
        Assert.Equal("new", decision.Verified!.Metadata.Name);
    }

    [Fact]
    public void After_a_failure_that_left_no_whole_data_the_servers_stay_stopped_until_another_restore_succeeds_or_this_one_is_deleted()
    {
        var status = Emptied();
        Ends(status, BackupWorld.Report(false, "StoreUnreachable", "the store does not answer").ToJsonString());
        var failed = BackupWorld.Restore(InPlace, status: Decide(BackupWorld.Restore(InPlace, status: status)).Status);

        Assert.Equal(RestorePhase.Failed, failed.Status!.Phase);
        Assert.Contains("stays stopped", failed.Status.Message, StringComparison.Ordinal);
        Assert.Equal("again", RestoreRules.Holds("shop", "redis", [failed]));
        var later = BackupWorld.Restore(InPlace, status: new(RestorePhase.Succeeded, StartedAt: _world.Now.AddHours(1)), name: "later");
        Assert.Null(RestoreRules.Holds("shop", "redis", [failed, later]));
        Assert.Null(RestoreRules.Holds("shop", "redis", []));
        Assert.Null(RestoreRules.Holds("other", "redis", [failed]));
    }

    [Fact]
    public void A_held_engine_is_planned_with_no_members_and_says_for_whom()
    {
        var status = Verified();
        _world.Restores.Add(BackupWorld.Restore(InPlace, status: status));
        var plan = StackPlanner.Plan(_world.Observation);
        var workload = plan.Steps.OfType<PlanStep.Apply>().Single(step => step.Manifest.Resource == KubeTypes.StatefulSets.Resource);

        Assert.Equal(0, (int)workload.Manifest.Body["spec"]!["replicas"]!);
        var stack = StackStatus.Calculate(_world.Observation, plan, new([], []), new Dictionary<string, Engines.EngineHealth>(), _world.Now);
        Assert.Contains("ComplianceRestore again", stack.Engines!.Single().Message, StringComparison.Ordinal);
        // Whose volume is filled is whom the others follow.
        Assert.Equal("shop-redis-0", stack.Engines!.Single().Primary);
    }

    [Fact]
    public void A_drill_touches_nothing_of_the_stack()
    {
        var drill = new RestoreTarget(RestoreMode.Drill);
        var status = Decide(BackupWorld.Restore(drill)).Status;
        var decision = Decide(BackupWorld.Restore(drill, status: status));

        Assert.True(decision.Start!.Drill);
        // It takes no more of a node's disk than a member's volume has.
        Assert.Equal("1Gi", decision.Start.Data!.EmptyDir!.SizeLimit);
        Assert.Null(RestoreRules.Holds("shop", "redis", [BackupWorld.Restore(drill, status: status)]));
        var labels = Engines.Backups.BackupPods.Render(_world.Engine().Context, decision.Start).Spec!.Template.Metadata.Labels!;
        // Servers let in pods of another name.
        Assert.Equal("restore", labels[Labels.Name]);

        Ends(status, Restored());
        Assert.Equal(RestorePhase.Succeeded, Decide(BackupWorld.Restore(drill, status: status)).Status.Phase);
        Ends(status, BackupWorld.Report(false, "FingerprintDiffers", "count:keys is 9 and was 10").ToJsonString());
        var failed = Decide(BackupWorld.Restore(drill, status: status));
        Assert.Equal("FingerprintDiffers", failed.Status.Reason);
        Assert.Null(failed.Verified);
    }

    [Fact]
    public void A_drill_asks_the_questions_of_its_engine()
    {
        _world.Stack = BackupWorld.Read(BackupWorld.Settings + "\ndrills: {cron: '0 4 * * 6', checks: [{name: orders, engine: redis, query: GET orders, expect: '7'}]}");
        var drill = new RestoreTarget(RestoreMode.Drill);
        var run = Decide(BackupWorld.Restore(drill, status: Decide(BackupWorld.Restore(drill)).Status)).Start!;
        Assert.Equal("GET orders", Engines.Backups.BackupPods.Files(_world.Engine().Context, run).Data!["check.orders.query"]);
        Assert.Contains("\"orders\"", run.Order, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_stack_is_made_for_the_data_and_one_that_was_there_is_never_written_over()
    {
        var target = new RestoreTarget(RestoreMode.NewStack, Stack: "copy");
        var restore = BackupWorld.Restore(target);
        var decision = RestoreRules.Decide(Observed(restore) with { Target = null, To = null });
        Assert.Equal("copy", decision.Stack!.Metadata.Name);
        Assert.Null(decision.Stack.Spec.Backup);

        var foreign = _world.Stack with { Metadata = new(Name: "copy", Namespace: "compliance", Uid: "other") };
        Assert.Equal("StackExists", RestoreRules.Decide(Observed(restore) with { Target = foreign }).Status.Reason);
        Assert.Equal("CreatingStack", RestoreRules.Decide(Observed(restore) with { Target = decision.Stack }).Status.Reason);
    }

    [Fact]
    public void A_point_before_every_backup_is_refused_at_once()
    {
        var status = Decide(BackupWorld.Restore(InPlace, new(PointInTime: _world.Now.AddDays(-9)))).Status;
        Assert.Equal((RestorePhase.Failed, "NoBackup"), (status.Phase, status.Reason));
        Assert.Contains("the oldest ended at", status.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_point_in_time_is_refused_where_there_is_no_log()
    {
        var status = Decide(BackupWorld.Restore(InPlace, new(PointInTime: _world.Now.AddHours(-1)))).Status;
        Assert.Equal((RestorePhase.Failed, "OutsideWindow"), (status.Phase, status.Reason));
        Assert.Contains("name a backup instead of a time", status.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("missing", "there is no ComplianceBackup")]
    [InlineData("failed", "is Failed, not Succeeded")]
    public void A_backup_that_is_none_is_refused(string name, string words)
    {
        _world.Backups.Add(BackupWorld.Backup("failed", new(RunPhase.Failed)));
        Assert.Contains(words, Decide(BackupWorld.Restore(InPlace, new(name))).Status.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void It_does_not_wait_for_ever()
    {
        var status = Verified();
        _world.Now = _world.Now.AddHours(7);
        var late = Decide(BackupWorld.Restore(InPlace, status: status)).Status;
        Assert.Equal((RestorePhase.Failed, "DeadlineExceeded"), (late.Phase, late.Reason));
        // Nothing was removed yet: the servers start again with what they had.
        Assert.Null(Held(late));
    }

    [Fact]
    public void A_backup_that_was_deleted_meanwhile_ends_it()
    {
        var status = Verified();
        _world.Backups.Clear();
        Assert.Equal("BackupGone", Decide(BackupWorld.Restore(InPlace, status: status)).Status.Reason);
    }

    private ComplianceRestoreStatus Verified()
    {
        var status = Decide(BackupWorld.Restore(InPlace)).Status;
        Ends(status, BackupWorld.Report().ToJsonString());
        return Decide(BackupWorld.Restore(InPlace, status: status)).Status;
    }

    private const string Copies = "\ncopies: [{name: abroad, destination: {endpoint: 'https://s3.elsewhere', bucket: copies, credentialsSecret: elsewhere}}]";

    private void Copied(string name)
    {
        _world.Stack = BackupWorld.Read(BackupWorld.Settings + Copies);
        var at = _world.Backups.FindIndex(backup => backup.Metadata.Name == name);
        var status = _world.Backups[at].Status!;
        _world.Backups[at] = _world.Backups[at] with { Status = status with { Copies = [new("abroad", _world.Now, $"https://s3.elsewhere/copies/compliance/shop/redis/{status.Id}/")] } };
    }

    private ComplianceRestoreStatus Emptied()
    {
        var status = Verified();
        _workload = Workload(0);
        status = Decide(BackupWorld.Restore(InPlace, status: status)).Status;
        _claims.Clear();
        _claims.Add(Decide(BackupWorld.Restore(InPlace, status: status)).Claim!);
        return Decide(BackupWorld.Restore(InPlace, status: status)).Status;
    }

    private static string Restored()
    {
        var report = BackupWorld.Report();
        report["comparison"] = "Verified";
        return report.ToJsonString();
    }

    private static string? Held(ComplianceRestoreStatus status) => RestoreRules.Holds("shop", "redis", [BackupWorld.Restore(InPlace, status: status)]);

    private void Serves()
    {
        _workload = Workload(3);
        _world.Stack = _world.Stack with { Status = new(_world.Stack.Metadata.Generation, Engines: [new("redis", EnginePhase.Ready)]) };
    }

    private void Ends(ComplianceRestoreStatus status, string report) => (_job, _pod) = BackupWorld.Ended(status.Job!, report);

    private RestoreDecision Decide(ComplianceRestore restore) => RestoreRules.Decide(Observed(restore));

    private RestoreObservation Observed(ComplianceRestore restore) => new(
        restore,
        _world.Stack,
        _world.Stack,
        _world.Engine(),
        _world.Engine(),
        _world.Backups,
        _job?.Metadata.Name == restore.Status?.Job ? _job : null,
        _workload,
        _pod is null ? [] : [_pod],
        _claims,
        null,
        _world.Now);

    private StatefulSet Workload(int replicas)
    {
        var names = new EngineNames(_world.Engine().Context, "redis");
        return new(
            new(Name: "shop-redis", Namespace: "compliance", Uid: "uid-workload"),
            new("shop-redis-members", new(names.Selector), new(new(), new([])), replicas, VolumeClaimTemplates: [PodDefaults.DataClaim(names, new("1Gi"))]),
            new(Replicas: replicas));
    }

    private static PersistentVolumeClaim Claim(string name) => new(new(Name: name, Namespace: "compliance", Uid: $"uid-{name}"));
}
