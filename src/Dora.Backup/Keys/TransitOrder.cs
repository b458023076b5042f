using System.Text.Json.Serialization;

namespace Dora.Backup.Keys;

/// <summary>A key of Vault's transit engine that wraps data keys; holds no secret.</summary>
/// <param name="Address">Base address of Vault.</param>
/// <param name="Key">Name of the key.</param>
/// <param name="Role">Role of the auth method that the pod logs in to with its service account.</param>
/// <param name="AuthMount">Where the auth method is mounted.</param>
/// <param name="Mount">Where the transit engine is mounted.</param>
/// <param name="Namespace">Namespace of Vault Enterprise or OpenBao, or null.</param>
public sealed record TransitOrder(Uri Address, string Key, string Role, string AuthMount = "kubernetes", string Mount = "transit", string? Namespace = null)
{
    /// <summary>Whether the address is one that can be asked.</summary>
    [JsonIgnore]
    public bool HasAddress => Address is { IsAbsoluteUri: true, Scheme: "https" or "http" };
}
