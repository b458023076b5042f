using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.InfluxDb;

/// <summary>
/// The Services of InfluxDB. Nothing is elected: streams run from the first server to the second, so each Service names its pod.
/// </summary>
internal static class InfluxDbServices
{
    private const string PodName = "statefulset.kubernetes.io/pod-name";

    private static readonly ServicePort Http = new(InfluxDbPlan.HttpPort, "http", "http", "TCP");

    /// <summary>Streams go from server to server of 2.x. Port 8088 of 1.x is nobody's, of backups neither.</summary>
    public static NetworkAccess Access(InfluxDbPlan plan) =>
        new([InfluxDbPlan.HttpPort], plan.IsV2 ? [InfluxDbPlan.HttpPort] : [], [InfluxDbPlan.HttpPort]) { Backups = [InfluxDbPlan.HttpPort] };

    /// <summary>Names each server, ready or not: the first finds the second by this name.</summary>
    public static Manifest Members(EngineNames names) => Manifest.Of(KubeTypes.Services, new(
        names.Meta(names.Members), new([Http], names.Selector, ClusterIP: "None", PublishNotReadyAddresses: true)));

    /// <summary>The server that takes writes.</summary>
    public static Manifest Primary(EngineNames names) => Manifest.Of(KubeTypes.Services, new(
        names.Meta(names.Cluster), new([Http], Selector(names, 0), Type: "ClusterIP")));

    /// <summary>The server that is fed by the first.</summary>
    public static Manifest Replica(EngineNames names) => Manifest.Of(KubeTypes.Services, new(
        names.Meta(names.Replicas), new([Http], Selector(names, 1), Type: "ClusterIP")));

    private static Dictionary<string, string> Selector(EngineNames names, int ordinal) => new(names.Selector) { [PodName] = names.Pod(ordinal) };
}
