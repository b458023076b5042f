using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Postgres;

/// <summary>The StatefulSet whose pods run Patroni, which runs PostgreSQL.</summary>
internal static class PostgresStatefulSet
{
    private const string Patroni = "/usr/bin/patroni";
    private const string Folder = "/etc/patroni";

    // As certificates' keys.
    private const int ReadByGroup = 0b100_100_000;

    public static Manifest Render(PostgresPlan plan, int replicas)
    {
        var names = plan.Names;
        // Patroni finds its members by the scope label, which pods must carry from the start.
        var scope = KeyValuePair.Create(PatroniConfig.ScopeLabel, names.Cluster);
        return Manifest.Of(KubeTypes.StatefulSets, new(
            names.Meta(names.Cluster),
            new(
                ServiceName: names.Members,
                Selector: new(MatchLabels: names.Selector),
                Template: PodTemplates.Of(names, plan.Pods.Place(Pod(plan), names.Selector), PodDefaults.Hash(PatroniConfig.NeedsRestart(plan)), plan.Version, PostgresServices.Access(plan), scope),
                Replicas: replicas,
                PodManagementPolicy: "Parallel",
                UpdateStrategy: PodDefaults.UpdateStrategy,
                VolumeClaimTemplates: [PodDefaults.DataClaim(names, plan.Storage)],
                RevisionHistoryLimit: 5)));
    }

    /// <summary>
    /// The ConfigMap of Patroni's file. Encrypted members have one of their own: those that are not yet must still find the file
    /// that they can start with.
    /// </summary>
    public static string Config(EngineNames names) => names.Encrypted ? $"{names.Cluster}-patroni-tls" : $"{names.Cluster}-patroni";

    private static PodSpec Pod(PostgresPlan plan)
    {
        var names = plan.Names;
        return new(
            Containers: [Server(plan), .. PgBackRest.Serves(plan) ? [PgBackRest.Server(plan)] : Array.Empty<Container>()],
            Volumes:
            [
                new("config", ConfigMap: new(Config(names))),
                .. names.Release.ReadsPasswords ? [new Volume("patroni", Projected: new([new(ConfigMap: new(Config(names))), new(Secret: new(names.InternalSecret, [new(PostgresOwnLogins.File, PostgresOwnLogins.File)]))], ReadByGroup))] : Array.Empty<Volume>(),
                .. names.Encrypted ? [PostgresTls.Volume(names.CertificateSecret)] : Array.Empty<Volume>(),
                .. PgBackRest.Serves(plan) ? PgBackRest.Volumes(plan) : [],
                PodDefaults.Scratch("tmp"),
                PodDefaults.Scratch("run"),
                PodDefaults.Scratch("shm", "Memory"),
            ],
            ServiceAccountName: names.Cluster,
            AutomountServiceAccountToken: true,
            EnableServiceLinks: false,
            TerminationGracePeriodSeconds: 120,
            SecurityContext: PodDefaults.PodSecurity);
    }

    private static Container Server(PostgresPlan plan) => new(
        Name: "postgres",
        Image: plan.Pods.Image("postgres", plan.Version),
        ImagePullPolicy: plan.Names.Stack.Images.PullPolicy,
        Command: Command(plan),
        Env: Environment(plan.Names),
        Ports: [new(PostgresPlan.Port, "postgresql", "TCP"), new(PostgresPlan.RestPort, "patroni", "TCP")],
        Resources: PodDefaults.Resources(plan.Resources),
        VolumeMounts:
        [
            new("data", "/pgdata"),
            new(plan.Names.Release.ReadsPasswords ? "patroni" : "config", Folder, ReadOnly: true),
            .. plan.Names.Encrypted ? [PostgresTls.Mount] : Array.Empty<VolumeMount>(),
            .. PgBackRest.Serves(plan) ? PgBackRest.Mounts(plan) : [],
            new("tmp", "/tmp"),
            new("run", "/run/postgresql"),
            new("shm", "/dev/shm"),
        ],
        // Patroni answers from its first second; a clone of a large primary may take long, and is alive all the while.
        StartupProbe: Rest(plan, "/liveness", period: 2, failures: 60),
        ReadinessProbe: Rest(plan, "/readiness", period: 5, failures: 3),
        LivenessProbe: Rest(plan, "/liveness", period: 10, failures: 6),
        SecurityContext: PodDefaults.ContainerSecurity,
        TerminationMessagePolicy: "FallbackToLogsOnError");

    private static Probe Rest(PostgresPlan plan, string path, int period, int failures) =>
        new(HttpGet: new(path, PostgresPlan.RestPort, plan.Names.Encrypted ? "HTTPS" : null), PeriodSeconds: period, TimeoutSeconds: 5, FailureThreshold: failures);

    // Of a folder it reads all files, and takes what they say together (Patroni documentation, "Patroni configuration").
    private static string[] Command(PostgresPlan plan) =>
        !plan.Names.Release.ReadsPasswords ? [Patroni, $"{Folder}/patroni.yml"]
        : plan.Names.Encrypted ? ["/bin/sh", "-c", PostgresTls.Start($"{Patroni} {Folder}", $"{Folder}/{PostgresOwnLogins.File}")]
        : ["/bin/sh", "-c", PostgresTls.Watch($"{Patroni} {Folder}", $"{Folder}/{PostgresOwnLogins.File}")];

    private static List<EnvVar> Environment(EngineNames names) =>
    [
        // libpq looks for certificates under HOME, which must be readable by the server's uid.
        new("HOME", "/tmp"),
        PodDefaults.FromField("PATRONI_NAME", "metadata.name"),
        PodDefaults.FromField("POD_IP", "status.podIP"),
        PodDefaults.FromField("PATRONI_KUBERNETES_POD_IP", "status.podIP"),
        new("PATRONI_POSTGRESQL_CONNECT_ADDRESS", $"{Host(names)}:{PostgresPlan.Port}"),
        new("PATRONI_RESTAPI_CONNECT_ADDRESS", $"{Host(names)}:{PostgresPlan.RestPort}"),
        .. names.Release.ReadsPasswords ? [] : Passwords(names),
        .. names.Encrypted ? [new("OPENSSL_CONF", "/etc/patroni/openssl.cnf")] : Array.Empty<EnvVar>(),
    ];

    // What is in the environment wins over files, and stays as long as the process.
    private static EnvVar[] Passwords(EngineNames names) =>
    [
        new("PATRONI_RESTAPI_USERNAME", PostgresPlan.RestUser),
        PodDefaults.FromSecret("PATRONI_RESTAPI_PASSWORD", names.InternalSecret, PostgresOwnLogins.RestKey),
        new("PATRONI_SUPERUSER_USERNAME", PostgresPlan.Superuser),
        PodDefaults.FromSecret("PATRONI_SUPERUSER_PASSWORD", names.InternalSecret, PostgresOwnLogins.SuperuserKey),
        new("PATRONI_REPLICATION_USERNAME", PostgresPlan.ReplicationUser),
        PodDefaults.FromSecret("PATRONI_REPLICATION_PASSWORD", names.InternalSecret, PostgresOwnLogins.ReplicationKey),
        new("PATRONI_REWIND_USERNAME", PostgresPlan.RewindUser),
        PodDefaults.FromSecret("PATRONI_REWIND_PASSWORD", names.InternalSecret, PostgresOwnLogins.RewindKey),
    ];

    // Where others reach it. A certificate is checked by name: by authority alone, any certificate of an authority that others use
    // too (cert-manager, Vault) could pass for a member. The name is served before the pod is ready; until then who looks for it
    // tries again, as with an address that does not answer yet.
    private static string Host(EngineNames names) => names.Encrypted ? $"$(PATRONI_NAME).{names.Domain(names.Members)}" : "$(POD_IP)";
}
