using System.Text.Json.Nodes;
using Dora.Kubernetes.Model;

namespace Dora.Kubernetes.Schema;

/// <summary>A column of <c>kubectl get</c>.</summary>
/// <param name="Name">Heading, e.g. <c>READY</c>.</param>
/// <param name="JsonPath">E.g. <c>.status.conditions[?(@.type=="Ready")].status</c>.</param>
/// <param name="Type">string, integer, number, boolean or date.</param>
/// <param name="Description">What it shows.</param>
/// <param name="Priority">0 is always shown, others with <c>-o wide</c>.</param>
public sealed record PrinterColumn(string Name, string JsonPath, string Type = "string", string? Description = null, int Priority = 0);

/// <summary>The custom resource definition of a C# type.</summary>
/// <param name="Singular">Singular name; the plural, the kind and the scope are those of the resource.</param>
/// <param name="ShortNames">Short names for kubectl.</param>
/// <param name="Categories">Categories for kubectl, e.g. <c>all</c>.</param>
/// <param name="PrinterColumns">Columns of <c>kubectl get</c>.</param>
/// <param name="StatusSubresource">Whether status is written apart from spec.</param>
public sealed record CustomResourceDefinition(
    string Singular,
    IReadOnlyList<string>? ShortNames = null,
    IReadOnlyList<string>? Categories = null,
    IReadOnlyList<PrinterColumn>? PrinterColumns = null,
    bool StatusSubresource = true)
{
    private const string ApiVersionDescription = "APIVersion defines the versioned schema of this representation of an object.";
    private const string KindDescription = "Kind is the REST resource that this object represents.";

    /// <summary>The whole apiextensions.k8s.io/v1 object.</summary>
    /// <exception cref="SchemaException">The type has no structural schema.</exception>
    public JsonObject Render<T>(KubeType<T> type)
        where T : class, IKubeObject
    {
        ArgumentNullException.ThrowIfNull(type);
        var resource = type.Resource;
        var version = new JsonObject
        {
            ["name"] = resource.Version,
            ["served"] = true,
            ["storage"] = true,
            ["schema"] = new JsonObject { ["openAPIV3Schema"] = WithStandardFields(StructuralSchema.Of(type.Json)) },
        };
        if (StatusSubresource)
            version["subresources"] = new JsonObject { ["status"] = new JsonObject() };
        if (PrinterColumns is { Count: > 0 })
            version["additionalPrinterColumns"] = new JsonArray([.. PrinterColumns.Select(Column)]);

        return new JsonObject
        {
            ["apiVersion"] = "apiextensions.k8s.io/v1",
            ["kind"] = "CustomResourceDefinition",
            ["metadata"] = new JsonObject { ["name"] = $"{resource.Plural}.{resource.Group}" },
            ["spec"] = new JsonObject
            {
                ["group"] = resource.Group,
                ["names"] = Names(resource),
                ["scope"] = resource.Namespaced ? "Namespaced" : "Cluster",
                ["versions"] = new JsonArray(version),
            },
        };
    }

    private JsonObject Names(KubeResource resource)
    {
        var names = new JsonObject
        {
            ["kind"] = resource.Kind,
            ["listKind"] = $"{resource.Kind}List",
            ["plural"] = resource.Plural,
            ["singular"] = Singular,
        };
        if (ShortNames is { Count: > 0 })
            names["shortNames"] = Strings(ShortNames);
        if (Categories is { Count: > 0 })
            names["categories"] = Strings(Categories);
        return names;
    }

    private static JsonObject WithStandardFields(JsonObject schema)
    {
        var properties = schema["properties"]?.AsObject() ?? throw new SchemaException("", "the type has no fields");
        foreach (var name in (string[])["apiVersion", "kind", "metadata"])
            properties.Remove(name);
        properties.Insert(0, "apiVersion", new JsonObject { ["description"] = ApiVersionDescription, ["type"] = "string" });
        properties.Insert(1, "kind", new JsonObject { ["description"] = KindDescription, ["type"] = "string" });
        properties.Insert(2, "metadata", new JsonObject { ["type"] = "object" });
        if (schema["required"] is JsonArray required)
        {
            required.RemoveAll(name => (string?)name is "apiVersion" or "kind" or "metadata");
            if (required.Count == 0)
                schema.Remove("required");
        }

        return schema;
    }

    private static JsonNode Column(PrinterColumn column)
    {
        var rendered = new JsonObject { ["name"] = column.Name, ["type"] = column.Type, ["jsonPath"] = column.JsonPath };
        if (column.Description is not null)
            rendered["description"] = column.Description;
        if (column.Priority != 0)
            rendered["priority"] = column.Priority;
        return rendered;
    }

    private static JsonArray Strings(IEnumerable<string> values) => new([.. values.Select(value => JsonValue.Create(value))]);
}
