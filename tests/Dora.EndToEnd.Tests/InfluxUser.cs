using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Text;

namespace Dora.EndToEnd.Tests;

/// <summary>A user of InfluxDB 1.x, who writes to and reads from database metrics.</summary>
internal sealed record InfluxUser(string Address, string Name, string Password, SslClientAuthenticationOptions Tls)
{
    public static async Task<InfluxUser> OfAsync(Cluster cluster, string stack, string name) => new(
        await cluster.AddressAsync($"{stack}-influxdb"),
        name,
        await cluster.SecretAsync($"{stack}-influxdb-user-{name}", "password"),
        (await cluster.TrustAsync(stack))($"{stack}-influxdb"));

    /// <summary>Writes points, in line protocol.</summary>
    public async Task<HttpStatusCode> WriteAsync(string lines)
    {
        using var http = Client();
        using var content = new StringContent(lines, Encoding.UTF8);
        using var answer = await http.PostAsync(new Uri("/write?db=metrics&precision=s", UriKind.Relative), content, TestContext.Current.CancellationToken);
        return answer.StatusCode;
    }

    /// <summary>All values of measurement cpu, as the server's JSON.</summary>
    public async Task<string> ReadAsync()
    {
        using var http = Client();
        using var answer = await http.GetAsync(new Uri("/query?db=metrics&epoch=s&q=SELECT+value+FROM+cpu", UriKind.Relative), TestContext.Current.CancellationToken);
        return await answer.EnsureSuccessStatusCode().Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
    }

    private HttpClient Client()
    {
        var http = new HttpClient(new SocketsHttpHandler { SslOptions = Tls }) { BaseAddress = new Uri($"https://{Address}:8086"), Timeout = TimeSpan.FromSeconds(5) };
        // The server is reached by address and known by name.
        http.DefaultRequestHeaders.Host = Tls.TargetHost;
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{Name}:{Password}")));
        return http;
    }
}
