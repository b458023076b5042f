using System.Net;
using Dora.Engines;
using Dora.Engines.InfluxDb;
using Dora.Engines.InfluxDb.V2;
using Xunit;

namespace Dora.Integration.Tests.InfluxDb;

/// <summary>InfluxDB 2.x: what holds on real servers and on scripted ones.</summary>
public sealed class Influx2Tests : IAsyncLifetime
{
    private static readonly InfluxDbSettings _declared = new(
        Databases: [new("metrics", "30d", "1d"), new("metrics.coarse", "7y"), new("for-ever")],
        Users:
        [
            new("reader", [new("metrics")]),
            new("writer", [new("metrics", InfluxDbAccess.Write)]),
            new("both", [new("metrics", InfluxDbAccess.ReadWrite), new("for-ever")]),
        ],
        Downsampling: [new("hourly", "metrics", "metrics.coarse", "60m"), new("daily.cpu", "metrics", "metrics.coarse", "1d", InfluxDbAggregate.Max, "cpu")]);

    private Influx2Servers servers = null!;

    public async ValueTask InitializeAsync() => servers = await Influx2Servers.StartAsync(_declared);

    public ValueTask DisposeAsync() => servers.DisposeAsync();

    [Fact]
    public async Task All_that_is_declared_comes_to_be_and_then_nothing_is_missing()
    {
        var before = await servers.ProbeAsync();
        var health = await servers.ConvergeAsync();
        Assert.Equal("", health.Message);
        Assert.Equal((EngineVerdict.Healthy, "payments-influxdb-0"), (health.Verdict, health.Primary));
        Assert.StartsWith("2.", health.Version, StringComparison.Ordinal);
        Assert.Equal([MemberRole.Primary, MemberRole.Replica], health.Members.Select(member => member.Role));
        // Whatever a probe that is older asks for once more changes nothing.
        await servers.ExecuteAsync(before);
        Assert.Empty((await servers.ConvergeAsync()).Needs);
        Assert.Equal(2, (await servers.StateAsync(0)).Tasks.Count);
        Assert.Single((await servers.StateAsync(0)).Remotes);
    }

    [Fact]
    public async Task Setup_happens_once_and_gives_the_token_of_the_Secret()
    {
        Assert.Equal(HttpStatusCode.UnprocessableEntity, await servers.SetUpAsync(0));
        Assert.Equal(HttpStatusCode.OK, await servers.StatusAsync(HttpMethod.Get, 0, "api/v2/buckets?limit=1", Influx2Servers.AdminToken));
        Assert.Equal(HttpStatusCode.Unauthorized, await servers.StatusAsync(HttpMethod.Get, 0, "api/v2/buckets?limit=1", null));
    }

    [Fact]
    public async Task Tokens_give_what_is_granted_and_nothing_else()
    {
        await servers.ConvergeAsync();
        Assert.Equal((true, false), (await WritesAsync("writer", "metrics"), await WritesAsync("writer", "for-ever")));
        Assert.Equal((false, true), (await ReadsAsync("writer", "metrics"), await ReadsAsync("reader", "metrics")));
        Assert.Equal((false, false), (await WritesAsync("reader", "metrics"), await WritesAsync("both", "for-ever")));
        Assert.Equal((true, true), (await ReadsAsync("both", "for-ever"), await WritesAsync("both", "metrics")));
        Assert.Equal((true, true, false), (await WritesAsync("app", "app"), await ReadsAsync("app", "app"), await ReadsAsync("app", "metrics")));
        Assert.NotEqual(HttpStatusCode.Created, await servers.StatusAsync(HttpMethod.Post, 0, "api/v2/users", Token("app"), """{"name":"mallory"}"""));
    }

    [Fact]
    public async Task What_others_change_is_found_and_undone()
    {
        await servers.ConvergeAsync();
        var state = await servers.StateAsync(0);
        await AdminAsync(HttpMethod.Patch, $"api/v2/buckets/{state.Bucket("metrics")!.Id}", """{"retentionRules":[{"type":"expire","everySeconds":7200,"shardGroupDurationSeconds":3600}]}""");
        await AdminAsync(HttpMethod.Delete, $"api/v2/tasks/{state.Tasks[0].Id}");
        await AdminAsync(HttpMethod.Patch, $"api/v2/tasks/{state.Tasks[1].Id}", """{"status":"inactive","flux":"option task = {name: \"daily.cpu\", every: 1d}\nfrom(bucket: \"metrics\")"}""");
        await AdminAsync(HttpMethod.Delete, $"api/v2/authorizations/{state.Issued("reader").Single().Id}");
        await AdminAsync(HttpMethod.Delete, $"api/v2/replications/{state.Replications[0].Id}");
        Assert.Equal(
            ["IssueToken/reader", "SetReplication/app", "SetTask/daily.cpu", "SetTask/hourly", "UpdateBucket/payments-influxdb-0/metrics"],
            (await servers.ProbeAsync()).Needs.Order(StringComparer.Ordinal));
        Assert.Equal(EngineVerdict.Healthy, (await servers.ConvergeAsync()).Verdict);
        Assert.Equal(2592000, (await servers.StateAsync(0)).Bucket("metrics")!.RetentionRules![0].EverySeconds);
    }

    [Fact]
    public async Task Other_rights_are_a_new_token_and_the_old_one_is_worth_nothing()
    {
        await servers.ConvergeAsync();
        var old = Token("writer");
        servers.Declare(_declared with { Users = [new("writer", [new("metrics")])] });
        Assert.Equal(["IssueToken/writer", "RevokeToken/both", "RevokeToken/reader"], (await servers.ProbeAsync()).Needs.Order(StringComparer.Ordinal));
        Assert.Equal(EngineVerdict.Healthy, (await servers.ConvergeAsync()).Verdict);
        Assert.Equal((false, true), (await WritesAsync("writer", "metrics"), await ReadsAsync("writer", "metrics")));
        Assert.Equal(HttpStatusCode.Unauthorized, await servers.StatusAsync(HttpMethod.Get, 0, "api/v2/buckets?limit=1", old));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("not-a-token-of-ours")]
    [InlineData("two\nlines")]
    public async Task A_Secret_without_a_token_that_works_gets_one(string? token)
    {
        await servers.ConvergeAsync();
        if (token is null)
            servers.Secrets["payments-influxdb-user-reader"].Remove("token");
        else
            servers.Secrets["payments-influxdb-user-reader"]["token"] = token;
        Assert.Equal(["IssueToken/reader"], (await servers.ProbeAsync()).Needs);
        Assert.Equal(EngineVerdict.Healthy, (await servers.ConvergeAsync()).Verdict);
        Assert.True(await ReadsAsync("reader", "metrics"));
        Assert.Single((await servers.StateAsync(0)).Issued("reader"));
    }

    [Fact]
    public async Task Points_reach_the_second_server_by_a_token_that_can_only_write()
    {
        await servers.ConvergeAsync();
        Assert.True(await WritesAsync("app", "app"));
        await ChildProcess.UntilAsync(
            () => servers.SendAsync(HttpMethod.Post, 1, "api/v2/query?org=dora", Influx2Servers.AdminToken, "from(bucket: \"app\") |> range(start: -1h)", "application/vnd.flux"),
            answer => answer.Body.Contains("cpu", StringComparison.Ordinal), TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        var token = Assert.Single((await servers.StateAsync(1)).Issued(V2State.Replication));
        Assert.All(token.Permissions!, permission => Assert.Equal(("write", "buckets"), (permission.Action, permission.Resource.Type)));
        Assert.Equal((EngineVerdict.Healthy, 0L), ((await servers.ProbeAsync()).Verdict, (await servers.ProbeAsync()).Members[1].LagBytes));
    }

    [Fact]
    public async Task What_is_not_declared_any_more_ends_and_what_others_made_stays()
    {
        await servers.ConvergeAsync();
        var (reader, both) = (Token("reader"), Token("both"));
        var org = (await servers.StateAsync(0)).Org;
        await AdminAsync(HttpMethod.Post, "api/v2/tasks", $$"""{"orgID":"{{org}}","flux":"option task = {name: \"theirs\", every: 1h}\nfrom(bucket: \"metrics\") |> range(start: -1h)"}""");
        servers.Declare(_declared with { Users = [new("both", [])], Downsampling = [] });
        Assert.Equal(EngineVerdict.Healthy, (await servers.ConvergeAsync()).Verdict);
        foreach (var token in (string[])[reader, both])
            Assert.Equal(HttpStatusCode.Unauthorized, await servers.StatusAsync(HttpMethod.Get, 0, "api/v2/buckets?limit=1", token));
        Assert.True(await WritesAsync("app", "app"));
        var left = Assert.Single((await servers.StateAsync(0)).Tasks);
        Assert.Equal("theirs", left.Name);
        await AdminAsync(HttpMethod.Delete, $"api/v2/tasks/{left.Id}");
    }

    [Fact]
    public async Task One_server_less_ends_the_streams()
    {
        await servers.ConvergeAsync();
        servers.Declare(_declared with { Instances = 1 });
        Assert.Equal(["RemoveReplication/payments-influxdb-0"], (await servers.ProbeAsync()).Needs);
        Assert.Equal(EngineVerdict.Healthy, (await servers.ConvergeAsync()).Verdict);
        var state = await servers.StateAsync(0);
        Assert.Empty(state.Remotes);
        Assert.Empty(state.Replications);
        // The pod that is still there keeps nobody from being healthy: only then it is taken away.
        Assert.Equal(2, (await servers.ProbeAsync()).Members.Count);
    }

    private string Token(string user) => servers.Secrets[user == "app" ? "payments-influxdb-app" : $"payments-influxdb-user-{user}"]["token"];

    private async Task<bool> WritesAsync(string user, string bucket) =>
        await servers.StatusAsync(HttpMethod.Post, 0, $"api/v2/write?org=dora&bucket={bucket}", Token(user), "cpu,host=a value=42", "text/plain") == HttpStatusCode.NoContent;

    private async Task<bool> ReadsAsync(string user, string bucket) =>
        await servers.StatusAsync(HttpMethod.Post, 0, "api/v2/query?org=dora", Token(user), $"from(bucket: \"{bucket}\") |> range(start: -1h)", "application/vnd.flux") == HttpStatusCode.OK;

    private async Task AdminAsync(HttpMethod method, string target, string? body = null)
    {
        var (status, answer) = await servers.SendAsync(method, 0, target, Influx2Servers.AdminToken, body);
        Assert.True((int)status is >= 200 and < 300, answer);
    }
}
