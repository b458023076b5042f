using System.Globalization;
using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Neo4j;

/// <summary>The StatefulSet whose pods run one Neo4j server each.</summary>
internal static class Neo4jStatefulSet
{
    public const string EditionAnnotation = "dora-operator.io/neo4j-edition";
    public const string PrimariesAnnotation = "dora-operator.io/neo4j-primaries";

    // Owner and group read (0440).
    private const int SecretMode = 288;

    public static Manifest Render(Neo4jPlan plan, IReadOnlyDictionary<string, string> config, int replicas)
    {
        var names = plan.Names;
        var hash = PodDefaults.Hash(config.OrderBy(file => file.Key, StringComparer.Ordinal).SelectMany(file => new[] { file.Key, file.Value }));
        var meta = names.Meta(names.Cluster) with { Annotations = Marks(plan) };
        return Manifest.Of(KubeTypes.StatefulSets, new(
            meta,
            new(
                ServiceName: names.Members,
                Selector: new(MatchLabels: names.Selector),
                Template: PodTemplates.Of(names, plan.Pods.Place(Pod(plan), names.Selector), hash, plan.Version, Neo4jServices.Access(plan)),
                Replicas: replicas,
                PodManagementPolicy: "Parallel",
                UpdateStrategy: PodDefaults.UpdateStrategy,
                VolumeClaimTemplates: [PodDefaults.DataClaim(names, plan.Storage)],
                RevisionHistoryLimit: 5)));
    }

    // What cannot change while members run beside each other.
    private static Dictionary<string, string> Marks(Neo4jPlan plan)
    {
        var marks = new Dictionary<string, string>
        {
            [EditionAnnotation] = plan.Edition.ToString(),
            [PrimariesAnnotation] = plan.Primaries.ToString(CultureInfo.InvariantCulture),
        };
        if (plan.Names.Encrypted)
            marks[Labels.Encrypted] = "true";
        return marks;
    }

    private static PodSpec Pod(Neo4jPlan plan)
    {
        List<Volume> volumes =
        [
            new("config", ConfigMap: new($"{plan.Names.Cluster}-config")),
            new("secret", Secret: new(plan.Names.InternalSecret, DefaultMode: SecretMode, Items: [new("initial-password", "initial-password")])),
            PodDefaults.Scratch("run", "Memory", "16Mi"),
            PodDefaults.Scratch("tmp"),
        ];
        if (plan.Names.Encrypted)
            volumes.Add(Neo4jTls.Volume(plan, SecretMode));
        if (plan.Clustered)
            volumes.Add(new("memory", ConfigMap: new($"{plan.Names.Cluster}-memory")));
        if (plan.Ldap?.SystemAccount is { } account)
            volumes.Add(new("ldap", Secret: new(account.PasswordSecret, DefaultMode: SecretMode, Items: [new("password", "password")])));
        return new(
            Containers: [Server(plan)],
            Volumes: volumes,
            ServiceAccountName: plan.Names.Cluster,
            AutomountServiceAccountToken: false,
            // Service links would set NEO4J_* variables, which the official entry point takes for settings.
            EnableServiceLinks: false,
            // A stop writes a checkpoint; killing it in the middle makes the next start recover for as long.
            TerminationGracePeriodSeconds: plan.Names.Stack.Tier == Tier.Development ? 300 : 3600,
            SecurityContext: PodDefaults.PodSecurity);
    }

    private static Container Server(Neo4jPlan plan) => new(
        Name: "neo4j",
        Image: plan.Pods.Image("neo4j", plan.Enterprise ? $"{plan.Version}-enterprise" : plan.Version),
        ImagePullPolicy: plan.Names.Stack.Images.PullPolicy,
        Command: ["tini", "-g", "--", "/bin/sh", "/config/start-neo4j.sh"],
        Env: Environment(plan),
        Ports: Ports(plan),
        Resources: PodDefaults.Resources(plan.Resources),
        VolumeMounts: Mounts(plan),
        // Recovery of a large store after a crash may take hours; it is not to be cut short.
        StartupProbe: new(TcpSocket: new("bolt"), PeriodSeconds: 5, TimeoutSeconds: 5, FailureThreshold: 1000),
        ReadinessProbe: new(HttpGet: Ready(plan), PeriodSeconds: 5, TimeoutSeconds: 5, FailureThreshold: 3),
        LivenessProbe: new(TcpSocket: new("bolt"), PeriodSeconds: 10, TimeoutSeconds: 10, FailureThreshold: 12),
        SecurityContext: PodDefaults.ContainerSecurity,
        TerminationMessagePolicy: "FallbackToLogsOnError");

    private static HttpGetAction Ready(Neo4jPlan plan)
    {
        var path = plan.Clustered ? "/db/system/cluster/available" : "/";
        return plan.Names.Encrypted ? new(path, "https", "HTTPS") : new(path, "http");
    }

    private static List<EnvVar> Environment(Neo4jPlan plan)
    {
        List<EnvVar> environment =
        [
            PodDefaults.FromField("POD_NAME", "metadata.name"),
            new("MODE", plan.Clustered ? "Cluster" : "Standalone"),
            new("CLUSTER", plan.Names.Cluster),
            new("DOMAIN", plan.Names.Domain(plan.Names.Members)),
            new("NEO4J_CONF", "/run/neo4j/conf"),
        ];
        if (plan.Clustered)
            environment.Add(new("ENDPOINTS_SETTING", Neo4jConfig.EndpointsSetting(plan)));
        if (plan is { Enterprise: true, License: { } license })
            environment.Add(new("NEO4J_ACCEPT_LICENSE_AGREEMENT", license == Neo4jLicense.Commercial ? "yes" : "eval"));
        return environment;
    }

    private static List<ContainerPort> Ports(Neo4jPlan plan)
    {
        List<ContainerPort> ports = [new(Neo4jPlan.BoltPort, "bolt", "TCP"), plan.Names.Encrypted ? new(Neo4jPlan.HttpsPort, "https", "TCP") : new(Neo4jPlan.HttpPort, "http", "TCP")];
        if (plan.Clustered)
            ports.AddRange([new(Neo4jPlan.ClusterPort, "cluster", "TCP"), new(Neo4jPlan.RaftPort, "raft", "TCP"), new(Neo4jPlan.RoutingPort, "routing", "TCP")]);
        if (plan.Enterprise)
            ports.Add(new(Neo4jPlan.MetricsPort, "metrics", "TCP"));
        return ports;
    }

    private static List<VolumeMount> Mounts(Neo4jPlan plan)
    {
        List<VolumeMount> mounts =
        [
            new("data", "/data"),
            new("config", "/config", ReadOnly: true),
            new("secret", "/secret", ReadOnly: true),
            new("run", "/run/neo4j"),
            new("tmp", "/tmp"),
        ];
        if (plan.Names.Encrypted)
            mounts.Add(new("tls", Neo4jTls.Folder, ReadOnly: true));
        if (plan.Clustered)
            mounts.Add(new("memory", "/memory", ReadOnly: true));
        if (plan.Ldap?.SystemAccount is not null)
            mounts.Add(new("ldap", "/ldap", ReadOnly: true));
        return mounts;
    }
}
