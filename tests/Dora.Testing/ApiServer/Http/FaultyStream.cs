namespace Dora.Testing.ApiServer.Http;

/// <summary>
/// A response body that fails after a number of frames (lines): half of the next write still goes out, then <paramref name="fail"/>
/// is called, which breaks the connection or never returns.
/// </summary>
internal sealed class FaultyStream(Stream inner, int frames, Func<Task> fail) : Stream
{
    private int left = frames;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var from = 0;
        while (left > 0)
        {
            var end = buffer.Span[from..].IndexOf((byte)'\n');
            if (end < 0)
            {
                await inner.WriteAsync(buffer[from..], cancellationToken);
                return;
            }

            await inner.WriteAsync(buffer.Slice(from, end + 1), cancellationToken);
            from += end + 1;
            left--;
        }

        if (from == buffer.Length)
            return;
        await inner.WriteAsync(buffer.Slice(from, (buffer.Length - from + 1) / 2), cancellationToken);
        await inner.FlushAsync(cancellationToken);
        await fail();
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public override void Flush() => throw new NotSupportedException("synchronous");

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("synchronous");
}
