using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.EndToEnd.Tests;

/// <summary>What a pod that nothing lets in finds on a real network. This cluster's enforces no NetworkPolicy, and must be said to.</summary>
public sealed class NetworkProbeTests(Cluster cluster)
{
    private const string Stack = "fenced";

    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(4);

    [Fact]
    public async Task A_network_that_enforces_nothing_is_found_out_and_asked_again_it_is_tried_again()
    {
        await cluster.ApplyAsync(Stack, "{tier: Development, network: {clients: [], probe: {}}, engines: {redis: {}}}");
        var first = await TriedAsync(_ => true);
        Assert.Equal(NetworkProbeResult.PolicyIgnored, first.Status!.Network!.Probe!.Result);
        Assert.Contains("fenced-redis-0:6379", first.Status.Network.Probe.Reached!);
        var condition = first.Status.Conditions.Find(ConditionTypes.NetworkSegmented)!;
        Assert.Equal(("False", "PolicyIgnored"), (condition.Status, condition.Reason));
        Assert.Contains("fenced-redis-0:6379", condition.Message, StringComparison.Ordinal);
        Assert.Equal("True", (await cluster.ReadyAsync(Stack)).Status!.Conditions.Find(ConditionTypes.Ready)!.Status);

        await cluster.AnnotateAsync(Stack, Labels.ProbeNetwork, "again");
        var second = await TriedAsync(probe => probe.Asked == "again");
        Assert.NotEqual(first.Status.Network.Probe.Job, second.Status!.Network!.Probe!.Job);
        await cluster.GoneAsync(KubeTypes.Jobs, $"{Labels.Stack}={Stack}", _patience);
        await cluster.DeleteStackAsync(Stack);
    }

    private Task<ComplianceStack> TriedAsync(Func<NetworkProbeStatus, bool> wanted) => cluster.UntilAsync(
        StackResource.Type, Stack, stack => stack.Status?.Network?.Probe is { } probe && wanted(probe), _patience, "tried");
}
