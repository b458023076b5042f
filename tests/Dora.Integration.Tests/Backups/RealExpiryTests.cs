using System.Security.Cryptography;
using Dora.Backup.Keeping;
using Dora.Backup.Keys;
using Dora.Backup.Sets;
using Dora.Backup.Store;
using Dora.Testing;
using Xunit;

namespace Dora.Integration.Tests.Backups;

/// <summary>Backups leave a real object store when no rule keeps them, and not before.</summary>
[Collection(ObjectStoreTests.Name)]
public sealed class RealExpiryTests(ObjectStoreServer server)
{
    private const string Folder = "payments/ledger/redis/";

    private static readonly SecretKeys Keys = new(new Dictionary<string, byte[]> { [SecretKeys.Current] = SHA256.HashData("a key"u8) });

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_no_rule_keeps_is_gone_with_all_its_versions_and_the_rest_can_be_read(bool versioned)
    {
        using var store = server.Store(await server.BucketAsync(locked: versioned));
        foreach (var day in Enumerable.Range(1, 6))
            await WriteAsync(store, day);
        await NoteAsync(store, 2);
        var log = new List<string>();

        var report = await ExpireAsync(store, new(Last: 2), log);

        Assert.Equal([Id(1), Id(3), Id(4)], report.Removed);
        Assert.Equal(3, report.Kept);
        Assert.Equal(3, log.Count);
        Assert.Equal([Id(2), Id(5), Id(6)], await FoldersAsync(store));
        foreach (var day in (int[])[2, 5, 6])
            await ReadAsync(store, day);
    }

    [Fact]
    public async Task What_is_locked_stays_whole_and_is_named()
    {
        var bucket = await server.BucketAsync(locked: true);
        using var locking = server.Store(bucket, objectLock: new(Compliance: true, Days: 1));
        using var plain = server.Store(bucket);
        await WriteAsync(locking, 1);
        await WriteAsync(plain, 2);
        await WriteAsync(plain, 3);

        var report = await ExpireAsync(plain, new(Last: 1), []);

        Assert.Equal([Id(1)], report.Locked);
        Assert.Equal([Id(2)], report.Removed);
        await ReadAsync(plain, 1);
    }

    [Fact]
    public async Task What_a_backup_builds_on_stays_as_long_as_it_does()
    {
        using var store = server.Store(await server.BucketAsync());
        await WriteAsync(store, 1);
        await WriteAsync(store, 2, prior: 1);
        await WriteAsync(store, 3, prior: 2);
        await WriteAsync(store, 4);
        await WriteAsync(store, 5);
        await WriteAsync(store, 6, prior: 5);
        await NoteAsync(store, 3);

        var report = await ExpireAsync(store, new(Last: 1), []);

        Assert.Equal([Id(4)], report.Removed);
        Assert.Equal([Id(1), Id(2), Id(3), Id(5), Id(6)], await FoldersAsync(store));
    }

    [Fact]
    public async Task A_backup_whose_manifest_cannot_be_read_is_told_and_holds_up_nothing()
    {
        var bucket = await server.BucketAsync();
        using var store = server.Store(bucket);
        foreach (var day in Enumerable.Range(1, 3))
            await WriteAsync(store, day);
        await store.PutAsync(Place(3).Manifest, "nonsense"u8.ToArray(), Token, replace: true);
        var log = new List<string>();

        var report = await ExpireAsync(store, new(Last: 2), log);

        Assert.Equal([Id(1)], report.Removed);
        Assert.Contains(log, line => line.StartsWith(Place(3).Manifest, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_rules_nothing_goes()
    {
        using var store = server.Store(await server.BucketAsync());
        await WriteAsync(store, 1);
        await WriteAsync(store, 2);

        Assert.Empty((await ExpireAsync(store, new(), [])).Removed);
    }

    [Fact]
    public async Task What_a_run_left_behind_goes_after_days_and_never_while_it_may_still_run()
    {
        using var store = server.Store(await server.BucketAsync());
        await store.PutAsync($"{Folder}{Id(1)}/data-00001", new byte[10], Token);
        await WriteAsync(store, 2);
        var now = await ExpireAsync(store, new(Last: 1), []);
        var later = await new Expiry(store, new ManualClock(DateTimeOffset.UtcNow.AddDays(4))).RunAsync(Folder, new(Last: 1), TimeZoneInfo.Utc, _ => { }, Token);

        Assert.Empty(now.Leftovers);
        Assert.Equal([Id(1)], later.Leftovers);
        Assert.Equal([Id(2)], await FoldersAsync(store));
    }

    [Fact]
    public async Task What_is_not_ours_is_left_alone()
    {
        using var store = server.Store(await server.BucketAsync());
        string[] foreign = ["payments/ledger/stack.json", $"{Folder}readme.txt", $"{Folder}notes/manifest.json", "payments/ledger-2/redis/20200101t000000z-aaaaaa/manifest.json"];
        foreach (var name in foreign)
            await store.PutAsync(name, new byte[1], Token);
        await WriteAsync(store, 1);
        await new Expiry(store, new ManualClock(DateTimeOffset.UtcNow.AddYears(1))).RunAsync(Folder, new(Last: 1), TimeZoneInfo.Utc, _ => { }, Token);

        foreach (var name in foreign)
            Assert.Single(await store.GetAsync(name, 10, Token));
    }

    [Fact]
    public async Task Who_may_not_remove_is_told_so()
    {
        var bucket = await server.BucketAsync();
        using var store = server.Store(bucket);
        using var denied = server.Store(bucket, server.Stranger, tries: 0);
        await WriteAsync(store, 1);

        Assert.Equal(StoreProblem.Denied, (await Assert.ThrowsAsync<StoreException>(() => ExpireAsync(denied, new(Last: 1), []))).Problem);
    }

    private static string Id(int day) => $"202611{day:D2}t030000z-a1b2c3";

    private static BackupPlace Place(int day) => new("payments", "ledger", "redis", Id(day));

    private static Task<ExpiryReport> ExpireAsync(ObjectStore store, KeepRules rules, List<string> log) =>
        new Expiry(store, TimeProvider.System).RunAsync(Folder, rules, TimeZoneInfo.Utc, line =>
        {
            lock (log)
                log.Add(line);
        }, Token);

    private static async Task WriteAsync(ObjectStore store, int day, int? prior = null)
    {
        var facts = prior is { } before ? new Dictionary<string, string> { ["prior"] = Id(before) } : [];
        using var source = new MemoryStream(new byte[1000]);
        await new BackupWriter(store, Keys, TimeProvider.System).WriteAsync(new(Id(day), new("payments", "ledger", "7b6f7c0e", "redis", "7.0"), "redis-rdb", facts), source, _ => Task.FromResult<IReadOnlyDictionary<string, string>>(new Dictionary<string, string>()), _ => { }, Token);
    }

    private static async Task ReadAsync(ObjectStore store, int day)
    {
        var reader = new BackupReader(store, Keys);
        await reader.CopyToAsync(await reader.ManifestAsync(Place(day), Token), Stream.Null, _ => { }, Token);
    }

    private static async Task NoteAsync(ObjectStore store, int day)
    {
        var reader = new BackupReader(store, Keys);
        await reader.NoteAsync(await reader.ManifestAsync(Place(day), Token), TimeProvider.System, Token);
    }

    private static async Task<List<string>> FoldersAsync(ObjectStore store)
    {
        var folders = new List<string>();
        await foreach (var stored in store.ListVersionsAsync(Folder, Token))
            folders.Add(stored.Name.Split('/')[3]);
        return [.. folders.Distinct().Order(StringComparer.Ordinal)];
    }
}
