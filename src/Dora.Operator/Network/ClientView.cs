using System.Collections.Concurrent;
using Dora.Api;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;

namespace Dora.Operator.Network;

/// <summary>
/// Whether anybody is whom a stack names as a client. Of each list one entry is asked for, seldom, and only for stacks that name
/// somebody by labels; an operator that may not ask says nothing.
/// </summary>
public sealed class ClientView(KubeClient client, TimeProvider clock)
{
    private static readonly TimeSpan Memory = TimeSpan.FromMinutes(5);

    private readonly ConcurrentDictionary<ObjectKey, Known> _known = new();

    private sealed record Known(long? Generation, IReadOnlyList<string> Idle, long At);

    /// <summary>Paths of the entries that match nothing now.</summary>
    public async Task<IReadOnlyList<string>> ReadAsync(ComplianceStack stack, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stack);
        var clients = ClientSelectors.Of(stack.Spec.Network).ToList();
        if (clients.Count == 0)
            return [];
        var key = ObjectKey.Of(stack);
        if (_known.TryGetValue(key, out var known) && known.Generation == stack.Metadata.Generation && clock.GetElapsedTime(known.At) < Memory)
            return known.Idle;
        var idle = new List<string>();
        foreach (var named in clients)
        {
            if (await MatchesNothingAsync(named, stack.Metadata.Namespace, cancellationToken).ConfigureAwait(false))
                idle.Add(named.Path);
        }

        _known[key] = new(stack.Metadata.Generation, idle, clock.GetTimestamp());
        return idle;
    }

    /// <summary>Forgets a stack that is gone.</summary>
    public void Forget(ObjectKey key) => _known.TryRemove(key, out _);

    // A pod of a namespace that is not meant may hide that none of the others matches: what is said is true, though not all is said.
    private async Task<bool> MatchesNothingAsync(NamedClient named, string? ns, CancellationToken cancellationToken) =>
        (named.Namespaces is { } namespaces && await IsEmptyAsync(KubeTypes.Namespaces, null, namespaces, cancellationToken).ConfigureAwait(false))
        || (named.Pods is { } pods && await IsEmptyAsync(KubeTypes.Pods, named.Abroad ? null : ns, pods, cancellationToken).ConfigureAwait(false));

    private async Task<bool> IsEmptyAsync<T>(KubeType<T> type, string? ns, string selector, CancellationToken cancellationToken)
        where T : class, IKubeObject
    {
        try
        {
            return (await client.ListPageAsync(type, ns, new(LabelSelector: selector, Limit: 1), cancellationToken).ConfigureAwait(false)).Items is not { Count: > 0 };
        }
        catch (KubeException)
        {
            // Not allowed, or not now: nothing is known.
            return false;
        }
    }
}
