using System.ComponentModel;
using System.Reflection;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization.Metadata;
using Dora.Kubernetes.Model;

namespace Dora.Kubernetes.Schema;

/// <summary>
/// C# type -> structural OpenAPI v3 schema. It is made from the very contract that parses the JSON, so that the two cannot
/// differ: defaults are those of the record's constructor, required is what the constructor requires.
/// </summary>
public static class StructuralSchema
{
    internal const string Validations = "x-kubernetes-validations";
    private const string IntOrStringKeyword = "x-kubernetes-int-or-string";

    private static readonly string[] KeywordOrder =
    [
        "description", "type", "format", IntOrStringKeyword, "anyOf", "nullable", "enum", "default", "pattern",
        "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
        "items", "additionalProperties", "properties", "required",
        "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-preserve-unknown-fields", Validations,
    ];

    /// <summary>The schema of a type, checked against the rules of the API server.</summary>
    /// <exception cref="SchemaException">The type cannot be expressed, or a CEL rule stands over something unbounded.</exception>
    public static JsonObject Of(JsonTypeInfo type)
    {
        ArgumentNullException.ThrowIfNull(type);
        var schema = type.GetJsonSchemaAsNode(new JsonSchemaExporterOptions
        {
            TreatNullObliviousAsNonNullable = true,
            TransformSchemaNode = Transform,
        }).AsObject();
        Inline(schema, schema);
        CelBounds.Check(schema);
        return schema;
    }

    internal static void MakeIntOrString(JsonObject schema)
    {
        schema.Remove("type");
        schema[IntOrStringKeyword] = true;
        schema["anyOf"] = new JsonArray(new JsonObject { ["type"] = "integer" }, new JsonObject { ["type"] = "string" });
    }

    // Called for children before their parents.
    private static JsonNode Transform(JsonSchemaExporterContext context, JsonNode exported) =>
        Describe(exported as JsonObject ?? [], context.TypeInfo, context.PropertyInfo, PathOf(context.Path));

    private static JsonObject Describe(JsonObject schema, JsonTypeInfo typeInfo, JsonPropertyInfo? property, string path)
    {
        var type = Nullable.GetUnderlyingType(typeInfo.Type) ?? typeInfo.Type;
        if (Reference(schema) is { } target)
        {
            return Contains(PathOf(target.Split('/').AsSpan()[1..]), path)
                ? throw new SchemaException(path, $"{type.Name} contains itself; structural schemas cannot recurse")
                : schema;
        }

        if (schema.ContainsKey("anyOf"))
            throw new SchemaException(path, $"{type.Name} is polymorphic; structural schemas have one type");

        DropNull(schema);
        DescribeForgotten(schema, typeInfo, path);
        ApplyClrType(schema, type);
        RequireOnlyNonNullable(schema, typeInfo);
        Annotate(schema, type, path);
        if (property is not null)
        {
            Annotate(schema, property.AttributeProvider, path);
            Annotate(schema, Parameter(property), path);
        }

        if (!IsDescribed(schema))
            throw new SchemaException(path, $"{type.Name} is read by a converter of its own: say what it looks like, e.g. [Quantity] or [PreserveUnknownFields]");
        return InOrder(schema);
    }

    private static string? Reference(JsonObject schema) => (string?)schema["$ref"];

    private static bool Contains(string outer, string inner) =>
        outer.Length == 0 || inner == outer || inner.StartsWith($"{outer}.", StringComparison.Ordinal) || inner.StartsWith($"{outer}[", StringComparison.Ordinal);

    // A record that is used in two places is described once, and the exporter points there from the second.
    private static void Inline(JsonNode? node, JsonObject root)
    {
        foreach (var (keyword, child) in (node as JsonObject)?.ToArray() ?? [])
        {
            if (child is JsonObject schema && Reference(schema) is { } target)
                node![keyword] = target.Split('/')[1..].Aggregate((JsonNode)root, (found, token) => found[token]!).DeepClone();
            Inline(node![keyword], root);
        }
    }

    private static bool IsDescribed(JsonObject schema) => schema.ContainsKey("type") || schema.ContainsKey(IntOrStringKeyword);

    // The exporter forgets to call back for a property whose type has its own converter and which has a default.
    private static void DescribeForgotten(JsonObject schema, JsonTypeInfo typeInfo, string path)
    {
        foreach (var property in typeInfo.Properties)
        {
            if (schema["properties"]?[property.Name] is JsonObject child && !IsDescribed(child))
                Describe(child, property.Options.GetTypeInfo(property.PropertyType), property, Join(path, property.Name));
        }
    }

    private static string Join(string path, string name) => path.Length == 0 ? name : $"{path}.{name}";

    private static void DropNull(JsonObject schema)
    {
        if (schema["type"] is JsonArray types)
            schema["type"] = types.Select(name => (string)name!).Single(name => name != "null");
        if (schema["enum"] is JsonArray values)
        {
            values.RemoveAll(value => value is null);
            schema["type"] = "string";
        }

        // Kubernetes 1.20 takes an empty default for null and refuses it; the parser has the same default anyway.
        if (schema.TryGetPropertyValue("default", out var value) && value?.ToJsonString() is null or "\"\"")
            schema.Remove("default");
        // Unknown fields are pruned by the server; "false" beside properties is not structural.
        if (schema["additionalProperties"] is JsonValue)
            schema.Remove("additionalProperties");
    }

    private static void ApplyClrType(JsonObject schema, Type type)
    {
        if (type == typeof(int) || type == typeof(short) || type == typeof(byte))
            schema["format"] = "int32";
        else if (type == typeof(long))
            schema["format"] = "int64";
        else if (type == typeof(double))
            schema["format"] = "double";
        else if (type == typeof(IntOrString))
            MakeIntOrString(schema);
        else if (type == typeof(ObjectMeta))
            MakeOpaque(schema);
        else if (type == typeof(DateTimeOffset))
            MakeDateTime(schema);
        else if (type == typeof(JsonObject))
            schema["type"] = "object";
    }

    private static void MakeOpaque(JsonObject schema)
    {
        schema.Clear();
        schema["type"] = "object";
    }

    // Also where a converter of its own decides on the fraction's digits.
    private static void MakeDateTime(JsonObject schema)
    {
        schema["type"] = "string";
        schema["format"] = "date-time";
    }

    private static void RequireOnlyNonNullable(JsonObject schema, JsonTypeInfo type)
    {
        if (schema["required"] is not JsonArray required)
            return;
        required.RemoveAll(name => type.Properties.Any(property =>
            property.Name == (string?)name
            && (Nullable.GetUnderlyingType(property.PropertyType) is not null || property.AssociatedParameter is { IsNullable: true })));
        if (required.Count == 0)
            schema.Remove("required");
    }

    // Source generation gives the property, but of a positional record's parameter only the position.
    private static ICustomAttributeProvider? Parameter(JsonPropertyInfo property)
    {
        if (property.AssociatedParameter is not { } parameter)
            return null;
        var owner = property.Options.GetTypeInfo(property.DeclaringType);
        return parameter.AttributeProvider ?? (owner.ConstructorAttributeProvider as ConstructorInfo)?.GetParameters()[parameter.Position];
    }

    private static void Annotate(JsonObject schema, ICustomAttributeProvider? provider, string path)
    {
        if (provider is null)
            return;
        var attributes = provider.GetCustomAttributes(inherit: false);
        foreach (var description in attributes.OfType<DescriptionAttribute>())
            schema["description"] = description.Description;
        // Shapes first: a keyword is checked against the type that they give. The order of attributes is not defined otherwise.
        foreach (var attribute in attributes.OfType<SchemaAttribute>().OrderBy(attribute => attribute is KeywordAttribute))
            attribute.Apply(schema, path);
    }

    private static JsonObject InOrder(JsonObject schema)
    {
        var keywords = schema.OrderBy(pair => Array.IndexOf(KeywordOrder, pair.Key)).ToArray();
        schema.Clear();
        foreach (var (keyword, value) in keywords)
            schema[keyword] = value;
        return schema;
    }

    private static string PathOf(ReadOnlySpan<string> pointer)
    {
        var path = new StringBuilder();
        for (var i = 0; i < pointer.Length; i++)
        {
            if (pointer[i] == "properties" && i + 1 < pointer.Length)
                path.Append(path.Length == 0 ? "" : ".").Append(pointer[++i]);
            else
                path.Append(pointer[i] == "items" ? "[]" : ".*");
        }

        return path.ToString();
    }
}
