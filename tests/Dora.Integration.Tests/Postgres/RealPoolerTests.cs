using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Postgres;
using Dora.Integration.Tests.Rotation;
using Dora.Operator.Credentials;
using Npgsql;
using Xunit;

namespace Dora.Integration.Tests.Postgres;

/// <summary>A real PgBouncer with the configuration of its pod, before a real server.</summary>
public sealed class RealPoolerTests(PostgresServer server) : IClassFixture<PostgresServer>, IAsyncLifetime
{
    private const string Password = "pass-Wd8r2Kx6Tn4b";

    private readonly string folder = Path.Combine(Path.GetTempPath(), $"dora-pgbouncer-{Environment.ProcessId}");
    private readonly int port = FreePort();
    private ChildProcess? pooler;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static PostgresPlan Plan { get; } = PostgresPlan.Of(PostgresServer.Names, new(Roles: [new("clerk")], Databases: [new("ledger", "clerk")], Pooler: new(1, 2, 50)));

    public async ValueTask InitializeAsync()
    {
        await server.EnsureAppDatabaseAsync(Plan, Target());
        for (var pass = 0; pass < 3; pass++)
        {
            foreach (var (name, subject) in (await NeedsAsync()).Select(PostgresNeeds.Split))
                await server.DeclareAsync(Plan, name, subject, Target());
        }

        await StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (pooler is not null)
            await pooler.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task What_the_pooler_needs_is_brought_about() => Assert.Empty(await NeedsAsync());

    [Theory]
    [InlineData("app", "app")]
    [InlineData("clerk", "ledger")]
    public async Task A_role_logs_in_with_its_own_password(string role, string database)
    {
        await using var source = Source(role, Password, database);
        Assert.Equal(role, await ScalarAsync(source, "SELECT current_user::text"));
    }

    [Theory]
    [InlineData("app", "app", "wrong")]
    [InlineData("postgres", "app", PostgresServer.SuperuserPassword)]
    [InlineData("nobody", "app", Password)]
    [InlineData("app", "ledger", Password)]
    [InlineData("app", "postgres", Password)]
    public async Task Others_are_refused(string role, string database, string password)
    {
        await using var source = Source(role, password, database);
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => ScalarAsync(source, "SELECT 1"));
    }

    [Fact]
    public async Task More_clients_than_connections_share_them_by_transaction()
    {
        await using var source = Source("app", Password, "app");
        var clients = new List<NpgsqlConnection>();
        var servers = new HashSet<int>();
        foreach (var _ in Enumerable.Range(0, 10))
        {
            clients.Add(await source.OpenConnectionAsync(Token));
            await using var command = new NpgsqlCommand("SELECT pg_backend_pid()", clients[^1]);
            servers.Add((int)(await command.ExecuteScalarAsync(Token))!);
        }

        foreach (var client in clients)
            await client.DisposeAsync();
        Assert.InRange(servers.Count, 1, 2);
    }

    [Fact]
    public async Task The_lookup_tells_no_superusers_verifier_and_is_nobody_elses()
    {
        await using var lookup = server.Source(PostgresPlan.PoolerUser, Password, "app");
        Assert.StartsWith("SCRAM-SHA-256$", (string?)await ScalarAsync(lookup, "SELECT phash FROM pooler.user_lookup('app')"), StringComparison.Ordinal);
        foreach (var role in (string[])["postgres", "pooler", "nobody"])
            Assert.Null(await ScalarAsync(lookup, $"SELECT phash FROM pooler.user_lookup('{role}')"));
        await Assert.ThrowsAsync<PostgresException>(() => ScalarAsync(lookup, "SELECT rolpassword FROM pg_authid LIMIT 1"));
        await using var app = server.Source("app", Password, "app");
        await Assert.ThrowsAsync<PostgresException>(() => ScalarAsync(app, "SELECT phash FROM pooler.user_lookup('clerk')"));
    }

    [Fact]
    public async Task A_new_password_of_the_lookup_is_taken_up_from_its_file_without_a_restart()
    {
        const string fresh = "fresh-Lc9v3Xt5Bs";
        await using var superuser = server.Source(PostgresPlan.Superuser, PostgresServer.SuperuserPassword, "postgres");
        try
        {
            await PostgresRoles.RunAsync(superuser, $"ALTER ROLE pooler PASSWORD '{PostgresSql.ScramVerifier("pooler", fresh)}'", Token);
            // Logins that it made before are ended: the next one needs the new password.
            await WriteUsersAsync(new(PostgresPlan.PoolerUser, fresh));
            await PostgresRoles.RunAsync(superuser, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'pooler'", Token);
            await ChildProcess.UntilAsync(LogsInAsync, done => done, TimeSpan.FromSeconds(60), Token);
        }
        finally
        {
            await PostgresRoles.RunAsync(superuser, $"ALTER ROLE pooler PASSWORD '{PostgresSql.ScramVerifier("pooler", Password)}'", Token);
            await WriteUsersAsync(new(PostgresPlan.PoolerUser, Password));
        }

        // A role that it has not looked up before; a database's own login makes it ask with the new password.
        async Task<bool> LogsInAsync()
        {
            try
            {
                await using var source = Source("clerk", Password, "ledger");
                await ScalarAsync(source, "SELECT 1");
                await using var lookups = superuser.CreateCommand("SELECT count(*) > 0 FROM pg_stat_activity WHERE usename = 'pooler'");
                return (bool)(await lookups.ExecuteScalarAsync(Token))!;
            }
            catch (NpgsqlException)
            {
                return false;
            }
        }
    }

    [Fact]
    public async Task Who_comes_through_the_pooler_never_sees_a_failed_login_and_the_old_one_is_refused_there()
    {
        var role = PostgresLogins.Of(Plan).Single(role => role.Username == "clerk");
        var servers = new RealLogins(
            role,
            async logins =>
            {
                await using var superuser = PostgresSql.Source(Plan, Target(), "127.0.0.1", server.Port);
                await PostgresLogins.AcceptAsync(Plan, role, logins, superuser, Token);
            },
            async login =>
            {
                await using var direct = server.Source(login.Username, login.Password, "ledger");
                await using var through = Source(login.Username, login.Password, "ledger");
                return [new("payments-postgres-0", await PostgresLogins.LogInAsync(direct, Token)), new("payments-postgres-pooler-0", await PostgresLogins.LogInAsync(through, Token))];
            });
        await using var run = await RotationRun.StartAsync("postgres", servers, new("clerk", Password), "{roles: [{name: clerk}]}");
        for (var turn = 0; turn < 2; turn++)
        {
            await run.RotateAsync($"turn {turn}", async login =>
            {
                await using var application = Source(login.Username, login.Password, "ledger");
                Assert.Equal("clerk", await ScalarAsync(application, "SELECT current_user::text"));
            });
        }

        await servers.Accept([new("clerk", Password)]);
    }

    [Fact]
    public async Task While_the_login_of_the_lookup_changes_nobody_who_comes_through_the_pooler_is_refused_and_nothing_restarts()
    {
        var role = PostgresLogins.Of(Plan).Single(role => role.Username == PostgresPlan.PoolerUser);
        await using var superuser = server.Source(PostgresPlan.Superuser, PostgresServer.SuperuserPassword, "app");
        var servers = new RealLogins(
            role,
            logins => PostgresLogins.AcceptAsync(Plan, role, logins, superuser, Token),
            async login =>
            {
                await using var source = PostgresSql.Source(Plan, Target(), "127.0.0.1", server.Port, "app", login: login);
                return [new("payments-postgres-0", await PostgresLogins.LogInAsync(source, Token))];
            });
        await using var run = await RotationRun.StartAsync("postgres", servers, new(PostgresPlan.PoolerUser, Password), "{pooler: {}}");
        for (var turn = 0; turn < 2; turn++)
        {
            // Each login makes it look up, with connections of its own that somebody always ends.
            await run.RotateAsync($"turn {turn}", async _ =>
            {
                await PostgresRoles.RunAsync(superuser, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename LIKE 'pooler%' AND application_name <> 'dora-operator'", Token);
                await using var clerk = Source("clerk", Password, "ledger");
                Assert.Equal("clerk", await ScalarAsync(clerk, "SELECT current_user::text"));
            }, phase => phase == RotationPhase.Overlapping ? TakenUpAsync(run.Held()) : Task.CompletedTask);
            Assert.Equal(turn == 0 ? "pooler.b" : "pooler", run.Held().Username);
        }

        await servers.Accept([new(PostgresPlan.PoolerUser, Password)]);
        await WriteUsersAsync(new(PostgresPlan.PoolerUser, Password));

        // As the kubelet brings it, some time after the Secret changed.
        async Task TakenUpAsync(Login login)
        {
            await WriteUsersAsync(login);
            await ChildProcess.UntilAsync(
                async () => await ScalarAsync(superuser, $"SELECT count(*) > 0 FROM pg_stat_activity WHERE usename = '{login.Username}'"), found => found is true, TimeSpan.FromSeconds(60), Token);
        }
    }

    [Fact]
    public async Task A_lookup_that_somebody_replaced_is_made_again()
    {
        await using var superuser = server.Source(PostgresPlan.Superuser, PostgresServer.SuperuserPassword, "ledger");
        await PostgresRoles.RunAsync(superuser, "ALTER FUNCTION pooler.user_lookup(text) OWNER TO postgres", Token);
        Assert.Equal(["SetLookup/ledger"], await NeedsAsync());
        await server.DeclareAsync(Plan, PostgresNeeds.SetLookup, "ledger", Target());
        Assert.Empty(await NeedsAsync());
    }

    private static EngineTarget Target()
    {
        var target = PostgresServer.Target(Password);
        var roles = Plan.Roles.Where(role => role.Secret is not null);
        return target with { Secrets = target.Secrets.Concat(roles.Select(role => KeyValuePair.Create<string, IReadOnlyDictionary<string, string>>(role.Secret!, new Dictionary<string, string> { ["password"] = Password }))).ToDictionary() };
    }

    private async Task<IReadOnlyList<string>> NeedsAsync()
    {
        await using var source = PostgresSql.Source(Plan, Target(), "127.0.0.1", server.Port);
        var state = await PostgresRoles.StateAsync(Plan, source, database => PostgresSql.Source(Plan, Target(), "127.0.0.1", server.Port, database), Token);
        return PostgresNeeds.Of(Plan, state, role => role.Secret is null ? null : Password);
    }

    // Only addresses differ from what the pod has.
    private async Task StartAsync()
    {
        Directory.CreateDirectory(folder);
        var config = PostgresPooler.Config(Plan, Plan.Pooler!)
            .Replace($"host={Plan.Names.Domain(Plan.Names.Cluster)} port={PostgresPlan.Port}", string.Create(CultureInfo.InvariantCulture, $"host=127.0.0.1 port={server.Port}"), StringComparison.Ordinal)
            .Replace($"listen_port = {PostgresPooler.Port}", string.Create(CultureInfo.InvariantCulture, $"listen_port = {port}"), StringComparison.Ordinal)
            .Replace("/etc/pgbouncer-auth", folder, StringComparison.Ordinal);
        await File.WriteAllTextAsync(Path.Combine(folder, "pgbouncer.ini"), config, Token);
        await WriteUsersAsync(new(PostgresPlan.PoolerUser, Password));
        await HackScript.RunAsync("chown", "-R", "postgres:postgres", folder);
        pooler = new("setpriv", ["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--", "/bin/sh", "-c", PostgresPooler.Run.Replace("/etc/pgbouncer-auth", folder, StringComparison.Ordinal).Replace("/etc/pgbouncer/", $"{folder}/", StringComparison.Ordinal)]);
        await ChildProcess.UntilAsync(() => Task.FromResult(pooler.Output), log => log.Contains("process up", StringComparison.Ordinal), TimeSpan.FromSeconds(20), Token);
    }

    // A mounted Secret changes as a whole, by a rename.
    private async Task WriteUsersAsync(Login login)
    {
        var values = new Dictionary<string, string> { ["username"] = login.Username, ["password"] = login.Password };
        foreach (var field in PostgresPooler.Fields(Plan))
        {
            var next = Path.Combine(folder, $"{field.Key}.next");
            await File.WriteAllTextAsync(next, CredentialText.Fill(field, values), Token);
            File.Move(next, Path.Combine(folder, field.Key), overwrite: true);
        }
    }

    private NpgsqlDataSource Source(string user, string password, string database) => new NpgsqlSlimDataSourceBuilder(
        $"Host=127.0.0.1;Port={port};Username={user};Password={password};Database={database};Pooling=false;SSL Mode=Disable;Timeout=5;No Reset On Close=true").Build();

    private static async Task<object?> ScalarAsync(NpgsqlDataSource source, string statement)
    {
        await using var command = source.CreateCommand(statement);
        return await command.ExecuteScalarAsync(Token);
    }

    private static int FreePort()
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
