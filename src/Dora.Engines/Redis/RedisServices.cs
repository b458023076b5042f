using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Redis;

/// <summary>The Services of Redis.</summary>
internal static class RedisServices
{
    private static readonly ServicePort Resp = new(RedisPlan.Port, "redis", "redis", "TCP");
    private static readonly ServicePort Bus = new(RedisPlan.BusPort, "bus", "bus", "TCP");
    private static readonly ServicePort Sentinel = new(RedisPlan.SentinelPort, "sentinel", "sentinel", "TCP");

    /// <summary>Clients ask the Sentinels for the master; the bus of a cluster knows no password and is for members only.</summary>
    public static NetworkAccess Access(RedisMode mode) => mode switch
    {
        RedisMode.Sentinel => new([RedisPlan.Port, RedisPlan.SentinelPort], [RedisPlan.Port, RedisPlan.SentinelPort], [RedisPlan.Port, RedisPlan.SentinelPort]) { Backups = [RedisPlan.Port] },
        RedisMode.Cluster => new([RedisPlan.Port], [RedisPlan.Port, RedisPlan.BusPort], [RedisPlan.Port]) { Backups = [RedisPlan.Port] },
        _ => new([RedisPlan.Port], [], [RedisPlan.Port]) { Backups = [RedisPlan.Port] },
    };

    /// <summary>Names each member, ready or not: Sentinels find members by these names whatever their addresses become.</summary>
    public static Manifest Members(EngineNames names, RedisMode mode) => Manifest.Of(KubeTypes.Services, new(
        names.Meta(names.Members),
        new(Ports(mode), names.Selector, ClusterIP: "None", PublishNotReadyAddresses: true)));

    /// <summary>Any member of a cluster: clients that speak its protocol learn the others from it.</summary>
    public static Manifest Everyone(EngineNames names) => Manifest.Of(KubeTypes.Services, new(
        names.Meta(names.Cluster), new([Resp], names.Selector, Type: "ClusterIP")));

    /// <summary>The master, for clients that do not speak Sentinel.</summary>
    public static Manifest Primary(EngineNames names) => Manifest.Of(KubeTypes.Services, new(
        names.Meta(names.Cluster), new([Resp], names.RoleSelector(Labels.PrimaryRole), Type: "ClusterIP")));

    /// <summary>The replicas.</summary>
    public static Manifest Replicas(EngineNames names) => Manifest.Of(KubeTypes.Services, new(
        names.Meta(names.Replicas), new([Resp], names.RoleSelector(Labels.ReplicaRole), Type: "ClusterIP")));

    /// <summary>The Sentinels, for clients that ask them for the master.</summary>
    public static Manifest Sentinels(EngineNames names) => Manifest.Of(KubeTypes.Services, new(
        names.Meta(SentinelName(names)), new([Sentinel], names.Selector, Type: "ClusterIP")));

    /// <summary>Name of the Service of the Sentinels.</summary>
    public static string SentinelName(EngineNames names) => $"{names.Cluster}-sentinel";

    private static IReadOnlyList<ServicePort> Ports(RedisMode mode) => mode switch
    {
        RedisMode.Sentinel => [Resp, Sentinel],
        RedisMode.Cluster => [Resp, Bus],
        _ => [Resp],
    };
}
