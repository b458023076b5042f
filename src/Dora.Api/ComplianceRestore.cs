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
[Cel("self.engine == 'postgres' || !(has(self.source.lsn) || has(self.source.restorePoint))", RestoreSource.OnlyPostgres, FieldPath = ".source")]
[Cel("self.target.mode != 'Database' || (self.engine == 'postgres' && has(self.source.backup))", RestoreTarget.DatabaseFromDump, FieldPath = ".target.mode")]
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
    string Deadline = "6h",
    [property: Description("Modes InPlace and NewStack: stop the servers without having read the backup first. Sooner done, and a backup that is broken is found when the old data is gone.")]
    bool SkipVerification = false);

/// <summary>Where the data comes from.</summary>
[Cel("(has(self.pointInTime) ? 1 : 0) + (has(self.lsn) ? 1 : 0) + (has(self.restorePoint) ? 1 : 0) <= 1", RestoreSource.OnePoint)]
[Cel("!has(self.exclusive) || !self.exclusive || has(self.pointInTime) || has(self.lsn)", RestoreSource.ExclusiveOfWhat, FieldPath = ".exclusive")]
public sealed record RestoreSource(
    [property: Description("The ComplianceBackup of this namespace. Absent: the newest one that succeeded, or the newest before the point in time."), MinLength(1), MaxLength(253)]
    string? Backup = null,
    [property: Description("The state at this time, where the engine's backups hold a log: within the window that the stack's status shows.")]
    DateTimeOffset? PointInTime = null,
    [property: Description("The state at this position in the log (pg_lsn), PostgreSQL only."), Pattern(RestoreSource.LsnPattern), MaxLength(17)]
    string? Lsn = null,
    [property: Description("The state at the position that pg_create_restore_point gave this name, PostgreSQL only."), Pattern(RestoreSource.RestorePointPattern), MaxLength(63)]
    string? RestorePoint = null,
    [property: Description("Whether what was committed at just that time or position is left out.")]
    bool Exclusive = false,
    [property: Description("Name under spec.backup.copies of the stack: what is restored is read there, and the first place is not asked."), MinLength(1), MaxLength(20)]
    string? Copy = null)
{
    /// <summary>How a position in the log is written.</summary>
    public const string LsnPattern = "^[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}$";

    /// <summary>Names that need no quoting in the servers' configuration, where they come to stand.</summary>
    public const string RestorePointPattern = "^[A-Za-z0-9]([-A-Za-z0-9_.:+ ]*[A-Za-z0-9_])?$";

    /// <summary>One point is restored to.</summary>
    public const string OnePoint = "give one of pointInTime, lsn and restorePoint";

    /// <summary>A name has no just before.</summary>
    public const string ExclusiveOfWhat = "exclusive belongs to pointInTime or lsn";

    /// <summary>Other engines have no log to find these in.</summary>
    public const string OnlyPostgres = "lsn and restorePoint are PostgreSQL's: give pointInTime or backup";
}

/// <summary>Where the data goes.</summary>
[Cel("self.mode != 'InPlace' || has(self.confirm)", "a restore in place replaces the data of the stack: give its name in confirm", FieldPath = ".confirm")]
[Cel("(self.mode == 'NewStack') == has(self.stack)", "stack is needed with mode NewStack, and belongs to no other mode")]
[Cel("(self.mode == 'Database') == has(self.database)", RestoreTarget.NamedDatabase)]
public sealed record RestoreTarget(
    [property: Description("InPlace: the data of the stack is replaced. NewStack: another stack gets it. Drill: a throw-away instance, to see whether it works. Database: an empty database of the running stack, from a dump.")]
    RestoreMode Mode,
    [property: Description("Name of the stack whose data may be replaced; must be the stack's own name."), MaxLength(40)]
    string? Confirm = null,
    [property: Description("Name of the new stack. It must not exist; it is made as the stack is now, without its backups."), Pattern("^[a-z]([-a-z0-9]*[a-z0-9])?$"), MaxLength(40)]
    string? Stack = null,
    [property: Description("The database that gets the data: declared in the stack, and empty."), MinLength(1), MaxLength(63)]
    string? Database = null)
{
    /// <summary>Which database it is.</summary>
    public const string NamedDatabase = "database is needed with mode Database, and belongs to no other mode";

    /// <summary>Other backups hold all databases, and those of other engines cannot be taken apart.</summary>
    public const string DatabaseFromDump = "mode Database restores one dump of PostgreSQL: give its name in source.backup";
}

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

    /// <summary>Into an empty database of the servers that run.</summary>
    Database,
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
