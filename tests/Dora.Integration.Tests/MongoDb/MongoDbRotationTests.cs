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
