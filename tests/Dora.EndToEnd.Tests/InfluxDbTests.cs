using System.Net;
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
        await Writer.UntilDoneAsync(async _ => Assert.Equal(HttpStatusCode.NoContent, await telegraf.WriteAsync("cpu value=41")));
        Assert.Equal(HttpStatusCode.Forbidden, await grafana.WriteAsync("cpu value=42"));
        Assert.Equal(HttpStatusCode.Unauthorized, await (grafana with { Password = "wrong" }).WriteAsync("cpu value=42"));
        Assert.Contains(",41]", await grafana.ReadAsync(), StringComparison.Ordinal);

        var pod = Assert.Single(await cluster.ListAsync(KubeTypes.Pods, $"{Labels.Stack}=points"));
        await cluster.SignalAsync(pod.Metadata.Name!, "KILL");
        await Writer.UntilDoneAsync(async _ => Assert.Contains(",41]", await grafana.ReadAsync(), StringComparison.Ordinal));

        await cluster.DeleteStackAsync("points");
        await cluster.ApplyAsync("points", Spec);
        await cluster.ReadyAsync("points");
        grafana = await UserAsync("grafana");
        await Writer.UntilDoneAsync(async _ => Assert.Contains(",41]", await grafana.ReadAsync(), StringComparison.Ordinal));
        await cluster.DeleteStackAsync("points");
    }

    private Task<InfluxUser> UserAsync(string name) => InfluxUser.OfAsync(cluster, "points", name);
}
