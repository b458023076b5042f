using System.Text.Json.Nodes;
using Dora.Testing.ApiServer.Http;
using Dora.Testing.ApiServer.Schemas;

namespace Dora.Testing.ApiServer.Registry;

/// <summary>The three kinds of patch that are not server-side apply. They change the target in place.</summary>
internal static class Patches
{
    /// <summary>RFC 7386.</summary>
    public static void Merge(JsonObject target, JsonObject patch)
    {
        foreach (var (name, value) in patch)
        {
            if (value is null)
            {
                target.Remove(name);
            }
            else if (value is JsonObject nested)
            {
                if (target[name] is not JsonObject into)
                    target[name] = into = [];
                Merge(into, nested);
            }
            else
            {
                target[name] = value.DeepClone();
            }
        }
    }

    /// <summary>Kubernetes' strategic merge patch: lists with a merge key merge by it; <c>$patch: delete|replace</c> are known.</summary>
    public static void StrategicMerge(TypeSchema type, JsonObject target, JsonObject patch)
    {
        if ((string?)patch["$patch"] == "replace")
            target.Clear();
        foreach (var (name, value) in patch.Where(field => field.Key[0] != '$'))
        {
            var child = type.Field(name) ?? TypeSchema.Deduced;
            if (value is null)
            {
                target.Remove(name);
            }
            else if (value is JsonObject nested)
            {
                if (target[name] is not JsonObject into)
                    target[name] = into = [];
                StrategicMerge(child, into, nested);
            }
            else if (value is JsonArray list && child.MergesOnPatch && target[name] is JsonArray existing)
            {
                MergeList(child, existing, list);
            }
            else
            {
                target[name] = value.DeepClone();
            }
        }
    }

    /// <summary>RFC 6902.</summary>
    /// <exception cref="StatusError">422 when an operation does not apply.</exception>
    public static JsonObject Json(JsonObject target, JsonArray operations)
    {
        JsonNode? document = target;
        foreach (var operation in operations.OfType<JsonObject>())
            document = Operate(document, operation);
        return document as JsonObject ?? throw Rejected();
    }

    private static void MergeList(TypeSchema type, JsonArray existing, JsonArray patch)
    {
        foreach (var item in patch)
        {
            if (type.MergeKey is not { } key)
            {
                if (!existing.Any(one => JsonNode.DeepEquals(one, item)))
                    existing.Add(item?.DeepClone());
                continue;
            }

            var match = existing.OfType<JsonObject>().FirstOrDefault(one => JsonNode.DeepEquals(one[key], item?[key]));
            if ((string?)item?["$patch"] == "delete")
                existing.Remove(match);
            else if (match is not null)
                StrategicMerge(type.Items, match, item!.AsObject());
            else
                existing.Add(item?.DeepClone());
        }
    }

    private static JsonNode? Operate(JsonNode? document, JsonObject operation)
    {
        var path = Pointer((string?)operation["path"]);
        switch ((string?)operation["op"])
        {
            case "add":
                return Put(document, path, operation["value"]?.DeepClone(), mustExist: false);
            case "replace":
                return Put(document, path, operation["value"]?.DeepClone(), mustExist: true);
            case "remove":
                Take(document, path);
                return document;
            case "test":
                return JsonNode.DeepEquals(Get(document, path), operation["value"]) ? document : throw Rejected();
            case "move":
                return Put(document, path, Take(document, Pointer((string?)operation["from"])), mustExist: false);
            case "copy":
                return Put(document, path, Get(document, Pointer((string?)operation["from"]))?.DeepClone(), mustExist: false);
            default:
                throw Rejected();
        }
    }

    private static string[] Pointer(string? path) => path switch
    {
        "" => [],
        ['/', ..] => [.. path[1..].Split('/').Select(part => part.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal))],
        _ => throw Rejected(),
    };

    private static JsonNode? Get(JsonNode? document, string[] path) => path.Aggregate(document, (node, part) => node switch
    {
        JsonObject map when map.TryGetPropertyValue(part, out var value) => value,
        JsonArray list when int.TryParse(part, out var index) && index >= 0 && index < list.Count => list[index],
        _ => throw Rejected(),
    });

    private static JsonNode? Put(JsonNode? document, string[] path, JsonNode? value, bool mustExist)
    {
        if (path.Length == 0)
            return value;
        switch (Get(document, path[..^1]))
        {
            case JsonObject map when !mustExist || map.ContainsKey(path[^1]):
                map[path[^1]] = value;
                return document;
            case JsonArray list when path[^1] == "-" && !mustExist:
                list.Add(value);
                return document;
            case JsonArray list when int.TryParse(path[^1], out var index) && index >= 0 && index <= list.Count - (mustExist ? 1 : 0):
                if (mustExist)
                    list[index] = value;
                else
                    list.Insert(index, value);
                return document;
            default:
                throw Rejected();
        }
    }

    private static JsonNode? Take(JsonNode? document, string[] path)
    {
        var taken = Get(document, path);
        switch (Get(document, path[..^1]))
        {
            case JsonObject map:
                map.Remove(path[^1]);
                break;
            case JsonArray list:
                list.Remove(taken);
                break;
        }

        return taken;
    }

    private static StatusError Rejected() => new(422, "Invalid", "the server rejected our request due to an error in our request", []);
}
