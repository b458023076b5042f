using Dora.Api;
using Dora.Engines;
using Dora.Engines.Postgres;
using Dora.Integration.Tests.Rotation;
using Npgsql;
using Xunit;

namespace Dora.Integration.Tests.Postgres;

/// <summary>Users of the servers themselves, who take turns while a client writes and replicas follow.</summary>
public sealed class RealOwnLoginTests(EncryptedPods cluster) : IClassFixture<EncryptedPods>
{
    private readonly PatroniPods pods = cluster.Pods;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_operator_takes_turns_with_itself_and_Patroni_goes_on()
    {
        var role = PostgresOwnLogins.Superuser(pods.Plan);
        await using var run = await StartAsync(role);
        for (var turn = 0; turn < 2; turn++)
        {
            await run.RotateAsync($"turn {turn}", async login =>
            {
                await using var source = PostgresSql.Source(pods.Plan, pods.Target, pods.Target.Members[cluster.Roles().Primary], login: login);
                await PostgresRoles.RunAsync(source, "CREATE TABLE IF NOT EXISTS made (id int); INSERT INTO made VALUES (1)", Token);
            }, _ => TakeAsync(run));
            Assert.Equal(turn == 0 ? "postgres.b" : "postgres", run.Held().Username);
            // As the Secret says now, all is as wanted, and nothing is to be mended; Patroni still comes to its server.
            var health = await pods.UntilAsync(health => health.Verdict == EngineVerdict.Healthy);
            Assert.Empty(health.Needs);
            await MovesOnAsync();
        }

        Assert.Equal("postgres", await ScalarAsync("SELECT tableowner::text FROM pg_tables WHERE tablename = 'made'"));
    }

    [Fact]
    public async Task Replicas_change_over_to_another_user_while_a_client_writes_and_the_one_before_is_refused()
    {
        var role = PostgresOwnLogins.Replication(pods.Plan);
        await using var run = await StartAsync(role);
        await using var application = PostgresSql.Source(pods.Plan, pods.Target, pods.Target.Members[cluster.Roles().Primary], PostgresPlan.AppDatabase, new(PostgresPlan.AppUser, PatroniPods.AppPassword));
        var connection = await application.OpenConnectionAsync(Token);
        await SayAsync(connection, "CREATE TABLE IF NOT EXISTS written (id serial)");
        var read = -1;
        for (var turn = 0; turn < 2; turn++)
        {
            await run.RotateAsync(
                $"turn {turn}",
                // On one connection, which must last: nobody restarts for this.
                _ => SayAsync(connection, "INSERT INTO written DEFAULT VALUES"),
                async phase =>
                {
                    await TakeAsync(run);
                    if (phase != RotationPhase.Overlapping || read == turn)
                        return;
                    read = turn;
                    // Nobody has read the new one yet: servers must not refuse the old one, however long that is.
                    Assert.All(await PostgresLogins.LogInAsync(pods.Plan, role, run.Held(), pods.Target, Token), finding => Assert.Equal(LoginAnswer.Unknown, finding.Answer));
                    await TellAsync();
                    await FollowsAsAsync(run.Held().Username);
                });
            var health = await pods.UntilAsync(health => health.Verdict == EngineVerdict.Healthy);
            Assert.Empty(health.Needs);
            await MovesOnAsync();
        }

        // Not before: what went wrong above would be hidden by a connection that is in use.
        await connection.DisposeAsync();
    }

    [Fact]
    public async Task A_member_that_was_primary_reads_from_its_successor_as_either_user()
    {
        var role = PostgresOwnLogins.Rewind(pods.Plan);
        await using var run = await StartAsync(role);
        for (var turn = 0; turn < 2; turn++)
        {
            await run.RotateAsync($"turn {turn}", async login =>
            {
                await using var source = PostgresSql.Source(pods.Plan, pods.Target, pods.Target.Members[cluster.Roles().Primary], login: login);
                await using var command = source.CreateCommand("SELECT length(pg_read_binary_file('global/pg_control', 0, 100, false)) + (SELECT count(*) FROM pg_ls_dir('base', true, true))::int + (pg_stat_file('PG_VERSION', false)).size::int > 100");
                Assert.Equal(true, await command.ExecuteScalarAsync(Token));
            }, async phase =>
            {
                await TakeAsync(run);
                if (phase == RotationPhase.Overlapping)
                    await TellAsync();
            });
            await pods.UntilAsync(health => health is { Verdict: EngineVerdict.Healthy, Needs.Count: 0 });
        }
    }

    [Fact]
    public async Task Patroni_takes_its_own_password_from_the_Secret_and_is_reached_all_the_while()
    {
        var role = PostgresOwnLogins.Rest(pods.Plan);
        var patroni = new PatroniClient(pods.Plan, pods.Target);
        var servers = new RealLogins(role, _ => Task.CompletedTask, login => patroni.LogInAsync(login, Token));
        var old = pods.Target.Login(role);
        await using var run = await RotationRun.StartAsync("postgres", servers, old, held: pods.Internal);
        var taken = 0;
        await run.RotateAsync(
            "now",
            async held =>
            {
                // As a command of the operator: with what it reads now, on a member that may know the other one.
                var target = pods.Target with { Accepted = new Dictionary<string, IReadOnlyList<Login>> { [role.Id] = [.. run.Accepted ?? [held]] } };
                for (var ordinal = 0; ordinal < PatroniPods.Members; ordinal++)
                    await new PatroniClient(pods.Plan, target).ReloadAsync(target.Members[ordinal], Token);
            },
            async phase =>
            {
                await TakeAsync(run);
                if (phase != RotationPhase.Overlapping || taken > 0)
                    return;
                // Pods learn of it long after the operator does.
                var before = run.Logins;
                await ChildProcess.UntilAsync(() => Task.FromResult(run.Logins), logins => logins >= before + 2, TimeSpan.FromSeconds(60), Token);
                Assert.Equal([LoginAnswer.Refused, LoginAnswer.Refused], (await patroni.LogInAsync(run.Held(), Token)).Select(finding => finding.Answer));
                for (; taken < PatroniPods.Members; taken++)
                {
                    await pods.TellAsync(taken);
                    await ChildProcess.UntilAsync(() => patroni.LogInAsync(run.Held(), Token), findings => findings[taken].Answer == LoginAnswer.Accepted, TimeSpan.FromSeconds(30), Token);
                }
            });
        Assert.All(await patroni.LogInAsync(old, Token), finding => Assert.Equal(LoginAnswer.Refused, finding.Answer));
        Assert.All(await patroni.LogInAsync(run.Held(), Token), finding => Assert.Equal(LoginAnswer.Accepted, finding.Answer));
    }

    private Task<RotationRun> StartAsync(RotatingRole role) => RotationRun.StartAsync(
        "postgres",
        new(
            role,
            async logins =>
            {
                await using var source = PostgresSql.Source(pods.Plan, pods.Target, PostgresCommands.Leader(pods.Target));
                await PostgresLogins.AcceptAsync(pods.Plan, role, logins, source, Token);
                // What the primary takes, replicas take a moment later.
                await ChildProcess.UntilAsync(async () => await ScalarAsync("SELECT bool_and(replay_lsn >= pg_current_wal_lsn()) FROM pg_stat_replication"), done => done is true, TimeSpan.FromSeconds(20), Token);
            },
            login => PostgresLogins.LogInAsync(pods.Plan, role, login, pods.Target, Token)),
        pods.Target.Login(role),
        held: pods.Internal);

    private Task TakeAsync(RotationRun run)
    {
        pods.Internal = run.Fields();
        return Task.CompletedTask;
    }

    private async Task TellAsync()
    {
        for (var ordinal = 0; ordinal < PatroniPods.Members; ordinal++)
            await pods.TellAsync(ordinal);
    }

    private Task<object?> FollowsAsAsync(string username) => ChildProcess.UntilAsync(
        async () => await ScalarAsync("SELECT string_agg(usename, ',') FROM pg_stat_replication WHERE state = 'streaming'"), names => username.Equals(names), TimeSpan.FromSeconds(60), Token);

    private async Task MovesOnAsync()
    {
        var before = await cluster.ScalarAsync(cluster.Roles().Replica, "SELECT pg_last_wal_replay_lsn()::text");
        await ScalarAsync("CREATE TABLE IF NOT EXISTS made (id int); INSERT INTO made VALUES (2) RETURNING id");
        await ChildProcess.UntilAsync(() => cluster.ScalarAsync(cluster.Roles().Replica, "SELECT pg_last_wal_replay_lsn()::text"), now => !Equals(now, before), TimeSpan.FromSeconds(30), Token);
    }

    private Task<object?> ScalarAsync(string statement) => cluster.ScalarAsync(cluster.Roles().Primary, statement);

    private static async Task SayAsync(NpgsqlConnection connection, string statement)
    {
        await using var command = new NpgsqlCommand(statement, connection);
        await command.ExecuteNonQueryAsync(Token);
    }
}
