using System.Globalization;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Postgres;

/// <summary>
/// pgBackRest in the members' pods: the server archives its log, and a TLS server beside it hands the data to the runs of backups
/// (pgBackRest documentation, "User Guide", for version 2.45). Secrets are files: what they hold is read at each call.
/// </summary>
internal static class PgBackRest
{
    public const int Port = 8432;

    /// <summary>What every file of pgBackRest in a pod is called.</summary>
    public const string ConfigFile = "pgbackrest.conf";

    /// <summary>What runs it with the secrets.</summary>
    public const string Wrapper = "pgbackrest.sh";

    /// <summary>Key of the Secret <c>spec.backup.encryption.keySecret</c> whose text seals what pgBackRest stores.</summary>
    public const string PassphraseKey = "pgbackrest";

    public const string Data = "/pgdata/data";

    private const string Folder = "/etc/pgbackrest";
    private const string Stanza = "main";
    private const string Secrets = "/backup";
    private const string ClientFolder = $"{Secrets}/client";
    private const string CaFile = $"{Secrets}/ca/{CertificateRequest.Trust}";

    // What root and the pod's group may read; pgBackRest takes no key that others can.
    private const int ReadByGroup = 0b100_100_000;

    /// <summary>Whether the members archive: their runs come over TLS only, so servers of older stack versions do not.</summary>
    public static bool Serves(PostgresPlan plan) => plan.Names is { Encrypted: true, Stack.Backup: not null };

    /// <summary>What of <c>spec.backup</c> pgBackRest cannot do.</summary>
    public static IEnumerable<Violation> Check(PostgresPlan plan)
    {
        if (!Serves(plan))
            yield break;
        var backup = plan.Names.Stack.Backup!;
        if (backup.Encryption.KeySecret is null)
            yield return new("spec.backup.encryption", "pgBackRest, which backs PostgreSQL up, seals by a passphrase, and knows no Vault", $"give keySecret, with a key '{PassphraseKey}' in that Secret");
        // From a copy it restores as from the first place.
        foreach (var violation in Endpoint("spec.backup.destination.endpoint", backup.Destination).Concat((backup.Copies ?? []).SelectMany((copy, index) => Endpoint($"spec.backup.copies[{Text(index)}].destination.endpoint", copy.Destination))))
            yield return violation;
    }

    private static IEnumerable<Violation> Endpoint(string path, BackupDestination destination)
    {
        if (!Uri.TryCreate(destination.Endpoint, UriKind.Absolute, out var endpoint) || endpoint.Scheme != Uri.UriSchemeHttps)
            yield return new(path, "pgBackRest, which backs PostgreSQL up, speaks TLS only", "give an endpoint that begins with https://");
        else if (endpoint.HostNameType != UriHostNameType.Dns)
            yield return new(path, "pgBackRest, which backs PostgreSQL up, finds no address in a certificate, only names", "give the store's DNS name");
    }

    /// <summary>What shows the members that it is a run that comes. It names no Service: it must pass for no server.</summary>
    public static CertificateRequest Client(PostgresPlan plan)
    {
        var (names, name) = (plan.Names, $"{plan.Names.Cluster}-backup");
        return new($"{name}-tls", [$"{name}.{names.Stack.Namespace}.svc", $"{name}.{names.Stack.Namespace}", name]);
    }

    /// <summary>The ConfigMap of the members.</summary>
    public static Manifest Config(PostgresPlan plan) => Manifest.Of(KubeTypes.ConfigMaps, new(plan.Names.Meta(Name(plan)), new Dictionary<string, string>
    {
        [ConfigFile] = ServerConfig(plan),
        [Wrapper] = EmbeddedFile.Read($"Postgres/{Wrapper}"),
    }));

    /// <summary>
    /// What archiving adds to <c>patroni.yml</c>. Here, and not in the configuration that members share: pods that are not there yet
    /// have nothing that could archive. What cannot be archived waits, and the server goes on.
    /// </summary>
    public static void Add(JsonObject file)
    {
        var parameters = file["postgresql"]!["parameters"]!.AsObject();
        parameters["archive_mode"] = "on";
        parameters["archive_command"] = $"bash {Folder}/{Wrapper} archive-push %p";
        // No more than this is lost with all volumes.
        parameters["archive_timeout"] = "60s";
    }

    /// <summary>The TLS server; it reads files, and asks the server over its socket.</summary>
    public static Container Server(PostgresPlan plan) => new(
        Name: "pgbackrest",
        Image: plan.Pods.Image("postgres", plan.Version),
        ImagePullPolicy: plan.Names.Stack.Images.PullPolicy,
        Command: ["/bin/sh", "-c", PostgresTls.Start($"bash {Folder}/{Wrapper} server", $"{Folder}/{ConfigFile}")],
        // The oldest version of TLS that the stack wants; pgBackRest has no setting for it.
        Env: [new("OPENSSL_CONF", "/etc/patroni/openssl.cnf")],
        Ports: [new(Port, "pgbackrest", "TCP")],
        Resources: PodDefaults.Resources(new("50m", "256Mi")),
        VolumeMounts: [new("data", "/pgdata", ReadOnly: true), .. Mounts(plan), PostgresTls.Mount, new("config", "/etc/patroni", ReadOnly: true), new("tmp", "/tmp"), new("run", "/run/postgresql")],
        SecurityContext: PodDefaults.ContainerSecurity,
        TerminationMessagePolicy: "FallbackToLogsOnError");

    /// <summary>Volumes of the members' pods.</summary>
    public static IEnumerable<Volume> Volumes(PostgresPlan plan) => [new("pgbackrest", ConfigMap: new(Name(plan))), .. StoreVolumes(plan)];

    /// <summary>Where the server and what archives find them.</summary>
    public static IEnumerable<VolumeMount> Mounts(PostgresPlan plan) => [new("pgbackrest", Folder, ReadOnly: true), .. StoreMounts(plan)];

    /// <summary>How the store is reached. What is missing keeps no server from its start: it does not archive.</summary>
    public static IEnumerable<Volume> StoreVolumes(PostgresPlan plan)
    {
        var backup = plan.Names.Stack.Backup!;
        var ca = new KeyToPath[] { new(CertificateRequest.Trust, CertificateRequest.Trust) };
        yield return new("backup-store", Secret: new(backup.Destination.CredentialsSecret, ReadByGroup, Optional: true));
        if (backup.Encryption.KeySecret is { } keys)
            yield return new("backup-keys", Secret: new(keys, ReadByGroup, [new(PassphraseKey, PassphraseKey)], Optional: true));
        if (backup.Destination.CaSecret is { } secret)
            yield return new("backup-ca", Secret: new(secret, Items: ca, Optional: true));
        else if (backup.Destination.CaConfigMap is { } map)
            yield return new("backup-ca", ConfigMap: new(map, Items: ca, Optional: true));
    }

    /// <summary>Where that is looked for.</summary>
    public static IEnumerable<VolumeMount> StoreMounts(PostgresPlan plan) =>
        StoreVolumes(plan).Select(volume => new VolumeMount(volume.Name, $"{Secrets}/{volume.Name["backup-".Length..]}", ReadOnly: true));

    /// <summary>What a run shows to the members.</summary>
    public static Volume ClientVolume(PostgresPlan plan) => new("backup-client", Secret: new(Client(plan).SecretName, ReadByGroup));

    /// <summary>Where that is looked for.</summary>
    public static VolumeMount ClientMount { get; } = new("backup-client", ClientFolder, ReadOnly: true);

    /// <summary>The store's port, which members and runs must reach.</summary>
    public static int StorePort(PostgresPlan plan) => Endpoint(plan).Port;

    /// <summary>What a restore works with; it names its folder itself.</summary>
    public static string RestoreConfig(PostgresPlan plan) =>
        $"""
        {Repository(plan)}
        process-max=2

        """;

    /// <summary>What a backup works with: all members, of which it finds out which one leads and which ones follow.</summary>
    public static string RunConfig(PostgresPlan plan) =>
        $"""
        {RestoreConfig(plan)}start-fast=y
        [{Stanza}]
        {string.Join('\n', Enumerable.Range(0, plan.Instances).Select(ordinal => Member(plan, ordinal)))}

        """;

    // A store that is away shall be seen to be away soon; the server tries again.
    private static string ServerConfig(PostgresPlan plan) =>
        $"""
        {Repository(plan)}
        tls-server-address=0.0.0.0
        tls-server-port={Text(Port)}
        tls-server-cert-file={PostgresTls.Chain}
        tls-server-key-file={PostgresTls.Key}
        tls-server-ca-file={PostgresTls.Trust}
        tls-server-auth={Client(plan).DnsNames.First(name => name.Length <= LongestCommonName)}={Stanza}
        [global:archive-push]
        io-timeout=20
        [{Stanza}]
        pg1-path={Data}
        pg1-socket-path=/run/postgresql
        pg1-user={PostgresPlan.Superuser}

        """;

    // A certificate has the first of its names that is no longer as its common name (RFC 5280, ub-common-name), by which pgBackRest knows clients.
    private const int LongestCommonName = 64;

    // The log level is that of what is not asked for more: archiving says only what is wrong.
    private static string Repository(PostgresPlan plan)
    {
        var (stack, destination, endpoint) = (plan.Names.Stack, plan.Names.Stack.Backup!.Destination, Endpoint(plan));
        string[] ca = destination.CaSecret is null && destination.CaConfigMap is null ? [] : [$"repo1-storage-ca-file={CaFile}"];
        return string.Join('\n', (string[])
        [
            "[global]",
            "repo1-type=s3",
            $"repo1-path=/{(destination.Prefix is { } prefix ? $"{prefix}/" : "")}{stack.Namespace}/{stack.Name}/{plan.Names.Engine}/pgbackrest",
            $"repo1-s3-bucket={destination.Bucket}",
            $"repo1-s3-endpoint={endpoint.Host}",
            $"repo1-storage-port={Text(endpoint.Port)}",
            $"repo1-s3-region={destination.Region}",
            $"repo1-s3-uri-style={(destination.PathStyle ? "path" : "host")}",
            .. ca,
            "repo1-cipher-type=aes-256-cbc",
            "repo1-bundle=y",
            "compress-type=zst",
            "lock-path=/tmp/pgbackrest",
            "log-level-file=off",
            "log-level-console=warn",
        ]);
    }

    private static string Member(PostgresPlan plan, int ordinal)
    {
        var pg = $"pg{Text(ordinal + 1)}";
        return $"""
            {pg}-host={plan.Names.MemberHost(ordinal)}
            {pg}-host-type=tls
            {pg}-host-port={Text(Port)}
            {pg}-host-ca-file={ClientFolder}/{CertificateRequest.Trust}
            {pg}-host-cert-file={ClientFolder}/{CertificateRequest.Chain}
            {pg}-host-key-file={ClientFolder}/{CertificateRequest.Key}
            {pg}-path={Data}
            {pg}-socket-path=/run/postgresql
            {pg}-user={PostgresPlan.Superuser}
            """;
    }

    private static string Name(PostgresPlan plan) => $"{plan.Names.Cluster}-pgbackrest";

    // What is no address is refused by the rules; here it must only not throw.
    private static Uri Endpoint(PostgresPlan plan) =>
        Uri.TryCreate(plan.Names.Stack.Backup!.Destination.Endpoint, UriKind.Absolute, out var endpoint) ? endpoint : new("https://invalid");

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
