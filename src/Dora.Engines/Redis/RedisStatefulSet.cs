using System.Globalization;
using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Redis;

/// <summary>The StatefulSet whose pods run a Redis server and, in mode Sentinel, a Sentinel beside it.</summary>
internal static class RedisStatefulSet
{
    public const string ModeAnnotation = "dora-operator.io/redis-mode";

    /// <summary>Of what members take up only when they restart.</summary>
    public static string Hash(RedisPlan plan) =>
        PodDefaults.Hash(RedisConfig.Render(plan.AtStart).OrderBy(file => file.Key, StringComparer.Ordinal).SelectMany(file => new[] { file.Key, file.Value }));

    public static Manifest Render(RedisPlan plan, int replicas)
    {
        var names = plan.Names;
        var meta = names.Meta(names.Cluster) with { Annotations = Marks(plan) };
        return Manifest.Of(KubeTypes.StatefulSets, new(
            meta,
            new(
                ServiceName: names.Members,
                Selector: new(MatchLabels: names.Selector),
                Template: PodTemplates.Of(names, plan.Pods.Place(Pod(plan), names.Selector), Hash(plan), plan.Version, RedisServices.Access(plan.Mode)),
                Replicas: replicas,
                PodManagementPolicy: "Parallel",
                UpdateStrategy: PodDefaults.UpdateStrategy,
                VolumeClaimTemplates: [PodDefaults.DataClaim(names, plan.Storage)],
                RevisionHistoryLimit: 5)));
    }

    // What cannot change while members run beside each other.
    private static Dictionary<string, string> Marks(RedisPlan plan)
    {
        var marks = new Dictionary<string, string> { [ModeAnnotation] = plan.Mode.ToString() };
        if (plan.Names.Encrypted)
            marks[Labels.Encrypted] = "true";
        return marks;
    }

    private static PodSpec Pod(RedisPlan plan) => new(
        Containers: plan.Mode == RedisMode.Sentinel ? [Server(plan), Sentinel(plan)] : [Server(plan)],
        Volumes:
        [
            new("config", ConfigMap: new($"{plan.Names.Cluster}-config")),
            new("memory", ConfigMap: new($"{plan.Names.Cluster}-memory")),
            new("secret", Secret: new(plan.Names.InternalSecret, DefaultMode: 288)),
            new("app", Secret: new(plan.Names.AppSecret, DefaultMode: 288, Items: [new("password", "app-password")])),
            .. plan.Names.Encrypted ? [new("tls", Secret: new(plan.Names.CertificateSecret, DefaultMode: 288))] : Array.Empty<Volume>(),
            PodDefaults.Scratch("run", "Memory", "16Mi"),
            PodDefaults.Scratch("tmp"),
        ],
        ServiceAccountName: plan.Names.Cluster,
        AutomountServiceAccountToken: false,
        EnableServiceLinks: false,
        TerminationGracePeriodSeconds: 60,
        SecurityContext: PodDefaults.PodSecurity);

    private static Container Server(RedisPlan plan) => Common(plan, "redis", "start-redis.sh") with
    {
        Ports = plan.Mode == RedisMode.Cluster ? [new(RedisPlan.Port, "redis", "TCP"), new(RedisPlan.BusPort, "bus", "TCP")] : [new(RedisPlan.Port, "redis", "TCP")],
        Resources = PodDefaults.Resources(plan.Resources),
        // Loading a large file may take minutes; the server answers LOADING meanwhile, which is alive.
        StartupProbe = Script("alive.sh", period: 2, failures: 60),
        // A master that is back waits for this before it takes writes.
        ReadinessProbe = Script("ready.sh", period: 2, failures: 3),
        LivenessProbe = Script("alive.sh", period: 10, failures: 6),
        Lifecycle = plan.Mode != RedisMode.Standalone ? new(PreStop: new(new ExecAction(["/bin/sh", "/config/stop-redis.sh"]))) : null,
    };

    private static Container Sentinel(RedisPlan plan) => Common(plan, "sentinel", "start-sentinel.sh") with
    {
        Ports = [new(RedisPlan.SentinelPort, "sentinel", "TCP")],
        Resources = PodDefaults.Resources(new("20m", "64Mi")),
        ReadinessProbe = new(TcpSocket: new(RedisPlan.SentinelPort), PeriodSeconds: 3, TimeoutSeconds: 2, FailureThreshold: 2),
        LivenessProbe = new(TcpSocket: new(RedisPlan.SentinelPort), InitialDelaySeconds: 60, PeriodSeconds: 10, TimeoutSeconds: 5, FailureThreshold: 6),
    };

    private static Container Common(RedisPlan plan, string name, string script) => new(
        Name: name,
        Image: plan.Pods.Image("redis", plan.Version),
        ImagePullPolicy: plan.Names.Stack.Images.PullPolicy,
        Command: ["/bin/sh", $"/config/{script}"],
        Env:
        [
            PodDefaults.FromField("POD_NAME", "metadata.name"),
            .. plan.Mode == RedisMode.Cluster ? [PodDefaults.FromField("POD_IP", "status.podIP")] : Array.Empty<EnvVar>(),
            new("MODE", plan.Mode.ToString()),
            new("CLUSTER", plan.Names.Cluster),
            new("DOMAIN", plan.Names.Domain(plan.Names.Members)),
            new("REDIS_PORT", RedisPlan.Port.ToString(CultureInfo.InvariantCulture)),
            new("SENTINEL_PORT", RedisPlan.SentinelPort.ToString(CultureInfo.InvariantCulture)),
            new("MASTER_NAME", RedisPlan.MasterName),
            new("MIN_REPLICAS", RedisPlan.MinReplicas.ToString(CultureInfo.InvariantCulture)),
        ],
        VolumeMounts:
        [
            new("data", "/data"),
            new("config", "/config", ReadOnly: true),
            new("memory", "/memory", ReadOnly: true),
            new("secret", "/secret", ReadOnly: true),
            new("app", "/secret-app", ReadOnly: true),
            .. plan.Names.Encrypted ? [new("tls", RedisTls.Folder, ReadOnly: true)] : Array.Empty<VolumeMount>(),
            new("run", "/run/redis"),
            new("tmp", "/tmp"),
        ],
        SecurityContext: PodDefaults.ContainerSecurity,
        TerminationMessagePolicy: "FallbackToLogsOnError");

    private static Probe Script(string name, int period, int failures) =>
        new(new(["/bin/sh", $"/config/{name}"]), PeriodSeconds: period, TimeoutSeconds: 5, FailureThreshold: failures);
}
