using System.Buffers;
using System.Buffers.Binary;

namespace Dora.Engines.MongoDb.Wire;

/// <summary>
/// The one message format that servers of today speak (MongoDB specifications, "OP_MSG"): a header of 16 bytes, flags, and one
/// document. Nothing else is ever asked for: no compression, no checksum, no stream of replies.
/// </summary>
internal static class OpMsg
{
    public const int OpCode = 2013;
    public const int HeaderSize = 16;

    /// <summary>The largest reply that is read (bytes). A configuration, a status or a page of a list is far smaller.</summary>
    public const int LargestReply = 4 << 20;

    private const int LeastReply = HeaderSize + 4 + 1 + 5;

    public static byte[] Encode(int requestId, BsonDocument command)
    {
        var body = BsonWriter.Write(command);
        var message = new byte[HeaderSize + 5 + body.Length];
        BinaryPrimitives.WriteInt32LittleEndian(message, message.Length);
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(4), requestId);
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(12), OpCode);
        body.CopyTo(message.AsSpan(HeaderSize + 5));
        return message;
    }

    /// <summary>Length of the message that starts here, when enough has arrived to know it.</summary>
    /// <exception cref="InvalidDataException">The length is not possible, or larger than allowed.</exception>
    public static int? Length(ReadOnlySequence<byte> buffer)
    {
        if (buffer.Length < 4)
            return null;
        Span<byte> bytes = stackalloc byte[4];
        buffer.Slice(0, 4).CopyTo(bytes);
        var length = BinaryPrimitives.ReadInt32LittleEndian(bytes);
        return length is >= LeastReply and <= LargestReply ? length : throw new InvalidDataException("the length of a reply is not possible, or larger than allowed");
    }

    /// <summary>The document of a whole reply.</summary>
    /// <exception cref="InvalidDataException">The bytes are no reply to this request.</exception>
    public static BsonDocument Decode(ReadOnlySpan<byte> message, int requestId)
    {
        if (message.Length < LeastReply || BinaryPrimitives.ReadInt32LittleEndian(message) != message.Length)
            throw new InvalidDataException("a reply is not as long as it says");
        if (BinaryPrimitives.ReadInt32LittleEndian(message[8..]) != requestId)
            throw new InvalidDataException("a reply answers another request");
        if (BinaryPrimitives.ReadInt32LittleEndian(message[12..]) != OpCode)
            throw new InvalidDataException("a reply is no OP_MSG");
        // Bits 0-15 must be understood. Checksums and streams of replies come only to who asks for them; bits 16-31 may be ignored.
        if ((BinaryPrimitives.ReadUInt32LittleEndian(message[HeaderSize..]) & 0xffff) != 0)
            throw new InvalidDataException("a reply has flags that nobody asked for");
        if (message[HeaderSize + 4] != 0)
            throw new InvalidDataException("a reply has sections that nobody asked for");
        return BsonReader.Read(message[(HeaderSize + 5)..]);
    }
}
