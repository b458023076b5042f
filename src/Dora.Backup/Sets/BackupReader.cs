using System.Text.Json;
using Dora.Backup.Copies;
using Dora.Backup.Keys;
using Dora.Backup.Store;
using Dora.Backup.Streams;

namespace Dora.Backup.Sets;

/// <summary>Reads backups. Nothing that was not written comes out; the first wrong byte ends it.</summary>
public sealed class BackupReader(ObjectStore store, IKeyWrap keys)
{
    /// <summary>The manifest of a backup, its seal checked.</summary>
    /// <exception cref="SealBrokenException">It was changed, or is another one's.</exception>
    /// <exception cref="KeyRefusedException">Its key is not here.</exception>
    /// <exception cref="StoreException">There is none, or the store does not give it.</exception>
    public async Task<BackupManifest> ManifestAsync(BackupPlace place, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(place);
        var file = await store.GetAsync(place.Manifest, BackupManifest.LongestBytes, cancellationToken).ConfigureAwait(false);
        var manifest = await BackupManifest.ReadAsync(file, keys, cancellationToken).ConfigureAwait(false);
        if (manifest.Place != place)
            throw new SealBrokenException($"the manifest at {place.Folder} is that of {manifest.Place.Folder}");
        return await CopyNote.ReadAsync(store, place, cancellationToken).ConfigureAwait(false) is { } note ? note.Here(manifest) : manifest;
    }

    /// <summary>Writes the data of a backup to a stream, as the engine gave it; <see cref="Stream.Null"/> only checks it.</summary>
    /// <param name="manifest">Which; from <see cref="ManifestAsync"/>.</param>
    /// <param name="target">Takes the data; stays open. What it got before an error is right as far as it goes.</param>
    /// <param name="progress">Told how many bytes went to the target so far.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    /// <exception cref="SealBrokenException">What is stored is not what was written.</exception>
    public async Task CopyToAsync(BackupManifest manifest, Stream target, Action<long> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(progress);
        await using var stored = new JoinedReader(store, manifest.Objects);
        await using var opened = await OpeningStream.CreateAsync(stored, manifest.Subject, (header, token) => UnwrapAsync(manifest, header, token), cancellationToken).ConfigureAwait(false);
        // Opening on one side, decompressing and handing on on the other, run at once.
        await using var ahead = new AheadStream(opened, opened.Header.FrameBytes);
        await using var digest = new DigestStream(target);
        await using Stream plain = opened.Header.Compression == StreamHeader.Zstd ? new ZstdDecompressingStream(ahead) : ahead;
        var buffer = new byte[StreamHeader.DefaultFrameBytes];
        while (await plain.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is > 0 and var count)
        {
            await digest.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
            progress(digest.Bytes);
        }

        // The compressed stream may end before the sealed one does: what follows would be unread.
        if (await ahead.ReadAsync(buffer.AsMemory(0, 1), cancellationToken).ConfigureAwait(false) > 0)
            throw new SealBrokenException("something follows its end");
        if (digest.Digest != manifest.Plain)
            throw new SealBrokenException($"it holds {digest.Digest.Bytes} bytes with SHA-256 {digest.Digest.Sha256}, and its manifest says {manifest.Plain.Bytes} with {manifest.Plain.Sha256}");
    }

    /// <summary>Notes in the store that a backup was read whole and found right.</summary>
    public async Task NoteAsync(BackupManifest manifest, TimeProvider clock, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        ArgumentNullException.ThrowIfNull(clock);
        try
        {
            await store.PutAsync(manifest.Place.Verified, JsonSerializer.SerializeToUtf8Bytes(new VerifiedNote(clock.GetUtcNow()), ManifestJson.Default.VerifiedNote), cancellationToken).ConfigureAwait(false);
        }
        catch (StoreException exception) when (exception.Problem == StoreProblem.Exists)
        {
            // Once is enough.
        }
    }

    private Task<byte[]> UnwrapAsync(BackupManifest manifest, StreamHeader header, CancellationToken cancellationToken) =>
        header.Key == manifest.Key ? keys.UnwrapAsync(header.Key, cancellationToken) : throw new SealBrokenException("its data was sealed by another key than its manifest");
}
