namespace Dora.Backup.Keeping;

/// <summary>A backup of one engine, as far as keeping it goes.</summary>
/// <param name="Id">Its ID.</param>
/// <param name="At">When it was begun.</param>
/// <param name="Verified">Whether every byte of it was once read and found right.</param>
/// <param name="Parent">ID of the one that it cannot be restored without, or null.</param>
public sealed record KeptBackup(string Id, DateTimeOffset At, bool Verified = false, string? Parent = null)
{
    /// <summary>Name of the fact of a manifest: ID of the backup that this one cannot be restored without.</summary>
    public const string Prior = "prior";
}

/// <summary>What becomes of a backup, and why.</summary>
/// <param name="Id">Its ID.</param>
/// <param name="Stays">Whether it stays.</param>
/// <param name="Reasons">Rules that want it; empty when it goes.</param>
public sealed record KeepVerdict(string Id, bool Stays, IReadOnlyList<string> Reasons);

/// <summary>Decides which backups of one engine stay. Pure.</summary>
public static class KeepPlan
{
    /// <summary>A verdict for each backup, the newest first.</summary>
    /// <param name="backups">All there are.</param>
    /// <param name="rules">What is wanted.</param>
    /// <param name="zone">Where days begin.</param>
    /// <param name="windowStart">From when on it must be possible to go back to any moment; null: no such wish.</param>
    public static IReadOnlyList<KeepVerdict> Of(IEnumerable<KeptBackup> backups, KeepRules rules, TimeZoneInfo zone, DateTimeOffset? windowStart = null)
    {
        ArgumentNullException.ThrowIfNull(rules);
        ArgumentNullException.ThrowIfNull(zone);
        List<KeptBackup> newest = [.. backups.OrderByDescending(backup => backup.At).ThenByDescending(backup => backup.Id, StringComparer.Ordinal)];
        var reasons = newest.ToDictionary(backup => backup.Id, _ => new List<string>(), StringComparer.Ordinal);
        foreach (var (backup, reason) in Wanted(newest, rules, zone, windowStart))
            reasons[backup.Id].Add(reason);
        // The newest first: what a child needs is known before its parent is looked at.
        foreach (var child in newest.Where(backup => reasons[backup.Id].Count > 0))
            NeededBy(child, newest, reasons);
        return [.. newest.Select(backup => new KeepVerdict(backup.Id, reasons[backup.Id].Count > 0, reasons[backup.Id]))];
    }

    private static IEnumerable<(KeptBackup Backup, string Reason)> Wanted(List<KeptBackup> newest, KeepRules rules, TimeZoneInfo zone, DateTimeOffset? windowStart)
    {
        if (!rules.Any)
            return newest.Select(backup => (backup, "no rule removes any"));
        return newest.Take(Math.Max(rules.Last, 1)).Select(backup => (backup, "last"))
            // Whatever the rules say, what is known to be good stays until something newer is.
            .Concat(newest.Where(backup => backup.Verified).Take(1).Select(backup => (backup, "newest verified")))
            .Concat(rules.Periods.SelectMany(period => newest
                .GroupBy(backup => period.Period(TimeZoneInfo.ConvertTime(backup.At, zone).DateTime), StringComparer.Ordinal)
                .Take(period.Count)
                .Select(group => (group.First(), $"{period.Rule} {group.Key}"))))
            .Concat(Window(newest, windowStart));
    }

    // To go back to the window's first moment takes the last backup from before it.
    private static IEnumerable<(KeptBackup Backup, string Reason)> Window(List<KeptBackup> newest, DateTimeOffset? start)
    {
        if (start is not { } from)
            return [];
        var within = newest.TakeWhile(backup => backup.At >= from).ToList();
        return within.Concat(newest.Skip(within.Count).Where(backup => backup.Parent is null).Take(1)).Select(backup => (backup, "point in time"));
    }

    private static void NeededBy(KeptBackup child, List<KeptBackup> all, Dictionary<string, List<string>> reasons)
    {
        for (var parent = child.Parent; parent is not null && reasons.TryGetValue(parent, out var held); parent = all.Find(backup => backup.Id == parent)?.Parent)
        {
            var reason = $"needed by {child.Id}";
            // Each is walked once; and a ring, which cannot be, would have no end.
            if (held.Contains(reason))
                return;
            held.Add(reason);
        }
    }
}
