using System.CommandLine;
using System.Globalization;
using Dora.Backup.Keeping;
using Dora.Backup.Runs;
using Dora.Backup.Store;

namespace Dora.Agent.Backups;

/// <summary>The commands that look after what is stored, and need no key to it.</summary>
internal static class StoreCommands
{
    private static readonly TimeSpan _grace = TimeSpan.FromDays(7);

    /// <summary><c>dora-agent expire</c>.</summary>
    public static Command Expire() => new RunOptions().Command(
        "expire",
        "Remove the backups of an engine that no rule of the order keeps any more; never the newest, nor the newest that was verified, nor what is locked.",
        Needs.Nothing,
        async (run, token) =>
        {
            var folder = run.Order.Place.EngineFolder;
            var mark = await run.ClaimAsync(token).ConfigureAwait(false);
            // The first backups of a stack that was just rebuilt may hold nothing: they push out no old one before somebody could restore it.
            if (mark.TakenOver + _grace is { } until && until > TimeProvider.System.GetUtcNow())
                return new(true, "Completed", "", Facts: new Dictionary<string, string> { ["waits-until"] = until.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture) });
            var report = await new Expiry(run.Store, TimeProvider.System).RunAsync(folder, run.Order.Keep ?? new(), Zone(run.Order), run.Log, token).ConfigureAwait(false);
            var few = report.Removed.Count <= RunReport.MostIds;
            return new(true, "Completed", "", Removed: few ? report.Removed : null, Stayed: few || report.Stayed.Count > RunReport.MostIds ? null : report.Stayed, Facts: new SortedDictionary<string, string>(StringComparer.Ordinal)
            {
                ["kept"] = Count(report.Kept),
                ["removed"] = Count(report.Removed.Count),
                ["locked"] = Count(report.Locked.Count),
                ["leftovers"] = Count(report.Leftovers.Count),
            });
        });

    /// <summary><c>dora-agent protect</c>.</summary>
    public static Command Protect() => new RunOptions().Command(
        "protect",
        "Find out whether who writes backups can remove them: write an object as backups are written, read its lock back, and try to remove it.",
        Needs.Nothing,
        async (run, token) =>
        {
            await run.ClaimAsync(token).ConfigureAwait(false);
            var found = await new Canary(run.Store, TimeProvider.System).TryAsync(run.Order.Place.Canary, token).ConfigureAwait(false);
            var gaps = string.Join("; ", found.Gaps(run.Order.Store.Lock, TimeProvider.System.GetUtcNow()));
            return new(true, gaps.Length == 0 ? "Protected" : "NotProtected", gaps, Facts: found.Facts);
        });

    private static string Count(int count) => count.ToString(CultureInfo.InvariantCulture);

    private static TimeZoneInfo Zone(RunOrder order) => TimeZoneInfo.TryFindSystemTimeZoneById(order.TimeZone, out var zone)
        ? zone
        : throw new BadOrderException($"timeZone '{order.TimeZone}' is not known: use a name of the tz database, such as Europe/Berlin");
}
