using Dora.Api;
using Dora.Engines.Backups;
using Xunit;

namespace Dora.Integration.Tests.Backups;

/// <summary>PostgreSQL under Patroni is backed up by pgBackRest into a real object store, and restored: whole, to a point in time, in drills.</summary>
[Collection(ObjectStoreTests.Name)]
public sealed class RealPgBackRestTests(ArchivingPods pods) : IClassFixture<ArchivingPods>
{
    private const string Digest = "SELECT count(*) || ' ' || coalesce(md5(string_agg(o::text, '|' ORDER BY id)), '') FROM orders o";

    private static readonly IReadOnlyDictionary<string, string> Nothing = new Dictionary<string, string>();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_drill_of_full_and_increment_finds_every_row_and_reports_what_it_asked()
    {
        await TableAsync();
        var full = await SucceedAsync(BackupType.Full);
        await pods.AskAsync("INSERT INTO orders SELECT n, 'later' FROM generate_series(5001, 6000) n");
        var increment = await SucceedAsync(BackupType.Incremental);
        Assert.Equal(("full", "incr", full.Facts["label"]), (full.Facts["type"], increment.Facts["type"], increment.Facts["prior-label"]));

        var expected = (string)(await pods.AskAsync(Digest))!;
        var drill = await pods.RestoreAsync(increment, await pods.EmptyAsync(), Drill(("orders", Digest, expected)));
        Assert.True(drill.Code == 0, drill.Report);
        Assert.Equal("passed", drill.Facts["check:orders"]);

        var wrong = await pods.RestoreAsync(increment, await pods.EmptyAsync(), Drill(("orders", Digest, "another answer")));
        Assert.Equal(1, wrong.Code);
        Assert.Contains("CheckFailed", wrong.Report, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_backup_reads_a_member_that_follows()
    {
        await TableAsync();
        var backup = await SucceedAsync(BackupType.Full);
        Assert.Equal("standby", backup.Facts["source"]);
    }

    [Fact]
    public async Task Between_two_known_rows_there_is_the_first_and_not_the_second()
    {
        await TableAsync();
        var backup = await SucceedAsync(BackupType.Full);
        await pods.AskAsync("INSERT INTO orders VALUES (10001, 'before')");
        var between = await NowAsync();
        await pods.AskAsync("INSERT INTO orders VALUES (10002, 'after')");
        await pods.ArchiveAsync();

        var restored = await pods.RestoreAsync(backup, await pods.EmptyAsync(), Drill(("between", "SELECT string_agg(note, ',' ORDER BY id) FROM orders WHERE id > 10000", "before")) with { PointInTime = between });
        Assert.True(restored.Code == 0, restored.Report);
        Assert.Equal("passed", restored.Facts["check:between"]);
    }

    [Fact]
    public async Task A_copy_restores_with_all_log_that_was_there_and_without_the_first_place()
    {
        await TableAsync();
        await SucceedAsync(BackupType.Full);
        var backup = await SucceedAsync(BackupType.Incremental);
        await pods.AskAsync("INSERT INTO orders VALUES (10001, 'archived later')");
        await pods.ArchiveAsync();
        var expected = (string)(await pods.AskAsync(Digest))!;
        var copy = await pods.CopyAsync(backup);
        await pods.AskAsync("INSERT INTO orders VALUES (10002, 'after the copy')");
        await pods.ArchiveAsync();

        var restored = await pods.RestoreAsync(backup, await pods.EmptyAsync(), Drill(("orders", Digest, expected)), copy);
        Assert.True(restored.Code == 0, restored.Report);
        Assert.Equal("passed", restored.Facts["check:orders"]);
    }

    [Theory]
    [InlineData(-3600)]
    [InlineData(3600)]
    public async Task A_point_outside_of_the_window_is_refused_with_the_window(int seconds)
    {
        var backup = await SucceedAsync(BackupType.Full);
        var folder = await pods.EmptyAsync();
        var restored = await pods.RestoreAsync(backup, folder, Drill() with { PointInTime = (await NowAsync()).AddSeconds(seconds) });
        Assert.Equal(1, restored.Code);
        Assert.Contains("is outside of what can be restored", restored.Report, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(folder, "data")));
    }

    [Fact]
    public async Task A_flipped_bit_in_the_store_fails_the_restore()
    {
        await TableAsync();
        var backup = await SucceedAsync(BackupType.Full);
        using var client = pods.Store.Client();
        var objects = await client.ListObjectsV2Async(new() { BucketName = pods.Bucket, Prefix = $"{ArchivingPods.Repository}/backup/main/{backup.Facts["label"]}/" }, Token);
        await pods.Store.FlipAsync(pods.Bucket, objects.S3Objects.OrderByDescending(entry => entry.Size).First().Key, Token);

        var restored = await pods.RestoreAsync(backup, await pods.EmptyAsync(), Drill());
        Assert.Equal(1, restored.Code);
        Assert.Contains("pgbackrest restore", restored.Report, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_passphrase_opens_nothing()
    {
        var backup = await SucceedAsync(BackupType.Full);
        await pods.SecretAsync("keys/pgbackrest", "another one");
        var restored = await pods.RestoreAsync(backup, await pods.EmptyAsync(), Drill());
        await pods.SecretAsync("keys/pgbackrest", "a passphrase\n");

        Assert.Equal(1, restored.Code);
        Assert.Contains("ToolFailed", restored.Report, StringComparison.Ordinal);
        Assert.DoesNotContain("another one", restored.Report, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_store_that_is_away_is_seen_and_archiving_catches_up_when_it_is_back()
    {
        await SucceedAsync(BackupType.Full);
        await pods.ArchiveAsync();
        await pods.Pods.UntilAsync(health => health.Archive is { Archived: not null, Failing: null });
        await pods.Store.StopAsync();
        try
        {
            // Where nothing was written since the last file there is no other one to archive.
            await pods.AskAsync("SELECT pg_switch_wal() FROM pg_create_restore_point('away')");
            await pods.Pods.UntilAsync(health => health.Archive is { Failing: not null, Problem: not null });
            // It goes on, and loses nothing.
            await TableAsync();
        }
        finally
        {
            await pods.Store.StartAsync();
        }

        await pods.ArchiveAsync();
        await pods.Pods.UntilAsync(health => health.Archive is { Failing: null, Problem: null });
    }

    // The last one of its class in effect: the members are other ones afterwards, with the same data.
    [Fact]
    public async Task After_all_data_is_lost_Patroni_goes_on_with_what_was_restored()
    {
        await TableAsync();
        var backup = await SucceedAsync(BackupType.Full);
        await pods.AskAsync("INSERT INTO orders VALUES (10001, 'archived later')");
        await pods.ArchiveAsync();
        var expected = (string)(await pods.AskAsync(Digest))!;

        foreach (var ordinal in (int[])[1, 0])
        {
            await pods.Pods.StopAsync(ordinal);
            Directory.Delete(pods.Pods.Data(ordinal), recursive: true);
        }

        await pods.Pods.ForgetAsync();
        var restored = await pods.RestoreAsync(backup, pods.Pods.Home(0), new(Drill: false, Nothing));
        Assert.True(restored.Code == 0, restored.Report);
        pods.Pods.Start(0);
        await pods.Pods.UntilAsync(health => health.Primary == pods.Pods.Plan.Names.Pod(0));
        await pods.Pods.HealthyAsync();

        Assert.Equal(expected, await pods.AskAsync(Digest));
        // What it writes on its new timeline is archived too, and the next backup builds on it.
        await pods.AskAsync("INSERT INTO orders VALUES (10002, 'after the restore')");
        await pods.ArchiveAsync();
        await SucceedAsync(BackupType.Incremental);
    }

    private static LayDownRequest Drill(params (string Name, string Query, string Expect)[] checks) =>
        new(Drill: true, Nothing, Checks: [.. checks.Select(check => new DrillCheck(check.Name, "postgres", check.Query, check.Expect))]);

    private async Task<BackupDone> SucceedAsync(BackupType type)
    {
        var done = await pods.BackupAsync(type);
        Assert.True(done.Code == 0, done.Report);
        return done;
    }

    // The application's database, where questions go unless they name another.
    private async Task TableAsync()
    {
        await pods.AskAsync("DROP TABLE IF EXISTS orders");
        await pods.AskAsync("CREATE TABLE orders (id bigint PRIMARY KEY, note text)");
        await pods.AskAsync("INSERT INTO orders SELECT n, 'note ' || n FROM generate_series(1, 5000) n");
    }

    private async Task<DateTimeOffset> NowAsync() => new((DateTime)(await pods.AskAsync("SELECT clock_timestamp()"))!);
}
