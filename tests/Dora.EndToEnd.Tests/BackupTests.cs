using System.Net;
using Dora.Api;

namespace Dora.EndToEnd.Tests;

/// <summary>Real pods back up into a real object store beside the cluster, and restore from it.</summary>
[Collection(SharedStackTests.Name)]
public sealed class BackupTests(Cluster cluster) : IAsyncLifetime
{
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(4);
    private BackupWorld _world = null!;

    public async ValueTask InitializeAsync() => _world = await BackupWorld.BesideAsync(cluster);

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Redis_is_backed_up_under_load_drilled_and_restored_over_lost_data_and_into_a_new_stack()
    {
        await _world.PrepareAsync("cache", "{redis: {mode: Sentinel, instances: 3}}");
        await cluster.ReadyAsync("cache");
        var application = await RedisApplication.ConnectAsync(cluster, "cache");
        await using var before = application.Write("before");
        await before.MoreAsync(50, _patience);
        await before.StopAsync();

        ComplianceBackup backup;
        await using (var load = application.Write("load"))
        {
            await load.MoreAsync(5, _patience);
            backup = await _world.BackUpAsync("cache", "redis", "first");
        }

        Assert.Equal("redis-rdb", backup.Status!.Content);
        Assert.True(int.Parse(backup.Status.Facts!["count:keys"]) >= 55, backup.Status.Facts["count:keys"]);
        Assert.NotNull(backup.Status.ManifestSha256);

        var drill = await _world.RestoreAsync("cache", "redis", "drill", "{mode: Drill}");
        Assert.Equal((RestorePhase.Succeeded, "Verified"), (drill.Status!.Phase, drill.Status.Comparison));
        Assert.NotNull((await cluster.GetAsync(BackupResource.Type, "first")).Status!.VerifiedAt);

        await using (var after = application.Write("after"))
            await after.MoreAsync(5, _patience);
        // The operator dies in the middle of it, and the next one goes on.
        var restoring = _world.RestoreAsync("cache", "redis", "in-place", "{mode: InPlace, confirm: cache}");
        await cluster.UntilAsync(RestoreResource.Type, "in-place", now => now.Status?.Phase is RestorePhase.Stopping or RestorePhase.Restoring, _patience, "in the middle");
        await cluster.KillOperatorAsync();
        var restore = await restoring;
        Assert.Equal((RestorePhase.Succeeded, "Verified"), (restore.Status!.Phase, restore.Status.Comparison));
        await cluster.ReadyAsync("cache");
        application = await RedisApplication.ConnectAsync(cluster, "cache");
        Assert.Superset(before.Acknowledged.ToHashSet(), await application.ReadAsync("before"));
        Assert.Empty(await application.ReadAsync("after"));

        var copied = await _world.RestoreAsync("cache", "redis", "aside", "{mode: NewStack, stack: cache-copy}");
        Assert.Equal(RestorePhase.Succeeded, copied.Status!.Phase);
        Assert.Superset(before.Acknowledged.ToHashSet(), await (await RedisApplication.ConnectAsync(cluster, "cache-copy")).ReadAsync("before"));
        await cluster.DeleteStackAsync("cache-copy");

        // One byte of the stored data changes: no drill passes any more, and no restore touches what serves.
        await _world.Store.FlipAsync(_world.Bucket, $"eu/{cluster.Namespace}/cache/redis/{backup.Status.Id}/data-00001", TestContext.Current.CancellationToken);
        var failed = await _world.RestoreAsync("cache", "redis", "drill-broken", "{mode: Drill}");
        Assert.Equal((RestorePhase.Failed, "BackupBroken"), (failed.Status!.Phase, failed.Status.Reason));
        failed = await _world.RestoreAsync("cache", "redis", "in-place-broken", "{mode: InPlace, confirm: cache}");
        Assert.Equal((RestorePhase.Failed, "BackupBroken"), (failed.Status!.Phase, failed.Status.Reason));
        Assert.Contains("nothing was touched", failed.Status.Message, StringComparison.Ordinal);
        await cluster.ReadyAsync("cache");
        Assert.Superset(before.Acknowledged.ToHashSet(), await application.ReadAsync("before"));
        await _world.DeleteAsync("cache");
    }

    [Fact]
    public async Task PostgreSQL_is_restored_to_a_point_between_two_known_rows_and_a_drill_reads_it_as_a_server_would()
    {
        await _world.PrepareAsync("ledger", "{postgres: {instances: 3}}", "drills: {cron: '0 4 1 1 *', checks: [{name: rows, engine: postgres, query: \"SELECT count(*) >= 20 FROM written WHERE run = 'before'\", expect: t}]}");
        await cluster.ReadyAsync("ledger", _patience);
        var application = await PostgresApplication.ConnectAsync(cluster, "ledger");
        await using var before = application.Write("before");
        await before.MoreAsync(20, _patience);
        await before.StopAsync();
        var backup = await _world.BackUpAsync("ledger", "postgres", "base");
        Assert.Equal("postgres-pgbackrest", backup.Status!.Content);

        var drill = await _world.RestoreAsync("ledger", "postgres", "ledger-drill", "{mode: Drill}");
        Assert.True(drill.Status!.Phase == RestorePhase.Succeeded, $"{drill.Status.Reason}: {drill.Status.Message}");
        Assert.Equal("passed", drill.Status.Facts!["check:rows"]);

        await using (var between = application.Write("between"))
            await between.MoreAsync(5, _patience);
        var written = (await application.ReadAsync("between")).Count;
        var point = await application.NowAsync();
        await using (var after = application.Write("after"))
            await after.MoreAsync(5, _patience);
        // What comes after the point is in the archive once another backup has ended.
        await _world.BackUpAsync("ledger", "postgres", "second", "Incremental");

        var restore = await _world.RestoreAsync("ledger", "postgres", "to-the-point", "{mode: InPlace, confirm: ledger}", $"{{pointInTime: '{point.UtcDateTime:O}'}}");
        Assert.True(restore.Status!.Phase == RestorePhase.Succeeded, $"{restore.Status.Reason}: {restore.Status.Message}");
        await cluster.ReadyAsync("ledger", _patience);
        Assert.Equal(before.Acknowledged.ToHashSet(), await application.ReadAsync("before"));
        Assert.Equal(written, (await application.ReadAsync("between")).Count);
        Assert.Empty(await application.ReadAsync("after"));

        // It goes on from there, and is backed up as before.
        await using (var again = application.Write("again"))
            await again.MoreAsync(5, _patience);
        await _world.BackUpAsync("ledger", "postgres", "third");
        await _world.DeleteAsync("ledger");
    }

    [Fact]
    public async Task InfluxDB_gets_its_points_back()
    {
        await _world.PrepareAsync("sensors", "{influxdb: {version: '1.6', databases: [{name: metrics}], users: [{name: telegraf, grants: [{database: metrics, access: ReadWrite}]}]}}");
        await cluster.ReadyAsync("sensors");
        var telegraf = await InfluxUser.OfAsync(cluster, "sensors", "telegraf");
        await Writer.UntilDoneAsync(async _ => Assert.Equal(HttpStatusCode.NoContent, await telegraf.WriteAsync("cpu value=41 1000\ncpu value=42 2000")));
        await _world.BackUpAsync("sensors", "influxdb", "points");
        Assert.Equal(HttpStatusCode.NoContent, await telegraf.WriteAsync("cpu value=43 3000"));

        var restore = await _world.RestoreAsync("sensors", "influxdb", "points-again", "{mode: InPlace, confirm: sensors}");
        Assert.True(restore.Status!.Phase == RestorePhase.Succeeded, $"{restore.Status.Reason}: {restore.Status.Message}");
        Assert.Equal("Verified", restore.Status.Comparison);
        await cluster.ReadyAsync("sensors");
        await Writer.UntilDoneAsync(async _ => Assert.Contains(",42]", await telegraf.ReadAsync(), StringComparison.Ordinal));
        Assert.DoesNotContain(",43]", await telegraf.ReadAsync(), StringComparison.Ordinal);
        await _world.DeleteAsync("sensors");
    }
}
