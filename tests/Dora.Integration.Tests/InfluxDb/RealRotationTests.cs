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

    [Theory]
    [InlineData("admin", Influx1Pod.AdminPassword)]
    [InlineData("monitor", Influx1Pod.MonitorPassword)]
    public async Task A_user_of_the_servers_own_changes_and_what_the_pod_mounts_opens_it_all_the_while(string user, string password)
    {
        await pod.StartAsync();
        await pod.ConvergeAsync();
        var role = V1Logins.Of(pod.Plan).Single(role => role.Username == user);
        var servers = new RealLogins(role, logins => V1Logins.AcceptAsync(pod.Plan, role, logins, pod.Target, Token), login => V1Logins.LogInAsync(pod.Plan, login, pod.Target, Token));
        await using var run = await RotationRun.StartAsync("influxdb", servers, new(user, password), "{version: '1.6'}");
        for (var turn = 0; turn < 2; turn++)
        {
            await run.RotateAsync(
                $"turn {turn}",
                login => pod.Client(login.Username, login.Password).QueryAsync("SHOW DATABASES", Token),
                async _ =>
                {
                    pod.Secrets[role.SecretName] = new Dictionary<string, string>(pod.Secrets[role.SecretName]) { [role.UsernameKey] = run.Held().Username, [role.Key] = run.Held().Password };
                    pod.Mount();
                    Assert.Empty((await pod.ProbeAsync()).Needs);
                    Assert.Equal((0, 0), ((await pod.RunAsync("ready.sh")).Code, (await pod.RunAsync("alive.sh")).Code));
                });
            Assert.Equal(turn == 0 ? $"{user}.b" : user, run.Held().Username);
            var users = (await V1State.ReadAsync(V1Probe.Admin(pod.Plan, pod.Target, pod.Target.Members[0]), new HashSet<string> { run.Held().Username }, Token)).Users;
            Assert.Equal((user == "admin", 0), (users[run.Held().Username].Admin, users[run.Held().Username].Grants.Count));
            Assert.DoesNotContain(turn == 0 ? user : $"{user}.b", users.Keys);
            // The script before the next start finds whom the Secret names, and makes nobody.
            await pod.StopAsync();
            await pod.StartAsync();
            Assert.DoesNotContain(turn == 0 ? user : $"{user}.b", (await V1State.ReadAsync(V1Probe.Admin(pod.Plan, pod.Target, pod.Target.Members[0]), V1State.Nobody, Token)).Users.Keys);
        }

        Assert.DoesNotContain(run.Held().Password, pod.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task On_a_new_volume_the_administrator_and_the_monitor_whom_the_Secret_names_are_made()
    {
        pod.Secrets[pod.Plan.Names.InternalSecret] = new Dictionary<string, string>(pod.Target.Secrets[pod.Plan.Names.InternalSecret]) { ["admin-username"] = "admin.b", ["monitor-username"] = "monitor.b" };
        await pod.StartAsync();
        Assert.Equal(["admin.b", "monitor.b"], (await V1State.ReadAsync(V1Probe.Admin(pod.Plan, pod.Target, pod.Target.Members[0]), V1State.Nobody, Token)).Users.Keys.Order(StringComparer.Ordinal));
        await pod.ConvergeAsync();
        // Amid a change both are wanted: they come as the overlap holds them.
        var role = V1Logins.Administrator(pod.Plan);
        await V1Logins.AcceptAsync(pod.Plan, role, [new("admin", "old-Hs6j2Kd8Wq"), new("admin.b", Influx1Pod.AdminPassword)], pod.Target, Token);
        await pod.Client("admin", "old-Hs6j2Kd8Wq").QueryAsync("SHOW USERS", Token);
    }
}
