using System.ComponentModel;
using System.Text.Json.Serialization;
using Dora.Kubernetes.Schema;

namespace Dora.Api;

/// <summary>How connections are encrypted. There is no "off": from stack version 2026.12 every server speaks TLS only.</summary>
[Cel("self.issuer == 'CertManager' ? has(self.issuerRef) : !has(self.issuerRef)", "issuerRef belongs to issuer CertManager, which needs it", FieldPath = ".issuerRef")]
[Cel("self.issuer == 'Vault' ? has(self.vault) : !has(self.vault)", "vault belongs to issuer Vault, which needs it", FieldPath = ".vault")]
public sealed record TlsSettings(
    [property: Description("Who signs the servers' certificates. Operator: an authority of this stack's own, kept in the Secret NAME-ca. CertManager: cert-manager, by the issuer of issuerRef. Vault: Vault's PKI secrets engine.")]
    TlsIssuer Issuer = TlsIssuer.Operator,
    [property: Description("The oldest version that servers accept. Absent: 1.3 where the engine can, else 1.2. An engine that cannot do what is asked is refused.")]
    TlsVersion? MinimumVersion = null,
    [property: Description("The issuer that cert-manager asks.")]
    CertManagerIssuer? IssuerRef = null,
    [property: Description("The PKI secrets engine that Vault signs with.")]
    VaultPki? Vault = null);

/// <summary>Who signs the servers' certificates.</summary>
[JsonConverter(typeof(EnumNames<TlsIssuer>))]
public enum TlsIssuer
{
    /// <summary>An authority of the stack's own, made by the operator.</summary>
    Operator,

    /// <summary>cert-manager.</summary>
    CertManager,

    /// <summary>Vault's PKI secrets engine.</summary>
    Vault,
}

/// <summary>A version of TLS.</summary>
[JsonConverter(typeof(EnumNames<TlsVersion>))]
public enum TlsVersion
{
    /// <summary>RFC 5246.</summary>
    [JsonStringEnumMemberName("1.2")]
    Tls12,

    /// <summary>RFC 8446.</summary>
    [JsonStringEnumMemberName("1.3")]
    Tls13,
}

/// <summary>An issuer of cert-manager.</summary>
public sealed record CertManagerIssuer(
    [property: Description("Its name."), MinLength(1), MaxLength(253)]
    string Name,
    [property: Description("Issuer, of the stack's namespace, or ClusterIssuer."), MinLength(1), MaxLength(63)]
    string Kind = "Issuer",
    [property: Description("Its API group."), MinLength(1), MaxLength(253)]
    string Group = "cert-manager.io");

/// <summary>A role of Vault's PKI secrets engine, and the Vault where that is not the one of <c>spec.credentials.vault</c>.</summary>
[Cel("!has(self.address) || " + VaultSettings.SafeAddress, VaultSettings.UnsafeAddress, FieldPath = ".address")]
[Cel("!(has(self.caSecret) && has(self.caConfigMap))", "give caSecret or caConfigMap, not both")]
[Cel("has(self.address) || !(has(self.__namespace__) || has(self.role) || has(self.authMount) || has(self.caSecret) || has(self.caConfigMap))", "namespace, role, authMount, caSecret and caConfigMap belong to address; without it the Vault of spec.credentials.vault is used as it is given there", FieldPath = ".address")]
public sealed record VaultPki(
    [property: Description("The role of the PKI secrets engine that allows the servers' names. What it gives counts: 90 days are asked for."), Pattern("^[A-Za-z0-9_.-]+$"), MaxLength(128)]
    string PkiRole,
    [property: Description("Where the PKI secrets engine is mounted."), Pattern(VaultSettings.PathPattern), MaxLength(253)]
    string Mount = "pki",
    [property: Description("Base address of the Vault, one of those that the operator is told to trust (--vault-address). Absent: the Vault of spec.credentials.vault."), Pattern(VaultSettings.AddressPattern), MaxLength(253)]
    string? Address = null,
    [property: Description("Namespace of Vault Enterprise or OpenBao."), MaxLength(253), MinLength(1)]
    string? Namespace = null,
    [property: Description("Role of the auth method that the operator logs in to, where it logs in as a service account. Default with an address: dora."), Pattern("^[A-Za-z0-9_.-]+$"), MaxLength(128)]
    string? Role = null,
    [property: Description("Where the auth method is mounted. Default with an address: kubernetes."), Pattern(VaultSettings.PathPattern), MaxLength(253)]
    string? AuthMount = null,
    [property: Description("Secret of this namespace whose key ca.crt holds the certificates that sign Vault's. Default: those of the operator's image."), MaxLength(253), MinLength(1)]
    string? CaSecret = null,
    [property: Description("The same in a ConfigMap."), MaxLength(253), MinLength(1)]
    string? CaConfigMap = null)
{
    /// <summary>Whom to ask; null where neither this nor the credentials of the stack name a Vault.</summary>
    public VaultConnection? Connection(CredentialSettings? credentials) => Address is null
        ? credentials?.Vault?.Connection()
        : new(Address, Namespace, Role ?? VaultConnection.DefaultRole, AuthMount ?? VaultConnection.DefaultAuthMount, CaSecret, CaConfigMap);
}
