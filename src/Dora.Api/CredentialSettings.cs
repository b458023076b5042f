using System.ComponentModel;
using System.Text.Json.Serialization;
using Dora.Kubernetes.Schema;

namespace Dora.Api;

/// <summary>Where passwords come from.</summary>
[Cel("has(self.source) && self.source == 'Vault' ? has(self.vault) : !has(self.vault)", "vault is needed with source Vault, and belongs to no other source")]
public sealed record CredentialSettings(
    [property: Description("Generated: random passwords, written once into Secrets of this namespace and never rewritten. Vault: a KV version 2 engine holds them; Secrets follow it.")]
    CredentialSource Source = CredentialSource.Generated,
    [property: Description("The Vault, with source Vault.")]
    VaultSettings? Vault = null,
    [property: Description("When passwords change by themselves, without an outage. Absent: only when the annotation dora-operator.io/rotate-credentials is given another value.")]
    RotationSettings? Rotation = null);

/// <summary>The authority for passwords.</summary>
[JsonConverter(typeof(EnumNames<CredentialSource>))]
public enum CredentialSource
{
    /// <summary>Generated once into Secrets.</summary>
    Generated,

    /// <summary>A KV version 2 engine of HashiCorp Vault or OpenBao.</summary>
    Vault,
}

/// <summary>A Vault, and where in it the passwords of a stack are.</summary>
[Cel(VaultSettings.SafeAddress, VaultSettings.UnsafeAddress, FieldPath = ".address")]
[Cel("!(has(self.caSecret) && has(self.caConfigMap))", "give caSecret or caConfigMap, not both")]
public sealed record VaultSettings(
    [property: Description("Base address, e.g. https://vault.vault:8200; one of those that the operator is told to trust (--vault-address)."), Pattern(VaultSettings.AddressPattern), MaxLength(253)]
    string Address,
    [property: Description("Namespace of Vault Enterprise or OpenBao."), MaxLength(253), MinLength(1)]
    string? Namespace = null,
    [property: Description("Role of the auth method that the operator logs in to, where it logs in as a service account."), Pattern("^[A-Za-z0-9_.-]+$"), MaxLength(128)]
    string Role = VaultConnection.DefaultRole,
    [property: Description("Where the auth method is mounted."), Pattern(VaultSettings.PathPattern), MaxLength(253)]
    string AuthMount = VaultConnection.DefaultAuthMount,
    [property: Description("Where the KV version 2 engine is mounted."), Pattern(VaultSettings.PathPattern), MaxLength(253)]
    string Mount = "kv",
    [property: Description("Path below the mount; each Secret is at PATH/ENGINE/SECRET, with its generated keys. Its second segment must be the stack's namespace: nobody reads another namespace's passwords through the operator. Default: dora/NAMESPACE/NAME."), Pattern(VaultSettings.PathPattern), MaxLength(253)]
    string? Path = null,
    [property: Description("Secret of this namespace whose key ca.crt holds the certificates that sign Vault's. Default: those of the operator's image."), MaxLength(253), MinLength(1)]
    string? CaSecret = null,
    [property: Description("The same in a ConfigMap."), MaxLength(253), MinLength(1)]
    string? CaConfigMap = null,
    [property: Description("Whether passwords that Vault does not hold are generated and written there. False: somebody else writes them first.")]
    bool Generate = true,
    [property: Description("Where the database secrets engine is mounted, for logins that Vault gives: fields 'vault' of declared roles."), Pattern(VaultSettings.PathPattern), MaxLength(253)]
    string DatabaseMount = "database")
{
    /// <summary>Segments of a path, without a slash at either end.</summary>
    public const string PathPattern = "^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$";

    internal const string AddressPattern = "^https?://[^/?#@ ]+/?$";

    internal const string SafeAddress = "self.address.startsWith('https://') || self.address.matches('^http://(localhost|127[.][0-9.]+|\\\\[::1\\\\])(:[0-9]+)?/?$')";

    internal const string UnsafeAddress = "address must begin with https://: over http everybody on the way reads the token and the passwords";

    /// <summary>Path of a stack below the mount.</summary>
    public string PathOf(string? ns, string? name) => Path ?? $"dora/{ns}/{name}";

    /// <summary>Whom to ask.</summary>
    public VaultConnection Connection() => new(Address, Namespace, Role, AuthMount, CaSecret, CaConfigMap);
}

/// <summary>A role of Vault's database secrets engine.</summary>
[Cel("has(self.staticRole) != has(self.dynamicRole)", "give staticRole or dynamicRole, one of the two")]
public sealed record VaultDatabaseRole(
    [property: Description("Vault changes the password of this user by its own schedule. The role's name begins with the stack's namespace and a dot."), Pattern(VaultDatabaseRole.NamePattern), MaxLength(253)]
    string? StaticRole = null,
    [property: Description("Vault makes a login with this role's rights, and another one before it ends. The role's name begins with the stack's namespace and a dot."), Pattern(VaultDatabaseRole.NamePattern), MaxLength(253)]
    string? DynamicRole = null)
{
    internal const string NamePattern = "^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$";

    /// <summary>Path of its logins below the mount; empty where neither is given.</summary>
    public string Path() => StaticRole is { } fixedRole ? $"static-creds/{fixedRole}" : DynamicRole is { } role ? $"creds/{role}" : "";
}

/// <summary>A Vault and how the operator logs in to it.</summary>
/// <param name="Address">Base address.</param>
/// <param name="Namespace">Namespace of Vault Enterprise or OpenBao.</param>
/// <param name="Role">Role of the auth method.</param>
/// <param name="AuthMount">Where the auth method is mounted.</param>
/// <param name="CaSecret">Secret of the stack's namespace with the certificates that sign Vault's.</param>
/// <param name="CaConfigMap">The same in a ConfigMap.</param>
public sealed record VaultConnection(string Address, string? Namespace, string Role, string AuthMount, string? CaSecret, string? CaConfigMap)
{
    /// <summary>Role where none is given.</summary>
    public const string DefaultRole = "dora";

    /// <summary>Mount of the auth method where none is given.</summary>
    public const string DefaultAuthMount = "kubernetes";
}
