using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Rendering;

/// <summary>
/// Who may reach the pods of an engine: a NetworkPolicy of what may come in. What is not named is shut, so a server that listens
/// on one port more opens none. The kubelet's probes come from the node and are subject to no policy.
/// </summary>
/// <param name="Clients">Ports for whom the stack lets in.</param>
/// <param name="Members">Ports that members need among themselves.</param>
/// <param name="Operator">Ports on which the operator asks and commands.</param>
internal sealed record NetworkAccess(IReadOnlyList<int> Clients, IReadOnlyList<int> Members, IReadOnlyList<int> Operator)
{
    private static readonly LabelSelector Everything = new();

    // The operator may run in any namespace.
    private static readonly NetworkPolicyPeer OperatorPods = new(new(MatchLabels: new Dictionary<string, string> { [Labels.Name] = Labels.OperatorName }), Everything);

    /// <summary>Other pods of the stack that come as clients, whatever the stack says of clients; they use the same ports.</summary>
    public IReadOnlyDictionary<string, string>? Neighbour { get; init; }

    /// <summary>The policy of an engine's members; none where the stack wants none.</summary>
    public IEnumerable<Manifest> Render(EngineNames names) => Render(names, names.Cluster, names.Selector);

    /// <summary>The policy of the pods that a selector finds.</summary>
    public IEnumerable<Manifest> Render(EngineNames names, string name, IReadOnlyDictionary<string, string> pods)
    {
        var network = names.Stack.Network ?? new();
        if (network.Policies == NetworkPolicyMode.Disabled)
            return [];
        List<NetworkPolicyPeer> clients = [.. network.Clients is { } named ? named.Where(client => client is not null).Select(Peer) : [new(Everything)]];
        if (Neighbour is not null)
            clients.Add(new(new(MatchLabels: Neighbour)));
        // A rule without a source or without a port would stand for all of them.
        IEnumerable<NetworkPolicyIngressRule> rules =
        [
            new([new(new(MatchLabels: pods))], Ports(Members)),
            new([OperatorPods], Ports(Operator)),
            new(clients, Ports(Clients)),
        ];
        return [Manifest.Of(KubeTypes.NetworkPolicies, new(
            names.Meta(name),
            new(new(MatchLabels: pods), ["Ingress"], [.. rules.Where(rule => rule is { From.Count: > 0, Ports.Count: > 0 })])))];
    }

    private static List<NetworkPolicyPort> Ports(IReadOnlyList<int> ports) => [.. ports.Select(port => new NetworkPolicyPort(port, "TCP"))];

    private static NetworkPolicyPeer Peer(NetworkClient client) => client.Cidr is { } cidr
        ? new(IpBlock: new(cidr))
        : new(Selector(client.PodSelector), Selector(client.NamespaceSelector));

    private static LabelSelector? Selector(NetworkSelector? wanted) => wanted is null ? null : new(
        wanted.MatchLabels is { Count: > 0 } labels ? labels.OrderBy(label => label.Key, StringComparer.Ordinal).ToDictionary() : null,
        wanted.MatchExpressions is { Count: > 0 } expressions
            ? [.. expressions.Where(expression => expression is not null).Select(expression => new LabelSelectorRequirement(expression.Key, expression.Operator.ToString(), expression.Values))]
            : null);
}
