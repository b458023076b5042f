using System.Text.Json;
using System.Text.Json.Serialization;

namespace Dora.Vault;

/// <summary>What Vault's API says and hears (developer.hashicorp.com/vault/api-docs), as far as it is used.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(VaultEnvelope))]
[JsonSerializable(typeof(VaultErrors))]
[JsonSerializable(typeof(HealthBody))]
[JsonSerializable(typeof(TokenBody))]
[JsonSerializable(typeof(ListBody))]
[JsonSerializable(typeof(KvBody))]
[JsonSerializable(typeof(KvVersionBody))]
[JsonSerializable(typeof(KvMetadataBody))]
[JsonSerializable(typeof(LoginBody))]
[JsonSerializable(typeof(StaticLoginBody))]
[JsonSerializable(typeof(LeaseBody))]
[JsonSerializable(typeof(CertificateBody))]
[JsonSerializable(typeof(CiphertextBody))]
[JsonSerializable(typeof(PlaintextBody))]
internal sealed partial class VaultJson : JsonSerializerContext;

/// <summary>The envelope of most answers.</summary>
internal sealed record VaultEnvelope(JsonElement? Data = null, AuthBody? Auth = null, string? LeaseId = null, long LeaseDuration = 0, bool Renewable = false)
{
    public override string ToString() => "VaultEnvelope";
}

internal sealed record VaultErrors(IReadOnlyList<string>? Errors = null);

internal sealed record AuthBody(string ClientToken, long LeaseDuration = 0, bool Renewable = false)
{
    public override string ToString() => "AuthBody";
}

internal sealed record HealthBody(bool Initialized, bool Sealed, bool Standby = false, string? Version = null);

/// <summary>auth/token/lookup-self.</summary>
internal sealed record TokenBody(long Ttl, bool Renewable = false);

internal sealed record ListBody(IReadOnlyList<string> Keys);

internal sealed record KvBody(IReadOnlyDictionary<string, JsonElement>? Data, KvVersionBody Metadata)
{
    public override string ToString() => "KvBody";
}

internal sealed record KvVersionBody(int Version = 0, string? CreatedTime = null, string? DeletionTime = null, bool Destroyed = false);

internal sealed record KvMetadataBody(int CurrentVersion, IReadOnlyDictionary<string, KvVersionBody>? Versions = null);

/// <summary>database/creds.</summary>
internal sealed record LoginBody(string Username, string Password)
{
    public override string ToString() => "LoginBody";
}

/// <summary>database/static-creds.</summary>
internal sealed record StaticLoginBody(string Username, string Password, DateTimeOffset? LastVaultRotation = null, long RotationPeriod = 0, long Ttl = 0)
{
    public override string ToString() => "StaticLoginBody";
}

/// <summary>sys/leases/renew answers with the lease in the envelope.</summary>
internal sealed record LeaseBody(string LeaseId, long LeaseDuration, bool Renewable = false);

/// <summary>pki/sign.</summary>
internal sealed record CertificateBody(string Certificate, string? IssuingCa = null, IReadOnlyList<string>? CaChain = null);

internal sealed record CiphertextBody(string Ciphertext);

internal sealed record PlaintextBody(string Plaintext)
{
    public override string ToString() => "PlaintextBody";
}
