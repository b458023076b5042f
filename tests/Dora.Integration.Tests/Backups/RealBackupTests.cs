using System.Security.Cryptography;
using System.Text;
using Amazon.S3.Model;
using Dora.Backup.Keys;
using Dora.Backup.Sets;
using Dora.Backup.Store;
using Dora.Backup.Streams;
using Xunit;

namespace Dora.Integration.Tests.Backups;

/// <summary>Backups on a real object store: what was written comes back, and nothing else is ever taken for it.</summary>
[Collection(ObjectStoreTests.Name)]
public sealed class RealBackupTests(ObjectStoreServer server)
{
    private const int Large = (3 * ObjectStore.PartBytes) + 12_345;

    private static readonly BackupOrigin Origin = new("payments", "ledger", "7b6f7c0e", "redis", "7.0");
    private static readonly SecretKeys Keys = new(new Dictionary<string, byte[]> { [SecretKeys.Current] = SHA256.HashData("a key"u8) });
    private static readonly BackupPlace Place = new("payments", "ledger", "redis", "20261121t030000z-a1b2c3");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0)]
    [InlineData(1_000)]
    [InlineData(ObjectStore.PartBytes)]
    [InlineData(Large)]
    public async Task What_was_backed_up_comes_back(int length)
    {
        using var store = server.Store(await server.BucketAsync());
        var data = Noise(length);
        var written = await WriteAsync(store, data);
        var (manifest, plain) = await ReadAsync(store);

        Assert.Equal(data, plain);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(data)), manifest.Plain.Sha256);
        Assert.Equal(written.Manifest.Objects, manifest.Objects);
        Assert.Equal("1204", manifest.Facts["position"]);
    }

    [Fact]
    public async Task Nothing_of_the_data_stands_in_the_store_in_the_clear()
    {
        var bucket = await server.BucketAsync();
        using var store = server.Store(bucket);
        var secret = Encoding.ASCII.GetBytes("IBAN DE02 1203 0000 0000 2020 51");
        await WriteAsync(store, secret);

        foreach (var name in await NamesAsync(store))
            Assert.Equal(-1, (await store.GetAsync(name, 1_000_000, Token)).AsSpan().IndexOf(secret));
    }

    [Fact]
    public async Task A_stream_that_is_larger_than_an_object_goes_into_several_and_comes_back_as_one()
    {
        using var store = server.Store(await server.BucketAsync());
        var data = Noise(100_000);
        await using var split = new SplitWriter(store, Place, most: 30_000);
        await split.WriteAsync(data, Token);
        var objects = await split.CompleteAsync(Token);
        await using var joined = new JoinedReader(store, objects);
        using var plain = new MemoryStream();
        await joined.CopyToAsync(plain, Token);

        Assert.Equal([30_000L, 30_000L, 30_000L, 10_000L], objects.Select(stored => stored.Bytes));
        Assert.Equal(data, plain.ToArray());
    }

    [Fact]
    public async Task A_tool_that_failed_leaves_no_backup_and_no_unfinished_upload()
    {
        var bucket = await server.BucketAsync();
        using var store = server.Store(bucket);
        using var source = new MemoryStream(Noise(Large));

        await Assert.ThrowsAsync<InvalidOperationException>(() => new BackupWriter(store, Keys, TimeProvider.System).WriteAsync(Order, source, _ => throw new InvalidOperationException("redis-cli ended with 1"), _ => { }, Token));

        Assert.Empty(await NamesAsync(store));
        Assert.Equal(0, await UnfinishedAsync(bucket));
    }

    [Fact]
    public async Task A_run_that_is_given_up_leaves_no_unfinished_upload()
    {
        var bucket = await server.BucketAsync();
        using var store = server.Store(bucket);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        using var source = new MemoryStream(Noise(Large));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => new BackupWriter(store, Keys, TimeProvider.System).WriteAsync(Order, source, Whole, taken =>
        {
            if (taken > 2 * ObjectStore.PartBytes)
                stop.Cancel();
        }, stop.Token));

        Assert.Empty(await NamesAsync(store));
        Assert.Equal(0, await UnfinishedAsync(bucket));
    }

    [Fact]
    public async Task One_flipped_byte_is_found_wherever_it_is()
    {
        var bucket = await server.BucketAsync();
        using var store = server.Store(bucket);
        var written = await WriteAsync(store, Noise(2_000_000));
        var name = written.Manifest.Objects[0].Name;
        var bytes = await store.GetAsync(name, 10_000_000, Token);
        foreach (var at in (int[])[0, 9, 60, bytes.Length / 2, bytes.Length - 1])
        {
            var changed = bytes.ToArray();
            changed[at] ^= 1;
            await OverwriteAsync(bucket, name, changed);

            await Assert.ThrowsAsync<SealBrokenException>(() => ReadAsync(store));
        }
    }

    [Fact]
    public async Task An_object_that_became_shorter_is_found()
    {
        var bucket = await server.BucketAsync();
        using var store = server.Store(bucket);
        var written = await WriteAsync(store, Noise(2_000_000));
        var name = written.Manifest.Objects[0].Name;
        await OverwriteAsync(bucket, name, (await store.GetAsync(name, 10_000_000, Token))[..1_000_000]);

        var thrown = await Record.ExceptionAsync(() => ReadAsync(store));

        Assert.True(thrown is SealBrokenException or StoreException, $"{thrown}");
    }

    [Fact]
    public async Task A_missing_object_is_named()
    {
        using var store = server.Store(await server.BucketAsync());
        var written = await WriteAsync(store, Noise(1_000));
        await store.DeleteAsync(written.Manifest.Objects[0].Name, null, Token);

        var exception = await Assert.ThrowsAsync<StoreException>(() => ReadAsync(store));

        Assert.Equal(StoreProblem.NotFound, exception.Problem);
        Assert.Contains("data-00001", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_key_opens_nothing_and_is_named()
    {
        using var store = server.Store(await server.BucketAsync());
        await WriteAsync(store, Noise(1_000));
        var others = new SecretKeys(new Dictionary<string, byte[]> { [SecretKeys.Current] = SHA256.HashData("another key"u8) });

        await Assert.ThrowsAsync<KeyRefusedException>(() => new BackupReader(store, others).ManifestAsync(Place, Token));
    }

    [Fact]
    public async Task A_manifest_that_was_put_in_another_ones_place_is_not_taken_for_it()
    {
        var bucket = await server.BucketAsync();
        using var store = server.Store(bucket);
        await WriteAsync(store, Noise(1_000));
        var other = Place with { Id = "20261121t040000z-d4e5f6" };
        await OverwriteAsync(bucket, other.Manifest, await store.GetAsync(Place.Manifest, 100_000, Token));

        await Assert.ThrowsAsync<SealBrokenException>(() => new BackupReader(store, Keys).ManifestAsync(other, Token));
    }

    [Fact]
    public async Task What_is_locked_cannot_be_removed_and_says_until_when()
    {
        using var store = server.Store(await server.BucketAsync(locked: true), objectLock: new(Compliance: true, Days: 1));
        var written = await WriteAsync(store, Noise(Large));
        foreach (var stored in written.Manifest.Objects.Append(new(Place.Manifest, 0, "", written.ManifestVersion)))
        {
            var held = await store.LockOfAsync(stored, Token);

            Assert.True(held!.Value.Compliance);
            Assert.InRange(held.Value.Until - DateTimeOffset.UtcNow, TimeSpan.FromHours(23), TimeSpan.FromHours(25));
            Assert.Equal(StoreProblem.Denied, (await Assert.ThrowsAsync<StoreException>(() => store.DeleteAsync(stored.Name, stored.Version, Token))).Problem);
        }
    }

    [Fact]
    public async Task Where_nothing_is_locked_that_is_what_is_read()
    {
        using var store = server.Store(await server.BucketAsync());
        var written = await WriteAsync(store, Noise(10));

        Assert.Null(await store.LockOfAsync(written.Manifest.Objects[0], Token));
    }

    [Fact]
    public async Task What_was_written_over_is_read_in_the_version_that_the_manifest_names()
    {
        var bucket = await server.BucketAsync(locked: true);
        using var store = server.Store(bucket);
        var data = Noise(1_000);
        var written = await WriteAsync(store, data);
        await OverwriteAsync(bucket, written.Manifest.Objects[0].Name, new byte[10]);

        Assert.Equal(data, (await ReadAsync(store)).Plain);
    }

    [Fact]
    public async Task A_store_that_is_away_for_a_while_costs_only_time()
    {
        using var store = server.Store(await server.BucketAsync());
        var data = Noise(Large);
        var outage = Task.CompletedTask;
        using var source = new MemoryStream(data);
        await new BackupWriter(store, Keys, TimeProvider.System).WriteAsync(Order, source, Whole, taken =>
        {
            if (taken > ObjectStore.PartBytes && outage.IsCompleted && taken < 2 * ObjectStore.PartBytes)
                outage = BlinkAsync();
        }, Token);
        await outage;

        Assert.Equal(data, (await ReadAsync(store)).Plain);
    }

    [Fact]
    public async Task A_restore_goes_on_where_its_connection_broke()
    {
        using var store = server.Store(await server.BucketAsync());
        var data = Noise(Large);
        var written = await WriteAsync(store, data);
        await using var reader = store.Read(written.Manifest.Objects[0]);
        using var read = new MemoryStream();
        var buffer = new byte[100_000];
        await reader.ReadExactlyAsync(buffer, Token);
        read.Write(buffer);
        await server.StopAsync();
        await server.StartAsync();
        await reader.CopyToAsync(read, Token);

        Assert.Equal(written.Manifest.Objects[0].Sha256, Convert.ToHexStringLower(SHA256.HashData(read.ToArray())));
    }

    [Fact]
    public async Task Two_stacks_of_one_name_do_not_share_a_folder()
    {
        using var store = server.Store(await server.BucketAsync());
        await StackMark.ClaimAsync(store, Origin, null, TimeProvider.System, Token);
        await StackMark.ClaimAsync(store, Origin, null, TimeProvider.System, Token);

        var exception = await Assert.ThrowsAsync<StoreException>(() => StackMark.ClaimAsync(store, Origin with { Uid = "other" }, null, TimeProvider.System, Token));

        Assert.Equal(StoreProblem.Taken, exception.Problem);
        Assert.Contains("spec.backup.adopt: 7b6f7c0e", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_wrong_with_a_store_is_said_so_that_somebody_can_mend_it()
    {
        var bucket = await server.BucketAsync();
        using var nowhere = server.Store("no-such-bucket", tries: 0);
        using var denied = server.Store(bucket, server.Stranger, tries: 0);
        using var wrong = server.Store(bucket, server.Owner with { SecretAccessKey = "wrong" }, tries: 0);
        using var untrusted = new ObjectStore(new(server.Endpoint, bucket), server.Owner, null, TimeProvider.System, tries: 0);
        using var away = new ObjectStore(new(new("https://127.0.0.1:1"), bucket), server.Owner, server.Authority, TimeProvider.System, tries: 0);

        Assert.Equal(StoreProblem.NoBucket, await ProblemAsync(nowhere));
        Assert.Equal(StoreProblem.Denied, await ProblemAsync(denied));
        Assert.Equal(StoreProblem.Denied, await ProblemAsync(wrong));
        Assert.Equal(StoreProblem.Untrusted, await ProblemAsync(untrusted));
        Assert.Equal(StoreProblem.Unreachable, await ProblemAsync(away));
    }

    [Fact]
    public async Task A_listing_of_more_than_a_page_is_whole()
    {
        using var store = server.Store(await server.BucketAsync());
        await Parallel.ForEachAsync(Enumerable.Range(0, 1_100), new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = Token }, async (number, token) => await store.PutAsync($"many/{number:D5}", new byte[1], token));

        Assert.Equal(Enumerable.Range(0, 1_100).Select(number => $"many/{number:D5}"), await NamesAsync(store));
    }

    private static BackupOrder Order => new(Place.Id, Origin, "redis-rdb", new Dictionary<string, string> { ["source"] = "ledger-redis-1" });

    private static Task<IReadOnlyDictionary<string, string>> Whole(CancellationToken token) =>
        Task.FromResult<IReadOnlyDictionary<string, string>>(new Dictionary<string, string> { ["position"] = "1204" });

    private static byte[] Noise(int length)
    {
        var data = new byte[length];
        // Half of it can be compressed.
        new Random(17).NextBytes(data.AsSpan(0, length / 2));
        return data;
    }

    private static async Task<WrittenBackup> WriteAsync(ObjectStore store, byte[] data)
    {
        using var source = new MemoryStream(data);
        return await new BackupWriter(store, Keys, TimeProvider.System).WriteAsync(Order, source, Whole, _ => { }, Token);
    }

    private static async Task<(BackupManifest Manifest, byte[] Plain)> ReadAsync(ObjectStore store)
    {
        var reader = new BackupReader(store, Keys);
        var manifest = await reader.ManifestAsync(Place, Token);
        using var plain = new MemoryStream();
        await reader.CopyToAsync(manifest, plain, _ => { }, Token);
        return (manifest, plain.ToArray());
    }

    private static async Task<List<string>> NamesAsync(ObjectStore store)
    {
        var names = new List<string>();
        await foreach (var found in store.ListAsync("", Token))
            names.Add(found.Name);
        return names;
    }

    private static async Task<StoreProblem> ProblemAsync(ObjectStore store) =>
        (await Assert.ThrowsAsync<StoreException>(() => store.PutAsync("a", new byte[1], Token))).Problem;

    private async Task OverwriteAsync(string bucket, string name, byte[] content)
    {
        using var client = server.Client();
        using var body = new MemoryStream(content);
        await client.PutObjectAsync(new PutObjectRequest { BucketName = bucket, Key = $"backups/eu/{name}", InputStream = body }, Token);
    }

    private async Task<int> UnfinishedAsync(string bucket)
    {
        using var client = server.Client();
        return (await client.ListMultipartUploadsAsync(new ListMultipartUploadsRequest { BucketName = bucket }, Token)).MultipartUploads?.Count ?? 0;
    }

    private async Task BlinkAsync()
    {
        await server.StopAsync();
        await server.StartAsync();
    }
}
