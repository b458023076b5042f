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
        var servers = new RealLogins(role, logins => RedisLogins.AcceptAsync(pods.Plan, role, logins, pods.Target, Token), login => RedisLogins.LogInAsync(pods.Plan, login, pods.Target, Token));
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
            Assert.Equal(LoginAnswer.Refused, (await RedisLogins.LogInAsync(pods.Plan, both[1], pods.Target, Token))[2].Answer);
            health = await RedisUsers.CompleteAsync(pods.Plan, target, health, Token);
            Assert.Contains("SetUser/app", health.Needs);
            foreach (var command in RedisUsers.Decide(new(Health: health)).Where(command => command.Subject == "app"))
                await RedisUsers.ExecuteAsync(pods.Plan, command, target, Token);
            foreach (var login in both)
                Assert.All(await RedisLogins.LogInAsync(pods.Plan, login, pods.Target, Token), answer => Assert.Equal(LoginAnswer.Accepted, answer.Answer));
        }
        finally
        {
            await RedisLogins.AcceptAsync(pods.Plan, role, [both[0]], pods.Target, Token);
        }
    }
}
