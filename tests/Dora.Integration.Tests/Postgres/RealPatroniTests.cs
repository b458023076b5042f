using Dora.Engines;
using Dora.Engines.Postgres;
using Xunit;

namespace Dora.Integration.Tests.Postgres;

/// <summary>The second day of a real cluster: parameters, replicas that cannot follow, and what this Patroni does not know.</summary>
public sealed class RealPatroniTests(PatroniPods pods) : IClassFixture<PatroniPods>, IAsyncLifetime
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        pods.Plan = PatroniPods.PlanOf(new());
        await pods.HealthyAsync();
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task A_replica_whose_WAL_is_gone_copies_the_primary_anew()
    {
        var (primary, replica) = Roles();
        await pods.StopAsync(replica);
        await ExecuteAsync(primary, "CREATE TABLE IF NOT EXISTS gone (id int); INSERT INTO gone VALUES (1)");
        await ForgetWalAsync(primary);
        pods.Start(replica);
        await pods.UntilAsync(health => health.Members[replica].Detail == "needs WAL that the primary no longer has");
        await ExpectRepairAsync(replica);
        Assert.Equal(1L, await ScalarAsync(replica, "SELECT count(*) FROM gone"));
    }

    [Fact]
    public async Task A_replica_that_cannot_start_copies_the_primary_anew()
    {
        var (primary, replica) = Roles();
        await ExecuteAsync(primary, "CREATE TABLE IF NOT EXISTS broken (id int); INSERT INTO broken VALUES (1)");
        await pods.StopAsync(replica);
        Directory.Delete(Path.Combine(pods.Data(replica), "global"), recursive: true);
        pods.Start(replica);
        await pods.UntilAsync(health => health.Members[replica].Repair?.Since is not null);
        await ExpectRepairAsync(replica);
        Assert.Equal(1L, await ScalarAsync(replica, "SELECT count(*) FROM broken"));
    }

    [Fact]
    public async Task A_replica_that_only_restarts_is_not_told_to_begin_anew()
    {
        var (_, replica) = Roles();
        await pods.StopAsync(replica);
        pods.Start(replica);
        var said = new List<EngineCommand>();
        do
        {
            said.AddRange(await pods.PassAsync());
        }
        while (pods.Health!.Verdict != EngineVerdict.Healthy);
        Assert.DoesNotContain(said, command => command.Name == PostgresRepair.Reinitialize);
    }

    [Fact]
    public async Task Every_member_tells_how_much_its_databases_and_its_log_take()
    {
        var before = await PostgresProbe.RunAsync(pods.Plan, pods.Target, Token);
        await ExecuteAsync(Roles().Primary, "CREATE TABLE IF NOT EXISTS ballast AS SELECT string_agg(md5(i::text), '') AS text FROM generate_series(1, 500000) i; ALTER TABLE ballast ALTER text SET STORAGE EXTERNAL; CREATE TABLE IF NOT EXISTS heavy AS SELECT text || 'x' AS text FROM ballast");
        var after = await pods.UntilAsync(health => health.Members.All(member => member is { Serving: true, LagBytes: 0 }));
        Assert.All(before.Members.Zip(after.Members), member => Assert.InRange(member.Second.Volume!.UsedBytes - member.First.Volume!.UsedBytes, 10 << 20, 1 << 30));
    }

    [Fact]
    public async Task Patroni_keeps_a_primary_from_beginning_anew()
    {
        var (primary, _) = Roles();
        var patroni = new PatroniClient(pods.Plan, pods.Target);
        var refusal = await Assert.ThrowsAsync<HttpRequestException>(() => patroni.ReinitializeAsync(pods.Target.Members[primary], Token));
        Assert.Contains("I am the leader", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ALTER ROLE app PASSWORD 'by hand'")]
    [InlineData("ALTER ROLE app NOLOGIN")]
    [InlineData("ALTER DATABASE app OWNER TO postgres; DROP ROLE app")]
    public async Task What_somebody_did_to_the_application_s_user_is_undone(string statements)
    {
        await ExecuteAsync(Roles().Primary, statements);
        await pods.PassAsync();
        Assert.NotEqual(EngineVerdict.Healthy, pods.Health!.Verdict);
        await pods.UntilAsync(health => health.Verdict == EngineVerdict.Healthy);
        await using var application = PostgresSql.Source(pods.Plan, pods.Target, pods.Target.Members[Roles().Primary], PostgresPlan.AppDatabase, new(PostgresPlan.AppUser, PatroniPods.AppPassword));
        await using var connection = await application.OpenConnectionAsync(Token);
        await ExecuteAsync(Roles().Primary, "ALTER DATABASE app OWNER TO app");
    }

    [Theory]
    [InlineData("work_mem", "7MB", false)]
    [InlineData("max_connections", "130", true)]
    public async Task A_cluster_is_healthy_only_when_every_member_has_a_parameter_or_says_that_it_waits_for_a_restart(string name, string value, bool waits)
    {
        pods.Plan = PatroniPods.PlanOf(new(Parameters: new Dictionary<string, string> { [name] = value }));
        Assert.NotEqual(EngineVerdict.Healthy, (await PostgresProbe.RunAsync(pods.Plan, pods.Target, Token)).Verdict);
        var health = await pods.UntilAsync(health => health.Verdict == EngineVerdict.Healthy);
        foreach (var ordinal in Enumerable.Range(0, PatroniPods.Members))
        {
            Assert.Equal(waits, value != (string?)await ScalarAsync(ordinal, $"SHOW {name}"));
            Assert.Equal(waits, health.Members[ordinal].PendingRestart);
        }

        pods.Plan = PatroniPods.PlanOf(new());
        health = await pods.UntilAsync(health => health.Verdict == EngineVerdict.Healthy);
        foreach (var ordinal in Enumerable.Range(0, PatroniPods.Members))
        {
            Assert.NotEqual(value, await ScalarAsync(ordinal, $"SHOW {name}"));
            Assert.False(health.Members[ordinal].PendingRestart);
        }
    }

    [Fact]
    public async Task A_quorum_is_not_asked_of_a_Patroni_that_does_not_know_it()
    {
        pods.Plan = PatroniPods.PlanOf(new(Synchronous: PostgresSynchronous.Quorum));
        await pods.PassAsync();
        Assert.StartsWith("the members run Patroni 3.", pods.Health!.Message, StringComparison.Ordinal);
        Assert.Empty(await pods.PassAsync());
        await PostgresCommands.ExecuteAsync(pods.Plan, new(PostgresCommands.Configuration, pods.Health.Primary!, ""), pods.Target, Token);
        var live = await new PatroniClient(pods.Plan, pods.Target).ConfigurationAsync(pods.Target.Members[Roles().Primary], Token);
        Assert.False((bool)live!["synchronous_mode"]!);
    }

    // Patroni has dropped the replica's slot by now or will; what WAL is left belongs to the primary alone.
    private async Task ForgetWalAsync(int primary)
    {
        await ExecuteAsync(primary, "CREATE TABLE IF NOT EXISTS churn (id int)");
        foreach (var number in Enumerable.Range(0, 3))
        {
            await ExecuteAsync(primary, $"INSERT INTO churn VALUES ({number})");
            await ExecuteAsync(primary, "SELECT pg_switch_wal()");
        }

        await ExecuteAsync(primary, "CHECKPOINT");
        var current = (string)(await ScalarAsync(primary, "SELECT pg_walfile_name(pg_current_wal_insert_lsn())"))!;
        foreach (var file in Directory.EnumerateFiles(Path.Combine(pods.Data(primary), "pg_wal")).Where(file => Path.GetFileName(file).Length == 24 && string.CompareOrdinal(Path.GetFileName(file), current) < 0))
            File.Delete(file);
    }

    private async Task ExpectRepairAsync(int replica)
    {
        var attempts = pods.Health!.Members[replica].Repair?.Attempts;
        var said = await pods.PassAsync();
        Assert.DoesNotContain(said, command => command.Name == PostgresRepair.Reinitialize);
        pods.Wait();
        await pods.UntilAsync(health => health.Needs.Count > 0);
        Assert.Equal([$"{PostgresRepair.Reinitialize}/{pods.Plan.Names.Pod(replica)}"], pods.Health!.Needs);
        var command = Assert.Single(await pods.PassAsync());
        Assert.Equal((PostgresRepair.Reinitialize, pods.Plan.Names.Pod(replica)), (command.Name, command.Subject));
        var health = await pods.HealthyAsync();
        Assert.Equal(attempts + 1, health.Members[replica].Repair?.Attempts);
    }

    private (int Primary, int Replica) Roles()
    {
        var primary = pods.Health!.Members.ToList().FindIndex(member => member.Pod == pods.Health.Primary);
        return (primary, 1 - primary);
    }

    private Task ExecuteAsync(int ordinal, string statement) => ScalarAsync(ordinal, statement);

    private async Task<object?> ScalarAsync(int ordinal, string statement)
    {
        await using var source = pods.Source(ordinal);
        await using var command = source.CreateCommand(statement);
        return await command.ExecuteScalarAsync(Token);
    }
}
