using Dora.Backup.Store;
using Dora.Backup.Streams;

namespace Dora.Backup.Sets;

/// <summary>
/// Stores one stream as objects of at most 64 GiB: a store takes 10,000 parts of an object, and parts must fit into memory.
/// </summary>
internal sealed class SplitWriter(ObjectStore store, BackupPlace place, long most = SplitWriter.LargestObject) : WriteOnlyStream
{
    private const long LargestObject = 64L * 1024 * 1024 * 1024;

    private readonly List<StoredObject> _stored = [];
    private ObjectWriter? _current;

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (buffer.Length > 0)
        {
            if (_current?.Bytes == most)
                await EndAsync(_current, cancellationToken).ConfigureAwait(false);
            _current ??= store.Write(place.Data(_stored.Count + 1));
            var count = (int)Math.Min(buffer.Length, most - _current.Bytes);
            await _current.WriteAsync(buffer[..count], cancellationToken).ConfigureAwait(false);
            buffer = buffer[count..];
        }
    }

    /// <summary>Ends the last object, and answers all.</summary>
    public async Task<IReadOnlyList<StoredObject>> CompleteAsync(CancellationToken cancellationToken)
    {
        if (_current is not null)
            await EndAsync(_current, cancellationToken).ConfigureAwait(false);
        return _stored;
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        if (_current is not null)
            await _current.DisposeAsync().ConfigureAwait(false);
        await base.DisposeAsync().ConfigureAwait(false);
    }

    private async Task EndAsync(ObjectWriter writer, CancellationToken cancellationToken)
    {
        _stored.Add(await writer.CompleteAsync(cancellationToken).ConfigureAwait(false));
        await writer.DisposeAsync().ConfigureAwait(false);
        _current = null;
    }
}
