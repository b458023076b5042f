using Dora.Agent.Backups;
using Dora.Backup.Sets;
using Dora.Backup.Store;
using Xunit;

namespace Dora.Integration.Tests.Backups;

/// <summary>Whether who writes backups can remove them is found out by trying it, on a real object store.</summary>
[Collection(ObjectStoreTests.Name)]
public sealed class RealProtectionTests(ObjectStoreServer store)
{
    private const string Canary = "payments/ledger/redis/canary";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_written_with_a_lock_cannot_be_removed_by_who_wrote_it()
    {
        using var run = Run(await store.BucketAsync(locked: true), new(Compliance: true, Days: 1));

        Assert.Equal(0, await run.AgentAsync(StoreCommands.Protect(), Token));

        Assert.Equal(("Protected", ""), ((string?)run.Report["reason"], (string?)run.Report["message"]));
        Assert.Equal("denied Compliance Enabled Enabled", Facts(run));
        Assert.InRange(DateTimeOffset.Parse((string)run.Report["facts"]!["lock-until"]!, null) - DateTimeOffset.UtcNow, TimeSpan.FromHours(23), TimeSpan.FromHours(25));
    }

    [Fact]
    public async Task Without_a_lock_it_is_removed_and_every_gap_is_named()
    {
        var bucket = await store.BucketAsync();
        using var run = Run(bucket, null);

        Assert.Equal(0, await run.AgentAsync(StoreCommands.Protect(), Token));

        Assert.Equal("NotProtected", (string?)run.Report["reason"]);
        Assert.Equal("allowed None Off Off", Facts(run));
        Assert.Contains("enable versioning", (string)run.Report["message"]!, StringComparison.Ordinal);
        Assert.Equal(0, await VersionsAsync(bucket));
    }

    [Fact]
    public async Task Credentials_that_may_only_write_are_told_from_a_lock()
    {
        var bucket = await store.BucketAsync(locked: true);
        await store.AllowAsync(bucket, store.StrangerName, "s3:PutObject", "s3:GetObject", "s3:ListBucket");
        using var run = Run(bucket, null, store.Stranger);

        Assert.Equal(0, await run.AgentAsync(StoreCommands.Protect(), Token));

        Assert.Equal("denied", (string?)run.Report["facts"]!["delete"]);
        Assert.Equal("Unknown", (string?)run.Report["facts"]!["versioning"]);
        Assert.Equal("None", (string?)run.Report["facts"]!["lock-mode"]);
    }

    [Fact]
    public async Task A_lock_that_the_bucket_cannot_hold_is_named()
    {
        using var run = Run(await store.BucketAsync(), new(Compliance: true, Days: 1));

        await run.AgentAsync(StoreCommands.Protect(), Token);

        Assert.Contains("made with object lock", (string)run.Report["message"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_earlier_tries_left_goes_when_it_may()
    {
        var bucket = await store.BucketAsync(locked: true);
        await store.AllowAsync(bucket, store.StrangerName, "s3:PutObject", "s3:GetObject", "s3:ListBucket");
        using var owned = store.Store(bucket, prefix: "backups");
        await StackMark.ClaimAsync(owned, new("payments", "ledger", "7b6f7c0e", "redis", "1"), null, TimeProvider.System, Token);
        foreach (var _ in Enumerable.Range(0, 3))
        {
            using var early = Run(bucket, null, store.Stranger);
            await early.AgentAsync(StoreCommands.Protect(), Token);
        }

        Assert.Equal(3, await VersionsAsync(bucket));
        using var run = Run(bucket, new(Compliance: true, Days: 1));
        await run.AgentAsync(StoreCommands.Protect(), Token);

        Assert.Equal(1, await VersionsAsync(bucket));
    }

    private AgentRun Run(string bucket, ObjectLock? wish, StoreCredentials? credentials = null) =>
        new(store, bucket, "20261121t030000z-a1b2c3", "redis-rdb", credentials, order: order => order with { Store = order.Store with { Lock = wish } });

    private static string Facts(AgentRun run) => string.Join(' ', ((string[])["delete", "lock-mode", "object-lock", "versioning"]).Select(name => (string?)run.Report["facts"]![name]));

    private async Task<int> VersionsAsync(string bucket)
    {
        using var left = store.Store(bucket, prefix: "backups");
        return await left.ListVersionsAsync(Canary, Token).CountAsync(Token);
    }
}
