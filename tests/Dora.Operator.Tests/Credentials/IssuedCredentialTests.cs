using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Testing.InfluxDb;

namespace Dora.Operator.Tests.Credentials;

/// <summary>What a server issues - here the tokens of InfluxDB 2 - reaches its Secret, by the whole operator.</summary>
[Collection("operator")]
public sealed class IssuedCredentialTests
{
    private static readonly string _address = string.Create(CultureInfo.InvariantCulture, $"127.{1 + (Environment.ProcessId % 250)}.90.1");

    [Fact]
    public async Task A_token_is_issued_once_and_again_when_its_Secret_is_lost()
    {
        await using var host = await OperatorHost.StartAsync();
        host.Apply("shop", "{tier: Development, stackVersion: '2026.11', engines: {influxdb: {users: [{name: reader, grants: [{database: app}]}]}}}");
        await host.UntilAsync(() => host.Find(KubeTypes.Secrets.Resource, "shop-influxdb-internal") is not null);
        await using var server = await InfluxDb2Server.StartAsync(_address, 8086);
        await SetUpAsync(Value(host, "shop-influxdb-internal", "admin-token")!);
        Run(host);

        await host.UntilAsync(() => Value(host, "shop-influxdb-app", "token") is not null && Value(host, "shop-influxdb-user-reader", "token") is not null);
        await host.ConvergedAsync("shop");
        var token = Value(host, "shop-influxdb-user-reader", "token");
        Assert.Equal(token, (string?)Assert.Single(Issued(server, "reader"))["token"]);
        Assert.Equal("http://shop-influxdb.compliance.svc:8086", Value(host, "shop-influxdb-user-reader", "url"));

        // The volume holds data, and yet the Secret of a user is no loss: only the administrator's opens the volume.
        await host.UntilAsync(() => (bool?)host.Find(StackResource.Type.Resource, "shop")!["status"]!["engines"]![0]!["initialized"] == true);
        host.Server.Delete(KubeTypes.Secrets.Resource, OperatorHost.Namespace, "shop-influxdb-user-reader");
        await host.StopAsync();
        _ = host.Start();
        await host.UntilAsync(() => Value(host, "shop-influxdb-user-reader", "token") is { } now && now != token);
        await host.ConvergedAsync("shop");
        Assert.Equal(Value(host, "shop-influxdb-user-reader", "token"), (string?)Assert.Single(Issued(server, "reader"))["token"]);
    }

    private static IEnumerable<JsonObject> Issued(InfluxDb2Server server, string user) =>
        server.Store.Of("authorizations").Where(authorization => (string?)authorization["description"] == $"dora-operator: {user}");

    private static string? Value(OperatorHost host, string secret, string key) =>
        (string?)host.Find(KubeTypes.Secrets.Resource, secret)?["data"]?[key] is { } value ? Encoding.UTF8.GetString(Convert.FromBase64String(value)) : null;

    private static async Task SetUpAsync(string token)
    {
        using var http = new HttpClient();
        using var body = new StringContent($$"""{"username":"admin","password":"long enough","org":"dora","bucket":"app","token":"{{token}}"}""");
        using var answer = await http.PostAsync(new Uri($"http://{_address}:8086/api/v2/setup"), body, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
    }

    // The pod that the StatefulSet's controller and a kubelet would bring up.
    private static void Run(OperatorHost host)
    {
        host.Server.Create(KubeTypes.Pods.Resource, OperatorHost.Namespace, new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Pod",
            ["metadata"] = new JsonObject { ["name"] = "shop-influxdb-0", ["namespace"] = OperatorHost.Namespace, ["labels"] = new JsonObject { [Labels.ManagedBy] = Labels.ManagedByValue, [Labels.Stack] = "shop", [Labels.Engine] = "influxdb" } },
            ["spec"] = new JsonObject { ["containers"] = new JsonArray(new JsonObject { ["name"] = "influxdb", ["image"] = "docker.io/dora/influxdb:2.7" }) },
        });
        host.Server.Patch(KubeTypes.Pods.Resource, OperatorHost.Namespace, "shop-influxdb-0", new JsonObject { ["status"] = new JsonObject { ["phase"] = "Running", ["podIP"] = _address } }, "status");
    }
}
