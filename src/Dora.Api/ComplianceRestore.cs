using System.ComponentModel;
using System.Text.Json.Serialization;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Schema;

namespace Dora.Api;

/// <summary>One restore of one engine: over the data of its stack, into another stack, or into a throw-away instance.</summary>
[Description("One restore of one engine from a backup.")]
public sealed record ComplianceRestore(
    ObjectMeta Metadata,
    ComplianceRestoreSpec Spec,
    ComplianceRestoreStatus? Status = null,
    [property: MaxLength(64)] string? ApiVersion = StackResource.ApiVersion,
    [property: MaxLength(63)] string? Kind = RestoreResource.Kind) : IKubeObject;

/// <summary>What is restored, and where to.</summary>
[Cel("self == oldSelf", "a restore's spec cannot be changed: create another ComplianceRestore")]
public sealed record ComplianceRestoreSpec(
    [property: Description("The ComplianceStack of this namespace whose data is restored."), MinLength(1), MaxLength(40)]
    string Stack,
    [property: Description("Key under its spec.engines."), MinLength(1), MaxLength(63)]
    string Engine,
    [property: Description("Where the data comes from.")]
    RestoreSource Source,
    [property: Description("Where it goes.")]
    RestoreTarget Target,
    [property: Description("A run that takes longer is ended, and has failed."), Duration]
    string Deadline = "6h");

/// <summary>Where the data comes from.</summary>
public sealed record RestoreSource(
    [property: Description("The ComplianceBackup of this namespace. Absent: the newest one that succeeded, or the newest before the point in time."), MinLength(1), MaxLength(253)]
    string? Backup = null,
    [property: Description("The state at this time, where the engine's backups hold a log: within the window that the stack's status shows.")]
    DateTimeOffset? PointInTime = null,
    [property: Description("Name under spec.backup.copies of the stack: what is restored is read there, and the first place is not asked."), MinLength(1), MaxLength(20)]
    string? Copy = null);

/// <summary>Where the data goes.</summary>
[Cel("self.mode != 'InPlace' || has(self.confirm)", "a restore in place replaces the data of the stack: give its name in confirm", FieldPath = ".confirm")]
[Cel("(self.mode == 'NewStack') == has(self.stack)", "stack is needed with mode NewStack, and belongs to no other mode")]
public sealed record RestoreTarget(
    [property: Description("InPlace: the data of the stack is replaced. NewStack: another stack gets it. Drill: a throw-away instance, to see whether it works.")]
    RestoreMode Mode,
    [property: Description("Name of the stack whose data may be replaced; must be the stack's own name."), MaxLength(40)]
    string? Confirm = null,
    [property: Description("Name of the new stack. It must not exist; it is made as the stack is now, without its backups."), Pattern("^[a-z]([-a-z0-9]*[a-z0-9])?$"), MaxLength(40)]
    string? Stack = null);

/// <summary>Where restored data goes.</summary>
[JsonConverter(typeof(EnumNames<RestoreMode>))]
public enum RestoreMode
{
    /// <summary>Over the data of the stack.</summary>
    InPlace,

    /// <summary>Into another stack, which is made for it.</summary>
    NewStack,

    /// <summary>Into a throw-away instance.</summary>
    Drill,
}

/// <summary>How far a restore is.</summary>
[JsonConverter(typeof(EnumNames<RestorePhase>))]
public enum RestorePhase
{
    /// <summary>It waits: another run of its engine is under way.</summary>
    Pending,

    /// <summary>The backup is read whole, before anything is touched.</summary>
    Verifying,

    /// <summary>The servers stop.</summary>
    Stopping,

    /// <summary>The data is laid down.</summary>
    Restoring,

    /// <summary>The servers start with it.</summary>
    Starting,

    /// <summary>It is done: the data serves, or the drill has passed.</summary>
    Succeeded,

    /// <summary>It has failed, for good.</summary>
    Failed,
}

/// <summary>What became of a restore.</summary>
public sealed record ComplianceRestoreStatus(
    [property: Description("Pending, Verifying, Stopping, Restoring, Starting, Succeeded or Failed. Failed is final: create another one.")]
    RestorePhase Phase = RestorePhase.Pending,
    [property: Description("The generation this status was computed from.")]
    long? ObservedGeneration = null,
    [property: Description("The ComplianceBackup that is restored."), MaxLength(253)]
    string? Backup = null,
    [property: Description("ID of the backup in the bucket."), MaxLength(40)]
    string? BackupId = null,
    [property: Description("The Job that runs, or ran last."), MaxLength(63)]
    string? Job = null,
    [property: Description("When it began.")]
    DateTimeOffset? StartedAt = null,
    [property: Description("When it ended.")]
    DateTimeOffset? FinishedAt = null,
    [property: ListMap("phase"), MaxItems(8), Description("When each phase began.")]
    IReadOnlyList<RestoreStep>? Steps = null,
    [property: Description("What was found in the restored data: the fingerprint and how checks were answered."), MaxProperties(64)]
    IReadOnlyDictionary<string, string>? Facts = null,
    [property: Description("Whether the restored data is what was backed up: Verified, Differs, or NotCompared where there is nothing to compare."), MaxLength(32)]
    string? Comparison = null,
    [property: Description("How old the restored state was when the restore began (RPO as measured)."), MaxLength(32)]
    string? MeasuredRpo = null,
    [property: Description("How long it took until the data served (RTO as measured)."), MaxLength(32)]
    string? MeasuredRto = null,
    [property: Description("CamelCase: why it is in this phase."), MaxLength(64)]
    string? Reason = null,
    [property: Description("What is wrong, and what to do."), MaxLength(ComplianceStackStatus.LongestMessage)]
    string? Message = null);

/// <summary>When a phase began.</summary>
public sealed record RestoreStep(
    [property: Description("The phase.")]
    RestorePhase Phase,
    [property: Description("When it began.")]
    DateTimeOffset At);

/// <summary>Where <see cref="ComplianceRestore"/> is served.</summary>
public static class RestoreResource
{
    /// <summary>The kind.</summary>
    public const string Kind = "ComplianceRestore";

    /// <summary>The kind with its contract.</summary>
    public static KubeType<ComplianceRestore> Type { get; } = new(
        new(StackResource.Group, "v1alpha1", "compliancerestores", Kind), ApiJson.Wire.ComplianceRestore, ApiJson.Wire.KubeListComplianceRestore);
}
