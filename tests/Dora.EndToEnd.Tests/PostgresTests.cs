using System.Net.Security;
using Dora.Api;
using Dora.Kubernetes.Model;
using Npgsql;

namespace Dora.EndToEnd.Tests;

/// <summary>What is declared of PostgreSQL, on real Patroni and PgBouncer.</summary>
public sealed class PostgresTests(Cluster cluster)
{
    [Fact]
    public async Task Declared_databases_serve_through_the_pooler_and_a_parameter_that_needs_it_reaches_the_replica_first()
    {
        await cluster.ApplyAsync("ledger", """
            tier: Development
            engines:
              postgres:
                instances: 2
                pooler: {instances: 1}
                parameters: {work_mem: 8MB}
                roles: [{name: clerk}]
                databases: [{name: books, owner: clerk, extensions: [pg_trgm]}]
            """);
        var primary = Engine(await cluster.ReadyAsync("ledger")).Primary;
        var pooled = await ConnectionAsync("ledger-postgres-pooler");
        await Writer.UntilDoneAsync(async token => Assert.Equal("8MB", await AskAsync(pooled, "SHOW work_mem", token)));
        await AskAsync(pooled, "CREATE TABLE entries (number int); INSERT INTO entries VALUES (1)", TestContext.Current.CancellationToken);

        var before = await PodsAsync();
        await cluster.PatchSpecAsync("ledger", "{engines: {postgres: {parameters: {max_connections: '120', work_mem: 16MB}}}}");
        await cluster.UntilAsync(StackResource.Type, "ledger", stack => Engine(stack).Primary is { } now && now != primary, TimeSpan.FromMinutes(3), "served by another primary");
        await cluster.ReadyAsync("ledger");
        var after = await PodsAsync();
        // The old primary's server is started anew by Patroni when it becomes a replica: its pod may stay.
        Assert.NotEmpty(before.Keys.Except(after.Keys));
        var direct = await ConnectionAsync("ledger-postgres");
        await Writer.UntilDoneAsync(async token => Assert.Equal("120", await AskAsync(direct, "SHOW max_connections", token)));
        await Writer.UntilDoneAsync(async token => Assert.Equal("1", await AskAsync(pooled, "SELECT count(*)::text FROM entries", token)));
        await cluster.DeleteStackAsync("ledger");
    }

    // Debian 13's image: role labels are other words there, and a quorum is known.
    [Fact]
    public async Task PostgreSQL_17_under_Patroni_4_commits_to_a_quorum_and_a_frozen_primary_costs_no_committed_row()
    {
        await cluster.ApplyAsync("modern", "{tier: Development, engines: {postgres: {version: '17', instances: 3, synchronous: Quorum}}}");
        var ready = await cluster.ReadyAsync("modern");
        Assert.StartsWith("17.", Engine(ready).Version, StringComparison.Ordinal);
        var application = await PostgresApplication.ConnectAsync(cluster, "modern");
        await using var writer = application.Write("quorum");
        await writer.MoreAsync(50, TimeSpan.FromMinutes(2));
        await cluster.FrozenAsync("modern", "postgres", ready.Primary("postgres"));
        await writer.MoreAsync(50, TimeSpan.FromMinutes(2));
        await writer.StopAsync();
        await cluster.ReadyAsync("modern");
        TestContext.Current.TestOutputHelper?.WriteLine($"PostgreSQL 17, Patroni 4, quorum, primary frozen: outage seen by the client {writer.Outage.TotalSeconds:F1} s");
        Assert.Empty(writer.Acknowledged.Except(await application.ReadAsync("quorum")));
        Assert.InRange(writer.Outage, TimeSpan.Zero, OutageLimit.Postgres);
        await cluster.DeleteStackAsync("modern");
    }

    private async Task<(string Text, Action<SslClientAuthenticationOptions> Expect)> ConnectionAsync(string service) => (new NpgsqlConnectionStringBuilder
    {
        Host = await cluster.AddressAsync(service),
        Port = 5432,
        Username = "clerk",
        Password = await cluster.SecretAsync("ledger-postgres-role-clerk", "password"),
        Database = "books",
        Timeout = 3,
        CommandTimeout = 5,
        Pooling = false,
        SslMode = SslMode.VerifyFull,
    }.ConnectionString, await cluster.ExpectAsync("ledger", service));

    private static async Task<string?> AskAsync((string Text, Action<SslClientAuthenticationOptions> Expect) connection, string statement, CancellationToken cancellationToken)
    {
        await using var source = Verified.Source(connection.Text, connection.Expect);
        await using var command = source.CreateCommand(statement);
        return (string?)await command.ExecuteScalarAsync(cancellationToken);
    }

    private async Task<Dictionary<string, Pod>> PodsAsync() =>
        (await cluster.ListAsync(KubeTypes.Pods, $"{Labels.Stack}=ledger,{Labels.Engine}=postgres")).ToDictionary(pod => pod.Metadata.Uid!);

    private static EngineStatus Engine(ComplianceStack stack) => stack.Status!.Engines!.Single();
}
