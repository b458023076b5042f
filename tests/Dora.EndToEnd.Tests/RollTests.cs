using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.EndToEnd.Tests;

[Collection(SharedStackTests.Name)]
public sealed class RollTests(Cluster cluster)
{
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(4);
    private readonly SharedStack _shared = cluster.Shared;

    [Fact]
    public async Task A_change_of_PostgreSQL_restarts_the_old_primary_last_and_loses_no_committed_row()
    {
        await _shared.ReadyAsync();
        var application = await PostgresApplication.ConnectAsync(cluster, SharedStack.Name);
        await RollsAsync("postgres", "PostgreSQL", application.Write, application.ReadAsync, OutageLimit.Postgres);
    }

    [Fact]
    public async Task A_change_of_Redis_restarts_the_old_master_last_and_loses_no_acknowledged_write()
    {
        await _shared.ReadyAsync();
        var application = await RedisApplication.ConnectAsync(cluster, SharedStack.Name);
        await RollsAsync("redis", "Redis", application.Write, application.ReadAsync, OutageLimit.Redis);
    }

    [Fact]
    public async Task A_spec_change_rolls_only_its_engine()
    {
        await _shared.ReadyAsync();
        var postgres = await PodsAsync("postgres");
        var redis = await PodsAsync("redis");
        await cluster.PatchSpecAsync(SharedStack.Name, "{engines: {redis: {resources: {cpu: 70m}}}}");
        await _shared.ReadyAsync();
        Assert.Equal(postgres.Keys.Order(), (await PodsAsync("postgres")).Keys.Order());
        Assert.Empty(redis.Keys.Intersect((await PodsAsync("redis")).Keys));
        await cluster.PatchSpecAsync(SharedStack.Name, "{engines: {redis: {resources: null}}}");
        await _shared.ReadyAsync();
    }

    [Fact]
    public async Task A_roll_stops_at_the_member_that_does_not_come_back_and_goes_on_when_the_change_is_taken_back()
    {
        var primary = Primary(await _shared.ReadyAsync(), "redis");
        var before = await PodsAsync("redis");
        await cluster.PatchSpecAsync(SharedStack.Name, "{engines: {redis: {resources: {memory: 900Gi}}}}");
        var stopped = await cluster.UntilAsync(
            StackResource.Type, SharedStack.Name, stack => stack.Status?.Conditions.Find(ConditionTypes.Stalled)?.Reason == "RollStopped", _patience, "stopped in the middle of the roll");
        Assert.Contains("no node fits", stopped.Status!.Conditions.Find(ConditionTypes.Stalled)!.Message, StringComparison.Ordinal);
        Assert.Equal(primary, Primary(stopped, "redis"));
        Assert.Single(before.Keys.Except((await PodsAsync("redis")).Keys));

        await cluster.PatchSpecAsync(SharedStack.Name, "{engines: {redis: {resources: null}}}");
        await _shared.ReadyAsync();
        // Only the one that had stopped was touched.
        Assert.Single(before.Keys.Except((await PodsAsync("redis")).Keys));
    }

    [Fact]
    public async Task A_killed_operator_resumes_the_roll_that_it_was_in_the_middle_of()
    {
        var primary = Primary(await _shared.ReadyAsync(), "redis");
        var before = await PodsAsync("redis");
        var firstReplica = before.Values.Select(pod => pod.Metadata.Name!).Where(name => name != primary).Max()!;
        await cluster.PatchSpecAsync(SharedStack.Name, "{engines: {redis: {resources: {cpu: 80m}}}}");
        var first = await cluster.UntilAsync(KubeTypes.Pods, firstReplica, pod => !before.ContainsKey(pod.Metadata.Uid!), _patience, "restarted by the roll");
        await cluster.KillOperatorAsync();

        await _shared.ReadyAsync();
        var after = await PodsAsync("redis");
        Assert.Empty(before.Keys.Intersect(after.Keys));
        // What the first operator had restarted is not restarted by the second.
        Assert.Contains(first.Metadata.Uid!, after.Keys);
        await cluster.PatchSpecAsync(SharedStack.Name, "{engines: {redis: {resources: null}}}");
        await _shared.ReadyAsync();
    }

    // A client writes all the while.
    private async Task RollsAsync(string engine, string title, Func<string, Writer> write, Func<string, Task<HashSet<int>>> read, TimeSpan limit)
    {
        var primary = Primary(await _shared.ReadyAsync(), engine);
        var before = await PodsAsync(engine);
        var run = Guid.NewGuid().ToString("N");
        await using var writer = write(run);
        await writer.MoreAsync(20, _patience);
        await cluster.PatchSpecAsync(SharedStack.Name, $"{{engines: {{{engine}: {{resources: {{cpu: 90m}}}}}}}}");
        await cluster.ReadyAsync(SharedStack.Name, _patience);
        await writer.MoreAsync(20, _patience);
        await writer.StopAsync();

        var after = await PodsAsync(engine);
        Assert.Empty(before.Keys.Intersect(after.Keys));
        Assert.Equal(primary, after.Values.MaxBy(pod => pod.Metadata.CreationTimestamp)!.Metadata.Name);
        TestContext.Current.TestOutputHelper?.WriteLine($"{title}, roll of {before.Count} members: outage seen by the client {writer.Outage.TotalSeconds:F1} s, {writer.Acknowledged.Count} writes acknowledged");
        Assert.Empty(writer.Acknowledged.Except(await read(run)));
        Assert.InRange(writer.Outage, TimeSpan.Zero, limit);
        await cluster.PatchSpecAsync(SharedStack.Name, $"{{engines: {{{engine}: {{resources: null}}}}}}");
        await cluster.ReadyAsync(SharedStack.Name, _patience);
    }

    private async Task<Dictionary<string, Pod>> PodsAsync(string engine) =>
        (await cluster.ListAsync(KubeTypes.Pods, $"{Labels.Stack}={SharedStack.Name},{Labels.Engine}={engine}")).ToDictionary(pod => pod.Metadata.Uid!);

    private static string Primary(ComplianceStack stack, string engine) => stack.Status!.Engines!.First(status => status.Name == engine).Primary!;
}
