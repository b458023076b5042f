using System.Text.Json.Nodes;

namespace Dora.Vault;

/// <summary>One request, before a token is put to it.</summary>
/// <param name="Method">GET, POST, PUT or PATCH.</param>
/// <param name="Path">Below <c>/v1/</c>, segments escaped.</param>
/// <param name="Verb">As a policy names it: read, list, create, update, patch.</param>
internal sealed record VaultRequest(HttpMethod Method, string Path, string Verb)
{
    // Shorter pieces would blacken whole sentences, and are no secrets.
    private const int ShortestSecret = 6;

    /// <summary>JSON to send, or null.</summary>
    public JsonObject? Body { get; init; }

    /// <summary>Media type of the body.</summary>
    public string MediaType { get; init; } = "application/json";

    /// <summary>Whether it may be said again when nobody knows what became of it. A GET that makes a new login is none of these.</summary>
    public bool Repeatable { get; init; }

    /// <summary>Query, with its question mark, or empty.</summary>
    public string Query { get; init; } = "";

    /// <summary>Whether what is sent is known to everybody, so that Vault may be quoted when it repeats it.</summary>
    public bool Public { get; init; }

    /// <summary>Whether a token goes with it.</summary>
    public bool Anonymous { get; init; }

    /// <summary>E.g. <c>read kv/data/shop</c>.</summary>
    public override string ToString() => $"{Verb} {Path}";

    public static VaultRequest Get(string path) => new(HttpMethod.Get, path, "read") { Repeatable = true };

    // Vault takes GET with list=true for LIST, which some proxies refuse.
    public static VaultRequest List(string path) => new(HttpMethod.Get, path, "list") { Repeatable = true, Query = "?list=true" };

    public static VaultRequest Post(string path, JsonObject? body = null, string verb = "update") => new(HttpMethod.Post, path, verb) { Body = body ?? [] };

    public static VaultRequest Patch(string path, JsonObject body) => new(HttpMethod.Patch, path, "patch") { Body = body, MediaType = "application/merge-patch+json" };

    /// <summary>Joins a mount and what is below it; each segment is escaped.</summary>
    /// <exception cref="ArgumentException">A segment is empty, <c>.</c> or <c>..</c>.</exception>
    public static string Join(params ReadOnlySpan<string> parts)
    {
        var segments = new List<string>();
        foreach (var part in parts)
        {
            foreach (var segment in part.Split('/'))
            {
                if (segment is "" or "." or "..")
                    throw new ArgumentException($"'{string.Join('/', parts)}' is no path in Vault", nameof(parts));
                segments.Add(Uri.EscapeDataString(segment));
            }
        }

        return string.Join('/', segments);
    }

    /// <summary>Vault's words without what was sent to it: an error may repeat its input.</summary>
    public string Cleaned(string words, string? token)
    {
        foreach (var secret in (Public ? [] : Leaves(Body)).Append(token ?? "").Where(text => text.Length >= ShortestSecret))
            words = words.Replace(secret, "***", StringComparison.Ordinal);
        return words.Length <= 300 ? words : words[..300] + "…";
    }

    // The name of a role is what a message about it is for.
    private static IEnumerable<string> Leaves(JsonNode? node) => node switch
    {
        JsonObject inner => inner.Where(pair => pair.Key is not "role").SelectMany(pair => Leaves(pair.Value)),
        JsonArray list => list.SelectMany(Leaves),
        JsonValue value => [value.ToString()],
        _ => [],
    };
}

/// <summary>A whole answer. Its text form holds no secret.</summary>
/// <param name="Code">HTTP status code.</param>
/// <param name="Body">As it came.</param>
internal sealed record VaultAnswer(int Code, byte[] Body)
{
    /// <summary>Retry-After, or null.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>Location, or null.</summary>
    public Uri? Location { get; init; }

    public bool Success => Code is 200 or 204;

    public override string ToString() => $"VaultAnswer {Code}";
}
