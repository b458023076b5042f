using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace Dora.Testing.Vault;

/// <summary>A transit secrets engine: AES-256-GCM under numbered keys.</summary>
internal sealed class VaultTransit : IVaultMount
{
    private readonly Dictionary<string, List<byte[]>> _keys = new(StringComparer.Ordinal);

    public string Type => "transit";

    public VaultReply Answer(VaultCall call, string path) => (path.Split('/'), call.Operation) switch
    {
        (["keys", var name], "create" or "update") => Add(name),
        (["keys", var name, "rotate"], "create" or "update") => Add(name),
        (["encrypt", var name], "create" or "update") => Guarded(name, () => VaultReply.Data(new JsonObject { ["ciphertext"] = Encrypt(name, Convert.FromBase64String(call.Text("plaintext")), call), ["key_version"] = _keys[name].Count })),
        (["decrypt", var name], "create" or "update") => Guarded(name, () => VaultReply.Data(new JsonObject { ["plaintext"] = Convert.ToBase64String(Decrypt(name, call)) })),
        (["rewrap", var name], "create" or "update") => Guarded(name, () => VaultReply.Data(new JsonObject { ["ciphertext"] = Encrypt(name, Decrypt(name, Bare(call)), Bare(call)), ["key_version"] = _keys[name].Count })),
        _ => VaultReply.Nothing,
    };

    private VaultReply Add(string name)
    {
        if (!_keys.TryGetValue(name, out var versions))
            _keys[name] = versions = [];
        versions.Add(RandomNumberGenerator.GetBytes(32));
        return VaultReply.Done;
    }

    private VaultReply Guarded(string name, Func<VaultReply> work)
    {
        if (!_keys.ContainsKey(name))
            return VaultReply.Errors(400, "encryption key not found");
        try
        {
            return work();
        }
        catch (Exception exception) when (exception is FormatException or CryptographicException or ArgumentException)
        {
            return VaultReply.Errors(400, "invalid ciphertext: unable to decrypt");
        }
    }

    private string Encrypt(string name, byte[] plaintext, VaultCall call)
    {
        var (nonce, cipher, tag) = (RandomNumberGenerator.GetBytes(12), new byte[plaintext.Length], new byte[16]);
        using var gcm = new AesGcm(_keys[name][^1], 16);
        gcm.Encrypt(nonce, plaintext, cipher, tag, Associated(call));
        return $"vault:v{_keys[name].Count}:{Convert.ToBase64String([.. nonce, .. cipher, .. tag])}";
    }

    private byte[] Decrypt(string name, VaultCall call)
    {
        if (call.Text("ciphertext").Split(':') is not ["vault", ['v', .. var version], var text] || !int.TryParse(version, out var number) || number < 1 || number > _keys[name].Count)
            throw new FormatException();
        var bytes = Convert.FromBase64String(text);
        var plaintext = new byte[bytes.Length - 28];
        using var gcm = new AesGcm(_keys[name][number - 1], 16);
        gcm.Decrypt(bytes.AsSpan(0, 12), bytes.AsSpan(12, plaintext.Length), bytes.AsSpan(12 + plaintext.Length), plaintext, Associated(call));
        return plaintext;
    }

    // Its documented parameters hold no associated_data; one that is not known is ignored.
    private static VaultCall Bare(VaultCall call) => call with { Body = new() { ["ciphertext"] = call.Text("ciphertext") } };

    private static byte[] Associated(VaultCall call) => Convert.FromBase64String(call.Text("associated_data"));
}
