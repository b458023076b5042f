using Dora.Backup.Sets;
using Dora.Backup.Store;

namespace Dora.Backup.Keeping;

/// <summary>What was removed, and what was not.</summary>
/// <param name="Kept">Backups that a rule wants.</param>
/// <param name="Removed">IDs of backups that are gone.</param>
/// <param name="Locked">IDs of backups that the store does not let go yet.</param>
/// <param name="Leftovers">IDs of runs without a manifest, whose remains are gone.</param>
/// <param name="Stayed">IDs of backups that are there, wanted or locked.</param>
public sealed record ExpiryReport(int Kept, IReadOnlyList<string> Removed, IReadOnlyList<string> Locked, IReadOnlyList<string> Leftovers, IReadOnlyList<string> Stayed);

/// <summary>Removes the backups of one engine that no rule wants any more.</summary>
public sealed class Expiry(ObjectStore store, TimeProvider clock)
{
    private const int AtOnce = 16;
    private const int Most = 5000;

    // A run that is under way has no manifest yet; none takes this long.
    private static readonly TimeSpan _abandoned = TimeSpan.FromDays(3);

    /// <summary>Removes what is due. Each removal is told before it happens.</summary>
    /// <param name="engineFolder">Folder of an engine's backups: <c>NAMESPACE/STACK/ENGINE/</c>.</param>
    /// <param name="rules">What stays.</param>
    /// <param name="zone">Where days begin.</param>
    /// <param name="tell">Takes a line for the log.</param>
    /// <param name="cancellationToken">Stops; what is left is found by the next run.</param>
    /// <exception cref="StoreException">The store cannot be listed, or refuses for another reason than a lock.</exception>
    public async Task<ExpiryReport> RunAsync(string engineFolder, KeepRules rules, TimeZoneInfo zone, Action<string> tell, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(tell);
        var folders = await BackupFolder.OfAsync(store.ListVersionsAsync(BackupPlace.Folders(engineFolder), cancellationToken), engineFolder).ConfigureAwait(false);
        var verdicts = (await new BackupChains(store, tell).DecideAsync(engineFolder, folders, rules, zone, cancellationToken).ConfigureAwait(false)).ToDictionary(verdict => verdict.Id, StringComparer.Ordinal);
        List<BackupFolder> due = [.. folders.Where(folder => verdicts.GetValueOrDefault(folder.Id) is { Stays: false })];
        List<BackupFolder> leftovers = [.. folders.Where(folder => !folder.Complete && folder.Modified < clock.GetUtcNow() - _abandoned)];
        foreach (var folder in due.Concat(leftovers))
            tell($"{engineFolder}{folder.Id}: {(folder.Complete ? "no rule keeps it any more" : "a run without a manifest left it behind")}");
        var locked = await RemoveAsync(engineFolder, due.Concat(leftovers).Select(folder => folder.Id).ToHashSet(StringComparer.Ordinal), cancellationToken).ConfigureAwait(false);
        return new(
            verdicts.Values.Count(verdict => verdict.Stays),
            [.. due.Select(folder => folder.Id).Where(id => !locked.Contains(id))],
            [.. locked.Order(StringComparer.Ordinal)],
            [.. leftovers.Select(folder => folder.Id).Where(id => !locked.Contains(id))],
            [.. verdicts.Values.Where(verdict => verdict.Stays || locked.Contains(verdict.Id)).Select(verdict => verdict.Id).Order(StringComparer.Ordinal)]);
    }

    // The bucket is listed once more, so that only the names of a few folders are in memory at once.
    private async Task<IReadOnlySet<string>> RemoveAsync(string engineFolder, HashSet<string> due, CancellationToken cancellationToken)
    {
        var locked = new HashSet<string>(StringComparer.Ordinal);
        var some = new List<OwnedVersion>();
        await foreach (var stored in (due.Count == 0 ? AsyncEnumerable.Empty<ObjectVersion>() : store.ListVersionsAsync(BackupPlace.Folders(engineFolder), cancellationToken)).ConfigureAwait(false))
        {
            if (BackupFolder.IdOf(stored, engineFolder) is not { } id || !due.Contains(id))
                continue;
            // A folder is removed as one.
            if (some.Count >= Most && some[^1].Id != id)
            {
                locked.UnionWith(await RemoveAsync(some, cancellationToken).ConfigureAwait(false));
                some.Clear();
            }

            some.Add(new(id, stored));
        }

        locked.UnionWith(await RemoveAsync(some, cancellationToken).ConfigureAwait(false));
        return locked;
    }

    // Manifests go first: what is left by whoever is interrupted here is not taken for a backup. Of what is locked, nothing goes.
    private async Task<IReadOnlySet<string>> RemoveAsync(IReadOnlyList<OwnedVersion> objects, CancellationToken cancellationToken)
    {
        var manifests = await RefusedAsync(objects.Where(IsManifest), cancellationToken).ConfigureAwait(false);
        var rest = await RefusedAsync(objects.Where(stored => !IsManifest(stored) && !manifests.Contains(stored.Id)), cancellationToken).ConfigureAwait(false);
        return manifests.Union(rest).ToHashSet(StringComparer.Ordinal);
    }

    // IDs of those of which the store did not let something go, because it is locked.
    private async Task<IReadOnlySet<string>> RefusedAsync(IEnumerable<OwnedVersion> objects, CancellationToken cancellationToken)
    {
        var owners = objects.ToDictionary(pair => pair.Stored, pair => pair.Id);
        var refused = await store.DeleteAllAsync(owners.Keys, cancellationToken).ConfigureAwait(false);
        await Parallel.ForEachAsync(refused.DistinctBy(pair => owners[pair.Stored]), new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken }, async (pair, token) =>
        {
            if (!await IsLockedAsync(pair.Stored, token).ConfigureAwait(false))
                throw new StoreException(pair.Code == "AccessDenied" ? StoreProblem.Denied : StoreProblem.Refused, $"removing {pair.Stored.Name} at {store.Location}: {pair.Code}: grant s3:DeleteObject and s3:DeleteObjectVersion to this access key, or try again");
        }).ConfigureAwait(false);
        return refused.Select(pair => owners[pair.Stored]).ToHashSet(StringComparer.Ordinal);
    }

    private static bool IsManifest(OwnedVersion one) => one.Stored.Name.EndsWith("/" + BackupPlace.ManifestFile, StringComparison.Ordinal);

    private async Task<bool> IsLockedAsync(ObjectVersion stored, CancellationToken cancellationToken) =>
        await store.LockOfAsync(new(stored.Name, stored.Bytes, "", stored.Version), cancellationToken).ConfigureAwait(false) is { } held && held.Until > clock.GetUtcNow();

    // A version in the folder of a backup.
    private sealed record OwnedVersion(string Id, ObjectVersion Stored);
}
