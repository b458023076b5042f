namespace Dora.Backup.Streams;

/// <summary>A buffer that was filled at once and is read bit by bit.</summary>
internal sealed class Chunk
{
    private ArraySegment<byte> _bytes;
    private int _at;

    /// <summary>Whether all of it was read.</summary>
    public bool IsRead => _at == _bytes.Count;

    /// <summary>Copies what fits; answers how much.</summary>
    public int Take(Memory<byte> target)
    {
        var count = Math.Min(target.Length, _bytes.Count - _at);
        _bytes.AsMemory(_at, count).CopyTo(target);
        _at += count;
        return count;
    }

    /// <summary>Takes another buffer; answers the old one, which is free now.</summary>
    public byte[]? Replace(ArraySegment<byte> bytes)
    {
        var old = _bytes.Array;
        (_bytes, _at) = (bytes, 0);
        return old;
    }
}
