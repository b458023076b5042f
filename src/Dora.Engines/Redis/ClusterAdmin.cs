using System.Text;

namespace Dora.Engines.Redis;

/// <summary>Connections of the operator to the members of a cluster, one each, opened when first needed. Names of keys may be any bytes.</summary>
internal sealed class ClusterAdmin(RedisPlan plan, EngineTarget target) : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Dictionary<string, RespClient> _clients = new(StringComparer.Ordinal);

    /// <summary>What lets a member hand keys to another.</summary>
    public string MigratePassword => target.Credential(plan.Names.InternalSecret, "migrate-password");

    /// <summary>Says one thing to one member.</summary>
    /// <exception cref="RespException">The server refuses.</exception>
    public async Task<RespValue> SayAsync(ClusterMember member, CancellationToken cancellationToken, params string[] words)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        if (!_clients.TryGetValue(member.Pod.Name, out var client))
        {
            client = await RedisAdmin.Of(plan, target).ConnectAsync(member.Pod, RedisPlan.Port, patience.Token, Encoding.Latin1).ConfigureAwait(false);
            _clients[member.Pod.Name] = client;
        }

        return await client.SendAsync(patience.Token, words).ConfigureAwait(false);
    }

    /// <summary>Says what is already so when it is refused; false when it was.</summary>
    public async Task<bool> TryAsync(ClusterMember member, CancellationToken cancellationToken, params string[] words)
    {
        try
        {
            await SayAsync(member, cancellationToken, words).ConfigureAwait(false);
            return true;
        }
        catch (RespException exception) when (exception.Code == "ERR")
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients.Values)
            await client.DisposeAsync().ConfigureAwait(false);
    }
}
