using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Dora.Agent.Backups;
using Dora.Api;
using Dora.Backup.Keys;
using Dora.Backup.Runs;
using Dora.Backup.Sets;
using Dora.Engines.Backups;
using Dora.Integration.Tests.ApiServer;
using Dora.Integration.Tests.Backups;
using Dora.Kubernetes.Model;
using Dora.Operator.Access;
using Xunit;

namespace Dora.Integration.Tests.Operator;

/// <summary>
/// A stack that was built anew and points at its old bucket, on a real kube-apiserver and a real object store, with just the operator's rights. The test
/// is StatefulSet controller and kubelet; what a pod says is what the agent says of the order in the pod's own ConfigMap.
/// </summary>
[Collection("operator")]
public sealed class RealRebuiltStackTests(RealServer server, ObjectStoreServer store) : IClassFixture<ObjectStoreServer>
{
    private const int Count = 20;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_rebuilt_stack_finds_its_backups_and_restores_one()
    {
        var bucket = await store.BucketAsync();
        await using var run = await OperatorRun.CreateAsync(server, [.. OperatorAccess.Stacks, .. OperatorAccess.Lease]);
        var ids = await BackUpAsync(bucket, run.Namespace);
        _ = run.Start();
        var uid = await ApplyAsync(run, bucket);
        Assert.NotEqual("0ld-uid", uid);

        // More than a report holds: the second Job goes on where the first one ended.
        var jobs = 0;
        while (await SearchAsync(run) is { Next: not null })
            jobs++;
        Assert.InRange(jobs, 1, 4);
        foreach (var id in ids)
        {
            var found = await run.UntilAsync(BackupResource.Type.Resource, $"shop-redis-{id}", body => (string?)body["status"]?["phase"] == "Succeeded");
            Assert.Equal(("Found", id, "redis-rdb", "12"), ((string?)found["status"]!["reason"], (string?)found["status"]!["id"], (string?)found["status"]!["content"], (string?)found["status"]!["facts"]!["count:keys"]));
            Assert.Null(found["metadata"]!["ownerReferences"]);
        }

        var stack = await run.UntilAsync(StackResource.Type.Resource, "shop", body => Search(body) is { } search && search["next"] is null && Condition(body, ConditionTypes.BackupFresh)?["reason"]?.GetValue<string>() == "StoreTaken");
        Assert.Equal("0ld-uid", (string?)Search(stack)!["owner"]);
        Assert.Contains("spec.backup.adopt: 0ld-uid", (string?)Condition(stack, ConditionTypes.BackupFresh)!["message"], StringComparison.Ordinal);

        // Nobody has taken the folder over yet, and its backups can be restored all the same.
        await PostAsync(run, RestoreResource.Type.Resource, "look", new() { ["stack"] = "shop", ["engine"] = "redis", ["source"] = new JsonObject { ["backup"] = $"shop-redis-{ids[3]}" }, ["target"] = new JsonObject { ["mode"] = "Drill" } });
        await DrillAsync(run, bucket);
        var restored = await run.UntilAsync(RestoreResource.Type.Resource, "look", body => (string?)body["status"]?["phase"] is "Succeeded" or "Failed");
        Assert.Equal(("Succeeded", "Verified"), ((string?)restored["status"]!["phase"], (string?)restored["status"]!["comparison"]));

        (await run.Api.Patch(run.Path(StackResource.Type.Resource, "shop"), new JsonObject { ["spec"] = new JsonObject { ["backup"] = new JsonObject { ["adopt"] = "0ld-uid" } } })).Must(200);
        await run.UntilAsync(StackResource.Type.Resource, "shop", body => Condition(body, ConditionTypes.BackupFresh)?["reason"]?.GetValue<string>() != "StoreTaken");

        // All that is known: another look changes nothing but its own entry, and one backup whose objects somebody removed.
        using var client = store.Client();
        foreach (var name in (string[])["data-00001", "manifest.json"])
            await client.DeleteObjectAsync(bucket, $"backups/{run.Namespace}/shop/redis/{ids[5]}/{name}", Token);
        (await run.Api.Patch(run.Path(StackResource.Type.Resource, "shop"), new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [Labels.FindBackups] = "now" } } })).Must(200);
        var page = await SearchAsync(run);
        Assert.Equal((0, 1), (page.Backups.Count, page.Gone.Count));
        var gone = await run.UntilAsync(BackupResource.Type.Resource, $"shop-redis-{ids[5]}", body => (string?)body["status"]?["phase"] == "Gone");
        Assert.Equal("Missing", (string?)gone["status"]!["reason"]);
        await run.UntilAsync(StackResource.Type.Resource, "shop", body => (string?)Search(body)?["asked"] == "now");
        await run.ConvergedAsync("shop");
        var before = await VersionsAsync(run);
        Assert.Equal(Count, before.Count);
        await run.PassesAsync(3);
        Assert.Equal(before, await VersionsAsync(run));
    }

    // A search as its pod would make it; its page.
    private async Task<FoundPage> SearchAsync(OperatorRun run)
    {
        var (job, order) = await OrderAsync(run, "shop-find-redis-");
        using var agent = new AgentRun(store, order.Store.Bucket, order.Id, "", order: _ => order);
        Assert.Equal(0, await agent.AgentAsync(BackupCommands.Find(), Token));
        await EndAsync(run, job, agent.Report.ToJsonString());
        return RunReport.Parse(agent.Report.ToJsonString())!.Found!;
    }

    private async Task DrillAsync(OperatorRun run, string bucket)
    {
        var (job, order) = await OrderAsync(run, "look-restore-");
        using var agent = new AgentRun(store, bucket, order.Id, order.Content, order: _ => order);
        await agent.PrepareAsync(Token);
        await using var tool = agent.Shell("test \"$(cat \"$STAGE/data\")\" = data && outcome exit=0 count:keys=12 || outcome exit=1 error=other");
        Assert.Equal(0, await agent.AgentAsync(BackupCommands.Restore(), Token));
        await EndAsync(run, job, agent.Report.ToJsonString());
    }

    // The next Job of that name that has no pod yet, and its order.
    private static async Task<(JsonObject Job, RunOrder Order)> OrderAsync(OperatorRun run, string prefix)
    {
        using var watch = await run.Api.Watch($"{run.Path(KubeTypes.Jobs.Resource)}?watch=true");
        while (true)
        {
            var frame = await watch.NextChange(TimeSpan.FromSeconds(30));
            var name = (string)frame.Object["metadata"]!["name"]!;
            if (frame.Type == "DELETED" || frame.Object["metadata"]!["deletionTimestamp"] is not null || !name.StartsWith(prefix, StringComparison.Ordinal) || (await run.Api.Get(run.Path(KubeTypes.Pods.Resource, $"{name}-x"))).Code == 200)
                continue;
            var files = (await run.Api.Get(run.Path(KubeTypes.ConfigMaps.Resource, name))).Must(200);
            return (frame.Object, RunOrder.Parse(Encoding.UTF8.GetBytes((string)files["data"]![BackupPods.OrderFile]!)));
        }
    }

    private static async Task EndAsync(OperatorRun run, JsonObject job, string report)
    {
        var name = $"{job["metadata"]!["name"]}-x";
        var template = job["spec"]!["template"]!.DeepClone();
        var pod = new JsonObject
        {
            ["metadata"] = new JsonObject
            {
                ["name"] = name,
                ["labels"] = template["metadata"]!["labels"]!.DeepClone(),
                ["ownerReferences"] = new JsonArray(new JsonObject { ["apiVersion"] = "batch/v1", ["kind"] = "Job", ["name"] = job["metadata"]!["name"]!.DeepClone(), ["uid"] = job["metadata"]!["uid"]!.DeepClone(), ["controller"] = true }),
            },
            ["spec"] = new JsonObject { ["automountServiceAccountToken"] = false, ["containers"] = new JsonArray(new JsonObject { ["name"] = BackupPods.Agent, ["image"] = "none" }) },
        };
        (await run.Api.Post(run.Path(KubeTypes.Pods.Resource), pod)).Must(201);
        var state = new JsonObject { ["terminated"] = new JsonObject { ["exitCode"] = 0, ["reason"] = "Completed", ["message"] = report } };
        (await run.Api.Patch($"{run.Path(KubeTypes.Pods.Resource, name)}/status", new JsonObject
        {
            ["status"] = new JsonObject { ["phase"] = "Succeeded", ["containerStatuses"] = new JsonArray(new JsonObject { ["name"] = BackupPods.Agent, ["image"] = "none", ["imageID"] = "", ["ready"] = false, ["restartCount"] = 0, ["state"] = state }) },
        })).Must(200);
    }

    // What the stack that is gone left behind.
    private async Task<IReadOnlyList<string>> BackUpAsync(string bucket, string ns)
    {
        using var folder = store.Store(bucket, prefix: "backups");
        var keys = new SecretKeys(new Dictionary<string, byte[]> { [SecretKeys.Current] = SHA256.HashData("a key"u8) });
        var origin = new BackupOrigin(ns, "shop", "0ld-uid", "redis", "7.0");
        var facts = new Dictionary<string, string> { ["count:keys"] = "12" };
        await StackMark.ClaimAsync(folder, origin, null, TimeProvider.System, Token);
        var ids = Enumerable.Range(0, Count).Select(hour => $"20261120t{hour:D2}0000z-a1b2c3").ToList();
        foreach (var id in ids)
            await new BackupWriter(folder, keys, TimeProvider.System).WriteAsync(new(id, origin, "redis-rdb", facts), new MemoryStream("data"u8.ToArray()), _ => Task.FromResult<IReadOnlyDictionary<string, string>>(facts), _ => { }, Token);
        return ids;
    }

    private async Task<string> ApplyAsync(OperatorRun run, string bucket)
    {
        await run.ApplyAsync("shop", $"{{tier: Development, engines: {{redis: {{}}}}, backup: {{destination: {{endpoint: '{store.Endpoint.GetLeftPart(UriPartial.Authority)}', bucket: {bucket}, prefix: backups, credentialsSecret: store}}, encryption: {{keySecret: keys}}}}}}");
        return (string)(await run.Api.Get(run.Path(StackResource.Type.Resource, "shop"))).Must(200)["metadata"]!["uid"]!;
    }

    private static async Task PostAsync(OperatorRun run, KubeResource kind, string name, JsonObject spec) =>
        (await run.Api.Post(run.Path(kind), new JsonObject { ["apiVersion"] = kind.ApiVersion, ["kind"] = kind.Kind, ["metadata"] = new JsonObject { ["name"] = name }, ["spec"] = spec })).Must(201);

    private static async Task<SortedDictionary<string, string>> VersionsAsync(OperatorRun run) => new(
        (await run.Api.Get(run.Path(BackupResource.Type.Resource))).Must(200)["items"]!.AsArray().ToDictionary(item => (string)item!["metadata"]!["name"]!, item => (string)item!["metadata"]!["resourceVersion"]!), StringComparer.Ordinal);

    private static JsonNode? Search(JsonObject stack) => stack["status"]?["backups"]?["searches"]?.AsArray().SingleOrDefault();

    private static JsonNode? Condition(JsonObject stack, string type) => (stack["status"]?["conditions"] as JsonArray)?.FirstOrDefault(condition => (string?)condition!["type"] == type);
}
