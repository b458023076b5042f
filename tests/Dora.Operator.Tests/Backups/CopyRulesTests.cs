using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Backup.Runs;
using Dora.Engines.Backups;
using Dora.Operator.Backups;

namespace Dora.Operator.Tests.Backups;

public sealed class CopyRulesTests
{
    private const string Copies = """

        copies:
        - {name: abroad, destination: {endpoint: "https://s3.elsewhere:9000", bucket: copies, prefix: there, credentialsSecret: elsewhere, caSecret: their-ca}}
        """;

    private readonly BackupWorld _world = new(BackupWorld.Settings + Copies);

    [Fact]
    public void After_a_backup_a_job_copies_it_and_holds_no_key()
    {
        var decision = Decide(Stored("first"));

        Assert.Equal(("copy", decision.Status.Job), (decision.Start!.Command, decision.Start.Name));
        Assert.Equal((CopyRules.Copying, 1), (Entry(decision).Reason, Entry(decision).Attempts));
        var order = RunOrder.Parse(System.Text.Encoding.UTF8.GetBytes(decision.Start.Order));
        Assert.Equal(("https://s3.example/backups/eu", "https://s3.elsewhere:9000/copies/there", new string('a', 64)), ($"{order.Store}", $"{order.Copy!.Store}", order.Copy.Manifest));

        var pod = BackupPods.Render(_world.Engine().Context, decision.Start).Spec!.Template;
        var agent = Assert.Single(pod.Spec.Containers);
        Assert.Equal(["store", "target", "their-ca"], pod.Spec.Volumes!.Select(volume => volume.Name switch { "store" or "target" => volume.Name, "target-ca" => volume.Secret!.SecretName, _ => "" }).Where(name => name.Length > 0));
        Assert.Equal("elsewhere", pod.Spec.Volumes!.Single(volume => volume.Name == "target").Secret!.SecretName);
        Assert.DoesNotContain(pod.Spec.Volumes!, volume => volume.Name is "keys" or "vault");
        Assert.Equal(["--target-ca", "/target-ca/ca.crt"], agent.Args!.TakeLast(2));
        // It knocks at no server.
        Assert.Equal("restore", pod.Metadata.Labels![Labels.Name]);
    }

    [Fact]
    public void A_key_of_Vault_is_not_in_the_pod_of_a_copy()
    {
        _world.Stack = BackupWorld.Read("""
            destination: {endpoint: "https://s3.example", bucket: backups, prefix: eu, credentialsSecret: store}
            encryption: {vault: {key: compliance.backups, role: backup, address: "https://vault:8200", caSecret: vault-ca}}
            """ + Copies);
        var run = Decide(Stored("first")).Start!;
        var pod = BackupPods.Render(_world.Engine().Context, run).Spec!.Template.Spec;

        Assert.DoesNotContain(pod.Volumes!, volume => volume.Name.StartsWith("vault", StringComparison.Ordinal));
        Assert.DoesNotContain("vault", run.Order, StringComparison.Ordinal);
        Assert.DoesNotContain("--vault-ca", pod.Containers[0].Args!);
    }

    [Fact]
    public void What_the_agent_read_back_there_is_the_copy_and_is_not_made_again()
    {
        var begun = Stored("first") is var stored ? stored with { Status = Decide(stored).Status } : null!;
        var copied = begun with { Status = Ends(begun, BackupWorld.Report()) };

        Assert.Equal(("https://s3.elsewhere:9000/copies/there/compliance/shop/redis/20261121t120000z-abc123/", new string('a', 64), CopyRules.Copied), (Entry(copied).Location, Entry(copied).ManifestSha256, Entry(copied).Reason));
        Assert.NotNull(Entry(copied).At);
        Assert.Null(Entry(copied).Message);
        var again = Decide(copied);
        Assert.Null(again.Start);
        Assert.Equal(copied.Status, again.Status);
    }

    [Fact]
    public void A_copy_with_another_manifest_is_none()
    {
        var begun = Stored("first") is var stored ? stored with { Status = Decide(stored).Status } : null!;
        var report = BackupWorld.Report();
        report["manifest"] = new string('b', 64);

        Assert.Equal((null, "BackupBroken"), (Entry(Ends(begun, report)).At, Entry(Ends(begun, report)).Reason));
    }

    [Fact]
    public void A_failed_copy_is_tried_again_later_each_time_and_the_backup_is_as_good_as_it_was()
    {
        var backup = Stored("first");
        var delays = new List<TimeSpan>();
        foreach (var attempt in Enumerable.Range(1, 12))
        {
            var begun = Decide(backup);
            Assert.Equal(attempt, Entry(begun).Attempts);
            backup = backup with { Status = begun.Status };
            backup = backup with { Status = Ends(backup, BackupWorld.Report(false, "StoreDenied", "grant it to this access key")) };
            Assert.Equal(("StoreDenied", "StoreDenied: grant it to this access key", RunPhase.Succeeded), (Entry(backup).Reason, Entry(backup).Message, backup.Status!.Phase));
            var waits = Decide(backup);
            Assert.Null(waits.Start);
            delays.Add(waits.Again!.Value);
            _world.Now = Entry(backup).RetryAt!.Value;
        }

        Assert.Equal(delays.Order(), delays);
        Assert.Equal((TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(2), TimeSpan.FromHours(6)), (delays[0], delays[1], delays[^1]));
    }

    [Fact]
    public void The_newest_is_copied_first_and_one_at_a_time()
    {
        var (older, newer) = (Stored("older", hours: -2), Stored("newer"));
        _world.Backups.AddRange([older, newer]);
        var begun = Decide(newer);
        Assert.NotNull(begun.Start);
        Assert.Null(Decide(older).Start);
        Assert.NotNull(Decide(older).Again);

        Replace(newer with { Status = begun.Status });
        var newest = Stored("newest", hours: 1);
        _world.Backups.Add(newest);
        Assert.Null(Decide(newest).Start);

        Replace(Copied(newer));
        Assert.Null(Decide(older).Start);
        Replace(Copied(newest));
        Assert.Equal("copy", Decide(older).Start!.Command);
    }

    [Fact]
    public void One_that_waits_for_its_next_try_holds_up_no_other()
    {
        var newer = Stored("newer");
        newer = newer with { Status = newer.Status! with { Copies = [new("abroad", Attempts: 3, RetryAt: _world.Now.AddMinutes(4), Reason: "StoreFull", Message: "StoreFull: make room")] } };
        var older = Stored("older", hours: -2);
        _world.Backups.AddRange([older, newer]);

        Assert.Equal(TimeSpan.FromMinutes(4), Decide(newer).Again);
        Assert.NotNull(Decide(older).Start);
    }

    [Fact]
    public void Copies_wait_for_other_runs_of_the_engine()
    {
        var waits = Decide(Stored("first"), busy: "ComplianceBackup other");
        Assert.Null(waits.Start);
        Assert.Null(waits.Status.Copies);
        Assert.NotNull(waits.Again);
    }

    [Fact]
    public void What_no_rule_keeps_here_or_there_is_not_copied()
    {
        _world.Stack = BackupWorld.Read(BackupWorld.Settings + "\nkeep: {last: 2}" + Copies);
        var oldest = Settled(Stored("oldest", hours: -3));
        _world.Backups.AddRange([oldest, Copied(Settled(Stored("older", hours: -2))), Copied(Settled(Stored("newest")))]);
        Assert.Null(Decide(oldest).Start);
        Assert.Null(Decide(oldest).Again);
    }

    [Fact]
    public void A_place_that_moved_is_filled_anew()
    {
        var copied = Copied(Stored("first"));
        _world.Stack = BackupWorld.Read(BackupWorld.Settings + Copies.Replace("bucket: copies", "bucket: others", StringComparison.Ordinal));
        Assert.Equal("copy", Decide(copied).Start!.Command);
    }

    [Fact]
    public void When_a_place_leaves_the_spec_what_is_there_stays_on_record_and_the_rest_is_forgotten()
    {
        var copied = Copied(Stored("first"));
        copied = copied with { Status = copied.Status! with { Copies = [.. copied.Status.Copies!, new("gone", Attempts: 1, Reason: CopyRules.Copying)] } };
        Assert.Equal("abroad", Assert.Single(Decide(copied).Status.Copies!).Name);
        _world.Stack = BackupWorld.Read(BackupWorld.Settings);
        Assert.Equal("abroad", Assert.Single(Decide(copied).Status.Copies!).Name);
    }

    [Fact]
    public void Rules_of_the_place_are_applied_there_after_its_newest()
    {
        _world.Stack = BackupWorld.Read(BackupWorld.Settings + Copies.TrimEnd('}', '\n') + "}, keep: {last: 5, timeZone: Europe/Berlin}}");
        var copied = Copied(Stored("first"));
        var decision = Decide(copied);

        Assert.Equal(("expire", "https://s3.elsewhere:9000/copies/there"), (decision.Start!.Command, $"{RunOrder.Parse(System.Text.Encoding.UTF8.GetBytes(decision.Start.Order)).Store}"));
        Assert.Equal("elsewhere", BackupPods.Render(_world.Engine().Context, decision.Start).Spec!.Template.Spec.Volumes!.Single(volume => volume.Name == "store").Secret!.SecretName);
        Assert.Contains("\"last\":5", decision.Start.Order, StringComparison.Ordinal);
        copied = copied with { Status = decision.Status };
        var report = BackupWorld.Report();
        report["facts"] = new JsonObject { ["kept"] = "5" };
        copied = copied with { Status = Ends(copied, report) };
        Assert.Equal("kept 5", Entry(copied).Expiry);
        Assert.Null(Decide(copied).Start);
    }

    [Fact]
    public void The_job_of_a_try_that_failed_goes_with_the_next()
    {
        var first = Stored("first");
        Assert.Null(BackupRules.Decide(_world.Of(first, BackupWorld.Running("the-backups-own"))).End);
        var failed = first with { Status = Decide(first).Status };
        failed = failed with { Status = Ends(failed, BackupWorld.Report(false, "StoreFull", "make room")) };
        _world.Now = _world.Now.AddMinutes(1);

        var decision = BackupRules.Decide(_world.Of(failed, BackupWorld.Running(failed.Status!.Job!)));

        Assert.Equal((failed.Status.Job, 2), (decision.End!.Metadata.Name, Entry(decision).Attempts));
        Assert.NotEqual(failed.Status.Job, decision.Start!.Name);
        // Its words stay until it is known how this try ends.
        Assert.Equal("StoreFull: make room", Entry(decision).Message);
    }

    private static BackupCopyStatus Entry(RunDecision<ComplianceBackupStatus> decision) => Assert.Single(decision.Status.Copies!);

    private static BackupCopyStatus Entry(ComplianceBackup backup) => Assert.Single(backup.Status!.Copies!);

    private static BackupCopyStatus Entry(ComplianceBackupStatus status) => Assert.Single(status.Copies!);

    private ComplianceBackup Stored(string name, int hours = 0)
    {
        var stored = BackupWorld.Stored(name, new DateTimeOffset(2026, 11, 21, 12, 0, 0, TimeSpan.Zero).AddHours(hours));
        return stored with { Status = stored.Status! with { ManifestSha256 = new string('a', 64), ObservedGeneration = 1, Protection = BackupChores.Protected } };
    }

    private static ComplianceBackup Settled(ComplianceBackup backup) => backup with { Status = backup.Status! with { Expiry = "kept 2" } };

    private ComplianceBackup Copied(ComplianceBackup backup)
    {
        var place = _world.Stack.Spec.Backup!.Copies![0];
        return backup with
        {
            Status = backup.Status! with
            {
                Copies = [new("abroad", _world.Now, $"{RunOrders.Store(place.Destination)}/compliance/shop/redis/{backup.Status.Id}/", new string('a', 64), Attempts: 1, Reason: CopyRules.Copied) { Expiry = _world.Stack.Spec.Backup.Keep is null ? null : "kept 2" }],
            },
        };
    }

    private void Replace(ComplianceBackup backup) => _world.Backups[_world.Backups.FindIndex(other => other.Metadata.Name == backup.Metadata.Name)] = backup;

    private ComplianceBackupStatus Ends(ComplianceBackup begun, JsonObject report)
    {
        var (job, pod) = BackupWorld.Ended(begun.Status!.Job!, report.ToJsonString());
        return BackupRules.Decide(_world.Of(begun, job, pod)).Status;
    }

    private RunDecision<ComplianceBackupStatus> Decide(ComplianceBackup backup, string? busy = null) => BackupRules.Decide(_world.Of(backup, busy: busy));
}
