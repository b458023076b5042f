using System.Security.Cryptography;
using Dora.Agent.Backups;
using Dora.Backup.Keys;
using Dora.Backup.Runs;
using Dora.Backup.Sets;
using Dora.Backup.Store;
using Xunit;

namespace Dora.Integration.Tests.Backups;

/// <summary>What a bucket holds is told page by page, to an operator that knows nothing of it or something.</summary>
[Collection(ObjectStoreTests.Name)]
public sealed class RealFindTests(ObjectStoreServer server)
{
    private static readonly SecretKeys Keys = new(new Dictionary<string, byte[]> { [SecretKeys.Current] = SHA256.HashData("a key"u8) });

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task All_pages_together_tell_every_backup_once_the_newest_first_and_each_page_fits()
    {
        var bucket = await server.BucketAsync();
        using var store = Store(bucket);
        foreach (var number in Enumerable.Range(0, 40))
            await WriteAsync(store, Id(number));

        var pages = await PagesAsync(bucket, []);

        Assert.True(pages.Count > 1);
        Assert.Equal(Enumerable.Range(0, 40).Reverse().Select(Id), pages.SelectMany(page => page.Backups).Select(found => found.Id));
        Assert.All(pages.SelectMany(page => page.Backups), found => Assert.Equal(("test", "12"), (found.Content, found.Facts!["count:keys"])));
        Assert.All(pages, page => Assert.Equal((0, 0, (string?)null), (page.Older, page.Unreadable, page.Owner)));
    }

    [Fact]
    public async Task Of_what_is_known_only_that_is_told_which_is_gone()
    {
        var bucket = await server.BucketAsync();
        using var store = Store(bucket);
        foreach (var number in Enumerable.Range(0, 5))
            await WriteAsync(store, Id(number));

        var page = Assert.Single(await PagesAsync(bucket, [Id(0), Id(1), Id(3), Id(7)]));

        Assert.Equal([Id(4), Id(2)], page.Backups.Select(found => found.Id));
        Assert.Equal([Id(7)], page.Gone);
    }

    [Fact]
    public async Task Hundreds_that_are_gone_are_told_page_by_page()
    {
        var bucket = await server.BucketAsync();
        var known = Enumerable.Range(0, 500).Select(Id).ToList();

        var pages = await PagesAsync(bucket, known);

        Assert.Equal(known.AsEnumerable().Reverse(), pages.SelectMany(page => page.Gone));
    }

    [Fact]
    public async Task Older_ones_are_counted_and_told_when_somebody_asks_for_them()
    {
        var bucket = await server.BucketAsync();
        using var store = Store(bucket);
        foreach (var number in Enumerable.Range(0, 6))
            await WriteAsync(store, Id(number));
        await store.PutAsync($"payments/ledger/redis/{Id(9)}/data-00001", new byte[3], Token);

        var page = Assert.Single(await PagesAsync(bucket, [Id(3)], order => order with { Newest = 3, Wanted = [Id(1), Id(8), Id(9)] }));

        Assert.Equal([Id(5), Id(4), Id(1)], page.Backups.Select(found => found.Id));
        Assert.Equal([Id(9), Id(8)], page.Gone);
        Assert.Equal(2, page.Older);
    }

    [Fact]
    public async Task What_the_keys_do_not_open_is_counted_and_the_first_one_says_why()
    {
        var bucket = await server.BucketAsync();
        using var store = Store(bucket);
        await WriteAsync(store, Id(1));
        await WriteAsync(store, Id(2), new(new Dictionary<string, byte[]> { [SecretKeys.Current] = SHA256.HashData("another key"u8) }));
        await store.PutAsync($"payments/ledger/redis/{Id(3)}/manifest.json", "nonsense\n"u8.ToArray(), Token);
        await StackMark.ClaimAsync(store, Origin, null, TimeProvider.System, Token);

        var page = Assert.Single(await PagesAsync(bucket, []));

        Assert.Equal([Id(1)], page.Backups.Select(found => found.Id));
        Assert.Equal((2, Origin.Uid), (page.Unreadable, page.Owner));
        Assert.StartsWith($"{Id(3)}: ", page.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_manifest_that_somebody_changed_is_no_backup_although_it_reads_well()
    {
        var bucket = await server.BucketAsync();
        using var store = Store(bucket);
        var written = await WriteAsync(store, Id(1));
        var file = System.Text.Encoding.UTF8.GetString(await store.GetAsync(written.Manifest.Place.Manifest, 10_000, Token));
        await store.PutAsync(written.Manifest.Place.Manifest, System.Text.Encoding.UTF8.GetBytes(file.Replace("\"12\"", "\"13\"", StringComparison.Ordinal)), Token, replace: true);

        var page = Assert.Single(await PagesAsync(bucket, []));

        Assert.Equal((0, 1), (page.Backups.Count, page.Unreadable));
    }

    [Fact]
    public async Task Facts_that_would_fill_the_report_are_left_in_the_bucket()
    {
        var bucket = await server.BucketAsync();
        using var store = Store(bucket);
        await WriteAsync(store, Id(1), facts: Enumerable.Range(0, 60).ToDictionary(number => $"count:table_{number}", _ => new string('\u00e4', 50)));

        Assert.Null(Assert.Single(Assert.Single(await PagesAsync(bucket, [])).Backups).Facts);
    }

    private static BackupOrigin Origin => new("payments", "ledger", "7b6f7c0e", "redis", "1");

    private static string Id(int number) => $"20261121t{number / 60:D2}{number % 60:D2}00z-a1b2c3";

    private ObjectStore Store(string bucket) => server.Store(bucket, prefix: "backups");

    private static Task<WrittenBackup> WriteAsync(ObjectStore store, string id, SecretKeys? keys = null, IReadOnlyDictionary<string, string>? facts = null) =>
        new BackupWriter(store, keys ?? Keys, TimeProvider.System).RecordAsync(new(id, Origin, "test", facts ?? new Dictionary<string, string> { ["count:keys"] = "12" }), _ => Task.FromResult<IReadOnlyDictionary<string, string>>(new Dictionary<string, string>()), Token);

    // As the operator asks: until a page says that it is the last one.
    private async Task<List<FoundPage>> PagesAsync(string bucket, IReadOnlyList<string> known, Func<FindOrder, FindOrder>? more = null)
    {
        var pages = new List<FoundPage>();
        string? before = null;
        do
        {
            var find = new FindOrder(known, Before: before);
            using var run = new AgentRun(server, bucket, Id(0), "test", order: order => order with { Find = more?.Invoke(find) ?? find });
            Assert.Equal(0, await run.AgentAsync(BackupCommands.Find(), Token));
            var text = run.Report.ToJsonString();
            var report = RunReport.Parse(text)!;
            Assert.True(report.Fits());
            pages.Add(report.Found!);
            before = report.Found!.Next;
        }
        while (before is not null);
        return pages;
    }
}
