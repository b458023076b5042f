using System.Text.Json.Nodes;
using Dora.Engines.Neo4j;
using Dora.Engines.Neo4j.QueryApi;
using Dora.Testing;
using Dora.Testing.Http;
using Dora.Testing.Neo4j;

namespace Dora.Engines.Tests.Neo4j;

public sealed class QueryClientTests
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(30);
    private static readonly QueryEndpoint _first = new(Neo4jServers.Address(0));

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Until_the_first_password_is_changed_nothing_else_is_answered()
    {
        await using var servers = await Neo4jServers.StartAsync();
        var client = Client(servers, "first-Password1");
        Assert.Equal(QueryErrorKind.PasswordChangeRequired, (await Refused(client, new("RETURN 1 AS one"))).Kind);
        await client.RunAsync(_first, "system", Cypher.SetOwnPassword("first-Password1", "second-Password2"), [], Token);
        Assert.Equal(QueryErrorKind.Unauthorized, (await Refused(client, new("RETURN 1 AS one"))).Kind);
        Assert.Equal(1, (await Client(servers, "second-Password2").RunAsync(_first, "neo4j", new("RETURN 1 AS one", ReadOnly: true), [], Token)).Rows[0].Number("one"));
    }

    [Fact]
    public async Task Parameters_arrive_as_they_were_sent()
    {
        await using var servers = await ChangedAsync();
        var query = new Query("RETURN $a AS a", new() { ["a"] = JsonValue.Create("`'\"\\\n€") }, ReadOnly: true);
        Assert.Equal("`'\"\\\n€", (await Client(servers).RunAsync(_first, "neo4j", query, [], Token)).Rows[0].Text("a"));
    }

    [Fact]
    public async Task Three_wrong_passwords_lock_even_the_right_one_out_for_five_seconds()
    {
        var clock = new ManualClock();
        await using var servers = await ChangedAsync(clock: clock);
        for (var i = 0; i < 3; i++)
            Assert.Equal(QueryErrorKind.Unauthorized, (await Refused(Client(servers, "wrong-Password"), new("RETURN 1 AS one"))).Kind);
        Assert.Equal(QueryErrorKind.TooManyAttempts, (await Refused(Client(servers), new("RETURN 1 AS one"))).Kind);
        clock.Advance(TimeSpan.FromSeconds(6));
        Assert.Single((await Client(servers).RunAsync(_first, "neo4j", new("RETURN 1 AS one"), [], Token)).Rows);
    }

    [Theory]
    [InlineData("5.26.0")]
    [InlineData("2025.11.0")]
    public async Task Errors_are_found_under_the_status_of_every_version(string version)
    {
        await using var servers = await ChangedAsync(new(Version: version));
        Assert.Equal("Neo.ClientError.Statement.SyntaxError", (await Refused(Client(servers), new("MATCH"))).Code);
        Assert.Equal("Neo.ClientError.Statement.AccessMode", (await Refused(Client(servers), new("CREATE ROLE x", ReadOnly: true), "system")).Code);
        Assert.Equal(QueryErrorKind.DatabaseNotFound, (await Refused(Client(servers), new("SHOW INDEXES"), "nowhere")).Kind);
    }

    [Fact]
    public async Task A_member_that_does_not_lead_sends_the_next_one_to_try()
    {
        await using var servers = await ChangedAsync();
        servers.State.Servers.Reverse();
        var session = new QuerySession(Client(servers), [new(Neo4jServers.Address(0)), new(Neo4jServers.Address(1)), new(Neo4jServers.Address(2))]);
        await session.RunAsync("system", Cypher.CreateRole("auditor"), Token);
        Assert.Contains("auditor", servers.State.Roles);
        Assert.Equal([0, 1, 2], servers.Requests.Where(request => request.Statement?.StartsWith("CREATE ROLE", StringComparison.Ordinal) == true).Select(request => request.Member));
    }

    [Fact]
    public async Task What_was_written_is_waited_for_by_its_bookmark()
    {
        await using var servers = await ChangedAsync();
        var session = new QuerySession(Client(servers), [_first]);
        await session.RunAsync("system", Cypher.CreateRole("auditor"), Token);
        await session.RunAsync("system", new("SHOW ROLES", ReadOnly: true), Token);
        Assert.Equal(servers.State.Bookmark, (string?)JsonNode.Parse(servers.Requests[^1].Body)!["bookmarks"]![0]);
        Assert.Equal("Neo.ClientError.Transaction.InvalidBookmark", (await Assert.ThrowsAsync<QueryException>(() => Client(servers).RunAsync(_first, "neo4j", new("RETURN 1 AS one"), ["FB:999999"], Token))).Code);
    }

    [Fact]
    public async Task Another_member_is_asked_when_one_is_away()
    {
        await using var servers = await ChangedAsync();
        servers.State.Servers[0].Up = false;
        var session = new QuerySession(Client(servers), [_first, new(Neo4jServers.Address(1))]);
        await session.RunAsync("system", Cypher.CreateRole("auditor"), Token);
        Assert.Contains("auditor", servers.State.Roles);
    }

    [Fact]
    public async Task A_server_that_never_answers_is_given_up_at_the_deadline()
    {
        var clock = new ManualClock();
        await using var servers = await ChangedAsync();
        servers.Script(0, Reply.Silence());
        var arrival = servers.ArrivalAsync("RETURN 1 AS one");
        var asked = new QueryClient(QueryTransport.PlainOn(servers.Port), "neo4j", "x", _patience, clock).RunAsync(_first, "neo4j", new("RETURN 1 AS one"), [], Token);
        await arrival;
        Assert.False(asked.IsCompleted);
        clock.Advance(_patience);
        Assert.Equal(QueryErrorKind.Unavailable, (await Assert.ThrowsAsync<QueryException>(() => asked)).Kind);
    }

    [Fact]
    public async Task A_reply_that_drips_without_end_is_given_up_at_the_deadline()
    {
        var clock = new ManualClock();
        await using var servers = await ChangedAsync();
        var stream = new OpenStream();
        servers.Script(0, Reply.Open(stream));
        stream.Send("{\"data\":{");
        var arrival = servers.ArrivalAsync("RETURN 1 AS one");
        var asked = new QueryClient(QueryTransport.PlainOn(servers.Port), "neo4j", "x", _patience, clock).RunAsync(_first, "neo4j", new("RETURN 1 AS one"), [], Token);
        await arrival;
        clock.Advance(_patience);
        Assert.Equal(QueryErrorKind.Unavailable, (await Assert.ThrowsAsync<QueryException>(() => asked)).Kind);
    }

    [Fact]
    public async Task The_callers_cancellation_is_no_error_of_the_server()
    {
        await using var servers = await ChangedAsync();
        servers.Script(0, Reply.Silence());
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var asked = Client(servers).RunAsync(_first, "neo4j", new("RETURN 1 AS one"), [], cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
    }

    [Fact]
    public async Task A_reply_larger_than_the_limit_is_refused()
    {
        await using var servers = await ChangedAsync();
        servers.Script(0, Reply.Json(202, new string(' ', QueryClient.LargestReply + 1)));
        Assert.Contains("larger than", (await Refused(Client(servers), new("RETURN 1 AS one"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_reply_that_is_cut_is_refused()
    {
        await using var servers = await ChangedAsync();
        servers.Script(0, Reply.Cut("{\"data\":{\"fields\":["), Reply.Stream("{\"data\":{\"fields\":["), Reply.Abort());
        Assert.Equal(QueryErrorKind.Unavailable, (await Refused(Client(servers), new("RETURN 1 AS one"))).Kind);
        Assert.Equal(QueryErrorKind.Malformed, (await Refused(Client(servers), new("RETURN 1 AS one"))).Kind);
        Assert.Equal(QueryErrorKind.Unavailable, (await Refused(Client(servers), new("RETURN 1 AS one"))).Kind);
    }

    [Fact]
    public async Task A_redirect_is_not_followed()
    {
        await using var servers = await ChangedAsync();
        var before = servers.Requests.Count;
        servers.Script(0, Reply.Text(307, "", $"Location: http://{Neo4jServers.Address(1)}:{servers.Port}/db/neo4j/query/v2"));
        Assert.Equal(QueryErrorKind.Rejected, (await Refused(Client(servers), new("RETURN 1 AS one"))).Kind);
        Assert.Equal(before + 1, servers.Requests.Count);
    }

    [Fact]
    public async Task With_TLS_the_certificate_must_be_for_the_member_and_of_the_stacks_authority()
    {
        using var authority = new TestCertificates();
        using var stranger = new TestCertificates();
        using var certificate = authority.Server("payments-neo4j-0.members", loopback: false);
        await using var servers = await Neo4jServers.StartAsync(certificate: certificate);
        Assert.Equal("5.26.0", (await Tls(servers, authority).IdentifyAsync(_first with { Host = "payments-neo4j-0.members" }, Token)).Version);
        await Assert.ThrowsAsync<QueryException>(() => Tls(servers, authority).IdentifyAsync(_first with { Host = "payments-neo4j-1.members" }, Token));
        await Assert.ThrowsAsync<QueryException>(() => Tls(servers, stranger).IdentifyAsync(_first with { Host = "payments-neo4j-0.members" }, Token));
        await Assert.ThrowsAsync<QueryException>(() => Client(servers).IdentifyAsync(_first, Token));
    }

    private static QueryClient Tls(Neo4jServers servers, TestCertificates authority) =>
        new(QueryTransport.TlsOn(ServerTrust.Of(authority.AuthorityPem), servers.Port), "neo4j", "x", _patience);

    private static async Task<Neo4jServers> ChangedAsync(Neo4jOptions? options = null, TimeProvider? clock = null)
    {
        var servers = await Neo4jServers.StartAsync(options, clock);
        await Client(servers, servers.State.Options.InitialPassword).RunAsync(_first, "system", Cypher.SetOwnPassword(servers.State.Options.InitialPassword, Neo4jStacks.AdminPassword), [], Token);
        return servers;
    }

    private static QueryClient Client(Neo4jServers servers, string password = Neo4jStacks.AdminPassword) => new(QueryTransport.PlainOn(servers.Port), "neo4j", password, _patience);

    private static Task<QueryException> Refused(QueryClient client, Query query, string database = "neo4j") =>
        Assert.ThrowsAsync<QueryException>(() => client.RunAsync(_first, database, query, [], Token));
}
