using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Dora.Testing.ApiServer.Storage;

/// <summary>A reference to an owner, as garbage collection needs it.</summary>
internal sealed record Owner(string Uid, bool Blocks);

/// <summary>One version of an object: immutable, kept as the bytes that every reader and watcher is sent.</summary>
internal sealed class StoredObject
{
    private static readonly JsonWriterOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    private readonly int afterTypeFields;

    private StoredObject(JsonObject body, byte[] json, int afterTypeFields)
    {
        Json = json;
        this.afterTypeFields = afterTypeFields;
        var metadata = body["metadata"]!;
        Name = (string)metadata["name"]!;
        Namespace = (string?)metadata["namespace"];
        Uid = (string?)metadata["uid"] ?? "";
        ResourceVersion = long.Parse((string?)metadata["resourceVersion"] ?? "0", System.Globalization.CultureInfo.InvariantCulture);
        Labels = metadata["labels"] is JsonObject labels ? labels.ToDictionary(label => label.Key, label => (string)label.Value!) : [];
        Finalizers = metadata["finalizers"] is JsonArray finalizers ? [.. finalizers.Select(one => (string)one!)] : [];
        Owners = metadata["ownerReferences"] is JsonArray owners
            ? [.. owners.Select(owner => new Owner((string)owner!["uid"]!, (bool?)owner["blockOwnerDeletion"] == true))]
            : [];
        IsDeleting = metadata["deletionTimestamp"] is not null;
    }

    public string Name { get; }

    public string? Namespace { get; }

    public string Uid { get; }

    public long ResourceVersion { get; }

    public IReadOnlyDictionary<string, string> Labels { get; }

    public IReadOnlyList<string> Finalizers { get; }

    public IReadOnlyList<Owner> Owners { get; }

    public bool IsDeleting { get; }

    /// <summary>The key within its resource; ordered as etcd orders them.</summary>
    public string Key => KeyOf(Namespace, Name);

    /// <summary>The whole object in UTF-8.</summary>
    public ReadOnlyMemory<byte> Json { get; }

    /// <summary>All but the opening brace, kind and apiVersion: items of a list of built-in objects go without them.</summary>
    public ReadOnlyMemory<byte> JsonAfterTypeFields => Json[afterTypeFields..];

    public static string KeyOf(string? ns, string name) => $"{ns}/{name}";

    public static StoredObject From(JsonObject body)
    {
        using var stream = new MemoryStream();
        var head = $$"""{"kind":{{body["kind"]!.ToJsonString()}},"apiVersion":{{body["apiVersion"]!.ToJsonString()}},""";
        stream.Write(Encoding.UTF8.GetBytes(head));
        using (var writer = new Utf8JsonWriter(stream, Relaxed))
        {
            writer.WriteStartObject();
            foreach (var (name, value) in body.Where(field => field.Key is not ("kind" or "apiVersion")).OrderBy(field => field.Key != "metadata"))
            {
                writer.WritePropertyName(name);
                if (value is null)
                    writer.WriteNullValue();
                else
                    value.WriteTo(writer);
            }

            writer.WriteEndObject();
        }

        // The writer's own opening brace stands where the comma after the head is.
        var json = stream.ToArray();
        var start = Encoding.UTF8.GetByteCount(head);
        json[start] = (byte)' ';
        return new(body, json, start + 1);
    }

    /// <summary>A copy to change.</summary>
    public JsonObject ToJson() => JsonNode.Parse(Json.Span)!.AsObject();
}
