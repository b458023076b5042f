using System.Text.Json;
using System.Text.Json.Nodes;

namespace Dora.Vault;

/// <summary>A KV version 2 secrets engine (developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2).</summary>
/// <param name="client">Whom to ask.</param>
/// <param name="mount">Where it is mounted.</param>
public sealed class KeyValueStore(VaultClient client, string mount)
{
    /// <summary>What is at a path, in its newest version or a certain one.</summary>
    /// <exception cref="VaultException">Vault refuses, or does not answer as promised.</exception>
    public async Task<KeyValueReading> ReadAsync(string path, int? version = null, CancellationToken cancellationToken = default)
    {
        var request = VaultRequest.Get(At("data", path)) with { Query = version is { } wanted ? $"?version={wanted}" : "" };
        var answer = await client.SendAsync(request, cancellationToken, 404);
        // A deleted version is a 404 that still says which version it was; a path where nothing was says nothing.
        var envelope = VaultRefusal.Read(request, answer, VaultJson.Default.VaultEnvelope);
        if (answer.Code == 404 && envelope.Data is null)
            return VaultRefusal.Words(answer).Length > 0 ? throw VaultRefusal.Of(request, answer, null) : new KeyValueReading.Absent();
        var body = VaultRefusal.Data(request, answer, VaultJson.Default.KvBody);
        return body switch
        {
            { Metadata.Destroyed: true } => new KeyValueReading.Destroyed(body.Metadata.Version),
            { Data: { } data, Metadata.DeletionTime: null or "" } => new KeyValueReading.Found(data, body.Metadata.Version),
            { Data: null, Metadata.DeletionTime.Length: > 0 } => new KeyValueReading.Deleted(body.Metadata.Version),
            // A version may be due for deletion at a time to come.
            { Data: { } data } => new KeyValueReading.Found(data, body.Metadata.Version),
            _ => throw VaultRefusal.Invalid(request, answer, "it holds neither data nor a deletion"),
        };
    }

    /// <summary>The newest version at a path and what became of it; null where nothing ever was.</summary>
    public async Task<KeyValueVersion?> VersionAsync(string path, CancellationToken cancellationToken = default)
    {
        var request = VaultRequest.Get(At("metadata", path));
        var answer = await client.SendAsync(request, cancellationToken, 404);
        if (answer.Code == 404)
            return VaultRefusal.Words(answer).Length > 0 ? throw VaultRefusal.Of(request, answer, null) : null;
        var body = VaultRefusal.Data(request, answer, VaultJson.Default.KvMetadataBody);
        var newest = body.Versions?.GetValueOrDefault(body.CurrentVersion.ToString(System.Globalization.CultureInfo.InvariantCulture));
        return new(body.CurrentVersion, newest?.DeletionTime is { Length: > 0 }, newest?.Destroyed == true);
    }

    /// <summary>Writes all keys of a path and answers the new version.</summary>
    /// <param name="path">Below the mount.</param>
    /// <param name="values">All keys; what is not among them is gone in the new version.</param>
    /// <param name="cas">Only if this is the newest version; 0: only if nothing is there; null: whatever is there.</param>
    /// <param name="cancellationToken">Stops waiting; Vault may write all the same.</param>
    /// <exception cref="VaultConflictException">Another version is there.</exception>
    public Task<int> WriteAsync(string path, IReadOnlyDictionary<string, string> values, int? cas, CancellationToken cancellationToken = default) =>
        WriteAsync(VaultRequest.Post(At("data", path), Body(values, cas), cas == 0 ? "create" : "update"), cancellationToken);

    /// <summary>Writes some keys of a path, leaves the others, and answers the new version.</summary>
    /// <inheritdoc cref="WriteAsync(string, IReadOnlyDictionary{string, string}, int?, CancellationToken)"/>
    public Task<int> PatchAsync(string path, IReadOnlyDictionary<string, string> values, int? cas, CancellationToken cancellationToken = default) =>
        WriteAsync(VaultRequest.Patch(At("data", path), Body(values, cas)), cancellationToken);

    /// <summary>Names below a path, folders with a slash at their end; empty where there is nothing.</summary>
    public async Task<IReadOnlyList<string>> ListAsync(string path, CancellationToken cancellationToken = default)
    {
        var request = VaultRequest.List(At("metadata", path));
        var answer = await client.SendAsync(request, cancellationToken, 404);
        if (answer.Code != 404)
            return VaultRefusal.Data(request, answer, VaultJson.Default.ListBody).Keys;
        return VaultRefusal.Words(answer).Length > 0 ? throw VaultRefusal.Of(request, answer, null) : [];
    }

    private async Task<int> WriteAsync(VaultRequest request, CancellationToken cancellationToken) =>
        (await client.DataAsync(request, VaultJson.Default.KvVersionBody, cancellationToken)).Version;

    private string At(string part, string path) => VaultRequest.Join(mount, part, path);

    private static JsonObject Body(IReadOnlyDictionary<string, string> values, int? cas)
    {
        ArgumentNullException.ThrowIfNull(values);
        var data = new JsonObject();
        foreach (var (key, value) in values)
            data[key] = value;
        var options = new JsonObject();
        if (cas is { } version)
            options["cas"] = version;
        return new() { ["options"] = options, ["data"] = data };
    }
}

/// <summary>What is at a path of a KV engine.</summary>
public abstract record KeyValueReading
{
    private KeyValueReading()
    {
    }

    /// <summary>Keys with their values, in memory only.</summary>
    /// <param name="Data">As written; by us always strings.</param>
    /// <param name="Version">Their version.</param>
    public sealed record Found(IReadOnlyDictionary<string, JsonElement> Data, int Version) : KeyValueReading
    {
        /// <summary>A value that is a string and not empty; else null.</summary>
        public string? Text(string key) =>
            Data.TryGetValue(key, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text ? text : null;

        /// <inheritdoc/>
        public override string ToString() => $"Found version {Version}";
    }

    /// <summary>Nothing ever was there, or its metadata is gone too.</summary>
    public sealed record Absent : KeyValueReading;

    /// <summary>The version was deleted and can be undeleted.</summary>
    public sealed record Deleted(int Version) : KeyValueReading;

    /// <summary>The version's data is gone for good.</summary>
    public sealed record Destroyed(int Version) : KeyValueReading;
}

/// <summary>The newest version at a path.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Deleted">It was deleted, or will be.</param>
/// <param name="Destroyed">Its data is gone for good.</param>
public sealed record KeyValueVersion(int Number, bool Deleted, bool Destroyed);
