using Dora.Api;
using Dora.Backup.Keeping;

namespace Dora.Operator.Backups;

/// <summary>A copy that is not there yet.</summary>
/// <param name="Uid">UID of the backup.</param>
/// <param name="Copy">The place.</param>
/// <param name="Entry">What is known of it, or null.</param>
internal sealed record CopyTask(string? Uid, BackupCopy Copy, BackupCopyStatus? Entry);

/// <summary>The copies that an engine's backups lack, in the order in which they are made. Pure.</summary>
internal static class CopyQueue
{
    /// <summary>That which is under way first, then those of the newest backup. What no rule keeps, here or there, is not copied.</summary>
    public static IReadOnlyList<CopyTask> Of(ComplianceStack stack, BackupSettings backup, BackupObservation observed)
    {
        var done = observed.Siblings.Where(sibling => sibling is { Spec.Found: null, Status: { Phase: RunPhase.Succeeded, Id: not null } }).OrderByDescending(sibling => sibling.Status!.StartedAt).ThenBy(sibling => sibling.Metadata.Uid, StringComparer.Ordinal).ToList();
        var kept = Kept(done, backup.Keep);
        var wanted = backup.Copies!.ToDictionary(copy => copy.Name, copy => copy.Keep is null ? kept : kept.Intersect(Kept(done, copy.Keep)).ToHashSet(StringComparer.Ordinal), StringComparer.Ordinal);
        return
        [
            .. done
                .SelectMany(sibling => backup.Copies!.Where(copy => wanted[copy.Name].Contains(sibling.Status!.Id!) && !CopyRules.IsThere(sibling.Status, copy)).Select(copy => new CopyTask(sibling.Metadata.Uid, copy, CopyRules.Entry(sibling.Status, copy.Name))))
                .OrderBy(task => task.Entry?.Reason != CopyRules.Copying),
        ];
    }

    // As the agent decides it on the bucket's own listing.
    private static HashSet<string> Kept(IReadOnlyList<ComplianceBackup> done, BackupKeep? keep) => KeepPlan
        .Of(done.Select(sibling => sibling.Status!).Select(status => new KeptBackup(status.Id!, status.StartedAt ?? default, status.VerifiedAt is not null, status.Facts?.GetValueOrDefault(KeptBackup.Prior))), RunOrders.Rules(keep) ?? new(), Zone(keep))
        .Where(verdict => verdict.Stays)
        .Select(verdict => verdict.Id)
        .ToHashSet(StringComparer.Ordinal);

    private static TimeZoneInfo Zone(BackupKeep? keep) => keep?.TimeZone is { } name && TimeZoneInfo.TryFindSystemTimeZoneById(name, out var zone) ? zone : TimeZoneInfo.Utc;
}
