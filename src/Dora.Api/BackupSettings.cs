using System.ComponentModel;
using System.Text.Json.Serialization;
using Dora.Kubernetes.Schema;

namespace Dora.Api;

/// <summary>Where backups of a stack go, when they are made, which stay, and when one is restored to see whether that works.</summary>
[Cel($"!has(self.copies) || self.copies.all(copy, {BackupCopy.Elsewhere})", "two places of backups have the same endpoint, bucket and prefix: give each copy another", FieldPath = ".copies")]
public sealed record BackupSettings(
    [property: Description("The object store that backups are written to.")]
    BackupDestination Destination,
    [property: Description("What seals backups. Whoever loses the keys has lost the backups.")]
    BackupEncryption Encryption,
    [property: ListMap("name"), MaxItems(16), Description("When backups are made by themselves; none: only when somebody creates a ComplianceBackup.")]
    IReadOnlyList<BackupSchedule>? Schedules = null,
    [property: ListMap("engine"), MaxItems(16), Description("What restores have to reach; conditions BackupFresh and RecoveryObjectivesMet say whether they do.")]
    IReadOnlyList<BackupObjective>? Objectives = null,
    [property: Description("Which backups stay. Absent: all of them. The newest one, and the newest that was verified, always stay.")]
    BackupKeep? Keep = null,
    [property: Description("When the newest backup is restored into a throw-away instance, to see whether that works and how long it takes.")]
    DrillSettings? Drills = null,
    [property: ListMap("name"), MaxItems(BackupCopy.Most), Description("Other places that each backup is copied to, sealed as it is; condition BackupCopied says whether they hold the newest.")]
    IReadOnlyList<BackupCopy>? Copies = null,
    [property: Description("UID of a stack that is gone: this one, of the same name, takes its folder in the bucket over, and that one is refused from then on."), Pattern("^[A-Za-z0-9-]+$"), MaxLength(63)]
    string? Adopt = null);

/// <summary>A bucket of an object store that speaks S3.</summary>
[Cel("self.endpoint.startsWith('https://') || (has(self.insecure) && self.insecure)", "endpoint must begin with https://: over http everybody on the way reads the names of the backups and may change answers; insecure: true permits it", FieldPath = ".endpoint")]
[Cel("!(has(self.caSecret) && has(self.caConfigMap))", "give caSecret or caConfigMap, not both")]
public sealed record BackupDestination(
    [property: Description("Base address of the store, e.g. https://s3.eu-central-1.amazonaws.com."), Pattern("^https?://[^/?#@ ]+/?$"), MaxLength(253)]
    string Endpoint,
    [property: Description("The bucket; it must exist. Versions and object lock are advised: condition BackupProtected says whether they hold."), Pattern("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"), MaxLength(63)]
    string Bucket,
    [property: Description("Secret of this namespace with the keys accessKeyId and secretAccessKey, and sessionToken for temporary credentials."), MinLength(1), MaxLength(253)]
    string CredentialsSecret,
    [property: Description("What all names in the bucket begin with, without a slash at either end. Below it: NAMESPACE/STACK/ENGINE/ID."), Pattern("^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$"), MaxLength(200)]
    string? Prefix = null,
    [property: Description("Region that requests are signed for."), Pattern("^[A-Za-z0-9_-]+$"), MaxLength(63)]
    string Region = "us-east-1",
    [property: Description("Whether the bucket stands in the path of requests, not in the host's name.")]
    bool PathStyle = true,
    [property: Description("Secret of this namespace whose key ca.crt holds the certificates that sign the store's. Default: those of the image."), MinLength(1), MaxLength(253)]
    string? CaSecret = null,
    [property: Description("The same in a ConfigMap."), MinLength(1), MaxLength(253)]
    string? CaConfigMap = null,
    [property: Description("Storage class of the data; default: the bucket's own."), Pattern("^[A-Z0-9_]+$"), MaxLength(63)]
    string? StorageClass = null,
    [property: Description("How long nobody can remove or change what is written. The bucket must have been made with object lock.")]
    BackupLock? Lock = null,
    [property: Description("Whether an endpoint without TLS is permitted. Data is sealed all the same.")]
    bool Insecure = false);

/// <summary>Object lock of what is written.</summary>
public sealed record BackupLock(
    [property: Description("Compliance: nobody at all removes it before its day. Governance: only who is specially permitted.")]
    BackupLockMode Mode,
    [property: Description("Days from when it is written."), Minimum(1), Maximum(36500)]
    int Days);

/// <summary>Who may remove what is locked.</summary>
[JsonConverter(typeof(EnumNames<BackupLockMode>))]
public enum BackupLockMode
{
    /// <summary>Who is specially permitted.</summary>
    Governance,

    /// <summary>Nobody.</summary>
    Compliance,
}

/// <summary>What seals backups.</summary>
[Cel("has(self.keySecret) != has(self.vault)", "give keySecret or vault, one of the two")]
public sealed record BackupEncryption(
    [property: Description("Secret of this namespace with keys of 32 bytes, raw or in base64: the one named current seals new backups, all of them open old ones."), MinLength(1), MaxLength(253)]
    string? KeySecret = null,
    [property: Description("A key of Vault's transit engine wraps the key of each backup, and never leaves Vault.")]
    BackupTransit? Vault = null);

/// <summary>A key of Vault's transit engine.</summary>
[Cel("!has(self.address) || self.address.startsWith('https://') || self.address.matches('^http://(localhost|127[.][0-9.]+|\\\\[::1\\\\])(:[0-9]+)?/?$')", VaultSettings.UnsafeAddress, FieldPath = ".address")]
public sealed record BackupTransit(
    [property: Description("Name of the key."), Pattern(VaultDatabaseRole.NamePattern), MaxLength(253)]
    string Key,
    [property: Description("Role of the auth method that the pods of backups log in to, as the service account STACK-backup."), Pattern("^[A-Za-z0-9_.-]+$"), MaxLength(128)]
    string Role,
    [property: Description("Base address of Vault. Default: that of spec.credentials.vault, with its namespace and certificates."), Pattern(VaultSettings.AddressPattern), MaxLength(253)]
    string? Address = null,
    [property: Description("Where the auth method is mounted."), Pattern(VaultSettings.PathPattern), MaxLength(253)]
    string AuthMount = VaultConnection.DefaultAuthMount,
    [property: Description("Where the transit engine is mounted."), Pattern(VaultSettings.PathPattern), MaxLength(253)]
    string Mount = "transit",
    [property: Description("Namespace of Vault Enterprise or OpenBao."), MaxLength(253), MinLength(1)]
    string? Namespace = null,
    [property: Description("Secret of this namespace whose key ca.crt holds the certificates that sign Vault's."), MaxLength(253), MinLength(1)]
    string? CaSecret = null);

/// <summary>When backups are made.</summary>
public sealed record BackupSchedule(
    [property: Description("Name; part of the names of the backups that it makes."), Pattern("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), MaxLength(20)]
    string Name,
    [property: Description("Minute, hour, day of the month, month and day of the week, e.g. '30 2 * * *'."), Pattern(Schedule.CronPattern), MaxLength(100)]
    string Cron,
    [property: Description("A name of the time zone database. Default: UTC."), Pattern(Schedule.ZonePattern), MaxLength(64)]
    string? TimeZone = null,
    [property: Description("Keys under spec.engines. Default: all engines of the stack."), MaxItems(16), MaxLength(63)]
    IReadOnlyList<string>? Engines = null,
    [property: Description("Full: all data. Incremental: what changed since the last one; Full where the engine has no other.")]
    BackupType Type = BackupType.Full,
    [property: Description("Backups begin up to this much later, each stack at its own moment, so that many do not begin at once: e.g. 10m."), Duration]
    string Jitter = "5m",
    [property: Description("A run that takes longer is ended, and has failed."), Duration]
    string Deadline = "6h");

/// <summary>How much a backup holds.</summary>
[JsonConverter(typeof(EnumNames<BackupType>))]
public enum BackupType
{
    /// <summary>All data.</summary>
    Full,

    /// <summary>What changed since the one before.</summary>
    Incremental,

    /// <summary>The log since the one before.</summary>
    Log,

    /// <summary>A logical dump.</summary>
    Dump,
}

/// <summary>What restores of an engine have to reach.</summary>
public sealed record BackupObjective(
    [property: Description("Key under spec.engines."), MaxLength(63)]
    string Engine,
    [property: Description("How much may be lost at most (RPO): the newest point that can be restored is never older, e.g. 24h."), Duration]
    string? Rpo = null,
    [property: Description("How long a restore may take (RTO); drills measure it, e.g. 2h."), Duration]
    string? Rto = null);

/// <summary>Which backups stay: any rule that wants one keeps it.</summary>
[Cel("[has(self.last) ? self.last : 0, has(self.hourly) ? self.hourly : 0, has(self.daily) ? self.daily : 0, has(self.weekly) ? self.weekly : 0, has(self.monthly) ? self.monthly : 0, has(self.yearly) ? self.yearly : 0].exists(count, count > 0)", "these rules would keep nothing: give last, hourly, daily, weekly, monthly or yearly, or leave keep out to keep everything")]
public sealed record BackupKeep(
    [property: Description("How many of the newest."), Minimum(0), Maximum(10000)]
    int Last = 0,
    [property: Description("Of how many hours the newest."), Minimum(0), Maximum(10000)]
    int Hourly = 0,
    [property: Description("Of how many days."), Minimum(0), Maximum(10000)]
    int Daily = 0,
    [property: Description("Of how many weeks (ISO 8601)."), Minimum(0), Maximum(10000)]
    int Weekly = 0,
    [property: Description("Of how many months."), Minimum(0), Maximum(10000)]
    int Monthly = 0,
    [property: Description("Of how many years."), Minimum(0), Maximum(1000)]
    int Yearly = 0,
    [property: Description("Where days begin: a name of the time zone database. Default: UTC."), Pattern(Schedule.ZonePattern), MaxLength(64)]
    string? TimeZone = null)
{
    /// <summary>Whether any rule keeps anything.</summary>
    [JsonIgnore]
    public bool Any => Last + Hourly + Daily + Weekly + Monthly + Yearly > 0;
}

/// <summary>Restores that only show that restoring works.</summary>
public sealed record DrillSettings(
    [property: Description("Minute, hour, day of the month, month and day of the week, e.g. '0 4 * * 6'."), Pattern(Schedule.CronPattern), MaxLength(100)]
    string Cron,
    [property: Description("A name of the time zone database. Default: UTC."), Pattern(Schedule.ZonePattern), MaxLength(64)]
    string? TimeZone = null,
    [property: Description("Keys under spec.engines. Default: all engines of the stack."), MaxItems(16), MaxLength(63)]
    IReadOnlyList<string>? Engines = null,
    [property: Description("A drill that takes longer is ended, and has failed."), Duration]
    string Deadline = "6h",
    [property: ListMap("name"), MaxItems(16), Description("Questions to the restored data whose answers are known.")]
    IReadOnlyList<DrillCheck>? Checks = null,
    [property: Description("As that of schedules."), Duration]
    string Jitter = "5m");

/// <summary>A question to restored data.</summary>
public sealed record DrillCheck(
    [property: Description("Name, for the report."), Pattern("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), MaxLength(40)]
    string Name,
    [property: Description("Key under spec.engines."), MaxLength(63)]
    string Engine,
    [property: Description("In the engine's own language: SQL, a Redis command, Cypher, InfluxQL or Flux, a MongoDB command."), MinLength(1), MaxLength(4096)]
    string Query,
    [property: Description("What the answer must be, as text."), MaxLength(1024)]
    string Expect,
    [property: Description("The database that is asked, where the engine has several."), MaxLength(128)]
    string? Database = null);
