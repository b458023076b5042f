using System.Text.Json.Nodes;

namespace Dora.Vault;

/// <summary>A transit secrets engine: keys that never leave Vault (developer.hashicorp.com/vault/api-docs/secret/transit).</summary>
/// <param name="client">Whom to ask.</param>
/// <param name="mount">Where it is mounted.</param>
public sealed class TransitKeys(VaultClient client, string mount = "transit")
{
    /// <summary>
    /// Encrypts a few bytes, such as a data key; answers <c>vault:v1:…</c>. (<c>datakey</c> would make such a key too, and takes no associated data.)
    /// </summary>
    public async Task<string> EncryptAsync(string key, byte[] plaintext, byte[]? associated = null, CancellationToken cancellationToken = default) =>
        (await client.DataAsync(Post("encrypt", key, Body(associated, ("plaintext", Convert.ToBase64String(plaintext)))), VaultJson.Default.CiphertextBody, cancellationToken)).Ciphertext;

    /// <summary>Decrypts what the same key encrypted.</summary>
    public async Task<byte[]> DecryptAsync(string key, string ciphertext, byte[]? associated = null, CancellationToken cancellationToken = default)
    {
        var request = Post("decrypt", key, Body(associated, ("ciphertext", ciphertext)));
        var answer = await client.SendAsync(request, cancellationToken);
        return Bytes(request, answer, VaultRefusal.Data(request, answer, VaultJson.Default.PlaintextBody).Plaintext);
    }

    /// <summary>
    /// The same under the newest version of the key; what is inside stays in Vault. The documented request takes no associated data:
    /// what is bound to some must be decrypted and encrypted again.
    /// </summary>
    public async Task<string> RewrapAsync(string key, string ciphertext, CancellationToken cancellationToken = default) =>
        (await client.DataAsync(Post("rewrap", key, Body(null, ("ciphertext", ciphertext))), VaultJson.Default.CiphertextBody, cancellationToken)).Ciphertext;

    // What was said once may be said again: nothing is kept of it.
    private VaultRequest Post(string verb, string key, JsonObject body) => VaultRequest.Post(VaultRequest.Join(mount, verb, key), body) with { Repeatable = true };

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
