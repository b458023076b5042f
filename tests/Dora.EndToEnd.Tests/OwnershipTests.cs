using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;

namespace Dora.EndToEnd.Tests;

[Collection(SharedStackTests.Name)]
public sealed class OwnershipTests(Cluster cluster)
{
    private readonly SharedStack _shared = cluster.Shared;
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task A_foreign_edit_of_an_owned_object_is_undone()
    {
        await _shared.ReadyAsync();
        var name = $"{SharedStack.Name}-postgres-replicas";
        var wanted = (await cluster.GetAsync(KubeTypes.Services, name)).Spec!.Ports![0].Port;
        await cluster.Client.PatchAsync(
            KubeTypes.Services, cluster.Namespace, name, KubePatch.Json([new JsonObject { ["op"] = "replace", ["path"] = "/spec/ports/0/port", ["value"] = 9999 }]), TestContext.Current.CancellationToken);
        await cluster.UntilAsync(KubeTypes.Services, name, service => service.Spec!.Ports!.Count == 1 && service.Spec.Ports[0].Port == wanted, _patience, "put back");
    }

    [Fact]
    public async Task A_deleted_object_comes_back()
    {
        await _shared.ReadyAsync();
        var old = await cluster.GetAsync(KubeTypes.Services, $"{SharedStack.Name}-redis-replicas");
        await cluster.Client.DeleteAsync(KubeTypes.Services.Resource, cluster.Namespace, old.Metadata.Name!, new(), TestContext.Current.CancellationToken);
        await cluster.ReplacedAsync(KubeTypes.Services, old, _patience);
    }

    [Fact]
    public async Task A_paused_stack_is_not_touched_until_it_goes_on()
    {
        await _shared.ReadyAsync();
        await cluster.PatchSpecAsync(SharedStack.Name, "{paused: true}");
        await cluster.UntilAsync(StackResource.Type, SharedStack.Name, stack => stack.Status?.Conditions.Find(ConditionTypes.Reconciling)?.Reason == "Paused", _patience, "paused");
        var service = await cluster.GetAsync(KubeTypes.Services, $"{SharedStack.Name}-redis-sentinel");
        await cluster.Client.DeleteAsync(KubeTypes.Services.Resource, cluster.Namespace, service.Metadata.Name!, new(), TestContext.Current.CancellationToken);

        // A change that a running operator would answer within a second, seen by it: the status follows the new generation.
        await cluster.PatchSpecAsync(SharedStack.Name, "{engines: {redis: {resources: {cpu: 60m}}}}");
        await cluster.UntilAsync(StackResource.Type, SharedStack.Name, stack => stack.Status?.ObservedGeneration == stack.Metadata.Generation, _patience, "observed");
        Assert.Null(await cluster.Client.FindAsync(KubeTypes.Services, cluster.Namespace, service.Metadata.Name!, TestContext.Current.CancellationToken));

        await cluster.PatchSpecAsync(SharedStack.Name, "{paused: false, engines: {redis: {resources: null}}}");
        await cluster.ReplacedAsync(KubeTypes.Services, service, _patience);
        await _shared.ReadyAsync();
    }

    [Fact]
    public async Task A_restarted_operator_writes_nothing()
    {
        await _shared.ReadyAsync();
        // What an earlier test did may still be answered: Ready does not mean that nothing is left to write.
        var old = await OperatorMetrics.QuietAsync(cluster);
        var before = await cluster.VersionsAsync(SharedStack.Name);
        foreach (var pod in old)
            await cluster.Client.DeleteAsync(KubeTypes.Pods.Resource, Cluster.OperatorNamespace, pod.Metadata.Name!, new(GracePeriodSeconds: 0), TestContext.Current.CancellationToken);

        var requests = await OperatorMetrics.AfterFullPassAsync(cluster, old);
        Assert.Equal([], requests.Writes);
        Assert.Equal(before, await cluster.VersionsAsync(SharedStack.Name));
    }
}
