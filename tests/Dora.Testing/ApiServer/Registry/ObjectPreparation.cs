using System.Globalization;
using System.Text.Json.Nodes;
using Dora.Testing.ApiServer.Http;
using Dora.Testing.ApiServer.Schemas;

namespace Dora.Testing.ApiServer.Registry;

/// <summary>Between what a client sent and what is stored: pruning, defaults, validation.</summary>
internal static class ObjectPreparation
{
    /// <summary>Drops what is unknown and sets defaults.</summary>
    public static void Normalize(ServedKind kind, JsonObject body)
    {
        if (kind.CustomSchema is { } schema)
        {
            StructuralValidation.Prune(schema, body);
            StructuralValidation.SetDefaults(schema, body);
        }
        else if (kind.Resource != KindCatalog.CustomResourceDefinitions)
        {
            BuiltInRules.Normalize(kind.Resource, kind.Type, body);
            BuiltInDefaults.Set(kind.Resource.Plural, body);
        }
    }

    /// <exception cref="StatusError">422 with every cause.</exception>
    public static void Validate(ServedKind kind, JsonObject? live, JsonObject body, IEnumerable<Cause> others)
    {
        var causes = kind.CustomSchema is { } schema ? StructuralValidation.Validate(schema, body)
            : kind.Resource == KindCatalog.CustomResourceDefinitions ? DefinitionProblems(body)
            : live is null ? BuiltInRules.ValidateNew(kind.Resource, body)
            : BuiltInRules.ValidateChange(kind.Resource, live, body);
        var all = others.Concat(causes).ToList();
        if (all.Count > 0)
            throw StatusError.Invalid(kind.Resource, (string)body["metadata"]!["name"]!, all);
    }

    /// <summary>What the API server and its controllers add to a new custom resource definition.</summary>
    public static void Establish(JsonObject definition, DateTimeOffset now)
    {
        var spec = definition["spec"]!.AsObject();
        var names = spec["names"]!.AsObject();
        names["singular"] ??= ((string)names["kind"]!).ToLowerInvariant();
        names["listKind"] ??= (string)names["kind"]! + "List";
        spec["conversion"] ??= new JsonObject { ["strategy"] = "None" };
        var time = now.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        JsonObject Condition(string type, string reason, string message) => new()
        {
            ["type"] = type,
            ["status"] = "True",
            ["lastTransitionTime"] = time,
            ["reason"] = reason,
            ["message"] = message,
        };
        definition["status"] = new JsonObject
        {
            ["conditions"] = new JsonArray(
                Condition("NamesAccepted", "NoConflicts", "no conflicts found"),
                Condition("Established", "InitialNamesAccepted", "the initial names have been accepted")),
            ["acceptedNames"] = names.DeepClone(),
            ["storedVersions"] = new JsonArray([.. spec["versions"]!.AsArray().Where(version => (bool)version!["storage"]!).Select(version => version!["name"]!.DeepClone())]),
        };
    }

    /// <summary>Whether a change counts as a new generation: status and metadata do not.</summary>
    public static bool IsNewGeneration(ServedKind kind, JsonObject live, JsonObject body)
    {
        if (!kind.HasGeneration)
            return false;
        if (!kind.IsCustom)
            return !JsonNode.DeepEquals(live["spec"], body["spec"]);
        bool Counts(string field) => field != "metadata" && (field != "status" || !kind.HasStatus);
        return live.Select(field => field.Key).Union(body.Select(field => field.Key)).Where(Counts).Any(field => !JsonNode.DeepEquals(live[field], body[field]));
    }

    private static IEnumerable<Cause> DefinitionProblems(JsonObject definition)
    {
        var (group, plural) = ((string?)definition["spec"]?["group"], (string?)definition["spec"]?["names"]?["plural"]);
        var name = (string?)definition["metadata"]?["name"];
        if (name != $"{plural}.{group}")
            yield return Cause.Invalid("metadata.name", name, $"must be spec.names.plural+\".\"+spec.group");
        foreach (var version in definition["spec"]?["versions"] as JsonArray ?? [])
        {
            if (version?["schema"]?["openAPIV3Schema"] is null)
                yield return Cause.Required("spec.versions[0].schema.openAPIV3Schema", "schemas are required");
        }
    }
}
