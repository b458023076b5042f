namespace Dora.Backup.Streams;

/// <summary>Compresses what is written to it and hands it on; one frame of zstd, ended by <see cref="CompleteAsync"/>.</summary>
public sealed class ZstdCompressingStream : WriteOnlyStream
{
    private readonly Stream _inner;
    private readonly Zstd.CompressionContext _context = Zstd.CreateCompression();
    private readonly byte[] _output = new byte[256 * 1024];

    /// <param name="inner">Where it goes; stays open.</param>
    /// <param name="level">1 to 19; 3 is zstd's own default.</param>
    public ZstdCompressingStream(Stream inner, int level = 3)
    {
        _inner = inner;
        Zstd.Check(Zstd.SetParameter(_context, Zstd.CompressionLevel, level));
    }

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (buffer.Length > 0)
        {
            var (taken, made, _) = Step(buffer.Span, Zstd.Continue);
            buffer = buffer[taken..];
            if (made > 0)
                await _inner.WriteAsync(_output.AsMemory(0, made), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Writes what is still held, and the end.</summary>
    public async Task CompleteAsync(CancellationToken cancellationToken = default)
    {
        bool more;
        do
        {
            (_, var made, more) = Step([], Zstd.End);
            await _inner.WriteAsync(_output.AsMemory(0, made), cancellationToken).ConfigureAwait(false);
        }
        while (more);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _context.Dispose();
        base.Dispose(disposing);
    }

    private unsafe (int Taken, int Made, bool More) Step(ReadOnlySpan<byte> data, int directive)
    {
        fixed (byte* source = data)
        fixed (byte* target = _output)
        {
            var input = new Zstd.Buffer { Data = (nint)source, Size = (nuint)data.Length };
            var output = new Zstd.Buffer { Data = (nint)target, Size = (nuint)_output.Length };
            var left = Zstd.Check(Zstd.Compress(_context, ref output, ref input, directive));
            return ((int)input.Position, (int)output.Position, left > 0);
        }
    }
}
