using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.InfluxDb;
using Dora.Engines.InfluxDb.V1;
using Xunit;

namespace Dora.Integration.Tests.InfluxDb;

/// <summary>InfluxDB 1.x as its pod runs it, on the real server.</summary>
public sealed class RealInflux1Tests : IAsyncLifetime
{
    private static readonly InfluxDbSettings _declared = new(
        Databases:
        [
            new("metrics", "30d", "1d", [new("year", "365d")]),
            new("metrics.coarse", "7y"),
            new("for-ever"),
        ],
        Users:
        [
            new("reader", [new("metrics")]),
            new("writer", [new("metrics", InfluxDbAccess.Write)]),
            new("both", [new("metrics", InfluxDbAccess.ReadWrite), new("for-ever")]),
        ],
        Downsampling:
        [
            new("hourly", "metrics", "metrics.coarse", "60m"),
            new("weekly.cpu", "metrics", "metrics", "7d", InfluxDbAggregate.Max, "cpu", TargetPolicy: "year"),
        ]);

    private readonly Influx1Pod pod = new(_declared);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => pod.DisposeAsync();

    [Fact]
    public async Task All_that_is_declared_comes_to_be_and_then_nothing_is_missing()
    {
        await pod.StartAsync();
        var before = await pod.ProbeAsync();
        Assert.Equal(EngineVerdict.Degraded, before.Verdict);
        Assert.Contains("CreateDatabase/metrics.coarse", before.Needs);
        var health = await pod.ConvergeAsync();
        Assert.Equal("", health.Message);
        Assert.Equal((EngineVerdict.Healthy, "payments-influxdb-0"), (health.Verdict, health.Primary));
        Assert.StartsWith("1.6", health.Version, StringComparison.Ordinal);
        // Whatever a probe that is older asks for once more changes nothing.
        foreach (var command in InfluxDbNeeds.Commands(new(Health: before)))
            await V1Commands.ExecuteAsync(pod.Plan, command, pod.Target, Token);
        Assert.Empty((await pod.ProbeAsync()).Needs);
    }

    [Fact]
    public async Task The_server_tells_how_much_its_shards_take()
    {
        await pod.StartAsync();
        var before = Assert.Single((await pod.ConvergeAsync()).Members).Volume!.UsedBytes;
        Assert.True(await WritesAsync("writer", "metrics"));
        Assert.InRange(Assert.Single((await pod.ProbeAsync()).Members).Volume!.UsedBytes, before + 1, before + (1 << 20));
    }

    [Fact]
    public async Task Nobody_becomes_administrator_without_the_password()
    {
        await pod.StartAsync();
        var nobody = new V1Client(pod.Http(null));
        foreach (var statement in (string[])["CREATE USER mallory WITH PASSWORD 'x' WITH ALL PRIVILEGES", "SHOW DATABASES"])
            Assert.Equal(InfluxFault.Unauthorized, (await Assert.ThrowsAsync<InfluxException>(() => nobody.QueryAsync(statement, Token))).Fault);
        await Assert.ThrowsAsync<InfluxException>(() => pod.Client("monitor", Influx1Pod.MonitorPassword).QueryAsync("CREATE USER mallory WITH PASSWORD 'x'", Token));
    }

    [Fact]
    public async Task Users_may_do_what_is_granted_and_nothing_else()
    {
        await pod.StartAsync();
        await pod.ConvergeAsync();
        Assert.Equal((true, false), (await WritesAsync("writer", "metrics"), await WritesAsync("writer", "for-ever")));
        Assert.Equal((false, true), (await ReadsAsync("writer", "metrics"), await ReadsAsync("reader", "metrics")));
        Assert.Equal((false, false), (await WritesAsync("reader", "metrics"), await WritesAsync("both", "for-ever")));
        Assert.Equal((true, true), (await ReadsAsync("both", "for-ever"), await WritesAsync("both", "metrics")));
        Assert.Equal((true, true, false), (await WritesAsync("app", "app"), await ReadsAsync("app", "app"), await ReadsAsync("app", "metrics")));
        Assert.False(await ReadsAsync("reader", "_internal"));
    }

    [Fact]
    public async Task What_others_change_is_found_and_undone()
    {
        await pod.StartAsync();
        await pod.ConvergeAsync();
        var admin = pod.Client("admin", Influx1Pod.AdminPassword);
        await admin.QueryAsync("""
            GRANT ALL PRIVILEGES TO "reader"; GRANT READ ON "for-ever" TO "writer"; REVOKE ALL ON "metrics" FROM "both"; DROP USER "app";
            ALTER RETENTION POLICY "autogen" ON "metrics" DURATION 2d; DROP RETENTION POLICY "year" ON "metrics";
            ALTER RETENTION POLICY "autogen" ON "for-ever" DURATION 4w SHARD DURATION 2h;
            DROP CONTINUOUS QUERY "dora.hourly" ON "metrics"; DROP CONTINUOUS QUERY "dora.weekly.cpu" ON "metrics";
            CREATE CONTINUOUS QUERY "dora.old" ON "metrics" BEGIN SELECT min(*) INTO "metrics.coarse"."autogen".:MEASUREMENT FROM "metrics"."autogen"."cpu" GROUP BY time(1w), * END;
            CREATE CONTINUOUS QUERY "dora.weekly.cpu" ON "metrics" BEGIN SELECT min(*) INTO "metrics"."autogen".:MEASUREMENT FROM "metrics"."autogen"."cpu" GROUP BY time(1w), * END
            """, Token);
        Assert.Equal(
            [
                "AlterRetentionPolicy/for-ever/autogen", "AlterRetentionPolicy/metrics/autogen", "CreateRetentionPolicy/metrics/year", "CreateUser/app", "RemoveContinuousQuery/metrics/dora.old",
                "SetContinuousQuery/hourly", "SetContinuousQuery/weekly.cpu", "SetGrants/app", "SetGrants/both", "SetGrants/reader", "SetGrants/writer",
            ],
            (await pod.ProbeAsync()).Needs.Order(StringComparer.Ordinal));
        Assert.Equal(EngineVerdict.Healthy, (await pod.ConvergeAsync()).Verdict);
        Assert.False(await WritesAsync("reader", "metrics"));
    }

    [Fact]
    public async Task Other_wishes_change_what_is_there_in_place()
    {
        await pod.StartAsync();
        await pod.ConvergeAsync();
        Assert.True(await WritesAsync("writer", "metrics"));
        pod.Declare(new(
            Databases: [new("metrics", "2d"), new("app", "1h", "1h")],
            Users: [new("writer", [new("metrics", InfluxDbAccess.Read)]), new("both", [])]));
        Assert.Equal(EngineVerdict.Healthy, (await pod.ConvergeAsync()).Verdict);
        Assert.Equal((true, false), (await ReadsAsync("writer", "metrics"), await WritesAsync("writer", "metrics")));
        Assert.False(await ReadsAsync("both", "metrics"));
        var admin = await pod.Client("admin", Influx1Pod.AdminPassword).QueryAsync("SHOW DATABASES; SHOW CONTINUOUS QUERIES", Token);
        Assert.Empty(admin[1].Tables.SelectMany(table => table.Rows));
        Assert.Contains("for-ever", admin[0].Tables[0].Rows.Select(row => row["name"]));
    }

    [Fact]
    public async Task A_lost_Secret_gives_the_user_a_new_password()
    {
        await pod.StartAsync();
        await pod.ConvergeAsync();
        pod.Secrets["payments-influxdb-user-reader"] = new Dictionary<string, string> { ["password"] = "it's \"new\" \\ ; DROP" };
        Assert.Equal(["SetPassword/reader"], (await pod.ProbeAsync()).Needs);
        Assert.Equal(EngineVerdict.Healthy, (await pod.ConvergeAsync()).Verdict);
        Assert.True(await ReadsAsync("reader", "metrics"));
    }

    [Fact]
    public async Task A_user_whose_password_Vault_sets_has_its_grants_and_its_password_is_left_alone()
    {
        const string password = "vaults-Aq1Zs2Xd3C";
        pod.Declare(OfVault(new(StaticRole: "compliance.clerk"), new InfluxDbGrant("metrics")));
        await pod.StartAsync();
        Assert.Equal("", (await pod.ConvergeAsync()).Message);
        await pod.Client("admin", Influx1Pod.AdminPassword).QueryAsync($"SET PASSWORD FOR \"clerk\" = '{password}'", Token, password);
        Assert.Empty((await pod.ProbeAsync()).Needs);
        Assert.Equal((true, false), (await ReadsAsync("clerk", "metrics", password), await WritesAsync("clerk", "metrics", password)));

        pod.Declare(OfVault(new(StaticRole: "compliance.clerk"), new InfluxDbGrant("metrics", InfluxDbAccess.ReadWrite)));
        Assert.Equal(["SetGrants/clerk"], (await pod.ProbeAsync()).Needs);
        Assert.Equal(EngineVerdict.Healthy, (await pod.ConvergeAsync()).Verdict);
        Assert.Equal((true, true), (await ReadsAsync("clerk", "metrics", password), await WritesAsync("clerk", "metrics", password)));
        await Assert.ThrowsAsync<InfluxException>(() => ReadsAsync("clerk", "metrics", pod.Target.NewPassword()));
    }

    [Fact]
    public async Task Users_that_Vault_makes_stay_whatever_is_declared_and_those_whose_place_it_took_go()
    {
        const string made = "v_kubernetes_compliance.clerk_Xk2bQ9_1764000000";
        pod.Declare(new(Databases: [new("metrics")], Users: [new("clerk", [new("metrics")])]));
        await pod.StartAsync();
        await pod.ConvergeAsync();
        await V1Logins.AcceptAsync(pod.Plan, V1Logins.Of(pod.Plan).Single(role => role.Username == "clerk"), [new("clerk", "first-Tg5v"), new("clerk.b", "second-Ht6b")], pod.Target, Token);
        await pod.Client("admin", Influx1Pod.AdminPassword).QueryAsync($"CREATE USER \"{made}\" WITH PASSWORD 'vaults-One7'; GRANT READ ON \"metrics\" TO \"{made}\"", Token, "vaults-One7");

        pod.Declare(OfVault(new(DynamicRole: "compliance.clerk")));
        var before = await pod.ProbeAsync();
        Assert.Equal(["DropUser/clerk", "DropUser/clerk.b"], before.Needs);
        Assert.Equal(EngineVerdict.Healthy, (await pod.ConvergeAsync()).Verdict);
        // An older probe may ask for it once more.
        foreach (var command in InfluxDbNeeds.Commands(new(Health: before)))
            await V1Commands.ExecuteAsync(pod.Plan, command, pod.Target, Token);
        pod.Declare(new(Databases: [new("metrics")]));
        Assert.Empty((await pod.ProbeAsync()).Needs);
        Assert.True(await ReadsAsync(made, "metrics", "vaults-One7"));
    }

    [Fact]
    public async Task Points_and_users_outlive_a_crash_and_a_restart()
    {
        await pod.StartAsync();
        await pod.ConvergeAsync();
        Assert.True(await WritesAsync("app", "app"));
        await pod.StopAsync();
        Assert.Equal(EngineVerdict.Unreachable, (await pod.ProbeAsync()).Verdict);
        pod.Remember(new(new("influxdb", Initialized: true)));
        await pod.StartAsync();
        Assert.Equal(EngineVerdict.Healthy, (await pod.ProbeAsync()).Verdict);
        var found = await pod.Client("app", Influx1Pod.AppPassword).QueryAsync("SELECT value FROM app..cpu", Token);
        Assert.Equal("42", Assert.Single(found[0].Tables[0].Rows)["value"]);
        Assert.Equal(2, pod.Log.Split("made the administrator").Length);
    }

    [Fact]
    public async Task An_empty_volume_is_not_served_once_there_was_data()
    {
        await pod.StartAsync();
        await pod.StopAsync();
        pod.Lose();
        pod.Remember(new(new("influxdb", Initialized: true)));
        var (code, output) = await pod.BootstrapAsync();
        Assert.Equal(1, code);
        Assert.Contains("refusing to serve an empty store", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_Secret_that_does_not_belong_to_the_volume_is_named_and_not_shown()
    {
        await pod.StartAsync();
        await pod.StopAsync();
        pod.Secrets[pod.Plan.Names.InternalSecret] = new Dictionary<string, string> { ["admin-password"] = "other-Gh7s9", ["monitor-password"] = "other-Kd3f8", ["jwt-secret"] = "x", ["admin-username"] = "admin", ["monitor-username"] = "monitor" };
        var (code, output) = await pod.BootstrapAsync();
        Assert.Equal(1, code);
        Assert.Contains("Secret payments-influxdb-internal does not belong to this volume", output, StringComparison.Ordinal);
        Assert.DoesNotContain("other-Gh7s9", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Readiness_needs_a_login_and_liveness_only_an_answer()
    {
        await pod.StartAsync();
        Assert.Equal((0, 0), ((await pod.RunAsync("ready.sh")).Code, (await pod.RunAsync("alive.sh")).Code));
        await pod.Client("admin", Influx1Pod.AdminPassword).QueryAsync("SET PASSWORD FOR \"monitor\" = 'other'", Token);
        Assert.Equal((1, 0), ((await pod.RunAsync("ready.sh")).Code, (await pod.RunAsync("alive.sh")).Code));
        await pod.StopAsync();
        Assert.Equal((1, 1), ((await pod.RunAsync("ready.sh")).Code, (await pod.RunAsync("alive.sh")).Code));
        // The next start makes the monitor's password right again.
        await pod.StartAsync();
    }

    [Fact]
    public async Task A_refused_administrator_is_a_finding_without_the_password()
    {
        await pod.StartAsync();
        pod.Secrets[pod.Plan.Names.InternalSecret] = new Dictionary<string, string> { ["admin-password"] = "wrong-Zt5b7" };
        var health = await pod.ProbeAsync();
        Assert.Equal((EngineVerdict.Degraded, null), (health.Verdict, health.Primary));
        Assert.Contains("its Secret does not belong to this volume", health.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("wrong-Zt5b7", health.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Influx1Pod.JwtSecret, 60, true)]
    [InlineData(Influx1Pod.JwtSecret, -60, false)]
    [InlineData("", 60, false)]
    [InlineData("another", 60, false)]
    public async Task Only_a_fresh_token_that_our_secret_signed_is_taken(string secret, int seconds, bool taken)
    {
        await pod.StartAsync();
        await pod.ConvergeAsync();
        var query = new V1Client(pod.Http(new AuthenticationHeaderValue("Bearer", Jwt("reader", secret, seconds)))).QueryAsync("SHOW SERIES ON metrics", Token);
        if (taken)
            await query;
        else
            Assert.Equal(InfluxFault.Unauthorized, (await Assert.ThrowsAsync<InfluxException>(() => query)).Fault);
    }

    [Fact]
    public async Task No_password_stands_in_the_servers_log()
    {
        await pod.StartAsync();
        await pod.ConvergeAsync();
        pod.Secrets["payments-influxdb-user-reader"] = new Dictionary<string, string> { ["password"] = "reader-Another8" };
        await pod.ConvergeAsync();
        await pod.StopAsync();
        Assert.Contains("Listening on HTTP", pod.Log, StringComparison.Ordinal);
        foreach (var secret in pod.Secrets.Values.SelectMany(fields => fields).Where(field => !field.Key.EndsWith("username", StringComparison.Ordinal)).Select(field => field.Value))
            Assert.DoesNotContain(secret, pod.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_command_that_the_server_refuses_says_why()
    {
        pod.Declare(new(Downsampling: [new("lost", "app", "nowhere", "1h")]));
        await pod.StartAsync();
        await V1Commands.ExecuteAsync(pod.Plan, new("CreateDatabase", "app", ""), pod.Target, Token);
        var refusal = await Assert.ThrowsAsync<InfluxException>(() => V1Commands.ExecuteAsync(pod.Plan, new("SetContinuousQuery", "lost", ""), pod.Target, Token));
        Assert.Contains("database not found: nowhere", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refused_statement_is_an_error_although_the_status_is_200()
    {
        await pod.StartAsync();
        var admin = pod.Client("admin", Influx1Pod.AdminPassword);
        var refusal = await Assert.ThrowsAsync<InfluxException>(() => admin.QueryAsync("SHOW DATABASES; SET PASSWORD FOR \"nobody\" = 'hidden-Jk8'", Token, "hidden-Jk8"));
        Assert.Equal(InfluxFault.Refused, refusal.Fault);
        refusal = await Assert.ThrowsAsync<InfluxException>(() => admin.QueryAsync("CREATE USER x WITH PASSWORD hidden-Jk8", Token, "hidden"));
        Assert.Equal(InfluxFault.Refused, refusal.Fault);
        Assert.DoesNotContain("hidden", refusal.ToString(), StringComparison.Ordinal);
    }

    private string PasswordOf(string user) => pod.Target.Secrets[user == "app" ? "payments-influxdb-app" : $"payments-influxdb-user-{user}"]["password"];

    private static InfluxDbSettings OfVault(VaultDatabaseRole vault, params InfluxDbGrant[] grants) => new(Databases: [new("metrics")], Users: [new("clerk", grants, vault)]);

    private async Task<bool> ReadsAsync(string user, string database, string? password = null)
    {
        try
        {
            await pod.Client(user, password ?? PasswordOf(user)).QueryAsync($"SELECT * FROM \"{database}\"..cpu", Token);
            return true;
        }
        catch (InfluxException exception) when (exception.Fault is InfluxFault.Forbidden or InfluxFault.Refused && exception.Message.Contains("not authorized", StringComparison.Ordinal))
        {
            return false;
        }
    }

    private async Task<bool> WritesAsync(string user, string database, string? password = null)
    {
        using var point = new StringContent("cpu,host=a value=42");
        var reply = await pod.Http(InfluxHttp.Basic(user, password ?? PasswordOf(user))).SendAsync(HttpMethod.Post, $"write?db={database}", point, Token);
        Assert.True((int)reply.Status is 204 or 403, Encoding.UTF8.GetString(reply.Body));
        return (int)reply.Status == 204;
    }

    private static string Jwt(string user, string secret, int seconds)
    {
        var expires = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() + seconds;
        var text = $"{Encode("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"u8)}.{Encode(Encoding.UTF8.GetBytes($"{{\"username\":\"{user}\",\"exp\":{expires}}}"))}";
        return $"{text}.{Encode(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes(text)))}";
    }

    private static string Encode(ReadOnlySpan<byte> bytes) => System.Buffers.Text.Base64Url.EncodeToString(bytes);
}
