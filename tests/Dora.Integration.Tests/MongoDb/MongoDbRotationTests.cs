using Dora.Engines;
using Dora.Engines.MongoDb;
using Dora.Engines.MongoDb.Wire;
using Dora.Integration.Tests.Rotation;
using Xunit;

namespace Dora.Integration.Tests.MongoDb;

/// <summary>Two users that take turns, against a real server when <c>DORA_TEST_MONGODB</c> names one, else a scripted one.</summary>
public sealed class MongoDbRotationTests(MongoDbServers servers) : IClassFixture<MongoDbServers>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_application_never_sees_a_failed_login_and_the_old_one_is_refused()
    {
        var plan = servers.Here(new());
        var role = MongoDbLogins.Of(plan)[0];
        Login first = new(MongoDbPlan.AppUser, servers.Target.Credential(role.SecretName, "password"));
        await MongoDbLogins.AcceptAsync(plan, role, [first], servers.Target, Cancel);
        await using var run = await RotationRun.StartAsync("mongodb", Servers(plan, role), first);
        for (var turn = 0; turn < 3; turn++)
        {
            await run.RotateAsync(
                $"turn {turn}",
                async login =>
                {
                    await using var application = await MongoClient.ConnectAsync(servers.Endpoint, Cancel);
                    await application.AuthenticateAsync(login.Username, login.Password, Cancel);
                },
                async _ => Assert.DoesNotContain(await NeedsAsync(plan, run.Over(servers.Target)), need => need.Contains("/app", StringComparison.Ordinal)));
            Assert.Equal(turn % 2 == 0 ? "app.b" : "app", run.Held().Username);
        }

        await using var admin = await servers.ConnectAsync();
        var (users, _) = await MongoDbAccess.AskAsync(admin, Cancel);
        Assert.Equal(["app.b"], users.Select(user => user.Text("user")).Where(name => name!.StartsWith("app", StringComparison.Ordinal)));
        Assert.Equal("readWrite", users.Single(user => user.Text("user") == "app.b").Documents("roles").Single().Text("role"));
        // On other volumes the user whose turn it is comes by itself.
        await admin.RunAsync("admin", MongoDbAccess.Drop("app.b"), Cancel);
        Assert.Contains("CreateUser/app.b", await NeedsAsync(plan, run.Over(servers.Target)));
    }

    [Fact]
    public async Task The_administrator_changes_while_the_operator_works_and_the_old_one_is_refused()
    {
        var plan = servers.Here(new());
        var role = MongoDbLogins.Administrator(plan);
        Login first = new(servers.User, servers.Password);
        RotationRun? run = null;
        EngineTarget Now() => run!.Over(servers.Target);
        await using (run = await RotationRun.StartAsync("mongodb", new(role, logins => MongoDbLogins.AcceptAsync(plan, role, logins, Now(), Cancel), login => MongoDbLogins.LogInAsync(plan, login, servers.Target, Cancel)), first))
        {
            for (var turn = 0; turn < 2; turn++)
            {
                await run.RotateAsync(
                    $"turn {turn}",
                    async login =>
                    {
                        await using var scrape = await MongoClient.ConnectAsync(servers.Endpoint, Cancel);
                        await scrape.AuthenticateAsync(login.Username, login.Password, Cancel);
                    },
                    async _ =>
                    {
                        // Each probe finds the administrator whom the Secret names, and nothing to mend.
                        await using var client = await MongoDbTopology.PrimaryAsync(plan, Now(), Cancel);
                        Assert.Equal(run.Held().Username, client.User);
                        var findings = await MongoDbFindings.AskAsync(MongoDbLogins.Resolve(plan, Now()), client, Cancel);
                        Assert.DoesNotContain(findings.Needs, need => need.Contains("/admin", StringComparison.Ordinal));
                    });
                Assert.Equal(turn == 0 ? "admin.b" : "admin", run.Held().Username);
            }

            var (users, _) = await UsersAsync(plan, Now());
            Assert.Equal("root", users.Single(user => user.Text("user")!.StartsWith("admin", StringComparison.Ordinal)).Documents("roles").Single().Text("role"));
            await MongoDbLogins.AcceptAsync(plan, role, [first], Now(), Cancel);
        }
    }

    [Theory]
    [InlineData(null)]
    [InlineData("half-told")]
    [InlineData("second-Vb6t1Zr8")]
    public async Task Wherever_it_ended_among_two_administrators_it_is_told_again_and_both_open(string? told)
    {
        var plan = servers.Here(new());
        var role = MongoDbLogins.Administrator(plan);
        Login first = new(servers.User, servers.Password), second = new("admin.b", "second-Vb6t1Zr8");
        if (told is not null)
            await MongoDbLogins.AcceptAsync(plan, role, [first, second with { Password = told }], servers.Target, Cancel);
        await MongoDbLogins.AcceptAsync(plan, role, [first, second], servers.Target, Cancel);
        Assert.Equal((LoginAnswer.Accepted, LoginAnswer.Accepted), (await AnswerAsync(plan, first), await AnswerAsync(plan, second)));
        await MongoDbLogins.AcceptAsync(plan, role, [first], servers.Target, Cancel);
        Assert.Equal((LoginAnswer.Accepted, LoginAnswer.Refused), (await AnswerAsync(plan, first), await AnswerAsync(plan, second)));
    }

    [Fact]
    public async Task On_volumes_that_know_only_the_first_administrator_the_one_whom_the_Secret_names_is_made_and_the_other_goes()
    {
        var plan = servers.Here(new());
        var role = MongoDbLogins.Administrator(plan);
        var internals = new Dictionary<string, string>(servers.Target.Secrets[role.SecretName]) { [role.UsernameKey] = "admin.b" };
        var target = servers.Target with { Secrets = new Dictionary<string, IReadOnlyDictionary<string, string>>(servers.Target.Secrets) { [role.SecretName] = internals } };
        var health = await MongoDbProbe.RunAsync(MongoDbLogins.Resolve(plan, target), target, Cancel);
        Assert.Equal("SetAdministrator/admin.b", health.Needs.First(need => need.Contains("dmin", StringComparison.Ordinal)));
        var command = MongoDbCommands.Decide(plan, new(Health: health)).Single(command => command.Name == "SetAdministrator");
        await MongoDbCommands.ExecuteAsync(MongoDbLogins.Resolve(plan, target), command, target, Cancel);
        Assert.Equal((LoginAnswer.Accepted, LoginAnswer.Refused), (await AnswerAsync(plan, new("admin.b", servers.Password)), await AnswerAsync(plan, new("admin", servers.Password))));
        health = await MongoDbProbe.RunAsync(MongoDbLogins.Resolve(plan, target), target, Cancel);
        Assert.DoesNotContain(health.Needs, need => need.Contains("/admin", StringComparison.Ordinal));
        // The name in the Secret was lost: the one who is there is let in, and takes itself away only for the one who is wanted.
        await MongoDbLogins.AcceptAsync(plan, role, [new(servers.User, servers.Password)], servers.Target, Cancel);
        Assert.Equal((LoginAnswer.Refused, LoginAnswer.Accepted), (await AnswerAsync(plan, new("admin.b", servers.Password)), await AnswerAsync(plan, new("admin", servers.Password))));
    }

    [Fact]
    public void Pods_of_the_first_stack_version_know_one_administrator_so_theirs_does_not_change()
    {
        var stack = new Dora.Engines.Rendering.EngineNames(new("compliance", "payments", "", Dora.Api.Tier.Development, Dora.Api.StackVersions.V202611, Dora.Api.DeletionPolicy.Retain, new(), new()), "mongodb");
        var plan = MongoDbPlan.Of(stack, new());
        Assert.Equal(["payments-mongodb-app", "payments-mongodb-internal.monitor-password", "payments-mongodb-internal.backup-password"], MongoDbLogins.Of(plan).Select(role => role.Id));
        Assert.Equal(["payments-mongodb-internal.keyfile", "payments-mongodb-internal.admin-password"], MongoDbLogins.Static(plan).Select(role => role.Id));
    }

    [Fact]
    public async Task A_password_that_a_user_has_already_is_not_said_again_and_another_one_is()
    {
        var plan = servers.Here(new());
        var role = MongoDbLogins.Of(plan)[0];
        foreach (var (password, others) in ((string, Login[])[])[("first", []), ("first", [new("app.b", "second")]), ("third", [])])
            await MongoDbLogins.AcceptAsync(plan, role, [new("app", password), .. others], servers.Target, Cancel);
        Assert.Equal(LoginAnswer.Accepted, await AnswerAsync(plan, new("app", "third")));
        Assert.Equal(LoginAnswer.Refused, await AnswerAsync(plan, new("app", "first")));
        Assert.Equal(LoginAnswer.Refused, await AnswerAsync(plan, new("app.b", "second")));
        await using var admin = await servers.ConnectAsync();
        var known = await KeyAsync(admin);
        await MongoDbLogins.AcceptAsync(plan, role, [new("app", "third")], servers.Target, Cancel);
        Assert.Equal(known, await KeyAsync(admin));
        Assert.NotEmpty(known);
    }

    [Fact]
    public async Task A_server_that_does_not_answer_says_neither_yes_nor_no()
    {
        var plan = servers.Here(new()) with { Port = 1 };
        Assert.Equal(LoginAnswer.Unknown, await AnswerAsync(plan, new("app", "any")));
    }

    private static async Task<string> KeyAsync(MongoClient admin) =>
        (await admin.RunAsync("admin", new() { { "usersInfo", "app" }, { "showCredentials", true } }, Cancel)).Documents("users").Single().Document("credentials")!.Document("SCRAM-SHA-256")!.Text("storedKey")!;

    private static async Task<(IReadOnlyList<BsonDocument> Users, IReadOnlyList<BsonDocument> Roles)> UsersAsync(MongoDbPlan plan, EngineTarget target)
    {
        await using var client = await MongoDbTopology.PrimaryAsync(plan, target, Cancel);
        return await MongoDbAccess.AskAsync(client, Cancel);
    }

    private async Task<LoginAnswer> AnswerAsync(MongoDbPlan plan, Login login) => (await MongoDbLogins.LogInAsync(plan, login, servers.Target, Cancel))[0].Answer;

    private async Task<IReadOnlyList<string>> NeedsAsync(MongoDbPlan plan, EngineTarget target)
    {
        await using var client = await servers.ConnectAsync();
        var (users, roles) = await MongoDbAccess.AskAsync(client, Cancel);
        return [.. MongoDbAccess.Compare(MongoDbLogins.Resolve(plan, target), users, roles)];
    }

    private RealLogins Servers(MongoDbPlan plan, RotatingRole role) => new(
        role,
        logins => MongoDbLogins.AcceptAsync(plan, role, logins, servers.Target, Cancel),
        login => MongoDbLogins.LogInAsync(plan, login, servers.Target, Cancel));
}
