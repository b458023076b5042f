using Dora.Kubernetes.Model;
using Dora.Operator.Credentials.Database;
using Dora.Operator.Stacks;
using Dora.Testing.Vault;

namespace Dora.Operator.Tests.Credentials.Database;

/// <summary>Logins that Vault's database engine gives.</summary>
public sealed class VaultLoginTests
{
    private const string Static = "{staticRole: compliance.clerk}";
    private const string Dynamic = "{dynamicRole: compliance.clerk}";

    [Fact]
    public async Task The_password_of_a_static_role_is_read_when_Vault_changes_it_and_not_before()
    {
        await using var world = await LoginWorld.StartAsync(Static);
        await world.StaticAsync();
        await world.PassAsync();
        Assert.Equal(("clerk", "True"), (world.Field("username"), world.Condition.Status));
        Assert.Equal(["host", "password", "port", "username"], world.Login!.Fields.Keys.Order());
        for (var days = 0; days < 4; days++)
        {
            var password = world.Field("password");
            await world.PassForAsync(TimeSpan.FromHours(23), seconds: 300);
            Assert.Equal(password, world.Field("password"));
            await world.PassForAsync(TimeSpan.FromHours(1) + TimeSpan.FromSeconds(20));
            Assert.NotEqual(password, world.Field("password"));
        }

        Assert.Equal(5, world.Questions);
    }

    [Fact]
    public async Task The_stack_comes_up_before_Vault_knows_its_servers()
    {
        await using var world = await LoginWorld.StartAsync(Static);
        await world.PassAsync();
        Assert.Contains(world.Plan.Steps, step => step is PlanStep.Apply { Manifest.Resource.Kind: "StatefulSet" });
        Assert.Empty(world.Plan.Violations);
        Assert.Null(world.Login);
        Assert.Equal(("False", "CredentialMissing"), (world.Condition.Status, world.Condition.Reason));
        Assert.Contains("Vault has nothing at database/static-creds/compliance.clerk: write the connection and the role there, once the servers run", world.Condition.Message, StringComparison.Ordinal);
        await world.StaticAsync();
        await world.PassForAsync(TimeSpan.FromMinutes(1));
        Assert.Equal("clerk", world.Field("username"));
    }

    [Fact]
    public async Task A_static_role_of_another_user_is_not_given_to_applications()
    {
        await using var world = await LoginWorld.StartAsync(Static);
        await world.StaticAsync("postgres");
        Assert.Empty(await world.PassAsync());
        Assert.Equal(("False", "CredentialInvalid"), (world.Condition.Status, world.Condition.Reason));
        Assert.Contains("is of the user 'postgres', and spec.engines.postgres.roles[0].vault declares 'clerk'", world.Condition.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_login_of_a_dynamic_role_is_renewed_at_two_thirds_and_stays()
    {
        await using var world = await LoginWorld.StartAsync(Dynamic);
        await world.DynamicAsync(longest: 0);
        await world.PassAsync();
        var username = world.Field("username");
        Assert.StartsWith("v-compliance.clerk-", username, StringComparison.Ordinal);
        Assert.Equal(1, world.Questions);
        await world.PassForAsync(TimeSpan.FromMinutes(39));
        Assert.Equal(1, world.Questions);
        await world.PassForAsync(TimeSpan.FromMinutes(2));
        Assert.Equal(2, world.Questions);
        await world.PassForAsync(TimeSpan.FromHours(10), seconds: 60);
        Assert.Equal((username, true), (world.Field("username"), world.Alive));
        Assert.InRange(world.Questions, 16, 18);
    }

    [Fact]
    public async Task At_its_limit_another_login_takes_its_place_and_the_old_one_ends_after_the_overlap()
    {
        await using var world = await LoginWorld.StartAsync(Dynamic);
        await world.DynamicAsync(ttl: 3 * 3600, longest: 6 * 3600);
        await world.PassAsync();
        var (username, old) = (world.Field("username"), world.Field(LoginRules.Lease)!);
        while (world.Field("username") == username)
        {
            Assert.True(world.Alive);
            await world.PassForAsync(TimeSpan.FromSeconds(10));
        }

        var flipped = world.Clock.Elapsed;
        Assert.Equal(old, world.Field(LoginRules.LeaseBefore));
        Assert.Equal(2, world.Server.Leases.Count);
        while (world.Server.Leases.Contains(old))
            await world.PassForAsync(TimeSpan.FromSeconds(10));
        Assert.InRange(world.Clock.Elapsed - flipped, TimeSpan.FromMinutes(60), TimeSpan.FromMinutes(60.6));
        await world.PassAsync();
        Assert.Null(world.Field(LoginRules.LeaseBefore));
        Assert.True(world.Alive);
        Assert.Equal("True", world.Condition.Status);
    }

    [Fact]
    public async Task Whoever_takes_the_Secret_away_gets_another_login()
    {
        await using var world = await LoginWorld.StartAsync(Dynamic);
        await world.DynamicAsync();
        await world.PassAsync();
        var username = world.Field("username");
        await world.PassAsync();
        world.Login = null;
        await world.PassAsync();
        Assert.NotEqual(username, world.Field("username"));
        Assert.True(world.Alive);
    }

    [Fact]
    public async Task A_login_that_could_not_be_written_until_it_ended_is_not_written_any_more()
    {
        await using var world = await LoginWorld.StartAsync(Dynamic);
        await world.DynamicAsync();
        world.WritesArrive = false;
        await world.PassForAsync(TimeSpan.FromHours(2), seconds: 60);
        world.WritesArrive = true;
        await world.PassAsync();
        Assert.True(world.Alive);
    }

    [Fact]
    public async Task Another_process_goes_on_with_the_login_that_it_finds()
    {
        await using var world = await LoginWorld.StartAsync(Dynamic);
        await world.DynamicAsync();
        await world.PassAsync();
        var login = world.Login;
        world.Restart();
        Assert.Empty(await world.PassAsync());
        Assert.Same(login, world.Login);
        Assert.Equal("update sys/leases/renew", world.Server.Calls[^1].ToString());
        Assert.Single(world.Server.Leases);
    }

    [Fact]
    public async Task A_login_that_was_ended_in_Vault_is_replaced_when_that_is_noticed()
    {
        await using var world = await LoginWorld.StartAsync(Dynamic);
        await world.DynamicAsync();
        await world.PassAsync();
        var old = world.Field(LoginRules.Lease)!;
        await world.Setup.PostAsync("sys/leases/revoke", $$"""{"lease_id":"{{old}}"}""");
        await world.PassForAsync(TimeSpan.FromMinutes(41));
        Assert.NotEqual(old, world.Field(LoginRules.Lease));
        Assert.True(world.Alive);
    }

    [Fact]
    public async Task While_Vault_is_away_the_last_login_stays_and_its_end_is_said()
    {
        await using var world = await LoginWorld.StartAsync(Dynamic);
        await world.DynamicAsync();
        await world.PassAsync();
        var login = world.Login;
        world.Server.Sealed = true;
        await world.PassForAsync(TimeSpan.FromMinutes(45));
        Assert.Equal(("Unknown", "VaultSealed"), (world.Condition.Status, world.Condition.Reason));
        Assert.Contains("keeps the last login", world.Condition.Message, StringComparison.Ordinal);
        await world.PassForAsync(TimeSpan.FromMinutes(30));
        Assert.Equal(("False", "VaultSealed"), (world.Condition.Status, world.Condition.Reason));
        Assert.Contains("has ended: applications cannot log in with it", world.Condition.Message, StringComparison.Ordinal);
        Assert.Same(login, world.Login);
        Assert.InRange(world.Questions, 2, 20);

        world.Server.Sealed = false;
        await world.PassForAsync(TimeSpan.FromMinutes(6));
        Assert.True(world.Alive);
        Assert.Equal("True", world.Condition.Status);
    }

    /// <summary>Any of it may happen at any moment, and applications have a login that works.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Whatever_is_lost_on_the_way_the_login_in_the_Secret_works(int seed)
    {
        var random = new Random(seed);
        await using var world = await LoginWorld.StartAsync(Dynamic);
        await world.DynamicAsync(longest: 7200);
        await world.PassAsync();
        for (var pass = 0; pass < 400; pass++)
        {
            world.WritesArrive = random.Next(3) > 0;
            if (random.Next(6) == 0)
                world.Restart();
            if (random.Next(6) == 0)
                world.Server.Fail(_ => true, random.Next(2) == 0 ? new VaultFault.CutAfter() : new VaultFault.CutBefore());
            world.Clock.Advance(TimeSpan.FromSeconds(random.Next(90)));
            await world.PassAsync();
            Assert.True(world.Alive, $"pass {pass}: the login in the Secret has ended");
        }
    }

    [Fact]
    public async Task While_a_stack_is_paused_leases_live_on_and_nothing_else_is_asked()
    {
        await using var world = await LoginWorld.StartAsync(Dynamic);
        await world.DynamicAsync(longest: 0);
        world.Stack = world.Stack with { Spec = world.Stack.Spec with { Paused = true } };
        await world.PassForAsync(TimeSpan.FromMinutes(1));
        Assert.Equal(0, world.Questions);
        world.Stack = world.Stack with { Spec = world.Stack.Spec with { Paused = false } };
        await world.PassAsync();
        world.Stack = world.Stack with { Spec = world.Stack.Spec with { Paused = true } };
        await world.PassForAsync(TimeSpan.FromHours(3), seconds: 60);
        Assert.True(world.Alive);
    }

    [Theory]
    [InlineData("{staticRole: compliance.clerk}", "", "{}", "spec.engines.postgres.roles[0].vault", "needs credentials.source Vault")]
    [InlineData("{staticRole: other.clerk}", "", Vault, "spec.engines.postgres.roles[0].vault", "does not begin with 'compliance.'")]
    [InlineData("{dynamicRole: compliance-2.clerk}", "", Vault, "spec.engines.postgres.roles[0].vault", "does not begin with 'compliance.'")]
    [InlineData("{staticRole: compliance.a, dynamicRole: compliance.b}", "", Vault, "spec.engines.postgres.roles[0].vault", "names not one role")]
    [InlineData("{}", "", Vault, "spec.engines.postgres.roles[0].vault", "names not one role")]
    [InlineData("{staticRole: compliance.clerk}", ", login: false", Vault, "spec.engines.postgres.roles[0].vault", "may log in")]
    public void Settings_that_cannot_be_are_refused_by_their_field(string vault, string more, string credentials, string field, string problem)
    {
        var plan = StackPlanner.Plan(StackObservation.Nowhere(LoginWorld.Read(vault, more, credentials), new()));
        Assert.Contains(plan.Violations, violation => violation.Field == field && violation.Problem.Contains(problem, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("mongodb", ", roles: [{role: read, database: sales}]", "database host password port replica-set uri username")]
    [InlineData("influxdb", ", grants: [{database: app}]", "host password port url username")]
    [InlineData("redis", ", keys: ['orders:*']", "host password port username")]
    public async Task A_static_role_of_every_engine_fills_the_Secret_that_its_applications_read(string engine, string more, string keys)
    {
        await using var world = await LoginWorld.StartAsync(Static, engine, more);
        await world.PassAsync();
        Assert.Empty(world.Plan.Violations);
        Assert.Equal(("False", "CredentialMissing"), (world.Condition.Status, world.Condition.Reason));
        await world.StaticAsync("somebody");
        await world.PassForAsync(TimeSpan.FromMinutes(1));
        Assert.Contains($"spec.engines.{engine}.users[", world.Condition.Message, StringComparison.Ordinal);
        await world.StaticAsync();
        await world.PassForAsync(TimeSpan.FromDays(1));
        Assert.Equal(("clerk", "True"), (world.Field("username"), world.Condition.Status));
        Assert.Equal(keys.Split(' '), world.Login!.Fields.Keys.Order());
        Assert.DoesNotContain(world.Plan.Engines[0].Cluster.Rotating, role => role.Username == "clerk");
        Assert.DoesNotContain(world.Plan.Engines[0].Cluster.Credentials(), request => request.SecretName.Contains("clerk", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("mongodb", ", roles: [{role: read, database: sales}]")]
    [InlineData("influxdb", ", grants: []")]
    [InlineData("redis", "")]
    public async Task A_login_of_a_dynamic_role_of_every_engine_stands_in_the_Secret_by_the_name_that_Vault_gave(string engine, string more)
    {
        await using var world = await LoginWorld.StartAsync(Dynamic, engine, more);
        await world.DynamicAsync();
        await world.PassAsync();
        Assert.Empty(world.Plan.Violations);
        Assert.StartsWith("v-compliance.clerk-", world.Field("username"), StringComparison.Ordinal);
        Assert.True(world.Alive);
        if (world.Field("uri") is { } uri)
            Assert.StartsWith($"mongodb://{world.Field("username")}:{world.Field("password")}@shop-mongodb-0.", uri, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("mongodb", ", roles: [{role: read, database: sales}]", "spec.engines.mongodb.users[clerk].vault")]
    [InlineData("influxdb", ", grants: []", "spec.engines.influxdb.users[0].vault")]
    [InlineData("redis", "", "spec.engines.redis.users[0].vault")]
    public void Logins_of_every_engine_need_a_Vault_and_a_role_of_their_namespace(string engine, string more, string field)
    {
        Assert.Equal((field, "needs credentials.source Vault"), Only("{staticRole: compliance.clerk}", "{}"));
        Assert.Equal((field, "names not one role of Vault"), Only("{}", Vault));
        Assert.Equal((field, "role 'other.clerk' does not begin with 'compliance.'"), Only("{dynamicRole: other.clerk}", Vault));

        (string, string) Only(string vault, string credentials)
        {
            var violation = Assert.Single(StackPlanner.Plan(StackObservation.Nowhere(LoginWorld.Read(vault, more, credentials, engine), new())).Violations);
            return (violation.Field, violation.Problem);
        }
    }

    [Fact]
    public async Task A_Secret_of_somebody_else_is_neither_written_nor_waited_for()
    {
        await using var world = await LoginWorld.StartAsync(Dynamic);
        await world.DynamicAsync();
        world.Login = new(new Dictionary<string, string> { ["password"] = "theirs" }, Owned: false) { Meta = new ObjectMeta(world.Secret, "compliance") };
        Assert.Empty(await world.PassAsync());
        Assert.Equal(0, world.Questions);
        Assert.Equal("ObjectCollision", Assert.Single(world.Plan.Violations).Reason);
    }

    [Fact]
    public async Task No_password_is_in_what_is_said_of_a_login()
    {
        await using var world = await LoginWorld.StartAsync(Dynamic);
        await world.DynamicAsync();
        var steps = await world.PassAsync();
        Assert.DoesNotContain(world.Field("password")!, $"{steps[0]} {steps[0].Content} {new LoginOffer(new("x", world.Field("password")!), null, default, default)}", StringComparison.Ordinal);
    }

    private const string Vault = "{source: Vault, vault: {address: 'https://vault:8200'}}";
}
