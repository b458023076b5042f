using System.Security.Cryptography;
using System.Text;
using Dora.Engines.Redis;
using Dora.Engines.Rendering;

namespace Dora.Engines.Tests.Redis;

public sealed class RedisUsersTests
{
    [Theory]
    [InlineData(RedisMode.Sentinel)]
    [InlineData(RedisMode.Cluster)]
    public void An_application_s_user_that_is_made_again_may_do_what_the_start_script_gives_it(RedisMode mode) =>
        Assert.Contains($"/secret-app/app-password) {string.Join(' ', RedisUsers.AppRules)}\"\n", RedisConfig.Render(RedisPlan.Of(new EngineNames(Engines.Stack(), "redis"), new(Mode: mode)))["start-redis.sh"], StringComparison.Ordinal);

    [Fact]
    public void A_declared_user_has_a_Secret_of_its_own_that_may_be_made_again()
    {
        var request = Engines.Bind("redis", "{users: [{name: reports}]}").Credentials().Single(request => request.SecretName == "payments-redis-user-reports");
        Assert.True(request.Renewable);
        Assert.Contains(request.Fields, field => field is { Key: "username", Value: "reports" });
        Assert.Contains(Engines.Bind("redis").Credentials(), request => request.SecretName == "payments-redis-user-monitor");
    }

    [Fact]
    public void Declaring_a_user_changes_no_object_so_that_nothing_restarts()
    {
        static string Objects(string settings) => string.Join('\n', Engines.Bind("redis", settings).Render(EngineObservation.None).Select(manifest => manifest.Body.ToJsonString()));
        Assert.Equal(Objects("{}"), Objects("{users: [{name: reports, keys: ['report:*']}]}"));
    }

    [Fact]
    public void Without_lists_a_user_reads_no_key_and_no_channel() =>
        Assert.DoesNotContain(Plan(new RedisUser("reports")).Users.Single(user => user.Name == "reports").Rules, rule => rule[0] is '~' or '&' || rule == "+@all");

    [Fact]
    public void Categories_never_bring_what_is_dangerous_or_administrative()
    {
        var rules = Plan(new RedisUser("reports", Categories: ["write", "keyspace"])).Users.Single(user => user.Name == "reports").Rules.ToList();
        Assert.True(rules.IndexOf("-@dangerous") > rules.IndexOf("+@keyspace"));
        Assert.True(rules.IndexOf("-@admin") > rules.IndexOf("+@keyspace"));
    }

    [Fact]
    public void A_user_is_set_again_when_its_password_or_its_rules_differ_and_a_stray_one_goes()
    {
        var plan = Plan(new RedisUser("reports", ["report:*"]));
        string[] Missing(string list) => [.. RedisUsers.Needs(plan, Target("secret"), list)];
        Assert.Equal(["SetUser/reports", "RemoveUser/stray"], Missing("user default off\nuser app on\nuser stray on nopass ~* +@all"));
        var mark = RedisUsersMark(plan);
        Assert.Empty(Missing($"user reports on #{Hash("secret")} ~report:* resetchannels -@all +@read ({mark} resetchannels -@all)"));
        Assert.Equal(["SetUser/reports"], Missing($"user reports on #{Hash("other")} ~report:* -@all ({mark} -@all)"));
        Assert.Equal(["SetUser/reports"], Missing($"user reports on #{Hash("secret")} #{Hash("other")} ~report:* -@all ({mark} -@all)"));
        Assert.Equal(["SetUser/reports"], [.. RedisUsers.Needs(Plan(new RedisUser("reports", ["other:*"])), Target("secret"), $"user reports on #{Hash("secret")} ({mark} -@all)")]);
        Assert.Empty(RedisUsers.Needs(plan, Target(null), "user default off"));
    }

    [Fact]
    public void Users_that_the_servers_need_are_never_removed() =>
        Assert.Empty(RedisUsers.Needs(Plan(), Target(null), "user default off\nuser admin on\nuser replica on\nuser sentinel on\nuser migrate on\nuser app on"));

    [Fact]
    public void A_user_whose_password_Vault_sets_is_known_by_its_rules_alone()
    {
        var plan = Plan(new RedisUser("reports", ["report:*"], Vault: new(StaticRole: "ns.reports")));
        string[] Missing(string list) => [.. RedisUsers.Needs(plan, Target(null), list)];
        Assert.Equal(["SetUser/reports"], Missing("user default off"));
        var mark = RedisUsersMark(plan);
        Assert.Empty(Missing($"user reports on #{Hash("vaults")} ~report:* -@all ({mark} -@all)"));
        Assert.Empty(Missing($"user reports on ~report:* -@all ({mark} -@all)"));
        Assert.Equal(["SetUser/reports"], Missing($"user reports off #{Hash("vaults")} ~report:* -@all ({mark} -@all)"));
        Assert.Equal(["SetUser/reports"], Missing($"user reports on nopass ~report:* -@all ({mark} -@all)"));
        Assert.Equal(["SetUser/reports"], Missing($"user reports on #{Hash("vaults")} ~report:* -@all (~dora-rules:0000000000000000 -@all)"));
    }

    [Fact]
    public void Whom_Vault_makes_stays_where_a_login_is_Vaults_and_is_a_stray_elsewhere()
    {
        const string list = "user V_KUBERNETES_NS.REPORTS_XK2_17 on\nuser v_token_x on\nuser vault on\nuser stray on";
        Assert.Equal(["RemoveUser/stray"], RedisUsers.Needs(Plan(new RedisUser("reports", Vault: new(DynamicRole: "ns.reports"))), Target(null), list));
        Assert.Equal(["RemoveUser/V_KUBERNETES_NS.REPORTS_XK2_17", "RemoveUser/v_token_x", "RemoveUser/vault", "RemoveUser/stray"], RedisUsers.Needs(Plan(), Target(null), list));
    }

    // What the server shows of the selector that names the hash of the rules.
    private static string RedisUsersMark(RedisPlan plan) =>
        $"~dora-rules:{Hash(string.Join('\n', plan.Users.Single(user => user.Name == "reports").Rules))[..16]}";

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static EngineTarget Target(string? password) => new([], password is null
        ? new Dictionary<string, IReadOnlyDictionary<string, string>>()
        : new Dictionary<string, IReadOnlyDictionary<string, string>> { ["payments-redis-user-reports"] = new Dictionary<string, string> { ["password"] = password } });

    private static RedisPlan Plan(params RedisUser[] users) => RedisPlan.Of(new EngineNames(Engines.Stack(), "redis"), new(Users: users));
}
