using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.EndToEnd.Tests;

/// <summary>More than one member is hit: one after the other, or all at once as when their node goes.</summary>
[Collection(SharedStackTests.Name)]
public sealed class OutageTests(Cluster cluster)
{
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(2);
    private readonly SharedStack _shared = cluster.Shared;

    [Fact]
    public async Task Every_PostgreSQL_member_killed_with_9_in_turn_costs_no_committed_row()
    {
        await _shared.ReadyAsync();
        var application = await PostgresApplication.ConnectAsync(cluster, SharedStack.Name);
        await EachInTurnAsync("postgres", application.Write, application.ReadAsync);
    }

    [Fact]
    public async Task Every_Redis_member_killed_with_9_in_turn_costs_no_acknowledged_write()
    {
        await _shared.ReadyAsync();
        var application = await RedisApplication.ConnectAsync(cluster, SharedStack.Name);
        await EachInTurnAsync("redis", application.Write, application.ReadAsync);
    }

    [Fact]
    public async Task All_PostgreSQL_members_killed_at_once_come_back_with_every_committed_row()
    {
        await _shared.ReadyAsync();
        var application = await PostgresApplication.ConnectAsync(cluster, SharedStack.Name);
        var run = Guid.NewGuid().ToString("N");
        await using var writer = application.Write(run);
        await writer.MoreAsync(50, _patience);
        await KillAllAsync("postgres");
        await writer.MoreAsync(50, _patience);
        await writer.StopAsync();
        await _shared.ReadyAsync();
        Assert.Empty(writer.Acknowledged.Except(await application.ReadAsync(run)));
    }

    [Fact]
    public async Task After_a_failover_and_a_full_outage_Redis_has_every_acknowledged_write()
    {
        var primary = (await _shared.ReadyAsync()).Status!.Engines!.First(engine => engine.Name == "redis").Primary!;
        var application = await RedisApplication.ConnectAsync(cluster, SharedStack.Name);
        var run = Guid.NewGuid().ToString("N");
        await using var writer = application.Write(run);
        await writer.MoreAsync(50, _patience);
        await cluster.StopAsync(primary);
        await cluster.UntilAsync(
            StackResource.Type,
            SharedStack.Name,
            now => now.Status?.Engines?.FirstOrDefault(engine => engine.Name == "redis")?.Primary is { Length: > 0 } other && other != primary,
            _patience,
            $"served by another than {primary}");
        await writer.MoreAsync(50, _patience);
        await writer.StopAsync();
        await KillAllAsync("redis");
        await _shared.ReadyAsync();
        Assert.Empty(writer.Acknowledged.Except(await application.ReadAsync(run)));
    }

    // Each is back and serves before the next is hit.
    private async Task EachInTurnAsync(string engine, Func<string, Writer> write, Func<string, Task<HashSet<int>>> read)
    {
        var run = Guid.NewGuid().ToString("N");
        await using var writer = write(run);
        foreach (var pod in await PodsAsync(engine))
        {
            await writer.MoreAsync(20, _patience);
            var restarts = Restarts(pod);
            await cluster.SignalAsync(pod.Metadata.Name!, "KILL");
            await cluster.UntilAsync(KubeTypes.Pods, pod.Metadata.Name!, now => Restarts(now) > restarts && IsReady(now), _patience, "ready again");
            await _shared.ReadyAsync();
        }

        await writer.MoreAsync(20, _patience);
        await writer.StopAsync();
        Assert.Empty(writer.Acknowledged.Except(await read(run)));
    }

    private async Task KillAllAsync(string engine)
    {
        var pods = await PodsAsync(engine);
        await Task.WhenAll(pods.Select(pod => cluster.KillAsync(pod.Metadata.Name!)));
        foreach (var pod in pods)
            await cluster.ReplacedAsync(KubeTypes.Pods, pod, _patience);
    }

    private Task<List<Pod>> PodsAsync(string engine) => cluster.ListAsync(KubeTypes.Pods, $"{Labels.Stack}={SharedStack.Name},{Labels.Engine}={engine}");

    private static bool IsReady(Pod pod) => pod.Status?.Conditions?.Any(condition => condition is { Type: "Ready", Status: "True" }) == true;

    private static int Restarts(Pod pod) => (pod.Status?.ContainerStatuses ?? []).Sum(container => container.RestartCount);
}
