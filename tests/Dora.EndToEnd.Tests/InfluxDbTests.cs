using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Text;
using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.EndToEnd.Tests;

/// <summary>InfluxDB 1.6 on real pods, the one version whose server Debian packs.</summary>
public sealed class InfluxDbTests(Cluster cluster)
{
    private const string Spec = """
        tier: Development
        engines:
          influxdb:
            version: '1.6'
            databases: [{name: metrics, retention: 30d}]
            users: [{name: grafana, grants: [{database: metrics}]}, {name: telegraf, grants: [{database: metrics, access: Write}]}]
        """;

    [Fact]
    public async Task Declared_databases_and_users_serve_and_points_outlive_kill_9_and_the_stack()
    {
        await cluster.ApplyAsync("points", Spec);
        await cluster.ReadyAsync("points");
        var telegraf = await UserAsync("telegraf");
        var grafana = await UserAsync("grafana");
        await Writer.UntilDoneAsync(async _ => Assert.Equal(HttpStatusCode.NoContent, await WriteAsync(telegraf, "cpu value=41")));
        Assert.Equal(HttpStatusCode.Forbidden, await WriteAsync(grafana, "cpu value=42"));
        Assert.Equal(HttpStatusCode.Unauthorized, await WriteAsync(grafana with { Password = "wrong" }, "cpu value=42"));
        Assert.Contains(",41]", await ReadAsync(grafana), StringComparison.Ordinal);

        var pod = Assert.Single(await cluster.ListAsync(KubeTypes.Pods, $"{Labels.Stack}=points"));
        await cluster.SignalAsync(pod.Metadata.Name!, "KILL");
        await Writer.UntilDoneAsync(async _ => Assert.Contains(",41]", await ReadAsync(grafana), StringComparison.Ordinal));

        await cluster.DeleteStackAsync("points");
        await cluster.ApplyAsync("points", Spec);
        await cluster.ReadyAsync("points");
        grafana = await UserAsync("grafana");
        await Writer.UntilDoneAsync(async _ => Assert.Contains(",41]", await ReadAsync(grafana), StringComparison.Ordinal));
        await cluster.DeleteStackAsync("points");
    }

    private sealed record User(string Address, string Name, string Password, SslClientAuthenticationOptions Tls);

    private async Task<User> UserAsync(string name) =>
        new(await cluster.AddressAsync("points-influxdb"), name, await cluster.SecretAsync($"points-influxdb-user-{name}", "password"), (await cluster.TrustAsync("points"))("points-influxdb"));

    private static async Task<HttpStatusCode> WriteAsync(User user, string line)
    {
        using var http = Client(user);
        using var content = new StringContent(line, Encoding.UTF8);
        using var answer = await http.PostAsync(new Uri("/write?db=metrics&precision=s", UriKind.Relative), content, TestContext.Current.CancellationToken);
        return answer.StatusCode;
    }

    private static async Task<string> ReadAsync(User user)
    {
        using var http = Client(user);
        using var answer = await http.GetAsync(new Uri("/query?db=metrics&epoch=s&q=SELECT+value+FROM+cpu", UriKind.Relative), TestContext.Current.CancellationToken);
        return await answer.EnsureSuccessStatusCode().Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
    }

    private static HttpClient Client(User user)
    {
        var http = new HttpClient(new SocketsHttpHandler { SslOptions = user.Tls }) { BaseAddress = new Uri($"https://{user.Address}:8086"), Timeout = TimeSpan.FromSeconds(5) };
        // The server is reached by address and known by name.
        http.DefaultRequestHeaders.Host = user.Tls.TargetHost;
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user.Name}:{user.Password}")));
        return http;
    }
}
