using Dora.Api;
using Dora.Backup.Runs;
using Dora.Engines.Backups;
using Xunit;

namespace Dora.Integration.Tests.Backups;

/// <summary>
/// A cluster that was built anew archives beside what the one before it archived, once it took the folder over; and the data of that one is restored
/// into it, with all of its log.
/// </summary>
[Collection(ArchiveStoreTests.Name)]
public sealed class RealRebuiltPgBackRestTests(ArchivingPods pods) : IClassFixture<ArchivingPods>
{
    private const string Digest = "SELECT count(*) || ' ' || coalesce(md5(string_agg(o::text, '|' ORDER BY id)), '') FROM orders o";

    private static readonly LayDownRequest InPlace = new(Drill: false, new Dictionary<string, string>());

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nothing_of_the_old_archive_is_lost_and_a_restore_goes_on_with_it()
    {
        await pods.AskAsync("CREATE TABLE orders (id bigint PRIMARY KEY, note text)");
        await pods.AskAsync("INSERT INTO orders SELECT n, 'note ' || n FROM generate_series(1, 5000) n");
        var old = await SucceedAsync(BackupType.Full);
        await pods.AskAsync("INSERT INTO orders VALUES (10001, 'archived later')");
        await pods.ArchiveAsync();
        var expected = (string)(await pods.AskAsync(Digest))!;
        await LoseAsync();
        // With what the servers archived while they stopped.
        var before = await StoredAsync();

        pods.Pods.Start(0);
        pods.Pods.Start(1);
        await pods.Pods.HealthyAsync();
        // Another system: what it writes waits, and nothing of it gets among the other's.
        await pods.AskAsync("SELECT pg_switch_wal() FROM pg_create_restore_point('new')");
        await pods.Pods.UntilAsync(health => health.Archive is { Failing: not null, Problem: not null });
        var refused = await pods.BackupAsync(BackupType.Full, order => Of("rebuilt", order));
        Assert.Contains("StoreTaken", refused.Report, StringComparison.Ordinal);
        Assert.Equal(before, await StoredAsync());

        var empty = await SucceedAsync(BackupType.Full, order => Of("rebuilt", order) with { Adopt = order.Origin.Uid });
        Assert.NotEqual(old.Facts["system-id"], empty.Facts["system-id"]);
        await pods.ArchiveAsync();
        Unchanged(before, await StoredAsync());

        await LoseAsync();
        var restored = await pods.RestoreAsync(old, pods.Pods.Home(0), InPlace);
        Assert.True(restored.Code == 0, restored.Report);
        pods.Pods.Start(0);
        await pods.Pods.UntilAsync(health => health.Primary == pods.Pods.Plan.Names.Pod(0));
        await pods.Pods.HealthyAsync();
        Assert.Equal(expected, await pods.AskAsync(Digest));

        // It archives without waiting for a backup, and the next one holds it all.
        await pods.AskAsync("INSERT INTO orders VALUES (10002, 'after the restore')");
        await pods.ArchiveAsync();
        Unchanged(before, await StoredAsync());
        var next = await SucceedAsync(BackupType.Full, order => Of("rebuilt", order));
        var drill = await pods.RestoreAsync(next, await pods.EmptyAsync(), InPlace with { Drill = true, Checks = [new("rows", "postgres", "SELECT count(*) FROM orders", "5002")] });
        Assert.True(drill.Code == 0, drill.Report);
        Assert.Equal("passed", drill.Facts["check:rows"]);
    }

    private static RunOrder Of(string uid, RunOrder order) => order with { Origin = order.Origin with { Uid = uid } };

    private static void Unchanged(IReadOnlyDictionary<string, string> before, IReadOnlyDictionary<string, string> now) =>
        Assert.Empty(before.Where(stored => !stored.Key.Contains(".info", StringComparison.Ordinal)).Except(now));

    private async Task<BackupDone> SucceedAsync(BackupType type, Func<RunOrder, RunOrder>? order = null)
    {
        var done = await pods.BackupAsync(type, order);
        Assert.True(done.Code == 0, done.Report);
        return done;
    }

    private async Task LoseAsync()
    {
        foreach (var ordinal in (int[])[1, 0])
        {
            await pods.Pods.StopAsync(ordinal);
            Directory.Delete(pods.Pods.Data(ordinal), recursive: true);
        }

        await pods.Pods.ForgetAsync();
    }

    // What pgBackRest stored, by name.
    private async Task<SortedDictionary<string, string>> StoredAsync()
    {
        using var client = pods.Store.Client();
        var stored = new SortedDictionary<string, string>(StringComparer.Ordinal);
        await foreach (var entry in client.Paginators.ListObjectsV2(new() { BucketName = pods.Bucket, Prefix = ArchivingPods.Repository }).S3Objects.WithCancellation(Token))
            stored[entry.Key] = entry.ETag;
        return stored;
    }
}
