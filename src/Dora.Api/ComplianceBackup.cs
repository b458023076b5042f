using System.ComponentModel;
using System.Text.Json.Serialization;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Schema;

namespace Dora.Api;

/// <summary>One backup of one engine: made by a schedule or by somebody. The record that auditors keep.</summary>
[Description("One backup of one engine of a ComplianceStack.")]
public sealed record ComplianceBackup(
    ObjectMeta Metadata,
    ComplianceBackupSpec Spec,
    ComplianceBackupStatus? Status = null,
    [property: MaxLength(64)] string? ApiVersion = StackResource.ApiVersion,
    [property: MaxLength(63)] string? Kind = BackupResource.Kind) : IKubeObject;

/// <summary>What is backed up.</summary>
[Cel("self == oldSelf", "a backup's spec cannot be changed: create another ComplianceBackup")]
[Cel("!has(self.parts) || self.parts == 'All' || (has(self.type) && self.type == 'Dump')", ComplianceBackupSpec.PartsOfDump, FieldPath = ".parts")]
[Cel("!has(self.database) || (has(self.type) && self.type == 'Dump')", ComplianceBackupSpec.DatabaseOfDump, FieldPath = ".database")]
public sealed record ComplianceBackupSpec(
    [property: Description("The ComplianceStack of this namespace."), MinLength(1), MaxLength(40)]
    string Stack,
    [property: Description("Key under its spec.engines."), MinLength(1), MaxLength(63)]
    string Engine,
    [property: Description("How much.")]
    BackupType Type = BackupType.Full,
    [property: Description("Only this database, of type Dump."), MinLength(1), MaxLength(128)]
    string? Database = null,
    [property: Description("A run that takes longer is ended, and has failed."), Duration]
    string Deadline = "6h",
    [property: Description("Of type Dump: all of the database, what it consists of without rows (Schema), or rows alone (Data).")]
    DumpParts Parts = DumpParts.All,
    [property: Description("A backup that is in the bucket already: nothing is run.")]
    FoundBackup? Found = null)
{
    /// <summary>Other types hold all.</summary>
    public const string PartsOfDump = "parts other than All belong to type Dump";

    /// <summary>Other types hold all databases.</summary>
    public const string DatabaseOfDump = "database belongs to type Dump: other types hold all databases";
}

/// <summary>What of a database is dumped.</summary>
[JsonConverter(typeof(EnumNames<DumpParts>))]
public enum DumpParts
{
    /// <summary>All of it.</summary>
    All,

    /// <summary>Tables, views, functions and so on, without rows.</summary>
    Schema,

    /// <summary>Rows alone.</summary>
    Data,
}

/// <summary>A backup that was found in the bucket.</summary>
public sealed record FoundBackup(
    [property: Description("Its ID: below the prefix, the folder NAMESPACE/STACK/ENGINE/ID."), Pattern("^[0-9]{8}t[0-9]{6}z-[a-z0-9]+$"), MaxLength(40)]
    string Id);

/// <summary>How far a run is.</summary>
[JsonConverter(typeof(EnumNames<RunPhase>))]
public enum RunPhase
{
    /// <summary>It waits: another one of its engine runs, or the engine does not serve.</summary>
    Pending,

    /// <summary>It runs.</summary>
    Running,

    /// <summary>It is done, and what it says was read back.</summary>
    Succeeded,

    /// <summary>It has failed, for good.</summary>
    Failed,

    /// <summary>It succeeded, and its data is in the bucket no more.</summary>
    Gone,
}

/// <summary>What became of a backup.</summary>
public sealed record ComplianceBackupStatus(
    [property: Description("Pending, Running, Succeeded or Failed; Gone once the data is in the bucket no more. Failed is final: create another one.")]
    RunPhase Phase = RunPhase.Pending,
    [property: Description("The generation this status was computed from.")]
    long? ObservedGeneration = null,
    [property: Description("ID in the bucket: below the prefix, the folder NAMESPACE/STACK/ENGINE/ID."), MaxLength(40)]
    string? Id = null,
    [property: Description("The Job of the run."), MaxLength(63)]
    string? Job = null,
    [property: Description("The member that was read."), MaxLength(253)]
    string? Source = null,
    [property: Description("The state of the data is that of this time, or later.")]
    DateTimeOffset? StartedAt = null,
    [property: Description("When all of it was stored, and its manifest read back.")]
    DateTimeOffset? FinishedAt = null,
    [property: Description("Where it is: the store, its bucket and the folder."), MaxLength(600)]
    string? Location = null,
    [property: Description("What form the data has."), MaxLength(63)]
    string? Content = null,
    [property: Description("Bytes as the engine gave them.")]
    long? Bytes = null,
    [property: Description("Bytes in the bucket.")]
    long? StoredBytes = null,
    [property: Description("Objects that hold the data.")]
    int? Objects = null,
    [property: Description("SHA-256 of the data as the engine gave it."), MaxLength(64)]
    string? Sha256 = null,
    [property: Description("SHA-256 of the manifest, read back after it was written."), MaxLength(64)]
    string? ManifestSha256 = null,
    [property: Description("Version of the manifest in the bucket."), MaxLength(128)]
    string? ManifestVersion = null,
    [property: Description("Which key sealed it."), MaxLength(300)]
    string? KeyId = null,
    [property: Description("What the engine says of the data: log position, versions, and the fingerprint (count:NAME, digest:NAME)."), MaxProperties(64)]
    IReadOnlyDictionary<string, string>? Facts = null,
    [property: Description("When all of it was last restored, and found to be what it was.")]
    DateTimeOffset? VerifiedAt = null,
    [property: Description("Which older backups were removed after this one, by spec.backup.keep."), MaxLength(1024)]
    string? Expiry = null,
    [property: Description("Whether who writes backups can remove them, as it was tried after this one."), MaxLength(2048)]
    string? Protection = null,
    [property: Description("What was found when that was tried: versioning, object-lock, lock-mode, lock-until, delete."), MaxProperties(16)]
    IReadOnlyDictionary<string, string>? ProtectionFacts = null,
    [property: ListMap("name"), MaxItems(16), Description("One entry for each place of spec.backup.copies that it was copied to, or should be.")]
    IReadOnlyList<BackupCopyStatus>? Copies = null,
    [property: Description("IDs of the backups that were removed after this one."), MaxItems(100), MaxLength(40)]
    IReadOnlyList<string>? Removed = null,
    [property: Description("IDs of those that stayed then, where more were removed than can be listed."), MaxItems(100), MaxLength(40)]
    IReadOnlyList<string>? Stayed = null,
    [property: Description("When it was seen that its data is gone; the record goes 30 days later.")]
    DateTimeOffset? GoneAt = null,
    [property: Description("CamelCase: why it is in this phase."), MaxLength(64)]
    string? Reason = null,
    [property: Description("What is wrong, and what to do."), MaxLength(ComplianceStackStatus.LongestMessage)]
    string? Message = null);

/// <summary>Where <see cref="ComplianceBackup"/> is served.</summary>
public static class BackupResource
{
    /// <summary>The kind.</summary>
    public const string Kind = "ComplianceBackup";

    /// <summary>The kind with its contract.</summary>
    public static KubeType<ComplianceBackup> Type { get; } = new(
        new(StackResource.Group, "v1alpha1", "compliancebackups", Kind), ApiJson.Wire.ComplianceBackup, ApiJson.Wire.KubeListComplianceBackup);
}
