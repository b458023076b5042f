using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Dora.Testing.Neo4j;

namespace Dora.Engines.Tests.Neo4j;

/// <summary>The scripted Neo4j refuses what a real one refuses; tests against it would prove nothing otherwise.</summary>
public sealed class Neo4jServersTests
{
    private static readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false });

    [Theory]
    [InlineData("neo4j", """{"parameters":{},"statement":"RETURN 1 AS a"}""", "Neo.ClientError.Request.Invalid")]
    [InlineData("neo4j", """{"statement":"RETURN 1 AS a","extra":1}""", "Neo.ClientError.Request.Invalid")]
    [InlineData("neo4j", """{"statement":"RETURN 1 AS a","accessMode":"Sometimes"}""", "Neo.ClientError.Request.Invalid")]
    [InlineData("neo4j", "{", "Neo.ClientError.Request.Invalid")]
    [InlineData("neo4j", """{"statement":"SHOW USERS"}""", "Neo.ClientError.Statement.NotSystemDatabaseError")]
    [InlineData("neo4j", """{"statement":"CREATE ROLE x"}""", "Neo.ClientError.Statement.NotSystemDatabaseError")]
    [InlineData("system", """{"statement":"CREATE INDEX x FOR (e:L) ON (e.p)"}""", "Neo.ClientError.Statement.ExecutionFailed")]
    [InlineData("system", """{"statement":"CREATE ROLE two-words"}""", "Neo.ClientError.Statement.SyntaxError")]
    [InlineData("system", """{"statement":"CREATE ROLE x","accessMode":"Read"}""", "Neo.ClientError.Statement.AccessMode")]
    [InlineData("system", """{"statement":"SHOW USERS YIELD password"}""", "Neo.ClientError.Statement.SyntaxError")]
    [InlineData("system", """{"statement":"CREATE USER x SET PASSWORD $p","parameters":{"p":"short"}}""", "Neo.ClientError.General.InvalidArguments")]
    [InlineData("system", """{"statement":"CREATE USER x SET PASSWORD $p"}""", "Neo.ClientError.Statement.ParameterMissing")]
    [InlineData("system", """{"statement":"CREATE DATABASE systems"}""", "Neo.ClientError.Statement.ArgumentError")]
    [InlineData("system", """{"statement":"CREATE DATABASE one TOPOLOGY 4 PRIMARIES"}""", "Neo.ClientError.Statement.ArgumentError")]
    [InlineData("system", """{"statement":"DROP SERVER '00000000-aaaa-4bbb-8ccc-dddddddddddd'"}""", "Neo.ClientError.Statement.ArgumentError")]
    [InlineData("system", """{"statement":"DEALLOCATE DATABASES FROM SERVER '00000000-aaaa-4bbb-8ccc-dddddddddddd'"}""", "Neo.ClientError.Statement.ArgumentError")]
    [InlineData("system", """{"statement":"GRANT ROLE nobody TO neo4j"}""", "Neo.ClientError.Statement.EntityNotFound")]
    [InlineData("system", """{"statement":"GRANT ACCESS ON DATABASE nowhere TO reader"}""", "Neo.ClientError.Database.DatabaseNotFound")]
    [InlineData("nowhere", """{"statement":"RETURN 1 AS a"}""", "Neo.ClientError.Database.DatabaseNotFound")]
    public async Task What_a_real_server_refuses_is_refused(string database, string body, string code)
    {
        await using var servers = await Neo4jServers.StartAsync();
        servers.State.Users["neo4j"].ChangeRequired = false;
        Assert.Equal(code, await CodeAsync(servers, database, body));
    }

    [Theory]
    [InlineData("CREATE DATABASE one", "Neo.ClientError.Statement.UnsupportedAdministrationCommand")]
    [InlineData("CREATE ROLE one", "Neo.ClientError.Statement.UnsupportedAdministrationCommand")]
    [InlineData("SHOW SERVERS", "Neo.ClientError.Statement.UnsupportedAdministrationCommand")]
    [InlineData("SHOW PRIVILEGES", "Neo.ClientError.Statement.UnsupportedAdministrationCommand")]
    public async Task The_community_edition_lacks_what_it_lacks(string statement, string code)
    {
        await using var servers = await Neo4jServers.StartAsync(new(Edition: "community", Founders: 1));
        servers.State.Users["neo4j"].ChangeRequired = false;
        Assert.Equal(code, await CodeAsync(servers, "system", $$"""{"statement":"{{statement}}"}"""));
    }

    [Fact]
    public async Task Nobody_gets_in_without_a_password()
    {
        await using var servers = await Neo4jServers.StartAsync();
        using var content = Json("""{"statement":"RETURN 1 AS a"}""");
        using var answer = await _http.PostAsync(Uri(servers, "neo4j"), content, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Contains("Basic", answer.Headers.WwwAuthenticate.Select(scheme => scheme.Scheme));
    }

    [Fact]
    public async Task Who_is_no_administrator_administers_nothing()
    {
        await using var servers = await Neo4jServers.StartAsync();
        servers.State.Users["mallory"] = new("mallorys-Password1");
        Assert.Equal("Neo.ClientError.Security.Forbidden", await CodeAsync(servers, "system", """{"statement":"SHOW USERS"}""", "mallory", "mallorys-Password1"));
        Assert.Null(await CodeAsync(servers, "system", """{"statement":"SHOW CURRENT USER"}""", "mallory", "mallorys-Password1"));
    }

    private static async Task<string?> CodeAsync(Neo4jServers servers, string database, string body, string user = "neo4j", string password = "first-Password1")
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Uri(servers, database)) { Content = Json(body) };
        request.Headers.Authorization = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}")));
        using var answer = await _http.SendAsync(request, TestContext.Current.CancellationToken);
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        return (string?)JsonNode.Parse(text)!["errors"]?[0]!["code"];
    }

    private static StringContent Json(string body) => new(body, Encoding.UTF8, "application/json");

    private static Uri Uri(Neo4jServers servers, string database) => new($"http://{Neo4jServers.Address(0)}:{servers.Port}/db/{database}/query/v2");
}
