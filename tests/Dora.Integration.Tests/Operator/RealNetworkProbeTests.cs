using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Dora.Agent.Probing;
using Dora.Api;
using Dora.Integration.Tests.ApiServer;
using Dora.Kubernetes.Model;
using Dora.Operator.Access;
using Xunit;

namespace Dora.Integration.Tests.Operator;

/// <summary>
/// The Job that tries the network, on a real kube-apiserver, with just the operator's rights. The test is StatefulSet controller and
/// kubelet; the pod's report is that of the agent itself, over real sockets.
/// </summary>
[Collection("operator")]
public sealed class RealNetworkProbeTests(RealServer server)
{
    private const string Address = "127.83.1.2";

    [Fact]
    public async Task What_the_pod_reached_is_in_the_status_its_Job_goes_and_nothing_is_written_after()
    {
        using var redis = new TcpListener(IPAddress.Parse(Address), 6379);
        redis.Start();
        var serving = ServeAsync(redis);
        await using var run = await OperatorRun.CreateAsync(server, [.. OperatorAccess.Stacks, .. OperatorAccess.Lease]);
        _ = run.Start();
        await run.ApplyAsync("shop", "{tier: Development, network: {clients: [], probe: {}}, engines: {redis: {}}}");
        var waiting = await run.ConditionAsync("shop", ConditionTypes.NetworkSegmented, "Unknown");
        Assert.Equal("NotProbed", (string?)waiting["reason"]);
        await CreatePodAsync(run, "shop-redis-0", Member(), new() { ["phase"] = "Running", ["podIP"] = Address, ["conditions"] = new JsonArray(Ready()) });

        var job = await JobAsync(run);
        var prober = new NetworkProber(new() { Controls = TimeSpan.Zero, Settling = TimeSpan.FromMilliseconds(50) }, TimeProvider.System);
        var report = await prober.ProbeAsync([.. Options(job, "--control")], [.. Options(job, "--target")], TestContext.Current.CancellationToken);
        await CreatePodAsync(run, "shop-netprobe-x", Prober(job), Ended(report.Message));

        var ignored = await run.ConditionAsync("shop", ConditionTypes.NetworkSegmented, "False");
        Assert.Equal("PolicyIgnored", (string?)ignored["reason"]);
        Assert.Contains("shop-redis-0:6379", (string?)ignored["message"], StringComparison.Ordinal);
        var stack = await run.UntilAsync(StackResource.Type.Resource, "shop", body => body["status"]?["network"]?["probe"] is not null);
        var probe = stack["status"]!["network"]!["probe"]!;
        Assert.Equal(["shop-redis-0:6379"], probe["reached"]!.AsArray().Select(name => (string?)name));
        Assert.Equal(2, (int?)probe["attempts"]);
        Assert.Equal((string?)job["metadata"]!["name"], (string?)probe["job"]);
        var converged = await run.ConvergedAsync("shop");
        Assert.DoesNotContain(converged.Keys, name => name.StartsWith("jobs/", StringComparison.Ordinal));
        Assert.Contains(run.Applied, line => line.Contains("networkpolicies", StringComparison.Ordinal));

        redis.Stop();
        await serving;
    }

    [Fact]
    public async Task The_Job_is_taken_by_the_server_as_it_is_and_made_once()
    {
        await using var run = await OperatorRun.CreateAsync(server, [.. OperatorAccess.Stacks, .. OperatorAccess.Lease]);
        _ = run.Start();
        await run.ApplyAsync("shop", "{tier: Development, network: {probe: {image: 'mirror.example/agent:1'}}, engines: {redis: {}}}");
        await run.ConditionAsync("shop", ConditionTypes.NetworkSegmented, "Unknown");
        await CreatePodAsync(run, "shop-redis-0", Member(), new() { ["phase"] = "Running", ["podIP"] = "127.83.1.9", ["conditions"] = new JsonArray(Ready()) });
        var job = await JobAsync(run);
        var pod = job["spec"]!["template"]!["spec"]!;
        Assert.Equal("mirror.example/agent:1", (string?)pod["containers"]![0]!["image"]);
        Assert.Equal("Never", (string?)pod["restartPolicy"]);
        Assert.Equal(180, (int?)job["spec"]!["activeDeadlineSeconds"]);

        // While it runs, another wish waits.
        (await run.Api.Patch(run.Path(StackResource.Type.Resource, "shop"), new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [Labels.ProbeNetwork] = "now" } } })).Must(200);
        await run.PassesAsync(2);
        Assert.Equal((string?)job["metadata"]!["uid"], (string?)(await JobAsync(run))["metadata"]!["uid"]);
    }

    private static async Task<JsonObject> JobAsync(OperatorRun run)
    {
        using var watch = await run.Api.Watch($"{run.Path(KubeTypes.Jobs.Resource)}?watch=true");
        return (await watch.NextChange(TimeSpan.FromSeconds(30))).Object;
    }

    private static IEnumerable<Connection> Options(JsonObject job, string option) => job["spec"]!["template"]!["spec"]!["containers"]![0]!["args"]!.AsArray()
        .Select(argument => (string)argument!).Skip(1).Chunk(2).Where(pair => pair[0] == option).Select(pair => Connection.Parse(pair[1]));

    private static async Task CreatePodAsync(OperatorRun run, string name, JsonObject metadata, JsonObject status)
    {
        metadata["name"] = name;
        var pod = new JsonObject
        {
            ["metadata"] = metadata,
            ["spec"] = new JsonObject { ["automountServiceAccountToken"] = false, ["containers"] = new JsonArray(new JsonObject { ["name"] = "probe", ["image"] = "none" }) },
        };
        (await run.Api.Post(run.Path(KubeTypes.Pods.Resource), pod)).Must(201);
        (await run.Api.Patch($"{run.Path(KubeTypes.Pods.Resource, name)}/status", new JsonObject { ["status"] = status })).Must(200);
    }

    private static JsonObject Member() => new() { ["labels"] = new JsonObject { [Labels.Stack] = "shop", [Labels.Engine] = "redis", [Labels.ManagedBy] = Labels.ManagedByValue } };

    private static JsonObject Prober(JsonObject job) => new()
    {
        ["labels"] = job["spec"]!["template"]!["metadata"]!["labels"]!.DeepClone(),
        ["ownerReferences"] = new JsonArray(new JsonObject { ["apiVersion"] = "batch/v1", ["kind"] = "Job", ["name"] = job["metadata"]!["name"]!.DeepClone(), ["uid"] = job["metadata"]!["uid"]!.DeepClone(), ["controller"] = true }),
    };

    private static JsonObject Ended(string report) => new()
    {
        ["phase"] = "Succeeded",
        ["containerStatuses"] = new JsonArray(new JsonObject
        {
            ["name"] = "probe",
            ["image"] = "none",
            ["imageID"] = "",
            ["ready"] = false,
            ["restartCount"] = 0,
            ["state"] = new JsonObject { ["terminated"] = new JsonObject { ["exitCode"] = 0, ["reason"] = "Completed", ["message"] = report, ["finishedAt"] = Time() } },
        }),
    };

    private static JsonObject Ready() => new() { ["type"] = "Ready", ["status"] = "True", ["lastTransitionTime"] = "2026-01-01T00:00:00Z" };

    private static string Time() => TimeProvider.System.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    // It accepts and hangs up: reached is reached.
    private static async Task ServeAsync(TcpListener listener)
    {
        try
        {
            while (true)
                (await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken)).Dispose();
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The test is over.
        }
    }
}
