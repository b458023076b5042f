using Dora.Engines;
using Dora.Engines.InfluxDb;
using Xunit;

namespace Dora.Integration.Tests.InfluxDb;

/// <summary>InfluxDB 2.x: servers that stop, come back empty or were never set up. Scripted ones, since real ones are not ours to stop.</summary>
public sealed class Influx2FaultTests
{
    [Fact]
    public async Task A_second_server_that_stops_falls_behind_and_catches_up()
    {
        await using var servers = await StartAsync();
        var store = await servers.StopAsync(1);
        await servers.StatusAsync(HttpMethod.Post, 0, "api/v2/write?org=dora&bucket=app", servers.Secrets["payments-influxdb-app"]["token"], "cpu value=1", "text/plain");
        var health = await servers.ProbeAsync();
        Assert.Equal((EngineVerdict.Degraded, "payments-influxdb-0", "payments-influxdb-1: does not answer"), (health.Verdict, health.Primary, health.Message));
        await servers.StartAsync(1, store);
        await servers.ProbeAsync();
        health = await servers.ProbeAsync();
        Assert.Equal((EngineVerdict.Healthy, 0L), (health.Verdict, health.Members[1].LagBytes));
        Assert.Equal("cpu value=1", store.Points.Values.Single().Single());
    }

    [Fact]
    public async Task A_second_server_that_comes_back_empty_is_fed_again()
    {
        await using var servers = await StartAsync();
        await servers.StopAsync(1);
        await servers.StartAsync(1, new(0x0c00_0000_0000_0000));
        Assert.Contains("is not set up", (await servers.ProbeAsync()).Message, StringComparison.Ordinal);
        await servers.SetUpAsync(1);
        var health = await servers.ProbeAsync();
        Assert.Equal("payments-influxdb-1: is not the server that the streams lead to", health.Message);
        Assert.Equal(["ConnectReplica/payments-influxdb-1"], health.Needs);
        Assert.Equal(EngineVerdict.Healthy, (await servers.ConvergeAsync()).Verdict);
    }

    [Fact]
    public async Task A_token_that_the_second_server_forgot_is_issued_again()
    {
        await using var servers = await StartAsync();
        servers.Store(1).Of("authorizations").RemoveAll(authorization => (string?)authorization["description"] == "dora-operator: replication");
        await servers.StatusAsync(HttpMethod.Post, 0, "api/v2/write?org=dora&bucket=app", servers.Secrets["payments-influxdb-app"]["token"], "cpu value=1", "text/plain");
        var health = await servers.ProbeAsync();
        Assert.Equal("payments-influxdb-1: refuses points of 'app' with HTTP status 401", health.Message);
        Assert.Equal(["ConnectReplica/payments-influxdb-1"], health.Needs);
        await servers.ConvergeAsync();
        Assert.Equal((EngineVerdict.Healthy, 0L), ((await servers.ProbeAsync()).Verdict, (await servers.ProbeAsync()).Members[1].LagBytes));
    }

    [Fact]
    public async Task Without_the_first_server_nothing_is_primary()
    {
        await using var servers = await StartAsync();
        await servers.StopAsync(0);
        var health = await servers.ProbeAsync();
        Assert.Equal((EngineVerdict.Degraded, null, "payments-influxdb-0: does not answer"), (health.Verdict, health.Primary, health.Message));
        await servers.StopAsync(1);
        Assert.Equal(EngineVerdict.Unreachable, (await servers.ProbeAsync()).Verdict);
    }

    [Fact]
    public async Task A_server_that_anybody_could_claim_does_not_count_as_serving()
    {
        await using var servers = await Influx2Servers.StartAsync(new(), setUp: false, scriptedOnly: true);
        var health = await servers.ProbeAsync();
        Assert.Null(health.Primary);
        Assert.Contains("anybody who reaches it may claim it", health.Message, StringComparison.Ordinal);
        Assert.Empty(health.Needs);
    }

    [Fact]
    public async Task A_refused_administrator_is_a_finding_without_the_token()
    {
        await using var servers = await StartAsync();
        servers.Secrets[servers.Plan.Names.InternalSecret]["admin-token"] = "wrong-Zt5b7";
        var health = await servers.ProbeAsync();
        Assert.Equal((EngineVerdict.Degraded, null), (health.Verdict, health.Primary));
        Assert.Contains("its Secret does not belong to this volume", health.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("wrong-Zt5b7", health.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failure_between_issuing_and_keeping_leaves_no_second_token()
    {
        await using var servers = await StartAsync();
        servers.Secrets["payments-influxdb-app"].Remove("token");
        var lost = servers.Target with { Keep = (_, _, _, _) => throw new IOException("the API server is away") };
        var command = Assert.Single(InfluxDbNeeds.Commands(new(Health: await servers.ProbeAsync())));
        await Assert.ThrowsAsync<IOException>(() => Dora.Engines.InfluxDb.V2.V2Commands.ExecuteAsync(servers.Plan, command, lost, TestContext.Current.CancellationToken));
        Assert.Equal(EngineVerdict.Healthy, (await servers.ConvergeAsync()).Verdict);
        Assert.Single((await servers.StateAsync(0)).Issued("app"));
    }

    [Fact]
    public async Task A_probe_that_is_older_than_the_Secret_replaces_no_token_that_works()
    {
        await using var servers = await Influx2Servers.StartAsync(new(), scriptedOnly: true);
        await servers.ExecuteAsync(await servers.ProbeAsync());
        var token = servers.Secrets["payments-influxdb-app"]["token"];
        // The operator probes with the Secrets that it had read before the command, and acts on that in its next pass.
        var stale = new EngineHealth(EngineVerdict.Degraded, [], null, null, "", ["IssueToken/app"]);
        await servers.ExecuteAsync(stale);
        Assert.Equal(token, servers.Secrets["payments-influxdb-app"]["token"]);
        Assert.Single((await servers.StateAsync(0)).Issued("app"));
    }

    [Fact]
    public async Task A_converged_pair_is_only_asked()
    {
        await using var servers = await StartAsync();
        var before = servers.Log(0).Count;
        await servers.ProbeAsync();
        Assert.All(servers.Log(0).Skip(before), line => Assert.StartsWith("GET ", line, StringComparison.Ordinal));
    }

    [Fact]
    public async Task More_buckets_than_a_page_holds_are_all_found()
    {
        await using var servers = await Influx2Servers.StartAsync(new(Instances: 1), scriptedOnly: true);
        var store = servers.Store(0);
        var org = (string)store.Of("orgs")[0]["id"]!;
        for (var i = 0; i < 250; i++)
            store.Add("buckets", new() { ["orgID"] = org, ["name"] = $"b{i}", ["retentionRules"] = new System.Text.Json.Nodes.JsonArray() });
        store.Add("buckets", new() { ["orgID"] = org, ["name"] = "last", ["retentionRules"] = new System.Text.Json.Nodes.JsonArray() });
        servers.Declare(new(Instances: 1, Databases: [new("last")]));
        Assert.DoesNotContain((await servers.ProbeAsync()).Needs, need => need.Contains("last", StringComparison.Ordinal));
    }

    // Scripted servers whatever the environment names.
    private static async Task<Influx2Servers> StartAsync()
    {
        var servers = await Influx2Servers.StartAsync(new(), scriptedOnly: true);
        Assert.Equal("", (await servers.ConvergeAsync()).Message);
        return servers;
    }
}
