using System.Text.Json.Nodes;
using Dora.Kubernetes.Model;
using Dora.Testing.ApiServer;
using Xunit;

namespace Dora.Kubernetes.Tests.ApiServer;

public sealed class WorkloadSimulatorTests : IAsyncLifetime
{
    private static readonly KubeResource StatefulSets = KubeTypes.StatefulSets.Resource;

    private InMemoryApiServer server = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => server = await InMemoryApiServer.StartAsync(cancellationToken: Token);

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task A_StatefulSet_gets_ready_pods_and_bound_claims()
    {
        await using var simulator = new WorkloadSimulator(server);
        server.Create(StatefulSets, "default", Workload("w", 3));

        await ReadyAsync("w", 3);

        Assert.Equal(["w-0", "w-1", "w-2"], server.All(KubeTypes.Pods.Resource).Select(Name));
        Assert.All(server.All(KubeTypes.PersistentVolumeClaims.Resource), claim => Assert.Equal("Bound", (string?)claim["status"]!["phase"]));
        Assert.Equal(["data-w-0", "data-w-1", "data-w-2"], server.All(KubeTypes.PersistentVolumeClaims.Resource).Select(Name));
        Assert.Empty(server.Requests.All);
    }

    [Fact]
    public async Task A_new_template_replaces_the_pods_and_keeps_the_claims()
    {
        await using var simulator = new WorkloadSimulator(server);
        server.Create(StatefulSets, "default", Workload("w", 2));
        await ReadyAsync("w", 2);
        var (pods, claims) = (Uids(KubeTypes.Pods.Resource), Uids(KubeTypes.PersistentVolumeClaims.Resource));

        server.Patch(StatefulSets, "default", "w", JsonNode.Parse("""{"spec":{"template":{"metadata":{"annotations":{"restart":"1"}}}}}""")!.AsObject());
        await ReadyAsync("w", 2, generation: 2);

        Assert.Empty(pods.Intersect(Uids(KubeTypes.Pods.Resource)));
        Assert.Equal(claims, Uids(KubeTypes.PersistentVolumeClaims.Resource));
    }

    [Fact]
    public async Task A_deleted_pod_comes_back()
    {
        await using var simulator = new WorkloadSimulator(server);
        server.Create(StatefulSets, "default", Workload("w", 1));
        await ReadyAsync("w", 1);
        var before = Uids(KubeTypes.Pods.Resource);

        server.Delete(KubeTypes.Pods.Resource, "default", "w-0");

        await UntilAsync(() => server.Find(KubeTypes.Pods.Resource, "default", "w-0") is { } pod && !before.Contains((string)pod["metadata"]!["uid"]!));
    }

    [Fact]
    public async Task Pods_that_are_held_back_do_not_become_ready()
    {
        await using var simulator = new WorkloadSimulator(server, pod => Name(pod) != "w-1");
        server.Create(StatefulSets, "default", Workload("w", 2));

        await ReadyAsync("w", 1);

        Assert.Equal("Pending", (string?)server.Find(KubeTypes.Pods.Resource, "default", "w-1")!["status"]!["phase"]);
    }

    [Fact]
    public async Task Deleting_the_StatefulSet_takes_the_pods_and_leaves_the_claims()
    {
        await using var simulator = new WorkloadSimulator(server);
        server.Create(StatefulSets, "default", Workload("w", 2));
        await ReadyAsync("w", 2);

        server.Delete(StatefulSets, "default", "w");

        await UntilAsync(() => server.All(KubeTypes.Pods.Resource).Count == 0);
        Assert.Equal(2, server.All(KubeTypes.PersistentVolumeClaims.Resource).Count);
    }

    private static string Name(JsonObject body) => (string)body["metadata"]!["name"]!;

    private static JsonObject Workload(string name, int replicas) => JsonNode.Parse(
        $$"""
        {"metadata":{"name":"{{name}}"},"spec":{"replicas":{{replicas}},"serviceName":"{{name}}","selector":{"matchLabels":{"app":"{{name}}"} },
         "template":{"metadata":{"labels":{"app":"{{name}}"} },"spec":{"containers":[{"name":"main","image":"i:1"}]} },
         "volumeClaimTemplates":[{"metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"} } } }]} }
        """)!.AsObject();

    private IReadOnlyList<string> Uids(KubeResource resource) => [.. server.All(resource).Select(one => (string)one["metadata"]!["uid"]!)];

    private Task ReadyAsync(string name, int ready, long generation = 1) => UntilAsync(() =>
        server.Find(StatefulSets, "default", name)!["status"] is { } status
        && (int?)status["readyReplicas"] == ready && (long?)status["observedGeneration"] == generation);

    private async Task UntilAsync(Func<bool> holds)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(TimeSpan.FromSeconds(20));
        while (true)
        {
            var change = server.NextChangeAsync(patience.Token);
            if (holds())
                return;
            await change;
        }
    }
}
