using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Dora.Backup.Keys;
using Dora.Backup.Store;
using Dora.Backup.Streams;

namespace Dora.Backup.Sets;

/// <summary>A backup that was found in the bucket. Without keys it is shown, not trusted: its seal is not checked.</summary>
/// <param name="Place">Where it is.</param>
/// <param name="Manifest">What it says of itself; null when that cannot be read, or is not what was sealed.</param>
/// <param name="ManifestSha256">SHA-256 of the manifest's file.</param>
/// <param name="VerifiedAt">When it was noted that every byte of it was read and found right; null: never.</param>
/// <param name="Problem">Why its manifest cannot be read; empty when it can.</param>
public sealed record FoundBackup(BackupPlace Place, BackupManifest? Manifest, string? ManifestSha256, DateTimeOffset? VerifiedAt, string Problem = "");

/// <summary>The backups that a bucket holds.</summary>
/// <param name="store">The store.</param>
/// <param name="keys">What opens their seals; null: they are not checked.</param>
public sealed class BackupCatalogue(ObjectStore store, IKeyWrap? keys = null)
{
    private const int AtOnce = 8;

    /// <summary>All backups in the folder of an engine, <c>NAMESPACE/STACK/ENGINE/</c>, the newest first. One whose manifest cannot be read is there too.</summary>
    /// <exception cref="StoreException">The store cannot be listed, or does not answer.</exception>
    public async IAsyncEnumerable<FoundBackup> ReadAsync(string engineFolder, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var found in ReadAsync(await FoldersAsync(engineFolder, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false))
            yield return found;
    }

    /// <summary>Where backups of an engine are, or what runs left behind: the newest first. Of each a name is kept in memory.</summary>
    public async Task<IReadOnlyList<BackupPlace>> FoldersAsync(string engineFolder, CancellationToken cancellationToken)
    {
        var places = new List<BackupPlace>();
        await foreach (var folder in store.FoldersAsync(BackupPlace.Folders(engineFolder), cancellationToken).ConfigureAwait(false))
        {
            if (BackupPlace.OfFolder(folder) is { } place)
                places.Add(place);
        }

        places.Sort((one, other) => string.CompareOrdinal(other.Id, one.Id));
        return places;
    }

    /// <summary>The backups in some folders, in the order of these; a folder without a manifest holds none. A few manifests are in memory at once.</summary>
    public async IAsyncEnumerable<FoundBackup> ReadAsync(IEnumerable<BackupPlace> places, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(places);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var underway = new Queue<Task<FoundBackup?>>();
        try
        {
            foreach (var place in places)
            {
                underway.Enqueue(ReadAsync(place, stop.Token));
                if (underway.Count == AtOnce && await underway.Dequeue().ConfigureAwait(false) is { } found)
                    yield return found;
            }

            while (underway.TryDequeue(out var next))
            {
                if (await next.ConfigureAwait(false) is { } found)
                    yield return found;
            }
        }
        finally
        {
            // Who stops looking, or meets an error, leaves no question behind that nobody hears the answer of.
            await stop.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(underway).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).ConfigureAwait(false);
        }
    }

    private async Task<FoundBackup?> ReadAsync(BackupPlace place, CancellationToken cancellationToken)
    {
        try
        {
            var file = await store.GetAsync(place.Manifest, BackupManifest.LongestBytes, cancellationToken).ConfigureAwait(false);
            var manifest = keys is null ? BackupManifest.Peek(file) : await BackupManifest.ReadAsync(file, keys, cancellationToken).ConfigureAwait(false);
            return manifest.Place == place
                ? new(place, manifest, Convert.ToHexStringLower(SHA256.HashData(file)), await VerifiedAsync(place, cancellationToken).ConfigureAwait(false))
                : new(place, null, null, null, $"the manifest at {place.Folder} is that of {manifest.Place.Folder}");
        }
        catch (StoreException exception) when (exception.Problem == StoreProblem.NotFound)
        {
            return null;
        }
        catch (StoreException exception) when (exception.Problem is StoreProblem.Denied or StoreProblem.Refused)
        {
            return new(place, null, null, null, exception.Message);
        }
        catch (Exception exception) when (exception is SealBrokenException or KeyRefusedException)
        {
            return new(place, null, null, null, exception.Message);
        }
    }

    private async Task<DateTimeOffset?> VerifiedAsync(BackupPlace place, CancellationToken cancellationToken)
    {
        await foreach (var note in store.ListAsync(place.Verified, cancellationToken).ConfigureAwait(false))
            return note.Modified;
        return null;
    }
}
