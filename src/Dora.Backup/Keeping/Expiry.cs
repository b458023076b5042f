using Dora.Backup.Sets;
using Dora.Backup.Store;

namespace Dora.Backup.Keeping;

/// <summary>What was removed, and what was not.</summary>
/// <param name="Kept">Backups that a rule wants.</param>
/// <param name="Removed">IDs of backups that are gone.</param>
/// <param name="Locked">IDs of backups that the store does not let go yet.</param>
/// <param name="Leftovers">IDs of runs without a manifest, whose remains are gone.</param>
public sealed record ExpiryReport(int Kept, IReadOnlyList<string> Removed, IReadOnlyList<string> Locked, IReadOnlyList<string> Leftovers);

/// <summary>Removes the backups of one engine that no rule wants any more.</summary>
public sealed class Expiry(ObjectStore store, TimeProvider clock)
{
    private const int AtOnce = 16;

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
        var listing = new List<ObjectVersion>();
        await foreach (var stored in store.ListVersionsAsync(engineFolder, cancellationToken).ConfigureAwait(false))
            listing.Add(stored);
        var folders = BackupFolder.Of(listing, engineFolder);
        var verdicts = (await new BackupChains(store, tell).DecideAsync(engineFolder, folders, rules, zone, cancellationToken).ConfigureAwait(false)).ToDictionary(verdict => verdict.Id, StringComparer.Ordinal);
        List<BackupFolder> due = [.. folders.Where(folder => verdicts.GetValueOrDefault(folder.Id) is { Stays: false })];
        List<BackupFolder> leftovers = [.. folders.Where(folder => !folder.Complete && folder.Modified < clock.GetUtcNow() - _abandoned)];
        foreach (var folder in due.Concat(leftovers))
            tell($"{engineFolder}{folder.Id}: {(folder.Complete ? "no rule keeps it any more" : "a run without a manifest left it behind")}");
        var locked = await RemoveAsync([.. due, .. leftovers], cancellationToken).ConfigureAwait(false);
        return new(
            verdicts.Values.Count(verdict => verdict.Stays),
            [.. due.Select(folder => folder.Id).Where(id => !locked.Contains(id))],
            [.. locked.Order(StringComparer.Ordinal)],
            [.. leftovers.Select(folder => folder.Id).Where(id => !locked.Contains(id))]);
    }

    // Manifests go first: what is left by whoever is interrupted here is not taken for a backup. Of what is locked, nothing goes.
    private async Task<IReadOnlySet<string>> RemoveAsync(IReadOnlyList<BackupFolder> folders, CancellationToken cancellationToken)
    {
        var manifests = await RefusedAsync(folders, IsManifest, cancellationToken).ConfigureAwait(false);
        var rest = await RefusedAsync(folders.Where(folder => !manifests.Contains(folder.Id)), stored => !IsManifest(stored), cancellationToken).ConfigureAwait(false);
        return manifests.Union(rest).ToHashSet(StringComparer.Ordinal);
    }

    // IDs of those of which the store did not let something go, because it is locked.
    private async Task<IReadOnlySet<string>> RefusedAsync(IEnumerable<BackupFolder> folders, Func<ObjectVersion, bool> which, CancellationToken cancellationToken)
    {
        var owners = folders.SelectMany(folder => folder.Objects.Where(which).Select(stored => (stored, folder.Id))).ToDictionary(pair => pair.stored, pair => pair.Id);
        var refused = await store.DeleteAllAsync(owners.Keys, cancellationToken).ConfigureAwait(false);
        await Parallel.ForEachAsync(refused.DistinctBy(pair => owners[pair.Stored]), new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken }, async (pair, token) =>
        {
            if (!await IsLockedAsync(pair.Stored, token).ConfigureAwait(false))
                throw new StoreException(pair.Code == "AccessDenied" ? StoreProblem.Denied : StoreProblem.Refused, $"removing {pair.Stored.Name} at {store.Location}: {pair.Code}: grant s3:DeleteObject and s3:DeleteObjectVersion to this access key, or try again");
        }).ConfigureAwait(false);
        return refused.Select(pair => owners[pair.Stored]).ToHashSet(StringComparer.Ordinal);
    }

    private static bool IsManifest(ObjectVersion stored) => stored.Name.EndsWith("/" + BackupPlace.ManifestFile, StringComparison.Ordinal);

    private async Task<bool> IsLockedAsync(ObjectVersion stored, CancellationToken cancellationToken) =>
        await store.LockOfAsync(new(stored.Name, stored.Bytes, "", stored.Version), cancellationToken).ConfigureAwait(false) is { } held && held.Until > clock.GetUtcNow();
}
