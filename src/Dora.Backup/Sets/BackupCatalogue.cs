using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Dora.Backup.Store;
using Dora.Backup.Streams;

namespace Dora.Backup.Sets;

/// <summary>A backup that was found in the bucket. It is shown, not trusted: no key was asked for, so its seal is not checked.</summary>
/// <param name="Place">Where it is.</param>
/// <param name="Manifest">What it says of itself; null when that cannot be read.</param>
/// <param name="ManifestSha256">SHA-256 of the manifest's file.</param>
/// <param name="VerifiedAt">When it was noted that every byte of it was read and found right; null: never.</param>
/// <param name="Problem">Why its manifest cannot be read; empty when it can.</param>
public sealed record FoundBackup(BackupPlace Place, BackupManifest? Manifest, string? ManifestSha256, DateTimeOffset? VerifiedAt, string Problem = "");

/// <summary>The backups that a bucket holds.</summary>
public sealed class BackupCatalogue(ObjectStore store)
{
    private const int AtOnce = 8;

    /// <summary>
    /// All backups in a folder, the newest first. Of each a name is kept in memory, and of a few the manifest. One whose manifest cannot be read is there too.
    /// </summary>
    /// <param name="folder">Of a stack, <c>NAMESPACE/STACK/</c>, or of one of its engines.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    /// <exception cref="StoreException">The store cannot be listed, or does not answer.</exception>
    public async IAsyncEnumerable<FoundBackup> ReadAsync(string folder, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var underway = new Queue<Task<FoundBackup>>();
        try
        {
            foreach (var (place, verified) in await ListAsync(folder, cancellationToken).ConfigureAwait(false))
            {
                underway.Enqueue(ReadAsync(place, verified, stop.Token));
                if (underway.Count == AtOnce)
                    yield return await underway.Dequeue().ConfigureAwait(false);
            }

            while (underway.TryDequeue(out var next))
                yield return await next.ConfigureAwait(false);
        }
        finally
        {
            // Who stops looking, or meets an error, leaves no question behind that nobody hears the answer of.
            await stop.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(underway).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).ConfigureAwait(false);
        }
    }

    private async Task<IEnumerable<(BackupPlace Place, DateTimeOffset? Verified)>> ListAsync(string folder, CancellationToken cancellationToken)
    {
        var manifests = new List<BackupPlace>();
        var notes = new Dictionary<string, DateTimeOffset>(StringComparer.Ordinal);
        await foreach (var found in store.ListAsync(folder, cancellationToken).ConfigureAwait(false))
        {
            if (BackupPlace.OfManifest(found.Name) is { } place)
                manifests.Add(place);
            else if (found.Name.EndsWith("/" + BackupPlace.VerifiedFile, StringComparison.Ordinal))
                notes[found.Name] = found.Modified;
        }

        return manifests
            .OrderByDescending(place => place.Id, StringComparer.Ordinal)
            .ThenBy(place => place.Engine, StringComparer.Ordinal)
            .Select(place => (place, notes.TryGetValue(place.Verified, out var at) ? at : (DateTimeOffset?)null));
    }

    private async Task<FoundBackup> ReadAsync(BackupPlace place, DateTimeOffset? verified, CancellationToken cancellationToken)
    {
        try
        {
            var file = await store.GetAsync(place.Manifest, BackupManifest.LongestBytes, cancellationToken).ConfigureAwait(false);
            var manifest = BackupManifest.Peek(file);
            return manifest.Place == place
                ? new(place, manifest, Convert.ToHexStringLower(SHA256.HashData(file)), verified)
                : new(place, null, null, verified, $"the manifest at {place.Folder} is that of {manifest.Place.Folder}");
        }
        catch (StoreException exception) when (exception.Problem is StoreProblem.NotFound or StoreProblem.Denied or StoreProblem.Refused)
        {
            return new(place, null, null, verified, exception.Message);
        }
        catch (SealBrokenException exception)
        {
            return new(place, null, null, verified, exception.Message);
        }
    }
}
