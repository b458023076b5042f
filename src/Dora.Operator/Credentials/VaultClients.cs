using System.Collections.Concurrent;
using System.Text;
using Dora.Api;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Vault;

namespace Dora.Operator.Credentials;

/// <summary>One client, and so one login, for all stacks that name the same Vault in the same way.</summary>
public sealed class VaultClients(KubeClient client, VaultAccess access, TimeProvider clock) : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<(string Address, string? Namespace, string Role, string AuthMount, string? Authority), VaultClient> _clients = new();

    /// <summary>The client of a stack.</summary>
    /// <exception cref="VaultUntrustedException">The operator is not told to trust that Vault.</exception>
    /// <exception cref="InvalidDataException">The certificates that it names are not there.</exception>
    /// <exception cref="ArgumentException">They are no certificates.</exception>
    /// <exception cref="KubeException">They cannot be read.</exception>
    public async Task<VaultClient> OfAsync(ComplianceStack stack, VaultConnection connection, CancellationToken cancellationToken)
    {
        // Whoever writes a stack chooses an address: the operator's token is shown to none but those it was told.
        if (!access.Trusts(connection.Address))
            throw new VaultUntrustedException(connection.Address);
        var authority = await AuthorityAsync(stack, connection, cancellationToken).ConfigureAwait(false);
        return _clients.GetOrAdd((connection.Address, connection.Namespace, connection.Role, connection.AuthMount, authority), _ => new(
            new(new(connection.Address), connection.Namespace, authority, access.TrustedHosts) { Deadline = Deadline },
            access.Auth switch
            {
                VaultAccess.AppRole => new VaultLogin.AppRole(access.RoleId ?? "", access.File, connection.AuthMount == VaultAccess.Kubernetes ? VaultAccess.AppRole : connection.AuthMount),
                VaultAccess.Token => new VaultLogin.Token(access.File),
                _ => new VaultLogin.Kubernetes(connection.Role, access.File, connection.AuthMount),
            },
            clock));
    }

    private async Task<string?> AuthorityAsync(ComplianceStack stack, VaultConnection connection, CancellationToken cancellationToken)
    {
        const string key = "ca.crt";
        var ns = stack.Metadata.Namespace;
        if (connection.CaConfigMap is { } map)
        {
            return (await client.FindAsync(KubeTypes.ConfigMaps, ns, map, cancellationToken).ConfigureAwait(false))?.Data?.GetValueOrDefault(key)
                ?? throw new InvalidDataException($"ConfigMap {map} has no key {key}");
        }

        if (connection.CaSecret is not { } secret)
            return null;
        var found = (await client.FindAsync(KubeTypes.Secrets, ns, secret, cancellationToken).ConfigureAwait(false))?.Data?.GetValueOrDefault(key);
        return found is null ? throw new InvalidDataException($"Secret {secret} has no key {key}") : Encoding.UTF8.GetString(Convert.FromBase64String(found));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var open in _clients.Values)
            open.Dispose();
    }
}
