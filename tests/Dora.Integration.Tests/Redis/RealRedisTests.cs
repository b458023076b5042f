using System.Net.Security;
using System.Net.Sockets;
using Dora.Engines;
using Dora.Engines.Redis;
using Xunit;

namespace Dora.Integration.Tests.Redis;

/// <summary>The client, the probe and the users on real servers and Sentinels.</summary>
[Collection(RedisPods.Collection)]
public sealed class RealRedisTests(RedisPods pods) : IAsyncLifetime
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await pods.HealthyAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Three_members_with_Sentinels_are_healthy()
    {
        var health = await pods.HealthyAsync();
        Assert.Equal(MemberRole.Primary, health.Members.Single(member => member.Pod == health.Primary).Role);
        Assert.Equal(2, health.Members.Count(member => member.Role == MemberRole.Replica));
        Assert.All(health.Members, member => Assert.True(member is { Serving: true, LagBytes: >= 0 and < RedisProbe.LagLimit, Connections: > 0 }, member.ToString()));
        Assert.StartsWith("7.", health.Version, StringComparison.Ordinal);
        Assert.Empty(health.Needs);
        foreach (var answer in await InformedSentinelsAsync())
            Assert.Equal(new SentinelAnswer(pods.Plan.Names.MemberHost(Ordinal(health.Primary!)), true, 2, 2, 2, answer.Epoch), answer);
    }

    [Fact]
    public async Task A_replica_that_stops_is_named_and_comes_back()
    {
        var primary = (await pods.HealthyAsync()).Primary;
        var replica = pods.Target.Members.First(member => member.Name != primary);
        await pods.StopAsync(replica.Ordinal, "redis");

        var health = await RedisProbe.RunAsync(pods.Plan, pods.Target, Token);
        Assert.Equal((EngineVerdict.Degraded, primary, $"{replica.Name}: does not answer"), (health.Verdict, health.Primary, health.Message));

        pods.Remember(new(new("redis", Primary: primary, Initialized: true)));
        await pods.HealthyAsync();
    }

    [Fact]
    public async Task A_Sentinel_that_stops_is_named_and_comes_back()
    {
        await pods.StopAsync(2, "sentinel");
        var health = await pods.HealthAsync(health => health.Message == "payments-redis-2: the Sentinel does not answer");
        Assert.Equal(EngineVerdict.Degraded, health.Verdict);
        Assert.NotNull(health.Primary);
        await pods.HealthyAsync();
    }

    [Fact]
    public async Task A_master_that_is_back_while_the_Sentinels_fail_over_takes_no_write_that_would_be_lost()
    {
        var master = (await pods.HealthyAsync()).Primary!;
        await InformedSentinelsAsync();
        // Back after the Sentinels have begun: for a moment two take themselves for master.
        var before = pods.Mentions("+odown master");
        await pods.StopAsync(Ordinal(master), "redis");
        await ChildProcess.UntilAsync(() => Task.FromResult(pods.Mentions("+odown master")), mentions => mentions > before, TimeSpan.FromSeconds(20), Token);
        var acknowledged = new List<string>();
        var healthy = pods.HealthyAsync();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!healthy.IsCompleted && await timer.WaitForNextTickAsync(Token))
        {
            var key = $"late:{acknowledged.Count}";
            if (await WritesAsync(Ordinal(master), key))
                acknowledged.Add(key);
        }

        var now = Ordinal((await healthy).Primary!);
        await using var client = await AppAsync(now);
        foreach (var key in acknowledged)
            Assert.Equal("1", (await client.SendAsync(Token, "EXISTS", key)).Text);
    }

    [Fact]
    public async Task Every_Sentinel_announces_another_master()
    {
        var master = (await pods.HealthyAsync()).Primary!;
        await InformedSentinelsAsync();
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var announced = pods.Target.Members.Select(_ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).ToList();
        var listening = pods.Target.Members.Select((member, index) => SentinelAnnouncements.ListenAsync(RedisAdmin.Of(pods.Plan, pods.Target), member, () => announced[index].TrySetResult(), enough.Token)).ToList();

        Assert.True(await ChildProcess.UntilAsync(() => FailedOverAsync(master), done => done, TimeSpan.FromSeconds(20), Token));
        await Task.WhenAll(announced.Select(news => news.Task)).WaitAsync(TimeSpan.FromSeconds(20), Token);
        await enough.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Task.WhenAll(listening));
        await pods.HealthAsync(health => health.Verdict == EngineVerdict.Healthy && health.Primary != master);
    }

    [Fact]
    public async Task What_the_master_acknowledged_survives_its_death_and_then_a_full_outage()
    {
        var first = (await pods.HealthyAsync()).Primary!;
        await using (var client = await AppAsync(Ordinal(first)))
        {
            await client.SendAsync(Token, "SET", "receipt", "42");
            Assert.Equal("2", (await client.SendAsync(Token, "WAIT", "2", "5000")).Text);
        }

        await pods.StopAsync(Ordinal(first));
        var second = (await pods.HealthAsync(health => health.Primary is { } primary && primary != first)).Primary!;
        await using (var client = await AppAsync(Ordinal(second)))
            Assert.Equal("42", (await client.SendAsync(Token, "GET", "receipt")).Text);
        pods.Remember(new(new("redis", Primary: second, Initialized: true)));
        await pods.HealthyAsync();

        foreach (var member in pods.Target.Members)
            await pods.StopAsync(member.Ordinal);
        Assert.Equal(EngineVerdict.Unreachable, (await RedisProbe.RunAsync(pods.Plan, pods.Target, Token)).Verdict);
        var third = (await pods.HealthyAsync()).Primary!;
        await using var after = await AppAsync(Ordinal(third));
        Assert.Equal("42", (await after.SendAsync(Token, "GET", "receipt")).Text);
    }

    [Theory]
    [InlineData("admin", "wrong")]
    [InlineData("app", "")]
    [InlineData("default", "")]
    [InlineData("nobody", RedisPods.AdminPassword)]
    public async Task A_wrong_password_is_refused(string user, string password)
    {
        foreach (var port in (int[])[RedisPlan.Port, RedisPlan.SentinelPort])
        {
            var refusal = await Assert.ThrowsAsync<RespException>(() => pods.ConnectAsync(0, port, user, password));
            Assert.Equal("WRONGPASS", refusal.Code);
        }
    }

    [Theory]
    [InlineData(RedisPlan.Port)]
    [InlineData(RedisPlan.SentinelPort)]
    public async Task Nobody_gets_in_without_a_password(int port)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(RedisPods.Address(0), port, Token);
        var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
        await stream.AuthenticateAsClientAsync(pods.Target.Trust(pods.Plan.Names.CertificateSecret).Expecting(pods.Plan.Names.MemberHost(0)), Token);
        await using var client = new RespClient(stream);
        Assert.Equal("NOAUTH", (await Assert.ThrowsAsync<RespException>(() => client.SendAsync(Token, "PING"))).Code);
    }

    [Fact]
    public async Task A_wrong_operator_password_is_a_finding()
    {
        var target = pods.Target with { Secrets = new Dictionary<string, IReadOnlyDictionary<string, string>>(pods.Target.Secrets) { [pods.Plan.Names.InternalSecret] = new Dictionary<string, string> { ["admin-password"] = "wrong" } } };
        var health = await RedisProbe.RunAsync(pods.Plan, target, Token);
        Assert.Equal((EngineVerdict.Unreachable, "the operator's password is refused"), (health.Verdict, health.Message));
    }

    [Theory]
    [InlineData("app", "GET k", "SET k v", "DEL k", "EXPIRE k 9", "HSET h f v", "MULTI", "EVAL return,1 0", "SUBSCRIBE c", "PUBLISH c m", "PING", "INFO", "KEYS *", "SCAN 0")]
    [InlineData("replica", "PSYNC ? -1", "REPLCONF ACK 1", "PING")]
    [InlineData("sentinel", "SLAVEOF NO ONE", "CONFIG REWRITE", "INFO", "ROLE", "PING", "PUBLISH __sentinel__:hello m", "SUBSCRIBE __sentinel__:hello", "CLIENT KILL TYPE normal", "CLIENT SETNAME s", "MULTI", "EXEC", "SCRIPT KILL")]
    public async Task A_user_may_do_its_work(string user, params string[] commands)
    {
        await using var admin = await AdminAsync();
        foreach (var command in commands)
            Assert.Equal("OK", (await DryRunAsync(admin, user, command)).Text);
    }

    [Theory]
    [InlineData("app", "CONFIG GET dir", "CONFIG SET dir /", "CONFIG REWRITE", "FLUSHALL", "FLUSHDB", "SHUTDOWN", "ACL LIST", "ACL SETUSER app on", "REPLICAOF NO ONE", "FAILOVER", "DEBUG SLEEP 1", "MONITOR", "SAVE", "BGSAVE", "CLIENT KILL TYPE normal", "CLIENT PAUSE 9", "MODULE LIST", "PSYNC ? -1", "MIGRATE h 1 k 0 9", "SORT k")]
    [InlineData("replica", "GET k", "SET k v", "KEYS *", "INFO", "CONFIG GET dir", "ACL LIST", "SLAVEOF NO ONE", "SYNC", "SUBSCRIBE c", "FLUSHALL", "SHUTDOWN")]
    [InlineData("sentinel", "GET k", "SET k v", "KEYS *", "CONFIG GET dir", "CONFIG SET dir /", "ACL LIST", "FLUSHALL", "PSYNC ? -1", "SHUTDOWN", "EVAL return,1 0")]
    [InlineData("default", "PING", "GET k", "INFO", "ACL WHOAMI")]
    public async Task A_user_may_do_no_more(string user, params string[] commands)
    {
        await using var admin = await AdminAsync();
        foreach (var command in commands)
            Assert.StartsWith("This user has no permissions to run", (await DryRunAsync(admin, user, command)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_master_that_is_back_takes_no_writes_while_a_Sentinel_is_silent_that_may_be_failing_over_from_it()
    {
        var master = Ordinal((await pods.HealthyAsync()).Primary!);
        var silent = (master + 1) % RedisPods.Members;
        // However slow this machine is, nobody misses the master before it is back.
        await MissedAfterAsync("60000");
        await pods.SignalAsync(silent, "sentinel", "STOP");
        try
        {
            // Those that answer find nothing wrong with it.
            await pods.StopAsync(master, "redis");
            pods.Restart(master);
            await ChildProcess.UntilAsync(() => ReplicasAsync(master), replicas => replicas == 2, TimeSpan.FromSeconds(20), Token);
            foreach (var other in Enumerable.Range(0, RedisPods.Members).Where(ordinal => ordinal != silent))
                await ChildProcess.UntilAsync(() => FlagsAsync(other), flags => flags == "master", TimeSpan.FromSeconds(20), Token);
            Assert.NotEqual(0, await pods.ReadinessAsync(master));
            Assert.True(pods.Closed(master));
        }
        finally
        {
            await pods.SignalAsync(silent, "sentinel", "CONT");
        }

        await ChildProcess.UntilAsync(() => Task.FromResult(pods.Closed(master)), closed => !closed, TimeSpan.FromSeconds(30), Token);
        await MissedAfterAsync("3000");
        await pods.HealthyAsync();
    }

    [Fact]
    public async Task A_master_that_is_back_takes_no_writes_while_a_single_Sentinel_takes_it_for_down()
    {
        var master = Ordinal((await pods.HealthyAsync()).Primary!);
        var deaf = (master + 1) % RedisPods.Members;
        await MissedAfterAsync("60000");
        // By itself it fails over from nobody. But another may have told it a moment ago that the master is down.
        await TellSentinelAsync(deaf, "auth-pass", "a wrong one");
        try
        {
            await pods.StopAsync(master, "redis");
            await TellSentinelAsync(deaf, "down-after-milliseconds", "1000");
            pods.Restart(master);
            await ChildProcess.UntilAsync(() => ReplicasAsync(master), replicas => replicas == 2, TimeSpan.FromSeconds(20), Token);
            foreach (var other in Enumerable.Range(0, RedisPods.Members))
                await ChildProcess.UntilAsync(() => FlagsAsync(other), flags => other == deaf ? flags!.Contains("s_down", StringComparison.Ordinal) : flags == "master", TimeSpan.FromSeconds(20), Token);
            Assert.NotEqual(0, await pods.ReadinessAsync(master));
            Assert.True(pods.Closed(master));
        }
        finally
        {
            await TellSentinelAsync(deaf, "auth-pass", RedisPods.SentinelPassword);
            await MissedAfterAsync("3000");
        }

        await ChildProcess.UntilAsync(() => Task.FromResult(pods.Closed(master)), closed => !closed, TimeSpan.FromSeconds(30), Token);
        await pods.HealthyAsync();
    }

    [Fact]
    public async Task What_the_Sentinels_heard_before_a_master_started_opens_it_not()
    {
        var master = Ordinal((await pods.HealthyAsync()).Primary!);
        await MissedAfterAsync("60000");
        await using var admin = await pods.ConnectAsync(master, RedisPlan.Port, RedisPlan.AdminUser, RedisPods.AdminPassword);
        await admin.SendAsync(Token, "ACL", "SETUSER", "sentinel", "-ping");
        try
        {
            pods.Close(master);
            Assert.NotEqual(0, await pods.ReadinessAsync(master));
            Assert.True(pods.Closed(master));
        }
        finally
        {
            await admin.SendAsync(Token, "ACL", "SETUSER", "sentinel", "+ping");
            await MissedAfterAsync("3000");
        }

        await ChildProcess.UntilAsync(() => Task.FromResult(pods.Closed(master)), closed => !closed, TimeSpan.FromSeconds(30), Token);
        await pods.HealthyAsync();
    }

    private async Task MissedAfterAsync(string milliseconds)
    {
        foreach (var member in pods.Target.Members)
            await TellSentinelAsync(member.Ordinal, "down-after-milliseconds", milliseconds);
    }

    private async Task TellSentinelAsync(int ordinal, string option, string value)
    {
        await using var sentinel = await pods.ConnectAsync(ordinal, RedisPlan.SentinelPort, RedisPlan.AdminUser, RedisPods.AdminPassword);
        await sentinel.SendAsync(Token, "SENTINEL", "SET", RedisPlan.MasterName, option, value);
    }

    private async Task<int> ReplicasAsync(int ordinal)
    {
        try
        {
            await using var server = await pods.ConnectAsync(ordinal, RedisPlan.Port, RedisPlan.AdminUser, RedisPods.AdminPassword);
            var info = (await server.SendAsync(Token, "INFO", "replication")).Text!;
            return info.Contains("role:master", StringComparison.Ordinal) ? info.Split("state=online").Length - 1 : 0;
        }
        catch (Exception absent) when (absent is SocketException or IOException or RespException { Code: "LOADING" })
        {
            return 0;
        }
    }

    private async Task<string?> FlagsAsync(int ordinal)
    {
        await using var sentinel = await pods.ConnectAsync(ordinal, RedisPlan.SentinelPort, RedisPlan.AdminUser, RedisPods.AdminPassword);
        var fields = (await sentinel.SendAsync(Token, "SENTINEL", "MASTER", RedisPlan.MasterName)).Items!.Select(item => item.Text).ToList();
        return fields[fields.IndexOf("flags") + 1];
    }

    private static Task<RespValue> DryRunAsync(RespClient admin, string user, string command) =>
        admin.SendAsync(Token, ["ACL", "DRYRUN", user, .. command.Split(' ')]);

    private Task<RespClient> AdminAsync() => pods.ConnectAsync(0, RedisPlan.Port, RedisPlan.AdminUser, RedisPods.AdminPassword);

    private Task<RespClient> AppAsync(int ordinal) => pods.ConnectAsync(ordinal, RedisPlan.Port, RedisPlan.AppUser, RedisPods.AppPassword);

    // Whether a replica confirmed it.
    private async Task<bool> WritesAsync(int ordinal, string key)
    {
        try
        {
            await using var client = await AppAsync(ordinal);
            await client.SendAsync(Token, "SET", key, "1");
            return (await client.SendAsync(Token, "WAIT", "1", "500")).Text != "0";
        }
        catch (Exception refused) when (refused is RespException or SocketException or IOException)
        {
            return false;
        }
    }

    // False while no Sentinel has heard of a replica that is fit: they ask each 10 s.
    private async Task<bool> FailedOverAsync(string master)
    {
        try
        {
            await RedisCommands.ExecuteAsync(pods.Plan, new(RedisCommands.Failover, master, ""), pods.Target, Token);
            return true;
        }
        catch (RespException refused) when (refused.Code == "NOGOODSLAVE")
        {
            return false;
        }
    }

    // Healthy asks for a majority that knows the replicas; the others ask the master within 10 s.
    private async Task<List<SentinelAnswer>> InformedSentinelsAsync()
    {
        var answers = new List<SentinelAnswer>();
        foreach (var member in pods.Target.Members)
        {
            await using var sentinel = await pods.ConnectAsync(member.Ordinal, RedisPlan.SentinelPort, RedisPlan.AdminUser, RedisPods.AdminPassword);
            answers.Add(await ChildProcess.UntilAsync(() => RedisProbe.SentinelAsync(sentinel, Token), answer => answer.Replicas == 2, TimeSpan.FromSeconds(20), Token));
        }

        return answers;
    }

    private static int Ordinal(string pod) => pod[^1] - '0';
}
