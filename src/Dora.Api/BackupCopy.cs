using System.ComponentModel;
using Dora.Kubernetes.Schema;

namespace Dora.Api;

/// <summary>Another place that backups are copied to: a bucket in another region, or of another account.</summary>
public sealed record BackupCopy(
    [property: Description("Name, as restores say it."), Pattern("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), MaxLength(20)]
    string Name,
    [property: Description("The object store that backups are copied to; fields as of spec.backup.destination."), DescribedElsewhere]
    BackupDestination Destination,
    [property: Description("Which copies stay; fields as of spec.backup.keep, which is the default."), DescribedElsewhere]
    BackupKeep? Keep = null)
{
    /// <summary>How many there may be.</summary>
    public const int Most = 3;

    private const string OfFirst = "(copy.destination.endpoint == self.destination.endpoint && copy.destination.bucket == self.destination.bucket && (has(copy.destination.prefix) ? copy.destination.prefix : '') == (has(self.destination.prefix) ? self.destination.prefix : ''))";
    private const string OfAnother = "self.copies.exists_one(other, copy.destination.endpoint == other.destination.endpoint && copy.destination.bucket == other.destination.bucket && (has(copy.destination.prefix) ? copy.destination.prefix : '') == (has(other.destination.prefix) ? other.destination.prefix : ''))";

    internal const string Elsewhere = $"!{OfFirst} && {OfAnother}";
}

/// <summary>A copy of one backup.</summary>
public sealed record BackupCopyStatus(
    [property: Description("Name under spec.backup.copies."), MaxLength(20)]
    string Name,
    [property: Description("When all of it was there, and its manifest read back; absent: it is not there.")]
    DateTimeOffset? At = null,
    [property: Description("Where it is: the store, its bucket and the folder."), MaxLength(600)]
    string? Location = null,
    [property: Description("SHA-256 of its manifest, read back there: that of the backup."), MaxLength(64)]
    string? ManifestSha256 = null,
    [property: Description("Version of the manifest in that bucket."), MaxLength(128)]
    string? ManifestVersion = null,
    [property: Description("How often it was tried.")]
    int Attempts = 0,
    [property: Description("When it is tried again.")]
    DateTimeOffset? RetryAt = null,
    [property: Description("CamelCase: Copying, Copied, or why it is not there."), MaxLength(64)]
    string? Reason = null,
    [property: Description("What is wrong, and what to do."), MaxLength(1024)]
    string? Message = null,
    [property: Description("When all of the copy was last restored, and found to be what it was.")]
    DateTimeOffset? VerifiedAt = null,
    [property: Description("Which older copies were removed after this one, by keep."), MaxLength(1024)]
    string? Expiry = null);

/// <summary>The newest backup of an engine in another place.</summary>
public sealed record EngineCopy(
    [property: Description("Name under spec.backup.copies."), MaxLength(20)]
    string Name,
    [property: Description("The newest ComplianceBackup that is there."), MaxLength(253)]
    string? Backup = null,
    [property: Description("The state of its data is that of this time.")]
    DateTimeOffset? BackupAt = null);
