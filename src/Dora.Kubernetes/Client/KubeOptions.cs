using System.Text.Json.Nodes;

namespace Dora.Kubernetes.Client;

/// <summary>How the client behaves towards every API server.</summary>
/// <param name="UserAgent">Shown in the server's audit log.</param>
/// <param name="FieldManager">Owner of the fields this client writes.</param>
/// <param name="Timeout">Deadline of one call, retries included; null: 30 s. A watch is bounded by its own options.</param>
/// <param name="MaxRetries">Retries after Retry-After answers and refused connections, each.</param>
/// <param name="Handler">Replaces the sockets; then TLS settings and client certificates of the configuration are not used.</param>
/// <param name="Jitter">Source of numbers in [0, 1) for spreading retries; null: the shared generator.</param>
public sealed record KubeClientOptions(
    string UserAgent = "dora-operator",
    string FieldManager = "dora-operator",
    TimeSpan? Timeout = null,
    int MaxRetries = 10,
    HttpMessageHandler? Handler = null,
    Func<double>? Jitter = null);

/// <summary>What to list.</summary>
/// <param name="LabelSelector">E.g. <c>app=x,tier in (a,b)</c>.</param>
/// <param name="FieldSelector">E.g. <c>metadata.name=x</c>.</param>
/// <param name="Limit">Objects per page; null: all in one.</param>
/// <param name="Continue">Token of the next page.</param>
/// <param name="ResourceVersion">Not older than this; careful: with <c>0</c> the server ignores <paramref name="Limit"/>.</param>
public sealed record ListOptions(
    string? LabelSelector = null,
    string? FieldSelector = null,
    int? Limit = null,
    string? Continue = null,
    string? ResourceVersion = null);

/// <summary>What to watch.</summary>
/// <param name="LabelSelector">E.g. <c>app=x</c>.</param>
/// <param name="FieldSelector">E.g. <c>metadata.name=x</c>.</param>
/// <param name="ResourceVersion">Changes after this one; null: from now, beginning with what exists.</param>
/// <param name="Timeout">The server ends the watch after this; null: 300 to 600 s, by chance, so that watches spread.</param>
/// <param name="IdleTimeout">A watch without a frame for so long counts as dead; null: only the server's timeout plus 30 s.</param>
public sealed record WatchOptions(
    string? LabelSelector = null,
    string? FieldSelector = null,
    string? ResourceVersion = null,
    TimeSpan? Timeout = null,
    TimeSpan? IdleTimeout = null);

/// <summary>How to apply.</summary>
/// <param name="FieldManager">Null: the client's.</param>
/// <param name="Force">Take over fields of other managers.</param>
/// <param name="DryRun">Check and answer, but store nothing.</param>
/// <param name="Subresource">Null for the object, or <c>status</c>.</param>
public sealed record ApplyOptions(string? FieldManager = null, bool Force = true, bool DryRun = false, string? Subresource = null);

/// <summary>Whether dependents go before, after or not with the object.</summary>
public enum DeletePropagation
{
    /// <summary>The object first, dependents afterwards by the garbage collector.</summary>
    Background,

    /// <summary>Dependents first.</summary>
    Foreground,

    /// <summary>Dependents stay.</summary>
    Orphan,
}

/// <summary>How to delete.</summary>
/// <param name="Uid">Precondition: only this incarnation.</param>
/// <param name="ResourceVersion">Precondition: only if unchanged.</param>
/// <param name="Propagation">Null: the server's default for the kind.</param>
/// <param name="GracePeriodSeconds">Null: the object's own.</param>
public sealed record DeleteOptions(
    string? Uid = null,
    string? ResourceVersion = null,
    DeletePropagation? Propagation = null,
    int? GracePeriodSeconds = null);

/// <summary>A patch: an RFC 7386 merge patch or an RFC 6902 JSON patch. For server-side apply see <see cref="KubeClient.ApplyAsync(Model.Manifest, ApplyOptions, CancellationToken)"/>.</summary>
public sealed record KubePatch
{
    private KubePatch(string mediaType, JsonNode body, string? subresource)
    {
        MediaType = mediaType;
        Body = body;
        Subresource = subresource;
    }

    /// <summary>Content type of the patch.</summary>
    public string MediaType { get; }

    /// <summary>The patch itself.</summary>
    public JsonNode Body { get; }

    /// <summary>Null for the object, or e.g. <c>status</c>, <c>scale</c>.</summary>
    public string? Subresource { get; }

    /// <summary>An RFC 7386 merge patch: null removes, lists are replaced.</summary>
    public static KubePatch Merge(JsonNode body, string? subresource = null) => new("application/merge-patch+json", body, subresource);

    /// <summary>An RFC 6902 patch: a list of operations, of which all or none take place.</summary>
    public static KubePatch Json(JsonArray operations, string? subresource = null) => new("application/json-patch+json", operations, subresource);
}

/// <summary>What happened to a watched object.</summary>
public enum KubeWatchEventType
{
    /// <summary>It is new to the watch.</summary>
    Added,

    /// <summary>It changed.</summary>
    Modified,

    /// <summary>It is gone, or does not match the selector any more.</summary>
    Deleted,

    /// <summary>Nothing; the watch has seen everything up to the resource version.</summary>
    Bookmark,
}

/// <summary>One event of a watch.</summary>
/// <param name="Type">What happened.</param>
/// <param name="Object">The object as it is now, or last was; null for a bookmark.</param>
/// <param name="ResourceVersion">From where a new watch continues.</param>
public sealed record KubeWatchEvent<T>(KubeWatchEventType Type, T? Object, string? ResourceVersion)
    where T : class;
