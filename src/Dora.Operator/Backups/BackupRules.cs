using Dora.Api;
using Dora.Backup.Sets;
using Dora.Engines;
using Dora.Engines.Backups;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Operator.Backups;

/// <summary>All that is known of one backup before deciding.</summary>
/// <param name="Backup">The resource.</param>
/// <param name="Stack">Its stack, or null.</param>
/// <param name="Engine">The engine of that stack, bound; null where there is none.</param>
/// <param name="Job">Its Job, or null.</param>
/// <param name="Pods">Pods of the stack.</param>
/// <param name="Busy">Another run of the engine that goes first, or null.</param>
/// <param name="Now">Time.</param>
internal sealed record BackupObservation(ComplianceBackup Backup, ComplianceStack? Stack, RunEngine? Engine, Job? Job, IReadOnlyList<Pod> Pods, string? Busy, DateTimeOffset Now)
{
    /// <summary>All Jobs of this backup.</summary>
    public IReadOnlyList<Job> Jobs { get; init; } = [];

    /// <summary>All backups of the stack's engine, this one among them.</summary>
    public IReadOnlyList<ComplianceBackup> Siblings { get; init; } = [];
}

/// <summary>An engine as runs need it.</summary>
/// <param name="Context">The stack's context.</param>
/// <param name="Cluster">Bound to its settings; null where they cannot be read.</param>
/// <param name="Health">Its last probe, or null.</param>
internal sealed record RunEngine(StackContext Context, IEngineCluster? Cluster, EngineHealth? Health);

/// <summary>What to do about a run: a status, and what to start or to remove.</summary>
/// <param name="Status">The new status.</param>
/// <param name="Start">A Job to create, or null.</param>
/// <param name="End">A Job to remove, or null.</param>
/// <param name="Again">When to look again; null: when something changes.</param>
internal sealed record RunDecision<TStatus>(TStatus Status, BackupRun? Start = null, Job? End = null, TimeSpan? Again = null);

/// <summary>Decides what to do about a backup. A failed one is final, and blocks nothing. Pure.</summary>
internal static class BackupRules
{
    /// <summary>How long a Job stays after its end, for its logs.</summary>
    public static readonly TimeSpan Aftermath = TimeSpan.FromHours(1);

    /// <summary>Between looks at what no watch shows: a deadline, an engine's health.</summary>
    public static readonly TimeSpan Look = TimeSpan.FromSeconds(15);

    /// <summary>Reason of a run whose Job is being made.</summary>
    public const string Starting = "Starting";

    /// <summary>The decision.</summary>
    public static RunDecision<ComplianceBackupStatus> Decide(BackupObservation observed)
    {
        var status = (observed.Backup.Status ?? new()) with { ObservedGeneration = observed.Backup.Metadata.Generation };
        return status.Phase switch
        {
            RunPhase.Succeeded => BackupChores.Decide(observed, status) ?? CopyRules.Decide(observed, status) ?? After(observed.Jobs, status, status.FinishedAt, observed.Now),
            RunPhase.Failed or RunPhase.Gone => After(observed.Jobs, status, status.FinishedAt, observed.Now),
            RunPhase.Running => Running(observed, status),
            _ => Pending(observed, status),
        };
    }

    /// <summary>The member that is read: one that follows, where one does, so that the primary has no work with it.</summary>
    public static string? Source(EngineHealth? health)
    {
        if (health is null || health.Verdict == EngineVerdict.Unreachable)
            return null;
        return health.Members
            .Where(member => member is { Serving: true, Role: MemberRole.Replica })
            .OrderBy(member => member.LagBytes ?? 0)
            .ThenBy(member => member.Pod, StringComparer.Ordinal)
            .Select(member => member.Pod)
            .FirstOrDefault() ?? health.Primary;
    }

    /// <summary>A run that ended: its Jobs stay for a while.</summary>
    public static RunDecision<TStatus> After<TStatus>(IReadOnlyList<Job> jobs, TStatus status, DateTimeOffset? finished, DateTimeOffset now) =>
        jobs.FirstOrDefault(job => job.Metadata.DeletionTimestamp is null) is not { } job ? new(status)
        : finished is not { } end || now - end >= Aftermath ? new(status, End: job)
        : new(status, Again: Aftermath - (now - end));

    private static RunDecision<ComplianceBackupStatus> Pending(BackupObservation observed, ComplianceBackupStatus status)
    {
        var spec = observed.Backup.Spec;
        RunDecision<ComplianceBackupStatus> Wait(string reason, string message) => new(status with { Reason = reason, Message = message }, Again: Look);
        RunDecision<ComplianceBackupStatus> Fail(string reason, string message) => new(Failed(status, reason, message, observed.Now));

        if (observed.Stack is not { } stack || observed.Engine is not { } engine)
            return Wait("StackMissing", $"there is no ComplianceStack {spec.Stack} in this namespace; create it, or delete this backup");
        if (Engine(stack, spec.Engine, engine) is { } refusal)
            return Fail(refusal.Reason, refusal.Message);
        if (spec is { Type: not BackupType.Dump, Parts: not DumpParts.All } or { Type: not BackupType.Dump, Database: not null })
            return Fail("InvalidSpec", spec.Database is null ? $"spec.parts: {ComplianceBackupSpec.PartsOfDump}" : $"spec.database: {ComplianceBackupSpec.DatabaseOfDump}");
        if (stack.Spec.Backup is null)
            return Wait("NoDestination", $"spec.backup of ComplianceStack {spec.Stack} is missing: say there where backups go and what seals them");
        if (Tool(engine, spec.Type) is not { } tool)
            return Fail("NotSupported", $"{spec.Engine} of {spec.Stack} has no backups of type {spec.Type}: choose from {Types(engine)}");
        if (observed.Busy is { } busy)
            return Wait("Busy", $"waits for {busy}: one run of an engine at a time");
        if (Source(engine.Health) is not { } source)
            return Wait("EngineNotServing", $"no member of {spec.Engine} serves: it begins when one does");
        var id = BackupPlace.NewId(observed.Now, Distinction(observed.Backup.Metadata));
        return new(status with
        {
            Phase = RunPhase.Running,
            Reason = Starting,
            Message = $"reads {source}",
            Id = id,
            Job = JobName(observed.Backup.Metadata.Name!, "backup", id),
            Source = source,
            Content = tool.Content,
            StartedAt = Whole(observed.Now),
            Location = $"{RunOrders.Store(stack.Spec.Backup.Destination)}/{new BackupPlace(stack.Metadata.Namespace ?? "default", stack.Metadata.Name!, spec.Engine, id).Folder}",
        });
    }

    private static RunDecision<ComplianceBackupStatus> Running(BackupObservation observed, ComplianceBackupStatus status)
    {
        if (observed.Job is null && status.Reason == Starting)
        {
            return observed.Stack?.Spec.Backup is not null && observed.Engine is { Cluster: not null } engine && Tool(engine, observed.Backup.Spec.Type) is { } tool
                ? new(status, Run(observed, status, engine, tool), Again: Look)
                : new(Failed(status, "StackGone", "the stack, its engine or its spec.backup went before the run began", observed.Now));
        }

        if (RunEnd.Of(observed.Job, observed.Pods) is not { } end)
            return new(status with { Reason = "Running", Message = $"reads {status.Source}" }, Again: Look);
        if (end is { Succeeded: false } or { Report: null })
            return new(Failed(status, end.Reason, end.Message, observed.Now), Again: Aftermath);
        var report = end.Report;
        return new(status with
        {
            Phase = RunPhase.Succeeded,
            Reason = "Completed",
            Message = null,
            StartedAt = report.StartedAt is { } started ? Whole(started) : status.StartedAt,
            FinishedAt = Whole(report.FinishedAt ?? observed.Now),
            Bytes = report.PlainBytes,
            StoredBytes = report.StoredBytes,
            Objects = report.Objects,
            Sha256 = report.PlainSha256,
            ManifestSha256 = report.Manifest,
            ManifestVersion = report.ManifestVersion,
            KeyId = report.KeyId,
            Facts = Facts(report.Facts),
        });
    }

    private static BackupRun Run(BackupObservation observed, ComplianceBackupStatus status, RunEngine engine, BackupTool tool)
    {
        var (backup, stack) = (observed.Backup, observed.Stack!);
        var names = new EngineNames(engine.Context, backup.Spec.Engine);
        var ordinal = ScaleIn.Ordinal(status.Source) ?? 0;
        return new(
            status.Job!,
            Owner(backup),
            tool.Streams ? "backup" : "record",
            RunOrders.Of(stack, backup.Spec.Engine, status.Id!, tool.Content).Write(),
            Deadline(backup.Spec.Deadline))
        {
            Tool = tool.Copy(new(names.MemberHost(ordinal), backup.Spec.Type, backup.Spec.Database, backup.Spec.Parts)),
        };
    }

    /// <summary>What goes with a backup.</summary>
    public static OwnerReference Owner(ComplianceBackup backup) => new(StackResource.ApiVersion, BackupResource.Kind, backup.Metadata.Name!, backup.Metadata.Uid!, Controller: true, BlockOwnerDeletion: false);

    /// <summary>What is wrong with the engine that a run names, or null.</summary>
    public static (string Reason, string Message)? Engine(ComplianceStack stack, string name, RunEngine engine) =>
        !stack.Spec.Engines.ContainsKey(name) ? ("UnknownEngine", $"ComplianceStack {stack.Metadata.Name} has no engine '{name}': choose from {string.Join(", ", stack.Spec.Engines.Keys.Order(StringComparer.Ordinal))}")
        : engine.Cluster is null ? ("InvalidSpec", $"spec.engines.{name} of {stack.Metadata.Name} cannot be read: see condition Stalled there")
        : null;

    /// <summary>The tool that makes backups of a type; of an engine that knows only whole ones, Incremental is Full.</summary>
    public static BackupTool? Tool(RunEngine engine, BackupType type) =>
        engine.Cluster!.Backups.FirstOrDefault(tool => tool.Types.Contains(type))
        ?? (type == BackupType.Incremental ? engine.Cluster.Backups.FirstOrDefault(tool => tool.Types.Contains(BackupType.Full)) : null);

    /// <summary>How long a run may take.</summary>
    public static TimeSpan Deadline(string text) => Durations.Parse(text) ?? TimeSpan.FromHours(6);

    /// <summary>Names of Jobs end at 63 characters, and those of their pods are longer.</summary>
    public static string JobName(string run, string what, string id) =>
        $"{run[..Math.Min(run.Length, 36)].TrimEnd('-', '.')}-{what}-{PodDefaults.Hash(run, what, id)[..8]}".Replace('.', '-');

    /// <summary>Facts as status shows them: an old API server takes an empty text for nothing, and refuses it.</summary>
    public static IReadOnlyDictionary<string, string>? Facts(IReadOnlyDictionary<string, string>? facts) => facts?.Where(fact => fact.Value.Length > 0).ToDictionary();

    /// <summary>A time as status shows it.</summary>
    public static DateTimeOffset Whole(DateTimeOffset time) => DateTimeOffset.FromUnixTimeSeconds(time.ToUnixTimeSeconds());

    private static string Distinction(ObjectMeta meta) => PodDefaults.Hash(meta.Uid ?? "", meta.Name ?? "")[..6];

    private static string Types(RunEngine engine) => engine.Cluster!.Backups.SelectMany(tool => tool.Types).Distinct().ToList() is { Count: > 0 } types ? string.Join(", ", types) : "another engine: this one has none";

    private static ComplianceBackupStatus Failed(ComplianceBackupStatus status, string reason, string message, DateTimeOffset now) =>
        status with { Phase = RunPhase.Failed, Reason = reason, Message = Stacks.StackStatus.Cut(message), FinishedAt = Whole(now) };
}
