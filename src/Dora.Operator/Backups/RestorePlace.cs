using Dora.Api;

namespace Dora.Operator.Backups;

/// <summary>The place that a restore reads: the first, or a copy. Of a copy nothing asks the first, which may be gone. Pure.</summary>
internal static class RestorePlace
{
    /// <summary>The stack's backups as seen from there; null: the stack has no such copy, or no backups.</summary>
    public static BackupSettings? Of(RestoreObservation observed) => RunOrders.From(observed.Source?.Spec.Backup, observed.Restore.Spec.Source.Copy);

    /// <summary>Whether a backup was made that could be restored: what is gone from the first place may be in a copy.</summary>
    public static bool Holds(RestoreObservation observed, ComplianceBackup backup) =>
        backup.Status is { Id: not null } status && (status.Phase == RunPhase.Succeeded || (status.Phase == RunPhase.Gone && observed.Restore.Spec.Source.Copy is not null));

    /// <summary>Whether a backup is there.</summary>
    public static bool Has(RestoreObservation observed, ComplianceBackup backup) =>
        observed.Restore.Spec.Source.Copy is not { } name || (observed.Source?.Spec.Backup?.Copies?.FirstOrDefault(copy => copy.Name == name) is { } place && CopyRules.IsThere(backup.Status, place));

    /// <summary>What is wrong with the name of a copy that a restore gives, or null.</summary>
    public static string? Problem(RestoreObservation observed) => Of(observed) is not null ? null
        : $"spec.backup of {observed.Restore.Spec.Stack} has no copy '{observed.Restore.Spec.Source.Copy}': {(observed.Source?.Spec.Backup?.Copies is { Count: > 0 } copies ? $"choose from {string.Join(", ", copies.Select(copy => copy.Name).Order(StringComparer.Ordinal))}" : "it has none")}";

    /// <summary>The status of a backup that was restored from there, and found to be what it was.</summary>
    public static ComplianceBackupStatus Verified(ComplianceRestore restore, ComplianceBackupStatus status, DateTimeOffset? at) => restore.Spec.Source.Copy is { } name
        ? status with { Copies = [.. (status.Copies ?? []).Select(entry => entry.Name == name ? entry with { VerifiedAt = at } : entry)] }
        : status with { VerifiedAt = at };
}
