using System.Text.Json;
using System.Text.Json.Nodes;
using Dora.Kubernetes.Model;

namespace Dora.Testing.ApiServer.Http;

/// <summary>One cause of a refusal.</summary>
internal sealed record Cause(string Reason, string Message, string Field)
{
    public static Cause Required(string field, string detail = "") => new("FieldValueRequired", detail.Length == 0 ? "Required value" : $"Required value: {detail}", field);

    public static Cause Invalid(string field, JsonNode? value, string detail) =>
        new("FieldValueInvalid", $"Invalid value: {value?.ToJsonString(Plain) ?? "null"}: {detail}", field);

    public static Cause NotSupported(string field, JsonNode? value, IEnumerable<string> supported) => new(
        "FieldValueNotSupported",
        $"Unsupported value: {value?.ToJsonString(Plain) ?? "null"}: supported values: {string.Join(", ", supported.Select(one => $"\"{one}\""))}",
        field);

    public static Cause Forbidden(string field, string detail) => new("FieldValueForbidden", $"Forbidden: {detail}", field);

    private static JsonSerializerOptions Plain { get; } = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}

/// <summary>An answer that is a metav1.Status, worded as kube-apiserver does.</summary>
internal sealed class StatusError(int code, string? reason, string message, JsonObject? details = null) : Exception(message)
{
    private const string Modified = "the object has been modified; please apply your changes to the latest version and try again";

    public int Code => code;

    /// <summary>Seconds for the Retry-After header.</summary>
    public int? RetryAfter { get; init; }

    /// <summary>For an expired continue token: one with which the rest can be read, inconsistently.</summary>
    public string? Continue { get; init; }

    public static StatusError BadRequest(string message) => new(400, "BadRequest", message);

    public static StatusError Internal(string message) => new(500, null, message);

    public static StatusError NoSuchResource() => new(404, "NotFound", "the server could not find the requested resource", []);

    public static StatusError MethodNotAllowed() => new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", []);

    public static StatusError NotFound(KubeResource resource, string name) => new(404, "NotFound", $"{resource} \"{name}\" not found", Details(resource, name));

    public static StatusError AlreadyExists(KubeResource resource, string name) =>
        new(409, "AlreadyExists", $"{resource} \"{name}\" already exists", Details(resource, name));

    public static StatusError Conflict(KubeResource resource, string name, string problem = Modified) =>
        new(409, "Conflict", $"Operation cannot be fulfilled on {resource} \"{name}\": {problem}", Details(resource, name));

    /// <summary>Preconditions of a delete name the kind, where other conflicts name the resource.</summary>
    public static StatusError Precondition(KubeResource resource, string name, string problem) =>
        Conflict(resource with { Plural = resource.Kind }, name, problem);

    public static StatusError Forbidden(KubeResource resource, string name, string problem) => new(
        403, "Forbidden", name.Length == 0 ? $"{resource} is forbidden: {problem}" : $"{resource} \"{name}\" is forbidden: {problem}", Details(resource, name));

    public static StatusError Expired(string message, string? continueWith = null) => new(410, "Expired", message) { Continue = continueWith };

    public static StatusError TooLargeResourceVersion(long wanted, long current) => new(
        504,
        "Timeout",
        $"Timeout: Too large resource version: {wanted}, current: {current}",
        new JsonObject
        {
            ["causes"] = new JsonArray(new JsonObject { ["reason"] = "ResourceVersionTooLarge", ["message"] = "Too large resource version" }),
            ["retryAfterSeconds"] = 1,
        })
    { RetryAfter = 1 };

    public static StatusError Invalid(KubeResource resource, string name, params IReadOnlyList<Cause> causes) =>
        Invalid(resource.Kind, resource.Group, name, causes);

    public static StatusError InvalidOptions(string kind, params IReadOnlyList<Cause> causes) => Invalid(kind, "meta.k8s.io", "", causes);

    public static StatusError InvalidWithResourceName(KubeResource resource, string name, Cause cause) => Invalid(resource.Plural, resource.Group, name, [cause]);

    public static StatusError ApplyConflict(IReadOnlyList<(string Manager, string Field)> conflicts) => new(
        409,
        "Conflict",
        conflicts.Count == 1
            ? $"Apply failed with 1 conflict: conflict with {conflicts[0].Manager}: {conflicts[0].Field}"
            : $"Apply failed with {conflicts.Count} conflicts: {string.Join('\n', conflicts.GroupBy(one => one.Manager).Select(group => $"conflicts with {group.Key}:\n{string.Join('\n', group.Select(one => $"- {one.Field}"))}"))}",
        new JsonObject
        {
            ["causes"] = new JsonArray([.. conflicts.Select(one => new JsonObject
            {
                ["reason"] = "FieldManagerConflict",
                ["message"] = $"conflict with {one.Manager}",
                ["field"] = one.Field,
            })]),
        });

    public JsonObject ToJson()
    {
        var metadata = new JsonObject();
        if (Continue is not null)
            metadata["continue"] = Continue;
        var body = new JsonObject { ["kind"] = "Status", ["apiVersion"] = "v1", ["metadata"] = metadata, ["status"] = "Failure", ["message"] = Message };
        if (reason is not null)
            body["reason"] = reason;
        if (details is not null)
            body["details"] = details.DeepClone();
        body["code"] = code;
        return body;
    }

    /// <summary>The body of a successful delete of a custom resource, and of others that are gone at once.</summary>
    public static JsonObject Success(KubeResource resource, string name, string uid)
    {
        var details = Details(resource, name);
        details["uid"] = uid;
        return new() { ["kind"] = "Status", ["apiVersion"] = "v1", ["metadata"] = new JsonObject(), ["status"] = "Success", ["details"] = details };
    }

    private static StatusError Invalid(string kind, string group, string name, IReadOnlyList<Cause> causes)
    {
        var texts = causes.Select(cause => $"{cause.Field}: {cause.Message}").ToList();
        var details = Details(new KubeResource(group, "", kind, kind), name);
        details["causes"] = new JsonArray([.. causes.Select(cause => new JsonObject { ["reason"] = cause.Reason, ["message"] = cause.Message, ["field"] = cause.Field })]);
        var qualified = group.Length == 0 ? kind : $"{kind}.{group}";
        return new(422, "Invalid", $"{qualified} \"{name}\" is invalid: {(texts.Count == 1 ? texts[0] : $"[{string.Join(", ", texts)}]")}", details);
    }

    private static JsonObject Details(KubeResource resource, string name)
    {
        var details = new JsonObject();
        if (name.Length > 0)
            details["name"] = name;
        if (resource.Group.Length > 0)
            details["group"] = resource.Group;
        details["kind"] = resource.Plural;
        return details;
    }
}
