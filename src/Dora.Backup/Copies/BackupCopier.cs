using System.Security.Cryptography;
using Dora.Backup.Sets;
using Dora.Backup.Store;
using Dora.Backup.Streams;

namespace Dora.Backup.Copies;

/// <summary>A backup that is in another place too, as it was read back there.</summary>
/// <param name="Manifest">What it is; its seal was not checked, as no key was asked for.</param>
/// <param name="ManifestSha256">SHA-256 of the manifest's file, the same in both places.</param>
/// <param name="ManifestVersion">Its version at the target; null: none, or it was there already.</param>
/// <param name="Sent">Objects that the target did not have yet.</param>
/// <param name="SentBytes">Their bytes.</param>
public sealed record CopiedBackup(BackupManifest Manifest, string ManifestSha256, string? ManifestVersion, int Sent, long SentBytes);

/// <summary>
/// Copies backups to another store, byte for byte and sealed as they are: no key is asked for. A sealed stream is bound to the stack, the engine and the ID and not to a
/// bucket, so what opens a backup opens its copy. The manifest comes last and is read back: where there is none, there is no copy.
/// </summary>
public sealed class BackupCopier(ObjectStore source, ObjectStore target, TimeProvider clock)
{
    private const string RepositoryFact = "repository";

    /// <summary>Copies one backup. What the target has already, whole, is not sent again. Memory does not depend on its size.</summary>
    /// <param name="place">Which.</param>
    /// <param name="sha256">SHA-256 of its manifest, as it was when the backup was made; null: nobody knows.</param>
    /// <param name="progress">Told how many bytes flowed so far.</param>
    /// <param name="cancellationToken">Gives up; nothing that could be taken for a backup stays.</param>
    /// <exception cref="SealBrokenException">One of the two stores holds something else than was written.</exception>
    /// <exception cref="StoreException">One of the two stores does not do its part; the message names it.</exception>
    public async Task<CopiedBackup> CopyAsync(BackupPlace place, string? sha256, Action<long> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(place);
        ArgumentNullException.ThrowIfNull(progress);
        var file = await source.GetAsync(place.Manifest, BackupManifest.LongestBytes, cancellationToken).ConfigureAwait(false);
        var found = Convert.ToHexStringLower(SHA256.HashData(file));
        if (sha256 is not null && found != sha256)
            throw new SealBrokenException($"{place.Manifest} at {source.Location} is not what was written: it has SHA-256 {found}, and had {sha256}; nothing was copied");
        var manifest = BackupManifest.Peek(file);
        if (manifest.Place != place)
            throw new SealBrokenException($"the manifest at {place.Folder} is that of {manifest.Place.Folder}");
        var there = await ThereAsync(place, cancellationToken).ConfigureAwait(false);
        var done = there.ContainsKey(place.Manifest);
        // Who can write to the first place must not be able to spoil what is in the second.
        if (done)
            await CheckAsync(place, file, "holds another backup of this ID: find out which of the two is right, and remove the other one", cancellationToken).ConfigureAwait(false);
        var copy = new ObjectCopy(source, target, progress);
        var (sent, bytes) = manifest.Recorded
            ? await MirrorAsync(manifest, copy, cancellationToken).ConfigureAwait(false)
            : await SendAsync(manifest, there, done, copy, cancellationToken).ConfigureAwait(false);
        var version = done ? null : (await target.PutAsync(place.Manifest, file, cancellationToken).ConfigureAwait(false)).Version;
        // Only what the store gives back is there.
        await CheckAsync(place, file, "gives back another manifest than was written", cancellationToken).ConfigureAwait(false);
        return new(manifest, found, version, sent, bytes);
    }

    // A manifest is there when all was whole; else objects are what an earlier run got done, or what somebody left of them, and are read.
    private async Task<(int Sent, long Bytes)> SendAsync(BackupManifest manifest, Dictionary<string, ObjectVersion> there, bool done, ObjectCopy copy, CancellationToken cancellationToken)
    {
        StoredObject? Held(StoredObject stored) => there.GetValueOrDefault(stored.Name) is { } listed && listed.Bytes == stored.Bytes ? stored with { Version = listed.Version } : null;
        if (done && there.ContainsKey(manifest.Place.Copy) && manifest.Objects.All(stored => Held(stored) is not null))
            return (0, 0);
        var here = new List<StoredObject>();
        var sent = new List<StoredObject>();
        foreach (var stored in manifest.Objects)
        {
            var held = Held(stored);
            if (held is null || !await copy.IsThereAsync(held, cancellationToken).ConfigureAwait(false))
            {
                held = await copy.SendAsync(stored, cancellationToken).ConfigureAwait(false);
                sent.Add(held);
            }

            here.Add(held);
        }

        await target.PutAsync(manifest.Place.Copy, CopyNote.Of(source, here, clock.GetUtcNow()).Write(), cancellationToken, replace: true).ConfigureAwait(false);
        return (sent.Count, sent.Sum(stored => stored.Bytes));
    }

    private async Task<(int Sent, long Bytes)> MirrorAsync(BackupManifest manifest, ObjectCopy copy, CancellationToken cancellationToken)
    {
        // Where the tool stores, below whatever prefix; what lies outside of the engine's own folder is not ours to copy.
        var path = manifest.Facts.GetValueOrDefault(RepositoryFact, "");
        var at = path.IndexOf($"/{manifest.Place.EngineFolder}", StringComparison.Ordinal);
        if (at < 0)
            throw new SealBrokenException($"{manifest.Id} does not say in which folder of {manifest.Place.EngineFolder} the engine's tool stored its data");
        return await new RepositoryMirror(source, target, copy).RunAsync(path[(at + 1)..].TrimEnd('/') + "/", cancellationToken).ConfigureAwait(false);
    }

    private async Task<Dictionary<string, ObjectVersion>> ThereAsync(BackupPlace place, CancellationToken cancellationToken)
    {
        var there = new Dictionary<string, ObjectVersion>(StringComparer.Ordinal);
        await foreach (var stored in target.ListVersionsAsync(place.Folder, cancellationToken).ConfigureAwait(false))
        {
            if (stored is { Latest: true, Marker: false })
                there[stored.Name] = stored;
        }

        return there;
    }

    private async Task CheckAsync(BackupPlace place, byte[] file, string otherwise, CancellationToken cancellationToken)
    {
        if (!(await target.GetAsync(place.Manifest, BackupManifest.LongestBytes, cancellationToken).ConfigureAwait(false)).AsSpan().SequenceEqual(file))
            throw new SealBrokenException($"{place.Folder} at {target.Location} {otherwise}");
    }
}
