using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Postgres;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Npgsql;
using Xunit;

namespace Dora.Integration.Tests.Postgres;

/// <summary>
/// Two members of a PostgreSQL cluster from Debian's packages, started by Patroni with the file that their pods get, each on a
/// loopback address of its own. Only its store differs: an etcd instead of Kubernetes.
/// </summary>
public sealed class PatroniPods : IAsyncLifetime
{
    public const int Members = 2;
    public const string AppPassword = "app-Hs6w1Pz9Kd3e";

    private const string SuperuserPassword = "super-Rb5n8Vc2Jq7t";
    private const string RestPassword = "rest-Ym4x0Lf6Ga1u";

    private readonly string folder = Path.Combine(Path.GetTempPath(), $"dora-patroni-{Environment.ProcessId}");
    private readonly ChildProcess?[] running = new ChildProcess?[Members];
    private ChildProcess? etcd;
    private int etcdPort;

    internal PostgresPlan Plan { get; set; } = PlanOf(new(Instances: Members));

    /// <summary>What the last pass found.</summary>
    public EngineHealth? Health { get; private set; }

    internal static PostgresPlan PlanOf(PostgresSettings settings) => PostgresPlan.Of(
        new EngineNames(new StackContext("compliance", "payments", "", Tier.Development, StackVersions.Newest, DeletionPolicy.Retain, new(), new()), "postgres"), settings with { Instances = Members });

    public static string Address(int ordinal) => string.Create(CultureInfo.InvariantCulture, $"127.{1 + (Environment.ProcessId % 250)}.83.{ordinal + 1}");

    public string Data(int ordinal) => Path.Combine(Home(ordinal), "data");

    public string Log(int ordinal) => running[ordinal]?.Output ?? "";

    public EngineTarget Target => new(
        [.. Enumerable.Range(0, Members).Select(ordinal => new MemberPod(Plan.Names.Pod(ordinal), ordinal, Address(ordinal), true, Plan.Names.Pod(ordinal) == Health?.Primary ? Labels.PrimaryRole : Labels.ReplicaRole))],
        new Dictionary<string, IReadOnlyDictionary<string, string>>(Plan.Roles.Where(role => role.Secret is not null).Select(role => Secret(role.Secret!, ("password", $"role-{role.Name}"))))
        {
            [Plan.Names.AppSecret] = new Dictionary<string, string> { ["password"] = AppPassword },
            [Plan.Names.InternalSecret] = new Dictionary<string, string> { ["superuser-password"] = SuperuserPassword, ["restapi-password"] = RestPassword },
        },
        Before: Health);

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
        var environment = new Dictionary<string, string>
        {
            ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin",
            ["HOME"] = Home(ordinal),
            ["PATRONI_NAME"] = Plan.Names.Pod(ordinal),
            ["PATRONI_POSTGRESQL_CONNECT_ADDRESS"] = $"{Address(ordinal)}:{PostgresPlan.Port}",
            ["PATRONI_RESTAPI_CONNECT_ADDRESS"] = $"{Address(ordinal)}:{PostgresPlan.RestPort}",
            ["PATRONI_RESTAPI_USERNAME"] = PostgresPlan.RestUser,
            ["PATRONI_RESTAPI_PASSWORD"] = RestPassword,
            ["PATRONI_SUPERUSER_USERNAME"] = PostgresPlan.Superuser,
            ["PATRONI_SUPERUSER_PASSWORD"] = SuperuserPassword,
            ["PATRONI_REPLICATION_USERNAME"] = PostgresPlan.ReplicationUser,
            ["PATRONI_REPLICATION_PASSWORD"] = "replication-Tk3b",
            ["PATRONI_REWIND_USERNAME"] = PostgresPlan.RewindUser,
            ["PATRONI_REWIND_PASSWORD"] = "rewind-Ue8m",
        };
        running[ordinal] = new("setpriv", ["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--", "/usr/bin/patroni", Path.Combine(Home(ordinal), "patroni.yml")], environment);
    }

    /// <summary>Ends a member as its pod would end: Patroni stops the server.</summary>
    public async Task StopAsync(int ordinal)
    {
        if (running[ordinal] is not { } process)
            return;
        running[ordinal] = null;
        await using (process)
            await process.StopAsync(TestContext.Current.CancellationToken);
    }

    public async ValueTask InitializeAsync()
    {
        foreach (var ordinal in Enumerable.Range(0, Members))
            Directory.CreateDirectory(Home(ordinal));
        etcdPort = FreePort();
        var (client, peer) = ($"http://127.0.0.1:{etcdPort}", $"http://127.0.0.1:{FreePort()}");
        etcd = new("etcd", ["--data-dir", Path.Combine(folder, "etcd"), "--unsafe-no-fsync", "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", $"default={peer}"]);
        foreach (var ordinal in Enumerable.Range(0, Members))
            await File.WriteAllTextAsync(Path.Combine(Home(ordinal), "patroni.yml"), Config(ordinal));
        await HackScript.RunAsync("chown", "-R", "postgres:postgres", folder);
        await HealthyAsync();
    }

    public async ValueTask DisposeAsync()
    {
        // The primary last: it would wait for a replica that streams.
        foreach (var ordinal in Enumerable.Range(0, Members).OrderBy(ordinal => Plan.Names.Pod(ordinal) == Health?.Primary))
            await StopAsync(ordinal);
        if (etcd is not null)
            await etcd.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    private string Config(int ordinal)
    {
        var file = KubeYaml.Read(PatroniConfig.Render(Plan))!.AsObject();
        file.Remove("kubernetes");
        file["etcd3"] = new JsonObject { ["host"] = $"127.0.0.1:{etcdPort}" };
        file["restapi"]!["listen"] = $"{Address(ordinal)}:{PostgresPlan.RestPort}";
        file["postgresql"]!["listen"] = $"{Address(ordinal)}:{PostgresPlan.Port}";
        file["postgresql"]!["data_dir"] = Data(ordinal);
        file["postgresql"]!["pgpass"] = Path.Combine(Home(ordinal), "pgpass");
        file["postgresql"]!["parameters"]!["unix_socket_directories"] = Home(ordinal);
        return KubeYaml.Write(file);
    }

    private static KeyValuePair<string, IReadOnlyDictionary<string, string>> Secret(string name, (string Key, string Value) field) => new(name, new Dictionary<string, string> { [field.Key] = field.Value });

    private string Home(int ordinal) => Path.Combine(folder, ordinal.ToString(CultureInfo.InvariantCulture));

    private static int FreePort()
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
