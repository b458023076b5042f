using System.ComponentModel;
using Dora.Api;
using Dora.Kubernetes.Schema;

namespace Dora.Engines.Postgres;

/// <summary>A role beside the operator's own.</summary>
[Cel("!has(self.vault) || self.login", "vault belongs to a role that may log in", FieldPath = ".vault")]
[Cel("!(self.name in ['postgres', 'standby', 'rewind', 'app', 'monitor', 'backup', 'pooler', 'pooler_lookup', 'public', 'none']) && !self.name.startsWith('pg_')", "postgres, standby, rewind, app, monitor, backup, pooler, pooler_lookup, public, none and names in pg_ are taken; choose another name", FieldPath = ".name")]
public sealed record PostgresRole(
    [property: Description("Its name."), Pattern(PostgresRole.NamePattern), MaxLength(32)]
    string Name,
    [property: Description("Whether it may log in; its password is then in Secret '<stack>-postgres-role-<name>', with '-' for '_'. False for a group.")]
    bool Login = true,
    [property: Description("Connections at the same time at most; no limit when absent."), Minimum(0), Maximum(10000)]
    int? ConnectionLimit = null,
    [property: Description("Roles whose rights it has: declared ones, 'app', or pg_monitor, pg_read_all_data, pg_write_all_data, pg_read_all_settings, pg_read_all_stats, pg_stat_scan_tables, pg_signal_backend, pg_checkpoint. What is taken from the list is revoked."), MaxItems(16), MaxLength(32)]
    IReadOnlyList<string>? InRoles = null,
    [property: Description("Vault's database engine gives its login, in Secret '<stack>-postgres-vault-<name>', and the operator sets no password. With staticRole the role itself logs in; with dynamicRole it is the group whose members Vault makes. Needs credentials.source Vault.")]
    VaultDatabaseRole? Vault = null)
{
    /// <summary>Names of roles, which become part of the name of a Secret.</summary>
    public const string NamePattern = "^[a-z]([a-z0-9_]{0,30}[a-z0-9])?$";
}

/// <summary>A database beside <c>app</c>.</summary>
[Cel("!(self.name in ['postgres', 'template0', 'template1']) && !self.name.startsWith('pg_')", "postgres, template0, template1 and names in pg_ are the server's own; choose another name", FieldPath = ".name")]
public sealed record PostgresDatabase(
    [property: Description("Its name; 'app' always exists, name it here to give it extensions."), Pattern(PostgresRole.NamePattern), MaxLength(32)]
    string Name,
    [property: Description("Role that owns it: a declared one, or 'app'."), Pattern(PostgresRole.NamePattern), MaxLength(32)]
    string Owner = PostgresPlan.AppUser,
    [property: Description("Extensions that it has. One that is taken from the list is kept."), MaxItems(32), MaxLength(63), Pattern(PostgresDatabase.ExtensionPattern)]
    IReadOnlyList<string>? Extensions = null)
{
    /// <summary>Names of extensions.</summary>
    public const string ExtensionPattern = "^[a-z]([-a-z0-9_]{0,61}[a-z0-9])?$";
}

/// <summary>A role as it shall be.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Login">Whether it may log in.</param>
/// <param name="ConnectionLimit">Connections at most; -1 for no limit.</param>
/// <param name="InRoles">Roles whose rights it has.</param>
/// <param name="Secret">Secret of its password; null without login.</param>
/// <param name="ReadsAllRows">Whether row security does not hide rows from it, without which a dump would fail or lack them.</param>
/// <param name="KeepsPassword">Whether its password is somebody else's to set.</param>
internal sealed record RolePlan(string Name, bool Login, int ConnectionLimit, IReadOnlyList<string> InRoles, string? Secret, bool ReadsAllRows = false, bool KeepsPassword = false);

/// <summary>A database as it shall be.</summary>
internal sealed record DatabasePlan(string Name, string Owner, IReadOnlyList<string> Extensions);
