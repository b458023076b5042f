using System.Security.Cryptography;
using Dora.Backup.Keys;
using Dora.Backup.Sets;
using Dora.Backup.Store;
using Xunit;

namespace Dora.Integration.Tests.Backups;

/// <summary>What a bucket holds is found again by somebody who knows nothing but the bucket.</summary>
[Collection(ObjectStoreTests.Name)]
public sealed class RealCatalogueTests(ObjectStoreServer server)
{
    private const string Folder = "payments/ledger/";

    private static readonly SecretKeys Keys = new(new Dictionary<string, byte[]> { [SecretKeys.Current] = SHA256.HashData("a key"u8) });

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_backup_of_a_stack_is_found_the_newest_first_and_what_is_no_backup_is_not()
    {
        using var store = server.Store(await server.BucketAsync());
        foreach (var hour in Enumerable.Range(0, 20))
            await WriteAsync(store, Id(hour), hour % 2 == 0 ? "redis" : "postgres");
        await store.PutAsync($"{Folder}redis/{Id(23)}/data-00001", new byte[3], Token);
        await StackMark.ClaimAsync(store, Origin("redis"), null, TimeProvider.System, Token);

        // What an engine's tool keeps beside its backups is none.
        await store.PutAsync($"{Folder}redis/pgbackrest/archive/{Id(22)}/manifest.json", new byte[3], Token);

        var found = await ReadAsync(store, Folder + "redis/");

        Assert.Equal(Enumerable.Range(0, 20).Where(hour => hour % 2 == 0).Reverse().Select(Id), found.Select(backup => backup.Place.Id));
        Assert.All(found, backup => Assert.Equal("12", backup.Manifest!.Facts["count:keys"]));
        Assert.Equal(10, (await ReadAsync(store, Folder + "postgres/")).Count);
    }

    [Fact]
    public async Task What_was_verified_says_when()
    {
        using var store = server.Store(await server.BucketAsync());
        var written = await WriteAsync(store, Id(1), "redis");
        await WriteAsync(store, Id(2), "redis");
        await new BackupReader(store, Keys).NoteAsync(written.Manifest, TimeProvider.System, Token);

        var found = await ReadAsync(store, Folder + "redis/");

        Assert.Null(found[0].VerifiedAt);
        Assert.InRange(DateTimeOffset.UtcNow - found[1].VerifiedAt!.Value, TimeSpan.FromMinutes(-1), TimeSpan.FromMinutes(1));
        Assert.Equal(written.ManifestSha256, found[1].ManifestSha256);
    }

    [Theory]
    [InlineData("what is this", "cannot be read")]
    [InlineData("", "is cut")]
    [InlineData("{\"format\":2}\n{}\n", "format 2")]
    public async Task A_manifest_that_cannot_be_read_is_there_and_says_why(string text, string told)
    {
        using var store = server.Store(await server.BucketAsync());
        await WriteAsync(store, Id(1), "redis");
        await store.PutAsync($"{Folder}redis/{Id(2)}/manifest.json", System.Text.Encoding.UTF8.GetBytes(text.Length > 0 ? text + "\n" : ""), Token);

        var found = await ReadAsync(store, Folder + "redis/");

        Assert.Equal([Id(2), Id(1)], found.Select(backup => backup.Place.Id));
        Assert.Null(found[0].Manifest);
        Assert.Contains(told, found[0].Problem, StringComparison.Ordinal);
        Assert.NotNull(found[1].Manifest);
    }

    [Fact]
    public async Task A_manifest_in_another_ones_place_is_not_taken_for_it()
    {
        using var store = server.Store(await server.BucketAsync());
        var written = await WriteAsync(store, Id(1), "redis");
        await store.PutAsync($"{Folder}redis/{Id(2)}/manifest.json", await store.GetAsync(written.Manifest.Place.Manifest, 10_000, Token), Token);

        var found = await ReadAsync(store, Folder + "redis/");

        Assert.Contains($"is that of {written.Manifest.Place.Folder}", found[0].Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_store_that_does_not_answer_is_no_empty_bucket()
    {
        using var away = new ObjectStore(new(new("https://127.0.0.1:1"), "bucket"), server.Owner, server.Authority, TimeProvider.System, tries: 0);

        Assert.Equal(StoreProblem.Unreachable, (await Assert.ThrowsAsync<StoreException>(() => ReadAsync(away, Folder + "redis/"))).Problem);
    }

    private static string Id(int hour) => $"20261121t{hour:D2}0000z-a1b2c3";

    private static BackupOrigin Origin(string engine) => new("payments", "ledger", "7b6f7c0e", engine, "1");

    private static Task<WrittenBackup> WriteAsync(ObjectStore store, string id, string engine) =>
        new BackupWriter(store, Keys, TimeProvider.System).RecordAsync(new(id, Origin(engine), "test", new Dictionary<string, string> { ["count:keys"] = "12" }), _ => Task.FromResult<IReadOnlyDictionary<string, string>>(new Dictionary<string, string>()), Token);

    private static async Task<List<FoundBackup>> ReadAsync(ObjectStore store, string folder) => await new BackupCatalogue(store).ReadAsync(folder, Token).ToListAsync(Token);
}
