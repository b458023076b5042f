using Dora.Api;

namespace Dora.EndToEnd.Tests;

/// <summary>What nobody asks for by hand.</summary>
public sealed class BackupScheduleTests(Cluster cluster) : IAsyncLifetime
{
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(4);
    private BackupWorld _world = null!;

    public async ValueTask InitializeAsync() => _world = await BackupWorld.BesideAsync(cluster);

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Backups_drills_and_the_removal_of_old_backups_begin_by_themselves()
    {
        await _world.PrepareAsync("nightly", "{redis: {}}", "schedules: [{name: often, cron: '* * * * *', engines: [redis], type: Full, jitter: 1s}]\n  keep: {last: 1}\n  drills: {cron: '* * * * *', jitter: 1s}");
        await cluster.ReadyAsync("nightly");
        var stack = await cluster.UntilAsync(StackResource.Type, "nightly", now => now.Status?.Backups?.Engines is [{ DrillPassed: true }], _patience, "drilled by itself");
        Assert.Equal(Conditions.True, stack.Status!.Conditions.Find(ConditionTypes.RestoreVerified)!.Status);
        Assert.All(stack.Status.Backups!.Schedules!, schedule => Assert.NotNull(schedule.NextRunTime));
        var first = (await cluster.ListAsync(BackupResource.Type, "")).Where(backup => backup.Spec.Stack == "nightly").MinBy(backup => backup.Status!.StartedAt)!;
        var folder = $"eu/{cluster.Namespace}/nightly/redis/{first.Status!.Id}/";
        Assert.NotEmpty(await _world.NamesAsync(folder));
        using var again = new PeriodicTimer(TimeSpan.FromSeconds(1));
        while ((await _world.NamesAsync(folder)).Count > 0)
            await again.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        await _world.DeleteAsync("nightly");
    }
}
