using System.Text.Json.Nodes;

namespace Dora.Testing.Vault;

/// <summary>A request as a scripted Vault sees it.</summary>
/// <param name="Operation">read, list, update (create where nothing is), patch or delete.</param>
/// <param name="Path">Below <c>/v1/</c>, decoded.</param>
/// <param name="Token">X-Vault-Token, or null.</param>
/// <param name="Namespace">X-Vault-Namespace, or null.</param>
/// <param name="Body">Its JSON.</param>
/// <param name="MediaType">Media type of the body.</param>
/// <param name="Version">The query's version, or null.</param>
/// <param name="Headers">All headers.</param>
public sealed record VaultCall(string Operation, string Path, string? Token, string? Namespace, JsonObject Body, string? MediaType, int? Version, IReadOnlyDictionary<string, string> Headers)
{
    /// <summary>E.g. <c>read kv/data/shop</c>.</summary>
    public override string ToString() => $"{Operation} {Path}";

    internal string Text(string key) => Body[key] is JsonValue value && value.TryGetValue<string>(out var text) ? text : "";
}

/// <summary>What a scripted Vault answers.</summary>
internal sealed record VaultReply(int Code, JsonNode? Body = null, string? Pem = null, params string[] Headers)
{
    public static VaultReply Done { get; } = new(204);

    public static VaultReply Errors(int code, params string[] errors) => new(code, new JsonObject { ["errors"] = new JsonArray([.. errors.Select(error => (JsonNode)error)]) });

    public static VaultReply Denied { get; } = Errors(403, "1 error occurred:\n\t* permission denied\n\n");

    public static VaultReply Nothing { get; } = Errors(404);

    public static VaultReply NoRoute(string path) => Errors(404, $"no handler for route \"{path}\". route entry not found.");

    public static VaultReply Data(JsonNode data, int code = 200, string lease = "", long duration = 0, bool renewable = false) => new(code, new JsonObject
    {
        ["request_id"] = "5d6f2f4b-0000-0000-0000-000000000000",
        ["lease_id"] = lease,
        ["renewable"] = renewable,
        ["lease_duration"] = duration,
        ["data"] = data,
        ["wrap_info"] = null,
        ["warnings"] = null,
        ["auth"] = null,
    });
}

/// <summary>What is mounted at a path of a scripted Vault. Calls come one at a time.</summary>
internal interface IVaultMount
{
    /// <summary>Type, as sys/mounts names it.</summary>
    string Type { get; }

    /// <summary>Whether a write to this path would change what is there: then it needs <c>update</c>, else <c>create</c>.</summary>
    bool Exists(string path) => true;

    /// <summary>Whether no token is needed.</summary>
    bool Open(string operation, string path) => false;

    VaultReply Answer(VaultCall call, string path);
}
