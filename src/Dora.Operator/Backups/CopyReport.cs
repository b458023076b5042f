using Dora.Api;

namespace Dora.Operator.Backups;

/// <summary>What is known of the copies of a stack's backups. Pure; messages hold no ages that grow.</summary>
internal static class CopyReport
{
    /// <summary>The newest backup of an engine in each place; null without copies.</summary>
    public static IReadOnlyList<EngineCopy>? Entries(BackupSettings backup, IEnumerable<ComplianceBackup> done) => backup.Copies is { Count: > 0 } copies
        ? [.. copies.OrderBy(copy => copy.Name, StringComparer.Ordinal).Select(copy => done.Where(one => CopyRules.IsThere(one.Status, copy)).MaxBy(one => one.Status!.StartedAt) is { } newest ? new EngineCopy(copy.Name, newest.Metadata.Name, newest.Status!.StartedAt) : new EngineCopy(copy.Name))]
        : null;

    /// <summary>
    /// What keeps a place from holding an engine's newest backup. While that is being copied, and no try has failed, the one before counts, as far as it is young enough.
    /// </summary>
    /// <param name="engine">What is known of the engine.</param>
    /// <param name="limit">How old the newest may be; null: as it is.</param>
    /// <param name="backups">Backups of the stack.</param>
    /// <param name="now">Time.</param>
    public static IEnumerable<BackupFinding> Findings(EngineBackups engine, TimeSpan? limit, IReadOnlyList<ComplianceBackup> backups, DateTimeOffset now)
    {
        var newest = backups.FirstOrDefault(backup => backup.Metadata.Name == engine.Backup);
        foreach (var copy in engine.Copies ?? [])
        {
            if (copy.Backup != engine.Backup && CopyRules.Entry(newest?.Status, copy.Name) is { Message: { } words })
                yield return new("CopyFailing", $"{engine.Backup} of {engine.Engine} is not in {copy.Name}: {words}");
            else if (copy.BackupAt is not { } at)
                yield return new("CopyMissing", $"{copy.Name} holds no backup of {engine.Engine} yet");
            else if (limit is { } most && now - at > most)
                yield return new("CopyOverdue", $"the newest backup of {engine.Engine} in {copy.Name} is of {at:u}, older than {Durations.Format(most)}");
        }
    }
}
