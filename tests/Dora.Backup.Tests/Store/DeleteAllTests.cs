using Dora.Backup.Store;
using Dora.Testing.Http;

namespace Dora.Backup.Tests.Store;

/// <summary>Removing many objects from stores that answer otherwise than the one that other tests have.</summary>
public sealed class DeleteAllTests
{
    private const string Refused = """<?xml version="1.0" encoding="UTF-8"?><Error><Code>{0}</Code><Message>no</Message></Error>""";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(400, "MissingContentMD5")]
    [InlineData(501, "NotImplemented")]
    public async Task A_store_that_takes_no_request_for_many_is_asked_for_each(int code, string word)
    {
        await using var server = await ScriptedServer.StartAsync();
        server.On("POST /bucket/", Xml(code, word))
            .On("DELETE /bucket/backups/a", Reply.Text(204, ""))
            .On("DELETE /bucket/backups/b", Xml(403, "AccessDenied"));
        using var store = Store(server);

        var kept = await store.DeleteAllAsync([Stored("a"), Stored("b")], Token);

        Assert.Equal([("b", "AccessDenied")], kept.Select(pair => (pair.Stored.Name, pair.Code)));
        Assert.Empty(server.Unscripted);
    }

    [Fact]
    public async Task Credentials_that_are_refused_as_a_whole_are_named()
    {
        await using var server = await ScriptedServer.StartAsync();
        server.On("POST /bucket/", Xml(403, "InvalidAccessKeyId"));
        using var store = Store(server);

        Assert.Equal(StoreProblem.Denied, (await Assert.ThrowsAsync<StoreException>(() => store.DeleteAllAsync([Stored("a")], Token))).Problem);
    }

    private static Reply Xml(int code, string word) => Reply.Text(code, Refused.Replace("{0}", word, StringComparison.Ordinal), "Content-Type: application/xml");

    private static ObjectStore Store(ScriptedServer server) => new(new(server.Address, "bucket", "backups"), new("key", "secret"), null, TimeProvider.System, tries: 0);

    private static ObjectVersion Stored(string name) => new(name, null, 1, default, Latest: true, Marker: false);
}
