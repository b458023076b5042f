using System.Buffers;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Dora.Engines.Neo4j.QueryApi;

/// <summary>One Cypher statement. What varies goes by parameters; a password never stands in the text.</summary>
/// <param name="Statement">The text.</param>
/// <param name="Parameters">Values of <c>$name</c>.</param>
/// <param name="ReadOnly">Whether any member may answer; the server refuses to write then.</param>
internal sealed record Query(string Statement, JsonObject? Parameters = null, bool ReadOnly = false)
{
    private static readonly JsonWriterOptions Options = new() { SkipValidation = false };

    /// <summary>The text alone: parameters may hold passwords.</summary>
    public override string ToString() => Statement;

    /// <summary>The body of the request. Servers before 2026.08 read its fields in this order only.</summary>
    public ReadOnlyMemory<byte> Encode(IReadOnlyCollection<string> bookmarks)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using var writer = new Utf8JsonWriter(buffer, Options);
        writer.WriteStartObject();
        writer.WriteString("statement", Statement);
        if (Parameters is not null)
        {
            writer.WritePropertyName("parameters");
            Parameters.WriteTo(writer);
        }

        writer.WriteString("accessMode", ReadOnly ? "Read" : "Write");
        if (bookmarks.Count > 0)
        {
            writer.WriteStartArray("bookmarks");
            foreach (var bookmark in bookmarks)
                writer.WriteStringValue(bookmark);
            writer.WriteEndArray();
        }

        writer.WriteEndObject();
        writer.Flush();
        return buffer.WrittenMemory;
    }
}
