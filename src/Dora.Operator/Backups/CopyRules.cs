using System.Globalization;
using Dora.Api;
using Dora.Backup.Runs;
using Dora.Backup.Sets;

namespace Dora.Operator.Backups;

/// <summary>
/// Copies of backups that succeeded: one Job of an engine at a time, the newest backup first, then older ones as far as rules keep them. A failed copy is tried
/// again, later each time; the backup is as good as it was. Copies wait for backups and restores that are under way, and hold up none. Pure.
/// </summary>
internal static class CopyRules
{
    /// <summary>Reason of a copy whose Job runs.</summary>
    public const string Copying = "Copying";

    /// <summary>Reason of a copy that is there.</summary>
    public const string Copied = "Copied";

    private const int LongestMessage = 1000;

    // Who waits far behind looks rarely.
    private const int MostLooks = 40;

    private static readonly TimeSpan _firstDelay = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan _longestDelay = TimeSpan.FromHours(6);

    /// <summary>What to do next about the copies of a backup that succeeded; null: nothing.</summary>
    public static RunDecision<ComplianceBackupStatus>? Decide(BackupObservation observed, ComplianceBackupStatus status)
    {
        var known = Known(observed.Stack?.Spec.Backup, status);
        if (known.Copies?.Count != status.Copies?.Count)
            return new(known);
        if (observed.Stack is not { Spec.Backup: { Copies.Count: > 0 } backup } stack || status.Id is null || observed.Engine is null)
            return null;
        if (Expiring(observed, status, backup) is { } expiring)
            return expiring;
        var queue = CopyQueue.Of(stack, backup, observed);
        var due = queue.Where(task => task.Entry?.RetryAt is not { } at || at <= observed.Now).ToList();
        var place = due.FindIndex(task => task.Uid == observed.Backup.Metadata.Uid);
        if (place < 0)
            return queue.Where(task => task.Uid == observed.Backup.Metadata.Uid).Min(task => task.Entry?.RetryAt) is { } retry ? new(status, Again: retry - observed.Now) : null;
        var next = due[place];
        if (next.Entry?.Reason == Copying)
            return Running(observed, status, next.Copy, next.Entry);
        return place > 0 || observed.Busy is not null
            ? new(status, Again: BackupRules.Look * Math.Clamp(place, 1, MostLooks))
            : Begin(observed, status, next.Copy, next.Entry);
    }

    /// <summary>Whether a backup is in a place, and that is still where the place is.</summary>
    public static bool IsThere(ComplianceBackupStatus? status, BackupCopy copy) =>
        Entry(status, copy.Name) is { At: not null, Location: { } location } && location.StartsWith($"{RunOrders.Store(copy.Destination)}/", StringComparison.Ordinal) && location.EndsWith($"/{status!.Id}/", StringComparison.Ordinal);

    /// <summary>What is known of a copy, or null.</summary>
    public static BackupCopyStatus? Entry(ComplianceBackupStatus? status, string name) => status?.Copies?.FirstOrDefault(entry => entry.Name == name);

    // What is there stays on record when its place leaves the spec; what is not has nobody who goes on with it.
    private static ComplianceBackupStatus Known(BackupSettings? backup, ComplianceBackupStatus status) =>
        status.Copies?.Where(entry => entry.At is not null || backup?.Copies?.Any(copy => copy.Name == entry.Name) == true).ToList() is { } kept && kept.Count != status.Copies.Count
            ? status with { Copies = kept.Count > 0 ? kept : null }
            : status;

    private static RunDecision<ComplianceBackupStatus> Begin(BackupObservation observed, ComplianceBackupStatus status, BackupCopy copy, BackupCopyStatus? entry)
    {
        // The words of the last failure stay until it is known whether this one fails too.
        var begun = entry is { At: null } ? entry with { Attempts = entry.Attempts + 1, Reason = Copying, RetryAt = null } : new BackupCopyStatus(copy.Name, Attempts: 1, Reason: Copying);
        return Start(observed, With(status, begun), copy, begun) with { End = entry is null ? null : observed.Jobs.FirstOrDefault(job => job.Metadata.Name == JobName(observed, status, entry)) };
    }

    private static RunDecision<ComplianceBackupStatus> Running(BackupObservation observed, ComplianceBackupStatus status, BackupCopy copy, BackupCopyStatus entry)
    {
        if (observed.Jobs.FirstOrDefault(job => job.Metadata.Name == JobName(observed, status, entry)) is not { } job)
            return Start(observed, status, copy, entry);
        if (RunEnd.Of(job, observed.Pods) is not { } end)
            return new(status, Again: BackupRules.Look);
        var problem = end is not { Succeeded: true, Report: { } report } ? $"{end.Reason}: {end.Message}"
            : status.ManifestSha256 is { } sha256 && report.Manifest != sha256 ? $"BackupBroken: the copy's manifest has SHA-256 {report.Manifest ?? "of nothing"}, and the backup's {sha256}"
            : null;
        return new(With(status, problem is null ? Done(observed, copy, entry, end.Report!) : Failed(observed, entry, problem)));
    }

    private static BackupCopyStatus Done(BackupObservation observed, BackupCopy copy, BackupCopyStatus entry, RunReport report) => new(
        copy.Name,
        BackupRules.Whole(report.FinishedAt ?? observed.Now),
        $"{RunOrders.Store(copy.Destination)}/{new BackupPlace(observed.Stack!.Metadata.Namespace ?? "default", observed.Stack.Metadata.Name!, observed.Backup.Spec.Engine, observed.Backup.Status!.Id!).Folder}",
        report.Manifest,
        report.ManifestVersion,
        entry.Attempts,
        Reason: Copied);

    private static BackupCopyStatus Failed(BackupObservation observed, BackupCopyStatus entry, string problem) => entry with
    {
        RetryAt = BackupRules.Whole(observed.Now + Delay(entry.Attempts)),
        Reason = problem[..problem.IndexOf(':', StringComparison.Ordinal)],
        Message = problem.Length > LongestMessage ? problem[..LongestMessage] : problem,
    };

    private static TimeSpan Delay(int attempts) => _firstDelay * Math.Pow(2, Math.Min(attempts - 1, 10)) is var delay && delay < _longestDelay ? delay : _longestDelay;

    private static RunDecision<ComplianceBackupStatus> Start(BackupObservation observed, ComplianceBackupStatus status, BackupCopy copy, BackupCopyStatus entry)
    {
        var name = JobName(observed, status, entry);
        var order = RunOrders.Of(observed.Stack!, observed.Backup.Spec.Engine, status.Id!, status.Content ?? "") with { Keep = null, Transit = null, Copy = new(RunOrders.Store(copy.Destination), status.ManifestSha256) };
        return new(
            status with { Job = name },
            new(name, BackupRules.Owner(observed.Backup), "copy", order.Write(), BackupRules.Deadline(observed.Backup.Spec.Deadline)) { Target = copy.Destination },
            Again: BackupRules.Look);
    }

    // After the newest that is there, older copies go as the place's rules say.
    private static RunDecision<ComplianceBackupStatus>? Expiring(BackupObservation observed, ComplianceBackupStatus status, BackupSettings backup)
    {
        foreach (var copy in backup.Copies!.Where(copy => (copy.Keep ?? backup.Keep) is { Any: true } && IsThere(status, copy) && Entry(status, copy.Name)!.Expiry is null))
        {
            if (observed.Siblings.Where(sibling => IsThere(sibling.Status, copy)).MaxBy(sibling => sibling.Status!.StartedAt)?.Metadata.Uid != observed.Backup.Metadata.Uid)
                continue;
            var name = BackupRules.JobName(observed.Backup.Metadata.Name!, "expire", $"{status.Id}/{copy.Name}");
            if (observed.Jobs.FirstOrDefault(job => job.Metadata.Name == name) is not { } job)
            {
                var order = RunOrders.At(observed.Stack!, observed.Backup.Spec.Engine, status.Id!, status.Content ?? "", copy);
                return new(status with { Job = name }, new(name, BackupRules.Owner(observed.Backup), "expire", order.Write(), BackupChores.Deadline) { Store = copy.Destination }, Again: BackupRules.Look);
            }

            return RunEnd.Of(job, observed.Pods) is { } end
                ? new(With(status, Entry(status, copy.Name)! with { Expiry = BackupChores.Words(end) }))
                : new(status, Again: BackupRules.Look);
        }

        return null;
    }

    // In the order of their names: an old API server has an order of its own for lists like this.
    private static ComplianceBackupStatus With(ComplianceBackupStatus status, BackupCopyStatus entry) =>
        status with { Copies = [.. (status.Copies ?? []).Where(other => other.Name != entry.Name).Append(entry).OrderBy(other => other.Name, StringComparer.Ordinal)] };

    private static string JobName(BackupObservation observed, ComplianceBackupStatus status, BackupCopyStatus entry) =>
        BackupRules.JobName(observed.Backup.Metadata.Name!, "copy", string.Create(CultureInfo.InvariantCulture, $"{status.Id}/{entry.Name}/{entry.Attempts}"));
}
