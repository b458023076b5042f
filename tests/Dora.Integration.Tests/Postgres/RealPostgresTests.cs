using Dora.Engines.Postgres;
using Npgsql;
using Xunit;

namespace Dora.Integration.Tests.Postgres;

/// <summary>The application's role and database on a real server.</summary>
public sealed class RealPostgresTests(PostgresServer server) : IClassFixture<PostgresServer>, IAsyncLifetime
{
    private const string Password = "app-Zx5c2Vb8Nm3qW7er";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await ExecuteAsync($"DROP DATABASE IF EXISTS \"{PostgresPlan.AppDatabase}\" WITH (FORCE)");
        await ExecuteAsync($"DROP ROLE IF EXISTS \"{PostgresPlan.AppUser}\"");
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task The_application_logs_in_with_its_password_and_owns_its_database()
    {
        await EnsureAsync();
        await using var app = server.Source(PostgresPlan.AppUser, Password, PostgresPlan.AppDatabase);
        await using (var create = app.CreateCommand("CREATE TABLE receipt (id int PRIMARY KEY); INSERT INTO receipt VALUES (42)"))
            await create.ExecuteNonQueryAsync(Token);
        await using var query = app.CreateCommand("SELECT id, pg_get_userbyid(datdba) = current_user, NOT rolsuper FROM receipt, pg_database, pg_roles WHERE datname = current_database() AND rolname = current_user");
        await using var reader = await query.ExecuteReaderAsync(Token);
        Assert.True(await reader.ReadAsync(Token));
        Assert.Equal((42, true, true), (reader.GetInt32(0), reader.GetBoolean(1), reader.GetBoolean(2)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("app-Zx5c2Vb8Nm3qW7eR")]
    public async Task Another_password_is_refused(string password)
    {
        await EnsureAsync();
        await using var app = server.Source(PostgresPlan.AppUser, password, PostgresPlan.AppDatabase);
        var refusal = await Assert.ThrowsAnyAsync<NpgsqlException>(async () => await app.OpenConnectionAsync(Token));
        Assert.True(password.Length == 0 || refusal is PostgresException { SqlState: PostgresErrorCodes.InvalidPassword }, refusal.Message);
    }

    [Fact]
    public async Task The_second_time_nothing_changes()
    {
        await EnsureAsync();
        var before = await StateAsync();
        await EnsureAsync();
        await EnsureAsync("another-password-Lk2j");
        Assert.Equal(before, await StateAsync());
    }

    [Fact]
    public async Task A_half_done_creation_is_finished()
    {
        await EnsureAsync();
        await ExecuteAsync($"DROP DATABASE \"{PostgresPlan.AppDatabase}\"");
        await EnsureAsync();
        await using var app = server.Source(PostgresPlan.AppUser, Password, PostgresPlan.AppDatabase);
        await using var connection = await app.OpenConnectionAsync(Token);
    }

    [Fact]
    public async Task The_servers_log_holds_the_statement_but_no_password()
    {
        await EnsureAsync();
        await ExecuteAsync("SELECT 'all of it is logged'");
        await ChildProcess.UntilAsync(() => Task.FromResult(server.Log), log => log.Contains("all of it is logged", StringComparison.Ordinal), TimeSpan.FromSeconds(10), Token);
        Assert.Contains($"CREATE ROLE \"{PostgresPlan.AppUser}\" LOGIN PASSWORD 'SCRAM-SHA-256$", server.Log, StringComparison.Ordinal);
        Assert.DoesNotContain(Password, server.Log, StringComparison.Ordinal);
        Assert.DoesNotContain(PostgresServer.SuperuserPassword, server.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_superuser_password_is_refused_and_not_repeated_in_the_error()
    {
        const string wrong = "super-wrong-Hg7f";
        var refusal = await Assert.ThrowsAsync<PostgresException>(() => server.EnsureAppDatabaseAsync(server.Plan, PostgresServer.Target(Password, wrong)));
        Assert.Equal(PostgresErrorCodes.InvalidPassword, refusal.SqlState);
        Assert.DoesNotContain(wrong, refusal.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_server_takes_the_verifier_as_it_is()
    {
        await EnsureAsync();
        await using var source = Superuser();
        await using var query = source.CreateCommand($"SELECT rolpassword FROM pg_authid WHERE rolname = '{PostgresPlan.AppUser}'");
        Assert.Equal(PostgresSql.ScramVerifier(PostgresPlan.AppUser, Password), await query.ExecuteScalarAsync(Token));
    }

    private Task EnsureAsync(string password = Password) =>
        server.EnsureAppDatabaseAsync(server.Plan, PostgresServer.Target(password));

    private async Task<object?> StateAsync()
    {
        await using var source = Superuser();
        await using var query = source.CreateCommand($"SELECT concat(a.oid, a.xmin, a.rolpassword, d.oid, d.xmin) FROM pg_authid a, pg_database d WHERE rolname = '{PostgresPlan.AppUser}' AND datname = '{PostgresPlan.AppDatabase}'");
        return await query.ExecuteScalarAsync(Token);
    }

    private async Task ExecuteAsync(string statement)
    {
        await using var source = Superuser();
        await using var command = source.CreateCommand(statement);
        await command.ExecuteNonQueryAsync(Token);
    }

    private NpgsqlDataSource Superuser() => server.Source(PostgresPlan.Superuser, PostgresServer.SuperuserPassword, "postgres");
}
