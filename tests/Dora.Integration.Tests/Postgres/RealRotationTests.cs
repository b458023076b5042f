using Dora.Engines;
using Dora.Engines.Postgres;
using Dora.Integration.Tests.Rotation;
using Xunit;

namespace Dora.Integration.Tests.Postgres;

/// <summary>Two logins that take turns, on a real server.</summary>
public sealed class RealRotationTests(PostgresServer server) : IClassFixture<PostgresServer>
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_application_never_sees_a_failed_login_and_the_old_one_is_refused()
    {
        await server.EnsureAppDatabaseAsync(server.Plan, PostgresServer.Target("first-Lk3v9Qx2"));
        var role = PostgresLogins.Of(server.Plan)[0];
        await using var run = await RotationRun.StartAsync("postgres", Servers(server.Plan, role), new("app", "first-Lk3v9Qx2"));
        for (var turn = 0; turn < 3; turn++)
        {
            await run.RotateAsync($"turn {turn}", async login =>
            {
                await using var application = server.Source(login.Username, login.Password, "app");
                await PostgresRoles.RunAsync(application, "CREATE TABLE IF NOT EXISTS payment (id int); INSERT INTO payment VALUES (1)", Token);
            });
            Assert.Equal(turn % 2 == 0 ? "app.b" : "app", run.Held().Username);
        }

        Assert.True(run.Logins > 5, $"{run.Logins}");
        await using var superuser = server.Source(PostgresPlan.Superuser, PostgresServer.SuperuserPassword, "app");
        Assert.Equal("app", await superuser.CreateCommand("SELECT string_agg(DISTINCT tableowner::text, ',') FROM pg_tables WHERE schemaname = 'public'").ExecuteScalarAsync(Token));
        Assert.DoesNotContain(run.Held().Password, server.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_declared_role_keeps_its_rights_and_its_limit_under_either_name()
    {
        await server.EnsureAppDatabaseAsync(server.Plan, PostgresServer.Target("first-Lk3v9Qx2"));
        var plan = PostgresPlan.Of(PostgresServer.Names, new(Roles: [new("clerk", ConnectionLimit: 3, InRoles: ["pg_monitor"])], Databases: [new("ledger", "clerk")]));
        var role = PostgresLogins.Of(plan).Single(role => role.Username == "clerk");
        var target = Target(role, "clerk", "clerk-Zx81Tr");
        foreach (var (name, subject) in ((string, string)[])[(PostgresNeeds.SetRole, "monitor"), (PostgresNeeds.SetRole, "backup"), (PostgresNeeds.SetRole, "clerk"), (PostgresNeeds.SetDatabase, "ledger")])
            await server.DeclareAsync(plan, name, subject, target);
        await using var run = await RotationRun.StartAsync("postgres", Servers(plan, role, "ledger"), new("clerk", "clerk-Zx81Tr"), "{roles: [{name: clerk}]}");
        await run.RotateAsync("now", async login =>
        {
            await using var clerk = server.Source(login.Username, login.Password, "ledger");
            await PostgresRoles.RunAsync(clerk, "CREATE TABLE IF NOT EXISTS entry (id int)", Token);
        });
        await using var second = server.Source("clerk.b", run.Held().Password, "ledger");
        Assert.Equal("clerk,clerk,true", await second.CreateCommand("SELECT current_user || ',' || tableowner || ',' || pg_has_role('pg_monitor', 'usage') FROM pg_tables WHERE tablename = 'entry'").ExecuteScalarAsync(Token));

        // A probe finds nothing to mend, neither now nor when somebody closed the second login.
        var after = Target(role, "clerk.b", run.Held().Password);
        Assert.Empty(await NeedsAsync(plan, after, "clerk"));
        await using var superuser = server.Source(PostgresPlan.Superuser, PostgresServer.SuperuserPassword, "postgres");
        await PostgresRoles.RunAsync(superuser, "ALTER ROLE \"clerk.b\" NOLOGIN", Token);
        Assert.Equal(["SetLogins/clerk"], await NeedsAsync(plan, after, "clerk"));
    }

    private EngineTarget Target(RotatingRole role, string username, string password) => PostgresServer.Target("first-Lk3v9Qx2") with
    {
        Secrets = new Dictionary<string, IReadOnlyDictionary<string, string>>(PostgresServer.Target("first-Lk3v9Qx2").Secrets)
        {
            [role.SecretName] = new Dictionary<string, string> { ["username"] = username, ["password"] = password },
            ["payments-postgres-monitor"] = new Dictionary<string, string> { ["username"] = "monitor", ["password"] = "m" },
            ["payments-postgres-backup"] = new Dictionary<string, string> { ["username"] = "backup", ["password"] = "b" },
        },
    };

    private async Task<IEnumerable<string>> NeedsAsync(PostgresPlan plan, EngineTarget target, string about)
    {
        await using var source = PostgresSql.Source(plan, target, "127.0.0.1", server.Port);
        var state = await PostgresRoles.StateAsync(plan, source, database => PostgresSql.Source(plan, target, "127.0.0.1", server.Port, database), Token);
        var resolved = PostgresLogins.Resolve(plan, target);
        return PostgresNeeds.Of(resolved, state, role => PostgresNeeds.Password(role, target)).Concat(PostgresLogins.Needs(resolved, state, target)).Where(need => need.Contains(about, StringComparison.Ordinal));
    }

    private RealLogins Servers(PostgresPlan plan, RotatingRole role, string database = "app") => new(
        role,
        async logins =>
        {
            await using var superuser = PostgresSql.Source(plan, PostgresServer.Target(""), "127.0.0.1", server.Port);
            await PostgresLogins.AcceptAsync(plan, role, logins, superuser, Token);
        },
        async login =>
        {
            await using var source = PostgresSql.Source(plan, PostgresServer.Target(""), "127.0.0.1", server.Port, database, login: login);
            return [new("payments-postgres-0", await PostgresLogins.LogInAsync(source, Token))];
        });
}
