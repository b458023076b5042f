using Dora.Api;
using Dora.Operator.Stacks;

namespace Dora.Operator.Backups;

/// <summary>Which backups say that their data is gone, and which of these records go. Pure.</summary>
internal static class GoneRules
{
    /// <summary>Reason of a backup that a rule of <c>spec.backup.keep</c> removed.</summary>
    public const string Expired = "Expired";

    private const int AtOnce = 50;

    private static readonly TimeSpan _remembered = TimeSpan.FromDays(30);

    /// <summary>The steps.</summary>
    public static IEnumerable<PlanStep> Steps(StackObservation observed) => observed.Backups
        .GroupBy(backup => backup.Spec.Engine, StringComparer.Ordinal)
        .SelectMany(engine => Marks([.. engine], observed.Now))
        .Concat(Old(observed));

    private static IEnumerable<PlanStep> Marks(IReadOnlyList<ComplianceBackup> backups, DateTimeOffset now)
    {
        var expiries = backups.Where(backup => backup.Status is { Id: not null } and ({ Removed.Count: > 0 } or { Stayed.Count: > 0 })).ToList();
        foreach (var backup in backups.Where(backup => backup.Status is { Phase: RunPhase.Succeeded, Id: not null }))
        {
            if (expiries.FirstOrDefault(expiry => Removed(expiry.Status!, backup.Status!.Id!)) is { } after)
                yield return new PlanStep.RecordBackup(backup, FindRules.Lost(backup, Expired, $"spec.backup.keep wanted it no more after {after.Metadata.Name}: restore from another backup", now));
        }
    }

    // What is younger than the run that removed was not there yet.
    private static bool Removed(ComplianceBackupStatus expiry, string id) =>
        expiry.Removed?.Contains(id) == true || (expiry.Stayed is { } stayed && string.CompareOrdinal(id, expiry.Id) < 0 && !stayed.Contains(id));

    private static IEnumerable<PlanStep> Old(StackObservation observed) => observed.Backups
        .Where(backup => backup is { Metadata.DeletionTimestamp: null, Status: { Phase: RunPhase.Gone, GoneAt: { } since } } && since <= observed.Now - _remembered)
        .OrderBy(backup => backup.Metadata.Name, StringComparer.Ordinal)
        .Take(AtOnce)
        .Select(backup => new PlanStep.Discard(BackupResource.Type.Resource, backup.Metadata.Name!, backup.Metadata.Uid!));
}
