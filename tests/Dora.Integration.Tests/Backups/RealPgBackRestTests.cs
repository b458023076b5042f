using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Dora.Api;
using Dora.Engines.Backups;
using NpgsqlTypes;
using Xunit;

namespace Dora.Integration.Tests.Backups;

/// <summary>PostgreSQL under Patroni is backed up by pgBackRest into a real object store, and restored: whole, to a point in time, in drills.</summary>
[Collection(ArchiveStoreTests.Name)]
public sealed partial class RealPgBackRestTests(ArchivingPods pods) : IClassFixture<ArchivingPods>
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
    [InlineData("position", false, "first,second")]
    [InlineData("position", true, "first")]
    [InlineData("name", false, "first,second")]
    public async Task A_position_in_the_log_and_a_name_can_be_restored_to(string what, bool exclusive, string expected)
    {
        await TableAsync();
        var backup = await SucceedAsync(BackupType.Full);
        await pods.AskAsync("INSERT INTO orders VALUES (10001, 'first')");
        // In one transaction: its end is written where the log is now.
        var point = (NpgsqlLogSequenceNumber)(await pods.AskAsync("INSERT INTO orders VALUES (10002, 'second'); SELECT pg_current_wal_insert_lsn()"))!;
        await pods.AskAsync("SELECT pg_create_restore_point('before the third')");
        await pods.AskAsync("INSERT INTO orders VALUES (10003, 'third')");
        await pods.ArchiveAsync();

        var request = Drill(("rows", "SELECT string_agg(note, ',' ORDER BY id) FROM orders WHERE id > 10000", expected)) with { Exclusive = exclusive };
        request = what == "name" ? request with { RestorePoint = "before the third" } : request with { Lsn = point.ToString() };
        var restored = await pods.RestoreAsync(backup, await pods.EmptyAsync(), request);
        Assert.True(restored.Code == 0, restored.Report);
        Assert.Equal("passed", restored.Facts["check:rows"]);
    }

    [Fact]
    public async Task A_name_that_nobody_gave_is_not_the_end_of_the_log()
    {
        var backup = await SucceedAsync(BackupType.Full);
        var restored = await pods.RestoreAsync(backup, await pods.EmptyAsync(), Drill() with { RestorePoint = "never made" });
        Assert.Equal((1, "OutsideWindow"), (restored.Code, Reason(restored)));
    }

    [Fact]
    public async Task A_name_that_nobody_gave_is_found_out_before_anything_is_touched()
    {
        await pods.AskAsync("SELECT pg_create_restore_point('before')");
        var backup = await SucceedAsync(BackupType.Full);
        // More files than are looked through at once.
        for (var file = 0; file < 17; file++)
            await pods.AskAsync("SELECT pg_switch_wal() FROM pg_create_restore_point('step ' || clock_timestamp())");
        await pods.AskAsync("SELECT pg_create_restore_point('the first try')");
        await pods.ArchiveAsync();

        var found = await pods.InspectAsync(backup, new(Drill: false, Nothing) { RestorePoint = "the first try" });
        Assert.True(found.Code == 0, found.Report);
        foreach (var never in (string[])["the first", "before"])
        {
            var inspected = await pods.InspectAsync(backup, new(Drill: false, Nothing) { RestorePoint = never });
            Assert.Equal((1, "OutsideWindow"), (inspected.Code, Reason(inspected)));
            Assert.Contains($"no restore point {never}", inspected.Report, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("0/100")]
    [InlineData("FF/0")]
    public async Task A_position_outside_of_the_window_is_refused_before_anything_is_touched(string lsn)
    {
        var backup = await SucceedAsync(BackupType.Full);
        var inspected = await pods.InspectAsync(backup, new(Drill: false, Nothing) { Lsn = lsn });
        Assert.Equal((1, "OutsideWindow"), (inspected.Code, Reason(inspected)));
        Assert.Contains(backup.Facts["lsn-stop"], inspected.Report, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(-3600)]
    [InlineData(3600)]
    public async Task A_point_outside_of_the_window_is_refused_with_the_window(int seconds)
    {
        var backup = await SucceedAsync(BackupType.Full);
        var folder = await pods.EmptyAsync();
        var restored = await pods.RestoreAsync(backup, folder, Drill() with { PointInTime = (await NowAsync()).AddSeconds(seconds) });
        Assert.Equal((1, "OutsideWindow"), (restored.Code, Reason(restored)));
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
    public async Task What_a_restore_would_read_is_read_whole_before_and_that_is_noted_in_the_store()
    {
        await TableAsync();
        await SucceedAsync(BackupType.Full);
        var increment = await SucceedAsync(BackupType.Incremental);
        await pods.ArchiveAsync();

        var inspected = await pods.InspectAsync(increment, new(Drill: false, Nothing));
        Assert.True(inspected.Code == 0, inspected.Report);
        Assert.Equal("default", inspected.Facts["restores"]);
        Assert.True(int.Parse(inspected.Facts["files"], CultureInfo.InvariantCulture) > 900);
        using var client = pods.Store.Client();
        await client.GetObjectMetadataAsync(pods.Bucket, $"backups/compliance/payments/postgres/{increment.Id}/verified.json", Token);
    }

    [Fact]
    public async Task What_is_broken_or_missing_in_the_store_is_found_before_anything_is_touched()
    {
        await TableAsync();
        var full = await SucceedAsync(BackupType.Full);
        var increment = await SucceedAsync(BackupType.Incremental);
        for (var file = 0; file < 3; file++)
            await ArchivedRowAsync(20_001 + file);
        // One of the full backup, which the increment builds on; and one in the middle of the log after it.
        var (data, log) = ((await pods.ObjectsAsync($"backup/main/{full.Facts["label"]}/bundle/"))[0], (await LogAsync(increment))[^2]);
        foreach (var (name, missing) in ((string, bool)[])[(data, false), (data, true), (log, false), (log, true)])
        {
            await using var mended = await pods.BreakAsync(name, missing);
            var inspected = await pods.InspectAsync(increment, new(Drill: false, Nothing));
            Assert.True((1, "BackupBroken") == (inspected.Code, Reason(inspected)), $"{name}, missing: {missing}: {inspected.Report}");
            if (name != log)
                continue;
            // What is before it can be restored, and the message says how.
            var before = await pods.InspectAsync(increment, new(Drill: false, Nothing) { Lsn = Less(Before().Match(inspected.Report).Groups["lsn"].Value) });
            Assert.True(before.Code == 0, before.Report);
            // A drill does not pass for having stopped at a hole.
            if (missing)
                Assert.Equal("BackupBroken", Reason(await pods.RestoreAsync(increment, await pods.EmptyAsync(), Drill())));
        }

        var whole = await pods.InspectAsync(increment, new(Drill: false, Nothing));
        Assert.True(whole.Code == 0, whole.Report);
    }

    [Fact]
    public async Task What_is_broken_and_not_read_by_a_restore_keeps_nobody_from_it()
    {
        await TableAsync();
        var other = await SucceedAsync(BackupType.Full);
        var backup = await SucceedAsync(BackupType.Full);
        await using var mended = await pods.BreakAsync((await pods.ObjectsAsync($"backup/main/{other.Facts["label"]}/bundle/"))[0], remove: false);

        Assert.Equal("BackupBroken", Reason(await pods.InspectAsync(other, new(Drill: false, Nothing))));
        var inspected = await pods.InspectAsync(backup, new(Drill: false, Nothing));
        Assert.True(inspected.Code == 0, inspected.Report);
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
        var position = ((NpgsqlLogSequenceNumber)(await pods.AskAsync("SELECT pg_current_wal_lsn()"))!).ToString();
        await pods.ArchiveAsync();
        await SucceedAsync(BackupType.Incremental);
        // And the log is followed from the old timeline onto the new one.
        var across = await pods.InspectAsync(backup, new(Drill: false, Nothing) { Lsn = position });
        Assert.True(across.Code == 0, across.Report);
    }

    // A row in a file of the log of its own.
    private async Task ArchivedRowAsync(int id)
    {
        await pods.AskAsync($"INSERT INTO orders VALUES ({id}, 'archived')");
        await pods.ArchiveAsync();
    }

    // The files of the log that were stored after a backup's last one.
    private async Task<IReadOnlyList<string>> LogAsync(BackupDone backup)
    {
        var stop = backup.Facts["wal-stop"];
        return [.. (await pods.ObjectsAsync("archive/main/")).Where(name => LogFile().Match(name) is { Success: true } file && string.CompareOrdinal(file.Groups["name"].Value, stop) > 0)];
    }

    private static string? Reason(BackupDone done) => (string?)JsonNode.Parse(done.Report)!["reason"];

    private static string Less(string lsn) => new NpgsqlLogSequenceNumber((ulong)NpgsqlLogSequenceNumber.Parse(lsn) - 1).ToString();

    [GeneratedRegex("before (?<lsn>[0-9A-F]+/[0-9A-F]+)", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 10_000)]
    private static partial Regex Before();

    [GeneratedRegex("/(?<name>[0-9A-F]{24})-[0-9a-f]{40}", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 10_000)]
    private static partial Regex LogFile();

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
