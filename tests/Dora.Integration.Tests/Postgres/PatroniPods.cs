using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Postgres;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Operator.Credentials;
using Dora.Testing.Http;
using Npgsql;
using Xunit;

namespace Dora.Integration.Tests.Postgres;

/// <summary>
/// Two members of a PostgreSQL cluster from Debian's packages, started by Patroni with the file that their pods get, each on a
/// loopback address of its own. Only its store differs: an etcd instead of Kubernetes. Where they speak TLS, each has a folder with
/// the files of its Secret, as the kubelet would mount it. To each its own address is localhost, and the members have names.
/// </summary>
public sealed class PatroniPods : IAsyncLifetime
{
    public const int Members = 2;
    public const string AppPassword = "app-Hs6w1Pz9Kd3e";

    public const string SuperuserPassword = "super-Rb5n8Vc2Jq7t";
    public const string ReplicationPassword = "replication-Tk3b";
    public const string RewindPassword = "rewind-Ue8m";
    private const string RestPassword = "rest-Ym4x0Lf6Ga1u";

    private static int count;

    private readonly int number = Interlocked.Increment(ref count);
    private readonly bool[] encrypted = new bool[Members];
    private readonly ChildProcess?[] running = new ChildProcess?[Members];
    private ChildProcess? etcd;
    private readonly ChildProcess?[] servers = new ChildProcess?[Members];
    private TestCertificates? authority;
    private int etcdPort;

    internal PostgresPlan Plan { get; set; } = PlanOf(new());

    /// <summary>What servers are believed by.</summary>
    public string Trust { get; set; } = "";

    /// <summary>What the last pass found.</summary>
    public EngineHealth? Health { get; private set; }

    internal static PostgresPlan PlanOf(PostgresSettings settings, TlsSettings? tls = null, BackupSettings? backup = null) => PostgresPlan.Of(
        new EngineNames(new StackContext("compliance", "payments", "", Tier.Development, StackVersions.Newest, DeletionPolicy.Retain, new(), new(), Tls: tls) { Backup = backup }, "postgres"), settings with { Instances = Members });

    public string Address(int ordinal) => string.Create(CultureInfo.InvariantCulture, $"127.{1 + (Environment.ProcessId % 250)}.{82 + number}.{ordinal + 1}");

    public string Data(int ordinal) => Path.Combine(Home(ordinal), "data");

    public string Log(int ordinal) => running[ordinal]?.Output ?? "";

    public EngineTarget Target => new(
        [.. Enumerable.Range(0, Members).Select(ordinal => new MemberPod(Plan.Names.Pod(ordinal), ordinal, Address(ordinal), true, Plan.Names.Pod(ordinal) == Health?.Primary ? Labels.PrimaryRole : Labels.ReplicaRole, Encrypted: encrypted[ordinal]))],
        new Dictionary<string, IReadOnlyDictionary<string, string>>(Plan.Roles.Where(role => role.Secret is not null).Select(role => Secret(role.Secret!, ("password", $"role-{role.Name}"))))
        {
            [Plan.Names.CertificateSecret] = new Dictionary<string, string> { [CertificateRequest.Trust] = Trust },
            [Plan.Names.AppSecret] = new Dictionary<string, string> { ["password"] = AppPassword },
            [Plan.Names.InternalSecret] = Internal,
        },
        Before: Health,
        Accepted: Accepted);

    /// <summary>What the internal Secret holds, as its files are written with it.</summary>
    public IReadOnlyDictionary<string, string> Internal { get; set; } = new Dictionary<string, string>
    {
        [PostgresOwnLogins.SuperuserKey] = SuperuserPassword,
        [PostgresOwnLogins.ReplicationKey] = ReplicationPassword,
        [PostgresOwnLogins.RewindKey] = RewindPassword,
        [PostgresOwnLogins.RestKey] = RestPassword,
        ["superuser-username"] = PostgresPlan.Superuser,
        ["replication-username"] = PostgresPlan.ReplicationUser,
        ["rewind-username"] = PostgresPlan.RewindUser,
    };

    /// <summary>Logins that servers shall accept while one changes.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<Login>>? Accepted { get; set; }

    /// <summary>Brings a member what the internal Secret holds now, and tells it, as its pod does.</summary>
    public async Task TellAsync(int ordinal)
    {
        await WritePasswordsAsync(ordinal);
        await running[ordinal]!.SignalAsync("HUP");
    }

    private Task WritePasswordsAsync(int ordinal) =>
        WriteAsync(ordinal, PostgresOwnLogins.File, CredentialText.Fill(PostgresOwnLogins.Fields(Plan).Single(field => field.Key == PostgresOwnLogins.File), Internal));

    /// <summary>One pass of the operator: says what the last probe asked for, and probes again. Returns what was said.</summary>
    public async Task<IReadOnlyList<EngineCommand>> PassAsync()
    {
        var said = PostgresCommands.Decide(Plan, new(Health: Health));
        foreach (var command in said)
        {
            try
            {
                await PostgresCommands.ExecuteAsync(Plan, command, Target, TestContext.Current.CancellationToken);
            }
            catch (Exception exception) when (exception is NpgsqlException or HttpRequestException or InvalidOperationException)
            {
                // As in the operator: the next probe finds what is still missing.
            }
        }

        Health = await PostgresProbe.RunAsync(Plan, Target with { Said = said }, TestContext.Current.CancellationToken);
        return said;
    }

    /// <summary>Starts what does not run, and passes until all is as wanted.</summary>
    public Task<EngineHealth> HealthyAsync()
    {
        foreach (var ordinal in Enumerable.Range(0, Members))
            Start(ordinal);
        return UntilAsync(health => health.Verdict == EngineVerdict.Healthy);
    }

    /// <summary>Passes until the findings are as wanted.</summary>
    public async Task<EngineHealth> UntilAsync(Func<EngineHealth, bool> wanted)
    {
        try
        {
            return await ChildProcess.UntilAsync(
                async () =>
                {
                    await PassAsync();
                    return Health!;
                },
                wanted,
                TimeSpan.FromSeconds(120),
                TestContext.Current.CancellationToken);
        }
        catch (TimeoutException exception)
        {
            throw new TimeoutException($"{exception.Message}\n{string.Join(", ", Health?.Members ?? [])}\n{string.Join('\n', Enumerable.Range(0, Members).Select(ordinal => $"--- {ordinal}:\n{Log(ordinal)}"))}", exception);
        }
    }

    /// <summary>As if a member had been unable to follow for as long as the operator waits.</summary>
    public void Wait() => Health = Health! with
    {
        Members = [.. Health.Members.Select(member => member.Repair is { Since: { } since } repair ? member with { Repair = repair with { Since = since - PostgresRepair.Patience } } : member)],
    };

    public NpgsqlDataSource Source(int ordinal) => PostgresSql.Source(Plan, Target, Target.Members[ordinal]);

    public void Start(int ordinal)
    {
        if (running[ordinal] is not null)
            return;
        var host = encrypted[ordinal] ? PostgresTls.Host(Plan, Target.Members[ordinal]) : Address(ordinal);
        var environment = new Dictionary<string, string>
        {
            ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin",
            ["HOME"] = Home(ordinal),
            ["PATRONI_NAME"] = Plan.Names.Pod(ordinal),
            ["PATRONI_POSTGRESQL_CONNECT_ADDRESS"] = $"{host}:{PostgresPlan.Port}",
            ["PATRONI_RESTAPI_CONNECT_ADDRESS"] = $"{host}:{PostgresPlan.RestPort}",
        };
        if (encrypted[ordinal])
            environment["OPENSSL_CONF"] = Path.Combine(Home(ordinal), "openssl.cnf");
        if (PgBackRest.Serves(Plan))
        {
            environment["BACKUP"] = Secrets;
            servers[ordinal] = InPod(Home(ordinal), environment, $"bash {Home(ordinal)}/pgbackrest/{PgBackRest.Wrapper} server");
        }

        running[ordinal] = InPod(Home(ordinal), environment, $"/usr/bin/patroni {Home(ordinal)}");
    }

    /// <summary>Where the files of Secrets lie that all members and their runs have.</summary>
    public string Secrets => Path.Combine(Folder, "backup");

    /// <summary>Starts a program as the servers' user, where the members have names that only it sees.</summary>
    /// <param name="home">A folder with the file <c>hosts</c>.</param>
    /// <param name="environment">Its environment.</param>
    /// <param name="program">Program and arguments, as a shell reads them.</param>
    internal static ChildProcess InPod(string home, IReadOnlyDictionary<string, string> environment, string program) =>
        new("unshare", ["--mount", "/bin/sh", "-c", $"mount --bind {home}/hosts /etc/hosts && exec setpriv --reuid postgres --regid postgres --clear-groups -- {program}"], environment);

    /// <summary>What a run beside the members knows them by.</summary>
    public IEnumerable<string> Hosts => [$"127.0.0.1 {StoreName}", .. Target.Members.Select(member => $"{member.Address} {PostgresTls.Host(Plan, member)}")];

    /// <summary>A name of the object store, as "localhost" is another thing to each member.</summary>
    public const string StoreName = "object-store.test";

    /// <summary>Has the store of elections forget these members, as who removes their ConfigMaps would.</summary>
    public Task ForgetAsync() => HackScript.RunAsync("curl", "-sf", "-d", """{"key":"Lw==","range_end":"MA=="}""", $"http://127.0.0.1:{etcdPort}/v3/kv/deleterange");

    /// <summary>From now on all members speak TLS; those that run go on as they are until they start anew.</summary>
    public void Encrypt(TlsSettings tls, TestCertificates by, BackupSettings? backup = null)
    {
        authority = by;
        (Plan, Trust) = (PlanOf(new(), tls, backup), by.AuthorityPem);
    }

    /// <summary>Ports that speak TLS.</summary>
    public IReadOnlyList<TlsEndpoint> Endpoints => PostgresTls.Endpoints(Plan);

    /// <summary>Writes the files that a member starts with now, and reads when it is told to.</summary>
    public async Task MountAsync(int ordinal, bool mixed)
    {
        encrypted[ordinal] = Plan.Names.Encrypted;
        await WriteAsync(ordinal, "patroni.yml", Config(ordinal, mixed));
        await WritePasswordsAsync(ordinal);
        if (!encrypted[ordinal])
            return;
        await WriteAsync(ordinal, "openssl.cnf", PatroniTls.OpenSsl(Plan));
        if (PgBackRest.Serves(Plan))
        {
            var files = PgBackRest.Config(Plan).Body["data"]!.AsObject();
            Directory.CreateDirectory(Path.Combine(Home(ordinal), "pgbackrest"));
            foreach (var (name, text) in files)
                await WriteAsync(ordinal, $"pgbackrest/{name}", Local(ordinal, (string)text!));
        }

        await RenewAsync(ordinal, authority!);
    }

    /// <summary>Gives a member a new certificate, which it reads when it is told to.</summary>
    public async Task RenewAsync(int ordinal, TestCertificates by)
    {
        var files = by.ServerFiles(PostgresTls.Certificates(Plan)[0].DnsNames);
        await WriteAsync(ordinal, CertificateRequest.Chain, files[CertificateRequest.Chain]);
        await WriteAsync(ordinal, CertificateRequest.Key, files[CertificateRequest.Key]);
        await WriteAsync(ordinal, CertificateRequest.Trust, Trust);
        // As the kubelet leaves them: root's, and the group's to read.
        await HackScript.RunAsync("chown", "root:postgres", Path.Combine(Home(ordinal), CertificateRequest.Key));
        await HackScript.RunAsync("chmod", "0440", Path.Combine(Home(ordinal), CertificateRequest.Key));
    }

    /// <summary>Ends a member as its pod would end: Patroni stops the server.</summary>
    public async Task StopAsync(int ordinal)
    {
        if (running[ordinal] is not { } process)
            return;
        running[ordinal] = null;
        await using (process)
            await process.StopAsync(TestContext.Current.CancellationToken);
        if (servers[ordinal] is { } server)
            await server.DisposeAsync();
        servers[ordinal] = null;
    }

    public async ValueTask InitializeAsync()
    {
        foreach (var ordinal in Enumerable.Range(0, Members))
            Directory.CreateDirectory(Home(ordinal));
        etcdPort = FreePort();
        var (client, peer) = ($"http://127.0.0.1:{etcdPort}", $"http://127.0.0.1:{FreePort()}");
        etcd = new("etcd", ["--data-dir", Path.Combine(Folder, "etcd"), "--unsafe-no-fsync", "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", $"default={peer}"]);
        foreach (var ordinal in Enumerable.Range(0, Members))
            await File.WriteAllLinesAsync(Path.Combine(Home(ordinal), "hosts"), [$"{Address(ordinal)} localhost", .. Hosts]);
        await HackScript.RunAsync("chown", "-R", "postgres:postgres", Folder);
        foreach (var ordinal in Enumerable.Range(0, Members))
            await MountAsync(ordinal, mixed: false);
        await HealthyAsync();
    }

    public async ValueTask DisposeAsync()
    {
        // The primary last: it would wait for a replica that streams.
        foreach (var ordinal in Enumerable.Range(0, Members).OrderBy(ordinal => Plan.Names.Pod(ordinal) == Health?.Primary))
            await StopAsync(ordinal);
        if (etcd is not null)
            await etcd.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }

    private string Config(int ordinal, bool mixed)
    {
        var file = KubeYaml.Read(Local(ordinal, PatroniConfig.Render(Plan, mixed)))!.AsObject();
        file.Remove("kubernetes");
        file["etcd3"] = new JsonObject { ["host"] = $"127.0.0.1:{etcdPort}" };
        file["restapi"]!["listen"] = $"{Address(ordinal)}:{PostgresPlan.RestPort}";
        // In a pod it listens everywhere, and Patroni speaks to it as localhost.
        file["postgresql"]!["listen"] = $"localhost:{PostgresPlan.Port}";
        file["postgresql"]!["data_dir"] = Data(ordinal);
        file["postgresql"]!["pgpass"] = Path.Combine(Home(ordinal), "pgpass");
        file["postgresql"]!["parameters"]!["unix_socket_directories"] = Home(ordinal);
        return KubeYaml.Write(file);
    }

    /// <summary>A file of the pods with the folders that a member has here.</summary>
    public string Local(int ordinal, string file) => file
        .Replace($"{PostgresTls.Folder}/", $"{Home(ordinal)}/", StringComparison.Ordinal)
        .Replace("=/backup/", $"={Secrets}/", StringComparison.Ordinal)
        .Replace("/etc/pgbackrest/", $"{Home(ordinal)}/pgbackrest/", StringComparison.Ordinal)
        .Replace("/tmp/pgbackrest", $"{Home(ordinal)}/lock", StringComparison.Ordinal)
        .Replace(PgBackRest.Data, Data(ordinal), StringComparison.Ordinal)
        .Replace("/run/postgresql", Home(ordinal), StringComparison.Ordinal)
        .Replace("tls-server-address=0.0.0.0", $"tls-server-address={Address(ordinal)}", StringComparison.Ordinal);

    private async Task WriteAsync(int ordinal, string name, string text)
    {
        var path = Path.Combine(Home(ordinal), name);
        await File.WriteAllTextAsync($"{path}.next", text);
        await HackScript.RunAsync("chown", "postgres:postgres", $"{path}.next");
        File.Move($"{path}.next", path, overwrite: true);
    }

    private static KeyValuePair<string, IReadOnlyDictionary<string, string>> Secret(string name, (string Key, string Value) field) => new(name, new Dictionary<string, string> { [field.Key] = field.Value });

    private string Folder => Path.Combine(Path.GetTempPath(), $"dora-patroni-{Environment.ProcessId}-{number}");

    public string Home(int ordinal) => Path.Combine(Folder, ordinal.ToString(CultureInfo.InvariantCulture));

    private static int FreePort()
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
