using System.Text;
using Dora.Backup.Keys;
using Dora.Backup.Sets;
using Dora.Backup.Streams;

namespace Dora.Backup.Tests.Sets;

public sealed class BackupManifestTests
{
    private static readonly DateTimeOffset _now = new(2026, 11, 21, 3, 0, 0, TimeSpan.Zero);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_manifest_comes_back_as_it_was_written()
    {
        var (manifest, file, keys) = await WriteAsync();
        var read = await BackupManifest.ReadAsync(file, keys, Token);

        Assert.Equal(manifest with { Objects = [], Facts = read.Facts }, read with { Objects = [] });
        Assert.Equal(manifest.Objects, read.Objects);
        Assert.Equal("12", read.Facts["keys"]);
    }

    [Fact]
    public async Task No_changed_byte_goes_unnoticed()
    {
        var (_, file, keys) = await WriteAsync();
        for (var at = 0; at < file.Length - 1; at++)
        {
            var changed = file.ToArray();
            changed[at] ^= 0x01;
            var thrown = await Record.ExceptionAsync(() => BackupManifest.ReadAsync(changed, keys, Token));

            // Of the seal's own line only the seal counts.
            Assert.True(thrown is SealBrokenException or KeyRefusedException, $"byte {at}: {thrown}");
        }
    }

    [Fact]
    public async Task A_manifest_under_somebody_elses_key_is_not_believed()
    {
        var (manifest, _, keys) = await WriteAsync();

        await Assert.ThrowsAsync<SealBrokenException>(() => BackupManifest.ReadAsync(manifest.Write(TestKeys.Second), keys, Token));
    }

    [Fact]
    public async Task Objects_of_another_backup_are_not_taken()
    {
        var (manifest, _, _) = await WriteAsync();
        var foreign = manifest with { Objects = [manifest.Objects[0] with { Name = "other/payments/redis/20261121t030000z-abc/data-00001" }] };

        Assert.Throws<SealBrokenException>(() => BackupManifest.Peek(foreign.Write(TestKeys.First)));
    }

    [Fact]
    public async Task What_a_tool_stored_by_itself_has_no_objects_and_no_bytes_of_ours()
    {
        var (manifest, _, _) = await WriteAsync();
        var recorded = manifest with { Plain = ContentDigest.Nothing, Objects = [] };

        Assert.True(BackupManifest.Peek(recorded.Write(TestKeys.First)).Recorded);
        Assert.Throws<SealBrokenException>(() => BackupManifest.Peek((recorded with { Plain = manifest.Plain }).Write(TestKeys.First)));
    }

    [Fact]
    public void A_newer_format_is_named()
    {
        var exception = Assert.Throws<SealBrokenException>(() => BackupManifest.Peek("{\"format\":2,\"volumes\":[]}\n{\"hmac\":\"00\"}\n"u8));

        Assert.Contains("format 2", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n")]
    [InlineData("{}")]
    [InlineData("{}\n")]
    [InlineData("{\"format\":1}\n{}\n")]
    [InlineData("[]\n[]\n")]
    public void What_is_no_manifest_is_refused(string file) => Assert.Throws<SealBrokenException>(() => BackupManifest.Peek(Encoding.UTF8.GetBytes(file)));

    [Fact]
    public void The_name_of_a_manifest_tells_whose_it_is()
    {
        var place = new BackupPlace("payments", "ledger", "redis", BackupPlace.NewId(_now, "a1b2c3"));

        Assert.Equal("payments/ledger/redis/20261121t030000z-a1b2c3/manifest.json", place.Manifest);
        Assert.Equal(place, BackupPlace.OfManifest(place.Manifest));
        Assert.Null(BackupPlace.OfManifest(place.Data(1)));
        Assert.Null(BackupPlace.OfManifest("payments/ledger/stack.json"));
    }

    private static async Task<(BackupManifest Manifest, byte[] File, SecretKeys Keys)> WriteAsync()
    {
        var keys = TestKeys.Of(TestKeys.First);
        var (dataKey, wrapped) = await keys.CreateAsync(Token);
        var origin = new BackupOrigin("payments", "ledger", "7b6f", "redis", "7.0");
        var place = new BackupPlace("payments", "ledger", "redis", BackupPlace.NewId(_now, "a1b2c3"));
        var manifest = new BackupManifest(1, place.Id, origin, "redis-rdb", _now, _now.AddMinutes(1), wrapped, new(10, "00"), [new(place.Data(1), 300, "11", "v1")], new Dictionary<string, string> { ["keys"] = "12" });
        return (manifest, manifest.Write(dataKey), keys);
    }
}
