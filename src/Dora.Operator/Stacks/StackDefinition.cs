using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Schema;

namespace Dora.Operator.Stacks;

/// <summary>The CustomResourceDefinition of <see cref="ComplianceStack"/>: the API's schema with the settings of every engine.</summary>
public static class StackDefinition
{
    private static readonly CustomResourceDefinition Definition = new(
        Singular: "compliancestack",
        ShortNames: ["cstack"],
        Categories: ["dora"],
        PrinterColumns:
        [
            new("READY", ConditionStatus(ConditionTypes.Ready), Description: "Whether every engine serves as asked."),
            new("COMPLIANT", ConditionStatus(ConditionTypes.Compliant), Description: "Whether every control holds."),
            new("LAST-BACKUP", ".status.lastBackup", "date", "When the last verified backup ended."),
            new("LAST-DRILL", ".status.lastDrill", "date", "When the last restore drill passed."),
            new("REASON", """.status.conditions[?(@.type=="Ready")].reason""", Description: "Why it is ready or not.", Priority: 1),
            new("AGE", ".metadata.creationTimestamp", "date"),
        ]);

    /// <summary>The whole CRD object.</summary>
    public static JsonObject Render()
    {
        var crd = Definition.Render(StackResource.Type);
        var schema = crd["spec"]!["versions"]![0]!["schema"]!["openAPIV3Schema"]!;
        var spec = schema["properties"]!["spec"]!;
        spec["properties"]!["engines"] = Engines(spec["properties"]!["engines"]!);
        // Every engine has an image of its own: there is none for all.
        spec["properties"]!["pods"]!["properties"]!.AsObject().Remove("image");
        return crd;
    }

    // The parser sees a map from name to settings; the API server shall know each engine by name.
    private static JsonObject Engines(JsonNode map)
    {
        var properties = new JsonObject();
        foreach (var engine in EngineCatalogue.All)
            properties[engine.Name] = StructuralSchema.Of(engine.SettingsType);
        return new()
        {
            ["description"] = (string?)map["description"],
            ["type"] = "object",
            ["properties"] = properties,
            ["minProperties"] = 1,
        };
    }

    private static string ConditionStatus(string type) => $".status.conditions[?(@.type==\"{type}\")].status";
}
