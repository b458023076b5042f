using System.Net;
using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.EndToEnd.Tests;

public sealed class LifecycleTests(Cluster cluster)
{
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task A_deleted_stack_of_three_engines_leaves_its_volumes_and_a_new_one_finds_the_data()
    {
        const string spec = "{tier: Development, engines: {postgres: {}, redis: {}, influxdb: {version: '1.6', databases: [{name: metrics}], users: [{name: telegraf, grants: [{database: metrics, access: ReadWrite}]}]}}}";
        await cluster.ApplyAsync("again", spec);
        await cluster.ReadyAsync("again");
        var postgres = await PostgresApplication.ConnectAsync(cluster, "again");
        var redis = await RedisApplication.ConnectAsync(cluster, "again", replicas: 0);
        var influx = await InfluxUser.OfAsync(cluster, "again", "telegraf");
        await using var rows = postgres.Write("again");
        await using var keys = redis.Write("again");
        await rows.MoreAsync(20, _patience);
        await keys.MoreAsync(20, _patience);
        await rows.StopAsync();
        await keys.StopAsync();
        await Writer.UntilDoneAsync(async _ => Assert.Equal(HttpStatusCode.NoContent, await influx.WriteAsync("cpu value=42 2000")));

        await cluster.DeleteStackAsync("again");
        Assert.Equal(3, (await cluster.ListAsync(KubeTypes.PersistentVolumeClaims, $"{Labels.Stack}=again")).Count);

        await cluster.ApplyAsync("again", spec);
        await cluster.ReadyAsync("again");
        Assert.Empty(rows.Acknowledged.Except(await (await PostgresApplication.ConnectAsync(cluster, "again")).ReadAsync("again")));
        Assert.Empty(keys.Acknowledged.Except(await (await RedisApplication.ConnectAsync(cluster, "again", replicas: 0)).ReadAsync("again")));
        influx = await InfluxUser.OfAsync(cluster, "again", "telegraf");
        await Writer.UntilDoneAsync(async _ => Assert.Contains(",42]", await influx.ReadAsync(), StringComparison.Ordinal));
        await cluster.DeleteStackAsync("again");
    }

    [Fact]
    public async Task A_volume_that_fills_is_said_before_it_is_full()
    {
        await cluster.ApplyAsync("narrow", "{tier: Development, deletionPolicy: Delete, engines: {redis: {storage: {size: 32Mi}}}}");
        var ready = await cluster.ReadyAsync("narrow");
        Assert.Equal(Conditions.True, ready.Status!.Conditions.Find(ConditionTypes.VolumesSufficient)!.Status);
        var redis = await RedisApplication.ConnectAsync(cluster, "narrow", replicas: 0);
        // One key over and over: its memory stays small, its log grows.
        for (var mebibytes = 0; mebibytes < 27; mebibytes++)
            await redis.SetAsync("ballast", new string('x', 1 << 20));
        var pressed = await cluster.UntilAsync(
            StackResource.Type, "narrow", stack => stack.Status?.Conditions.Find(ConditionTypes.VolumesSufficient)?.Status == Conditions.False, _patience, "said to fill");
        Assert.Equal("redis: narrow-redis-0 (32Mi): data takes over 75 % of the volume; raise spec.engines.redis.storage.size, or remove data", pressed.Status!.Conditions.Find(ConditionTypes.VolumesSufficient)!.Message);
        Assert.Equal(Conditions.True, pressed.Status.Conditions.Find(ConditionTypes.Ready)!.Status);
        await cluster.DeleteStackAsync("narrow");
    }

    [Fact]
    public async Task With_deletionPolicy_Delete_nothing_stays()
    {
        await cluster.ApplyAsync("wipe", "{tier: Development, deletionPolicy: Delete, engines: {postgres: {}, redis: {}}}");
        await cluster.ReadyAsync("wipe");
        await cluster.DeleteStackAsync("wipe");
        await cluster.GoneAsync(KubeTypes.PersistentVolumeClaims, $"{Labels.Stack}=wipe", _patience);
        await cluster.GoneAsync(KubeTypes.Secrets, $"{Labels.Stack}=wipe", _patience);
        await cluster.GoneAsync(KubeTypes.ConfigMaps, $"{Labels.Stack}=wipe", _patience);
    }

    [Fact]
    public async Task An_unchangeable_field_stalls_the_stack_and_what_runs_keeps_running()
    {
        await cluster.ApplyAsync("fixed", "{tier: Development, engines: {redis: {storage: {size: 2Gi}}}}");
        await cluster.ReadyAsync("fixed");
        var pods = await PodUidsAsync("fixed", "redis");
        await cluster.PatchSpecAsync("fixed", "{engines: {redis: {storage: {size: 1Gi}}}}");
        var stalled = await cluster.UntilAsync(StackResource.Type, "fixed", stack => stack.Status?.Conditions.Find(ConditionTypes.Stalled)?.Status == "True", _patience, "Stalled");
        Assert.Equal("StorageShrink", stalled.Status!.Conditions.Find(ConditionTypes.Stalled)!.Reason);
        Assert.Contains("spec.engines.redis.storage.size", stalled.Status.Conditions.Find(ConditionTypes.Stalled)!.Message, StringComparison.Ordinal);
        Assert.Equal(pods, await PodUidsAsync("fixed", "redis"));
        await cluster.PatchSpecAsync("fixed", "{engines: {redis: {storage: {size: 2Gi}}}}");
        await cluster.ReadyAsync("fixed");
        await cluster.DeleteStackAsync("fixed");
    }

    [Fact]
    public async Task An_image_that_cannot_be_pulled_is_told_within_a_minute()
    {
        // A supported version of which no image is loaded and none is published.
        await cluster.ApplyAsync("pull", "{tier: Development, engines: {postgres: {version: '18'}, redis: {}}}");
        var told = await cluster.UntilAsync(
            StackResource.Type, "pull", stack => stack.Status?.Conditions.Find("PostgresReady")?.Reason == "ImagePullFailed", TimeSpan.FromMinutes(1), "told that the image cannot be pulled");
        Assert.Contains("postgres:18", told.Status!.Conditions.Find("PostgresReady")!.Message, StringComparison.Ordinal);
        Assert.Equal("False", told.Status.Conditions.Find(ConditionTypes.Ready)!.Status);
        await cluster.UntilAsync(StackResource.Type, "pull", stack => stack.Status?.Conditions.Find("RedisReady")?.Status == "True", _patience, "serving with the other engine");
        await cluster.DeleteStackAsync("pull");
    }

    private async Task<SortedSet<string>> PodUidsAsync(string stack, string engine) =>
        [.. (await cluster.ListAsync(KubeTypes.Pods, $"{Labels.Stack}={stack},{Labels.Engine}={engine}")).Select(pod => pod.Metadata.Uid!)];
}
