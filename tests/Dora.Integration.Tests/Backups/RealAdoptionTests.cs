using System.Text;
using Dora.Agent.Backups;
using Dora.Backup.Sets;
using Dora.Backup.Store;
using Dora.Backup.Streams;
using Xunit;

namespace Dora.Integration.Tests.Backups;

/// <summary>A stack that was built anew takes over the folder of the one that is gone, and nobody takes anybody's by mistake.</summary>
[Collection(ObjectStoreTests.Name)]
public sealed class RealAdoptionTests(ObjectStoreServer server)
{
    private const string Mark = "payments/ledger/stack.json";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_folder_is_taken_over_from_the_stack_that_is_named_and_that_one_is_refused_from_then_on(bool locked)
    {
        using var store = server.Store(await server.BucketAsync(locked), objectLock: locked ? new(Compliance: false, Days: 1) : null);
        await ClaimAsync(store, "old");
        await Assert.ThrowsAsync<StoreException>(() => ClaimAsync(store, "new", adopt: "another"));

        var mark = await ClaimAsync(store, "new", adopt: "old");

        var former = Assert.Single(mark.Former!);
        Assert.Equal(("new", "old", "new"), (mark.Uid, former.Uid, former.By));
        Assert.Equal(mark.Since, mark.TakenOver);
        Assert.Equal(mark, await ClaimAsync(store, "new", adopt: "old") with { Former = mark.Former });
        var refused = await Assert.ThrowsAsync<StoreException>(() => ClaimAsync(store, "old"));
        Assert.Equal(StoreProblem.Taken, refused.Problem);
        Assert.Contains("spec.backup.adopt: new", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_stacks_that_name_each_other_do_not_take_it_in_turns()
    {
        using var store = server.Store(await server.BucketAsync());
        await ClaimAsync(store, "old");
        await ClaimAsync(store, "new", adopt: "old");
        await ClaimAsync(store, "old", adopt: "new");

        var refused = await Assert.ThrowsAsync<StoreException>(() => ClaimAsync(store, "new", adopt: "old"));

        Assert.Contains("lost it to old", refused.Message, StringComparison.Ordinal);
        Assert.Equal("old", (await StackMark.ReadAsync(store, Mark, Token))!.Uid);
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("null")]
    [InlineData("{\"uid\":\"\",\"since\":\"2026-11-21T03:00:00Z\"}")]
    public async Task A_mark_that_cannot_be_read_is_never_written_over(string text)
    {
        using var store = server.Store(await server.BucketAsync());
        await store.PutAsync(Mark, Encoding.UTF8.GetBytes(text), Token);

        await Assert.ThrowsAsync<SealBrokenException>(() => ClaimAsync(store, "new", adopt: "old"));

        Assert.Equal(text, Encoding.UTF8.GetString(await store.GetAsync(Mark, 1000, Token)));
    }

    [Fact]
    public async Task Who_was_it_before_is_kept_and_the_mark_stays_small()
    {
        using var store = server.Store(await server.BucketAsync());
        await ClaimAsync(store, "stack-0");
        for (var number = 1; number <= 20; number++)
            await ClaimAsync(store, $"stack-{number}", adopt: $"stack-{number - 1}");

        var mark = (await StackMark.ReadAsync(store, Mark, Token))!;

        Assert.Equal(16, mark.Former!.Count);
        Assert.Equal("stack-19", mark.Former[^1].Uid);
    }

    [Fact]
    public async Task In_the_folder_of_another_stack_every_run_that_writes_is_refused_and_a_drill_reads_it()
    {
        var bucket = await server.BucketAsync();
        await BackUpAsync(bucket, "20261121t030000z-aaaaaa", "old");

        Assert.Equal("StoreTaken", await BackUpAsync(bucket, "20261121t040000z-bbbbbb", "new"));
        Assert.Equal("StoreTaken", await RunAsync(bucket, StoreCommands.Expire(), "new"));
        Assert.Equal("StoreTaken", await RunAsync(bucket, StoreCommands.Protect(), "new"));
        Assert.Equal("StoreTaken", await RunAsync(bucket, BackupCommands.Verify(), "new", claims: true));
        Assert.Equal("StoreTaken", await RunAsync(bucket, BackupCommands.Inspect(), "new", claims: true));
        Assert.Equal("StoreTaken", await RunAsync(bucket, BackupCommands.Follow(), "new", claims: true));

        using var run = Run(bucket, "20261121t030000z-aaaaaa", "new");
        Assert.Equal(0, await run.AgentAsync(BackupCommands.Verify(), Token));
        using var client = server.Client();
        var objects = await client.ListObjectsV2Async(new() { BucketName = bucket, Prefix = "backups/payments/ledger/redis/" }, Token);
        Assert.Equal(["data-00001", "manifest.json"], objects.S3Objects.Select(found => found.Key.Split('/')[^1]));
    }

    [Fact]
    public async Task After_the_adoption_backups_of_both_stacks_are_one_series_and_for_a_week_nothing_goes()
    {
        var bucket = await server.BucketAsync();
        await BackUpAsync(bucket, "20261121t030000z-aaaaaa", "old");
        Assert.Equal("Completed", await BackUpAsync(bucket, "20261121t040000z-bbbbbb", "new", adopt: "old"));
        using var expire = Run(bucket, "20261121t040000z-bbbbbb", "new", adopt: "old");

        Assert.Equal(0, await expire.AgentAsync(StoreCommands.Expire(), Token));

        Assert.StartsWith("20", (string?)expire.Report["facts"]!["waits-until"], StringComparison.Ordinal);
        foreach (var id in (string[])["20261121t030000z-aaaaaa", "20261121t040000z-bbbbbb"])
        {
            using var run = Run(bucket, id, "new");
            Assert.Equal(0, await run.AgentAsync(BackupCommands.Verify(), Token));
        }

        Assert.Equal("StoreTaken", await BackUpAsync(bucket, "20261121t050000z-cccccc", "old"));
    }

    private static Task<StackMark> ClaimAsync(ObjectStore store, string uid, string? adopt = null) =>
        StackMark.ClaimAsync(store, new("payments", "ledger", uid, "redis", "1"), adopt, TimeProvider.System, Token);

    private AgentRun Run(string bucket, string id, string uid, string? adopt = null, bool claims = false) =>
        new(server, bucket, id, "test", order: order => order with { Origin = order.Origin with { Uid = uid }, Adopt = adopt, Claims = claims, Keep = new(Last: 1) });

    private async Task<string?> RunAsync(string bucket, System.CommandLine.Command command, string uid, bool claims = false)
    {
        using var run = Run(bucket, "20261121t030000z-aaaaaa", uid, claims: claims);
        await run.AgentAsync(command, Token);
        return (string?)run.Report["reason"];
    }

    private async Task<string?> BackUpAsync(string bucket, string id, string uid, string? adopt = null)
    {
        using var run = Run(bucket, id, uid, adopt);
        await run.PrepareAsync(Token);
        await using var tool = run.Shell("printf data >\"$STAGE/data\"; outcome exit=0");
        await run.AgentAsync(BackupCommands.Backup(), Token);
        return (string?)run.Report["reason"];
    }
}
