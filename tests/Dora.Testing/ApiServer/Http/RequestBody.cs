using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dora.Kubernetes.Model;
using Dora.Testing.ApiServer.Registry;
using Microsoft.AspNetCore.Http;

namespace Dora.Testing.ApiServer.Http;

/// <summary>Reads what clients send, as strictly as kube-apiserver does.</summary>
internal static class RequestBody
{
    public static async Task<JsonObject> ReadObjectAsync(HttpRequest request, string kind, CancellationToken cancellationToken)
    {
        var text = await ReadTextAsync(request, cancellationToken);
        if (request.ContentType?.Contains("yaml", StringComparison.Ordinal) == true)
            return FromYaml(text);
        try
        {
            return JsonNode.Parse(text) as JsonObject ?? throw new JsonException("not an object");
        }
        catch (JsonException error)
        {
            throw StatusError.BadRequest($"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {error.Message}");
        }
    }

    /// <summary>An apply configuration is YAML, whatever it looks like: JSON's own escapes are errors in it.</summary>
    public static async Task<JsonObject> ReadApplyAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        var text = await ReadTextAsync(request, cancellationToken);
        if (text.Length == 0)
            throw new StatusError(406, "NotAcceptable", "406: Not Acceptable", []);
        if (!text.StartsWith('{'))
            return FromYaml(text);
        CheckEscapes(text);
        try
        {
            return JsonNode.Parse(text)!.AsObject();
        }
        catch (JsonException)
        {
            return FromYaml(text);
        }
    }

    public static async Task<JsonNode> ReadPatchAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        try
        {
            return JsonNode.Parse(await ReadTextAsync(request, cancellationToken)) ?? throw new JsonException("null is no patch");
        }
        catch (JsonException error)
        {
            throw StatusError.BadRequest($"error decoding patch: {error.Message}");
        }
    }

    public static async Task<DeleteOptions> ReadDeleteAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        var text = await ReadTextAsync(request, cancellationToken);
        var body = text.Length == 0 ? [] : ParseOptions(text);
        var propagation = (string?)body["propagationPolicy"] ?? (string?)request.Query["propagationPolicy"];
        var orphan = (bool?)body["orphanDependents"];
        if (propagation is not (null or "Foreground" or "Background" or "Orphan"))
            throw StatusError.InvalidOptions("DeleteOptions", Cause.NotSupported("propagationPolicy", propagation, ["Foreground", "Background", "Orphan", "nil"]));
        if (propagation is not null && orphan is not null)
            throw StatusError.InvalidOptions("DeleteOptions", Cause.Invalid("propagationPolicy", propagation, "orphanDependents and deletionPropagation cannot be both set"));
        return new(
            orphan switch { true => "Orphan", false => "Background", null => propagation },
            (string?)body["preconditions"]?["uid"],
            (string?)body["preconditions"]?["resourceVersion"],
            (long?)body["gracePeriodSeconds"] ?? (long.TryParse(request.Query["gracePeriodSeconds"], out var seconds) ? seconds : null),
            body["dryRun"] is JsonArray { Count: > 0 } || request.Query.ContainsKey("dryRun"));
    }

    private static JsonObject ParseOptions(string text)
    {
        try
        {
            return JsonNode.Parse(text)!.AsObject();
        }
        catch (JsonException error)
        {
            throw StatusError.BadRequest($"error decoding delete options: {error.Message}");
        }
    }

    private static JsonObject FromYaml(string text)
    {
        try
        {
            return KubeYaml.Read(text) as JsonObject ?? throw new FormatException("not a map");
        }
        catch (FormatException error)
        {
            throw BadYaml(error.Message);
        }
    }

    private static void CheckEscapes(string text)
    {
        for (var at = text.IndexOf('\\', StringComparison.Ordinal); at >= 0 && at + 1 < text.Length; at = text.IndexOf('\\', at + 2))
        {
            if (text[at + 1] == '/')
                throw BadYaml("yaml: found unknown escape character");
            if (text[at + 1] == 'u' && at + 3 < text.Length && char.ToUpperInvariant(text[at + 2]) == 'D' && char.ToUpperInvariant(text[at + 3]) is not (>= '0' and <= '7'))
                throw BadYaml("yaml: found invalid Unicode character escape code");
        }
    }

    private static StatusError BadYaml(string problem) => StatusError.BadRequest($"error decoding YAML: error converting YAML to JSON: {problem}");

    private static async Task<string> ReadTextAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(request.Body, Encoding.UTF8);
        return await reader.ReadToEndAsync(cancellationToken);
    }
}
