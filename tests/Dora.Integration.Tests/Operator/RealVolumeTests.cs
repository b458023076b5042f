using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Integration.Tests.ApiServer;
using Dora.Kubernetes.Model;
using Dora.Operator.Access;
using Dora.Operator.Stacks;
using Xunit;

namespace Dora.Integration.Tests.Operator;

/// <summary>Growing volumes on a real kube-apiserver, whose admission (PersistentVolumeClaimResize) decides; the claims are made here.</summary>
[Collection("operator")]
public sealed class RealVolumeTests(RealServer server)
{
    private const string Claim = "data-shop-redis-0";
    private const string Account = """{"kind":"ServiceAccount","name":"dora-limited","namespace":"default"}""";

    private readonly string _class = $"class-{Guid.NewGuid():N}"[..16];

    [Fact]
    public async Task Without_the_right_to_read_classes_the_API_servers_refusal_is_said_with_the_name_of_the_class()
    {
        await using var run = await StartAsync();
        var asked = await GrowAsync(run);
        var stalled = await run.ConditionAsync("shop", ConditionTypes.Stalled, "True");
        Assert.Equal(VolumeProblem.Refused, (string?)stalled["reason"]);
        Assert.Contains($"{Claim}: the API server refuses to grow it (only dynamically provisioned pvc can be resized", (string?)stalled["message"], StringComparison.Ordinal);
        Assert.Contains($"see allowVolumeExpansion of StorageClass {_class}", (string?)stalled["message"], StringComparison.Ordinal);
        await run.PassesAsync(2);
        Assert.Equal(asked, (await run.Api.Get(run.Path(KubeTypes.PersistentVolumeClaims.Resource, Claim))).Version);
    }

    [Fact]
    public async Task With_it_the_class_is_named_nothing_is_asked_and_once_the_class_allows_it_the_claim_grows()
    {
        await using var run = await StartAsync();
        await using var rights = await ClusterRights.GrantAsync(run);
        var asked = await GrowAsync(run);
        var stalled = await run.ConditionAsync("shop", ConditionTypes.Stalled, "True");
        Assert.Contains($"{Claim}: StorageClass {_class} does not let volumes grow", (string?)stalled["message"], StringComparison.Ordinal);
        Assert.Equal(asked, (await run.Api.Get(run.Path(KubeTypes.PersistentVolumeClaims.Resource, Claim))).Version);

        (await run.Api.Patch($"/apis/storage.k8s.io/v1/storageclasses/{_class}", JsonNode.Parse("""{"allowVolumeExpansion":true}""")!)).Must(200);
        (await run.Api.Patch(run.Path(StackResource.Type.Resource, "shop"), JsonNode.Parse("""{"metadata":{"annotations":{"wake":"up"}}}""")!)).Must(200);
        await run.UntilAsync(KubeTypes.PersistentVolumeClaims.Resource, Claim, body => (string?)body["spec"]!["resources"]!["requests"]!["storage"] == "2Gi");
        await run.ConditionAsync("shop", ConditionTypes.Stalled, "False");
    }

    // A stack whose volume of 1Gi exists, in a class of the test's own.
    private async Task<OperatorRun> StartAsync()
    {
        var run = await OperatorRun.CreateAsync(server, [.. OperatorAccess.Stacks, .. OperatorAccess.Lease]);
        (await run.Api.Post("/apis/storage.k8s.io/v1/storageclasses", JsonNode.Parse(
            $$"""{"metadata":{"name":"{{_class}}"},"provisioner":"example.com/none","allowVolumeExpansion":false}""")!)).Must(201);
        _ = run.Start();
        await run.ApplyAsync("shop", $"{{tier: Development, engines: {{redis: {{storage: {{size: 1Gi, class: {_class}}}}}}}}}");
        await run.ConvergedAsync("shop");
        var path = run.Path(KubeTypes.PersistentVolumeClaims.Resource);
        (await run.Api.Post(path, JsonNode.Parse($$"""
            {"metadata":{"name":"{{Claim}}","labels":{"{{Labels.ManagedBy}}":"{{Labels.ManagedByValue}}","{{Labels.Stack}}":"shop","{{Labels.Engine}}":"redis"} },
             "spec":{"accessModes":["ReadWriteOnce"],"storageClassName":"{{_class}}","resources":{"requests":{"storage":"1Gi"} } } }
            """)!)).Must(201);
        (await run.Api.Patch($"{path}/{Claim}/status", JsonNode.Parse("""{"status":{"phase":"Bound","capacity":{"storage":"1Gi"}}}""")!)).Must(200);
        return run;
    }

    /// <summary>Asks the stack for larger volumes; answers the claim's version before that.</summary>
    private static async Task<string> GrowAsync(OperatorRun run)
    {
        var version = (await run.Api.Get(run.Path(KubeTypes.PersistentVolumeClaims.Resource, Claim))).Must(200).Version;
        (await run.Api.Patch(run.Path(StackResource.Type.Resource, "shop"), JsonNode.Parse("""{"spec":{"engines":{"redis":{"storage":{"size":"2Gi"}}}}}""")!)).Must(200);
        return version;
    }

    /// <summary>The rights on what belongs to no namespace, for as long as a test needs them.</summary>
    private sealed class ClusterRights(OperatorRun run) : IAsyncDisposable
    {
        private const string Path = "/apis/rbac.authorization.k8s.io/v1";

        public static async Task<ClusterRights> GrantAsync(OperatorRun run)
        {
            var name = run.Namespace;
            (await run.Api.Post($"{Path}/clusterroles", new JsonObject { ["metadata"] = new JsonObject { ["name"] = name }, ["rules"] = AccessManifests.Rules(OperatorAccess.Cluster) })).Must(201);
            (await run.Api.Post($"{Path}/clusterrolebindings", JsonNode.Parse(
                $$"""{"metadata":{"name":"{{name}}"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"{{name}}"},"subjects":[{{Account}}]}""")!)).Must(201);
            return new(run);
        }

        public async ValueTask DisposeAsync()
        {
            await run.Api.Delete($"{Path}/clusterrolebindings/{run.Namespace}");
            await run.Api.Delete($"{Path}/clusterroles/{run.Namespace}");
        }
    }
}
