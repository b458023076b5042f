using Dora.Engines;
using Dora.Engines.Redis;
using Dora.Integration.Tests.Rotation;
using Xunit;

namespace Dora.Integration.Tests.Redis;

/// <summary>Two passwords of one user, on every member of a real cluster with Sentinels.</summary>
[Collection(RedisPods.Collection)]
public sealed class RealRotationTests(RedisPods pods)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_application_never_sees_a_failed_login_and_the_old_one_is_refused()
    {
        await pods.HealthyAsync();
        var role = RedisLogins.Of(pods.Plan)[0];
        var servers = new RealLogins(role, logins => RedisLogins.AcceptAsync(pods.Plan, role, logins, pods.Target, Token), login => RedisLogins.LogInAsync(pods.Plan, role, login, pods.Target, Token));
        await using var run = await RotationRun.StartAsync("redis", servers, new("app", RedisPods.AppPassword));
        try
        {
            var member = 0;
            await run.RotateAsync("now", async login =>
            {
                await using var client = await pods.ConnectAsync(member++ % RedisPods.Members, RedisPlan.Port, login.Username, login.Password);
                await client.SendAsync(Token, "PING");
            });
            Assert.True(run.Logins > 5, $"{run.Logins}");
            Assert.Equal("app", run.Held().Username);
        }
        finally
        {
            // The others of the collection go on with the first one.
            await RedisLogins.AcceptAsync(pods.Plan, role, [new("app", RedisPods.AppPassword)], pods.Target, Token);
        }
    }

    [Fact]
    public async Task A_member_that_starts_anew_meanwhile_is_given_the_other_password_again()
    {
        await pods.HealthyAsync();
        var role = RedisLogins.Of(pods.Plan)[0];
        IReadOnlyList<Login> both = [new("app", RedisPods.AppPassword), new("app", "next-Yt5r2Kd9")];
        var target = pods.Target with { Accepted = new Dictionary<string, IReadOnlyList<Login>> { [role.SecretName] = both } };
        try
        {
            await RedisLogins.AcceptAsync(pods.Plan, role, both, pods.Target, Token);
            await pods.StopAsync(2);
            var health = await pods.HealthyAsync();
            Assert.Equal(LoginAnswer.Refused, (await RedisLogins.LogInAsync(pods.Plan, role, both[1], pods.Target, Token))[2].Answer);
            health = await RedisUsers.CompleteAsync(pods.Plan, target, health, Token);
            Assert.Contains("SetUser/app", health.Needs);
            foreach (var command in RedisUsers.Decide(new(Health: health)).Where(command => command.Subject == "app"))
                await RedisUsers.ExecuteAsync(pods.Plan, command, target, Token);
            foreach (var login in both)
                Assert.All(await RedisLogins.LogInAsync(pods.Plan, role, login, pods.Target, Token), answer => Assert.Equal(LoginAnswer.Accepted, answer.Answer));
        }
        finally
        {
            await RedisLogins.AcceptAsync(pods.Plan, role, [both[0]], pods.Target, Token);
        }
    }

    [Fact]
    public async Task The_servers_own_passwords_change_and_replicas_Sentinels_and_scripts_go_on()
    {
        await pods.HealthyAsync();
        await using (var own = new OwnPasswords(pods.Plan, () => pods.Target, pods.ChangePassword))
        {
            await own.RotateAsync();

            // With what they were told: a member that starts anew follows, and the Sentinels elect another master.
            await pods.StopAsync(2);
            var health = await pods.HealthyAsync();
            Assert.Equal(3, health.Members.Count(member => member.Serving));
            var master = Enumerable.Range(0, RedisPods.Members).Single(ordinal => pods.Plan.Names.Pod(ordinal) == health.Primary);
            await pods.StopAsync(master);
            await pods.HealthAsync(found => found.Primary is { } primary && primary != health.Primary);
            Assert.Equal(EngineVerdict.Healthy, (await pods.HealthyAsync()).Verdict);
        }

        await pods.HealthyAsync();
    }
}
