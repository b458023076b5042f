using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.Operator.Stacks;

/// <summary>Whether a live object is as wanted: what decides between a write and none.</summary>
public static class DesiredState
{
    private const string ClaimTemplates = "volumeClaimTemplates";

    /// <summary>The object with its hash annotation, ready to apply.</summary>
    public static (Manifest Manifest, string Hash) Seal(Manifest desired, LiveObject? live)
    {
        ArgumentNullException.ThrowIfNull(desired);
        var body = desired.Body.DeepClone().AsObject();
        var templates = (body["spec"] as JsonObject)?[ClaimTemplates]?.DeepClone();
        if (templates is not null)
            body["spec"]!.AsObject().Remove(ClaimTemplates);
        var hash = Hash(body);
        if (templates is not null)
            body["spec"]![ClaimTemplates] = (live is null ? null : LiveTemplates(live)) ?? templates;
        var metadata = body["metadata"]!.AsObject();
        if (metadata["annotations"] is not JsonObject annotations)
            metadata["annotations"] = annotations = [];
        annotations[Labels.AppliedHash] = hash;
        return (desired with { Body = body }, hash);
    }

    /// <summary>
    /// Whether every field wanted holds in the live object; fields of others do not matter. The two are of the same kind: an object
    /// that came in a list does not say which (Kubernetes API conventions, "Lists and Simple kinds").
    /// </summary>
    public static bool Holds(JsonObject wanted, JsonObject live)
    {
        ArgumentNullException.ThrowIfNull(wanted);
        ArgumentNullException.ThrowIfNull(live);
        return wanted.All(field => field.Key is "apiVersion" or "kind" || HoldsField(field.Key, field.Value, live, inPodTemplate: false));
    }

    /// <summary>
    /// The lists that do not hold, as a merge patch that replaces them whole, or null. Server-side apply cannot mend a list whose
    /// element was given another key: it would put ours beside the foreign one.
    /// </summary>
    public static JsonObject? ListRepair(JsonObject wanted, JsonObject live)
    {
        ArgumentNullException.ThrowIfNull(wanted);
        ArgumentNullException.ThrowIfNull(live);
        return ListRepair(wanted, live, inPodTemplate: false);
    }

    private static JsonObject? ListRepair(JsonObject wanted, JsonObject live, bool inPodTemplate)
    {
        JsonObject? repair = null;
        foreach (var (key, value) in wanted)
        {
            var part = (value, live[key]) switch
            {
                (_, _) when key == ClaimTemplates => null,
                (JsonObject inner, JsonObject other) => ListRepair(inner, other, inPodTemplate || key == "template"),
                (JsonArray inner, JsonArray other) when !HoldsList(inner, other, inPodTemplate) => inner.DeepClone(),
                _ => null,
            };
            if (part is not null)
                (repair ??= [])[key] = part;
        }

        return repair;
    }

    private static bool Holds(JsonObject wanted, JsonObject live, bool inPodTemplate) =>
        wanted.All(field => HoldsField(field.Key, field.Value, live, inPodTemplate));

    // Claim templates are immutable in a StatefulSet: volumes grow by their claims.
    private static bool HoldsField(string key, JsonNode? value, JsonObject live, bool inPodTemplate) =>
        value is null || key == ClaimTemplates || HoldsValue(value, live[key], inPodTemplate || key == "template");

    private static bool HoldsValue(JsonNode wanted, JsonNode? live, bool inPodTemplate) => (wanted, live) switch
    {
        (JsonObject { Count: 0 }, null) => true,
        (JsonArray { Count: 0 }, null) => true,
        (_, null) => false,
        (JsonObject inner, JsonObject other) => Holds(inner, other, inPodTemplate),
        (JsonArray inner, JsonArray other) => HoldsList(inner, other, inPodTemplate),
        (JsonValue inner, JsonValue other) => SameScalar(inner, other),
        _ => false,
    };

    // Elements with a name are told apart by it. Only in a pod template may others add their own (a mesh's sidecar): taking that
    // away would be a fight without end. Everywhere else a list is ours as a whole.
    private static bool HoldsList(JsonArray wanted, JsonArray live, bool inPodTemplate)
    {
        if (wanted.All(item => item is JsonObject named && named["name"] is not null))
        {
            return (inPodTemplate || wanted.Count == live.Count)
                && wanted.All(item => live.FirstOrDefault(other => (string?)other?["name"] == (string?)item!["name"]) is JsonObject match
                    && Holds(item!.AsObject(), match, inPodTemplate));
        }

        // Outside pod templates the server adds nothing to such elements, and one field more is another meaning: a namespace
        // selector beside a pod selector lets in pods of everywhere.
        return inPodTemplate
            ? wanted.Count == live.Count && wanted.Zip(live).All(pair => pair.First is null ? pair.Second is null : HoldsValue(pair.First, pair.Second, inPodTemplate))
            : JsonNode.DeepEquals(wanted, live);
    }

    private static bool SameScalar(JsonValue wanted, JsonValue live)
    {
        var kind = wanted.GetValueKind();
        if (kind != live.GetValueKind())
            return false;
        var (left, right) = (wanted.ToString(), live.ToString());
        return left == right || (kind == JsonValueKind.String && Quantity(left) is { } number && number == Quantity(right));
    }

    /// <summary>Value of a resource.Quantity, or null when the text is none: 1Gi and 1024Mi are the same.</summary>
    public static decimal? Quantity(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var end = text.Length;
        while (end > 0 && !char.IsAsciiDigit(text[end - 1]) && text[end - 1] != '.')
            end--;
        decimal? factor = text[end..] switch
        {
            "" => 1m,
            "n" => 0.000000001m,
            "u" => 0.000001m,
            "m" => 0.001m,
            "k" => 1000m,
            "M" => 1000_000m,
            "G" => 1000_000_000m,
            "T" => 1000_000_000_000m,
            "P" => 1000_000_000_000_000m,
            "Ki" => 1024m,
            "Mi" => 1024m * 1024,
            "Gi" => 1024m * 1024 * 1024,
            "Ti" => 1024m * 1024 * 1024 * 1024,
            "Pi" => 1024m * 1024 * 1024 * 1024 * 1024,
            _ => null,
        };
        return factor is not null && end <= 18 && decimal.TryParse(text.AsSpan(0, end), NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            ? number * factor
            : null;
    }

    private static JsonNode? LiveTemplates(LiveObject live)
    {
        if (live.Body()["spec"]?[ClaimTemplates]?.DeepClone() is not JsonArray templates)
            return null;
        foreach (var template in templates.OfType<JsonObject>())
        {
            template.Remove("status");
            (template["metadata"] as JsonObject)?.Remove("creationTimestamp");
        }

        return templates;
    }

    private static string Hash(JsonObject body) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(body.ToJsonString(KubeJson.Wire.Options))))[..32];
}
