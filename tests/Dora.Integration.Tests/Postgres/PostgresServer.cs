using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Postgres;
using Dora.Engines.Rendering;
using Npgsql;
using Xunit;

namespace Dora.Integration.Tests.Postgres;

/// <summary>A PostgreSQL server of Debian's package in a temporary folder, on a free port, that logs every statement.</summary>
public sealed class PostgresServer : IAsyncLifetime
{
    public const string SuperuserPassword = "super-Qm4v8Ty1Lz6e";

    private const string Programs = "/usr/lib/postgresql/15/bin";

    private static int count;

    private readonly string folder = Path.Combine(Path.GetTempPath(), $"dora-postgres-{Environment.ProcessId}-{Interlocked.Increment(ref count)}");
    private ChildProcess? server;

    internal static EngineNames Names { get; } = new(new StackContext("compliance", "payments", "", Tier.Development, StackVersions.Newest, DeletionPolicy.Retain, new(), new()), "postgres");

    internal PostgresPlan Plan { get; } = PostgresPlan.Of(Names, new());

    public int Port { get; private set; }

    /// <summary>Everything the server has logged.</summary>
    public string Log => server!.Output;

    /// <summary>What the operator knows, with a password for the application.</summary>
    public static EngineTarget Target(string appPassword, string superuserPassword = SuperuserPassword) => new([], new Dictionary<string, IReadOnlyDictionary<string, string>>
    {
        [Names.InternalSecret] = new Dictionary<string, string> { ["superuser-password"] = superuserPassword, ["replication-password"] = "r", ["rewind-password"] = "w", ["restapi-password"] = "a" },
        [Names.AppSecret] = new Dictionary<string, string> { ["password"] = appPassword },
    });

    /// <summary>A source of connections without a pool.</summary>
    public NpgsqlDataSource Source(string user, string password, string database) => new NpgsqlSlimDataSourceBuilder(
        $"Host=127.0.0.1;Port={Port};Username={user};Password={password};Database={database};Pooling=false;SSL Mode=Disable;Timeout=5").Build();

    /// <summary>Makes the application's role and database, as the operator does.</summary>
    internal async Task EnsureAppDatabaseAsync(PostgresPlan plan, EngineTarget target)
    {
        await using var source = PostgresSql.Source(plan, target, "127.0.0.1", Port);
        await PostgresSql.EnsureAppDatabaseAsync(plan, target, source, TestContext.Current.CancellationToken);
    }

    /// <summary>Brings about one thing that is declared, as the operator does.</summary>
    internal Task DeclareAsync(PostgresPlan plan, string name, string subject, EngineTarget target) =>
        PostgresCommands.DeclareAsync(plan, new(name, subject, ""), target, database => PostgresSql.Source(plan, target, "127.0.0.1", Port, database), TestContext.Current.CancellationToken);

    public async ValueTask InitializeAsync()
    {
        Port = FreePort();
        Directory.CreateDirectory(folder);
        var passwordFile = Path.Combine(folder, "superuser");
        await File.WriteAllTextAsync(passwordFile, SuperuserPassword);
        await HackScript.RunAsync("chown", "-R", "postgres:postgres", folder);
        await AsPostgresAsync($"{Programs}/initdb", "--pgdata", Data, "--username", PostgresPlan.Superuser, "--pwfile", passwordFile, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync");
        string[] settings =
        [
            $"port={Port.ToString(CultureInfo.InvariantCulture)}", "listen_addresses=127.0.0.1", $"unix_socket_directories={folder}", "fsync=off", "password_encryption=scram-sha-256",
            "log_statement=all", "log_min_duration_statement=0", "log_min_error_statement=debug5", "log_connections=on",
        ];
        server = new("setpriv", [.. Unprivileged, $"{Programs}/postgres", "-D", Data, .. settings.SelectMany(setting => new[] { "-c", setting })]);
        await ChildProcess.UntilAsync(() => Task.FromResult(Log), log => log.Contains("ready to accept connections", StringComparison.Ordinal), TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (server is not null)
            await server.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    private static string[] Unprivileged { get; } = ["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"];

    private string Data => Path.Combine(folder, "data");

    private static Task AsPostgresAsync(params string[] command) => HackScript.RunAsync("setpriv", [.. Unprivileged, .. command]);

    private static int FreePort()
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
