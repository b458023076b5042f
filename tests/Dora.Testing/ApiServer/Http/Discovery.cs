using System.Text.Json.Nodes;
using Dora.Testing.ApiServer.Schemas;

namespace Dora.Testing.ApiServer.Http;

/// <summary>The documents that say what is served.</summary>
internal static class Discovery
{
    private static readonly string[] Verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    private static readonly string[] StatusVerbs = ["get", "patch", "update"];

    /// <summary>The document of a path, or null when the path is none of discovery's.</summary>
    public static JsonObject? Document(KindCatalog kinds, string path, string accept, bool aggregated)
    {
        var inOnePiece = aggregated && accept.Contains("as=APIGroupDiscoveryList", StringComparison.Ordinal);
        return path.Split('/', StringSplitOptions.RemoveEmptyEntries) switch
        {
            ["version"] => new() { ["major"] = "1", ["minor"] = "31", ["gitVersion"] = "v1.31.0-dora", ["platform"] = "linux/amd64" },
            ["api"] when inOnePiece => Aggregated(kinds, core: true),
            ["apis"] when inOnePiece => Aggregated(kinds, core: false),
            ["api"] => new() { ["kind"] = "APIVersions", ["versions"] = new JsonArray("v1") },
            ["apis"] => new()
            {
                ["kind"] = "APIGroupList",
                ["apiVersion"] = "v1",
                ["groups"] = new JsonArray([.. Groups(kinds).Where(group => group.Key.Length > 0).Select(group => Group(group.Key, group))]),
            },
            ["api", "v1"] => Resources(kinds, "", "v1"),
            ["apis", var name] when Groups(kinds).FirstOrDefault(group => group.Key == name) is { } group => WithType(Group(name, group), "APIGroup"),
            ["apis", var name, var version] when kinds.All.Any(kind => kind.Resource.Group == name && kind.Resource.Version == version) => Resources(kinds, name, version),
            _ => null,
        };
    }

    private static IEnumerable<IGrouping<string, ServedKind>> Groups(KindCatalog kinds) => kinds.All.GroupBy(kind => kind.Resource.Group);

    private static JsonObject WithType(JsonObject document, string kind)
    {
        document.Insert(0, "kind", kind);
        document.Insert(1, "apiVersion", "v1");
        return document;
    }

    private static JsonObject Group(string name, IEnumerable<ServedKind> kinds)
    {
        var versions = kinds.Select(kind => kind.Resource.Version).Distinct().Select(version =>
            (JsonNode)new JsonObject { ["groupVersion"] = $"{name}/{version}", ["version"] = version }).ToArray();
        return new() { ["name"] = name, ["versions"] = new JsonArray(versions), ["preferredVersion"] = versions[0].DeepClone() };
    }

    private static JsonObject Resources(KindCatalog kinds, string group, string version)
    {
        var resources = new JsonArray();
        foreach (var kind in kinds.All.Where(kind => kind.Resource.Group == group && kind.Resource.Version == version))
        {
            resources.Add((JsonNode)Resource(kind, kind.Resource.Plural, Verbs));
            if (kind.HasStatus)
                resources.Add((JsonNode)Resource(kind, kind.Resource.Plural + "/status", StatusVerbs));
        }

        return new()
        {
            ["kind"] = "APIResourceList",
            ["apiVersion"] = "v1",
            ["groupVersion"] = group.Length == 0 ? version : $"{group}/{version}",
            ["resources"] = resources,
        };
    }

    private static JsonObject Resource(ServedKind kind, string name, string[] verbs)
    {
        var resource = new JsonObject
        {
            ["name"] = name,
            ["singularName"] = kind.Singular,
            ["namespaced"] = kind.Resource.Namespaced,
            ["kind"] = kind.Resource.Kind,
            ["verbs"] = Strings(verbs),
        };
        if (kind.ShortNames.Count > 0 && verbs == Verbs)
            resource["shortNames"] = Strings(kind.ShortNames);
        if (kind.Categories.Count > 0 && verbs == Verbs)
            resource["categories"] = Strings(kind.Categories);
        return resource;
    }

    private static JsonObject Aggregated(KindCatalog kinds, bool core)
    {
        var groups = Groups(kinds).Where(group => group.Key.Length == 0 == core).Select(group => (JsonNode)new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = group.Key, ["creationTimestamp"] = null },
            ["versions"] = new JsonArray([.. group.GroupBy(kind => kind.Resource.Version).Select(version => new JsonObject
            {
                ["version"] = version.Key,
                ["freshness"] = "Current",
                ["resources"] = new JsonArray([.. version.Select(AggregatedResource)]),
            })]),
        });
        return new() { ["kind"] = "APIGroupDiscoveryList", ["apiVersion"] = "apidiscovery.k8s.io/v2", ["metadata"] = new JsonObject(), ["items"] = new JsonArray([.. groups]) };
    }

    private static JsonNode AggregatedResource(ServedKind kind)
    {
        JsonObject ResponseKind() => new() { ["group"] = kind.Resource.Group, ["version"] = kind.Resource.Version, ["kind"] = kind.Resource.Kind };
        var resource = new JsonObject
        {
            ["resource"] = kind.Resource.Plural,
            ["responseKind"] = ResponseKind(),
            ["scope"] = kind.Resource.Namespaced ? "Namespaced" : "Cluster",
            ["singularResource"] = kind.Singular,
            ["verbs"] = Strings(Verbs),
            ["shortNames"] = Strings(kind.ShortNames),
        };
        if (kind.HasStatus)
            resource["subresources"] = new JsonArray(new JsonObject { ["subresource"] = "status", ["responseKind"] = ResponseKind(), ["verbs"] = Strings(StatusVerbs) });
        return resource;
    }

    private static JsonArray Strings(IEnumerable<string> values) => new([.. values.Select(value => JsonValue.Create(value))]);
}
