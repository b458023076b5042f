using Dora.Api;
using Dora.Backup.Runs;
using Dora.Engines.Backups;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Backups;

/// <summary>All that is known of one restore before deciding.</summary>
/// <param name="Restore">The resource.</param>
/// <param name="Source">The stack whose data it is, or null.</param>
/// <param name="Target">The stack that gets the data, or null; of a drill the source.</param>
/// <param name="From">The engine of the source.</param>
/// <param name="To">The engine of the target.</param>
/// <param name="Backups">Backups of the source.</param>
/// <param name="Job">The Job of this phase, or null.</param>
/// <param name="Workload">The StatefulSet of the target's members, or null.</param>
/// <param name="Pods">Pods of source and target.</param>
/// <param name="Claims">Claims of the target.</param>
/// <param name="Busy">Another run of the engine that goes first, or null.</param>
/// <param name="Now">Time.</param>
internal sealed record RestoreObservation(
    ComplianceRestore Restore,
    ComplianceStack? Source,
    ComplianceStack? Target,
    RunEngine? From,
    RunEngine? To,
    IReadOnlyList<ComplianceBackup> Backups,
    Job? Job,
    StatefulSet? Workload,
    IReadOnlyList<Pod> Pods,
    IReadOnlyList<PersistentVolumeClaim> Claims,
    string? Busy,
    DateTimeOffset Now)
{
    /// <summary>All Jobs of this restore.</summary>
    public IReadOnlyList<Job> Jobs { get; init; } = [];
}

/// <summary>What to do about a restore.</summary>
/// <param name="Status">The new status.</param>
/// <param name="Start">A Job to create, or null.</param>
/// <param name="End">A Job to remove, or null.</param>
/// <param name="Remove">Claims to remove: their data is replaced.</param>
/// <param name="Release">Pods of runs that are over and still hold these claims: until they go, no claim does.</param>
/// <param name="Forget">State of the servers outside of their volumes, which goes with these.</param>
/// <param name="Claim">An empty claim to create, or null.</param>
/// <param name="Stack">A stack to create, or null.</param>
/// <param name="Verified">A backup that was restored, and found to be what it was.</param>
/// <param name="Again">When to look again; null: when something changes.</param>
internal sealed record RestoreDecision(
    ComplianceRestoreStatus Status,
    BackupRun? Start = null,
    Job? End = null,
    IReadOnlyList<PersistentVolumeClaim>? Remove = null,
    IReadOnlyList<Pod>? Release = null,
    IReadOnlyList<(KubeResource Resource, string Name)>? Forget = null,
    PersistentVolumeClaim? Claim = null,
    ComplianceStack? Stack = null,
    ComplianceBackup? Verified = null,
    TimeSpan? Again = null);

/// <summary>
/// Decides what to do about a restore. Before anything is touched the whole backup is read; then the servers stop, their claims go, and the data
/// is laid down in an empty one. Pure.
/// </summary>
internal static class RestoreRules
{
    /// <summary>The name of the stack that gets the data.</summary>
    public static string TargetName(ComplianceRestore restore) => restore.Spec.Target.Stack ?? restore.Spec.Stack;

    /// <summary>
    /// Whether a stack's engine must not run, because of a restore: while its data is replaced, and after a failure that left no whole data, until another
    /// restore succeeds or the failed one is deleted.
    /// </summary>
    public static string? Holds(string stack, string engine, IReadOnlyList<ComplianceRestore> restores)
    {
        var mine = restores.Where(restore => restore.Spec.Engine == engine && Replaces(restore) && TargetName(restore) == stack).ToList();
        var holding = mine.Where(restore => restore.Status is { Phase: RestorePhase.Stopping or RestorePhase.Restoring } || Broken(restore)).ToList();
        var done = mine.Where(restore => restore.Status?.Phase is RestorePhase.Starting or RestorePhase.Succeeded).Select(restore => restore.Status!.StartedAt).Max();
        return holding.Where(restore => !Broken(restore) || restore.Status!.StartedAt > (done ?? DateTimeOffset.MinValue)).Select(restore => restore.Metadata.Name).FirstOrDefault();
    }

    /// <summary>Whether the members of a stack's engine start with data that was just laid down.</summary>
    public static bool Starts(string stack, string engine, IReadOnlyList<ComplianceRestore> restores) =>
        restores.Any(restore => restore.Spec.Engine == engine && restore.Status?.Phase == RestorePhase.Starting && TargetName(restore) == stack);

    /// <summary>The decision.</summary>
    public static RestoreDecision Decide(RestoreObservation observed)
    {
        var status = (observed.Restore.Status ?? new()) with { ObservedGeneration = observed.Restore.Metadata.Generation };
        return status.Phase switch
        {
            RestorePhase.Succeeded or RestorePhase.Failed => Over(observed, status),
            RestorePhase.Verifying => Verifying(observed, status),
            RestorePhase.Stopping => Stopping(observed, status),
            RestorePhase.Restoring => Restoring(observed, status),
            RestorePhase.Starting => Starting(observed, status),
            _ => Pending(observed, status),
        };
    }

    private static RestorePhase First(ComplianceRestore restore) =>
        !Replaces(restore) ? RestorePhase.Restoring : restore.Spec.SkipVerification ? RestorePhase.Stopping : RestorePhase.Verifying;

    private static bool Replaces(ComplianceRestore restore) => restore.Spec.Target.Mode is RestoreMode.InPlace or RestoreMode.NewStack;

    // Its claims were removed, and nothing whole is in their place.
    private static bool Broken(ComplianceRestore restore) =>
        restore.Status is { Phase: RestorePhase.Failed } status && Replaces(restore) && status.Steps?.Any(step => step.Phase == RestorePhase.Restoring) == true && status.Steps.All(step => step.Phase != RestorePhase.Starting);

    private static RestoreDecision Over(RestoreObservation observed, ComplianceRestoreStatus status)
    {
        var after = BackupRules.After(observed.Jobs, status, status.FinishedAt, observed.Now);
        return new(status, End: after.End, Again: after.Again);
    }

    private static RestoreDecision Pending(RestoreObservation observed, ComplianceRestoreStatus status)
    {
        var spec = observed.Restore.Spec;
        RestoreDecision Wait(string reason, string message) => new(status with { Reason = reason, Message = message }, Again: BackupRules.Look);
        RestoreDecision Fail(string reason, string message) => new(Failed(status, reason, message, observed.Now));

        if (observed.Source is not { } source || observed.From is not { } from)
            return Wait("StackMissing", $"there is no ComplianceStack {spec.Stack} in this namespace; create it, or delete this restore");
        if (BackupRules.Engine(source, spec.Engine, from) is { } refusal)
            return Fail(refusal.Reason, refusal.Message);
        if (source.Spec.Backup is null)
            return Fail("NoDestination", $"spec.backup of ComplianceStack {spec.Stack} is missing: say there where its backups are and what opens them");
        if (spec.Target is { Mode: RestoreMode.InPlace } && spec.Target.Confirm != spec.Stack)
            return Fail("NotConfirmed", $"a restore in place replaces the data of {spec.Stack}: create another ComplianceRestore with target.confirm: {spec.Stack}");
        if (RestoreWindow.Contradiction(spec) is { } contradiction)
            return Fail("InvalidSpec", contradiction);
        if (RestorePlace.Problem(observed) is { } unknown)
            return Fail("UnknownCopy", unknown);
        if (RestoreWindow.Choose(observed, out var problem) is not { } backup)
            return Fail("NoBackup", problem);
        if (backup.Spec.Engine != spec.Engine)
            return Fail("OtherEngine", $"{backup.Metadata.Name} holds {backup.Spec.Engine}, and {spec.Engine} is to be restored");
        if (Tool(from, backup) is not { } tool)
            return Fail("NotSupported", $"{spec.Engine} of {spec.Stack} cannot lay down {backup.Status!.Content} of {backup.Metadata.Name}");
        if (RestoreWindow.Outside(observed, backup, tool) is { } outside)
            return Fail("OutsideWindow", outside);
        if (LoadRules.Refusal(spec, backup, tool) is { } loads)
            return Fail(loads.Reason, loads.Message);
        if (observed.Busy is { } busy)
            return Wait("Busy", $"waits for {busy}: one run of an engine at a time");
        if (spec.Target.Mode == RestoreMode.Database && from.Health?.Primary is null)
            return Wait("EngineNotServing", $"no member of {spec.Engine} takes writes: it begins when one does");
        var chosen = Begin(status with { Backup = backup.Metadata.Name, BackupId = backup.Status!.Id, StartedAt = BackupRules.Whole(observed.Now) }, First(observed.Restore), observed);
        return spec.Target.Mode switch
        {
            RestoreMode.NewStack when observed.Target is null => new(status with { Reason = "CreatingStack", Message = $"creates ComplianceStack {spec.Target.Stack}" }, Stack: Copy(observed.Restore, source), Again: BackupRules.Look),
            RestoreMode.NewStack when observed.Target.Metadata.Annotation(RestoredFrom) != observed.Restore.Metadata.Uid => Fail("StackExists", $"ComplianceStack {spec.Target.Stack} exists already: choose another name, or restore in place"),
            RestoreMode.NewStack when !Serves(observed) => Wait("CreatingStack", $"waits until {spec.Engine} of {spec.Target.Stack} serves"),
            _ => new(chosen),
        };
    }

    private static RestoreDecision Verifying(RestoreObservation observed, ComplianceRestoreStatus status)
    {
        if (Lost(observed, status) is { } lost)
            return lost;
        if (observed.Job is null && status.Reason == BackupRules.Starting)
        {
            var tool = Tool(observed.From!, Chosen(observed, status)!);
            return new(status, Run(observed, status, tool?.Inspect is null ? "verify" : "inspect", tool?.Inspect, null), Again: BackupRules.Look);
        }

        return RunEnd.Of(observed.Job, observed.Pods) switch
        {
            null => new(status with { Reason = "Verifying", Message = "reads the whole backup before anything is touched" }, Again: BackupRules.Look),
            { Succeeded: true } => new(Begin(status, RestorePhase.Stopping, observed), End: observed.Job),
            var end => new(Failed(status, end.Reason, $"{end.Message}; nothing was touched", observed.Now)),
        };
    }

    private static RestoreDecision Stopping(RestoreObservation observed, ComplianceRestoreStatus status)
    {
        if (Lost(observed, status) is { } lost)
            return lost;
        var name = TargetName(observed.Restore);
        if (observed.Workload is { } workload && (workload.Spec?.Replicas != 0 || workload.Status?.Replicas is > 0) || Members(observed).Any())
            return new(status with { Reason = "Stopping", Message = $"{observed.Restore.Spec.Engine} of {name} stops" }, Again: BackupRules.Look);
        return new(Begin(status, RestorePhase.Restoring, observed) with { Reason = Emptying, Message = "the volumes are replaced by empty ones" }, Again: BackupRules.Look);
    }

    private static RestoreDecision Restoring(RestoreObservation observed, ComplianceRestoreStatus status)
    {
        if (Lost(observed, status) is { } lost)
            return lost;
        var spec = observed.Restore.Spec;
        var drill = spec.Target.Mode == RestoreMode.Drill;
        if (Replaces(observed.Restore) && status.Reason == Emptying && Empty(observed, status) is { } emptying)
            return emptying;
        if (observed.Job is null && status.Reason == BackupRules.Starting)
        {
            var backup = Chosen(observed, status)!;
            var tool = Tool(drill ? observed.From! : observed.To!, backup);
            if (tool is null)
                return new(Failed(status, "NotSupported", $"{spec.Engine} cannot lay down {backup.Status!.Content}", observed.Now));
            if (spec.Target.Mode == RestoreMode.Database)
                return new(status, Run(observed, status, "restore", _ => LoadRules.Container(observed, backup, tool), null) with { Loads = true }, Again: BackupRules.Look);
            return new(status, Run(observed, status, tool.Streams ? "restore" : "follow", tool.LayDown, drill ? Scratch(observed) : new("data", PersistentVolumeClaim: new(DataClaim(observed)))), Again: BackupRules.Look);
        }

        var end = RunEnd.Of(observed.Job, observed.Pods);
        if (end is null)
            return new(status with { Reason = "Restoring", Message = Doing(spec.Target) }, Again: BackupRules.Look);
        status = status with { Facts = BackupRules.Facts(end.Report?.Facts), Comparison = end.Report?.Comparison?.ToString() };
        if (!end.Succeeded)
            return new(Failed(status, end.Reason, !Replaces(observed.Restore) ? end.Message : $"{end.Message}; {spec.Engine} of {TargetName(observed.Restore)} stays stopped: create another ComplianceRestore, or delete this one to start it with what is there", observed.Now));
        return Replaces(observed.Restore) ? new(Begin(status, RestorePhase.Starting, observed), End: observed.Job) : Done(observed, status);
    }

    private static string Doing(RestoreTarget target) => target.Mode switch
    {
        RestoreMode.Drill => "restores into a throw-away instance",
        RestoreMode.Database => $"restores into database {target.Database}",
        _ => "lays the data down",
    };

    private static RestoreDecision Starting(RestoreObservation observed, ComplianceRestoreStatus status)
    {
        if (Serves(observed) && observed.Workload is { Spec.Replicas: > 0 })
            return Done(observed, status);
        return Late(observed, status) ?? new(status with { Reason = "Starting", Message = $"{observed.Restore.Spec.Engine} of {TargetName(observed.Restore)} starts with the restored data" }, Again: BackupRules.Look);
    }

    // Claims of all members go, and an empty one takes the place of the first: whatever was on the volumes, nothing of it is mixed with what comes.
    private static RestoreDecision? Empty(RestoreObservation observed, ComplianceRestoreStatus status)
    {
        var old = observed.Claims.Where(claim => claim.Metadata.Annotation(RestoredFrom) != observed.Restore.Metadata.Uid).ToList();
        if (old.Count > 0)
            return new(status, Remove: [.. old.Where(claim => claim.Metadata.DeletionTimestamp is null)], Release: [.. Holders(observed, old)], Again: BackupRules.Look);
        if (observed.Claims.Count == 0)
            return observed.Workload is { } workload ? new(status, Forget: Tool(observed.To!, Chosen(observed, status)!)?.Forget, Claim: Claim(observed, workload), Again: BackupRules.Look) : new(status with { Message = "waits for the StatefulSet" }, Again: BackupRules.Look);
        return new(status with { Reason = BackupRules.Starting, Message = "lays the data down", Job = BackupRules.JobName(observed.Restore.Metadata.Name!, "restore", status.BackupId!) });
    }

    // The pod of a restore that failed stays for its log, and to Kubernetes what exists uses its claim.
    private static IEnumerable<Pod> Holders(RestoreObservation observed, IReadOnlyList<PersistentVolumeClaim> claims) => observed.Pods.Where(pod =>
        pod is { Metadata.DeletionTimestamp: null, Status.Phase: "Succeeded" or "Failed" }
        && pod.Metadata.Label(BackupPods.RunLabel) is not null
        && pod.Spec?.Volumes?.Any(volume => claims.Any(claim => claim.Metadata.Name == volume.PersistentVolumeClaim?.ClaimName)) == true);

    private static RestoreDecision Done(RestoreObservation observed, ComplianceRestoreStatus status)
    {
        var backup = Chosen(observed, status);
        var now = BackupRules.Whole(observed.Now);
        return new(
            status with
            {
                Phase = RestorePhase.Succeeded,
                Reason = "Completed",
                Message = null,
                FinishedAt = now,
                MeasuredRto = Durations.Format(now - status.StartedAt!.Value),
                MeasuredRpo = RestoreWindow.State(observed.Restore.Spec.Source, backup, status.Facts) is { } state ? Durations.Format(status.StartedAt.Value - state) : null,
            },
            Verified: status.Comparison == nameof(Comparison.Verified) ? backup : null);
    }

    private static BackupRun Run(RestoreObservation observed, ComplianceRestoreStatus status, string command, Func<LayDownRequest, ToolContainer>? tool, Volume? data)
    {
        var (restore, source, backup) = (observed.Restore, observed.Restore.Spec.Source, Chosen(observed, status)!);
        var drill = restore.Spec.Target.Mode == RestoreMode.Drill;
        var checks = drill ? (observed.Source!.Spec.Backup!.Drills?.Checks ?? []).Where(check => check.Engine == restore.Spec.Engine).ToList() : [];
        return new(
            status.Job!,
            new(StackResource.ApiVersion, RestoreResource.Kind, restore.Metadata.Name!, restore.Metadata.Uid!, Controller: true, BlockOwnerDeletion: false),
            command,
            (RunOrders.Of(observed.Source!, restore.Spec.Engine, status.BackupId!, backup.Status!.Content ?? "") with
            {
                Store = RunOrders.Store(RestorePlace.Of(observed)!.Destination),
                Checks = checks.Count > 0 ? [.. checks.Select(check => check.Name)] : null,
                // Servers that archive by themselves go on where the backup's did: nowhere but in the stack's own folder.
                Claims = restore.Spec is { Target.Mode: RestoreMode.InPlace, Source.Copy: null } && Tool(observed.To!, backup) is { Streams: false },
            }).Write(),
            BackupRules.Deadline(restore.Spec.Deadline))
        {
            Tool = tool?.Invoke(new(drill, backup.Status.Facts ?? new Dictionary<string, string>(), source.PointInTime, checks) { Lsn = restore.Spec.Source.Lsn, RestorePoint = restore.Spec.Source.RestorePoint, Exclusive = restore.Spec.Source.Exclusive, FromCopy = restore.Spec.Source.Copy is not null }),
            Data = data,
            Drill = drill,
            Checks = checks,
        };
    }

    // The stack, the engine or the backup went away, or the time is over.
    private static RestoreDecision? Lost(RestoreObservation observed, ComplianceRestoreStatus status)
    {
        var spec = observed.Restore.Spec;
        if (RestorePlace.Of(observed) is null || observed.From?.Cluster is null)
            return new(Failed(status, "StackGone", $"ComplianceStack {spec.Stack}, its engine {spec.Engine}, its spec.backup or the copy that is read is gone", observed.Now));
        if (spec.Target.Mode != RestoreMode.Drill && observed.To?.Cluster is null)
            return new(Failed(status, "StackGone", $"ComplianceStack {TargetName(observed.Restore)} or its engine {spec.Engine} is gone", observed.Now));
        return Chosen(observed, status) is null ? new(Failed(status, "BackupGone", $"ComplianceBackup {status.Backup} was deleted", observed.Now)) : Late(observed, status);
    }

    private static RestoreDecision? Late(RestoreObservation observed, ComplianceRestoreStatus status) =>
        observed.Now - status.StartedAt > BackupRules.Deadline(observed.Restore.Spec.Deadline)
            ? new(Failed(status, "DeadlineExceeded", $"not done within {observed.Restore.Spec.Deadline}, in phase {status.Phase}: {status.Message}", observed.Now), End: observed.Job)
            : null;

    private static ComplianceBackup? Chosen(RestoreObservation observed, ComplianceRestoreStatus status) =>
        observed.Backups.FirstOrDefault(backup => backup.Metadata.Name == status.Backup && backup.Status?.Id == status.BackupId);

    private static BackupTool? Tool(RunEngine engine, ComplianceBackup backup) => engine.Cluster!.Backups.FirstOrDefault(tool => tool.Content == backup.Status?.Content);

    private static bool Serves(RestoreObservation observed) =>
        observed.Target?.Status is { } status
        && status.ObservedGeneration == observed.Target.Metadata.Generation
        && status.Engines?.FirstOrDefault(engine => engine.Name == observed.Restore.Spec.Engine)?.Phase == EnginePhase.Ready;

    private static IEnumerable<Pod> Members(RestoreObservation observed) => observed.Pods.Where(pod =>
        pod.Metadata.Label(Labels.Stack) == TargetName(observed.Restore) && pod.Metadata.Label(Labels.Engine) == observed.Restore.Spec.Engine
        && observed.Workload is { } workload && pod.Metadata.OwnerReferences?.Any(owner => owner.Uid == workload.Metadata.Uid) == true);

    // No larger than a member's volume: what grows beyond that would take the node's disk from others.
    private static Volume Scratch(RestoreObservation observed) =>
        PodDefaults.Scratch("data", limit: observed.Workload?.Spec?.VolumeClaimTemplates is [{ } template, ..] ? template.Spec?.Resources?.Requests?.GetValueOrDefault("storage") : null);

    private static string DataClaim(RestoreObservation observed) => observed.Claims.Single().Metadata.Name!;

    private static PersistentVolumeClaim Claim(RestoreObservation observed, StatefulSet workload)
    {
        var template = workload.Spec!.VolumeClaimTemplates![0];
        return template with
        {
            Metadata = new(
                Name: $"{template.Metadata.Name}-{workload.Metadata.Name}-0",
                Namespace: workload.Metadata.Namespace,
                // As the StatefulSet would have made it.
                Labels: new Dictionary<string, string>((template.Metadata.Labels ?? new Dictionary<string, string>()).Concat(workload.Spec.Selector.MatchLabels ?? new Dictionary<string, string>()).DistinctBy(label => label.Key)),
                Annotations: new Dictionary<string, string> { [RestoredFrom] = observed.Restore.Metadata.Uid! }),
            Status = null,
        };
    }

    private static ComplianceStack Copy(ComplianceRestore restore, ComplianceStack source) => new(
        new(Name: restore.Spec.Target.Stack, Namespace: source.Metadata.Namespace, Annotations: new Dictionary<string, string> { [RestoredFrom] = restore.Metadata.Uid! }),
        source.Spec with
        {
            Backup = null,
            DeletionProtection = false,
            Engines = source.Spec.Engines.Where(engine => engine.Key == restore.Spec.Engine).ToDictionary(),
        });

    private static ComplianceRestoreStatus Begin(ComplianceRestoreStatus status, RestorePhase phase, RestoreObservation observed) => status with
    {
        Phase = phase,
        Reason = BackupRules.Starting,
        Message = null,
        Steps = [.. status.Steps ?? [], new(phase, BackupRules.Whole(observed.Now))],
        Job = phase switch
        {
            RestorePhase.Verifying => BackupRules.JobName(observed.Restore.Metadata.Name!, "verify", status.BackupId!),
            RestorePhase.Restoring => BackupRules.JobName(observed.Restore.Metadata.Name!, "restore", status.BackupId!),
            _ => null,
        },
    };

    private static ComplianceRestoreStatus Failed(ComplianceRestoreStatus status, string reason, string message, DateTimeOffset now) =>
        status with { Phase = RestorePhase.Failed, Reason = reason, Message = StackStatus.Cut(message), FinishedAt = BackupRules.Whole(now) };

    /// <summary>Annotation of what a restore made: its UID.</summary>
    public const string RestoredFrom = "dora-operator.io/restored-by";

    private const string Emptying = "Emptying";
}
