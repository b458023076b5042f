using Dora.Api;
using Dora.Engines.Backups;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Rendering;

/// <summary>
/// Who may reach the pods of an engine, and whom they may reach: a NetworkPolicy of both, and what a service mesh is told. What is not named is shut, so a server that
/// listens on one port more opens none. The kubelet's probes come from the node and are subject to no policy.
/// </summary>
/// <param name="Clients">Ports for whom the stack lets in.</param>
/// <param name="Members">Ports that members need among themselves.</param>
/// <param name="Operator">Ports on which the operator asks and commands.</param>
internal sealed record NetworkAccess(IReadOnlyList<int> Clients, IReadOnlyList<int> Members, IReadOnlyList<int> Operator)
{
    // Where a cluster's DNS listens: its Service's port, that of OpenShift's pods, and NodeLocal DNSCache, which is no pod.
    private static readonly IReadOnlyList<NetworkPolicyPort> DnsPorts = [new(53, "UDP"), new(53, "TCP"), new(5353, "UDP"), new(5353, "TCP")];
    private static readonly IReadOnlyList<NetworkPolicyPeer> DnsServers = [new(NamespaceSelector: new()), new(IpBlock: new("169.254.20.10/32"))];

    private static readonly LabelSelector Everything = new();

    // The operator may run in any namespace.
    private static readonly NetworkPolicyPeer OperatorPods = new(new(MatchLabels: new Dictionary<string, string> { [Labels.Name] = Labels.OperatorName }), Everything);

    /// <summary>Other pods of the stack that come as clients, whatever the stack says of clients; they use the same ports.</summary>
    public IReadOnlyDictionary<string, string>? Neighbour { get; init; }

    /// <summary>Ports that the pods of backups read from, where the stack has any.</summary>
    public IReadOnlyList<int> Backups { get; init; } = [];

    /// <summary>Ports of metrics, for whom the stack names as monitoring.</summary>
    public IReadOnlyList<int> Metrics { get; init; } = [];

    /// <summary>Other pods of the stack that these reach, and their ports.</summary>
    public (IReadOnlyDictionary<string, string> Pods, IReadOnlyList<int> Ports)? Serves { get; init; }

    /// <summary>Whether the pods ask the API server.</summary>
    public bool AsksApiServer { get; init; }

    /// <summary>Ports that are asked at whatever address the settings name, such as a directory's.</summary>
    public IReadOnlyList<int> Abroad { get; init; } = [];

    /// <summary>Ports on which servers speak TLS themselves, and nothing else.</summary>
    private IEnumerable<int> Encrypted(EngineNames names) => Clients.Concat(Members).Concat(Operator).Concat(names.Stack.Backup is null ? [] : Backups).Distinct().Order();

    /// <summary>
    /// What tells a mesh's sidecar to leave these ports to the servers: within its own TLS theirs would be checked by nobody, and a
    /// server's name would be the sidecar's.
    /// </summary>
    public IEnumerable<KeyValuePair<string, string>> MeshAnnotations(EngineNames names) => !InMesh(names) ? [] :
    [
        new("traffic.sidecar.istio.io/excludeInboundPorts", string.Join(',', Encrypted(names))),
        new("traffic.sidecar.istio.io/excludeOutboundPorts", string.Join(',', Encrypted(names).Concat(Serves?.Ports ?? []).Distinct().Order())),
    ];

    /// <summary>The policy of an engine's members; none where the stack wants none.</summary>
    public IEnumerable<Manifest> Render(EngineNames names) => Render(names, names.Cluster, names.Selector);

    /// <summary>The policy of the pods that a selector finds.</summary>
    public IEnumerable<Manifest> Render(EngineNames names, string name, IReadOnlyDictionary<string, string> pods)
    {
        var network = names.Stack.Network ?? new();
        if (network.Policies == NetworkPolicyMode.Enabled)
            yield return Manifest.Of(KubeTypes.NetworkPolicies, new(names.Meta(name), new(new(MatchLabels: pods), ["Ingress", "Egress"], [.. In(names.Stack, network, pods)], [.. Out(network, pods)])));
        if (InMesh(names))
        {
            yield return Manifest.Of(KubeTypes.PeerAuthentications, new(names.Meta(name), new(
                new(pods),
                new("STRICT"),
                Encrypted(names).ToDictionary(port => port.ToString(System.Globalization.CultureInfo.InvariantCulture), _ => new MutualTls("DISABLE")))));
        }
    }

    // Servers of older stack versions speak in the clear; the rules refuse a mesh there.
    private static bool InMesh(EngineNames names) => names.Encrypted && names.Stack.Network?.Mesh == NetworkMesh.Istio;

    // A rule without a source or without a port would stand for all of them.
    private IEnumerable<NetworkPolicyIngressRule> In(StackContext stack, NetworkSettings network, IReadOnlyDictionary<string, string> pods)
    {
        List<NetworkPolicyPeer> clients = [.. network.Clients is { } named ? named.Where(client => client is not null).Select(Peer) : [new(Everything)]];
        if (Neighbour is not null)
            clients.Add(new(new(MatchLabels: Neighbour)));
        IEnumerable<NetworkPolicyIngressRule> rules =
        [
            new([new(new(MatchLabels: pods))], Ports(Members)),
            new([OperatorPods], Ports(Operator)),
            new(clients, Ports(Clients)),
            new(stack.Backup is null ? [] : [new(new(MatchLabels: BackupPods.Selector(stack.Name)))], Ports(Backups)),
            new([.. (network.Monitoring ?? []).Where(client => client is not null).Select(Peer)], Ports(Metrics)),
        ];
        return rules.Where(rule => rule is { From.Count: > 0, Ports.Count: > 0 });
    }

    private IEnumerable<NetworkPolicyEgressRule> Out(NetworkSettings network, IReadOnlyDictionary<string, string> pods)
    {
        yield return new(DnsServers, DnsPorts);
        if (Members.Count > 0)
            yield return new([new(new(MatchLabels: pods))], Ports(Members));
        if (Serves is { } served)
            yield return new([new(new(MatchLabels: served.Pods))], Ports(served.Ports));
        // Without a destination a rule stands for all: no label tells the API server, nor what lies outside the cluster.
        if (AsksApiServer)
            yield return new(network.ApiServer is { Count: > 0 } addresses ? [.. addresses.Select(cidr => new NetworkPolicyPeer(IpBlock: new(cidr)))] : null, Ports([443, 6443]));
        if (Abroad.Count > 0)
            yield return new(null, Ports(Abroad));
        foreach (var destination in (network.Egress ?? []).Where(destination => destination is { Ports.Count: > 0 }))
            yield return new([Peer(new(destination.NamespaceSelector, destination.PodSelector, destination.Cidr))], Ports(destination.Ports));
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
