using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Operator.Backups;
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
          copies: [{name: abroad, destination: {endpoint: "https://s3.elsewhere:9000", bucket: copies, credentialsSecret: elsewhere}}]
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
        // Names, and the stores: no server.
        Assert.Equal([53, 53, 5353, 5353, 443, 9000], alone["egress"]!.AsArray().SelectMany(rule => rule!["ports"]!.AsArray()).Select(port => (int)port!["port"]!));

        host.PatchSpec("shop", "{backup: null}");
        await host.UntilAsync(() => host.Find(KubeTypes.NetworkPolicies.Resource, "shop-restore") is null && host.Find(KubeTypes.NetworkPolicies.Resource, "shop-backup") is null);
    }

    [Fact]
    public async Task A_backup_that_was_there_before_is_copied_when_copies_are_asked_for()
    {
        await using var host = await OperatorHost.StartAsync();
        host.Apply("shop", Spec);
        host.PatchSpec("shop", "{backup: {copies: null}}");
        await host.ConvergedAsync("shop");
        Create(host, BackupResource.Type.Resource, "first", new() { ["stack"] = "shop", ["engine"] = "redis" });
        await host.UntilAsync(() => Reason(host, BackupResource.Type.Resource, "first") is not null);
        var stored = BackupWorld.Stored("first", DateTimeOffset.UtcNow).Status! with { Protection = BackupChores.Protected };
        host.Server.Patch(BackupResource.Type.Resource, OperatorHost.Namespace, "first", new() { ["status"] = Sent(stored, ApiJson.Wire.ComplianceBackupStatus) }, "status");
        await host.PassesAsync(2);
        Assert.Empty(Copies(host));

        host.PatchSpec("shop", """{backup: {copies: [{name: abroad, destination: {endpoint: "https://s3.elsewhere:9000", bucket: copies, credentialsSecret: elsewhere}}]}}""");
        await host.UntilAsync(() => Copies(host).Any());
        var job = Assert.Single(Copies(host));
        Assert.Equal(("Copying", "elsewhere"), (Copy(host, "reason"), (string?)job["spec"]!["template"]!["spec"]!["volumes"]!.AsArray().Single(volume => (string?)volume!["name"] == "target")!["secret"]!["secretName"]));

        var (_, pod) = BackupWorld.Ended((string)job["metadata"]!["name"]!, BackupWorld.Report().ToJsonString());
        var owner = pod.Metadata.OwnerReferences![0] with { Uid = (string)job["metadata"]!["uid"]! };
        var labels = job["metadata"]!["labels"]!.AsObject().ToDictionary(label => label.Key, label => (string)label.Value!);
        var sent = Sent(pod with { Metadata = pod.Metadata with { OwnerReferences = [owner], Labels = labels } }, KubeTypes.Pods.Json);
        var ended = new JsonObject { ["status"] = sent["status"]!.DeepClone() };
        host.Server.Create(KubeTypes.Pods.Resource, OperatorHost.Namespace, sent);
        host.Server.Patch(KubeTypes.Pods.Resource, OperatorHost.Namespace, pod.Metadata.Name!, ended, "status");
        await host.UntilAsync(() => Copy(host, "reason") == "Copied");
        Assert.Equal($"https://s3.elsewhere:9000/copies/compliance/shop/redis/{stored.Id}/", Copy(host, "location"));
        await host.ConditionAsync("shop", ConditionTypes.BackupCopied, condition => (string?)condition["status"] == "True");
    }

    // A search of the bucket is a Job too, and another one.
    private static IEnumerable<JsonObject> Copies(OperatorHost host) => host.Server.All(KubeTypes.Jobs.Resource).Where(job => ((string)job["metadata"]!["name"]!).Contains("-copy-", StringComparison.Ordinal));

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

    private static string? Copy(OperatorHost host, string field) => (string?)host.Find(BackupResource.Type.Resource, "first")!["status"]?["copies"]?[0]?[field];

    // As it would come over the wire: numbers without a C# type.
    private static JsonObject Sent<T>(T value, JsonTypeInfo<T> json) => JsonNode.Parse(JsonSerializer.Serialize(value, json))!.AsObject();

    private static void Create(OperatorHost host, KubeResource kind, string name, JsonObject spec) => host.Server.Create(kind, OperatorHost.Namespace, new JsonObject
    {
        ["apiVersion"] = kind.ApiVersion,
        ["kind"] = kind.Kind,
        ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = OperatorHost.Namespace },
        ["spec"] = spec,
    });
}
