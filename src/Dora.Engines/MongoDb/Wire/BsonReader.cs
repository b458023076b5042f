using System.Buffers.Binary;
using System.Text;

namespace Dora.Engines.MongoDb.Wire;

/// <summary>
/// Reads one document from bytes that somebody else wrote. Every length is checked against the document that it stands in, the
/// number of values and the depth are bounded, and whatever does not fit is an <see cref="InvalidDataException"/>.
/// </summary>
internal ref struct BsonReader
{
    /// <summary>The server nests no deeper either (MongoDB manual, "MongoDB Limits and Thresholds").</summary>
    public const int DeepestNesting = 100;

    /// <summary>Values in one message: far more than any answer an operator asks for.</summary>
    public const int MostValues = 100_000;

    private readonly ReadOnlySpan<byte> _bytes;
    private int _position;
    private int _values;

    private BsonReader(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    /// <summary>The document that these bytes are, all of them.</summary>
    /// <exception cref="InvalidDataException">They are not one document, or a larger one than allowed.</exception>
    public static BsonDocument Read(ReadOnlySpan<byte> bytes)
    {
        var reader = new BsonReader(bytes);
        var document = new BsonDocument();
        reader.ReadFields(bytes.Length, 0, (name, value) => document.Add(name, value));
        if (reader._position != bytes.Length)
            throw new InvalidDataException("bytes follow a document");
        return document;
    }

    private void ReadFields(int limit, int depth, Action<string, BsonValue> add)
    {
        if (depth > DeepestNesting)
            throw new InvalidDataException($"a document is nested deeper than {DeepestNesting}");
        var start = _position;
        var length = ReadInt32(limit);
        if (length < 5 || length > limit - start)
            throw new InvalidDataException("the length of a document is not possible");
        var end = start + length - 1;
        if (_bytes[end] != 0)
            throw new InvalidDataException("a document does not end where it says");
        while (_position < end)
        {
            if (++_values > MostValues)
                throw new InvalidDataException($"a message holds more than {MostValues} values");
            var type = (BsonType)_bytes[_position++];
            add(ReadName(end), ReadValue(type, end, depth));
        }

        _position = end + 1;
    }

    private BsonValue ReadValue(BsonType type, int limit, int depth) => type switch
    {
        BsonType.Double => BinaryPrimitives.ReadDoubleLittleEndian(Take(8, limit)),
        BsonType.String or BsonType.JavaScript or BsonType.Symbol => new(type, ReadString(limit)),
        BsonType.Document => ReadDocument(limit, depth),
        BsonType.Array => ReadArray(limit, depth),
        BsonType.Binary => ReadBinary(limit),
        BsonType.ObjectId => new(type, new BsonBinary(0, Take(12, limit).ToArray())),
        BsonType.Boolean => ReadBoolean(limit),
        BsonType.DateTime or BsonType.Timestamp or BsonType.Int64 => new(type, BinaryPrimitives.ReadInt64LittleEndian(Take(8, limit))),
        BsonType.Regex => new(type, $"/{ReadName(limit)}/{ReadName(limit)}"),
        BsonType.Int32 => ReadInt32(limit),
        BsonType.Decimal128 => new(type, new BsonBinary(0, Take(16, limit).ToArray())),
        BsonType.Null or BsonType.Undefined or BsonType.MinKey or BsonType.MaxKey => new(type, null),
        _ => throw new InvalidDataException($"a value has type 0x{(byte)type:x2}"),
    };

    private BsonValue ReadDocument(int limit, int depth)
    {
        var document = new BsonDocument();
        ReadFields(limit, depth + 1, (name, value) => document.Add(name, value));
        return document;
    }

    // The names of an array's elements are their numbers; their order is what counts.
    private BsonValue ReadArray(int limit, int depth)
    {
        var array = new BsonArray();
        ReadFields(limit, depth + 1, (_, value) => array.Add(value));
        return array;
    }

    private BsonValue ReadBinary(int limit)
    {
        var length = ReadInt32(limit);
        var subtype = Take(1, limit)[0];
        return new(BsonType.Binary, new BsonBinary(subtype, Take(length, limit).ToArray()));
    }

    private BsonValue ReadBoolean(int limit) => Take(1, limit)[0] switch
    {
        0 => false,
        1 => true,
        _ => throw new InvalidDataException("a boolean is neither 0 nor 1"),
    };

    private string ReadString(int limit)
    {
        var length = ReadInt32(limit);
        if (length < 1)
            throw new InvalidDataException("the length of a string is not possible");
        var bytes = Take(length, limit);
        if (bytes[^1] != 0)
            throw new InvalidDataException("a string does not end where it says");
        return Encoding.UTF8.GetString(bytes[..^1]);
    }

    private string ReadName(int limit)
    {
        var length = _bytes[_position..limit].IndexOf((byte)0);
        if (length < 0)
            throw new InvalidDataException("a name does not end");
        var name = Encoding.UTF8.GetString(_bytes.Slice(_position, length));
        _position += length + 1;
        return name;
    }

    private int ReadInt32(int limit) => BinaryPrimitives.ReadInt32LittleEndian(Take(4, limit));

    private ReadOnlySpan<byte> Take(int count, int limit)
    {
        if (count < 0 || count > limit - _position)
            throw new InvalidDataException("a value ends after its document");
        var taken = _bytes.Slice(_position, count);
        _position += count;
        return taken;
    }
}
