using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.EndToEnd.Tests;

public sealed class ScaleTests(Cluster cluster)
{
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task PostgreSQL_scales_from_1_to_3_and_back_and_keeps_its_rows()
    {
        await cluster.ApplyAsync("scale", "{tier: Development, engines: {postgres: {instances: 1}}}");
        await cluster.ReadyAsync("scale");
        var application = await PostgresApplication.ConnectAsync(cluster, "scale");
        await using var writer = application.Write("scale");
        await writer.MoreAsync(20, _patience);

        await cluster.PatchSpecAsync("scale", "{engines: {postgres: {instances: 3, synchronous: Enabled}}}");
        Assert.Equal("3/3", Engine(await cluster.ReadyAsync("scale")).Ready);
        // The primary shall sit on the member that goes first, so that the scale-in has to move it.
        await cluster.KillAsync(Engine(await cluster.ReadyAsync("scale")).Primary!);
        await cluster.ReadyAsync("scale");

        await cluster.PatchSpecAsync("scale", "{engines: {postgres: {instances: 1}}}");
        var alone = await cluster.ReadyAsync("scale");
        Assert.Equal("1/1", Engine(alone).Ready);
        Assert.Equal("scale-postgres-0", Engine(alone).Primary);
        await writer.MoreAsync(20, _patience);
        await writer.StopAsync();
        Assert.Empty(writer.Acknowledged.Except(await application.ReadAsync("scale")));
        await cluster.DeleteStackAsync("scale");
    }

    [Fact]
    public async Task PostgreSQL_scales_from_3_to_5_and_back_under_a_writing_client()
    {
        await cluster.ApplyAsync("wide", "{tier: Development, engines: {postgres: {instances: 3, synchronous: Enabled}}}");
        await cluster.ReadyAsync("wide");
        var application = await PostgresApplication.ConnectAsync(cluster, "wide");
        await ScalesAsync("wide", "postgres", application.Write, application.ReadAsync);
    }

    [Fact]
    public async Task Redis_scales_from_3_to_5_and_back_under_a_writing_client()
    {
        await cluster.ApplyAsync("broad", "{tier: Development, engines: {redis: {mode: Sentinel, instances: 3}}}");
        await cluster.ReadyAsync("broad");
        var application = await RedisApplication.ConnectAsync(cluster, "broad");
        await ScalesAsync("broad", "redis", application.Write, application.ReadAsync);
    }

    private async Task ScalesAsync(string stack, string engine, Func<string, Writer> write, Func<string, Task<HashSet<int>>> read)
    {
        var run = Guid.NewGuid().ToString("N");
        await using var writer = write(run);
        await writer.MoreAsync(20, _patience);
        await cluster.PatchSpecAsync(stack, $"{{engines: {{{engine}: {{instances: 5}}}}}}");
        Assert.Equal("5/5", Engine(await cluster.ReadyAsync(stack)).Ready);
        await writer.MoreAsync(20, _patience);

        await cluster.PatchSpecAsync(stack, $"{{engines: {{{engine}: {{instances: 3}}}}}}");
        Assert.Equal("3/3", Engine(await cluster.ReadyAsync(stack)).Ready);
        await writer.MoreAsync(20, _patience);
        await writer.StopAsync();
        Assert.Empty(writer.Acknowledged.Except(await read(run)));
        // They have left the engine before the stack is ready, and stop at their own pace.
        foreach (var left in (int[])[3, 4])
            await cluster.GoneAsync(KubeTypes.Pods, $"statefulset.kubernetes.io/pod-name={stack}-{engine}-{left}", _patience);
        Assert.Equal(
            [$"{stack}-{engine}-0", $"{stack}-{engine}-1", $"{stack}-{engine}-2"],
            (await cluster.ListAsync(KubeTypes.Pods, $"{Labels.Stack}={stack}")).Select(pod => pod.Metadata.Name!).Order());
        // The volumes of those that left stay, as the stack's deletion policy says.
        Assert.Equal(5, (await cluster.ListAsync(KubeTypes.PersistentVolumeClaims, $"{Labels.Stack}={stack}")).Count);
        await cluster.DeleteStackAsync(stack);
    }

    private static EngineStatus Engine(ComplianceStack stack) => stack.Status!.Engines!.Single();
}
