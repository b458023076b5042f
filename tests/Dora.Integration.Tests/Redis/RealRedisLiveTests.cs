using Dora.Engines;
using Dora.Engines.Redis;
using Xunit;

namespace Dora.Integration.Tests.Redis;

/// <summary>What running members with Sentinels take up without a restart.</summary>
[Collection(RedisPods.Collection)]
public sealed class RealRedisLiveTests(RedisPods pods) : IAsyncLifetime
{
    private static readonly Dictionary<string, string> _declared = new()
    {
        ["timeout"] = "300",
        ["notify-keyspace-events"] = "KEA",
        ["client-output-buffer-limit"] = "pubsub 64mb 16mb 60",
        ["auto-aof-rewrite-min-size"] = "128mb",
        ["lazyfree-lazy-user-del"] = "yes",
    };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        pods.Configure(pods.Plan.AtStart);
        await pods.HealthyAsync();
        await ConvergeAsync();
    }

    public ValueTask DisposeAsync()
    {
        pods.Configure(pods.Plan.AtStart);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Members_that_nobody_configured_have_all_defaults() => Assert.Empty((await LiveAsync()).Needs);

    [Fact]
    public async Task Every_member_takes_up_a_policy_and_parameters_at_once_and_has_them_after_a_restart()
    {
        var before = await RunIdsAsync();
        pods.Configure(pods.Plan with { Policy = "allkeys-lru", Parameters = _declared });
        var found = await LiveAsync();
        Assert.Equal((EngineVerdict.Degraded, "payments-redis-0: auto-aof-rewrite-min-size is not as asked yet"), (found.Verdict, found.Message));
        Assert.Equal(["SetParameters/payments-redis-0", "SetParameters/payments-redis-1", "SetParameters/payments-redis-2"], found.Needs);
        await ConvergeAsync();
        Assert.Equal(before, await RunIdsAsync());
        foreach (var ordinal in Enumerable.Range(0, RedisPods.Members))
            Assert.Equal("allkeys-lru", await ShowAsync(ordinal, "maxmemory-policy"));

        var replica = pods.Target.Members.First(member => member.Name != found.Primary).Ordinal;
        await pods.StopAsync(replica, "redis");
        pods.Remember(new(new("redis", Primary: found.Primary, Initialized: true)));
        await pods.HealthyAsync();
        Assert.NotEqual(before[replica], (await RunIdsAsync())[replica]);
        Assert.Empty((await LiveAsync()).Needs);
        Assert.Equal("300", await ShowAsync(replica, "timeout"));
    }

    [Fact]
    public async Task What_is_taken_away_goes_back_to_its_default()
    {
        pods.Configure(pods.Plan with { Policy = "volatile-ttl", Parameters = _declared });
        await ConvergeAsync();
        pods.Configure(pods.Plan.AtStart);
        await ConvergeAsync();
        Assert.Equal(("0", "", "67108864", "noeviction"), (await ShowAsync(1, "timeout"), await ShowAsync(1, "notify-keyspace-events"), await ShowAsync(1, "auto-aof-rewrite-min-size"), await ShowAsync(1, "maxmemory-policy")));
    }

    [Fact]
    public async Task What_somebody_else_set_is_set_back()
    {
        await SayAsync(2, "CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory", "1000000");
        var found = await LiveAsync();
        Assert.Equal(["SetMaxmemory/payments-redis-2", "SetParameters/payments-redis-2"], found.Needs);
        await ConvergeAsync();
        Assert.Equal(("noeviction", "80530636"), (await ShowAsync(2, "maxmemory-policy"), await ShowAsync(2, "maxmemory")));
    }

    [Fact]
    public async Task Every_parameter_that_may_be_set_is_known_to_the_server_with_its_default()
    {
        foreach (var (name, standard) in RedisParameters.Allowed)
        {
            if (name != "maxclients")
                Assert.Equal((name, RedisParameters.Shown(name, standard)), (name, RedisParameters.Shown(name, await ShowAsync(0, name))));
            await SayAsync(0, "CONFIG", "SET", name, RedisParameters.Shown(name, standard));
        }
    }

    private async Task<EngineHealth> LiveAsync() =>
        await RedisLive.CompleteAsync(pods.Plan, pods.Target, await RedisProbe.RunAsync(pods.Plan, pods.Target, Token), Token);

    // Memory as in a pod of the newest template; who may be told of it is decided elsewhere.
    private async Task ConvergeAsync()
    {
        foreach (var need in (await LiveAsync()).Needs.Where(RedisLive.Is).Select(need => need.Split('/')))
            await RedisLive.ExecuteAsync(pods.Plan, new(need[0], need[1], ""), pods.Target, Token);
        Assert.DoesNotContain((await LiveAsync()).Needs, RedisLive.Is);
    }

    private async Task<List<string>> RunIdsAsync()
    {
        var ids = new List<string>();
        foreach (var ordinal in Enumerable.Range(0, RedisPods.Members))
            ids.Add((await SayAsync(ordinal, "INFO", "server")).Text!.Split("\r\n").Single(line => line.StartsWith("run_id:", StringComparison.Ordinal)));
        return ids;
    }

    private async Task<string> ShowAsync(int ordinal, string name) => (await SayAsync(ordinal, "CONFIG", "GET", name)).Items![1].Text!;

    private async Task<RespValue> SayAsync(int ordinal, params string[] words)
    {
        await using var client = await pods.ConnectAsync(ordinal, RedisPlan.Port, RedisPlan.AdminUser, RedisPods.AdminPassword);
        return await client.SendAsync(Token, words);
    }
}
