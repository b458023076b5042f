using System.Buffers.Binary;

namespace Dora.Backup.Streams;

/// <summary>
/// The nonce of a frame is its number and whether it is the last (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015):
/// a frame that was moved, left out, doubled or cut off does not open. A key seals one stream only, so no nonce comes twice.
/// </summary>
internal static class FrameNonce
{
    public const int TagBytes = 16;
    public const int Bytes = 12;

    public static void Write(Span<byte> nonce, ulong number, bool last)
    {
        nonce.Clear();
        BinaryPrimitives.WriteUInt64BigEndian(nonce[3..], number);
        nonce[^1] = last ? (byte)1 : (byte)0;
    }
}
