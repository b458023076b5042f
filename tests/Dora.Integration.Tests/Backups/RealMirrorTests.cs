using System.Security.Cryptography;
using System.Text;
using Dora.Backup.Copies;
using Dora.Backup.Keys;
using Dora.Backup.Sets;
using Dora.Backup.Store;
using Xunit;

namespace Dora.Integration.Tests.Backups;

/// <summary>What an engine's tool stored by itself, in a second bucket of a real object store.</summary>
[Collection(ObjectStoreTests.Name)]
public sealed class RealMirrorTests(ObjectStoreServer server)
{
    private const string Repository = "payments/ledger/postgres/pgbackrest/";
    private const string Info = $"{Repository}backup/main/backup.info";

    private static readonly SecretKeys Keys = new(new Dictionary<string, byte[]> { [SecretKeys.Current] = SHA256.HashData("a key"u8) });
    private static readonly BackupPlace Place = new("payments", "ledger", "postgres", "20261121t030000z-a1b2c3");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task All_that_the_tool_stored_is_there_and_later_only_what_is_new()
    {
        using var source = server.Store(await server.BucketAsync());
        using var target = server.Store(await server.BucketAsync(), prefix: "elsewhere");
        await RecordAsync(source);
        await FillAsync(source, 1_100);
        await PutAsync(source, Info, "first");
        await PutAsync(source, $"{Repository}backup/main/20261121-030000F/backup.manifest", "files");

        Assert.Equal(1_102, (await CopyAsync(source, target)).Sent);
        Assert.Equal(await NamesAsync(source), (await NamesAsync(target)));
        Assert.Equal(0, (await CopyAsync(source, target)).Sent);

        await PutAsync(source, Log(1_100), "log");
        await PutAsync(source, Info, "other");
        Assert.Equal(2, (await CopyAsync(source, target)).Sent);
        Assert.Equal("other", await TextAsync(target, Info));
    }

    [Fact]
    public async Task What_the_tool_removed_stays_in_the_second_place()
    {
        using var source = server.Store(await server.BucketAsync());
        using var target = server.Store(await server.BucketAsync());
        await RecordAsync(source);
        await FillAsync(source, 3);
        await CopyAsync(source, target);
        await source.DeleteAsync(Log(1), null, Token);
        await PutAsync(source, Log(3), "new");

        Assert.Equal(1, (await CopyAsync(source, target)).Sent);
        Assert.Equal("log", await TextAsync(target, Log(1)));
    }

    [Fact]
    public async Task What_names_the_others_comes_after_them()
    {
        var second = await server.BucketAsync();
        using var source = server.Store(await server.BucketAsync());
        using var target = server.Store(second);
        await RecordAsync(source);
        // What it names is larger than what may flow here.
        await PutAsync(source, Info, "names the log");
        await PutAsync(source, Log(0), new string('x', 2 * ObjectStore.PartBytes));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => new BackupCopier(source, target, TimeProvider.System).CopyAsync(Place, null, _ => stop.Cancel(), stop.Token));

        Assert.Empty(await NamesAsync(target));
    }

    [Fact]
    public async Task What_the_tool_removes_meanwhile_has_it_begin_again()
    {
        using var source = server.Store(await server.BucketAsync());
        using var target = server.Store(await server.BucketAsync());
        await RecordAsync(source);
        await PutAsync(source, Log(0), "log");
        foreach (var number in Enumerable.Range(1, 12))
            await PutAsync(source, Log(number), "log");
        var removed = 0;

        var copied = await new BackupCopier(source, target, TimeProvider.System).CopyAsync(Place, null, _ =>
        {
            if (Interlocked.Exchange(ref removed, 1) == 0)
                source.DeleteAsync(Log(12), null, Token).GetAwaiter().GetResult();
        }, Token);

        // What was under way as it began again may have arrived uncounted.
        Assert.InRange(copied.Sent, 1, 12);
        Assert.Equal(await NamesAsync(source), await NamesAsync(target));
    }

    private static string Log(int number) => $"{Repository}archive/main/15-1/{number:X24}";

    private static Task FillAsync(ObjectStore store, int count) =>
        Parallel.ForEachAsync(Enumerable.Range(0, count), new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = Token }, async (number, _) => await PutAsync(store, Log(number), "log"));

    private static Task PutAsync(ObjectStore store, string name, string text) => store.PutAsync(name, Encoding.UTF8.GetBytes(text), Token, replace: true);

    private static Task RecordAsync(ObjectStore store) => new BackupWriter(store, Keys, TimeProvider.System).RecordAsync(
        new(Place.Id, new("payments", "ledger", "7b6f7c0e", "postgres", "17"), "postgres-pgbackrest", new Dictionary<string, string> { ["repository"] = $"/backups/eu/{Repository.TrimEnd('/')}" }),
        _ => Task.FromResult<IReadOnlyDictionary<string, string>>(new Dictionary<string, string>()),
        Token);

    private static Task<CopiedBackup> CopyAsync(ObjectStore source, ObjectStore target) => new BackupCopier(source, target, TimeProvider.System).CopyAsync(Place, null, _ => { }, Token);

    private static async Task<string> TextAsync(ObjectStore store, string name) => Encoding.UTF8.GetString(await store.GetAsync(name, 1000, Token));

    private static async Task<List<string>> NamesAsync(ObjectStore store) => await store.ListAsync("", Token).Select(found => found.Name).ToListAsync(Token);
}
