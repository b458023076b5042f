using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Testing.ApiServer;

namespace Dora.Operator.Tests.Backups;

/// <summary>The whole operator on an in-memory API server, where no server ever answers.</summary>
[Collection("operator")]
public sealed class BackupConvergenceTests
{
    private const string Spec = """
        tier: Staging
        engines: {redis: {mode: Sentinel, instances: 3}}
        backup:
          destination: {endpoint: "https://s3.example", bucket: backups, credentialsSecret: store}
          encryption: {keySecret: keys}
          schedules: [{name: nightly, cron: "30 2 1 1 *"}]
          objectives: [{engine: redis, rpo: 24h, rto: 1h}]
          drills: {cron: "0 4 2 1 *"}
        """;

    [Fact]
    public async Task A_converged_stack_with_backups_costs_no_writes_also_after_a_restart()
    {
        await using var host = await OperatorHost.StartAsync();
        await using var workloads = new WorkloadSimulator(host.Server);
        host.Apply("shop", Spec);
        Create(host, BackupResource.Type.Resource, "first", new() { ["stack"] = "shop", ["engine"] = "redis" });
        await host.ConvergedAsync("shop");
        await host.UntilAsync(() => Reason(host, BackupResource.Type.Resource, "first") is not null);
        await host.PassesAsync(2);
        host.Server.Requests.Clear();

        await host.StopAsync();
        _ = host.Start();
        await host.PassesAsync(3);
        Assert.Empty(host.Writes());
    }

    [Fact]
    public async Task The_pods_of_backups_have_policies_of_their_own_which_go_with_the_backups()
    {
        await using var host = await OperatorHost.StartAsync();
        host.Apply("shop", Spec);
        await host.ConvergedAsync("shop");
        var alone = host.Find(KubeTypes.NetworkPolicies.Resource, "shop-restore")!["spec"]!;
        Assert.Equal("restore", (string?)alone["podSelector"]!["matchLabels"]![Labels.Name]);
        Assert.Null(alone["ingress"]?.AsArray().FirstOrDefault());
        // Names, and the store: no server.
        Assert.Equal([53, 53, 5353, 5353, 443], alone["egress"]!.AsArray().SelectMany(rule => rule!["ports"]!.AsArray()).Select(port => (int)port!["port"]!));

        host.PatchSpec("shop", "{backup: null}");
        await host.UntilAsync(() => host.Find(KubeTypes.NetworkPolicies.Resource, "shop-restore") is null && host.Find(KubeTypes.NetworkPolicies.Resource, "shop-backup") is null);
    }

    [Fact]
    public async Task A_backup_waits_for_its_stack_and_for_servers_and_says_so()
    {
        await using var host = await OperatorHost.StartAsync();
        Create(host, BackupResource.Type.Resource, "early", new() { ["stack"] = "shop", ["engine"] = "redis" });
        await host.UntilAsync(() => Reason(host, BackupResource.Type.Resource, "early") == "StackMissing");
        host.Apply("shop", Spec);
        await host.UntilAsync(() => Reason(host, BackupResource.Type.Resource, "early") == "EngineNotServing");
        Assert.DoesNotContain(host.Server.All(KubeTypes.Jobs.Resource), job => ((string)job["metadata"]!["name"]!).StartsWith("early", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_restore_without_a_backup_fails_and_touches_nothing()
    {
        await using var host = await OperatorHost.StartAsync();
        host.Apply("shop", Spec);
        await host.ConvergedAsync("shop");
        Create(host, RestoreResource.Type.Resource, "undo", new()
        {
            ["stack"] = "shop",
            ["engine"] = "redis",
            ["source"] = new JsonObject(),
            ["target"] = new JsonObject { ["mode"] = "InPlace", ["confirm"] = "shop" },
        });
        await host.UntilAsync(() => Reason(host, RestoreResource.Type.Resource, "undo") == "NoBackup");
        Assert.Equal(3, (int)host.Find(KubeTypes.StatefulSets.Resource, "shop-redis")!["spec"]!["replicas"]!);
    }

    private static string? Reason(OperatorHost host, KubeResource kind, string name) => (string?)host.Find(kind, name)!["status"]?["reason"];

    private static void Create(OperatorHost host, KubeResource kind, string name, JsonObject spec) => host.Server.Create(kind, OperatorHost.Namespace, new JsonObject
    {
        ["apiVersion"] = kind.ApiVersion,
        ["kind"] = kind.Kind,
        ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = OperatorHost.Namespace },
        ["spec"] = spec,
    });
}
