using System.Globalization;
using System.Text.Json;
using Dora.Backup.Runs;

namespace Dora.Backup.Sets;

/// <summary>Compares what a bucket holds with what is known of it, page by page: each as much as a report has room for.</summary>
public sealed class BackupFinder(BackupCatalogue catalogue)
{
    private const int LongestFacts = 800;
    private const int LongestProblem = 300;

    /// <summary>One page.</summary>
    /// <param name="engineFolder">Folder of an engine's backups: <c>NAMESPACE/STACK/ENGINE/</c>.</param>
    /// <param name="order">What is known, and where the page before it ended.</param>
    /// <param name="owner">UID of the stack whose folder it is, or null.</param>
    /// <param name="beat">Told that it gets on.</param>
    /// <param name="cancellationToken">Stops looking.</param>
    public async Task<FoundPage> FindAsync(string engineFolder, FindOrder order, string? owner, Action beat, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(order);
        ArgumentNullException.ThrowIfNull(beat);
        var folders = await catalogue.FoldersAsync(engineFolder, cancellationToken).ConfigureAwait(false);
        var there = folders.ToDictionary(place => place.Id, StringComparer.Ordinal);
        var known = order.Known.ToHashSet(StringComparer.Ordinal);
        HashSet<string> wanted = [.. order.Wanted ?? []];
        var told = folders.Take(order.Newest).Select(place => place.Id).Union(wanted.Where(there.ContainsKey)).Where(id => !known.Contains(id)).ToHashSet(StringComparer.Ordinal);
        var page = new FoundPage([], [], Older: folders.Count(place => !known.Contains(place.Id) && !told.Contains(place.Id)), Owner: owner);
        // Newest first, what is there and what is not in one order: one ID says how far the page goes.
        var rest = told.Concat(known.Union(wanted).Where(id => !there.ContainsKey(id)))
            .Where(id => order.Before is null || string.CompareOrdinal(id, order.Before) < 0)
            .OrderDescending(StringComparer.Ordinal)
            .ToList();
        var read = catalogue.ReadAsync(rest.Where(told.Contains).Select(id => there[id]), cancellationToken).GetAsyncEnumerator(cancellationToken);
        await using (read.ConfigureAwait(false))
        {
            var more = await read.MoveNextAsync().ConfigureAwait(false);
            string? last = null;
            foreach (var id in rest)
            {
                beat();
                var mine = more && read.Current.Place.Id == id;
                var longer = mine ? With(page, read.Current) : told.Contains(id) && !wanted.Contains(id) ? page : page with { Gone = [.. page.Gone, id] };
                if (!Fits(longer with { Next = id }))
                    return page with { Next = last };
                (page, last) = (longer, id);
                if (mine)
                    more = await read.MoveNextAsync().ConfigureAwait(false);
            }
        }

        return page;
    }

    private static Dictionary<string, string> Uncounted(IReadOnlyDictionary<string, string> facts) =>
        facts.Where(fact => !fact.Key.StartsWith("count:", StringComparison.Ordinal) && !fact.Key.StartsWith("digest:", StringComparison.Ordinal)).ToDictionary(StringComparer.Ordinal);

    private static bool Fit(IReadOnlyDictionary<string, string> facts) => JsonSerializer.SerializeToUtf8Bytes(facts, RunJson.Default.IReadOnlyDictionaryStringString).Length <= LongestFacts;

    private static bool Fits(FoundPage page) => RunReport.Of(page).Fits();

    private static FoundPage With(FoundPage page, FoundBackup found)
    {
        if (found.Manifest is not { } manifest)
        {
            var problem = string.Create(CultureInfo.InvariantCulture, $"{found.Place.Id}: {found.Problem}");
            return page with { Unreadable = page.Unreadable + 1, Problem = page.Problem ?? (problem.Length > LongestProblem ? problem[..LongestProblem] : problem) };
        }

        var report = RunReport.Of(manifest, found.ManifestSha256);
        // What was counted of each table is in the manifest; what a backup is must be told.
        var facts = Fit(manifest.Facts) ? manifest.Facts : Uncounted(manifest.Facts) is { Count: > 0 } rest && Fit(rest) ? rest : null;
        return page with
        {
            Backups = [.. page.Backups, new(manifest.Id, manifest.Content, manifest.StartedAt, manifest.FinishedAt, manifest.Objects.Count, found.ManifestSha256!, manifest.Key.Id, report.PlainBytes, report.StoredBytes, found.VerifiedAt, facts)],
        };
    }
}
