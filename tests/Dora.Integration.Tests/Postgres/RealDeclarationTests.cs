using Dora.Engines;
using Dora.Engines.Postgres;
using Npgsql;
using Xunit;

namespace Dora.Integration.Tests.Postgres;

/// <summary>Declared roles and databases on a real server: what a probe finds missing is said, until nothing is.</summary>
public sealed class RealDeclarationTests(PostgresServer server) : IClassFixture<PostgresServer>, IAsyncLifetime
{
    private static readonly PostgresSettings _declared = new(
        Roles: [new("clerk", ConnectionLimit: 2, InRoles: ["staff"]), new("staff", Login: false, InRoles: ["pg_read_all_data"])],
        Databases: [new("ledger", "clerk", ["pgcrypto", "hstore"]), new("app", Extensions: ["citext"])]);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() =>
        await server.EnsureAppDatabaseAsync(server.Plan, Target());

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task What_is_declared_is_brought_about_and_then_nothing_is_missing()
    {
        await ConvergeAsync(Plan(_declared));
        await using var clerk = Source("clerk", "ledger");
        Assert.Equal("clerk", await ScalarAsync(clerk, "CREATE TABLE IF NOT EXISTS entry (id int); SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = current_database()"));
        Assert.Equal(2L, await ScalarAsync(clerk, "SELECT count(*) FROM pg_extension WHERE extname IN ('pgcrypto', 'hstore')"));
        Assert.Equal(true, await ScalarAsync(clerk, "SELECT pg_has_role('staff', 'member') AND pg_has_role('pg_read_all_data', 'member')"));
    }

    [Fact]
    public async Task Saying_all_of_it_again_changes_nothing()
    {
        var plan = Plan(_declared);
        await ConvergeAsync(plan);
        var before = await FingerprintAsync();
        foreach (var need in (string[])["SetDatabase/ledger", "CreateExtension/ledger/hstore", "SetRole/clerk", "SetRole/staff"])
            await SayAsync(plan, need);
        Assert.Equal(before, await FingerprintAsync());
        Assert.Empty(await NeedsAsync(plan));
    }

    [Fact]
    public async Task The_connection_limit_holds()
    {
        await ConvergeAsync(Plan(_declared));
        await using var clerk = Source("clerk", "ledger");
        await using var first = await clerk.OpenConnectionAsync(Token);
        await using var second = await clerk.OpenConnectionAsync(Token);
        var refusal = await Assert.ThrowsAsync<PostgresException>(async () => await clerk.OpenConnectionAsync(Token));
        Assert.Equal(PostgresErrorCodes.TooManyConnections, refusal.SqlState);
    }

    [Fact]
    public async Task Somebody_elses_database_lets_no_other_role_in()
    {
        await ConvergeAsync(Plan(_declared));
        await using var app = Source(PostgresPlan.AppUser, "ledger");
        var refusal = await Assert.ThrowsAsync<PostgresException>(async () => await app.OpenConnectionAsync(Token));
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, refusal.SqlState);
    }

    [Fact]
    public async Task Rights_that_somebody_added_are_taken_away()
    {
        var plan = Plan(_declared);
        await ConvergeAsync(plan);
        await using var superuser = Superuser();
        await PostgresRoles.RunAsync(superuser, "ALTER ROLE clerk SUPERUSER CREATEDB CONNECTION LIMIT -1; GRANT pg_execute_server_program TO clerk", Token);
        Assert.Equal(["SetRole/clerk"], await NeedsAsync(plan));
        await ConvergeAsync(plan);
        Assert.Equal(false, await ScalarAsync(superuser, "SELECT rolsuper OR rolcreatedb OR rolconnlimit = -1 OR pg_has_role('clerk', 'pg_execute_server_program', 'member') FROM pg_roles WHERE rolname = 'clerk'"));
    }

    [Fact]
    public async Task A_new_password_in_the_Secret_reaches_the_server()
    {
        var plan = Plan(_declared);
        await ConvergeAsync(plan);
        Assert.Equal(["SetRole/clerk"], await NeedsAsync(plan, Target("fresh")));
        await SayAsync(plan, "SetRole/clerk", Target("fresh"));
        await using var clerk = server.Source("clerk", "fresh-clerk", "ledger");
        await using (await clerk.OpenConnectionAsync(Token))
            Assert.Empty(await NeedsAsync(plan, Target("fresh")));
    }

    [Fact]
    public async Task A_role_whose_password_Vault_sets_keeps_it_and_is_else_as_declared()
    {
        var plan = Plan(new(Roles: [new("teller", ConnectionLimit: 3, Vault: new(StaticRole: "compliance.teller")), new("readers", Vault: new(DynamicRole: "compliance.readers"))]));
        await ConvergeAsync(plan);
        await using var superuser = Superuser();
        Assert.Equal("teller", await ScalarAsync(superuser, "SELECT string_agg(rolname, ',') FROM pg_authid WHERE rolname IN ('teller', 'readers') AND rolcanlogin AND rolpassword IS NULL"));
        // As Vault does with its static and its dynamic role.
        await PostgresRoles.RunAsync(superuser, "ALTER ROLE teller PASSWORD 'by-vault'; CREATE ROLE \"v-readers-x\" LOGIN PASSWORD 'by-vault' IN ROLE readers", Token);
        Assert.Empty(await NeedsAsync(plan));
        await PostgresRoles.RunAsync(superuser, "ALTER ROLE teller CONNECTION LIMIT 7", Token);
        Assert.Equal(["SetRole/teller"], await NeedsAsync(plan));
        await ConvergeAsync(plan);
        foreach (var role in (string[])["teller", "v-readers-x"])
        {
            await using var login = server.Source(role, "by-vault", "postgres");
            await using var open = await login.OpenConnectionAsync(Token);
        }
    }

    [Fact]
    public async Task A_role_that_is_not_declared_any_more_keeps_its_database_and_cannot_log_in()
    {
        await ConvergeAsync(Plan(_declared));
        await ConvergeAsync(Plan(new()));
        await using var superuser = Superuser();
        Assert.Equal("clerk", await ScalarAsync(superuser, "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = 'ledger'"));
        await using var clerk = Source("clerk", "ledger");
        await Assert.ThrowsAsync<PostgresException>(async () => await clerk.OpenConnectionAsync(Token));
    }

    [Fact]
    public async Task A_database_whose_making_was_interrupted_is_finished()
    {
        var plan = Plan(_declared with { Databases = [new("half", "clerk")] });
        await ConvergeAsync(Plan(_declared));
        await using var superuser = Superuser();
        await PostgresRoles.RunAsync(superuser, "CREATE DATABASE half ALLOW_CONNECTIONS false", Token);
        Assert.Equal(["SetDatabase/half"], await NeedsAsync(plan));
        await ConvergeAsync(plan);
        Assert.Equal(false, await ScalarAsync(superuser, "SELECT has_database_privilege('app', 'half', 'CONNECT')"));
    }

    [Fact]
    public async Task Monitor_sees_statistics_and_no_data_and_backup_reads_all_and_writes_nothing()
    {
        await ConvergeAsync(Plan(_declared));
        await using var app = Source(PostgresPlan.AppUser, PostgresPlan.AppDatabase);
        await PostgresRoles.RunAsync(app, "CREATE TABLE IF NOT EXISTS secrets (id int); TRUNCATE secrets; INSERT INTO secrets VALUES (7); ALTER TABLE secrets ENABLE ROW LEVEL SECURITY", Token);
        await using var monitor = Source(PostgresPlan.MonitorUser, PostgresPlan.AppDatabase);
        await using var backup = Source(PostgresPlan.BackupUser, PostgresPlan.AppDatabase);
        Assert.NotNull(await ScalarAsync(monitor, "SELECT count(query) FROM pg_stat_activity"));
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, (await Assert.ThrowsAsync<PostgresException>(() => ScalarAsync(monitor, "SELECT id FROM secrets"))).SqlState);
        Assert.Equal(7, await ScalarAsync(backup, "SELECT id FROM secrets"));
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, (await Assert.ThrowsAsync<PostgresException>(() => ScalarAsync(backup, "DELETE FROM secrets"))).SqlState);
    }

    [Fact]
    public async Task No_password_reaches_the_servers_log()
    {
        await ConvergeAsync(Plan(_declared));
        await using var superuser = Superuser();
        await ScalarAsync(superuser, "SELECT 'declarations are logged'");
        await ChildProcess.UntilAsync(() => Task.FromResult(server.Log), log => log.Contains("declarations are logged", StringComparison.Ordinal), TimeSpan.FromSeconds(10), Token);
        Assert.Contains("ALTER ROLE \"clerk\"", server.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("first-clerk", server.Log, StringComparison.Ordinal);
    }

    private static PostgresPlan Plan(PostgresSettings settings) => PostgresPlan.Of(PostgresServer.Names, settings);

    private static EngineTarget Target(string clerk = "first")
    {
        var target = PostgresServer.Target("first-app");
        var roles = Plan(_declared).Roles.Where(role => role.Secret is not null);
        return target with { Secrets = target.Secrets.Concat(roles.Select(role => KeyValuePair.Create<string, IReadOnlyDictionary<string, string>>(role.Secret!, new Dictionary<string, string> { ["password"] = $"{(role.Name == "clerk" ? clerk : "first")}-{role.Name}" }))).ToDictionary() };
    }

    private async Task ConvergeAsync(PostgresPlan plan)
    {
        for (var pass = 0; pass < 3; pass++)
        {
            foreach (var need in await NeedsAsync(plan))
                await SayAsync(plan, need);
        }

        Assert.Empty(await NeedsAsync(plan));
    }

    private async Task<IReadOnlyList<string>> NeedsAsync(PostgresPlan plan, EngineTarget? target = null)
    {
        var secrets = target ?? Target();
        await using var source = PostgresSql.Source(plan, secrets, "127.0.0.1", server.Port);
        var state = await PostgresRoles.StateAsync(plan, source, database => PostgresSql.Source(plan, secrets, "127.0.0.1", server.Port, database), Token);
        return PostgresNeeds.Of(plan, state, role => role.Secret is null ? null : secrets.Credential(role.Secret, "password"));
    }

    private Task SayAsync(PostgresPlan plan, string need, EngineTarget? target = null)
    {
        var (name, subject) = PostgresNeeds.Split(need);
        return server.DeclareAsync(plan, name, subject, target ?? Target());
    }

    private async Task<object?> FingerprintAsync()
    {
        await using var superuser = Superuser();
        return await ScalarAsync(superuser, "SELECT string_agg(concat(rolname, rolpassword, rolconnlimit, rolcanlogin), ',' ORDER BY rolname) || (SELECT string_agg(concat(oid, datdba, datacl), ',' ORDER BY oid) FROM pg_database) FROM pg_authid");
    }

    private static async Task<object?> ScalarAsync(NpgsqlDataSource source, string statement)
    {
        await using var command = source.CreateCommand(statement);
        return await command.ExecuteScalarAsync(Token);
    }

    private NpgsqlDataSource Source(string role, string database) => server.Source(role, $"first-{role}", database);

    private NpgsqlDataSource Superuser() => server.Source(PostgresPlan.Superuser, PostgresServer.SuperuserPassword, "postgres");
}
