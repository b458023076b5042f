using Dora.Api;
using Dora.Engines.Redis;
using Dora.Kubernetes.Model;

namespace Dora.EndToEnd.Tests;

public sealed class RedisClusterTests(Cluster cluster)
{
    private const int Keys = 100;

    [Fact]
    public async Task A_cluster_serves_all_slots_and_keeps_its_keys_through_a_killed_master_and_a_full_restart_at_new_addresses()
    {
        await cluster.ApplyAsync("slots", "{tier: Development, engines: {redis: {mode: Cluster, masters: 3, replicasPerMaster: 1}}}");
        Assert.Equal("6/6", Assert.Single((await cluster.ReadyAsync("slots")).Status!.Engines!).Ready);
        for (var key = 0; key < Keys; key++)
            await SaysAsync("slots", "OK", "SET", $"key:{key}", $"value:{key}");

        await cluster.SignalAsync("slots-redis-0", "KILL");
        await FindsAllAsync("slots");
        await cluster.ReadyAsync("slots");

        var pods = await cluster.ListAsync(KubeTypes.Pods, $"{Labels.Stack}=slots");
        await Task.WhenAll(pods.Select(pod => cluster.KillAsync(pod.Metadata.Name!)));
        foreach (var pod in pods)
            await cluster.ReplacedAsync(KubeTypes.Pods, pod, TimeSpan.FromMinutes(2));
        await FindsAllAsync("slots");
        await cluster.ReadyAsync("slots");
        await cluster.DeleteStackAsync("slots");
    }

    [Fact]
    public async Task A_cluster_moves_its_slots_when_it_grows_and_shrinks_and_keeps_its_keys_through_a_roll()
    {
        await cluster.ApplyAsync("shards", "{tier: Development, engines: {redis: {mode: Cluster, masters: 3, replicasPerMaster: 1}}}");
        await cluster.ReadyAsync("shards");
        for (var key = 0; key < Keys; key++)
            await SaysAsync("shards", "OK", "SET", $"key:{key}", $"value:{key}");

        await cluster.PatchSpecAsync("shards", "{engines: {redis: {masters: 4}}}");
        Assert.Equal("8/8", Assert.Single((await cluster.ReadyAsync("shards")).Status!.Engines!).Ready);
        await FindsAllAsync("shards");

        var before = await UidsAsync();
        await cluster.PatchSpecAsync("shards", "{engines: {redis: {resources: {cpu: 60m}}}}");
        await cluster.ReadyAsync("shards");
        Assert.Empty(before.Intersect(await UidsAsync()));
        await FindsAllAsync("shards");

        await cluster.PatchSpecAsync("shards", "{engines: {redis: {masters: 3}}}");
        Assert.Equal("6/6", Assert.Single((await cluster.ReadyAsync("shards")).Status!.Engines!).Ready);
        await FindsAllAsync("shards");
        await cluster.DeleteStackAsync("shards");
    }

    private async Task<List<string>> UidsAsync() =>
        [.. (await cluster.ListAsync(KubeTypes.Pods, $"{Labels.Stack}=shards")).Select(pod => pod.Metadata.Uid!)];

    private async Task FindsAllAsync(string stack)
    {
        for (var key = 0; key < Keys; key++)
            await SaysAsync(stack, $"value:{key}", "GET", $"key:{key}");
    }

    private Task SaysAsync(string stack, string answer, params string[] words) =>
        Writer.UntilDoneAsync(async _ => Assert.Equal(answer, await SayAsync(stack, words)));

    // Goes where MOVED sends it; members announce names, which only pods can resolve.
    private async Task<string?> SayAsync(string stack, params string[] words)
    {
        var password = await cluster.SecretAsync($"{stack}-redis-app", "password");
        var trust = await cluster.TrustAsync(stack);
        var pod = $"{stack}-redis-0";
        for (var hops = 0; hops < 5; hops++)
        {
            var address = (await cluster.GetAsync(KubeTypes.Pods, pod)).Status?.PodIP ?? throw new IOException($"{pod} has no address");
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
            patience.CancelAfter(TimeSpan.FromSeconds(2));
            try
            {
                await using var client = await RespClient.ConnectAsync(address, RedisPlan.Port, RedisPlan.AppUser, password, patience.Token, tls: trust($"{pod}.{stack}-redis-members"));
                return (await client.SendAsync(patience.Token, words)).Text;
            }
            catch (RespException moved) when (moved.Code == "MOVED")
            {
                pod = RedisProbe.Pod(moved.Message.Split(' ')[2])!;
            }
        }

        throw new IOException("sent from member to member");
    }
}
