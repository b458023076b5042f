using System.Collections;

namespace Dora.Engines.MongoDb.Wire;

/// <summary>Types of values (BSON specification 1.1). Those that no server sends any more are refused by the reader.</summary>
internal enum BsonType : byte
{
    Double = 0x01,
    String = 0x02,
    Document = 0x03,
    Array = 0x04,
    Binary = 0x05,
    Undefined = 0x06,
    ObjectId = 0x07,
    Boolean = 0x08,
    DateTime = 0x09,
    Null = 0x0a,
    Regex = 0x0b,
    JavaScript = 0x0d,
    Symbol = 0x0e,
    Int32 = 0x10,
    Timestamp = 0x11,
    Int64 = 0x12,
    Decimal128 = 0x13,
    MaxKey = 0x7f,
    MinKey = 0xff,
}

/// <summary>
/// A value and its type. <c>Raw</c> is a double, string, <see cref="BsonDocument"/>, <see cref="BsonArray"/>,
/// <see cref="BsonBinary"/>, bool, int, long (also the milliseconds of a date and a timestamp), or null.
/// </summary>
internal readonly record struct BsonValue(BsonType Type, object? Raw)
{
    public static BsonValue Null { get; } = new(BsonType.Null, null);

    public static implicit operator BsonValue(string text) => new(BsonType.String, text);

    public static implicit operator BsonValue(int number) => new(BsonType.Int32, number);

    public static implicit operator BsonValue(long number) => new(BsonType.Int64, number);

    public static implicit operator BsonValue(double number) => new(BsonType.Double, number);

    public static implicit operator BsonValue(bool truth) => new(BsonType.Boolean, truth);

    public static implicit operator BsonValue(byte[] bytes) => new(BsonType.Binary, new BsonBinary(0, bytes));

    public static implicit operator BsonValue(BsonDocument document) => new(BsonType.Document, document);

    public static implicit operator BsonValue(BsonArray array) => new(BsonType.Array, array);

    /// <summary>The value as a number, whichever of the three kinds of number it is, or null.</summary>
    public double? Number => Raw switch
    {
        double number when Type == BsonType.Double => number,
        int number => number,
        long number when Type == BsonType.Int64 => number,
        _ => null,
    };
}

/// <summary>Bytes with a subtype; 0 is generic.</summary>
internal sealed class BsonBinary(byte subtype, byte[] bytes) : IEquatable<BsonBinary>
{
    public byte Subtype { get; } = subtype;

    public ReadOnlyMemory<byte> Bytes { get; } = bytes;

    public bool Equals(BsonBinary? other) => other is not null && other.Subtype == Subtype && other.Bytes.Span.SequenceEqual(Bytes.Span);

    public override bool Equals(object? obj) => Equals(obj as BsonBinary);

    public override int GetHashCode() => HashCode.Combine(Subtype, Bytes.Length);
}

/// <summary>A list of values.</summary>
internal sealed class BsonArray : IReadOnlyList<BsonValue>, IEquatable<BsonArray>
{
    private readonly List<BsonValue> _items = [];

    public BsonArray(params IEnumerable<BsonValue> items) => _items.AddRange(items);

    public int Count => _items.Count;

    public BsonValue this[int index] => _items[index];

    public void Add(BsonValue item) => _items.Add(item);

    public IEnumerator<BsonValue> GetEnumerator() => _items.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public bool Equals(BsonArray? other) => other is not null && other._items.SequenceEqual(_items);

    public override bool Equals(object? obj) => Equals(obj as BsonArray);

    public override int GetHashCode() => _items.Count;
}

/// <summary>Names with values, in order: the first name of a command is what it does.</summary>
internal sealed class BsonDocument : IReadOnlyList<KeyValuePair<string, BsonValue>>, IEquatable<BsonDocument>
{
    private readonly List<KeyValuePair<string, BsonValue>> _fields = [];

    public int Count => _fields.Count;

    public KeyValuePair<string, BsonValue> this[int index] => _fields[index];

    /// <summary>The value of a name, or null when it is absent.</summary>
    public BsonValue? this[string name]
    {
        get
        {
            foreach (var field in _fields)
            {
                if (field.Key == name)
                    return field.Value;
            }

            return null;
        }
    }

    public void Add(string name, BsonValue value) => _fields.Add(new(name, value));

    /// <summary>The same with one value set: in its place, or at the end.</summary>
    public BsonDocument With(string name, BsonValue value)
    {
        var copy = new BsonDocument();
        copy._fields.AddRange(_fields);
        var index = copy._fields.FindIndex(field => field.Key == name);
        if (index < 0)
            copy.Add(name, value);
        else
            copy._fields[index] = new(name, value);
        return copy;
    }

    // What a server says may be of any type: these give null when it is another than expected.
    public string? Text(string name) => this[name] is { Type: BsonType.String, Raw: string text } ? text : null;

    public bool? Truth(string name) => this[name] is { Raw: bool truth } ? truth : null;

    public double? Number(string name) => this[name]?.Number;

    public long? Integer(string name) => Number(name) is { } number && number == Math.Floor(number) && Math.Abs(number) < 9e18 ? (long)number : null;

    public BsonDocument? Document(string name) => this[name]?.Raw as BsonDocument;

    public BsonArray? Array(string name) => this[name]?.Raw as BsonArray;

    public IEnumerable<BsonDocument> Documents(string name) => (Array(name) ?? []).Select(item => item.Raw).OfType<BsonDocument>();

    public IEnumerable<string> Texts(string name) => (Array(name) ?? []).Select(item => item.Raw).OfType<string>();

    /// <summary>Milliseconds since 1970 of a date, or null.</summary>
    public long? Milliseconds(string name) => this[name] is { Type: BsonType.DateTime, Raw: long milliseconds } ? milliseconds : null;

    public IEnumerator<KeyValuePair<string, BsonValue>> GetEnumerator() => _fields.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public bool Equals(BsonDocument? other) => other is not null && other._fields.SequenceEqual(_fields);

    public override bool Equals(object? obj) => Equals(obj as BsonDocument);

    public override int GetHashCode() => _fields.Count;
}
