using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Postgres;

/// <summary>PgBouncer in front of the primary: stateless, so its Deployment rolls when its configuration changes.</summary>
internal static class PostgresPooler
{
    public const int Port = 6432;

    /// <summary>Key of the pooler's Secret, and file: as whom it looks up who may log in.</summary>
    public const string LookupUser = "auth-user.ini";

    /// <summary>Key of the pooler's Secret, and file: the password to that.</summary>
    public const string LookupPassword = "userlist.txt";

    private const string Program = "/usr/sbin/pgbouncer /etc/pgbouncer/pgbouncer.ini";
    private const string Secrets = "/etc/pgbouncer-auth";

    // What only its own Secret holds; it reads one after the other, and both again should they change in between.
    private static readonly string[] _files = [$"{Secrets}/{LookupUser}", $"{Secrets}/{LookupPassword}"];

    /// <summary>
    /// PgBouncer as the first process, and beside it who has it read its own name and password again when the mounted Secret changes: by
    /// itself it would go on with the old ones. Users' passwords it asks the server for.
    /// </summary>
    public static string Run { get; } = PostgresTls.Watch(Program, _files);

    /// <summary>The same for its certificate too.</summary>
    public static string RunEncrypted { get; } = PostgresTls.Start(Program, _files);

    // New clients are led elsewhere first; then running transactions end, and the process with them (PgBouncer documentation, SIGINT).
    private const string Drain = "sleep 5; kill -INT 1; while kill -0 1; do sleep 1; done";

    public static IEnumerable<Manifest> Render(PostgresPlan plan, PoolerPlan pooler)
    {
        var names = plan.Names;
        yield return Manifest.Of(KubeTypes.ConfigMaps, new(names.Meta(pooler.Names.Cluster), new Dictionary<string, string> { ["pgbouncer.ini"] = Config(plan, pooler) }));
        yield return Manifest.Of(KubeTypes.Services, new(
            names.Meta(pooler.Names.Cluster), new([new(PostgresPlan.Port, "postgresql", "pgbouncer", "TCP")], pooler.Names.Selector, Type: "ClusterIP")));
        // The operator looks at the certificate that it shows.
        var access = new NetworkAccess([Port], [], names.Encrypted ? [Port] : []) { Serves = (names.Selector, [PostgresPlan.Port]) };
        foreach (var policy in access.Render(names, pooler.Names.Cluster, pooler.Names.Selector))
            yield return policy;
        if (names.Stack.Tier != Tier.Development)
        {
            var type = names.Stack.Capabilities.PolicyV1 ? KubeTypes.PodDisruptionBudgets : KubeTypes.PodDisruptionBudgetsBeta;
            yield return Manifest.Of(type, new(names.Meta(pooler.Names.Cluster), new(new(MatchLabels: pooler.Names.Selector), MaxUnavailable: 1)));
        }

        yield return Manifest.Of(KubeTypes.Deployments, new(
            names.Meta(pooler.Names.Cluster),
            new(
                Selector: new(MatchLabels: pooler.Names.Selector),
                Template: PodTemplates.Of(pooler.Names, plan.Pods.Place(Pod(plan, pooler), pooler.Names.Selector), PodDefaults.Hash(Config(plan, pooler)), version: null, access),
                Replicas: pooler.Instances,
                // Where each pod needs a node of its own, there may be none for one more.
                Strategy: new("RollingUpdate", new(MaxUnavailable: 1, MaxSurge: 0)),
                RevisionHistoryLimit: 5)));
    }

    /// <summary>pgbouncer.ini; name and password of the look-up are mounted from its Secret.</summary>
    public static string Config(PostgresPlan plan, PoolerPlan pooler)
    {
        var databases = plan.Databases.Select(database => $"{database.Name} = host={plan.Names.Domain(plan.Names.Cluster)} port={PostgresPlan.Port}{(plan.Names.Release.ReadsPasswords ? "" : $" auth_user={PostgresPlan.PoolerUser}")}\n");
        return $"""
            [databases]
            {string.Concat(databases)}
            [pgbouncer]
            listen_addr = 0.0.0.0
            listen_port = {Port}
            unix_socket_dir =
            auth_type = scram-sha-256
            auth_file = {Secrets}/{LookupPassword}
            {(plan.Names.Release.ReadsPasswords ? $"%include {Secrets}/{LookupUser}\n" : "")}auth_query = SELECT uname, phash FROM pooler.user_lookup($1)
            pool_mode = transaction
            default_pool_size = {pooler.PoolSize}
            max_db_connections = {pooler.PoolSize}
            max_client_conn = {pooler.MaxClients}
            ignore_startup_parameters = extra_float_digits,options
            {Tls(plan)}
            server_connect_timeout = 5
            server_login_retry = 1
            query_wait_timeout = 60

            """;
    }

    // The servers' certificate carries the name of the primary's Service, by which they are reached from here.
    private static string Tls(PostgresPlan plan)
    {
        if (!plan.Names.Encrypted)
            return "server_tls_sslmode = prefer";
        var versions = PostgresTls.Minimum(plan) == TlsVersion.Tls12 ? "tlsv1.2,tlsv1.3" : "tlsv1.3";
        return $"""
            client_tls_sslmode = require
            client_tls_cert_file = {PostgresTls.Chain}
            client_tls_key_file = {PostgresTls.Key}
            client_tls_protocols = {versions}
            server_tls_sslmode = verify-full
            server_tls_ca_file = {PostgresTls.Trust}
            server_tls_protocols = {versions}
            """;
    }

    /// <summary>Keys of its Secret that its pods mount: PgBouncer can log in only with the password itself, and reads it in this form.</summary>
    public static IReadOnlyList<CredentialField> Fields(PostgresPlan plan) =>
    [
        .. plan.Names.Release.ReadsPasswords ? [new CredentialField(LookupUser, "auth_user = {username}\n")] : Array.Empty<CredentialField>(),
        new(LookupPassword, "\"{username}\" \"{password}\"\n", Quoting: CredentialQuoting.Doubled),
    ];

    private static string[] Command(PostgresPlan plan) =>
        plan.Names.Encrypted ? ["/bin/sh", "-c", RunEncrypted]
        : plan.Names.Release.ReadsPasswords ? ["/bin/sh", "-c", Run]
        : Program.Split(' ');

    private static PodSpec Pod(PostgresPlan plan, PoolerPlan pooler) => new(
        Containers:
        [
            new(
                Name: "pgbouncer",
                Image: plan.Pods.Image("postgres", plan.Version),
                ImagePullPolicy: plan.Names.Stack.Images.PullPolicy,
                Command: Command(plan),
                Ports: [new(Port, "pgbouncer", "TCP")],
                Resources: PodDefaults.Resources(new("100m", "128Mi")),
                VolumeMounts: [new("config", "/etc/pgbouncer", ReadOnly: true), new("auth", Secrets, ReadOnly: true), .. plan.Names.Encrypted ? [PostgresTls.Mount] : Array.Empty<VolumeMount>()],
                ReadinessProbe: new(TcpSocket: new(Port), PeriodSeconds: 5, TimeoutSeconds: 3, FailureThreshold: 2),
                LivenessProbe: new(TcpSocket: new(Port), PeriodSeconds: 10, TimeoutSeconds: 5, FailureThreshold: 3),
                Lifecycle: new(PreStop: new(Exec: new(["/bin/sh", "-c", Drain]))),
                SecurityContext: PodDefaults.ContainerSecurity,
                TerminationMessagePolicy: "FallbackToLogsOnError"),
        ],
        Volumes:
        [
            new("config", ConfigMap: new(pooler.Names.Cluster)),
            new("auth", Secret: new(pooler.Secret, Items: [.. Fields(plan).Select(field => new KeyToPath(field.Key, field.Key))])),
            .. plan.Names.Encrypted ? [PostgresTls.Volume(pooler.Names.CertificateSecret)] : Array.Empty<Volume>(),
        ],
        AutomountServiceAccountToken: false,
        EnableServiceLinks: false,
        TerminationGracePeriodSeconds: 60,
        SecurityContext: PodDefaults.PodSecurity);
}
