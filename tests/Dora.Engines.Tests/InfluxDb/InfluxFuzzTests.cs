using System.Net;
using System.Text;
using Dora.Engines.InfluxDb;
using Dora.Engines.InfluxDb.V1;
using Dora.Engines.InfluxDb.V2;
using Dora.Testing.Http;
using FsCheck;
using FsCheck.Fluent;

namespace Dora.Engines.Tests.InfluxDb;

/// <summary>Replies nobody would write.</summary>
public sealed class InfluxFuzzTests
{
    private const string V1Documented = """{"results":[{"statement_id":0,"series":[{"name":"databases","columns":["name"],"values":[["app"]]}]},{"statement_id":1,"series":[{"columns":["user","admin"],"values":[["admin",true]]}]},{"statement_id":2,"error":"x"}]}""";
    private const string V2Documented = """{"allowed":false,"version":"v2.7","status":"pass","orgs":[{"id":"0a","name":"dora"}],"buckets":[{"id":"0b","orgID":"0a","name":"app","retentionRules":[{"type":"expire","everySeconds":0,"shardGroupDurationSeconds":604800}]}],"users":[{"id":"0c","name":"app"}],"authorizations":[{"id":"0d","orgID":"0a","userID":"0c","description":"dora-operator: app","permissions":[{"action":"read","resource":{"type":"buckets","id":"0b"}}],"status":"active"}],"tasks":[{"id":"0e","orgID":"0a","flux":"f","name":"n"}],"remotes":[{"id":"0f","orgID":"0a","name":"dora-operator: replication","remoteURL":"u","remoteOrgID":"0a"}],"replications":[{"id":"1a","orgID":"0a","name":"dora-operator: app","remoteID":"0f","localBucketID":"0b","remoteBucketID":"0b","maxQueueSizeBytes":1,"maxAgeSeconds":1,"remainingBytesToBeSynced":1}]}""";

    [Fact]
    public void Random_bytes_are_read_or_refused() => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(1000),
        Prop.ForAll(ArbMap.Default.ArbFor<byte[]>(), bytes => ReadsOrRefuses(bytes)));

    [Fact]
    public void A_documented_reply_with_any_byte_changed_or_its_end_cut_is_read_or_refused()
    {
        var bytes = Encoding.UTF8.GetBytes(V1Documented);
        for (var i = 0; i < bytes.Length; i++)
        {
            Assert.True(ReadsOrRefuses(bytes[..i]));
            foreach (var other in (byte[])[.. "0\"[]{}:,n-\0\\"u8, 0xff, 0xc3])
            {
                var changed = bytes.ToArray();
                changed[i] = other;
                Assert.True(ReadsOrRefuses(changed), Encoding.UTF8.GetString(changed));
            }
        }
    }

    [Fact]
    public async Task A_probe_of_a_server_that_says_anything_ends_in_a_finding()
    {
        var random = new Random(20261121);
        var documented = Encoding.UTF8.GetBytes(V2Documented);
        for (var round = 0; round < 60; round++)
        {
            await using var server = await ScriptedServer.StartAsync();
            foreach (var path in (string[])["/api/v2/setup", "/health", "/api/v2/orgs", "/api/v2/buckets", "/api/v2/users", "/api/v2/authorizations", "/api/v2/tasks", "/api/v2/remotes", "/api/v2/replications"])
                server.On($"GET {path}", [.. Enumerable.Range(0, 60).Select(_ => Reply.Json(200, Mutate(documented, random, round % 4)))]);
            var health = await ProbeAsync(server);
            Assert.NotNull(health.Message);
            Assert.True(health.Message.Length < 1000, health.Message);
        }
    }

    [Fact]
    public async Task A_probe_of_a_server_of_version_1_that_says_anything_ends_in_a_finding()
    {
        var random = new Random(20261122);
        var documented = Encoding.UTF8.GetBytes(V1Documented.Replace(",\"error\":\"x\"", "", StringComparison.Ordinal));
        var plan = InfluxDbPlan.Of(new(Engines.Stack() with { Tls = null }, "influxdb"), new(InfluxDbVersion.V16));
        var secrets = new Dictionary<string, IReadOnlyDictionary<string, string>> { [plan.Names.InternalSecret] = new Dictionary<string, string> { ["admin-password"] = "p" } };
        for (var round = 0; round < 100; round++)
        {
            await using var server = await ScriptedServer.StartAsync();
            server.On("POST /query", [.. Enumerable.Range(0, 4).Select(_ => Reply.Json(200, Mutate(documented, random, round % 3)))]);
            var health = await V1Probe.RunAsync(plan with { Port = server.Address.Port }, new([new("payments-influxdb-0", 0, server.Address.Host, true, null)], secrets), TestContext.Current.CancellationToken);
            Assert.True(health.Message.Length < 1000, health.Message);
        }
    }

    [Theory]
    [InlineData("\\ud800")]
    [InlineData("\\u0000")]
    public void Text_that_is_none_is_read_or_refused(string escape) =>
        Assert.True(ReadsOrRefuses(Encoding.UTF8.GetBytes($$"""{"results":[{"series":[{"columns":["a"],"values":[["{{escape}}"]]}]}]}""")));

    [Theory]
    [InlineData("it's")]
    [InlineData("back\\slash'; DROP DATABASE app; --")]
    [InlineData("quote\"quote")]
    [InlineData("line\nline")]
    public void No_text_leaves_its_quotes(string text)
    {
        Assert.Equal(text, Unquote(InfluxQl.Text(text), '\''));
        Assert.Equal(text, Unquote(InfluxQl.Identifier(text), '"'));
    }

    [Fact]
    public void No_text_at_all_leaves_its_quotes() => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(2000),
        Prop.ForAll(ArbMap.Default.ArbFor<NonNull<string>>(), text => Unquote(InfluxQl.Text(text.Get), '\'') == text.Get && Unquote(InfluxQl.Identifier(text.Get), '"') == text.Get));

    [Fact]
    public void A_task_keeps_its_names_in_quotes()
    {
        var flux = FluxTask.Text(new("n\"${x}", "s\\", "autogen", "t", "autogen", "m", 3600, "mean"), "o");
        Assert.Contains("name: \"n\\\"\\${x}\", every: 1h", flux, StringComparison.Ordinal);
        Assert.Contains("from(bucket: \"s\\\\\")", flux, StringComparison.Ordinal);
    }

    // Reads a quoted text as influxql's scanner does: \n, \\, \" and \' are escapes.
    private static string? Unquote(string quoted, char quote)
    {
        var text = new StringBuilder();
        for (var i = 1; i < quoted.Length; i++)
        {
            if (quoted[i] == quote)
                return i == quoted.Length - 1 ? text.ToString() : null;
            if (quoted[i] == '\n')
                return null;
            if (quoted[i] == '\\')
                text.Append(quoted[++i] == 'n' ? '\n' : quoted[i]);
            else
                text.Append(quoted[i]);
        }

        return null;
    }

    private static string Mutate(byte[] documented, Random random, int changes)
    {
        var bytes = documented.ToArray();
        for (var i = 0; i < changes; i++)
            bytes[random.Next(bytes.Length)] = (byte)"0\"[]{}:,nul-"[random.Next(12)];
        return Encoding.UTF8.GetString(bytes);
    }

    private static Task<EngineHealth> ProbeAsync(ScriptedServer server)
    {
        var plan = InfluxDbPlan.Of(new(Engines.Stack() with { Tls = null }, "influxdb"), new(Databases: [new("metrics")], Downsampling: [new("n", "app", "metrics", "1h")])) with { Port = server.Address.Port };
        var secrets = new Dictionary<string, IReadOnlyDictionary<string, string>> { [plan.Names.InternalSecret] = new Dictionary<string, string> { ["admin-token"] = "token" } };
        return V2Probe.RunAsync(plan, new([new("payments-influxdb-0", 0, server.Address.Host, true, null)], secrets), TestContext.Current.CancellationToken);
    }

    private static bool ReadsOrRefuses(byte[] body)
    {
        try
        {
            V1Client.Read(new(HttpStatusCode.OK, body, null), null);
            return true;
        }
        catch (InfluxException)
        {
            return true;
        }
    }
}
