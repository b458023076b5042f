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

/// <summary>A role of Vault's PKI secrets engine.</summary>
public sealed record VaultPki(
    [property: Description("The role that allows the servers' names."), MinLength(1), MaxLength(253)]
    string Role,
    [property: Description("Where the secrets engine is mounted."), MinLength(1), MaxLength(253)]
    string Mount = "pki");
