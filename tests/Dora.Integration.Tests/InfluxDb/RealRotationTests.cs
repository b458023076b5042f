using Dora.Engines.InfluxDb.V1;
using Dora.Integration.Tests.Rotation;
using Xunit;

namespace Dora.Integration.Tests.InfluxDb;

/// <summary>Two users that take turns, on a real InfluxDB 1.6.</summary>
public sealed class RealRotationTests : IAsyncLifetime
{
    private readonly Influx1Pod pod = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => pod.DisposeAsync();

    [Fact]
    public async Task The_application_never_sees_a_failed_login_and_the_old_one_is_refused()
    {
        await pod.StartAsync();
        await pod.ConvergeAsync();
        var role = V1Logins.Of(pod.Plan)[0];
        var servers = new RealLogins(role, logins => V1Logins.AcceptAsync(pod.Plan, role, logins, pod.Target, Token), login => V1Logins.LogInAsync(pod.Plan, login, pod.Target, Token));
        await using var run = await RotationRun.StartAsync("influxdb", servers, new("app", Influx1Pod.AppPassword), "{version: '1.6'}");
        for (var turn = 0; turn < 2; turn++)
        {
            await run.RotateAsync($"turn {turn}", login => pod.Client(login.Username, login.Password).QueryAsync("SHOW MEASUREMENTS ON \"app\"", Token));
            Assert.Equal(turn == 0 ? "app.b" : "app", run.Held().Username);
            // A probe finds the user of that name, and nothing to mend.
            pod.Secrets[role.SecretName] = new Dictionary<string, string> { ["username"] = run.Held().Username, ["password"] = run.Held().Password };
            Assert.Empty((await V1Probe.RunAsync(V1Logins.Resolve(pod.Plan, pod.Target), pod.Target, Token)).Needs);
        }

        Assert.True(run.Logins > 5, $"{run.Logins}");
        Assert.DoesNotContain(run.Held().Password, pod.Log, StringComparison.Ordinal);
    }
}
