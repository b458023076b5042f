using System.Text.Json;
using System.Text.Json.Nodes;
using Dora.Kubernetes.Model;
using Dora.Testing.ApiServer.Http;

namespace Dora.Testing.ApiServer.Schemas;

/// <summary>What kube-apiserver does to a built-in object before it stores it: drop what it does not know, refuse what is wrong.</summary>
internal static class BuiltInRules
{
    /// <summary>Drops undeclared fields, nulls and meaningless empty values, and brings quantities into their canonical form.</summary>
    /// <exception cref="StatusError">400 when a value has the wrong type.</exception>
    public static void Normalize(KubeResource resource, TypeSchema type, JsonObject body)
    {
        try
        {
            Normalize(type, body, "");
            if (resource.Plural == "secrets")
                CheckBase64(body);
        }
        catch (TypeMismatchException error)
        {
            throw StatusError.BadRequest($"{resource.Kind} in version \"{resource.Version}\" cannot be handled as a {resource.Kind}: {error.Message}");
        }
    }

    /// <summary>Rules for a new object.</summary>
    public static IEnumerable<Cause> ValidateNew(KubeResource resource, JsonObject body)
    {
        if (resource.Plural is not ("statefulsets" or "deployments" or "replicasets"))
            return [];
        var selector = body["spec"]?["selector"]?["matchLabels"] as JsonObject;
        var labels = body["spec"]?["template"]?["metadata"]?["labels"] as JsonObject ?? [];
        var causes = new List<Cause>();
        if (body["spec"]?["selector"] is null)
            causes.Add(Cause.Required("spec.selector"));
        if (selector is null || selector.Any(pair => (string?)labels[pair.Key] != (string?)pair.Value))
            causes.Add(Cause.Invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"));
        return causes;
    }

    /// <summary>Rules for a change: what is immutable.</summary>
    public static IEnumerable<Cause> ValidateChange(KubeResource resource, JsonObject live, JsonObject changed) => resource.Plural switch
    {
        "statefulsets" when DiffersApartFrom(live["spec"], changed["spec"], "replicas", "template", "updateStrategy") =>
            [Cause.Forbidden("spec", "updates to statefulset spec for fields other than 'replicas', 'template', and 'updateStrategy' are forbidden")],
        "deployments" or "replicasets" when Differs(live, changed, "spec", "selector") =>
            [Cause.Invalid("spec.selector", changed["spec"]?["selector"], "field is immutable")],
        "services" when (string?)live["spec"]?["clusterIP"] is { Length: > 0 } && Differs(live, changed, "spec", "clusterIP") =>
            [Cause.Invalid("spec.clusterIP", changed["spec"]?["clusterIP"], "field is immutable")],
        "secrets" when Differs(live, changed, "type") => [Cause.Invalid("type", changed["type"], "field is immutable")],
        "rolebindings" or "clusterrolebindings" when Differs(live, changed, "roleRef") => [Cause.Invalid("roleRef", changed["roleRef"], "cannot change roleRef")],
        "persistentvolumeclaims" when DiffersApartFrom(live["spec"], changed["spec"], "resources", "volumeName") =>
            [Cause.Forbidden("spec", "spec is immutable after creation except resources.requests for bound claims")],
        _ => [],
    };

    private static void Normalize(TypeSchema type, JsonNode? value, string path)
    {
        switch (value)
        {
            case JsonObject map when type.AllowsMap:
                NormalizeMap(type, map, path);
                break;
            case JsonArray list when type.AllowsList:
                for (var i = 0; i < list.Count; i++)
                {
                    Normalize(type.Items, list[i], $"{path}[{i}]");
                    if (type.Items.IsQuantity)
                        list[i] = CanonicalQuantity(list[i], path);
                }

                break;
            case JsonValue scalar when type.AllowsScalar && Fits(type, scalar):
                break;
            default:
                throw new TypeMismatchException($"{path}: wrong type: {value?.ToJsonString() ?? "null"}");
        }
    }

    private static void NormalizeMap(TypeSchema type, JsonObject map, string path)
    {
        foreach (var (name, field) in map.ToList())
        {
            if (field is null || type.Field(name) is not { } child)
                map.Remove(name);
            else if (child.IsQuantity)
                map[name] = CanonicalQuantity(field, $"{path}.{name}");
            else
                Normalize(child, field, $"{path}.{name}");
            if (type.OmittedWhenEmpty.Contains(name) && IsEmpty(type.Field(name)!, map[name]))
                map.Remove(name);
        }
    }

    // As Go's omitempty sees it: a struct is never empty, a map may be.
    private static bool IsEmpty(TypeSchema type, JsonNode? value) => value switch
    {
        JsonObject map => map.Count == 0 && !type.Declared.Any(),
        JsonArray list => list.Count == 0,
        JsonValue scalar => scalar.GetValueKind() switch
        {
            JsonValueKind.String => (string)value! == "" && !type.IsIntOrString,
            JsonValueKind.Number => scalar.ToJsonString() == "0" && !type.IsIntOrString,
            JsonValueKind.False => true,
            _ => false,
        },
        _ => value is null,
    };

    private static JsonValue CanonicalQuantity(JsonNode? value, string path)
    {
        var text = value?.GetValueKind() == JsonValueKind.String ? (string)value! : value?.ToJsonString() ?? "";
        return JsonValue.Create(Quantities.Canonical(text) ?? throw new TypeMismatchException(
            $"{path}: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"));
    }

    private static bool Fits(TypeSchema type, JsonValue value) => (type.Scalar, value.GetValueKind()) switch
    {
        (null, _) => true,
        ("string", JsonValueKind.String) => true,
        ("integer" or "number", JsonValueKind.Number) => true,
        ("boolean", JsonValueKind.True or JsonValueKind.False) => true,
        _ => false,
    };

    private static void CheckBase64(JsonObject body)
    {
        foreach (var (key, value) in body["data"] as JsonObject ?? [])
        {
            var text = (string)value!;
            if (!Convert.TryFromBase64String(text, new byte[text.Length], out _))
                throw new TypeMismatchException($"v1.Secret.Data: decode base64: illegal base64 data in {key}");
        }
    }

    private static bool DiffersApartFrom(JsonNode? live, JsonNode? changed, params string[] mutable)
    {
        JsonObject Rest(JsonNode? spec) => new((spec as JsonObject ?? []).Where(field => !mutable.Contains(field.Key))
            .Select(field => KeyValuePair.Create(field.Key, field.Value?.DeepClone())));
        return !JsonNode.DeepEquals(Rest(live), Rest(changed));
    }

    private static bool Differs(JsonObject live, JsonObject changed, params string[] path) =>
        !JsonNode.DeepEquals(path.Aggregate((JsonNode?)live, (node, name) => node?[name]), path.Aggregate((JsonNode?)changed, (node, name) => node?[name]));
}
