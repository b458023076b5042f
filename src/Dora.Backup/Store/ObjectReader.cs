using Dora.Backup.Streams;

namespace Dora.Backup.Store;

/// <summary>Reads one object from its beginning, a few parts ahead and at once; where a connection breaks, its part goes on in a new one from there.</summary>
internal sealed class ObjectReader(ObjectStore store, StoredObject stored) : ReadOnlyStream
{
    private const int Tries = 5;
    private const int Ahead = 4;
    private const int PartBytes = 4 * 1024 * 1024;

    private readonly Queue<Task<ArraySegment<byte>>> _parts = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Chunk _current = new();
    private byte[]? _free;
    private long _asked;
    private bool _disposed;

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.Length == 0)
            return 0;
        while (_current.IsRead)
        {
            _free = _current.Replace(default) is { Length: PartBytes } used ? used : null;
            Ask();
            if (!_parts.TryPeek(out var next))
                return 0;
            _current.Replace(await next.WaitAsync(cancellationToken).ConfigureAwait(false));
            _parts.TryDequeue(out _);
        }

        return _current.Take(buffer);
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        if (_disposed)
            return;
        _disposed = true;
        await _stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_parts.Select(part => part.ContinueWith(_ => { }, TaskScheduler.Default))).ConfigureAwait(false);
        _stop.Dispose();
        await base.DisposeAsync().ConfigureAwait(false);
    }

    private void Ask()
    {
        while (_parts.Count < Ahead && _asked < stored.Bytes)
        {
            var count = (int)Math.Min(PartBytes, stored.Bytes - _asked);
            _parts.Enqueue(FetchAsync(_asked, new(_free ?? new byte[count], 0, count)));
            _asked += count;
            _free = null;
        }
    }

    private async Task<ArraySegment<byte>> FetchAsync(long from, ArraySegment<byte> part)
    {
        var have = 0;
        for (var broken = 0; broken < Tries;)
        {
            var body = await store.OpenAsync(stored, from + have, from + part.Count - 1, _stop.Token).ConfigureAwait(false);
            await using (body.ConfigureAwait(false))
            {
                var count = await FillAsync(body, part.AsMemory(have)).ConfigureAwait(false);
                have += count;
                if (have == part.Count)
                    return part;
                broken = count > 0 ? 1 : broken + 1;
            }
        }

        throw new StoreException(StoreProblem.Unreachable, $"reading {stored.Name} at {store.Location}: the answer broke off at byte {from + have} of {stored.Bytes}, {Tries} times: it is shorter than it was, or the network fails");
    }

    private async Task<int> FillAsync(Stream body, Memory<byte> part)
    {
        var have = 0;
        try
        {
            while (have < part.Length && await body.ReadAsync(part[have..], _stop.Token).ConfigureAwait(false) is > 0 and var count)
                have += count;
        }
        catch (Exception exception) when (exception is IOException or HttpRequestException)
        {
            // What arrived is there.
        }

        return have;
    }
}
