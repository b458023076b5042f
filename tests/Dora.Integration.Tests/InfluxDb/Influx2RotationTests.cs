using Dora.Engines;
using Dora.Engines.InfluxDb.V2;
using Dora.Integration.Tests.Rotation;
using Xunit;

namespace Dora.Integration.Tests.InfluxDb;

/// <summary>Two administrators of 2.x that take turns on two servers, on real ones when <c>DORA_TEST_INFLUXDB2</c> names them.</summary>
public sealed class Influx2RotationTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nobody_who_signs_in_is_refused_and_tokens_stay_and_the_old_one_is_refused_by_both_servers()
    {
        await using var servers = await Influx2Servers.StartAsync(new(Instances: 2));
        var role = Assert.Single(V2Logins.Of(servers.Plan));
        Login first = new("admin", Influx2Servers.AdminPassword);
        await using var run = await RotationRun.StartAsync("influxdb", Logins(servers, role), first, "{instances: 2}");
        for (var turn = 0; turn < 2; turn++)
        {
            await run.RotateAsync($"turn {turn}", async login => Assert.All(await V2Logins.LogInAsync(servers.Plan, login, servers.Target, Token), finding => Assert.Equal(LoginAnswer.Accepted, finding.Answer)));
            Assert.Equal(turn == 0 ? "admin.b" : "admin", run.Held().Username);
            // Tokens belong to a user: the administrator's works on, on both.
            for (var ordinal = 0; ordinal < 2; ordinal++)
                Assert.Equal(["admin", "admin.b"], (await servers.StateAsync(ordinal)).Users.Select(user => user.Name).Where(name => name.StartsWith("admin", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        }

        await V2Logins.AcceptAsync(servers.Plan, role, [first], servers.Target, Token);
    }

    [Fact]
    public async Task Wherever_it_ended_among_two_servers_it_is_told_again_and_who_takes_the_turn_owns_the_organisation()
    {
        await using var servers = await Influx2Servers.StartAsync(new(Instances: 2));
        var role = V2Logins.Of(servers.Plan)[0];
        Login first = new("admin", Influx2Servers.AdminPassword), second = new("admin.b", "second-Vb6t1Zr8");
        // One was told before the operator ended.
        await V2Logins.AcceptAsync(servers.Plan, role, [first, second], servers.Target with { Members = [servers.Target.Members[0]] }, Token);
        Assert.Equal([LoginAnswer.Accepted, LoginAnswer.Refused], (await V2Logins.LogInAsync(servers.Plan, second, servers.Target, Token)).Select(finding => finding.Answer));
        await V2Logins.AcceptAsync(servers.Plan, role, [first, second], servers.Target, Token);
        foreach (var login in (Login[])[first, second])
            Assert.Equal([LoginAnswer.Accepted, LoginAnswer.Accepted], (await V2Logins.LogInAsync(servers.Plan, login, servers.Target, Token)).Select(finding => finding.Answer));
        if (!servers.Real)
            Assert.All([0, 1], ordinal => Assert.Equal(2, servers.Store(ordinal).Owners.Count));
        await V2Logins.AcceptAsync(servers.Plan, role, [first], servers.Target, Token);
        Assert.Equal([LoginAnswer.Refused, LoginAnswer.Refused], (await V2Logins.LogInAsync(servers.Plan, second, servers.Target, Token)).Select(finding => finding.Answer));
    }

    [Fact]
    public async Task A_server_that_does_not_answer_says_neither_yes_nor_no()
    {
        await using var servers = await Influx2Servers.StartAsync(new(Instances: 2), scriptedOnly: true);
        await servers.StopAsync(1);
        Assert.Equal([LoginAnswer.Accepted, LoginAnswer.Unknown], (await V2Logins.LogInAsync(servers.Plan, new("admin", Influx2Servers.AdminPassword), servers.Target, Token)).Select(finding => finding.Answer));
    }

    private static RealLogins Logins(Influx2Servers servers, RotatingRole role) => new(
        role,
        logins => V2Logins.AcceptAsync(servers.Plan, role, logins, servers.Target, Token),
        login => V2Logins.LogInAsync(servers.Plan, login, servers.Target, Token));
}
