namespace Dora.Kubernetes.Client;

/// <summary>
/// Hands a watch's bytes on frame by frame: a read ends where a line does, or where the buffer does. The JSON reader underneath
/// <c>DeserializeAsyncEnumerable</c> gives up on liveness when a value comes in more than five pieces: it then waits until its
/// whole buffer is full, and an event would lie there unseen until many others follow.
/// </summary>
internal sealed class WholeFrames(Stream inner) : Stream
{
    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var count = 0;
        while (count < buffer.Length)
        {
            var read = await inner.ReadAsync(buffer[count..], cancellationToken);
            count += read;
            if (read == 0 || buffer.Span[count - 1] == (byte)'\n')
                break;
        }

        return count;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("a watch is read asynchronously");

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            inner.Dispose();
        base.Dispose(disposing);
    }
}
