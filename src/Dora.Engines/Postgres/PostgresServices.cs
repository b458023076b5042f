using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Postgres;

/// <summary>The Services of a PostgreSQL cluster.</summary>
internal static class PostgresServices
{
    private static readonly ServicePort Sql = new(PostgresPlan.Port, "postgresql", "postgresql", "TCP");

    /// <summary>Members stream from each other and ask each other's Patroni; so does the operator. The pooler comes as a client. Members archive.</summary>
    public static NetworkAccess Access(PostgresPlan plan) =>
        new([PostgresPlan.Port], [PostgresPlan.Port, PostgresPlan.RestPort], [PostgresPlan.Port, PostgresPlan.RestPort])
        {
            Neighbour = plan.Pooler?.Names.Selector,
            AsksApiServer = true,
            Backups = PgBackRest.Serves(plan) ? [PostgresPlan.Port, PgBackRest.Port] : [PostgresPlan.Port],
            Abroad = PgBackRest.Serves(plan) ? [PgBackRest.StorePort(plan)] : [],
        };

    /// <summary>Names each member, ready or not: members must find each other while none is ready.</summary>
    public static Manifest Members(EngineNames names) => Manifest.Of(KubeTypes.Services, new(
        names.Meta(names.Members),
        new([Sql, new(PostgresPlan.RestPort, "patroni", "patroni", "TCP")], names.Selector, ClusterIP: "None", PublishNotReadyAddresses: true)));

    /// <summary>Follows the leader by the label that Patroni moves.</summary>
    public static Manifest Primary(EngineNames names) => Manifest.Of(KubeTypes.Services, new(
        names.Meta(names.Cluster), new([Sql], names.RoleSelector(Labels.PrimaryRole), Type: "ClusterIP")));

    /// <summary>The members that follow.</summary>
    public static Manifest Replicas(EngineNames names) => Manifest.Of(KubeTypes.Services, new(
        names.Meta(names.Replicas), new([Sql], names.RoleSelector(Labels.ReplicaRole), Type: "ClusterIP")));
}
