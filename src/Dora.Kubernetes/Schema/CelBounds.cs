using System.Text.Json.Nodes;

namespace Dora.Kubernetes.Schema;

/// <summary>
/// The API server estimates the cost of CEL rules from the declared bounds (10 M per rule, 100 M per CRD) and takes an unbounded
/// string, list or map for one that fills the whole request. So everything a rule can reach, and every list or map that a rule
/// stands in, must be bounded.
/// </summary>
internal static class CelBounds
{
    // Of these the server knows the length.
    private static readonly string[] BoundedFormats = ["date", "date-time", "duration"];

    public static void Check(JsonObject schema) => Check(schema, "", underRule: false);

    private static bool Check(JsonObject schema, string path, bool underRule)
    {
        var ruled = schema.ContainsKey(StructuralSchema.Validations);
        var reach = underRule || ruled;
        var ruleBelow = Children(schema, path).Aggregate(false, (found, child) => Check(child.Schema, child.Path, reach) || found);
        if ((reach || ruleBelow) && MissingBound(schema) is { } bound)
            throw new SchemaException(path, $"needs [{bound}]: a CEL rule {(reach ? "can reach it" : "stands inside it")}, and its cost is estimated from the bound");
        return ruled || ruleBelow;
    }

    private static IEnumerable<(JsonObject Schema, string Path)> Children(JsonObject schema, string path)
    {
        foreach (var (name, property) in schema["properties"]?.AsObject() ?? [])
            yield return (property!.AsObject(), path.Length == 0 ? name : $"{path}.{name}");
        if (schema["items"] is JsonObject items)
            yield return (items, $"{path}[]");
        if (schema["additionalProperties"] is JsonObject values)
            yield return (values, $"{path}.*");
    }

    private static string? MissingBound(JsonObject schema) => (string?)schema["type"] switch
    {
        "string" when !schema.ContainsKey("maxLength") && !schema.ContainsKey("enum") && !BoundedFormats.Contains((string?)schema["format"]) => "MaxLength",
        "array" when !schema.ContainsKey("maxItems") => "MaxItems",
        "object" when schema.ContainsKey("additionalProperties") && !schema.ContainsKey("maxProperties") => "MaxProperties",
        _ => null,
    };
}
