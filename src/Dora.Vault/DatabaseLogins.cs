using System.Text.Json.Nodes;

namespace Dora.Vault;

/// <summary>A database secrets engine: logins that Vault makes or rotates (developer.hashicorp.com/vault/api-docs/secret/databases).</summary>
/// <param name="client">Whom to ask.</param>
/// <param name="mount">Where it is mounted.</param>
public sealed class DatabaseLogins(VaultClient client, string mount = "database")
{
    /// <summary>A new login, which ends with its lease.</summary>
    public async Task<DynamicLogin> CreateAsync(string role, CancellationToken cancellationToken = default)
    {
        // Each answer made a login: one that was lost on the way is not asked for again.
        var request = VaultRequest.Get(VaultRequest.Join(mount, "creds", role)) with { Repeatable = false };
        var answer = await client.SendAsync(request, cancellationToken);
        var body = VaultRefusal.Data(request, answer, VaultJson.Default.LoginBody);
        var envelope = VaultRefusal.Read(request, answer, VaultJson.Default.VaultEnvelope);
        return envelope.LeaseId is { Length: > 0 } lease
            ? new(body.Username, body.Password, new(lease, TimeSpan.FromSeconds(envelope.LeaseDuration), envelope.Renewable))
            : throw VaultRefusal.Invalid(request, answer, "it has no lease");
    }

    /// <summary>The login of a static role, whose password Vault changes.</summary>
    public async Task<StaticLogin> ReadAsync(string role, CancellationToken cancellationToken = default)
    {
        var body = await client.DataAsync(VaultRequest.Get(VaultRequest.Join(mount, "static-creds", role)), VaultJson.Default.StaticLoginBody, cancellationToken);
        return new(body.Username, body.Password, body.LastVaultRotation, TimeSpan.FromSeconds(body.RotationPeriod), TimeSpan.FromSeconds(body.Ttl));
    }
}

/// <summary>Leases of any secrets engine.</summary>
/// <param name="client">Whom to ask.</param>
public sealed class VaultLeases(VaultClient client)
{
    /// <summary>Makes a lease longer; the answer may grant less than asked.</summary>
    public async Task<VaultLease> RenewAsync(string lease, TimeSpan increment, CancellationToken cancellationToken = default)
    {
        var request = VaultRequest.Post("sys/leases/renew", new() { ["lease_id"] = lease, ["increment"] = (long)increment.TotalSeconds });
        var answer = await client.SendAsync(request, cancellationToken);
        var body = VaultRefusal.Read(request, answer, VaultJson.Default.LeaseBody);
        return new(body.LeaseId, TimeSpan.FromSeconds(body.LeaseDuration), body.Renewable);
    }

    /// <summary>Ends a lease and what it stands for.</summary>
    public Task RevokeAsync(string lease, CancellationToken cancellationToken = default) =>
        client.SendAsync(VaultRequest.Post("sys/leases/revoke", new JsonObject { ["lease_id"] = lease }), cancellationToken);
}

/// <summary>A lease.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Duration">From now on.</param>
/// <param name="Renewable">Whether it can be made longer.</param>
public sealed record VaultLease(string Id, TimeSpan Duration, bool Renewable);

/// <summary>A login that ends with its lease. In memory only.</summary>
public sealed record DynamicLogin(string Username, string Password, VaultLease Lease)
{
    /// <inheritdoc/>
    public override string ToString() => Username;
}

/// <summary>A login whose password Vault changes. In memory only.</summary>
/// <param name="Username">The user.</param>
/// <param name="Password">Its password now.</param>
/// <param name="LastRotation">When it was changed last.</param>
/// <param name="Period">How often it is.</param>
/// <param name="TimeToLive">Until the next change.</param>
public sealed record StaticLogin(string Username, string Password, DateTimeOffset? LastRotation, TimeSpan Period, TimeSpan TimeToLive)
{
    /// <inheritdoc/>
    public override string ToString() => Username;
}
