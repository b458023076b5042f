using System.Buffers.Text;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Dora.Testing.ApiServer.Schemas;
using Dora.Testing.ApiServer.Storage;
using Microsoft.AspNetCore.Http;

namespace Dora.Testing.ApiServer.Http;

/// <summary>One page of a list.</summary>
internal sealed record ListPage(long ResourceVersion, IReadOnlyList<StoredObject> Items, string? Continue, int? Remaining);

/// <summary>Lists: pages that belong to one state, exact and cached reads, expired tokens.</summary>
internal static class ListReader
{
    private const string ExpiredToken =
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";

    public static ListPage Read(ObjectStore store, ServedKind kind, string? ns, IQueryCollection query)
    {
        var selector = Selector.Parse(query["labelSelector"], query["fieldSelector"], kind.Resource.Plural);
        var limit = int.TryParse(query["limit"], CultureInfo.InvariantCulture, out var given) ? given : 0;
        var wanted = ParseVersion(query["resourceVersion"]);
        if (query["continue"] is [{ Length: > 0 } token])
            return Continue(store, kind, ns, selector, limit, token);

        CheckMatch(query, wanted);
        var (current, objects) = Current(store, kind);
        if (wanted > current)
            throw StatusError.TooLargeResourceVersion(wanted.Value, current);
        if (wanted == 0)
            return Page(objects, current, ns, selector, limit: 0, after: null);
        var exact = wanted is not null && ((string?)query["resourceVersionMatch"] == "Exact" || (limit > 0 && query["resourceVersionMatch"].Count == 0));
        if (!exact)
            return Page(objects, current, ns, selector, limit, after: null);
        var then = store.Of(kind.Resource).At(wanted!.Value) ?? throw StatusError.Expired("The resourceVersion for the provided list is too old.");
        return Page(then, wanted.Value, ns, selector, limit, after: null);
    }

    /// <summary>The current state and its resource version, taken together.</summary>
    public static (long ResourceVersion, ImmutableSortedDictionary<string, StoredObject> Objects) Current(ObjectStore store, ServedKind kind)
    {
        lock (store.Gate)
            return (store.ResourceVersion, store.Of(kind.Resource).Objects);
    }

    public static long? ParseVersion(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return null;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var version)
            ? version
            : throw StatusError.Internal($"resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax");
    }

    private static void CheckMatch(IQueryCollection query, long? wanted)
    {
        if (query["resourceVersionMatch"].Count > 0 && wanted is null)
        {
            throw StatusError.InvalidOptions("ListOptions", Cause.Forbidden(
                "resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided"));
        }
    }

    private static ListPage Continue(ObjectStore store, ServedKind kind, string? ns, Selector selector, int limit, string token)
    {
        var (version, after) = Decode(token);
        var (current, objects) = Current(store, kind);
        if (version < 0)
            return Page(objects, current, ns, selector, limit, after);
        if (version < store.Of(kind.Resource).CompactedTo)
            throw StatusError.Expired(ExpiredToken, Encode(-1, after));
        return Page(store.Of(kind.Resource).At(version)!, version, ns, selector, limit, after);
    }

    private static ListPage Page(
        ImmutableSortedDictionary<string, StoredObject> objects, long version, string? ns, Selector selector, int limit, string? after)
    {
        var candidates = objects.Values.Where(one =>
            (ns is null || one.Namespace == ns) && (after is null || string.CompareOrdinal(one.Key, after) > 0) && selector.Matches(one)).ToList();
        if (limit <= 0 || candidates.Count <= limit)
            return new(version, candidates, null, null);
        return new(version, candidates.GetRange(0, limit), Encode(version, candidates[limit - 1].Key), selector.IsEverything ? candidates.Count - limit : null);
    }

    private static string Encode(long version, string after) =>
        Base64Url.EncodeToString(Encoding.UTF8.GetBytes(new JsonObject { ["v"] = "meta.k8s.io/v1", ["rv"] = version, ["start"] = after }.ToJsonString()));

    private static (long Version, string After) Decode(string token)
    {
        try
        {
            var json = JsonNode.Parse(Base64Url.DecodeFromChars(token))!;
            return ((long)json["rv"]!, (string)json["start"]!);
        }
        catch (Exception error) when (error is FormatException or System.Text.Json.JsonException or NullReferenceException or InvalidOperationException)
        {
            throw StatusError.BadRequest($"invalid continue token: continue key is not valid: {error.Message}");
        }
    }
}
