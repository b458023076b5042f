using System.Collections.Concurrent;
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
        var verdicts = KeepPlan.Of(folders.Where(folder => folder.Complete).Select(folder => new KeptBackup(folder.Id, folder.At, folder.Verified)), rules, zone).ToDictionary(verdict => verdict.Id, StringComparer.Ordinal);
        List<BackupFolder> due = [.. folders.Where(folder => verdicts.GetValueOrDefault(folder.Id) is { Stays: false })];
        List<BackupFolder> leftovers = [.. folders.Where(folder => !folder.Complete && folder.Modified < clock.GetUtcNow() - _abandoned)];
        var locked = new ConcurrentDictionary<string, bool>(StringComparer.Ordinal);
        var options = new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(due.Concat(leftovers), options, async (folder, token) =>
        {
            tell($"{engineFolder}{folder.Id}: {(folder.Complete ? "no rule keeps it any more" : "a run without a manifest left it behind")}");
            if (!await RemoveAsync(folder, token).ConfigureAwait(false))
                locked[folder.Id] = true;
        }).ConfigureAwait(false);
        return new(
            verdicts.Values.Count(verdict => verdict.Stays),
            [.. due.Select(folder => folder.Id).Where(id => !locked.ContainsKey(id))],
            [.. locked.Keys.Order(StringComparer.Ordinal)],
            [.. leftovers.Select(folder => folder.Id).Where(id => !locked.ContainsKey(id))]);
    }

    // The manifest goes first: what is left by whoever is interrupted here is not taken for a backup.
    private async Task<bool> RemoveAsync(BackupFolder folder, CancellationToken cancellationToken)
    {
        foreach (var stored in folder.Objects.OrderBy(stored => stored.Name.EndsWith(BackupPlace.ManifestFile, StringComparison.Ordinal) ? 0 : 1))
        {
            try
            {
                await store.DeleteAsync(stored.Name, stored.Version, cancellationToken).ConfigureAwait(false);
            }
            catch (StoreException exception) when (exception.Problem == StoreProblem.Denied)
            {
                if (!await IsLockedAsync(stored, cancellationToken).ConfigureAwait(false))
                    throw;
                return false;
            }
        }

        return true;
    }

    private async Task<bool> IsLockedAsync(ObjectVersion stored, CancellationToken cancellationToken) =>
        await store.LockOfAsync(new(stored.Name, stored.Bytes, "", stored.Version), cancellationToken).ConfigureAwait(false) is { } held && held.Until > clock.GetUtcNow();
}
