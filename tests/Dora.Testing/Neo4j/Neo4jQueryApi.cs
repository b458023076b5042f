using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;

namespace Dora.Testing.Neo4j;

/// <summary>The HTTP side: discovery, cluster status, authentication, Query API v2.</summary>
internal sealed partial class Neo4jQueryApi(TimeProvider clock)
{
    private const int AllowedFailures = 3;
    private static readonly TimeSpan LockTime = TimeSpan.FromSeconds(5);

    // In this order only, before 2026.08.
    private static readonly string[] Fields = ["statement", "parameters", "accessMode", "bookmarks", "maxExecutionTime", "includeCounters", "impersonatedUser"];

    public Neo4jHttpReply Answer(Neo4jState state, Neo4jMember member, Neo4jHttpRequest request)
    {
        if (request is { Method: "GET", Path: "/" })
            return Discovery(state, member);
        if (request.Method == "GET" && ClusterStatus().Match(request.Path) is { Success: true } status)
            return Available(state, member, status.Groups["database"].Value);
        if (Endpoint().Match(request.Path) is not { Success: true } endpoint)
            return new(404, null);
        if (request.Method != "POST")
            return new(405, null);
        if (Refusal(state, member, request) is { } refusal)
            return refusal;
        if (!request.ContentType.StartsWith("application/json", StringComparison.OrdinalIgnoreCase))
            return new(415, null);
        try
        {
            return Run(state, member, request, Uri.UnescapeDataString(endpoint.Groups["database"].Value));
        }
        catch (Neo4jException error)
        {
            return Error(state.Options.Version.StartsWith("5.", StringComparison.Ordinal) ? 202 : Status(error.Code), error.Code, error.Message);
        }
    }

    private static Neo4jHttpReply Run(Neo4jState state, Neo4jMember member, Neo4jHttpRequest request, string database)
    {
        if (request.Json is not { } json || Misplaced(json) || json["statement"] is not JsonValue value || !value.TryGetValue<string>(out var statement))
            return Error(400, "Neo.ClientError.Request.Invalid", "Bad Request");
        var bookmarks = json["bookmarks"]?.AsArray().Select(bookmark => (string)bookmark!).ToList() ?? [];
        if (bookmarks.Find(bookmark => !state.Knows(bookmark)) is { } unknown)
            throw new Neo4jException("Neo.ClientError.Transaction.InvalidBookmark", $"Parsing of supplied bookmarks failed with message: {unknown}");
        var mode = (string?)json["accessMode"] ?? "Write";
        if (mode is not ("Read" or "Write"))
            return Error(400, "Neo.ClientError.Request.Invalid", "Bad Request");
        var data = new Neo4jCypher(state).Run(member, request.User!, database, statement, json["parameters"] as JsonObject ?? [], mode == "Read");
        return new(202, new() { ["data"] = data, ["bookmarks"] = new JsonArray(state.Bookmark) });
    }

    private static bool Misplaced(JsonObject json)
    {
        var order = json.Select(field => Array.IndexOf(Fields, field.Key)).ToList();
        return order.Contains(-1) || !order.SequenceEqual(order.Order());
    }

    private Neo4jHttpReply? Refusal(Neo4jState state, Neo4jMember member, Neo4jHttpRequest request)
    {
        if (request.User is not { } user)
            return Error(401, "Neo.ClientError.Security.Unauthorized", "No authentication header supplied.", "WWW-Authenticate: Basic realm=\"Neo4j\", Bearer realm=\"Neo4j\"");
        var (failures, until) = member.Attempts.GetValueOrDefault(user);
        if (failures >= AllowedFailures && clock.GetUtcNow() < until)
            return Error(429, "Neo.ClientError.Security.AuthenticationRateLimit", "Too many failed authentication requests. Please wait 5 seconds and try again.");
        if (state.Users.TryGetValue(user, out var account) && account.Password == request.Password)
        {
            member.Attempts.Remove(user);
            return null;
        }

        member.Attempts[user] = (failures >= AllowedFailures ? 1 : failures + 1, clock.GetUtcNow() + LockTime);
        return Error(401, "Neo.ClientError.Security.Unauthorized", "Invalid credential.");
    }

    private static Neo4jHttpReply Discovery(Neo4jState state, Neo4jMember member) => new(200, new()
    {
        ["bolt_routing"] = $"neo4j://{member.Host}:7687",
        ["query"] = $"http://{member.Host}:7474/db/{{databaseName}}/query/v2",
        ["transaction"] = $"http://{member.Host}:7474/db/{{databaseName}}/tx",
        ["bolt_direct"] = $"bolt://{member.Host}:7687",
        ["neo4j_version"] = state.Options.Version,
        ["neo4j_edition"] = state.Options.Edition,
    });

    private static Neo4jHttpReply Available(Neo4jState state, Neo4jMember member, string database) =>
        state.Enterprise && state.Databases.TryGetValue(database, out var store) && store.Copies.ContainsKey(member.Id) && store.Status == "online" ? new(200, null) : new(404, null);

    private static int Status(string code) => code.Contains("TransientError", StringComparison.Ordinal) ? 503 : code.Contains("ClientError", StringComparison.Ordinal) ? 400 : 500;

    private static Neo4jHttpReply Error(int status, string code, string message, params string[] headers) =>
        new(status, new() { ["errors"] = new JsonArray(new JsonObject { ["code"] = code, ["message"] = message }) }, headers);

    [GeneratedRegex("^/db/(?<database>[^/]+)/query/v2$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Endpoint();

    [GeneratedRegex("^/db/(?<database>[^/]+)/cluster/(available|writable|read-only)$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex ClusterStatus();
}

/// <summary>A request, read.</summary>
internal sealed record Neo4jHttpRequest(string Method, string Path, string ContentType, string? User, string? Password, string Body, JsonObject? Json)
{
    public string? Statement => Json?["statement"] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    public static async Task<Neo4jHttpRequest> ReadAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body, Encoding.UTF8);
        var body = await reader.ReadToEndAsync();
        var (user, password) = Credentials(context.Request.Headers.Authorization.ToString());
        return new(context.Request.Method, context.Request.Path.Value ?? "/", context.Request.ContentType ?? "", user, password, body, Parse(body));
    }

    private static JsonObject? Parse(string body)
    {
        try
        {
            return body.Length == 0 ? null : JsonNode.Parse(body) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static (string? User, string? Password) Credentials(string header)
    {
        if (!header.StartsWith("Basic ", StringComparison.Ordinal))
            return (null, null);
        var parts = Encoding.UTF8.GetString(Convert.FromBase64String(header[6..])).Split(':', 2);
        return (parts[0], parts.ElementAtOrDefault(1) ?? "");
    }
}

/// <summary>A reply.</summary>
internal sealed record Neo4jHttpReply(int Status, JsonObject? Body, params string[] Headers)
{
    public async Task SendAsync(HttpContext context)
    {
        context.Response.StatusCode = Status;
        foreach (var header in Headers)
        {
            var parts = header.Split(':', 2);
            context.Response.Headers[parts[0]] = parts[1].Trim();
        }

        if (Body is null)
            return;
        context.Response.ContentType = "application/json";
        var bytes = Encoding.UTF8.GetBytes(Body.ToJsonString());
        context.Response.ContentLength = bytes.Length;
        await context.Response.Body.WriteAsync(bytes);
    }
}
