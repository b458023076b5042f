using Dora.Api;

namespace Dora.Engines;

/// <summary>A login that Vault's database engine gives, and the Secret in which applications find it.</summary>
/// <param name="Field">Path of the setting that asks for it.</param>
/// <param name="Role">The role in Vault.</param>
/// <param name="Username">The user that a static role must be of; null for a dynamic one, whose users Vault names.</param>
/// <param name="Secret">The Secret.</param>
public sealed record VaultLogin(string Field, VaultDatabaseRole Role, string? Username, CredentialRequest Secret);
