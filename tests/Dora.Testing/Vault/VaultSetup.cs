using System.Text;
using System.Text.Json.Nodes;

namespace Dora.Testing.Vault;

/// <summary>Sets up a Vault over its API as its operators would: what runs against a scripted one runs against a real one too.</summary>
public sealed class VaultSetup : IDisposable
{
    /// <summary>Name of the operator's policy and of its role.</summary>
    public const string Role = "dora";

    private readonly HttpClient _http;

    /// <summary>With the root token.</summary>
    public VaultSetup(Uri address, string rootToken)
    {
        _http = new() { BaseAddress = address };
        _http.DefaultRequestHeaders.Add("X-Vault-Token", rootToken);
    }

    /// <summary>Secrets engines at their usual mounts, with an authority, a role db-server and a key backups.</summary>
    public async Task EnginesAsync()
    {
        await MountAsync("sys/mounts/kv", """{"type":"kv","options":{"version":"2"}}""");
        await MountAsync("sys/mounts/transit", """{"type":"transit"}""");
        await PostAsync("transit/keys/backups", "{}");
        await MountAsync("sys/mounts/pki", """{"type":"pki"}""");
        await PostAsync("pki/root/generate/internal", """{"common_name":"test authority","ttl":"87600h"}""");
        // As docs/operations.md has it, for the stack shop in the namespace compliance.
        await PostAsync("pki/roles/db-server", """{"allowed_domains":["*.svc","*.svc.cluster.local","*.compliance","shop-*"],"allow_glob_domains":true,"key_type":"ec","max_ttl":"2160h"}""");
    }

    /// <summary>The operator's policy.</summary>
    public Task PolicyAsync(string hcl) => PostAsync($"sys/policies/acl/{Role}", new JsonObject { ["policy"] = hcl }.ToJsonString());

    /// <summary>The AppRole auth method with the operator's role.</summary>
    public async Task<(string RoleId, string SecretId)> AppRoleAsync(int ttl = 3600, int longest = 0)
    {
        await MountAsync("sys/auth/approle", """{"type":"approle"}""");
        await PostAsync($"auth/approle/role/{Role}", $$"""{"token_policies":["{{Role}}"],"token_ttl":{{ttl}},"token_max_ttl":{{longest}}}""");
        var role = JsonNode.Parse(await _http.GetStringAsync(new Uri($"v1/auth/approle/role/{Role}/role-id", UriKind.Relative)));
        var secret = await PostAsync($"auth/approle/role/{Role}/secret-id", "{}");
        return ((string)role!["data"]!["role_id"]!, (string)secret!["data"]!["secret_id"]!);
    }

    /// <summary>The Kubernetes auth method of a scripted Vault with the operator's role.</summary>
    public async Task KubernetesAsync(int ttl = 3600)
    {
        await MountAsync("sys/auth/kubernetes", """{"type":"kubernetes"}""");
        await PostAsync($"auth/kubernetes/role/{Role}", $$"""{"bound_service_account_names":["dora-operator"],"bound_service_account_namespaces":["*"],"token_policies":["{{Role}}"],"token_ttl":{{ttl}}}""");
    }

    /// <summary>A token with the operator's policy.</summary>
    public async Task<string> TokenAsync(int ttl, bool renewable) =>
        (string)(await PostAsync("auth/token/create", $$"""{"policies":["{{Role}}"],"ttl":{{ttl}},"renewable":{{(renewable ? "true" : "false")}}}"""))!["auth"]!["client_token"]!;

    /// <summary>Any other write.</summary>
    public async Task<JsonObject?> PostAsync(string path, string json)
    {
        using var body = new StringContent(json, Encoding.UTF8, "application/json");
        using var answer = await _http.PostAsync(new Uri("v1/" + path, UriKind.Relative), body);
        var text = await answer.Content.ReadAsStringAsync();
        return answer.IsSuccessStatusCode
            ? text.Length == 0 ? null : JsonNode.Parse(text)!.AsObject()
            : throw new InvalidOperationException($"{path}: {(int)answer.StatusCode} {text}");
    }

    /// <summary>Values at a path of the KV engine, whatever is there; null where nothing is.</summary>
    public async Task<JsonObject?> ReadAsync(string path)
    {
        using var answer = await _http.GetAsync(new Uri("v1/kv/data/" + path, UriKind.Relative));
        var body = JsonNode.Parse(await answer.Content.ReadAsStringAsync());
        return body?["data"]?["data"] as JsonObject;
    }

    /// <summary>Writes a path of the KV engine, whatever is there.</summary>
    public Task WriteAsync(string path, JsonObject values) => PostAsync("kv/data/" + path, new JsonObject { ["data"] = values }.ToJsonString());

    /// <summary>Deletes the newest version, or with metadata all of a path.</summary>
    public async Task DeleteAsync(string path, bool metadata = false)
    {
        using var answer = await _http.DeleteAsync(new Uri($"v1/kv/{(metadata ? "metadata" : "data")}/{path}", UriKind.Relative));
        answer.EnsureSuccessStatusCode();
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    // A server of an earlier run has it already.
    private async Task MountAsync(string path, string json)
    {
        try
        {
            await PostAsync(path, json);
        }
        catch (InvalidOperationException exception) when (exception.Message.Contains("path is already in use", StringComparison.Ordinal))
        {
            // As wanted.
        }
    }
}
