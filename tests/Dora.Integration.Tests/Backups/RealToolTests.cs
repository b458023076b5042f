using Dora.Agent.Backups;
using Dora.Testing.Vault;
using Xunit;

namespace Dora.Integration.Tests.Backups;

/// <summary>What the agent makes of what tools do and say, on a real object store.</summary>
[Collection(ObjectStoreTests.Name)]
public sealed class RealToolTests(ObjectStoreServer store)
{
    private const string Id = "20261121t030000z-a1b2c3";
    private const string Copy = "echo twelve >$STAGE/data; outcome exit=0 count:keys=12 digest:keys=aa";
    private const string LayDown = "cat $STAGE/data >/dev/null; ";
    private const string Set = "until [[ -e $STAGE/verdict ]]; do sleep 0.05; done; [[ $(<$STAGE/verdict) == ok ]] || exit 3; . <(grep -E '^set=' $STAGE/facts); ";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_restore_that_finds_what_was_counted_is_verified_and_noted_in_the_store()
    {
        var bucket = await BackedUpAsync();
        using var run = Run(bucket);

        Assert.Equal(0, await RunAsync(run, BackupCommands.Restore(), LayDown + "outcome exit=0 count:keys=12 digest:keys=aa"));

        Assert.Equal("Verified", (string?)run.Report["comparison"]);
        Assert.Contains($"payments/ledger/redis/{Id}/verified.json", await NamesAsync(bucket));
    }

    [Fact]
    public async Task A_restore_that_finds_something_else_has_failed_and_is_not_noted()
    {
        var bucket = await BackedUpAsync();
        using var run = Run(bucket);

        Assert.Equal(1, await RunAsync(run, BackupCommands.Restore(), LayDown + "outcome exit=0 count:keys=11 digest:keys=aa"));

        Assert.Equal("FingerprintDiffers", (string?)run.Report["reason"]);
        Assert.Contains("count:keys is 11 and was 12", (string)run.Report["message"]!, StringComparison.Ordinal);
        Assert.Equal("11", (string?)run.Report["facts"]!["count:keys"]);
        Assert.DoesNotContain($"payments/ledger/redis/{Id}/verified.json", await NamesAsync(bucket));
    }

    [Fact]
    public async Task A_check_of_the_order_that_the_tool_did_not_answer_has_failed()
    {
        var bucket = await BackedUpAsync();
        using var run = new AgentRun(store, bucket, Id, "redis-rdb", order: order => order with { Checks = ["newest"] });

        Assert.Equal(1, await RunAsync(run, BackupCommands.Restore(), LayDown + "outcome exit=0 count:keys=12 digest:keys=aa"));
        Assert.Equal("CheckFailed", (string?)run.Report["reason"]);
    }

    [Fact]
    public async Task Credentials_that_only_read_restore_all_the_same()
    {
        var bucket = await BackedUpAsync();
        await store.AllowAsync(bucket, store.StrangerName, "s3:GetObject", "s3:ListBucket");
        using var run = new AgentRun(store, bucket, Id, "redis-rdb", store.Stranger);

        Assert.Equal(0, await RunAsync(run, BackupCommands.Restore(), LayDown + "outcome exit=0 count:keys=12 digest:keys=aa"));

        Assert.Equal("Verified", (string?)run.Report["comparison"]);
        Assert.DoesNotContain($"payments/ledger/redis/{Id}/verified.json", await NamesAsync(bucket));
    }

    [Fact]
    public async Task A_key_of_Vault_seals_and_opens_a_backup_and_the_Secret_does_not_open_it()
    {
        await using var vault = await VaultServer.StartAsync();
        using var setup = new VaultSetup(vault.Address, vault.RootToken);
        await setup.EnginesAsync();
        await setup.PolicyAsync("""path "transit/encrypt/backups" { capabilities = ["update"] } path "transit/decrypt/backups" { capabilities = ["update"] }""");
        await setup.KubernetesAsync();
        vault.Accounts.Add(AgentRun.VaultToken);
        var bucket = await store.BucketAsync();
        using var taken = new AgentRun(store, bucket, Id, "redis-rdb", order: order => order with { Transit = new(vault.Address, "backups", VaultSetup.Role) });
        using var other = Run(bucket);

        Assert.Equal(0, await RunAsync(taken, BackupCommands.Backup(), Copy));
        Assert.Equal("backups:v1", (string?)taken.Report["keyId"]);
        Assert.Equal(0, await taken.AgentAsync(BackupCommands.Verify(), Token));
        Assert.Equal(1, await other.AgentAsync(BackupCommands.Verify(), Token));
        Assert.Equal("KeyRefused", (string?)other.Report["reason"]);
    }

    [Fact]
    public async Task A_tool_is_let_go_when_the_backup_that_it_waits_for_is_not_there()
    {
        using var run = Run(await store.BucketAsync());

        Assert.Equal(1, await RunAsync(run, BackupCommands.Restore(), LayDown + "outcome exit=1 'error=the stream broke off'"));
        Assert.Equal("StoreNotFound", (string?)run.Report["reason"]);
    }

    [Fact]
    public async Task What_a_tool_stored_by_itself_is_written_down_and_told_to_the_one_that_restores_it()
    {
        var bucket = await store.BucketAsync();
        using var taken = Recorded(bucket);
        Assert.Equal(0, await RunAsync(taken, BackupCommands.Record(), "touch $STAGE/alive; outcome exit=0 set=20261121-030000F count:rows:ledger=7 bytes=4000"));
        using var run = Recorded(bucket);

        Assert.Equal(0, await RunAsync(run, BackupCommands.Follow(), Set + "outcome exit=0 \"restored=$set\" count:rows:ledger=7"));

        Assert.Equal(4000, (long)taken.Report["plainBytes"]!);
        Assert.Equal("20261121-030000F", (string?)run.Report["facts"]!["restored"]);
        Assert.Equal("Verified", (string?)run.Report["comparison"]);
        Assert.Equal(
            [$"payments/ledger/postgres/{Id}/manifest.json", $"payments/ledger/postgres/{Id}/verified.json", "payments/ledger/stack.json"],
            await NamesAsync(bucket));
    }

    [Fact]
    public async Task What_a_tool_restored_otherwise_than_it_was_written_down_is_no_success()
    {
        var bucket = await store.BucketAsync();
        using var taken = Recorded(bucket);
        await RunAsync(taken, BackupCommands.Record(), "outcome exit=0 set=1 count:rows:ledger=7");
        using var run = Recorded(bucket);

        Assert.Equal(1, await RunAsync(run, BackupCommands.Follow(), Set + "outcome exit=0 count:rows:ledger=6"));
        Assert.Equal("FingerprintDiffers", (string?)run.Report["reason"]);
    }

    [Fact]
    public async Task A_tool_that_could_not_store_leaves_no_manifest()
    {
        var bucket = await store.BucketAsync();
        using var run = Recorded(bucket);

        Assert.Equal(1, await RunAsync(run, BackupCommands.Record(), "outcome exit=1 'error=repository is locked'"));

        Assert.Contains("repository is locked", (string)run.Report["message"]!, StringComparison.Ordinal);
        Assert.Equal(["payments/ledger/stack.json"], await NamesAsync(bucket));
    }

    [Fact]
    public async Task What_was_written_down_and_changed_since_is_not_told_to_the_tool()
    {
        var bucket = await store.BucketAsync();
        using var taken = Recorded(bucket);
        await RunAsync(taken, BackupCommands.Record(), "outcome exit=0 set=1");
        await RewriteAsync(bucket, $"backups/payments/ledger/postgres/{Id}/manifest.json", "\"set\":\"1\"", "\"set\":\"2\"");
        using var run = Recorded(bucket);

        Assert.Equal(1, await RunAsync(run, BackupCommands.Follow(), Set + "outcome exit=0"));

        Assert.Equal("BackupBroken", (string?)run.Report["reason"]);
        Assert.False(File.Exists(Path.Combine(run.Stage, "facts")));
        Assert.False(File.Exists(Path.Combine(run.Stage, "outcome")));
    }

    [Fact]
    public async Task The_two_kinds_of_backups_are_not_taken_for_each_other()
    {
        var bucket = await BackedUpAsync();
        using var taken = Recorded(bucket);
        await RunAsync(taken, BackupCommands.Record(), "outcome exit=0 set=1");
        using var streamed = Run(bucket);
        using var recorded = Recorded(bucket);

        Assert.Equal(1, await streamed.AgentAsync(BackupCommands.Follow(), Token));
        Assert.Equal(1, await recorded.AgentAsync(BackupCommands.Restore(), Token));

        Assert.Contains("use dora-agent restore", (string)streamed.Report["message"]!, StringComparison.Ordinal);
        Assert.Contains("use dora-agent follow", (string)recorded.Report["message"]!, StringComparison.Ordinal);
        Assert.Equal(0, await recorded.AgentAsync(BackupCommands.Verify(), Token));
        Assert.DoesNotContain($"payments/ledger/postgres/{Id}/verified.json", await NamesAsync(bucket));
    }

    private AgentRun Run(string bucket) => new(store, bucket, Id, "redis-rdb");

    private AgentRun Recorded(string bucket) => new(store, bucket, Id, "pgbackrest", engine: "postgres");

    private async Task RewriteAsync(string bucket, string key, string was, string shall)
    {
        using var client = store.Client();
        using var answer = await client.GetObjectAsync(bucket, key, Token);
        var text = await new StreamReader(answer.ResponseStream).ReadToEndAsync(Token);
        Assert.Contains(was, text, StringComparison.Ordinal);
        await client.PutObjectAsync(new() { BucketName = bucket, Key = key, ContentBody = text.Replace(was, shall, StringComparison.Ordinal) }, Token);
    }

    private async Task<string> BackedUpAsync()
    {
        var bucket = await store.BucketAsync();
        using var run = Run(bucket);
        Assert.Equal(0, await RunAsync(run, BackupCommands.Backup(), Copy));
        return bucket;
    }

    private static async Task<int> RunAsync(AgentRun run, System.CommandLine.Command command, string tool)
    {
        await run.PrepareAsync(Token);
        await using var process = run.Shell(tool);
        var code = await run.AgentAsync(command, Token);
        await process.EndedAsync(Token);
        return code;
    }

    private async Task<List<string>> NamesAsync(string bucket)
    {
        using var left = store.Store(bucket, prefix: "backups");
        return await left.ListAsync("", Token).Select(found => found.Name).ToListAsync(Token);
    }
}
