using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Backups;
using Dora.Kubernetes.Model;
using Dora.Operator.Backups;
using Dora.Operator.Cli;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Backups;

/// <summary>A stack with backups in a cluster that is made up of records: decisions are pure.</summary>
internal sealed class BackupWorld
{
    public const string Settings = """
        destination: {endpoint: "https://s3.example", bucket: backups, prefix: eu, credentialsSecret: store}
        encryption: {keySecret: keys}
        """;

    public BackupWorld(string? backup = null) => Stack = Read(backup ?? Settings + """

        schedules: [{name: nightly, cron: "0 2 * * *", jitter: 0s}]
        drills: {cron: "0 4 * * 6"}
        """);

    public ComplianceStack Stack { get; set; }

    public DateTimeOffset Now { get; set; } = new(2026, 11, 21, 12, 0, 0, TimeSpan.Zero);

    public EngineHealth? Health { get; set; } = new(EngineVerdict.Healthy, [new("shop-redis-0", MemberRole.Primary, true), new("shop-redis-1", MemberRole.Replica, true, 10), new("shop-redis-2", MemberRole.Replica, true, 0)], "shop-redis-0", "7.0.15", "", []);

    public StackObservation Observation => StackObservation.Nowhere(Stack, new()) with { Now = Now, Backups = Backups, Restores = Restores };

    /// <summary>The status is written, as every pass does.</summary>
    public void Settle() => Stack = Stack with { Status = new(Backups: new(Schedules: ScheduleRules.Of(["redis"], Observation, free: true).Status)) };

    public List<ComplianceBackup> Backups { get; } = [];

    public List<ComplianceRestore> Restores { get; } = [];

    public static ComplianceStack Read(string backup) => Assert.Single(StackFile.Read($$"""
        apiVersion: dora-operator.io/v1alpha1
        kind: ComplianceStack
        metadata: {name: shop, namespace: compliance, uid: 7b6f7c0e}
        spec:
          tier: Staging
          engines:
            redis: {}
          backup:
        {{string.Join('\n', backup.Split('\n').Select(line => "    " + line))}}
        """));

    public RunEngine Engine(string name = "redis")
    {
        var context = StackPlanner.Context(Stack, new(), new());
        return new(context, Stack.Spec.Engines.TryGetValue(name, out var settings) ? EngineCatalogue.Find(name)!.Bind(context, settings) : null, Health);
    }

    public static ComplianceBackup Backup(string name = "first", ComplianceBackupStatus? status = null, BackupType type = BackupType.Full) =>
        new(new(Name: name, Namespace: "compliance", Uid: $"uid-{name}", Generation: 1, ResourceVersion: "1"), new("shop", "redis", type), status);

    /// <summary>One that is stored.</summary>
    public static ComplianceBackup Stored(string name, DateTimeOffset at) => Backup(name, new(
        RunPhase.Succeeded, Id: $"{at.UtcDateTime:yyyyMMdd't'HHmmss'z'}-abc123", StartedAt: at, FinishedAt: at.AddMinutes(1), Content: "redis-rdb", Facts: new Dictionary<string, string> { ["count:keys"] = "10" }));

    public static ComplianceRestore Restore(RestoreTarget target, RestoreSource? source = null, ComplianceRestoreStatus? status = null, string name = "again") =>
        new(new(Name: name, Namespace: "compliance", Uid: $"uid-{name}", Generation: 1, ResourceVersion: "1"), new("shop", "redis", source ?? new(), target), status);

    /// <summary>What the agent left, in a pod of the Job.</summary>
    public static (Job Job, Pod Pod) Ended(string job, string report) => (
        Running(job),
        new(
            new(Name: $"{job}-x", Labels: BackupPods.Selector("shop"), OwnerReferences: [new("batch/v1", "Job", job, $"uid-{job}", Controller: true)]),
            Status: new(Phase: "Succeeded", ContainerStatuses: [new(BackupPods.Agent, State: new(Terminated: new(0, "Completed", report)))])));

    public static Job Running(string job) => new(new(Name: job, Namespace: "compliance", Uid: $"uid-{job}"));

    public BackupObservation Of(ComplianceBackup backup, Job? job = null, Pod? pod = null, string? busy = null) =>
        new(backup, Stack, Engine(), job, pod is null ? [] : [pod], busy, Now) { Jobs = job is null ? [] : [job], Siblings = [.. Backups.Where(other => other.Metadata.Name != backup.Metadata.Name), backup] };

    public static JsonObject Report(bool succeeded = true, string reason = "Completed", string message = "") => new()
    {
        ["succeeded"] = succeeded,
        ["reason"] = reason,
        ["message"] = message,
        ["id"] = "20261121t120000z-abc123",
        ["startedAt"] = "2026-11-21T12:00:01Z",
        ["finishedAt"] = "2026-11-21T12:00:05Z",
        ["plainBytes"] = 1000,
        ["storedBytes"] = 400,
        ["objects"] = 1,
        ["manifest"] = new string('a', 64),
        ["keyId"] = "current",
        ["facts"] = new JsonObject { ["count:keys"] = "10", ["prior-label"] = "" },
    };
}
