using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.MongoDb;
using Dora.Engines.MongoDb.Wire;
using Xunit;

namespace Dora.Integration.Tests.MongoDb;

/// <summary>What the operator says to a server, against a real one when <c>DORA_TEST_MONGODB</c> names one, else a scripted one.</summary>
public sealed class MongoDbServerTests(MongoDbServers servers) : IClassFixture<MongoDbServers>, IAsyncLifetime
{
    private const string User = "dora-test";
    private const string Role = "doraTestTeller";
    private const string VaultsUser = "v-kubernetes-compliance.dora-test-Xk2bQ9";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_stranger_is_told_who_the_server_is_and_nothing_else()
    {
        await using var client = await MongoClient.ConnectAsync(servers.Endpoint, Cancel);
        Assert.NotNull(client.Hello.SetName);
        Assert.True(client.Hello.MaxWireVersion >= 21, $"wire version {client.Hello.MaxWireVersion}");
        Assert.Equal(MongoException.Unauthorized, (await Assert.ThrowsAsync<MongoException>(() => client.RunAsync("admin", new() { { "replSetGetStatus", 1 } }, Cancel))).Code);
    }

    [Fact]
    public async Task A_wrong_password_is_refused_and_stands_in_no_message()
    {
        await using var client = await MongoClient.ConnectAsync(servers.Endpoint, Cancel);
        var exception = await Assert.ThrowsAsync<MongoException>(() => client.AuthenticateAsync(servers.User, "wrong-password", Cancel));
        Assert.Equal(MongoException.AuthenticationFailed, exception.Code);
        Assert.DoesNotContain("wrong-password", exception.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unknown_user_is_refused()
    {
        await using var client = await MongoClient.ConnectAsync(servers.Endpoint, Cancel);
        Assert.Equal(MongoException.AuthenticationFailed, (await Assert.ThrowsAsync<MongoException>(() => client.AuthenticateAsync("no,bo=dy", "password", Cancel))).Code);
    }

    [Fact]
    public async Task Logging_in_twice_derives_the_same_key()
    {
        for (var round = 0; round < 2; round++)
        {
            await using var client = await servers.ConnectAsync();
            Assert.Equal("admin", (await client.RunAsync("admin", new() { { "usersInfo", servers.User } }, Cancel)).Documents("users").FirstOrDefault()?.Text("db") ?? "admin");
        }
    }

    [Fact]
    public async Task The_set_says_how_it_is()
    {
        await using var client = await MongoDbTopology.PrimaryAsync(servers.Here(new()), servers.Target, Cancel);
        var findings = await MongoDbFindings.AskAsync(servers.Here(new()), client, Cancel);
        Assert.Equal(servers.Hosts.Count, findings.Pods.Count);
        Assert.True(findings.Committed);
        Assert.Contains("PRIMARY", findings.States.Values);
        Assert.Contains(0.0, findings.Lags.Values);
        Assert.Contains(findings.Compatibility, MongoDbPlan.Versions);
    }

    [Fact]
    public async Task The_default_write_concern_is_stated()
    {
        var plan = servers.Here(new());
        await ExecuteAsync(plan, $"{MongoDbNeeds.SetDefaultWriteConcern}/majority");
        await using var client = await MongoDbTopology.PrimaryAsync(plan, servers.Target, Cancel);
        Assert.Equal("majority", (await MongoDbFindings.AskAsync(plan, client, Cancel)).WriteConcern);
    }

    [Fact]
    public async Task Declared_users_and_roles_come_change_and_go()
    {
        var plan = Declared(new MongoDbUser(User, [new(Role, "admin")]), new(Role, [new(MongoDbServers.Database, ["find", "insert"], "orders")]));
        Assert.Equal([$"CreateRole/{Role}", $"CreateUser/{User}"], await ConvergeAsync(plan, Mine));
        await using (var client = await MongoClient.ConnectAsync(servers.Endpoint, Cancel))
            await client.AuthenticateAsync(User, servers.Target.Credential(plan.UserSecret(User), "password"), Cancel);

        var changed = Declared(new MongoDbUser(User, [new(Role, "admin"), new("read", MongoDbServers.Database)]), new(Role, [new(MongoDbServers.Database, ["find"])]));
        Assert.Equal([$"UpdateRole/{Role}", $"UpdateUser/{User}"], await ConvergeAsync(changed, Mine));

        Assert.Equal([$"DropUser/{User}"], await ConvergeAsync(servers.Here(new()), Mine));
    }

    [Fact]
    public async Task The_operators_own_users_come_by_themselves()
    {
        var plan = servers.Here(new());
        await ConvergeAsync(plan, need => need.StartsWith("CreateUser/", StringComparison.Ordinal));
        foreach (var user in MongoDbAccess.Users(plan))
        {
            await using var client = await MongoClient.ConnectAsync(servers.Endpoint, Cancel);
            await client.AuthenticateAsync(user.Name, servers.Target.Credential(user.Role!.SecretName, user.Role.Key), Cancel);
        }
    }

    [Fact]
    public async Task A_user_whose_password_Vault_sets_is_made_and_its_password_is_left_alone()
    {
        var plan = OfVault(new(StaticRole: "compliance.dora-test"), new("read", MongoDbServers.Database));
        Assert.Equal([$"CreateUser/{User}"], await ConvergeAsync(plan, Mine));
        await using (var vault = await servers.ConnectAsync())
            await vault.RunAsync("admin", new() { { "updateUser", User }, { "pwd", "vaults-Aq1Zs2Xd3C" } }, Cancel);

        Assert.Empty(await ConvergeAsync(plan, Mine));
        Assert.Equal([$"UpdateUser/{User}"], await ConvergeAsync(OfVault(new(StaticRole: "compliance.dora-test"), new("readWrite", MongoDbServers.Database)), Mine));
        Assert.Equal(LoginAnswer.Accepted, await AnswerAsync(plan, new(User, "vaults-Aq1Zs2Xd3C")));
        Assert.Equal(LoginAnswer.Refused, await AnswerAsync(plan, new(User, servers.Target.NewPassword())));
    }

    [Fact]
    public async Task A_user_whose_password_is_the_operators_again_or_whose_Secret_was_made_again_is_told_it()
    {
        var plan = OfVault(new(StaticRole: "compliance.dora-test"), new("read", MongoDbServers.Database));
        await ConvergeAsync(plan, Mine);
        var kept = MongoDbLogins.Resolve(servers.Here(new(Users: [new(User, [new("read", MongoDbServers.Database)])])), servers.Target);
        Assert.Equal([$"SetPassword/{User}"], await ConvergeAsync(kept, Mine));
        Assert.Equal(LoginAnswer.Accepted, await AnswerAsync(kept, new(User, servers.Target.Credential(kept.UserSecret(User), "password"))));
        Assert.Equal(LoginAnswer.Refused, await AnswerAsync(kept, new(User, servers.Target.NewPassword())));
    }

    [Fact]
    public async Task A_user_with_a_password_of_the_operators_becomes_Vaults_and_its_second_name_goes()
    {
        var kept = servers.Here(new(Users: [new(User, [new("read", MongoDbServers.Database)])]));
        var role = MongoDbLogins.Of(kept).Single(role => role.SecretName == kept.UserSecret(User));
        await MongoDbLogins.AcceptAsync(kept, role, [new(role.Second!, "second-Lm3b8Qw6Er")], servers.Target, Cancel);

        Assert.Equal([$"CreateUser/{User}", $"DropUser/{role.Second!}"], await ConvergeAsync(OfVault(new(StaticRole: "compliance.dora-test"), new("read", MongoDbServers.Database)), need => Mine(need) || need.EndsWith(role.Second!, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Users_that_Vault_makes_have_the_rights_of_the_declared_one_and_stay_whatever_is_declared()
    {
        await using var vault = await servers.ConnectAsync();
        var plan = OfVault(new(DynamicRole: "compliance.dora-test"), new("read", MongoDbServers.Database));
        Assert.DoesNotContain($"CreateUser/{User}", await ConvergeAsync(plan, Mine));
        await vault.RunAsync("admin", new() { { "createUser", VaultsUser }, { "pwd", "vaults-Aq1Zs2Xd3C" }, { "roles", new BsonArray(new BsonDocument { { "role", User }, { "db", "admin" } }) } }, Cancel);

        Assert.Equal([$"UpdateRole/{User}"], await ConvergeAsync(OfVault(new(DynamicRole: "compliance.dora-test"), new("readWrite", MongoDbServers.Database)), OfTheTest));
        Assert.Empty(await ConvergeAsync(servers.Here(new()), OfTheTest));
        Assert.Equal(LoginAnswer.Accepted, await AnswerAsync(plan, new(VaultsUser, "vaults-Aq1Zs2Xd3C")));
        var (_, roles) = await MongoDbAccess.AskAsync(vault, Cancel);
        Assert.Equal("readWrite", roles.Single(role => role.Text("role") == User).Documents("roles").Single().Text("role"));

        static bool OfTheTest(string need) => Mine(need) || need.EndsWith(VaultsUser, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Declared_collections_validators_and_indexes_come_and_change()
    {
        var validator = JsonNode.Parse("""{"$jsonSchema":{"bsonType":"object","required":["at"],"properties":{"at":{"bsonType":"date"},"amount":{"minimum":0}}}}""")!.AsObject();
        MongoDbIndex[] indexes =
        [
            new("by_at", [new("at")], ExpireAfterSeconds: 3600),
            new("by_customer", [new("customer"), new("at", MongoDbIndexOrder.Descending)], Unique: true),
            new("by_hash", [new("customer", MongoDbIndexOrder.Hashed)]),
            new("search", [new("title", MongoDbIndexOrder.Text), new("body", MongoDbIndexOrder.Text)]),
            new("place", [new("place", MongoDbIndexOrder.Sphere)], Sparse: true),
        ];
        var others = Enumerable.Range(0, 5).Select(number => new MongoDbCollection($"other{number}")).ToList();
        var plan = servers.Here(new(Databases: [new(MongoDbServers.Database, [new("orders", validator, Indexes: indexes), .. others])]));
        Assert.Equal(11, (await ConvergeAsync(plan, InDatabase)).Count);

        MongoDbCollection changed = new("orders", new JsonObject(), MongoDbValidationLevel.Moderate, MongoDbValidationAction.Warn, [indexes[0] with { ExpireAfterSeconds = 7200 }]);
        Assert.Equal(
            [$"ModifyCollection/{MongoDbServers.Database}.orders", $"ModifyIndex/{MongoDbServers.Database}.orders/by_at"],
            await ConvergeAsync(servers.Here(new(Databases: [new(MongoDbServers.Database, [changed])])), InDatabase));
    }

    [Fact]
    public async Task A_command_whose_wish_is_gone_or_met_changes_nothing()
    {
        var plan = servers.Here(new(Databases: [new(MongoDbServers.Database, [new("once")])]));
        await ConvergeAsync(plan, InDatabase);
        await ExecuteAsync(plan, $"CreateCollection/{MongoDbServers.Database}.once");
        await ExecuteAsync(plan, $"CreateCollection/{MongoDbServers.Database}.undeclared");
        await ExecuteAsync(plan, "CreateUser/undeclared");
        await using var client = await servers.ConnectAsync();
        Assert.Equal(["once"], (await client.ListAsync(MongoDbServers.Database, new() { { "listCollections", 1 } }, Cancel)).Select(collection => collection.Text("name")));
    }

    [Fact]
    public async Task A_command_that_the_server_does_not_know_is_refused_with_its_code()
    {
        await using var client = await servers.ConnectAsync();
        Assert.Equal(59, (await Assert.ThrowsAsync<MongoException>(() => client.RunAsync("admin", new() { { "nonsense", 1 } }, Cancel))).Code);
        // The connection is as good as before.
        await client.RunAsync("admin", new() { { "ping", 1 } }, Cancel);
    }

    public ValueTask InitializeAsync() => CleanAsync();

    public ValueTask DisposeAsync() => CleanAsync();

    private static bool Mine(string need) => need.EndsWith($"/{User}", StringComparison.Ordinal) || need.EndsWith($"/{Role}", StringComparison.Ordinal);

    private static bool InDatabase(string need) => need.Contains($"/{MongoDbServers.Database}.", StringComparison.Ordinal);

    private MongoDbPlan OfVault(VaultDatabaseRole vault, MongoDbGrant grant) => servers.Here(new(Users: [new(User, [grant], vault)]));

    private async Task<LoginAnswer> AnswerAsync(MongoDbPlan plan, Login login) => (await MongoDbLogins.LogInAsync(plan, login, servers.Target, Cancel))[0].Answer;

    private MongoDbPlan Declared(MongoDbUser user, MongoDbRole role) => servers.Here(new(Users: [user], Roles: [role]));

    /// <summary>Does what is needed until nothing is, and says what it was.</summary>
    private async Task<IReadOnlyList<string>> ConvergeAsync(MongoDbPlan plan, Func<string, bool> which)
    {
        await using var client = await MongoDbTopology.PrimaryAsync(plan, servers.Target, Cancel);
        var needs = (await MongoDbSchema.CompareAsync(plan, client, Cancel)).Needs.Where(which).ToList();
        foreach (var need in needs)
            await ExecuteAsync(plan, need);
        var (left, problem) = await MongoDbSchema.CompareAsync(plan, client, Cancel);
        Assert.DoesNotContain(left, need => which(need));
        Assert.Null(problem);
        return needs;
    }

    private Task ExecuteAsync(MongoDbPlan plan, string need) =>
        MongoDbCommands.ExecuteAsync(plan, new(need[..need.IndexOf('/', StringComparison.Ordinal)], need[(need.IndexOf('/', StringComparison.Ordinal) + 1)..], "test"), servers.Target, Cancel);

    private async ValueTask CleanAsync()
    {
        await using var client = await MongoDbTopology.PrimaryAsync(servers.Here(new()), servers.Target, Cancel);
        await client.RunAsync(MongoDbServers.Database, new() { { "dropDatabase", 1 } }, Cancel);
        var (users, _) = await MongoDbAccess.AskAsync(client, Cancel);
        foreach (var name in users.Select(user => user.Text("user")).OfType<string>().Where(name => name == User || name == VaultsUser || MongoDbPlan.ReservedUsers.Skip(1).Contains(name)))
            await client.RunAsync("admin", new() { { "dropUser", name } }, Cancel);
    }
}
