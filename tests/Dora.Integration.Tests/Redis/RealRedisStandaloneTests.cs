using System.Globalization;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Redis;
using Dora.Engines.Rendering;
using Xunit;

namespace Dora.Integration.Tests.Redis;

/// <summary>A single server: its parameters while it runs, and as it starts with them.</summary>
public sealed class RealRedisStandaloneTests : IAsyncLifetime
{
    private const string Password = "admin-Vg7n2Wd5Xe8j";
    private const string AppPassword = "app-Kd8wTq2LmZ5r";

    private readonly string folder = Path.Combine(Path.GetTempPath(), $"dora-redis-alone-{Environment.ProcessId}");
    private ChildProcess? server;
    private IReadOnlyDictionary<string, string>? certificate;
    private RedisPlan plan = RedisPlan.Of(
        new EngineNames(new StackContext("compliance", "payments", "", Tier.Development, StackVersions.Newest, DeletionPolicy.Retain, new(), new(), Tls: new()), "redis"),
        new(Mode: RedisMode.Standalone));

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static string Address => string.Create(CultureInfo.InvariantCulture, $"127.{1 + (Environment.ProcessId % 250)}.85.1");

    private EngineTarget Target => new(
        [new(plan.Names.Pod(0), 0, Address, true, null)],
        new Dictionary<string, IReadOnlyDictionary<string, string>>
        {
            [plan.Names.InternalSecret] = new Dictionary<string, string> { ["admin-password"] = Password },
            [plan.Names.AppSecret] = new Dictionary<string, string> { ["username"] = RedisPlan.AppUser, ["password"] = AppPassword },
            [plan.Names.CertificateSecret] = certificate ??= RedisAuthority.Issue(plan),
        });

    public async ValueTask InitializeAsync() => await StartAsync();

    public async ValueTask DisposeAsync()
    {
        await server!.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task It_takes_up_parameters_while_it_runs_and_has_them_after_a_restart()
    {
        var before = await SayAsync("INFO", "server");
        plan = plan with { Policy = "allkeys-lfu", Parameters = new Dictionary<string, string> { ["hz"] = "50" } };
        var health = await ProbeAsync();
        Assert.Equal([$"{RedisLive.SetParameters}/payments-redis-0"], health.Needs);
        foreach (var command in RedisLive.Decide(plan, new(Health: health)))
            await RedisLive.ExecuteAsync(plan, command, Target, Token);
        Assert.Equal(EngineVerdict.Healthy, (await ProbeAsync()).Verdict);
        Assert.Equal(RunId(before), RunId(await SayAsync("INFO", "server")));

        await server!.DisposeAsync();
        await StartAsync();
        Assert.NotEqual(RunId(before), RunId(await SayAsync("INFO", "server")));
        Assert.Equal("", (await ProbeAsync()).Message);
    }

    [Theory]
    [InlineData("timeout=0 hash-max-listpack-entries=0 list-max-listpack-size=-5 hz=1 lfu-log-factor=0 maxclients=100 slowlog-log-slower-than=-1 stream-node-max-bytes=0 notify-keyspace-events= auto-aof-rewrite-percentage=10 auto-aof-rewrite-min-size=1mb busy-reply-threshold=100 active-expire-effort=1 maxmemory-eviction-tenacity=0 maxmemory-samples=1")]
    [InlineData("timeout=31536000 tcp-keepalive=86400 slowlog-log-slower-than=3600000000 slowlog-max-len=100000 latency-monitor-threshold=3600000 hash-max-listpack-entries=1000000 hash-max-listpack-value=1000000 list-max-listpack-size=100000 list-compress-depth=10000 set-max-intset-entries=1000000 zset-max-listpack-entries=1000000 zset-max-listpack-value=1000000 hll-sparse-max-bytes=16000 stream-node-max-bytes=1000000000 stream-node-max-entries=1000000 lfu-log-factor=1000 lfu-decay-time=100000 maxmemory-samples=64 maxmemory-eviction-tenacity=100 active-expire-effort=10 hz=500 auto-aof-rewrite-percentage=1000 auto-aof-rewrite-min-size=1024gb busy-reply-threshold=60000 notify-keyspace-events=KEg$lshzxetdm")]
    public async Task It_starts_with_the_ends_of_what_is_allowed(string declared)
    {
        plan = plan with { Parameters = declared.Split(' ').Select(pair => pair.Split('=')).ToDictionary(pair => pair[0], pair => pair[1]) };
        Assert.Empty(RedisParameters.Check("spec.engines.redis", plan));
        await server!.DisposeAsync();
        await StartAsync();
        Assert.Equal("", (await ProbeAsync()).Message);
    }

    [Fact]
    public async Task It_starts_with_limits_of_two_classes_in_one_line()
    {
        plan = plan with { Parameters = new Dictionary<string, string> { ["client-output-buffer-limit"] = "normal 1gb 512mb 30 pubsub 64mb 16mb 60" } };
        await server!.DisposeAsync();
        await StartAsync();
        Assert.Equal("", (await ProbeAsync()).Message);
        Assert.Equal("normal 1073741824 536870912 30 slave 268435456 67108864 60 pubsub 67108864 16777216 60", (await SayAsync("CONFIG", "GET", "client-output-buffer-limit")).Items![1].Text);
    }

    [Fact]
    public async Task It_tells_how_large_its_files_are_and_that_it_takes_no_writes_once_its_disk_fails()
    {
        var empty = Assert.Single((await ProbeAsync()).Members).Volume!.UsedBytes;
        await SayAsync("SET", "large", new string('x', 1 << 20));
        Assert.InRange(Assert.Single((await ProbeAsync()).Members).Volume!.UsedBytes, empty + (1 << 20), empty + (3 << 20));

        // Where its snapshot goes there is something that no file takes the place of.
        var snapshot = Path.Combine(folder, "data", "dump.rdb");
        File.Delete(snapshot);
        Directory.CreateDirectory(Path.Combine(snapshot, "in-the-way"));
        await SayAsync("BGSAVE");
        await ChildProcess.UntilAsync(ProbeAsync, health => health.Message == "payments-redis-0: takes no writes: it could not write its snapshot; is its volume full?", TimeSpan.FromSeconds(20), Token);
        Assert.Equal("MISCONF", (await Assert.ThrowsAsync<RespException>(() => SayAsync("SET", "refused", "x"))).Code);
        Directory.Delete(snapshot, recursive: true);
        await SayAsync("BGSAVE");
        await ChildProcess.UntilAsync(ProbeAsync, health => health.Verdict == EngineVerdict.Healthy, TimeSpan.FromSeconds(20), Token);
    }

    [Fact]
    public async Task Users_of_Vault_keep_their_passwords_over_passes_and_a_restart_and_go_when_nothing_is_Vaults()
    {
        const string made = "V_KUBERNETES_COMPLIANCE.REPORTS_XK2BQ9_1764000000";
        var role = new VaultDatabaseRole(StaticRole: "compliance.clerk");
        plan = Of(new RedisUser("clerk", ["orders:*"], Vault: role), new RedisUser("reports", Vault: new(DynamicRole: "compliance.reports")));
        Assert.Equal(["SetUser/clerk"], await ConvergeUsersAsync());
        // Without a password nobody is the user.
        Assert.Equal("WRONGPASS", (await Assert.ThrowsAsync<RespException>(() => SayAsAsync("clerk", "", "PING"))).Code);
        await SayAsync("ACL", "SETUSER", RedisUsers.VaultUser, "on", ">vaults-own", "-@all", "+@connection", "+acl");
        await SayAsAsync(RedisUsers.VaultUser, "vaults-own", "ACL", "SETUSER", "clerk", "RESETPASS", ">vaults-One7");
        await SayAsAsync(RedisUsers.VaultUser, "vaults-own", "ACL", "SETUSER", made, "ON", ">vaults-Two8", "~reports:*", "+@read");
        await SayAsAsync(RedisUsers.VaultUser, "vaults-own", "ACL", "SAVE");
        Assert.Empty(await ConvergeUsersAsync());
        Assert.Equal("", (await SayAsAsync("clerk", "vaults-One7", "GET", "orders:1")).Text ?? "");

        plan = Of(new RedisUser("clerk", ["bills:*"], Vault: role), new RedisUser("reports", Vault: new(DynamicRole: "compliance.reports")));
        Assert.Equal(["SetUser/clerk"], await ConvergeUsersAsync());
        await server!.DisposeAsync();
        await StartAsync();
        Assert.Empty(await ConvergeUsersAsync());
        await SayAsAsync("clerk", "vaults-One7", "GET", "bills:1");
        Assert.Equal("NOPERM", (await Assert.ThrowsAsync<RespException>(() => SayAsAsync("clerk", "vaults-One7", "GET", "orders:1"))).Code);
        await SayAsAsync(made, "vaults-Two8", "GET", "reports:1");

        // Somebody opens it to everybody.
        await SayAsync("ACL", "SETUSER", "clerk", "nopass");
        Assert.Equal(["SetUser/clerk"], await ConvergeUsersAsync());
        Assert.Equal("WRONGPASS", (await Assert.ThrowsAsync<RespException>(() => SayAsAsync("clerk", "any", "PING"))).Code);

        plan = Of();
        Assert.Equal([$"RemoveUser/{made}", "RemoveUser/clerk", $"RemoveUser/{RedisUsers.VaultUser}"], await ConvergeUsersAsync());
        Assert.Equal("WRONGPASS", (await Assert.ThrowsAsync<RespException>(() => SayAsAsync(made, "vaults-Two8", "PING"))).Code);
    }

    [Theory]
    [InlineData("SETUSER app resetpass >by-hand")]
    [InlineData("SETUSER app off")]
    [InlineData("DELUSER app")]
    public async Task What_somebody_did_to_the_application_s_user_is_undone(string words)
    {
        var before = await ApplicationAsync();
        Assert.Empty(await ConvergeUsersAsync(Of()));
        await SayAsync(["ACL", .. words.Split(' ')]);
        Assert.Equal(["SetUser/app"], await ConvergeUsersAsync(Of()));
        await SayAsAsync(RedisPlan.AppUser, AppPassword, "SET", "k", "v");
        // It may do what it could, to the letter; that payloads are checked is what holds for a user anyhow, and said only of some.
        Assert.Equal(before, await ApplicationAsync());

        async Task<string?> ApplicationAsync() => (await SayAsync("ACL", "LIST")).Items!.Single(line => line.Text!.StartsWith("user app ", StringComparison.Ordinal)).Text!.Replace(" sanitize-payload", "", StringComparison.Ordinal);
    }

    private RedisPlan Of(params RedisUser[] users) => RedisPlan.Of(plan.Names, new(Mode: RedisMode.Standalone, Users: users));

    /// <summary>Does what users need, and says what it was; then they need nothing.</summary>
    private async Task<IReadOnlyList<string>> ConvergeUsersAsync(RedisPlan? wanted = null)
    {
        plan = wanted ?? plan;
        var health = await RedisUsers.CompleteAsync(plan, Target, await RedisProbe.RunAsync(plan, Target, Token), Token);
        foreach (var command in RedisUsers.Decide(new(Health: health)))
            await RedisUsers.ExecuteAsync(plan, command, Target, Token);
        Assert.DoesNotContain((await RedisUsers.CompleteAsync(plan, Target, await RedisProbe.RunAsync(plan, Target, Token), Token)).Needs, RedisUsers.Is);
        return [.. health.Needs.Where(RedisUsers.Is)];
    }

    private async Task<EngineHealth> ProbeAsync() => await RedisLive.CompleteAsync(plan, Target, await RedisProbe.RunAsync(plan, Target, Token), Token);

    private async Task StartAsync()
    {
        PodRoot.Prepare(folder, [$"{Address} {plan.Names.MemberHost(0)}\n"]);
        PodRoot.Write(folder, "config", RedisConfig.Render(plan).ToDictionary(file => file.Key, file => file.Key == "redis.conf" ? $"{file.Value}bind {Address}\n" : file.Value));
        PodRoot.Write(folder, "tls", Target.Secrets[plan.Names.CertificateSecret]);
        PodRoot.Write(folder, "secret", new Dictionary<string, string> { ["admin-password"] = Password, ["replica-password"] = "replica-x", ["sentinel-password"] = "sentinel-x" });
        PodRoot.Write(folder, "secret-app", new Dictionary<string, string> { ["app-password"] = AppPassword });
        PodRoot.Write(folder, "memory", RedisConfig.Memory(plan, EngineObservation.None));
        var variables = RedisStatefulSet.Render(plan, 1).Body["spec"]!["template"]!["spec"]!["containers"]![0]!["env"]!.AsArray();
        var environment = variables.Where(variable => variable!["value"] is not null).ToDictionary(variable => (string)variable!["name"]!, variable => (string)variable!["value"]!);
        environment["POD_NAME"] = plan.Names.Pod(0);
        environment["PATH"] = "/usr/bin:/bin";
        server = PodRoot.Start(folder, "/config/start-redis.sh", environment);
        try
        {
            await ChildProcess.UntilAsync(() => RedisProbe.RunAsync(plan, Target, Token), health => health.Primary is not null, TimeSpan.FromSeconds(20), Token);
        }
        catch (TimeoutException exception)
        {
            throw new TimeoutException($"{exception.Message}\n{server.Output}", exception);
        }
    }

    private static string RunId(RespValue info) => info.Text!.Split("\r\n").Single(line => line.StartsWith("run_id:", StringComparison.Ordinal));

    private Task<RespValue> SayAsync(params string[] words) => SayAsAsync(RedisPlan.AdminUser, Password, words);

    private async Task<RespValue> SayAsAsync(string user, string password, params string[] words)
    {
        await using var client = await RedisAuthority.ConnectAsync(plan, Target.Members[0], RedisPlan.Port, user, password, Token);
        return await client.SendAsync(Token, words);
    }
}
