using System.Security.Cryptography;

namespace Dora.Backup.Streams;

/// <summary>
/// Opens what a <see cref="SealingStream"/> sealed. No byte comes out of a frame before the whole frame is found to be what was written,
/// in its place; the end is reported only behind the last frame.
/// </summary>
public sealed class OpeningStream : ReadOnlyStream
{
    private readonly Stream _inner;
    private readonly AesGcm _cipher;
    private readonly byte[] _sealed;
    private readonly byte[] _plain;
    private int _have;
    private int _at;
    private int _held;
    private ulong _number;
    private bool _ended;

    private OpeningStream(Stream inner, byte[] key, StreamHeader header)
    {
        _inner = inner;
        Header = header;
        _cipher = new AesGcm(key, FrameNonce.TagBytes);
        _plain = new byte[header.FrameBytes];
        // One byte more than a frame: whether there is one says whether this frame is the last.
        _sealed = new byte[header.FrameBytes + FrameNonce.TagBytes + 1];
    }

    /// <summary>What stands before it; trusted once the first frame opened.</summary>
    public StreamHeader Header { get; }

    /// <summary>Reads the header, asks for the key that it names, and begins.</summary>
    /// <param name="inner">Where it comes from; stays open.</param>
    /// <param name="subject">What it must be.</param>
    /// <param name="unwrap">Answers the data key.</param>
    /// <param name="cancellationToken">Stops reading the header.</param>
    /// <exception cref="SealBrokenException">It is no such stream.</exception>
    public static async Task<OpeningStream> CreateAsync(Stream inner, string subject, Func<StreamHeader, CancellationToken, Task<byte[]>> unwrap, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(unwrap);
        var (header, bytes) = await StreamHeader.ReadAsync(inner, cancellationToken).ConfigureAwait(false);
        if (header.Subject != subject)
            throw new SealBrokenException($"it says that it is {header.Subject}, and {subject} is expected here");
        var dataKey = await unwrap(header, cancellationToken).ConfigureAwait(false);
        var key = header.FrameKey(dataKey, bytes);
        try
        {
            return new(inner, key, header);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(dataKey);
            CryptographicOperations.ZeroMemory(key);
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (_at == _held && !_ended && buffer.Length > 0)
            await FillAsync(cancellationToken).ConfigureAwait(false);
        var count = Math.Min(buffer.Length, _held - _at);
        _plain.AsMemory(_at, count).CopyTo(buffer);
        _at += count;
        return count;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _cipher.Dispose();
            CryptographicOperations.ZeroMemory(_plain);
        }

        base.Dispose(disposing);
    }

    private async ValueTask FillAsync(CancellationToken cancellationToken)
    {
        _have += await _inner.ReadAtLeastAsync(_sealed.AsMemory(_have), _sealed.Length - _have, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        var last = _have < _sealed.Length;
        var count = (last ? _have : _have - 1) - FrameNonce.TagBytes;
        if (count < 0)
            throw new SealBrokenException($"it ends within frame {_number}");
        Open(count, last);
        _at = 0;
        _held = count;
        _ended = last;
        _number++;
        _sealed[0] = _sealed[^1];
        _have = last ? 0 : 1;
    }

    private void Open(int count, bool last)
    {
        Span<byte> nonce = stackalloc byte[FrameNonce.Bytes];
        FrameNonce.Write(nonce, _number, last);
        try
        {
            _cipher.Decrypt(nonce, _sealed.AsSpan(0, count), _sealed.AsSpan(count, FrameNonce.TagBytes), _plain.AsSpan(0, count));
        }
        catch (AuthenticationTagMismatchException exception)
        {
            throw new SealBrokenException(_number == 0 ? "its first frame does not open: another key, or it was changed" : last ? $"frame {_number} does not open as the last one: it was changed, or the stream was cut" : $"frame {_number} was changed or is out of place", exception);
        }
    }
}
