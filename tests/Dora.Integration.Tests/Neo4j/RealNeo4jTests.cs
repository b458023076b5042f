using System.Text.Json.Nodes;
using Dora.Engines;
using Dora.Engines.Neo4j;
using Dora.Engines.Neo4j.QueryApi;
using Xunit;

namespace Dora.Integration.Tests.Neo4j;

/// <summary>What the operator takes for granted of Neo4j, on a real server if there is one.</summary>
public sealed class RealNeo4jTests(Neo4jUnderTest neo4j) : IClassFixture<Neo4jUnderTest>
{
    private const string Community = "databases: [{name: neo4j, constraints: [{name: it_account, label: ItAccount, properties: [id]}], indexes: [{name: it_opened, label: ItAccount, properties: [opened]}]}], users: [{name: it-alice}]";
    private const string Enterprise = "databases: [{name: it-ledger, constraints: [{name: it_account, label: ItAccount, properties: [id], type: Key}], indexes: [{name: it_note, label: ItAccount, properties: [note], type: FullText}]}], roles: [{name: it-auditor, grants: [{database: it-ledger}]}], users: [{name: it-alice, roles: [it-auditor]}]";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void The_server_says_its_version_and_edition_to_anyone()
    {
        Assert.Matches("^(5|20[0-9]{2})\\.[0-9]+", neo4j.Identity.Version);
        Assert.Contains(neo4j.Identity.Edition, new[] { "community", "enterprise" });
    }

    [Fact]
    public async Task A_wrong_password_is_refused() =>
        Assert.Equal(QueryErrorKind.Unauthorized, (await Assert.ThrowsAsync<QueryException>(() => neo4j.Client("nobody-at-all", "wrong-Password").RunAsync(neo4j.Endpoint, "system", Cypher.ShowSelf, [], Token))).Kind);

    [Fact]
    public async Task Parameters_come_back_as_they_were_sent()
    {
        var result = await neo4j.RunAsync("neo4j", new("RETURN $a AS a", new() { ["a"] = JsonValue.Create("`'\"\\\n€") }, ReadOnly: true));
        Assert.Equal("`'\"\\\n€", Assert.Single(result.Rows).Text("a"));
    }

    [Theory]
    [InlineData("neo4j", "MATCH", false, "Neo.ClientError.Statement.SyntaxError")]
    [InlineData("it-nowhere", "RETURN 1 AS one", false, "Neo.ClientError.Database.DatabaseNotFound")]
    [InlineData("neo4j", "RETURN $missing AS missing", true, "Neo.ClientError.Statement.ParameterMissing")]
    public async Task Errors_carry_their_code(string database, string statement, bool readOnly, string code) =>
        Assert.Equal(code, (await Assert.ThrowsAsync<QueryException>(() => neo4j.RunAsync(database, new(statement, ReadOnly: readOnly)))).Code);

    [Fact]
    public async Task A_read_can_wait_for_a_write_by_its_bookmark()
    {
        var written = await neo4j.RunAsync("system", Cypher.CreateUser("it-bookmark", "it-Password1"));
        var users = await neo4j.RunAsync("system", UserState.Show, [.. written.Bookmarks]);
        Assert.Contains(users.Rows.Select(UserState.Parse), user => user.Name == "it-bookmark");
    }

    [Fact]
    public async Task The_columns_that_the_probe_reads_are_there()
    {
        var (cluster, target) = neo4j.Engine("", "databases: []");
        Assert.NotNull((await cluster.ProbeAsync(target, Token)).Primary);
        var copies = (await neo4j.RunAsync("system", DatabaseCopy.Show(neo4j.Enterprise))).Rows.Select(DatabaseCopy.Parse).ToList();
        Assert.All(["system", "neo4j"], name => Assert.True(copies.Single(copy => copy.Name == name) is { Online: true, Writer: true }));
    }

    [Fact]
    public async Task A_users_password_is_set_and_the_old_one_refused()
    {
        await neo4j.RunAsync("system", Cypher.CreateUser("it-bob", "it-Password1"));
        await neo4j.RunAsync("system", Cypher.CreateUser("it-bob", "it-Password9"));
        await neo4j.RunAsync("system", Cypher.SetPassword("it-bob", "it-Password2"));
        var self = await neo4j.Client("it-bob", "it-Password2").RunAsync(neo4j.Endpoint, "system", Cypher.ShowSelf, [], Token);
        Assert.Equal("it-bob", Assert.Single(self.Rows).Text("user"));
        Assert.Equal(QueryErrorKind.Unauthorized, (await Assert.ThrowsAsync<QueryException>(() => neo4j.Client("it-bob", "it-Password1").RunAsync(neo4j.Endpoint, "system", Cypher.ShowSelf, [], Token))).Kind);
        await neo4j.RunAsync("system", Cypher.SetPassword("it-bob", "it-Password1"));
    }

    [Fact]
    public async Task What_is_declared_comes_to_be_and_is_then_only_read()
    {
        var (cluster, target) = neo4j.Engine(Community, Enterprise);
        EngineHealth health;
        var passes = 0;
        do
        {
            health = await cluster.ProbeAsync(target, Token);
            foreach (var command in cluster.Commands(new(Health: health)))
                await cluster.ExecuteAsync(command, target, Token);
        }
        while (health.Verdict != EngineVerdict.Healthy && ++passes < 30);
        Assert.Equal((EngineVerdict.Healthy, ""), (health.Verdict, health.Message));
        Assert.Empty(cluster.Commands(new(Health: await cluster.ProbeAsync(target, Token))));
        var alice = await neo4j.Client("it-alice", Neo4jUnderTest.AppPassword).RunAsync(neo4j.Endpoint, "system", Cypher.ShowSelf, [], Token);
        Assert.Equal("it-alice", Assert.Single(alice.Rows).Text("user"));
    }
}
