using Dora.Backup.Store;
using Dora.Backup.Streams;

namespace Dora.Backup.Copies;

/// <summary>Copies objects from one store to another as they are. Counts what flows, of all copies at once.</summary>
/// <param name="source">Where they are.</param>
/// <param name="target">Where they shall be.</param>
/// <param name="progress">Told how many bytes flowed so far.</param>
internal sealed class ObjectCopy(ObjectStore source, ObjectStore target, Action<long> progress)
{
    private const int BufferBytes = 1024 * 1024;

    private long _flowed;

    /// <summary>Copies one object; memory does not depend on its size.</summary>
    /// <param name="stored">The object, as the source has it; with an SHA-256 its bytes must have that, or nothing appears at the target.</param>
    /// <param name="cancellationToken">Gives up, and leaves nothing.</param>
    /// <exception cref="SealBrokenException">The source gives other bytes than were written.</exception>
    public async Task<StoredObject> SendAsync(StoredObject stored, CancellationToken cancellationToken)
    {
        await using var writer = target.Write(stored.Name, replace: true);
        var found = await FlowAsync(source, stored, writer, cancellationToken).ConfigureAwait(false);
        if (stored.Sha256.Length > 0 && found != new ContentDigest(stored.Bytes, stored.Sha256))
            throw new SealBrokenException($"{stored.Name} at {source.Location} is not what was written: it has SHA-256 {found.Sha256}, and its manifest says {stored.Sha256}; nothing of it was copied");
        return await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Whether an object at the target has the bytes that it should have.</summary>
    /// <param name="stored">The object, with the target's version of it.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    public async Task<bool> IsThereAsync(StoredObject stored, CancellationToken cancellationToken) =>
        await FlowAsync(target, stored, Stream.Null, cancellationToken).ConfigureAwait(false) == new ContentDigest(stored.Bytes, stored.Sha256);

    private async Task<ContentDigest> FlowAsync(ObjectStore from, StoredObject stored, Stream to, CancellationToken cancellationToken)
    {
        await using var reader = from.Read(stored);
        await using var digest = new DigestStream(to);
        var buffer = new byte[(int)Math.Clamp(stored.Bytes, 1, BufferBytes)];
        while (await reader.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is > 0 and var count)
        {
            await digest.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
            progress(Interlocked.Add(ref _flowed, count));
        }

        return digest.Digest;
    }
}
