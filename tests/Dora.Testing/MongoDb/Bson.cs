using System.Text;

namespace Dora.Testing.MongoDb;

/// <summary>An ObjectId.</summary>
public sealed record ObjectId(string Hex);

/// <summary>A document, in the order of its fields. Values: double, string, document, list, bytes, <see cref="ObjectId"/>, bool, date, null, int, long.</summary>
public sealed class Doc : List<KeyValuePair<string, object?>>
{
    /// <summary>The value of a field, or null.</summary>
    public object? this[string name] => this.FirstOrDefault(field => field.Key == name).Value;

    /// <summary>Whether there is such a field.</summary>
    public bool Has(string name) => this.Any(field => field.Key == name);

    /// <summary>Adds a field.</summary>
    public void Add(string name, object? value) => Add(new(name, value));

    /// <summary>A field that must be there with this type; anything else is what the server calls TypeMismatch.</summary>
    public T Need<T>(string name) => this[name] is T value
        ? value
        : throw new ScriptedException(14, "TypeMismatch", $"BSON field '{name}' is missing or the wrong type, expected {typeof(T).Name}");

    /// <summary>The same with one field set.</summary>
    public Doc With(string name, object? value)
    {
        var copy = new Doc();
        copy.AddRange(this.Where(field => field.Key != name));
        copy.Add(name, value);
        return copy;
    }
}

/// <summary>
/// BSON as the specification has it, written a second time: a server that used the client's own code would repeat its mistakes.
/// </summary>
public static class Bson
{
    /// <summary>The bytes of a document.</summary>
    public static byte[] Write(Doc document)
    {
        ArgumentNullException.ThrowIfNull(document);
        return Write(document.Select(field => (field.Key, field.Value)));
    }

    /// <summary>The document of these bytes.</summary>
    /// <exception cref="InvalidDataException">They are none.</exception>
    public static Doc Read(byte[] bytes)
    {
        using var reader = new BinaryReader(new MemoryStream(bytes), Encoding.UTF8);
        try
        {
            var document = ReadDocument(reader);
            return reader.BaseStream.Position == bytes.Length ? document : throw new InvalidDataException("bytes follow the document");
        }
        catch (EndOfStreamException exception)
        {
            throw new InvalidDataException("the document is cut", exception);
        }
    }

    private static byte[] Write(IEnumerable<(string Name, object? Value)> fields)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(0);
        foreach (var (name, value) in fields)
            WriteField(writer, name, value);
        writer.Write((byte)0);
        writer.Seek(0, SeekOrigin.Begin);
        writer.Write((int)stream.Length);
        return stream.ToArray();
    }

    private static void WriteField(BinaryWriter writer, string name, object? value)
    {
        void Head(byte type)
        {
            writer.Write(type);
            writer.Write(Encoding.UTF8.GetBytes(name + "\0"));
        }

        switch (value)
        {
            case double number: Head(0x01); writer.Write(number); break;
            case string text: Head(0x02); var utf8 = Encoding.UTF8.GetBytes(text + "\0"); writer.Write(utf8.Length); writer.Write(utf8); break;
            case Doc inner: Head(0x03); writer.Write(Write(inner)); break;
            case byte[] bytes: Head(0x05); writer.Write(bytes.Length); writer.Write((byte)0); writer.Write(bytes); break;
            case ObjectId id: Head(0x07); writer.Write(Convert.FromHexString(id.Hex)); break;
            case bool truth: Head(0x08); writer.Write(truth); break;
            case DateTimeOffset date: Head(0x09); writer.Write(date.ToUnixTimeMilliseconds()); break;
            case null: Head(0x0a); break;
            case int number: Head(0x10); writer.Write(number); break;
            case long number: Head(0x12); writer.Write(number); break;
            case IEnumerable<object?> list: Head(0x04); writer.Write(Write(list.Select((item, index) => ($"{index}", item)))); break;
            default: throw new ArgumentException($"{value.GetType()} has no BSON", nameof(value));
        }
    }

    private static Doc ReadDocument(BinaryReader reader)
    {
        var start = reader.BaseStream.Position;
        var length = reader.ReadInt32();
        var document = new Doc();
        for (var type = reader.ReadByte(); type != 0; type = reader.ReadByte())
        {
            var name = ReadName(reader);
            document.Add(name, ReadValue(reader, type));
        }

        return reader.BaseStream.Position - start == length ? document : throw new InvalidDataException("the length of a document is wrong");
    }

    private static object? ReadValue(BinaryReader reader, byte type) => type switch
    {
        0x01 => reader.ReadDouble(),
        0x02 => ReadString(reader),
        0x03 => ReadDocument(reader),
        0x04 => ReadList(reader),
        0x05 => ReadBinary(reader),
        0x08 => reader.ReadByte() switch { 0 => false, 1 => true, _ => throw new InvalidDataException("neither true nor false") },
        0x09 => DateTimeOffset.FromUnixTimeMilliseconds(reader.ReadInt64()),
        0x07 => new ObjectId(Convert.ToHexString(reader.ReadBytes(12))),
        0x0a => null,
        0x10 => reader.ReadInt32(),
        0x12 => reader.ReadInt64(),
        _ => throw new InvalidDataException($"a value has type {type:x2}"),
    };

    private static List<object?> ReadList(BinaryReader reader)
    {
        var document = ReadDocument(reader);
        if (document.Where((field, index) => field.Key != $"{index}").Any())
            throw new InvalidDataException("the names of an array's elements are their numbers");
        return [.. document.Select(field => field.Value)];
    }

    private static byte[] ReadBinary(BinaryReader reader)
    {
        var length = reader.ReadInt32();
        return reader.ReadByte() == 0 ? reader.ReadBytes(length) : throw new InvalidDataException("the subtype of a binary is not generic");
    }

    private static string ReadString(BinaryReader reader)
    {
        var bytes = reader.ReadBytes(reader.ReadInt32());
        return bytes is [.., 0] ? Encoding.UTF8.GetString(bytes, 0, bytes.Length - 1) : throw new InvalidDataException("a string does not end");
    }

    private static string ReadName(BinaryReader reader)
    {
        var bytes = new List<byte>();
        for (var next = reader.ReadByte(); next != 0; next = reader.ReadByte())
            bytes.Add(next);
        return Encoding.UTF8.GetString([.. bytes]);
    }
}

/// <summary>The server refuses.</summary>
public sealed class ScriptedException(int code, string codeName, string message) : Exception(message)
{
    /// <summary>Number of the error.</summary>
    public int Code { get; } = code;

    /// <summary>Its name.</summary>
    public string CodeName { get; } = codeName;
}
