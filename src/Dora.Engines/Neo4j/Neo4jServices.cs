using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Neo4j;

/// <summary>The Services of Neo4j.</summary>
internal static class Neo4jServices
{
    private static readonly ServicePort BoltPort = new(Neo4jPlan.BoltPort, "bolt", "bolt", "TCP");

    /// <summary>The cluster's ports know no password: only members reach them.</summary>
    public static NetworkAccess Access(Neo4jPlan plan) => new(
        [Neo4jPlan.BoltPort, Web(plan)],
        plan.Clustered ? [Neo4jPlan.ClusterPort, Neo4jPlan.RaftPort, Neo4jPlan.RoutingPort] : [],
        // What speaks TLS is tried, whoever uses it.
        plan.Names.Encrypted ? [Neo4jPlan.HttpsPort, Neo4jPlan.BoltPort] : [Neo4jPlan.HttpPort])
    {
        Metrics = plan.Enterprise ? [Neo4jPlan.MetricsPort] : [],
        Abroad = plan.Ldap is { } ldap ? [Port(ldap)] : [],
    };

    private static int Web(Neo4jPlan plan) => plan.Names.Encrypted ? Neo4jPlan.HttpsPort : Neo4jPlan.HttpPort;

    private static ServicePort WebPort(Neo4jPlan plan)
    {
        var name = plan.Names.Encrypted ? "https" : "http";
        return new(Web(plan), name, name, "TCP");
    }

    // The registered ports of LDAP (RFC 4516), unless the address names another.
    private static int Port(Neo4jLdap ldap) => Uri.TryCreate(ldap.Host, UriKind.Absolute, out var address) && address.Port > 0
        ? address.Port
        : ldap.Host.StartsWith("ldaps://", StringComparison.Ordinal) ? 636 : 389;

    /// <summary>Names each member, ready or not: members must find each other before any of them can be ready.</summary>
    public static Manifest Members(Neo4jPlan plan)
    {
        List<ServicePort> ports = [BoltPort, WebPort(plan)];
        if (plan.Clustered)
        {
            ports.Add(new(Neo4jPlan.ClusterPort, "cluster", "cluster", "TCP"));
            ports.Add(new(Neo4jPlan.RaftPort, "raft", "raft", "TCP"));
            ports.Add(new(Neo4jPlan.RoutingPort, "routing", "routing", "TCP"));
        }

        if (plan.Enterprise)
            ports.Add(new(Neo4jPlan.MetricsPort, "metrics", "metrics", "TCP"));
        return Manifest.Of(KubeTypes.Services, new(
            plan.Names.Meta(plan.Names.Members), new(ports, plan.Names.Selector, ClusterIP: "None", PublishNotReadyAddresses: true)));
    }

    /// <summary>
    /// Where drivers begin: any ready member gives them the routing table, which names the leader of each database by its member
    /// name. A server that is asked for a write it cannot take passes it on.
    /// </summary>
    public static Manifest Bolt(Neo4jPlan plan) => Manifest.Of(KubeTypes.Services, new(
        plan.Names.Meta(plan.Names.Cluster), new([BoltPort, WebPort(plan)], plan.Names.Selector, Type: "ClusterIP")));
}
