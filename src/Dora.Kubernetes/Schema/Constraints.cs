using System.Globalization;
using System.Text.Json.Nodes;

namespace Dora.Kubernetes.Schema;

/// <summary>
/// Something that a record says about its JSON beyond its C# type. On a positional record it may be written plainly or as
/// <c>[property: …]</c>; on a type it holds wherever the type is used.
/// </summary>
[AttributeUsage(Targets)]
public abstract class SchemaAttribute : Attribute
{
    internal const AttributeTargets Targets =
        AttributeTargets.Parameter | AttributeTargets.Property | AttributeTargets.Class | AttributeTargets.Struct | AttributeTargets.Enum;

    private protected SchemaAttribute()
    {
    }

    internal abstract void Apply(JsonObject schema, string path);
}

/// <summary>
/// A keyword that constrains values of certain JSON types. On a list or map whose own type does not fit, it constrains the
/// elements: <c>[MaxItems(5), MaxLength(63)]</c> on a list of strings bounds the list and each string.
/// </summary>
public abstract class KeywordAttribute : SchemaAttribute
{
    private readonly string keyword;
    private readonly JsonValue value;
    private readonly string[] types;

    private protected KeywordAttribute(string keyword, JsonValue value, params string[] types) =>
        (this.keyword, this.value, this.types) = (keyword, value, types);

    private protected static JsonValue Number(double value) =>
        Math.Truncate(value) == value ? JsonValue.Create((long)value) : JsonValue.Create(value);

    internal override void Apply(JsonObject schema, string path)
    {
        for (var target = schema; target is not null; target = (target["items"] ?? target["additionalProperties"]) as JsonObject)
        {
            if (!types.Contains((string?)target["type"]))
                continue;
            target[keyword] = value.DeepClone();
            return;
        }

        throw new SchemaException(path, $"{keyword} needs a {string.Join(" or ", types)}, but the type is {schema["type"]?.ToJsonString() ?? "open"}");
    }
}

/// <summary>The least number allowed.</summary>
public sealed class MinimumAttribute(double value) : KeywordAttribute("minimum", Number(value), "integer", "number");

/// <summary>The greatest number allowed.</summary>
public sealed class MaximumAttribute(double value) : KeywordAttribute("maximum", Number(value), "integer", "number");

/// <summary>The least number of characters.</summary>
public sealed class MinLengthAttribute(int value) : KeywordAttribute("minLength", Number(value), "string");

/// <summary>The greatest number of characters.</summary>
public sealed class MaxLengthAttribute(int value) : KeywordAttribute("maxLength", Number(value), "string");

/// <summary>A regular expression (Go's RE2 syntax) that must match; anchor it.</summary>
public sealed class PatternAttribute(string value) : KeywordAttribute("pattern", JsonValue.Create(value), "string");

/// <summary>A format of OpenAPI v3, e.g. <c>date-time</c>, <c>uri</c>.</summary>
public sealed class FormatAttribute(string value) : KeywordAttribute("format", JsonValue.Create(value), "string", "integer", "number");

/// <summary>The least number of list elements.</summary>
public sealed class MinItemsAttribute(int value) : KeywordAttribute("minItems", Number(value), "array");

/// <summary>The greatest number of list elements.</summary>
public sealed class MaxItemsAttribute(int value) : KeywordAttribute("maxItems", Number(value), "array");

/// <summary>The least number of keys.</summary>
public sealed class MinPropertiesAttribute(int value) : KeywordAttribute("minProperties", Number(value), "object");

/// <summary>The greatest number of keys.</summary>
public sealed class MaxPropertiesAttribute(int value) : KeywordAttribute("maxProperties", Number(value), "object");

/// <summary>A list whose elements are told apart by the given keys: server-side apply merges it element by element.</summary>
public sealed class ListMapAttribute(params string[] keys) : SchemaAttribute
{
    internal override void Apply(JsonObject schema, string path)
    {
        var item = schema["items"] as JsonObject;
        var required = item?["required"]?.AsArray().Select(name => (string)name!).ToArray() ?? [];
        foreach (var key in keys)
        {
            if (!required.Contains(key) && item?["properties"]?[key]?["default"] is null)
                throw new SchemaException(path, $"list-map key '{key}' must be a required property of the elements, or have a default");
        }

        schema["x-kubernetes-list-type"] = "map";
        schema["x-kubernetes-list-map-keys"] = new JsonArray([.. keys.Select(key => JsonValue.Create(key))]);
    }
}

/// <summary>
/// A resource.Quantity such as <c>200Gi</c>: a string or a plain number. The property's converter must read both, since the
/// API server stores what was written.
/// </summary>
public sealed class QuantityAttribute : SchemaAttribute
{
    /// <summary>The pattern of controller-gen.</summary>
    public const string Pattern =
        @"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";

    internal override void Apply(JsonObject schema, string path)
    {
        StructuralSchema.MakeIntOrString(schema);
        schema["pattern"] = Pattern;
        schema["maxLength"] ??= 64;
    }
}

/// <summary>A duration such as <c>7y</c>, <c>90d</c>, <c>24h</c>, <c>1h30m</c>.</summary>
public sealed class DurationAttribute : SchemaAttribute
{
    /// <summary>Numbers with units, largest first by convention: y, w, d, h, m, s.</summary>
    public const string Pattern = "^([0-9]+(y|w|d|h|m|s))+$";

    internal override void Apply(JsonObject schema, string path)
    {
        schema["type"] = "string";
        schema["pattern"] = Pattern;
        schema["maxLength"] ??= 32;
    }
}

/// <summary>An object that keeps every field it is given.</summary>
public sealed class PreserveUnknownFieldsAttribute : SchemaAttribute
{
    internal override void Apply(JsonObject schema, string path)
    {
        schema["type"] ??= "object";
        schema["x-kubernetes-preserve-unknown-fields"] = true;
    }
}

/// <summary>An explicit <c>null</c> is kept; without this it counts as absent.</summary>
public sealed class AcceptsNullAttribute : SchemaAttribute
{
    internal override void Apply(JsonObject schema, string path) => schema["nullable"] = true;
}

/// <summary>The fields below are described where their type stands first; saying it again would only make the definition larger.</summary>
public sealed class DescribedElsewhereAttribute : SchemaAttribute
{
    internal override void Apply(JsonObject schema, string path)
    {
        foreach (var field in (schema["properties"] as JsonObject ?? []).Select(pair => pair.Value).OfType<JsonObject>())
        {
            field.Remove("description");
            Apply(field, path);
        }
    }
}

/// <summary>
/// A CEL rule (<c>x-kubernetes-validations</c>). A rule that names <c>oldSelf</c> is skipped on create; a rule on an optional
/// field does not stop its removal, so put such rules on the parent.
/// </summary>
/// <param name="rule">The expression; must be true.</param>
/// <param name="message">What the user reads: name the field and what is allowed.</param>
[AttributeUsage(Targets, AllowMultiple = true)]
public sealed class CelAttribute(string rule, string message) : SchemaAttribute
{
    /// <summary>The field to blame, relative to this schema, e.g. <c>.instances</c>.</summary>
    public string? FieldPath { get; init; }

    /// <summary>FieldValueRequired, FieldValueInvalid, FieldValueForbidden or FieldValueDuplicate.</summary>
    public string? Reason { get; init; }

    internal override void Apply(JsonObject schema, string path)
    {
        var validation = new JsonObject { ["rule"] = rule, ["message"] = message };
        if (FieldPath is not null)
            validation["fieldPath"] = FieldPath;
        if (Reason is not null)
            validation["reason"] = Reason;
        if (schema[StructuralSchema.Validations] is not JsonArray validations)
            schema[StructuralSchema.Validations] = validations = [];
        validations.Add((JsonNode)validation);
    }
}

/// <summary>A C# type that no structural schema can express; names the path and what to change.</summary>
/// <param name="path">The path in the object, e.g. <c>spec.engines.redis.version</c>.</param>
/// <param name="problem">What is wrong, and what to do.</param>
public sealed class SchemaException(string path, string problem)
    : Exception(string.Create(CultureInfo.InvariantCulture, $"{(path.Length == 0 ? "(root)" : path)}: {problem}"));
