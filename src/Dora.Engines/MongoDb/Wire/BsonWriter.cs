using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Dora.Engines.MongoDb.Wire;

/// <summary>Writes documents as BSON (specification 1.1).</summary>
internal static class BsonWriter
{
    /// <summary>The bytes of a document.</summary>
    public static byte[] Write(BsonDocument document)
    {
        var buffer = new ArrayBufferWriter<byte>();
        Write(buffer, document);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>A document from JSON. Whole numbers become int32 or int64, others double; nothing else is interpreted.</summary>
    public static BsonDocument FromJson(JsonObject json)
    {
        var document = new BsonDocument();
        foreach (var (name, value) in json)
            document.Add(name, FromJson(value));
        return document;
    }

    private static BsonValue FromJson(JsonNode? node) => node switch
    {
        null => BsonValue.Null,
        JsonObject inner => FromJson(inner),
        JsonArray list => new BsonArray(list.Select(FromJson)),
        JsonValue value => FromJson(value),
        _ => throw new ArgumentException($"{node.GetValueKind()} has no BSON", nameof(node)),
    };

    private static BsonValue FromJson(JsonValue value) => value.GetValueKind() switch
    {
        JsonValueKind.String => value.GetValue<string>(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ when int.TryParse(value.ToJsonString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var small) => small,
        _ when long.TryParse(value.ToJsonString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var large) => large,
        _ => double.Parse(value.ToJsonString(), NumberStyles.Float, CultureInfo.InvariantCulture),
    };

    private static void Write(ArrayBufferWriter<byte> buffer, BsonDocument document) => WriteFields(buffer, document);

    private static void Write(ArrayBufferWriter<byte> buffer, BsonArray array) =>
        WriteFields(buffer, array.Select((value, index) => KeyValuePair.Create(index.ToString(CultureInfo.InvariantCulture), value)));

    // The length stands in front and is known at the end: the inside is written first.
    private static void WriteFields(ArrayBufferWriter<byte> buffer, IEnumerable<KeyValuePair<string, BsonValue>> fields)
    {
        var inside = new ArrayBufferWriter<byte>();
        foreach (var (name, value) in fields)
        {
            WriteByte(inside, (byte)value.Type);
            WriteName(inside, name);
            WriteValue(inside, value);
        }

        WriteInt32(buffer, inside.WrittenCount + 5);
        buffer.Write(inside.WrittenSpan);
        WriteByte(buffer, 0);
    }

    private static void WriteValue(ArrayBufferWriter<byte> buffer, BsonValue value)
    {
        switch (value.Raw)
        {
            case null:
                break;
            case double number:
                BinaryPrimitives.WriteDoubleLittleEndian(buffer.GetSpan(8), number);
                buffer.Advance(8);
                break;
            case string text when value.Type == BsonType.Regex:
                var end = text.LastIndexOf('/');
                WriteName(buffer, text[1..end]);
                WriteName(buffer, text[(end + 1)..]);
                break;
            case string text:
                WriteInt32(buffer, Encoding.UTF8.GetByteCount(text) + 1);
                Encoding.UTF8.GetBytes(text, buffer);
                WriteByte(buffer, 0);
                break;
            case BsonDocument document:
                Write(buffer, document);
                break;
            case BsonArray array:
                Write(buffer, array);
                break;
            case BsonBinary binary when value.Type == BsonType.Binary:
                WriteInt32(buffer, binary.Bytes.Length);
                WriteByte(buffer, binary.Subtype);
                buffer.Write(binary.Bytes.Span);
                break;
            case BsonBinary binary:
                buffer.Write(binary.Bytes.Span);
                break;
            case bool truth:
                WriteByte(buffer, truth ? (byte)1 : (byte)0);
                break;
            case int number:
                WriteInt32(buffer, number);
                break;
            case long number:
                BinaryPrimitives.WriteInt64LittleEndian(buffer.GetSpan(8), number);
                buffer.Advance(8);
                break;
            default:
                throw new ArgumentException($"{value.Raw.GetType().Name} has no BSON", nameof(value));
        }
    }

    private static void WriteName(ArrayBufferWriter<byte> buffer, string name)
    {
        if (name.Contains('\0', StringComparison.Ordinal))
            throw new ArgumentException("a name holds a NUL", nameof(name));
        Encoding.UTF8.GetBytes(name, buffer);
        WriteByte(buffer, 0);
    }

    private static void WriteByte(ArrayBufferWriter<byte> buffer, byte value)
    {
        buffer.GetSpan(1)[0] = value;
        buffer.Advance(1);
    }

    private static void WriteInt32(ArrayBufferWriter<byte> buffer, int number)
    {
        BinaryPrimitives.WriteInt32LittleEndian(buffer.GetSpan(4), number);
        buffer.Advance(4);
    }
}
