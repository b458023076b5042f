using System.Globalization;
using System.Security.Cryptography;
using Dora.Backup.Keys;
using Dora.Backup.Store;
using Dora.Backup.Streams;

namespace Dora.Backup.Sets;

/// <summary>What is to be written.</summary>
/// <param name="Id">ID of the backup.</param>
/// <param name="Origin">Whose data.</param>
/// <param name="Content">What form the data has.</param>
/// <param name="Facts">What is known of it before it begins.</param>
public sealed record BackupOrder(string Id, BackupOrigin Origin, string Content, IReadOnlyDictionary<string, string> Facts);

/// <summary>A backup that is there, as it was read back.</summary>
/// <param name="Manifest">What it is.</param>
/// <param name="ManifestSha256">SHA-256 of the manifest's file, lower case hex.</param>
/// <param name="ManifestVersion">Its version in a versioned bucket, or null.</param>
public sealed record WrittenBackup(BackupManifest Manifest, string ManifestSha256, string? ManifestVersion);

/// <summary>Writes backups: what a stream gives is compressed, sealed and stored; the manifest comes last and is read back.</summary>
public sealed class BackupWriter(ObjectStore store, IKeyWrap keys, TimeProvider clock)
{
    /// <summary>Name of the fact by which a tool says how many bytes it gave; it must be true.</summary>
    public const string CountedBytes = "bytes";

    /// <summary>Name of the fact by which a tool that stores data by itself says how many bytes it stored.</summary>
    public const string StoredBytes = "stored-bytes";

    private const int CopyBytes = 1024 * 1024;

    /// <summary>Writes one backup. Memory does not depend on its size.</summary>
    /// <param name="order">What it is.</param>
    /// <param name="source">The data.</param>
    /// <param name="whole">
    /// Asked when the data has ended: answers facts of it, or throws. A stream ends the same way when all was said and when the speaker died.
    /// </param>
    /// <param name="progress">Told how many bytes were taken from the source so far.</param>
    /// <param name="cancellationToken">Gives up; nothing that could be taken for a backup stays.</param>
    /// <exception cref="StoreException">The store did not take it.</exception>
    public async Task<WrittenBackup> WriteAsync(BackupOrder order, Stream source, Func<CancellationToken, Task<IReadOnlyDictionary<string, string>>> whole, Action<long> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(order);
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(whole);
        ArgumentNullException.ThrowIfNull(progress);
        var started = clock.GetUtcNow();
        var (dataKey, wrapped) = await keys.CreateAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await using var objects = new SplitWriter(store, new BackupPlace(order.Origin.Namespace, order.Origin.Stack, order.Origin.Engine, order.Id));
            var (plain, facts) = await CopyAsync(order, source, whole, progress, objects, dataKey, wrapped, cancellationToken).ConfigureAwait(false);
            var stored = await objects.CompleteAsync(cancellationToken).ConfigureAwait(false);
            var manifest = new BackupManifest(BackupManifest.CurrentFormat, order.Id, order.Origin, order.Content, started, clock.GetUtcNow(), wrapped, plain, stored, Merged(order.Facts, facts));
            return await SealAsync(manifest, dataKey, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(dataKey);
        }
    }

    /// <summary>Writes the manifest of data that the engine's tool stores by itself, once it has.</summary>
    /// <param name="order">What it is.</param>
    /// <param name="whole">Waits until all of it is stored: answers facts of it, or throws.</param>
    /// <param name="cancellationToken">Gives up; no manifest is written.</param>
    /// <exception cref="StoreException">The store did not take it.</exception>
    public async Task<WrittenBackup> RecordAsync(BackupOrder order, Func<CancellationToken, Task<IReadOnlyDictionary<string, string>>> whole, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(order);
        ArgumentNullException.ThrowIfNull(whole);
        var started = clock.GetUtcNow();
        // A key that is not to be had is told before the tool works for hours.
        var (dataKey, wrapped) = await keys.CreateAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var facts = await whole(cancellationToken).ConfigureAwait(false);
            var manifest = new BackupManifest(BackupManifest.CurrentFormat, order.Id, order.Origin, order.Content, started, clock.GetUtcNow(), wrapped, ContentDigest.Nothing, [], Merged(order.Facts, facts));
            return await SealAsync(manifest, dataKey, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(dataKey);
        }
    }

    private static async Task<(ContentDigest Plain, IReadOnlyDictionary<string, string> Facts)> CopyAsync(
        BackupOrder order,
        Stream source,
        Func<CancellationToken, Task<IReadOnlyDictionary<string, string>>> whole,
        Action<long> progress,
        SplitWriter objects,
        byte[] dataKey,
        WrappedKey wrapped,
        CancellationToken cancellationToken)
    {
        await using var sealing = await SealingStream.CreateAsync(objects, StreamHeader.Create(BackupManifest.SubjectOf(order.Origin, order.Id), wrapped), dataKey, cancellationToken).ConfigureAwait(false);
        await using var compressing = new ZstdCompressingStream(sealing);
        await using var plain = new DigestStream(compressing);
        var buffer = new byte[CopyBytes];
        while (await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is > 0 and var count)
        {
            await plain.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
            progress(plain.Bytes);
        }

        var facts = await whole(cancellationToken).ConfigureAwait(false);
        if (facts.TryGetValue(CountedBytes, out var counted) && counted != plain.Bytes.ToString(CultureInfo.InvariantCulture))
            throw new InvalidDataException($"the engine's tool counted {counted} bytes, and {plain.Bytes} arrived");
        await compressing.CompleteAsync(cancellationToken).ConfigureAwait(false);
        await sealing.CompleteAsync(cancellationToken).ConfigureAwait(false);
        return (plain.Digest, facts);
    }

    private async Task<WrittenBackup> SealAsync(BackupManifest manifest, byte[] dataKey, CancellationToken cancellationToken)
    {
        var file = manifest.Write(dataKey);
        var stored = await store.PutAsync(manifest.Place.Manifest, file, cancellationToken).ConfigureAwait(false);
        // Only what the store gives back is there.
        var back = await store.GetAsync(stored.Name, BackupManifest.LongestBytes, cancellationToken).ConfigureAwait(false);
        if (!back.AsSpan().SequenceEqual(file))
            throw new SealBrokenException("the store gives back another manifest than was written");
        await CheckSizesAsync(manifest, cancellationToken).ConfigureAwait(false);
        return new(manifest, stored.Sha256, stored.Version);
    }

    private async Task CheckSizesAsync(BackupManifest manifest, CancellationToken cancellationToken)
    {
        var listed = new Dictionary<string, long>(StringComparer.Ordinal);
        await foreach (var found in store.ListAsync(manifest.Place.Folder, cancellationToken).ConfigureAwait(false))
            listed[found.Name] = found.Bytes;
        foreach (var stored in manifest.Objects)
        {
            if (listed.GetValueOrDefault(stored.Name, -1) != stored.Bytes)
                throw new SealBrokenException($"the store does not list {stored.Name} with {stored.Bytes} bytes");
        }
    }

    private static SortedDictionary<string, string> Merged(IReadOnlyDictionary<string, string> before, IReadOnlyDictionary<string, string> after)
    {
        var merged = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in before.Concat(after))
            merged[name] = value;
        return merged;
    }
}
