namespace Dora.Backup.Streams;

/// <summary>Decompresses what it reads. A stream that ends before its frame does is an error, as is one that wants too much memory.</summary>
public sealed class ZstdDecompressingStream : ReadOnlyStream
{
    private readonly Stream _inner;
    private readonly Zstd.DecompressionContext _context = Zstd.CreateDecompression();
    private readonly byte[] _input = new byte[128 * 1024];
    private int _at;
    private int _have;
    private bool _within;
    private bool _full;

    /// <param name="inner">Where it comes from; stays open.</param>
    public ZstdDecompressingStream(Stream inner)
    {
        _inner = inner;
        Zstd.Check(Zstd.SetParameter(_context, Zstd.WindowLogMax, Zstd.LargestWindowLog));
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidDataException">It is no whole stream of zstd.</exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (buffer.Length > 0)
        {
            // A full target may mean that more stands ready inside, without any new input.
            if (_at == _have && !_full)
            {
                _have = await _inner.ReadAsync(_input, cancellationToken).ConfigureAwait(false);
                _at = 0;
                if (_have == 0)
                    return _within ? throw new InvalidDataException("zstd: the stream is cut") : 0;
            }

            if (Step(buffer.Span) is > 0 and var made)
                return made;
        }

        return 0;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _context.Dispose();
        base.Dispose(disposing);
    }

    private unsafe int Step(Span<byte> target)
    {
        fixed (byte* source = _input)
        fixed (byte* destination = target)
        {
            var input = new Zstd.Buffer { Data = (nint)source, Size = (nuint)_have, Position = (nuint)_at };
            var output = new Zstd.Buffer { Data = (nint)destination, Size = (nuint)target.Length };
            var left = Zstd.Check(Zstd.Decompress(_context, ref output, ref input));
            var moved = output.Position > 0 || input.Position != (nuint)_at;
            // Asked without input, a frame that has ended answers that it wants a new one: that is none begun.
            _within = moved ? left != 0 : _within;
            _at = (int)input.Position;
            _full = output.Position == output.Size;
            return (int)output.Position;
        }
    }
}
