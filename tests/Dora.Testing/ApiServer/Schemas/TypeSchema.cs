using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Dora.Testing.ApiServer.Schemas;

/// <summary>What a JSON value is to server-side apply.</summary>
internal enum Shape
{
    Scalar,
    Map,
    List,
}

/// <summary>How the elements of a list relate.</summary>
internal enum ListKind
{
    Atomic,
    Set,
    Map,
}

/// <summary>
/// The type of a value as far as merging, pruning and ownership need it, read from an OpenAPI schema with Kubernetes' extensions
/// (a built-in kind's definition or a CRD's structural schema).
/// </summary>
internal sealed class TypeSchema
{
    private static readonly JsonSerializerOptions Plain = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly JsonObject schema;
    private readonly Func<string, TypeSchema> resolve;
    private readonly ConcurrentDictionary<string, TypeSchema> fields = new(StringComparer.Ordinal);
    private readonly Lazy<TypeSchema?> elements;
    private readonly Lazy<TypeSchema?> items;

    public TypeSchema(JsonObject schema, Func<string, TypeSchema> resolve, string name = "")
    {
        this.schema = schema;
        this.resolve = resolve;
        var type = (string?)schema["type"];
        var keepsUnknown = (bool?)schema["x-kubernetes-preserve-unknown-fields"] == true;
        var open = type is null && !schema.ContainsKey("properties");
        var bare = type == "object" && !schema.ContainsKey("properties") && !schema.ContainsKey("additionalProperties");
        IsQuantity = name == "io.k8s.apimachinery.pkg.api.resource.Quantity";
        IsIntOrString = (bool?)schema["x-kubernetes-int-or-string"] == true || (string?)schema["format"] == "int-or-string" || IsQuantity;
        AllowsMap = (open && !IsIntOrString) || type == "object" || schema.ContainsKey("properties");
        AllowsList = (open && !IsIntOrString) || type == "array";
        AllowsScalar = open || type is "string" or "integer" or "number" or "boolean";
        AtomicMap = (string?)schema["x-kubernetes-map-type"] == "atomic";
        Scalar = IsIntOrString || schema["format"] is not null && type == "string" && (string?)schema["format"] != "byte" ? null : type;
        Keys = KeysOf(schema);
        List = KindOf(schema, Keys);
        MergesOnPatch = ((string?)schema["x-kubernetes-patch-strategy"])?.Contains("merge", StringComparison.Ordinal) == true;
        MergeKey = (string?)schema["x-kubernetes-patch-merge-key"];
        OmittedWhenEmpty = schema["omitempty"] is JsonArray omitted ? omitted.Select(field => (string)field!).ToHashSet(StringComparer.Ordinal) : [];
        elements = new(() => schema["additionalProperties"] is JsonObject of ? Child(of) : open || keepsUnknown || bare ? Deduced : null);
        items = new(() => schema["items"] is JsonObject of ? Child(of) : Deduced);
    }

    /// <summary>Of a value about which nothing is known: maps merge field by field, lists are atomic.</summary>
    public static TypeSchema Deduced { get; } = new([], _ => throw new InvalidOperationException("nothing to resolve"));

    public bool AllowsMap { get; }

    public bool AllowsList { get; }

    public bool AllowsScalar { get; }

    public bool AtomicMap { get; }

    public bool IsQuantity { get; }

    public bool IsIntOrString { get; }

    /// <summary>string, integer, number, boolean; null when any scalar will do.</summary>
    public string? Scalar { get; }

    public ListKind List { get; }

    public IReadOnlyList<string> Keys { get; }

    /// <summary>Whether strategic merge patches merge the elements, and by which key (null: a set).</summary>
    public bool MergesOnPatch { get; }

    public string? MergeKey { get; }

    /// <summary>Fields of which the server cannot tell an empty value from none.</summary>
    public HashSet<string> OmittedWhenEmpty { get; }

    /// <summary>A map or list that has one owner as a whole.</summary>
    public bool IsAtomic => AllowsMap ? AtomicMap : AllowsList && !AllowsScalar && List == ListKind.Atomic;

    /// <summary>A map or list whose fields or elements have owners of their own.</summary>
    public bool IsGranular => AllowsMap ? !AtomicMap : AllowsList && !AllowsScalar && List != ListKind.Atomic;

    public JsonNode? Default => schema["default"];

    public TypeSchema? Elements => elements.Value;

    public TypeSchema Items => items.Value!;

    public IEnumerable<string> Declared => (schema["properties"] as JsonObject ?? []).Select(property => property.Key);

    public bool Declares(string field) => schema["properties"]?[field] is not null;

    /// <summary>The type of a field, or null when it is not declared.</summary>
    public TypeSchema? Field(string name) => schema["properties"]?[name] is JsonObject of ? fields.GetOrAdd(name, _ => Child(of)) : Elements;

    public Shape ShapeOf(JsonNode? value) => value switch
    {
        JsonObject when AllowsMap => Shape.Map,
        JsonArray when AllowsList => Shape.List,
        JsonValue when AllowsScalar => Shape.Scalar,
        _ => AllowsMap ? Shape.Map : AllowsScalar ? Shape.Scalar : Shape.List,
    };

    /// <summary>How field paths name an element of a list of this type.</summary>
    /// <exception cref="TypeMismatchException">A key is missing and has no default.</exception>
    public string PathElement(int index, JsonNode? item)
    {
        if (List == ListKind.Atomic)
            return $"i:{index}";
        if (List == ListKind.Set)
            return $"v:{(item ?? throw new TypeMismatchException("associative list without keys has an element that's an explicit null")).ToJsonString(Plain)}";
        if (item is not JsonObject map)
            throw new TypeMismatchException("associative list with keys may not have non-map elements");
        var key = new JsonObject();
        foreach (var name in Keys.Order(StringComparer.Ordinal))
        {
            key[name] = (map[name] ?? Items.Field(name)?.Default)?.DeepClone()
                ?? throw new TypeMismatchException($"associative list with keys has an element that omits key field \"{name}\" (and doesn't have default value)");
        }

        return "k:" + key.ToJsonString(Plain);
    }

    private TypeSchema Child(JsonObject of) => (string?)of["$ref"] is { } name ? resolve(name) : new TypeSchema(of, resolve);

    private static IReadOnlyList<string> KeysOf(JsonObject schema) =>
        schema["x-kubernetes-list-map-keys"] is JsonArray keys ? [.. keys.Select(key => (string)key!)]
        : schema["x-kubernetes-list-type"] is null && (string?)schema["x-kubernetes-patch-merge-key"] is { } merge ? [merge]
        : [];

    private static ListKind KindOf(JsonObject schema, IReadOnlyList<string> keys) => (string?)schema["x-kubernetes-list-type"] switch
    {
        "map" => ListKind.Map,
        "set" => ListKind.Set,
        null when ((string?)schema["x-kubernetes-patch-strategy"])?.StartsWith("merge", StringComparison.Ordinal) == true =>
            keys.Count > 0 ? ListKind.Map : ListKind.Set,
        _ => ListKind.Atomic,
    };
}

/// <summary>A value that does not fit its type; the message begins with the path.</summary>
internal sealed class TypeMismatchException(string message) : Exception(message);
