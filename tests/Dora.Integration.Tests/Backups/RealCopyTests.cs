using System.Security.Cryptography;
using Amazon.S3.Model;
using Dora.Agent.Backups;
using Dora.Backup.Copies;
using Dora.Backup.Keeping;
using Dora.Backup.Keys;
using Dora.Backup.Runs;
using Dora.Backup.Sets;
using Dora.Backup.Store;
using Dora.Backup.Streams;
using Xunit;

namespace Dora.Integration.Tests.Backups;

/// <summary>Backups in a second bucket of a real object store: whole, or not there at all.</summary>
[Collection(ObjectStoreTests.Name)]
public sealed class RealCopyTests(ObjectStoreServer server)
{
    private const int Large = (2 * ObjectStore.PartBytes) + 12_345;
    private const string Prefix = "copies";

    private static readonly BackupOrigin Origin = new("payments", "ledger", "7b6f7c0e", "redis", "7.0");
    private static readonly SecretKeys Keys = new(new Dictionary<string, byte[]> { [SecretKeys.Current] = SHA256.HashData("a key"u8) });
    private static readonly BackupPlace Place = new("payments", "ledger", "redis", "20261121t030000z-a1b2c3");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0, false)]
    [InlineData(Large, false)]
    [InlineData(Large, true)]
    public async Task A_copy_opens_with_the_keys_of_the_backup_and_holds_the_same_bytes(int length, bool versioned)
    {
        var (first, second) = (await server.BucketAsync(versioned), await server.BucketAsync(versioned));
        using var source = Source(first);
        var data = Noise(length);
        var written = await WriteAsync(source, data);
        using var run = Run(first, second);

        Assert.Equal(0, await run.AgentAsync(CopyCommand.Create(), Token));

        using var target = Target(second);
        Assert.Equal(written.ManifestSha256, (string?)run.Report["manifest"]);
        Assert.Equal(await source.GetAsync(Place.Manifest, 100_000, Token), await target.GetAsync(Place.Manifest, 100_000, Token));
        Assert.Equal(data, await ReadAsync(target));
        Assert.Equal("7b6f7c0e", (await StackMark.ReadAsync(target, StackMark.Name("payments", "ledger"), Token))!.Uid);
    }

    [Fact]
    public async Task What_is_there_whole_is_not_sent_again_and_what_went_there_is()
    {
        var (source, target) = (Source(await server.BucketAsync()), Target(await server.BucketAsync()));
        using (source)
        using (target)
        {
            var written = await WriteAsync(source, Noise(1000));
            Assert.Equal(1, (await CopyAsync(source, target)).Sent);
            Assert.Equal(0, (await CopyAsync(source, target)).Sent);

            await target.DeleteAsync(written.Manifest.Objects[0].Name, null, Token);
            Assert.Equal(1, (await CopyAsync(source, target)).Sent);
            Assert.Equal(Noise(1000), await ReadAsync(target));
        }
    }

    [Fact]
    public async Task A_copy_that_was_given_up_is_no_backup_and_goes_on_where_it_was()
    {
        var second = await server.BucketAsync();
        using var source = Source(await server.BucketAsync());
        using var target = Target(second);
        var manifest = await WriteObjectsAsync(source, Noise(3 * Large), Large);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => new BackupCopier(source, target, TimeProvider.System).CopyAsync(Place, null, flowed =>
        {
            if (flowed > Large + ObjectStore.PartBytes)
                stop.Cancel();
        }, stop.Token));

        Assert.Equal([manifest.Objects[0].Name], await NamesAsync(target));
        Assert.Equal(0, await UnfinishedAsync(second));
        var copied = await CopyAsync(source, target);
        Assert.Equal((2, 2L * Large), (copied.Sent, copied.SentBytes));
    }

    [Fact]
    public async Task What_an_earlier_run_left_is_read_before_it_is_believed()
    {
        var second = await server.BucketAsync();
        using var source = Source(await server.BucketAsync());
        using var target = Target(second);
        var written = await WriteAsync(source, Noise(5000));
        await CopyAsync(source, target);
        await target.DeleteAsync(Place.Manifest, null, Token);
        await server.FlipAsync(second, $"{Prefix}/{written.Manifest.Objects[0].Name}", Token);

        Assert.Equal(1, (await CopyAsync(source, target)).Sent);
        Assert.Equal(Noise(5000), await ReadAsync(target));
    }

    [Fact]
    public async Task A_flipped_byte_at_the_source_is_seen_and_not_copied()
    {
        var (first, second) = (await server.BucketAsync(), await server.BucketAsync());
        using var source = Source(first);
        using var target = Target(second);
        var written = await WriteAsync(source, Noise(Large));
        await server.FlipAsync(first, $"backups/{written.Manifest.Objects[0].Name}", Token);
        using var run = Run(first, second);

        Assert.Equal(1, await run.AgentAsync(CopyCommand.Create(), Token));

        Assert.Equal("BackupBroken", (string?)run.Report["reason"]);
        Assert.Equal([StackMark.Name("payments", "ledger")], await NamesAsync(target));
        Assert.Equal(0, await UnfinishedAsync(second));
    }

    [Fact]
    public async Task A_missing_object_is_named_and_leaves_no_copy()
    {
        using var source = Source(await server.BucketAsync());
        using var target = Target(await server.BucketAsync());
        var manifest = await WriteObjectsAsync(source, Noise(3000), 1000);
        await source.DeleteAsync(manifest.Objects[1].Name, null, Token);

        var exception = await Assert.ThrowsAsync<StoreException>(() => CopyAsync(source, target));

        Assert.Equal(StoreProblem.NotFound, exception.Problem);
        Assert.Contains("data-00002", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Place.Manifest, await NamesAsync(target));
    }

    [Fact]
    public async Task A_manifest_that_was_replaced_is_not_the_one_that_was_written()
    {
        var (first, second) = (await server.BucketAsync(), await server.BucketAsync());
        using var source = Source(first);
        await WriteAsync(source, Noise(10));
        using var run = Run(first, second, order => order with { Copy = order.Copy! with { Manifest = new string('0', 64) } });

        Assert.Equal(1, await run.AgentAsync(CopyCommand.Create(), Token));

        Assert.Equal("BackupBroken", (string?)run.Report["reason"]);
    }

    [Fact]
    public async Task Who_can_write_to_the_first_place_does_not_spoil_the_second()
    {
        using var source = Source(await server.BucketAsync());
        using var target = Target(await server.BucketAsync());
        await WriteAsync(source, Noise(1000));
        await CopyAsync(source, target);
        await source.DeleteAsync(Place.Manifest, null, Token);
        await source.DeleteAsync(Place.Data(1), null, Token);
        await WriteAsync(source, Noise(2000));

        Assert.Contains("another backup of this ID", (await Assert.ThrowsAsync<SealBrokenException>(() => CopyAsync(source, target))).Message, StringComparison.Ordinal);

        Assert.Equal(Noise(1000), await ReadAsync(target));
    }

    [Fact]
    public async Task The_lock_of_the_second_place_holds_there()
    {
        using var source = Source(await server.BucketAsync());
        using var target = server.Store(await server.BucketAsync(locked: true), objectLock: new(Compliance: true, Days: 1), prefix: Prefix);
        await WriteAsync(source, Noise(Large));
        await CopyAsync(source, target);

        await foreach (var stored in target.ListVersionsAsync(Place.Folder, Token))
        {
            Assert.True((await target.LockOfAsync(new(stored.Name, stored.Bytes, "", stored.Version), Token))!.Value.Compliance);
            Assert.Equal(StoreProblem.Denied, (await Assert.ThrowsAsync<StoreException>(() => target.DeleteAsync(stored.Name, stored.Version, Token))).Problem);
        }
    }

    [Fact]
    public async Task A_second_place_that_is_denied_not_trusted_or_anothers_is_named()
    {
        var (first, second) = (await server.BucketAsync(), await server.BucketAsync());
        using var source = Source(first);
        await WriteAsync(source, Noise(10));
        using var denied = Run(first, second);
        denied.Target(server.Stranger, server.Authority);
        await denied.AgentAsync(CopyCommand.Create(), Token);
        Assert.Equal("StoreDenied", (string?)denied.Report["reason"]);
        Assert.Contains(second, (string?)denied.Report["message"], StringComparison.Ordinal);

        using var another = Run(first, second);
        another.Target(server.Owner, OtherAuthority());
        await another.AgentAsync(CopyCommand.Create(), Token);
        Assert.Equal("StoreUntrusted", (string?)another.Report["reason"]);

        using var target = Target(second);
        await StackMark.ClaimAsync(target, Origin with { Uid = "another" }, null, TimeProvider.System, Token);
        using var claimed = Run(first, second);
        await claimed.AgentAsync(CopyCommand.Create(), Token);
        Assert.Equal("StoreTaken", (string?)claimed.Report["reason"]);
        Assert.Equal([StackMark.Name("payments", "ledger")], await NamesAsync(target));
    }

    [Fact]
    public async Task A_store_that_is_away_for_a_while_costs_a_copy_only_time()
    {
        using var source = Source(await server.BucketAsync());
        using var target = Target(await server.BucketAsync());
        await WriteAsync(source, Noise(4 * Large));
        var outage = Task.CompletedTask;
        var begun = false;
        await new BackupCopier(source, target, TimeProvider.System).CopyAsync(Place, null, _ =>
        {
            if (!begun)
                outage = BlinkAsync();
            begun = true;
        }, Token);
        await outage;

        Assert.Equal(Noise(4 * Large), await ReadAsync(target));
    }

    [Fact]
    public async Task Rules_of_the_second_place_remove_copies_whole()
    {
        using var source = Source(await server.BucketAsync());
        using var target = Target(await server.BucketAsync(locked: true));
        foreach (var hour in (int[])[1, 2, 3])
        {
            await WriteAsync(source, Noise(100), At(hour));
            await new BackupCopier(source, target, TimeProvider.System).CopyAsync(At(hour), null, _ => { }, Token);
        }

        var report = await new Expiry(target, TimeProvider.System).RunAsync(Place.EngineFolder, new(Last: 1), TimeZoneInfo.Utc, _ => { }, Token);

        Assert.Equal([At(1).Id, At(2).Id], report.Removed);
        Assert.All(await NamesAsync(target), name => Assert.StartsWith(At(3).Folder, name, StringComparison.Ordinal));
        Assert.Equal(Noise(100), await ReadAsync(target, At(3)));
    }

    private static BackupPlace At(int hour) => Place with { Id = $"20261121t{hour:D2}0000z-a1b2c3" };

    private ObjectStore Source(string bucket) => server.Store(bucket, prefix: "backups");

    private ObjectStore Target(string bucket) => server.Store(bucket, prefix: Prefix);

    private AgentRun Run(string first, string second, Func<RunOrder, RunOrder>? change = null)
    {
        var run = new AgentRun(server, first, Place.Id, "redis-rdb", order: order =>
        {
            var plain = order with { Copy = new(order.Store with { Bucket = second, Prefix = Prefix }) };
            return change?.Invoke(plain) ?? plain;
        });
        run.Target(server.Owner, server.Authority);
        return run;
    }

    private static Task<CopiedBackup> CopyAsync(ObjectStore source, ObjectStore target) => new BackupCopier(source, target, TimeProvider.System).CopyAsync(Place, null, _ => { }, Token);

    private static byte[] Noise(int length)
    {
        var data = new byte[length];
        new Random(length).NextBytes(data);
        return data;
    }

    private static async Task<WrittenBackup> WriteAsync(ObjectStore store, byte[] data, BackupPlace? place = null)
    {
        using var plain = new MemoryStream(data);
        return await new BackupWriter(store, Keys, TimeProvider.System).WriteAsync(new((place ?? Place).Id, Origin, "redis-rdb", new Dictionary<string, string>()), plain, _ => Task.FromResult<IReadOnlyDictionary<string, string>>(new Dictionary<string, string>()), _ => { }, Token);
    }

    // What a backup of more than 64 GiB is: several objects. A copy asks not what is in them.
    private static async Task<BackupManifest> WriteObjectsAsync(ObjectStore store, byte[] data, int most)
    {
        await using var split = new SplitWriter(store, Place, most);
        await split.WriteAsync(data, Token);
        var (key, wrapped) = await Keys.CreateAsync(Token);
        var manifest = new BackupManifest(BackupManifest.CurrentFormat, Place.Id, Origin, "redis-rdb", default, default, wrapped, new(data.Length, "0"), await split.CompleteAsync(Token), new Dictionary<string, string>());
        await store.PutAsync(Place.Manifest, manifest.Write(key), Token);
        return manifest;
    }

    private static async Task<byte[]> ReadAsync(ObjectStore store, BackupPlace? place = null)
    {
        var reader = new BackupReader(store, Keys);
        using var plain = new MemoryStream();
        await reader.CopyToAsync(await reader.ManifestAsync(place ?? Place, Token), plain, _ => { }, Token);
        return plain.ToArray();
    }

    private static async Task<List<string>> NamesAsync(ObjectStore store) => await store.ListAsync("", Token).Select(found => found.Name).ToListAsync(Token);

    private static string OtherAuthority()
    {
        using var key = ECDsa.Create();
        using var certificate = new System.Security.Cryptography.X509Certificates.CertificateRequest("CN=another", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return certificate.ExportCertificatePem();
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
