using System.Globalization;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.InfluxDb;

/// <summary>
/// The StatefulSet of InfluxDB. An init container makes the administrator while the server listens on the pod's loopback address
/// only: until there is one, anybody who reaches the server may become it.
/// </summary>
internal static class InfluxDbStatefulSet
{
    public const string VersionAnnotation = "dora-operator.io/influxdb-version";
    public const string OrganizationAnnotation = "dora-operator.io/influxdb-organization";

    private const int ReadableByGroup = 288;

    public static Manifest Render(InfluxDbPlan plan, IReadOnlyDictionary<string, string> config, int replicas)
    {
        var names = plan.Names;
        var hash = PodDefaults.Hash(config.OrderBy(file => file.Key, StringComparer.Ordinal).SelectMany(file => new[] { file.Key, file.Value }));
        var annotations = new Dictionary<string, string> { [VersionAnnotation] = plan.Version };
        if (plan.IsV2)
            annotations[OrganizationAnnotation] = plan.Organization;
        return Manifest.Of(KubeTypes.StatefulSets, new(
            names.Meta(names.Cluster) with { Annotations = annotations },
            new(
                ServiceName: names.Members,
                Selector: new(MatchLabels: names.Selector),
                Template: PodTemplates.Of(names, plan.Pods.Place(Pod(plan), names.Selector), hash, plan.Version, InfluxDbServices.Access(plan)),
                Replicas: replicas,
                PodManagementPolicy: "Parallel",
                UpdateStrategy: PodDefaults.UpdateStrategy,
                VolumeClaimTemplates: [PodDefaults.DataClaim(names, plan.Storage)],
                RevisionHistoryLimit: 5)));
    }

    private static PodSpec Pod(InfluxDbPlan plan) => new(
        Containers: [Server(plan)],
        InitContainers: [Bootstrap(plan)],
        Volumes:
        [
            new("config", ConfigMap: new($"{plan.Names.Cluster}-config")),
            new("memory", ConfigMap: new($"{plan.Names.Cluster}-memory")),
            new("bootstrap", Secret: new(plan.Names.InternalSecret, DefaultMode: ReadableByGroup)),
            new("secret", Secret: new(plan.Names.InternalSecret, DefaultMode: ReadableByGroup, Items: ProbeCredentials(plan))),
            .. plan.Names.Encrypted ? [new("tls", Secret: new(plan.Names.CertificateSecret, DefaultMode: ReadableByGroup))] : Array.Empty<Volume>(),
            PodDefaults.Scratch("tmp"),
        ],
        ServiceAccountName: plan.Names.Cluster,
        AutomountServiceAccountToken: false,
        EnableServiceLinks: false,
        // On SIGTERM the server writes what is in memory to disk.
        TerminationGracePeriodSeconds: 120,
        SecurityContext: PodDefaults.PodSecurity);

    // What the probes log in with; the administrator's password of 1.x is not in reach of the server's container.
    private static KeyToPath[] ProbeCredentials(InfluxDbPlan plan) =>
        [.. (plan.IsV2 ? [InfluxDbCredentials.AdminToken] : plan.Names.Release.NamedAdministrators ? [InfluxDbCredentials.MonitorPassword, InfluxDbCredentials.MonitorUsername] : (string[])[InfluxDbCredentials.MonitorPassword]).Select(key => new KeyToPath(key, key))];

    private static Container Bootstrap(InfluxDbPlan plan) => Common(plan, "bootstrap", "bootstrap.sh") with
    {
        Env =
        [
            .. Environment(plan),
            PodDefaults.FromField("POD_NAME", "metadata.name"),
            new("SECRET_NAME", plan.Names.InternalSecret),
            .. plan.IsV2 ? new EnvVar[] { new("ORGANIZATION", plan.Organization), new("BUCKET", InfluxDbPlan.AppDatabase) } : [],
        ],
        VolumeMounts = [.. Mounts(), new("bootstrap", "/secret", ReadOnly: true), new("memory", "/memory", ReadOnly: true)],
    };

    private static Container Server(InfluxDbPlan plan) => Common(plan, "influxdb", "start.sh") with
    {
        Env =
        [
            .. Environment(plan),
            .. plan.IsV2 ? Array.Empty<EnvVar>() : [PodDefaults.FromSecret("INFLUXDB_HTTP_SHARED_SECRET", plan.Names.InternalSecret, InfluxDbCredentials.JwtSecret)],
            .. InfluxDbTls.Environment(plan),
        ],
        Ports = [new(InfluxDbPlan.HttpPort, "http", "TCP")],
        VolumeMounts =
        [
            .. Mounts(),
            new("secret", "/secret", ReadOnly: true),
            .. plan.Names.Encrypted ? [new("tls", InfluxDbTls.Folder, ReadOnly: true)] : Array.Empty<VolumeMount>(),
        ],
        // Opening many shards takes minutes, in which the server does not listen.
        StartupProbe = Script("alive.sh", period: 3, failures: 200),
        ReadinessProbe = Script("ready.sh", period: 5, failures: 3),
        LivenessProbe = Script("alive.sh", period: 10, failures: 6),
    };

    private static Container Common(InfluxDbPlan plan, string name, string script) => new(
        Name: name,
        Image: plan.Pods.Image("influxdb", plan.Version),
        ImagePullPolicy: plan.Names.Stack.Images.PullPolicy,
        Command: ["/bin/sh", $"/config/{script}"],
        Resources: PodDefaults.Resources(plan.Resources),
        SecurityContext: PodDefaults.ContainerSecurity,
        TerminationMessagePolicy: "FallbackToLogsOnError");

    private static VolumeMount[] Mounts() => [new("data", InfluxDbConfig.DataPath), new("config", "/config", ReadOnly: true), new("tmp", "/tmp")];

    private static List<EnvVar> Environment(InfluxDbPlan plan)
    {
        List<EnvVar> variables =
        [
            // The client keeps its history there.
            new("HOME", "/tmp"),
            new("GOMEMLIMIT", plan.CollectorLimit),
            new("HTTP_PORT", InfluxDbPlan.HttpPort.ToString(CultureInfo.InvariantCulture)),
            new("DATA", InfluxDbConfig.DataPath),
        ];
        variables.Add(plan.IsV2 ? new("INFLUXD_CONFIG_PATH", "/config/config.yaml") : new("INFLUXDB_CONFIG_PATH", "/config/influxdb.conf"));
        return variables;
    }

    private static Probe Script(string name, int period, int failures) =>
        new(new(["/bin/sh", $"/config/{name}"]), PeriodSeconds: period, TimeoutSeconds: 5, FailureThreshold: failures);
}
