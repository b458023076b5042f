using Dora.Kubernetes.Model;

namespace Dora.EndToEnd.Tests;

[Collection(SharedStackTests.Name)]
public sealed class FailoverTests(Cluster cluster)
{
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(2);
    private readonly SharedStack _shared = cluster.Shared;

    // Patroni promotes another, or finds the old one back with all its data before the lock has run out.
    [Fact]
    public async Task A_deleted_PostgreSQL_primary_costs_no_committed_row()
    {
        var primary = await _shared.PrimaryAsync("postgres");
        var application = await PostgresApplication.ConnectAsync(cluster, SharedStack.Name);
        await LosesNothingAsync("PostgreSQL, primary's pod deleted", application.Write, application.ReadAsync, OutageLimit.Postgres, () => DeletedAsync(primary));
    }

    [Fact]
    public async Task PostgreSQL_primary_processes_killed_with_9_cost_no_committed_row()
    {
        var primary = await _shared.PrimaryAsync("postgres");
        var application = await PostgresApplication.ConnectAsync(cluster, SharedStack.Name);
        await LosesNothingAsync("PostgreSQL, kill -9 on the primary", application.Write, application.ReadAsync, OutageLimit.Postgres, () => cluster.SignalAsync(primary, "KILL"));
    }

    [Fact]
    public async Task A_frozen_PostgreSQL_primary_is_replaced_by_another_and_costs_no_committed_row()
    {
        var primary = await _shared.PrimaryAsync("postgres");
        var application = await PostgresApplication.ConnectAsync(cluster, SharedStack.Name);
        await LosesNothingAsync("PostgreSQL, primary frozen", application.Write, application.ReadAsync, OutageLimit.Postgres, () => _shared.FrozenAsync("postgres", primary));
    }

    // The Sentinels elect another, or find the old one back with all its data before they must.
    [Fact]
    public async Task A_deleted_Redis_master_costs_no_acknowledged_write()
    {
        var master = await _shared.PrimaryAsync("redis");
        var application = await RedisApplication.ConnectAsync(cluster, SharedStack.Name);
        await LosesNothingAsync("Redis, master's pod deleted", application.Write, application.ReadAsync, OutageLimit.Redis, () => DeletedAsync(master));
    }

    [Fact]
    public async Task Redis_master_processes_killed_with_9_cost_no_acknowledged_write()
    {
        var master = await _shared.PrimaryAsync("redis");
        var application = await RedisApplication.ConnectAsync(cluster, SharedStack.Name);
        await LosesNothingAsync("Redis, kill -9 on the master", application.Write, application.ReadAsync, OutageLimit.Redis, () => cluster.SignalAsync(master, "KILL"));
    }

    [Fact]
    public async Task A_frozen_Redis_master_is_replaced_by_another_and_costs_no_acknowledged_write()
    {
        var master = await _shared.PrimaryAsync("redis");
        var application = await RedisApplication.ConnectAsync(cluster, SharedStack.Name);
        await LosesNothingAsync("Redis, master frozen", application.Write, application.ReadAsync, OutageLimit.Redis, () => _shared.FrozenAsync("redis", master));
    }

    // Writes before, during and after a fault; measures what the client saw, and finds everything again that was acknowledged.
    private async Task LosesNothingAsync(string what, Func<string, Writer> write, Func<string, Task<HashSet<int>>> read, TimeSpan limit, Func<Task> fault)
    {
        var run = Guid.NewGuid().ToString("N");
        await using var writer = write(run);
        await writer.MoreAsync(50, _patience);
        await fault();
        await writer.MoreAsync(50, _patience);
        await writer.StopAsync();
        await _shared.ReadyAsync();
        TestContext.Current.TestOutputHelper?.WriteLine($"{what}: outage seen by the client {writer.Outage.TotalSeconds:F1} s, {writer.Acknowledged.Count} writes acknowledged");
        Assert.Empty(writer.Acknowledged.Except(await read(run)));
        Assert.InRange(writer.Outage, TimeSpan.Zero, limit);
    }

    private async Task DeletedAsync(string primary)
    {
        var pod = await cluster.GetAsync(KubeTypes.Pods, primary);
        await cluster.KillAsync(primary);
        await cluster.ReplacedAsync(KubeTypes.Pods, pod, _patience);
    }
}
