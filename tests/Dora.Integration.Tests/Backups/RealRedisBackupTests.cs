using System.Globalization;
using System.Security.Cryptography;
using Dora.Agent.Backups;
using Dora.Backup.Store;
using Xunit;

namespace Dora.Integration.Tests.Backups;

/// <summary>Redis is backed up to a real object store by the pod's own scripts and the agent, and restored into another server.</summary>
[Collection(ObjectStoreTests.Name)]
public sealed class RealRedisBackupTests(ObjectStoreServer store)
{
    private const string Id = "20261121t030000z-a1b2c3";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_was_backed_up_under_load_is_restored_and_its_count_of_keys_is_that_of_the_backup()
    {
        var bucket = await store.BucketAsync();
        await using var source = await BackupRedis.StartAsync();
        await source.FillAsync(5_000);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var load = source.WriteUntilAsync(stop.Token);
        using var backup = new AgentRun(store, bucket, Id, "redis-rdb");
        Assert.Equal(0, await BackupAsync(backup, source));
        await stop.CancelAsync();
        await load;
        var taken = backup.Report;

        Assert.Equal("Completed", (string?)taken["reason"]);
        var keys = int.Parse((string)taken["facts"]!["count:keys"]!, CultureInfo.InvariantCulture);
        Assert.InRange(keys, 5_000, 5_000 + source.Written);
        Assert.Equal(40, ((string)taken["facts"]!["replication-id"]!).Length);

        using var restore = new AgentRun(store, bucket, Id, "redis-rdb");
        await using var target = BackupRedis.Create();
        Assert.Equal(0, await RestoreAsync(restore, target));
        await target.StartServerAsync();

        Assert.Equal((string?)taken["plainSha256"], (string?)restore.Report["plainSha256"]);
        Assert.Equal(keys, await target.KeysAsync());
        Assert.Equal("value-4999", await target.GetAsync("key-4999"));
    }

    [Fact]
    public async Task A_drill_starts_a_server_on_what_was_restored_and_asks_what_an_application_would()
    {
        var bucket = await store.BucketAsync();
        await using var source = await BackupRedis.StartAsync();
        await source.FillAsync(100);
        using var backup = new AgentRun(store, bucket, Id, "redis-rdb");
        Assert.Equal(0, await BackupAsync(backup, source));

        using var drill = new AgentRun(store, bucket, Id, "redis-rdb");
        await using var target = BackupRedis.Create();
        drill.Check("last", "GET key-99", "value-99");
        Assert.Equal(0, await RestoreAsync(drill, target, ("DRILL", "1"), ("CHECKS", drill.Checks)));
        Assert.Equal("100", (string?)drill.Report["facts"]!["served"]);
        Assert.Equal("passed", (string?)drill.Report["facts"]!["check:last"]);
        Assert.Equal("Verified", (string?)drill.Report["comparison"]);

        using var wrong = new AgentRun(store, bucket, Id, "redis-rdb");
        await using var other = BackupRedis.Create();
        wrong.Check("last", "GET key-99", "another");
        Assert.NotEqual(0, await RestoreAsync(wrong, other, ("DRILL", "1"), ("CHECKS", wrong.Checks)));
        Assert.Equal("CheckFailed", (string?)wrong.Report["reason"]);
        Assert.Contains("value-99", (string?)wrong.Report["message"], StringComparison.Ordinal);
    }

    // A server that writes to a file first sends the length before the data; one that streams marks the end by 40 bytes, which are not data.
    [Theory]
    [InlineData("yes")]
    [InlineData("no")]
    public async Task Nothing_follows_the_end_of_the_data_however_the_server_sends_it(string streams)
    {
        var bucket = await store.BucketAsync();
        await using var source = await BackupRedis.StartAsync("--repl-diskless-sync", streams);
        await source.FillAsync(10);
        using var run = new AgentRun(store, bucket, Id, "redis-rdb");
        Assert.Equal(0, await BackupAsync(run, source));
        using var restore = new AgentRun(store, bucket, Id, "redis-rdb");
        await using var target = BackupRedis.Create();
        await RestoreAsync(restore, target);
        await target.StartServerAsync();

        Assert.Equal((string?)run.Report["facts"]!["bytes"], ((long)run.Report["plainBytes"]!).ToString(CultureInfo.InvariantCulture));
        Assert.Equal(10, await target.KeysAsync());
    }

    [Fact]
    public async Task A_backup_can_be_checked_without_a_server()
    {
        var bucket = await store.BucketAsync();
        await using var source = await BackupRedis.StartAsync();
        using var run = new AgentRun(store, bucket, Id, "redis-rdb");
        await BackupAsync(run, source);

        Assert.Equal(0, await run.AgentAsync(BackupCommands.Verify(), Token));
        Assert.Equal("Completed", (string?)run.Report["reason"]);
    }

    [Fact]
    public async Task A_server_that_is_killed_in_the_middle_leaves_no_backup()
    {
        var bucket = await store.BucketAsync();
        await using var source = await BackupRedis.StartAsync("--rdb-key-save-delay", "2000");
        await source.FillAsync(3_000);
        using var run = new AgentRun(store, bucket, Id, "redis-rdb");
        var ended = BackupAsync(run, source);
        await source.CopyBegunAsync();
        await source.KillAsync();

        Assert.Equal(1, await ended);
        Assert.Equal("ToolFailed", (string?)run.Report["reason"]);
        using var left = store.Store(bucket, prefix: "backups");
        Assert.Equal(["payments/ledger/stack.json"], await NamesAsync(left));
    }

    [Fact]
    public async Task A_server_that_refuses_the_login_is_named_and_nothing_is_stored()
    {
        var bucket = await store.BucketAsync();
        await using var source = await BackupRedis.StartAsync();
        using var run = new AgentRun(store, bucket, Id, "redis-rdb");

        Assert.Equal(1, await BackupAsync(run, source, password: "wrong"));

        Assert.Equal("ToolFailed", (string?)run.Report["reason"]);
        Assert.DoesNotContain("wrong", (string)run.Report["message"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_flipped_byte_is_never_restored_from_and_the_volume_stays_empty()
    {
        var bucket = await store.BucketAsync();
        await using var source = await BackupRedis.StartAsync();
        await source.FillAsync(100);
        using var run = new AgentRun(store, bucket, Id, "redis-rdb");
        await BackupAsync(run, source);
        await store.FlipAsync(bucket, $"backups/payments/ledger/redis/{Id}/data-00001", Token);
        using var restore = new AgentRun(store, bucket, Id, "redis-rdb");
        await using var target = BackupRedis.Create();

        Assert.Equal(1, await RestoreAsync(restore, target));

        Assert.Equal("BackupBroken", (string?)restore.Report["reason"]);
        Assert.Empty(Directory.EnumerateFileSystemEntries(target.Data));
    }

    [Fact]
    public async Task Another_key_restores_nothing_and_says_which_one_is_needed()
    {
        var bucket = await store.BucketAsync();
        await using var source = await BackupRedis.StartAsync();
        using var run = new AgentRun(store, bucket, Id, "redis-rdb");
        await BackupAsync(run, source);
        using var restore = new AgentRun(store, bucket, Id, "redis-rdb", key: SHA256.HashData("another"u8));

        Assert.Equal(1, await restore.AgentAsync(BackupCommands.Verify(), Token));

        Assert.Equal("KeyRefused", (string?)restore.Report["reason"]);
        Assert.Contains((string)run.Report["keyId"]!, (string)restore.Report["message"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_volume_that_holds_data_is_not_written_over()
    {
        var bucket = await store.BucketAsync();
        await using var source = await BackupRedis.StartAsync();
        using var run = new AgentRun(store, bucket, Id, "redis-rdb");
        await BackupAsync(run, source);
        using var restore = new AgentRun(store, bucket, Id, "redis-rdb");

        Assert.Equal(1, await RestoreAsync(restore, source));

        Assert.Equal("ToolFailed", (string?)restore.Report["reason"]);
        Assert.Contains("holds data already", (string)restore.Report["message"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Credentials_that_were_revoked_are_named_before_any_data_flows()
    {
        using var run = new AgentRun(store, await store.BucketAsync(), Id, "redis-rdb", store.Stranger);
        await using var source = await BackupRedis.StartAsync();

        Assert.Equal(1, await run.AgentAsync(BackupCommands.Backup(), Token));

        Assert.Equal("StoreDenied", (string?)run.Report["reason"]);
    }

    [Fact]
    public async Task A_full_bucket_ends_a_backup_which_says_so_and_with_room_the_next_one_succeeds()
    {
        var bucket = await store.BucketAsync();
        await using var source = await BackupRedis.StartAsync();
        await source.FillAsync(2_000);
        using var run = new AgentRun(store, bucket, Id, "redis-rdb");
        await store.LimitAsync(bucket, 4_096);

        Assert.Equal(1, await BackupAsync(run, source));
        Assert.Equal("StoreFull", (string?)run.Report["reason"]);
        Assert.Contains("make room, or raise the quota", (string)run.Report["message"]!, StringComparison.Ordinal);
        Assert.DoesNotContain(await NamesAsync(store.Store(bucket)), name => name.EndsWith("manifest.json", StringComparison.Ordinal));

        await store.LimitAsync(bucket, 0);
        using var next = new AgentRun(store, bucket, "20261121t040000z-a1b2c3", "redis-rdb");
        Assert.Equal(0, await BackupAsync(next, source));
    }

    [Fact]
    public async Task A_backup_of_another_form_is_not_restored()
    {
        var bucket = await store.BucketAsync();
        await using var source = await BackupRedis.StartAsync();
        using var run = new AgentRun(store, bucket, Id, "redis-rdb");
        await BackupAsync(run, source);
        using var other = new AgentRun(store, bucket, Id, "mongodb-archive");

        Assert.Equal(1, await other.AgentAsync(BackupCommands.Verify(), Token));
        Assert.Equal("BadOrder", (string?)other.Report["reason"]);
    }

    private static async Task<int> BackupAsync(AgentRun run, BackupRedis source, string password = BackupRedis.Password)
    {
        await run.PrepareAsync(Token);
        await using var tool = run.Tool("Redis/scripts/backup-redis.sh", ("HOST", "localhost"), ("PORT", source.Port.ToString(CultureInfo.InvariantCulture)), ("REDISCLI_USER", "backup"), ("REDISCLI_AUTH", password), ("TLS_CA", source.Authority));
        var code = await run.AgentAsync(BackupCommands.Backup(), Token);
        await tool.EndedAsync(Token);
        return code;
    }

    private static async Task<int> RestoreAsync(AgentRun run, BackupRedis target, params (string Name, string Value)[] environment)
    {
        await run.PrepareAsync(Token);
        await using var tool = run.Tool("Redis/scripts/restore-redis.sh", [("DATA", target.Data), .. environment]);
        var code = await run.AgentAsync(BackupCommands.Restore(), Token);
        await tool.EndedAsync(Token);
        return code;
    }

    private static async Task<List<string>> NamesAsync(ObjectStore store)
    {
        var names = new List<string>();
        await foreach (var found in store.ListAsync("", Token))
            names.Add(found.Name);
        return names;
    }
}
