using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.MongoDb;

/// <summary>The StatefulSets: data members, each with the bootstrap beside it, and the arbiter.</summary>
internal static class MongoDbStatefulSet
{
    /// <summary>Recommended label: tells data members from the arbiter.</summary>
    public const string ComponentLabel = "app.kubernetes.io/component";
    public const string DataComponent = "data";
    public const string ArbiterComponent = "arbiter";

    /// <summary>On the data members' StatefulSet: whether there is an arbiter.</summary>
    public const string ArbiterAnnotation = "dora-operator.io/mongodb-arbiter";

    /// <summary>Mode 0440, which the file of a Secret gets anyway by fsGroup.</summary>
    private const int GroupReads = 288;

    public static Manifest Data(MongoDbPlan plan, IReadOnlyDictionary<string, string> config, int replicas, bool arbiter) => Render(
        plan,
        config,
        plan.Names.Meta(plan.Names.Cluster) with { Annotations = Marks(plan, arbiter) },
        DataComponent,
        replicas,
        [PodDefaults.DataClaim(plan.Names, plan.Storage)],
        Pod(plan, [Server(plan, plan.Resources, holdsData: true), Bootstrap(plan)], []));

    // An arbiter keeps the configuration and its last vote, no data. The vote outlives restarts of the container. A pod that is
    // replaced loses it, and learns the configuration anew from the others; by then the election it voted in has timed out.
    public static Manifest Arbiter(MongoDbPlan plan, IReadOnlyDictionary<string, string> config) => Render(
        plan,
        config,
        plan.Names.Meta(plan.ArbiterWorkload),
        ArbiterComponent,
        1,
        null,
        Pod(plan, [Voter(plan)], [PodDefaults.Scratch("data", limit: "2Gi")]));

    // What cannot change while members run beside each other, and what of the last round must be known.
    private static Dictionary<string, string> Marks(MongoDbPlan plan, bool arbiter)
    {
        var marks = new Dictionary<string, string> { [ArbiterAnnotation] = arbiter ? "true" : "false" };
        if (plan.Names.Encrypted)
            marks[Labels.Encrypted] = "true";
        return marks;
    }

    private static Manifest Render(
        MongoDbPlan plan, IReadOnlyDictionary<string, string> config, ObjectMeta meta, string component, int replicas, IReadOnlyList<PersistentVolumeClaim>? claims, PodSpec pod)
    {
        var names = plan.Names;
        var hash = PodDefaults.Hash(config.OrderBy(file => file.Key, StringComparer.Ordinal).SelectMany(file => new[] { file.Key, file.Value }));
        return Manifest.Of(KubeTypes.StatefulSets, new(
            meta,
            new(
                ServiceName: names.Members,
                Selector: new(MatchLabels: With(names.Selector, component)),
                // The arbiter counts as a member when members spread over nodes: a node that takes it and a data member takes the majority.
                Template: PodTemplates.Of(names, plan.Pods.Place(pod, names.Selector), hash, plan.Version, MongoDbServices.Access, KeyValuePair.Create(ComponentLabel, component)),
                Replicas: replicas,
                // Members must all be up to found the set.
                PodManagementPolicy: "Parallel",
                UpdateStrategy: PodDefaults.UpdateStrategy,
                VolumeClaimTemplates: claims,
                RevisionHistoryLimit: 5)));
    }

    private static PodSpec Pod(MongoDbPlan plan, IReadOnlyList<Container> containers, IReadOnlyList<Volume> volumes) => new(
        Containers: containers,
        Volumes:
        [
            new("config", ConfigMap: new($"{plan.Names.Cluster}-config")),
            new("memory", ConfigMap: new($"{plan.Names.Cluster}-memory")),
            new("secret", Secret: new(plan.Names.InternalSecret, DefaultMode: GroupReads, Items: [.. Mounted(plan).Select(key => new KeyToPath(key, key))])),
            .. plan.Names.Encrypted ? [new("tls", Secret: new(plan.Names.CertificateSecret, DefaultMode: GroupReads))] : Array.Empty<Volume>(),
            PodDefaults.Scratch("run", "Memory", "1Mi"),
            PodDefaults.Scratch("tmp"),
            .. volumes,
        ],
        ServiceAccountName: plan.Names.Cluster,
        AutomountServiceAccountToken: false,
        EnableServiceLinks: false,
        // Stepping down and catching up (at most 25 s), then a checkpoint of everything that is dirty in the cache.
        TerminationGracePeriodSeconds: 120,
        SecurityContext: PodDefaults.PodSecurity);

    private static string[] Mounted(MongoDbPlan plan) => ["keyfile", "admin-password", .. plan.Names.Release.NamedAdministrators ? ["admin-username"] : Array.Empty<string>()];

    private static Container Server(MongoDbPlan plan, ResourceSettings resources, bool holdsData) => Common(plan, "mongodb", "start-mongod.sh") with
    {
        Ports = [new(MongoDbPlan.DefaultPort, "mongodb", "TCP")],
        Resources = PodDefaults.Resources(resources),
        VolumeMounts =
        [
            new("data", "/data"),
            new("config", "/config", ReadOnly: true),
            new("secret", "/secret", ReadOnly: true),
            .. Tls(plan),
            new("run", "/run/mongodb"),
            new("tmp", "/tmp"),
        ],
        // The port opens after recovery from the journal, which may take long after a crash; half an hour here.
        StartupProbe = new(TcpSocket: new(MongoDbPlan.DefaultPort), PeriodSeconds: 2, TimeoutSeconds: 2, FailureThreshold: 900),
        // A copy of a large primary may take hours: not ready, and alive all the while.
        ReadinessProbe = new(new(["/bin/bash", "/config/ready.sh"]), PeriodSeconds: 3, TimeoutSeconds: 5, FailureThreshold: 2),
        LivenessProbe = new(TcpSocket: new(MongoDbPlan.DefaultPort), PeriodSeconds: 10, TimeoutSeconds: 5, FailureThreshold: 6),
        Lifecycle = holdsData ? new(PreStop: new(new ExecAction(["/bin/bash", "/config/stop-mongod.sh"]))) : null,
    };

    private static Container Voter(MongoDbPlan plan)
    {
        var server = Server(plan, new("50m", "512Mi"), holdsData: false);
        return server with { Command = [.. server.Command!, "--wiredTigerCacheSizeGB", "0.25"] };
    }

    /// <summary>
    /// Beside each data member, since pods of a StatefulSet are alike, and because any member may be primary when the first user
    /// is due. Only member 0 initiates. It runs the shell of the server's own image: the first user can be created from inside the
    /// pod only (localhost exception), and an image of the operator here would make each operator upgrade restart databases.
    /// </summary>
    private static Container Bootstrap(MongoDbPlan plan) => Common(plan, "bootstrap", "bootstrap.sh") with
    {
        Resources = PodDefaults.Resources(new("10m", "256Mi")),
        VolumeMounts =
        [
            new("config", "/config", ReadOnly: true),
            new("memory", "/memory", ReadOnly: true),
            new("secret", "/secret", ReadOnly: true),
            .. Tls(plan),
            new("tmp", "/tmp"),
        ],
    };

    private static VolumeMount[] Tls(MongoDbPlan plan) => plan.Names.Encrypted ? [new("tls", MongoDbTls.Folder, ReadOnly: true)] : [];

    private static Container Common(MongoDbPlan plan, string name, string script) => new(
        Name: name,
        Image: plan.Pods.Image("mongodb", plan.Version),
        ImagePullPolicy: plan.Names.Stack.Images.PullPolicy,
        Command: ["/bin/bash", $"/config/{script}"],
        Env:
        [
            // The shell keeps its history and logs under HOME.
            new("HOME", "/tmp"),
            PodDefaults.FromField("POD_NAME", "metadata.name"),
            PodDefaults.FromField("POD_IP", "status.podIP"),
            new("DOMAIN", plan.Names.Domain(plan.Names.Members)),
            new("MONGODB_PORT", MongoDbPlan.DefaultPort.ToString(System.Globalization.CultureInfo.InvariantCulture)),
            new("REPLICA_SET", MongoDbPlan.ReplicaSet),
            .. plan.Names.Encrypted ? [new(MongoDbTls.Variable, MongoDbTls.Options)] : Array.Empty<EnvVar>(),
        ],
        SecurityContext: PodDefaults.ContainerSecurity,
        TerminationMessagePolicy: "FallbackToLogsOnError");

    private static Dictionary<string, string> With(IReadOnlyDictionary<string, string> labels, string component) => new(labels) { [ComponentLabel] = component };
}
