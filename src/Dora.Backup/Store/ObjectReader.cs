using Dora.Backup.Streams;

namespace Dora.Backup.Store;

/// <summary>Reads one object from its beginning; where the connection breaks, it goes on in a new one from there.</summary>
internal sealed class ObjectReader(ObjectStore store, StoredObject stored) : ReadOnlyStream
{
    private const int Tries = 5;

    private Stream? _body;
    private long _at;
    private int _broken;

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (_at < stored.Bytes && buffer.Length > 0)
        {
            _body ??= await store.OpenAsync(stored, _at, cancellationToken).ConfigureAwait(false);
            var count = await TryAsync(buffer, cancellationToken).ConfigureAwait(false);
            if (count > 0)
            {
                _at += count;
                _broken = 0;
                return count;
            }

            await _body.DisposeAsync().ConfigureAwait(false);
            _body = null;
            if (++_broken >= Tries)
                throw new StoreException(StoreProblem.Unreachable, $"reading {stored.Name} at {store.Location}: the answer broke off at byte {_at} of {stored.Bytes}, {Tries} times: it is shorter than it was, or the network fails");
        }

        return 0;
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        if (_body is not null)
            await _body.DisposeAsync().ConfigureAwait(false);
        await base.DisposeAsync().ConfigureAwait(false);
    }

    private async ValueTask<int> TryAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            return await _body!.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or HttpRequestException)
        {
            return 0;
        }
    }
}
