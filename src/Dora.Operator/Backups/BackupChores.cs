using Dora.Api;
using Dora.Backup.Runs;

namespace Dora.Operator.Backups;

/// <summary>
/// What is done after a backup that succeeded, one Job after the other: older ones that no rule keeps are removed, and once a day it is tried whether who
/// writes backups could remove them. Neither makes the backup any worse. Pure.
/// </summary>
internal static class BackupChores
{
    private const string Expire = "expire";
    private const string Protect = "protect";
    private static readonly TimeSpan _protectEvery = TimeSpan.FromDays(1);

    /// <summary>How long a chore may take that moves no data.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromHours(1);

    /// <summary>What a check of the bucket that found nothing wrong is called.</summary>
    public const string Protected = "Protected";

    /// <summary>What to do next; null: nothing.</summary>
    public static RunDecision<ComplianceBackupStatus>? Decide(BackupObservation observed, ComplianceBackupStatus status)
    {
        if (observed.Stack?.Spec.Backup is not { } backup || Next(observed, status, backup) is not { } chore || status.Id is not { } id)
            return null;
        var name = BackupRules.JobName(observed.Backup.Metadata.Name!, chore, id);
        var job = observed.Jobs.FirstOrDefault(job => job.Metadata.Name == name);
        if (job is null)
        {
            var order = RunOrders.Of(observed.Stack, observed.Backup.Spec.Engine, id, status.Content ?? "");
            return new(status with { Job = name }, new(name, BackupRules.Owner(observed.Backup), chore, order.Write(), Deadline), Again: BackupRules.Look);
        }

        if (RunEnd.Of(job, observed.Pods) is not { } end)
            return new(status, Again: BackupRules.Look);
        return new(chore == Expire ? status with { Expiry = Words(end), Removed = Told(end.Report?.Removed), Stayed = Told(end.Report?.Stayed) } : status with { Protection = Found(end), ProtectionFacts = end.Succeeded ? end.Report!.Facts : null });
    }

    // Only after the newest: what it keeps and removes holds for all.
    private static string? Next(BackupObservation observed, ComplianceBackupStatus status, BackupSettings backup)
    {
        var done = observed.Siblings.Where(sibling => sibling.Spec.Found is null && sibling.Status is { Phase: RunPhase.Succeeded, Id: not null }).ToList();
        if (done.MaxBy(sibling => sibling.Status!.StartedAt)?.Metadata.Uid != observed.Backup.Metadata.Uid)
            return null;
        if (status.Expiry is null && backup.Keep is { Any: true })
            return Expire;
        return status.Protection is null && done.All(sibling => sibling.Status!.Protection is null || sibling.Status.FinishedAt <= status.FinishedAt - _protectEvery) ? Protect : null;
    }

    private static IReadOnlyList<string>? Told(IReadOnlyList<string>? ids) => ids is { Count: > 0 and <= RunReport.MostIds } ? [.. ids.Order(StringComparer.Ordinal)] : null;

    /// <summary>What a run that removed others says of itself.</summary>
    public static string Words(RunEnd end) => Cut(end is { Succeeded: true, Report.Facts: { } facts }
        ? string.Join(", ", facts.OrderBy(fact => fact.Key, StringComparer.Ordinal).Select(fact => $"{fact.Key} {fact.Value}"))
        : $"failed: {end.Reason}: {end.Message}", 1000);

    private static string Found(RunEnd end) => Cut(end.Succeeded ? end.Report!.Message is { Length: > 0 } gaps ? gaps : Protected : $"not tried: {end.Reason}: {end.Message}", 2000);

    private static string Cut(string words, int most) => words.Length > most ? words[..most] : words;
}
