using System.Threading.Channels;

namespace Dora.Backup.Streams;

/// <summary>Reads another stream a few buffers ahead of who reads this one, so that two steps of one way run at once.</summary>
internal sealed class AheadStream : ReadOnlyStream
{
    private const int Buffers = 4;

    private readonly Stream _inner;
    private readonly Channel<byte[]> _free = Channel.CreateUnbounded<byte[]>();
    private readonly Channel<ArraySegment<byte>> _read = Channel.CreateUnbounded<ArraySegment<byte>>();
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _pump;
    private readonly Chunk _current = new();
    private bool _disposed;

    /// <param name="inner">What is read; stays open.</param>
    /// <param name="bytes">Size of a buffer.</param>
    public AheadStream(Stream inner, int bytes)
    {
        _inner = inner;
        for (var number = 0; number < Buffers; number++)
            _free.Writer.TryWrite(new byte[bytes]);
        _pump = Task.Run(PumpAsync);
    }

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.Length == 0)
            return 0;
        while (_current.IsRead)
        {
            // What went wrong in the other stream is thrown here, and at its place: after all that came before.
            if (!await _read.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
                return 0;
            if (_read.Reader.TryRead(out var next) && _current.Replace(next) is { } used)
                _free.Writer.TryWrite(used);
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
        await _pump.ConfigureAwait(false);
        _stop.Dispose();
        await base.DisposeAsync().ConfigureAwait(false);
    }

    private async Task PumpAsync()
    {
        try
        {
            while (true)
            {
                var buffer = await _free.Reader.ReadAsync(_stop.Token).ConfigureAwait(false);
                var count = await _inner.ReadAsync(buffer, _stop.Token).ConfigureAwait(false);
                if (count == 0)
                    break;
                _read.Writer.TryWrite(new(buffer, 0, count));
            }

            _read.Writer.Complete();
        }
        catch (Exception exception)
        {
            _read.Writer.Complete(exception);
        }
    }
}
