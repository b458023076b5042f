using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Dora.Testing.ApiServer.Http;

namespace Dora.Testing.ApiServer.Schemas;

/// <summary>What the API server does to a custom resource by its structural schema: prune, default, validate (no CEL).</summary>
internal static class StructuralValidation
{
    /// <summary>Drops undeclared fields, and nulls where null is not allowed.</summary>
    public static void Prune(JsonObject schema, JsonNode? value)
    {
        if (value is JsonArray list && schema["items"] is JsonObject items)
        {
            foreach (var item in list)
                Prune(items, item);
        }

        if (value is not JsonObject map)
            return;
        var keepsUnknown = (bool?)schema["x-kubernetes-preserve-unknown-fields"] == true;
        foreach (var (name, field) in map.ToList())
        {
            var child = schema["properties"]?[name] as JsonObject ?? schema["additionalProperties"] as JsonObject;
            if (child?.ContainsKey("$ref") == true)
                continue;
            var isStrayNull = field is null && child is not null && (bool?)child["nullable"] != true;
            if ((child is null && !keepsUnknown) || isStrayNull)
                map.Remove(name);
            else if (child is not null)
                Prune(child, field);
        }
    }

    /// <summary>Sets the defaults of absent fields, wherever their parent is present.</summary>
    public static void SetDefaults(JsonObject schema, JsonNode? value)
    {
        if (value is JsonArray list && schema["items"] is JsonObject items)
        {
            foreach (var item in list)
                SetDefaults(items, item);
        }

        if (value is not JsonObject map)
            return;
        foreach (var (name, child) in schema["properties"] as JsonObject ?? [])
        {
            if (!map.ContainsKey(name) && child!["default"] is { } preset)
                map[name] = preset.DeepClone();
            SetDefaults(child!.AsObject(), map[name]);
        }

        if (schema["additionalProperties"] is JsonObject values)
        {
            foreach (var (_, entry) in map)
                SetDefaults(values, entry);
        }
    }

    /// <summary>Every way in which a value breaks its schema.</summary>
    public static IEnumerable<Cause> Validate(JsonObject schema, JsonNode? value, string path = "")
    {
        if (schema.ContainsKey("$ref"))
            return [];
        if (value is null)
            return (bool?)schema["nullable"] == true || !schema.ContainsKey("type") ? [] : [WrongType(schema, path, "null")];
        if (TypeProblem(schema, value, path) is { } problem)
            return [problem];
        return [.. ValueProblems(schema, value, path), .. ChildProblems(schema, value, path)];
    }

    private static Cause? TypeProblem(JsonObject schema, JsonNode value, string path)
    {
        var actual = TypeOf(value);
        if ((bool?)schema["x-kubernetes-int-or-string"] == true)
            return actual is "integer" or "string" ? null : WrongType("integer,string", path, actual);
        var wanted = (string?)schema["type"];
        return wanted is null || wanted == actual || (wanted == "number" && actual == "integer") ? null : WrongType(wanted, path, actual);
    }

    private static IEnumerable<Cause> ValueProblems(JsonObject schema, JsonNode value, string path)
    {
        if (schema["enum"] is JsonArray allowed && !allowed.Any(one => JsonNode.DeepEquals(one, value)))
            yield return Cause.NotSupported(path, value, allowed.Select(one => one?.GetValueKind() == JsonValueKind.String ? (string)one! : one?.ToJsonString() ?? "null"));
        if (value.GetValueKind() == JsonValueKind.String)
        {
            var text = (string)value!;
            var length = new StringInfo(text).LengthInTextElements;
            if (length < ((int?)schema["minLength"] ?? 0))
                yield return Cause.Invalid(path, value, $"{path} in body should be at least {schema["minLength"]} chars long");
            if (length > ((int?)schema["maxLength"] ?? int.MaxValue))
                yield return Cause.Invalid(path, value, $"{path} in body should be at most {schema["maxLength"]} chars long");
            if ((string?)schema["pattern"] is { } pattern && !Regex.IsMatch(text, pattern, RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1)))
                yield return Cause.Invalid(path, value, $"{path} in body should match '{pattern}'");
            if ((string?)schema["format"] == "date-time" && !DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.None, out _))
                yield return Cause.Invalid(path, value, $"{path} in body must be of type date-time: {value.ToJsonString()}");
        }
        else if (value.GetValueKind() == JsonValueKind.Number)
        {
            var number = AsDouble(value);
            if (schema["minimum"] is { } minimum && number < AsDouble(minimum))
                yield return Cause.Invalid(path, value, $"{path} in body should be greater than or equal to {minimum}");
            if (schema["maximum"] is { } maximum && number > AsDouble(maximum))
                yield return Cause.Invalid(path, value, $"{path} in body should be less than or equal to {maximum}");
        }
    }

    private static IEnumerable<Cause> ChildProblems(JsonObject schema, JsonNode value, string path)
    {
        if (value is JsonArray list)
            return ListProblems(schema, list, path);
        return value is JsonObject map ? MapProblems(schema, map, path) : [];
    }

    private static IEnumerable<Cause> ListProblems(JsonObject schema, JsonArray list, string path)
    {
        if (list.Count < ((int?)schema["minItems"] ?? 0))
            yield return Cause.Invalid(path, list.Count, $"{path} in body should have at least {schema["minItems"]} items");
        if (list.Count > ((int?)schema["maxItems"] ?? int.MaxValue))
            yield return Cause.Invalid(path, list.Count, $"{path} in body should have at most {schema["maxItems"]} items");
        if (schema["items"] is not JsonObject items)
            yield break;
        for (var i = 0; i < list.Count; i++)
        {
            foreach (var cause in Validate(items, list[i], $"{path}[{i}]"))
                yield return cause;
        }
    }

    private static IEnumerable<Cause> MapProblems(JsonObject schema, JsonObject map, string path)
    {
        if (map.Count > ((int?)schema["maxProperties"] ?? int.MaxValue))
            yield return Cause.Invalid(path, map.Count, $"{path} in body should have at most {schema["maxProperties"]} properties");
        foreach (var name in (schema["required"] as JsonArray ?? []).Select(name => (string)name!).Where(name => !map.ContainsKey(name)))
            yield return Cause.Required(Join(path, name));
        foreach (var (name, field) in map)
        {
            if ((schema["properties"]?[name] ?? schema["additionalProperties"]) is not JsonObject child)
                continue;
            foreach (var cause in Validate(child, field, Join(path, name)))
                yield return cause;
        }
    }

    private static string Join(string path, string name) => path.Length == 0 ? name : $"{path}.{name}";

    private static Cause WrongType(JsonObject schema, string path, string actual) => WrongType((string?)schema["type"] ?? "", path, actual);

    private static Cause WrongType(string wanted, string path, string actual) => Cause.Invalid(path, actual, $"{path} in body must be of type {wanted}: \"{actual}\"");

    private static string TypeOf(JsonNode value) => value.GetValueKind() switch
    {
        JsonValueKind.Object => "object",
        JsonValueKind.Array => "array",
        JsonValueKind.String => "string",
        JsonValueKind.Number => AsDouble(value) is var number && Math.Truncate(number) == number ? "integer" : "number",
        _ => "boolean",
    };

    private static double AsDouble(JsonNode number) => double.Parse(number.ToJsonString(), NumberStyles.Float, CultureInfo.InvariantCulture);
}
