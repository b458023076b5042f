using System.Text.Json.Nodes;

namespace Dora.Operator.Stacks;

/// <summary>
/// Whether two statuses say the same. Lists whose elements have keys are in whatever order the API server merged them: old ones put a new element at
/// the end, wherever it was asked for. Pure.
/// </summary>
internal static class StatusComparison
{
    private static readonly string[] Keys = ["type", "name", "secretName", "engine", "phase"];

    /// <summary>Whether they say the same.</summary>
    public static bool Same(JsonNode? one, JsonNode? other) => JsonNode.DeepEquals(InOrder(one), InOrder(other));

    private static JsonNode? InOrder(JsonNode? node) => node switch
    {
        JsonObject fields => new JsonObject(fields.Select(field => KeyValuePair.Create(field.Key, InOrder(field.Value)))),
        JsonArray elements => new JsonArray([.. elements.Select((element, index) => (Element: InOrder(element), Key: KeyOf(element), index)).OrderBy(element => element.Key, StringComparer.Ordinal).ThenBy(element => element.index).Select(element => element.Element)]),
        _ => node?.DeepClone(),
    };

    private static string KeyOf(JsonNode? element) => element is JsonObject fields ? string.Join('\0', Keys.Select(key => fields[key]?.ToString())) : "";
}
