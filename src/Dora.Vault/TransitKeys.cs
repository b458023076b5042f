using System.Text.Json.Nodes;

namespace Dora.Vault;

/// <summary>A transit secrets engine: keys that never leave Vault (developer.hashicorp.com/vault/api-docs/secret/transit).</summary>
/// <param name="client">Whom to ask.</param>
/// <param name="mount">Where it is mounted.</param>
public sealed class TransitKeys(VaultClient client, string mount = "transit")
{
    /// <summary>A fresh 256-bit key to encrypt with here, and the same key encrypted, to be kept beside what it encrypted.</summary>
    /// <param name="key">Name of the key in Vault.</param>
    /// <param name="associated">What the encrypted key is bound to, or null.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    public async Task<DataKey> DataKeyAsync(string key, byte[]? associated = null, CancellationToken cancellationToken = default)
    {
        var request = VaultRequest.Post(VaultRequest.Join(mount, "datakey", "plaintext", key), Body(associated, ("bits", 256)));
        var answer = await client.SendAsync(request, cancellationToken);
        var body = VaultRefusal.Data(request, answer, VaultJson.Default.DataKeyBody);
        return new(Bytes(request, answer, body.Plaintext), body.Ciphertext);
    }

    /// <summary>Encrypts a few bytes; answers <c>vault:v1:…</c>.</summary>
    public async Task<string> EncryptAsync(string key, byte[] plaintext, byte[]? associated = null, CancellationToken cancellationToken = default) =>
        (await client.DataAsync(VaultRequest.Post(VaultRequest.Join(mount, "encrypt", key), Body(associated, ("plaintext", Convert.ToBase64String(plaintext)))), VaultJson.Default.CiphertextBody, cancellationToken)).Ciphertext;

    /// <summary>Decrypts what the same key encrypted.</summary>
    public async Task<byte[]> DecryptAsync(string key, string ciphertext, byte[]? associated = null, CancellationToken cancellationToken = default)
    {
        var request = VaultRequest.Post(VaultRequest.Join(mount, "decrypt", key), Body(associated, ("ciphertext", ciphertext)));
        var answer = await client.SendAsync(request, cancellationToken);
        return Bytes(request, answer, VaultRefusal.Data(request, answer, VaultJson.Default.PlaintextBody).Plaintext);
    }

    /// <summary>
    /// The same under the newest version of the key; what is inside stays in Vault. The documented request takes no associated data:
    /// what is bound to some must be decrypted and encrypted again.
    /// </summary>
    public async Task<string> RewrapAsync(string key, string ciphertext, CancellationToken cancellationToken = default) =>
        (await client.DataAsync(VaultRequest.Post(VaultRequest.Join(mount, "rewrap", key), Body(null, ("ciphertext", ciphertext))), VaultJson.Default.CiphertextBody, cancellationToken)).Ciphertext;

    private static JsonObject Body(byte[]? associated, (string Key, JsonNode Value) field)
    {
        var body = new JsonObject { [field.Key] = field.Value };
        if (associated is not null)
            body["associated_data"] = Convert.ToBase64String(associated);
        return body;
    }

    private static byte[] Bytes(VaultRequest request, VaultAnswer answer, string text)
    {
        try
        {
            return Convert.FromBase64String(text);
        }
        catch (FormatException)
        {
            throw VaultRefusal.Invalid(request, answer, "the plaintext is not base64");
        }
    }
}

/// <summary>A key to encrypt with here.</summary>
/// <param name="Plaintext">32 bytes, in memory only: to be cleared after use.</param>
/// <param name="Ciphertext">The same, encrypted by Vault.</param>
public sealed record DataKey(byte[] Plaintext, string Ciphertext)
{
    /// <inheritdoc/>
    public override string ToString() => "DataKey";
}
