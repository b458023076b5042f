using System.Collections.Concurrent;
using Dora.Backup.Sets;
using Dora.Backup.Store;
using Dora.Backup.Streams;

namespace Dora.Backup.Keeping;

/// <summary>
/// Decides what stays where backups build on others: a manifest names the one before in the fact <see cref="KeptBackup.Prior"/>. Only the manifests of those that
/// stay are read: what goes needs nobody.
/// </summary>
internal sealed class BackupChains(ObjectStore store, Action<string> tell)
{
    private const int AtOnce = 16;

    private readonly ConcurrentDictionary<string, string> _parents = new(StringComparer.Ordinal);

    /// <summary>A verdict for each backup, the newest first.</summary>
    public async Task<IReadOnlyList<KeepVerdict>> DecideAsync(string engineFolder, IReadOnlyList<BackupFolder> folders, KeepRules rules, TimeZoneInfo zone, CancellationToken cancellationToken)
    {
        var complete = folders.Where(folder => folder.Complete).ToList();
        var read = new HashSet<string>(StringComparer.Ordinal);
        while (true)
        {
            var verdicts = KeepPlan.Of(complete.Select(folder => new KeptBackup(folder.Id, folder.At, folder.Verified, _parents.GetValueOrDefault(folder.Id))), rules, zone);
            // Where nothing goes, nothing needs to be known.
            List<string> unread = verdicts.All(verdict => verdict.Stays) ? [] : [.. verdicts.Where(verdict => verdict.Stays && read.Add(verdict.Id)).Select(verdict => verdict.Id)];
            if (unread.Count == 0)
                return verdicts;
            await Parallel.ForEachAsync(unread, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken }, async (id, token) => await ReadAsync(engineFolder, id, token).ConfigureAwait(false)).ConfigureAwait(false);
        }
    }

    private async Task ReadAsync(string engineFolder, string id, CancellationToken cancellationToken)
    {
        var name = $"{engineFolder}{id}/{BackupPlace.ManifestFile}";
        try
        {
            if (BackupManifest.Peek(await store.GetAsync(name, BackupManifest.LongestBytes, cancellationToken).ConfigureAwait(false)).Facts.TryGetValue(KeptBackup.Prior, out var parent))
                _parents[id] = parent;
        }
        catch (SealBrokenException exception)
        {
            // It cannot be restored itself, and so keeps nothing else.
            tell($"{name}: {exception.Message}");
        }
    }
}
