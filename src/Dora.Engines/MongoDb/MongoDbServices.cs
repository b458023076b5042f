using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.MongoDb;

/// <summary>The Services of MongoDB.</summary>
internal static class MongoDbServices
{
    private static readonly ServicePort Wire = new(MongoDbPlan.DefaultPort, "mongodb", "mongodb", "TCP");

    /// <summary>Everybody speaks to the one port.</summary>
    public static NetworkAccess Access { get; } = new([MongoDbPlan.DefaultPort], [MongoDbPlan.DefaultPort], [MongoDbPlan.DefaultPort]) { Backups = [MongoDbPlan.DefaultPort] };

    /// <summary>Names each member, ready or not: members and drivers find each other by these names, also before there is a set.</summary>
    public static Manifest Members(EngineNames names) => Manifest.Of(KubeTypes.Services, new(
        names.Meta(names.Members), new([Wire], names.Selector, ClusterIP: "None", PublishNotReadyAddresses: true)));

    /// <summary>The primary, for clients that do not follow the replica set themselves.</summary>
    public static Manifest Primary(EngineNames names) => Manifest.Of(KubeTypes.Services, new(
        names.Meta(names.Cluster), new([Wire], Role(names, Labels.PrimaryRole), Type: "ClusterIP")));

    /// <summary>The secondaries; never the arbiter, which has nothing to read.</summary>
    public static Manifest Replicas(EngineNames names) => Manifest.Of(KubeTypes.Services, new(
        names.Meta(names.Replicas), new([Wire], Role(names, Labels.ReplicaRole), Type: "ClusterIP")));

    private static Dictionary<string, string> Role(EngineNames names, string role) =>
        new(names.RoleSelector(role)) { [MongoDbStatefulSet.ComponentLabel] = MongoDbStatefulSet.DataComponent };
}
