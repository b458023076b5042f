using Dora.Backup.Store;
using Dora.Backup.Streams;

namespace Dora.Backup.Sets;

/// <summary>Reads objects one after the other, as one stream.</summary>
internal sealed class JoinedReader(ObjectStore store, IReadOnlyList<StoredObject> objects) : ReadOnlyStream
{
    private int _next;
    private Stream? _current;

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (buffer.Length > 0)
        {
            if (_current is null)
            {
                if (_next == objects.Count)
                    return 0;
                _current = store.Read(objects[_next++]);
            }

            if (await _current.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is > 0 and var count)
                return count;
            await _current.DisposeAsync().ConfigureAwait(false);
            _current = null;
        }

        return 0;
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        if (_current is not null)
            await _current.DisposeAsync().ConfigureAwait(false);
        await base.DisposeAsync().ConfigureAwait(false);
    }
}
