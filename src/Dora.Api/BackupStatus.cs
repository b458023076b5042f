using System.ComponentModel;
using Dora.Kubernetes.Schema;

namespace Dora.Api;

/// <summary>What is known of a stack's backups.</summary>
public sealed record BackupsStatus(
    [property: ListMap("engine"), MaxItems(16), Description("One entry for each engine.")]
    IReadOnlyList<EngineBackups>? Engines = null,
    [property: ListMap("name", "engine"), MaxItems(272), Description("One entry for each schedule and engine; that of drills has the name drills.")]
    IReadOnlyList<ScheduleStatus>? Schedules = null,
    [property: ListMap("engine"), MaxItems(16), Description("When the bucket was last looked through, by engine.")]
    IReadOnlyList<BackupSearch>? Searches = null);

/// <summary>How the bucket was looked through for backups of one engine.</summary>
public sealed record BackupSearch(
    [property: Description("Key under spec.engines."), MaxLength(63)]
    string Engine,
    [property: Description("Store, bucket and prefix."), MaxLength(600)]
    string Where,
    [property: Description("When.")]
    DateTimeOffset At,
    [property: Description("The Job that did it."), MaxLength(63)]
    string Job,
    [property: Description("Completed, or why it could not be done."), MaxLength(64)]
    string Reason,
    [property: Description("The value of the annotation that asked for it."), MaxLength(63)]
    string? Asked = null,
    [property: Description("It goes on before this ID."), MaxLength(40)]
    string? Next = null,
    [property: Description("Backups that are too old to be shown.")]
    int? Older = null,
    [property: Description("Manifests that could not be read, opened or believed.")]
    int? Unreadable = null,
    [property: Description("UID of the stack whose folder it is."), MaxLength(63)]
    string? Owner = null,
    [property: Description("What is wrong, and what to do."), MaxLength(ComplianceStackStatus.LongestMessage)]
    string? Message = null);

/// <summary>Backups and restores of one engine.</summary>
public sealed record EngineBackups(
    [property: Description("Key under spec.engines."), MaxLength(63)]
    string Engine,
    [property: Description("The newest ComplianceBackup that succeeded."), MaxLength(253)]
    string? Backup = null,
    [property: Description("The state of its data is that of this time.")]
    DateTimeOffset? BackupAt = null,
    [property: Description("When a backup was last restored whole, and found to be what it was.")]
    DateTimeOffset? VerifiedAt = null,
    [property: Description("The last drill that ended (ComplianceRestore)."), MaxLength(253)]
    string? Drill = null,
    [property: Description("When it ended.")]
    DateTimeOffset? DrillAt = null,
    [property: Description("Whether it passed.")]
    bool? DrillPassed = null,
    [property: Description("How long it took (RTO as measured)."), MaxLength(32)]
    string? MeasuredRto = null,
    [property: Description("Where a log is archived: every state from this time on can be restored, up to what was archived (LogArchived).")]
    DateTimeOffset? RestorableFrom = null,
    [property: Description("The same as a position in the log."), MaxLength(17)]
    string? RestorableFromLsn = null,
    [property: ListMap("name"), MaxItems(BackupCopy.Most), Description("One entry for each of spec.backup.copies.")]
    IReadOnlyList<EngineCopy>? Copies = null);

/// <summary>When a schedule has its next run.</summary>
public sealed record ScheduleStatus(
    [property: Description("Name under spec.backup.schedules, or drills."), MaxLength(20)]
    string Name,
    [property: Description("Key under spec.engines."), MaxLength(63)]
    string Engine,
    [property: Description("Cron and time zone that this was computed from."), MaxLength(200)]
    string Cron,
    [property: Description("When it runs next; what was missed meanwhile is caught up once.")]
    DateTimeOffset? NextRunTime = null,
    [property: Description("When it ran last.")]
    DateTimeOffset? LastRunTime = null);
