using Dora.Engines;
using Dora.Engines.Neo4j;
using Dora.Integration.Tests.Rotation;
using Xunit;

namespace Dora.Integration.Tests.Neo4j;

/// <summary>Two users that take turns, on a real server if there is one.</summary>
public sealed class Neo4jRotationTests(Neo4jUnderTest neo4j) : IClassFixture<Neo4jUnderTest>
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_application_never_sees_a_failed_login_and_the_old_one_is_refused()
    {
        var (cluster, target) = neo4j.Engine("users: [{name: it-clerk}]", "roles: [{name: it-desk, grants: [{database: neo4j}]}], users: [{name: it-clerk, roles: [it-desk]}]");
        await SettleAsync(cluster, target);
        var role = cluster.Rotating.Single(role => role.Username == "it-clerk");
        await using var run = await RotationRun.StartAsync("neo4j", new(role, logins => cluster.AcceptAsync(role, logins, target, Token), login => cluster.LogInAsync(role, login, target, Token)), new("it-clerk", Neo4jUnderTest.AppPassword), "{users: [{name: it-clerk}]}");
        for (var turn = 0; turn < 3; turn++)
        {
            await run.RotateAsync(
                $"turn {turn}",
                async login => await neo4j.Client(login.Username, login.Password).RunAsync(neo4j.Endpoint, "system", Cypher.ShowSelf, [], Token),
                async _ => Assert.Empty(cluster.Commands(new(Health: await cluster.ProbeAsync(run.Over(target), Token)))));
            Assert.Equal(turn % 2 == 0 ? "it-clerk.b" : "it-clerk", run.Held().Username);
        }

        var users = (await neo4j.RunAsync("system", UserState.Show)).Rows.Select(UserState.Parse).Where(user => user.Name.StartsWith("it-clerk", StringComparison.Ordinal)).ToList();
        Assert.Equal("it-clerk.b", Assert.Single(users).Name);
        if (neo4j.Enterprise)
            Assert.Equal(["it-desk"], users[0].Roles);

        // On other volumes the user whose turn it is comes by itself, with its roles.
        await neo4j.RunAsync("system", Cypher.DropUser("it-clerk.b"));
        await SettleAsync(cluster, run.Over(target));
        await neo4j.Client("it-clerk.b", run.Held().Password).RunAsync(neo4j.Endpoint, "system", Cypher.ShowSelf, [], Token);
        await cluster.AcceptAsync(role, [], target, Token);
    }

    [Fact]
    public async Task The_administrator_changes_while_the_operator_works_and_on_new_volumes_the_second_one_comes_by_itself()
    {
        var (cluster, target) = neo4j.Engine("", "databases: []");
        await SettleAsync(cluster, target);
        var role = cluster.Rotating[^1];
        Login first = new(Neo4jPlan.AdminUser, neo4j.Password);
        RotationRun? run = null;
        EngineTarget Now() => run!.Over(target);
        await using (run = await RotationRun.StartAsync("neo4j", new(role, logins => cluster.AcceptAsync(role, logins, Now(), Token), login => cluster.LogInAsync(role, login, target, Token)), first))
        {
            for (var turn = 0; turn < 2; turn++)
            {
                await run.RotateAsync(
                    $"turn {turn}",
                    async login => await neo4j.Client(login.Username, login.Password).RunAsync(neo4j.Endpoint, "system", Cypher.ShowSelf, [], Token),
                    async _ => Assert.Equal(EngineVerdict.Healthy, (await cluster.ProbeAsync(Now(), Token)).Verdict));
                Assert.Equal(turn == 0 ? "neo4j.b" : "neo4j", run.Held().Username);
                // Whose turn it is may do what only an administrator may.
                await cluster.AcceptAsync(cluster.Rotating[0], [new("app", Neo4jUnderTest.AppPassword)], Now(), Token);
            }

            // The Secret names the second one, and the server knows only the first by that password.
            var internals = new Dictionary<string, string>(Now().Secrets[role.SecretName]) { [role.UsernameKey] = "neo4j.b" };
            var renamed = target with { Secrets = new Dictionary<string, IReadOnlyDictionary<string, string>>(target.Secrets) { [role.SecretName] = internals } };
            var health = await cluster.ProbeAsync(renamed, Token);
            Assert.Equal(["SetAdministrator/neo4j.b"], health.Needs);
            await cluster.ExecuteAsync(Assert.Single(cluster.Commands(new(Health: health))), renamed, Token);
            // A server may have locked the name out for seconds by then: nobody was of that name, and it was tried.
            await ChildProcess.UntilAsync(() => AnswerAsync("neo4j.b"), answer => answer == LoginAnswer.Accepted, TimeSpan.FromSeconds(20), Token);
            await SettleAsync(cluster, renamed);
            Assert.Equal((LoginAnswer.Accepted, LoginAnswer.Refused), (await AnswerAsync("neo4j.b"), await AnswerAsync("neo4j")));
            await cluster.AcceptAsync(role, [first], renamed, Token);
            await SettleAsync(cluster, target);

            async Task<LoginAnswer> AnswerAsync(string name) => (await cluster.LogInAsync(role, new(name, internals[role.Key]), target, Token))[0].Answer;
        }
    }

    [Fact]
    public async Task A_server_that_locks_a_user_out_for_a_while_says_neither_yes_nor_no()
    {
        await neo4j.RunAsync("system", Cypher.CreateUser("it-locked", "it-Password1"));
        var (cluster, target) = neo4j.Engine("", "databases: []");
        var role = new RotatingRole("none", "it-locked");
        for (var wrong = 0; wrong < 3; wrong++)
            Assert.Equal(LoginAnswer.Refused, (await cluster.LogInAsync(role, new("it-locked", "it-Wrong-Password"), target, Token))[0].Answer);
        Assert.Equal(LoginAnswer.Unknown, (await cluster.LogInAsync(role, new("it-locked", "it-Password1"), target, Token))[0].Answer);
        await neo4j.RunAsync("system", Cypher.DropUser("it-locked"));
    }

    private static async Task SettleAsync(IEngineCluster cluster, EngineTarget target)
    {
        var said = "";
        for (var pass = 0; pass < 30; pass++)
        {
            var health = await cluster.ProbeAsync(target, Token);
            if (health.Verdict == EngineVerdict.Healthy)
                return;
            said = $"{health.Message}; {string.Join(", ", health.Needs)}";
            foreach (var command in cluster.Commands(new(Health: health)))
                await cluster.ExecuteAsync(command, target, Token);
        }

        Assert.Fail($"not settled: {said}");
    }
}
