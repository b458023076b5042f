using System.Text;
using Dora.Engines.InfluxDb;
using Dora.Engines.InfluxDb.V1;
using Dora.Engines.InfluxDb.V2;
using Dora.Testing.Http;

namespace Dora.Engines.Tests.InfluxDb;

/// <summary>What a server may do to the client.</summary>
public sealed class InfluxHttpTests
{
    private const string Password = "secret-Jk4m";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(401, InfluxFault.Unauthorized)]
    [InlineData(403, InfluxFault.Forbidden)]
    [InlineData(404, InfluxFault.NotFound)]
    [InlineData(400, InfluxFault.Refused)]
    [InlineData(422, InfluxFault.Refused)]
    [InlineData(429, InfluxFault.Unavailable)]
    [InlineData(503, InfluxFault.Unavailable)]
    public async Task A_status_that_says_no_is_a_typed_error_and_repeats_no_password(int status, object fault)
    {
        await using var server = await ScriptedServer.StartAsync();
        server.On("POST /query", Reply.Json(status, $$"""{"error":"found {{Password}}, expected ;"}"""));
        var refusal = await Assert.ThrowsAsync<InfluxException>(() => V1(server).QueryAsync("SHOW DATABASES", Token, Password));
        Assert.Equal(fault, refusal.Fault);
        Assert.DoesNotContain(Password, refusal.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_password_goes_in_the_body_and_the_credentials_in_a_header()
    {
        await using var server = await ScriptedServer.StartAsync();
        server.On("POST /query", Reply.Json(200, """{"results":[{"statement_id":0}]}"""));
        await V1(server).QueryAsync(InfluxQl.SetPassword("a", Password), Token, Password);
        var request = await server.NextRequestAsync();
        Assert.DoesNotContain(Password, request.Target, StringComparison.Ordinal);
        Assert.Contains(Password, request.Body, StringComparison.Ordinal);
        Assert.Equal($"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes($"admin:{Password}"))}", request.Headers["Authorization"]);
    }

    [Fact]
    public async Task A_conflict_of_version_2_is_known_by_its_code()
    {
        await using var server = await ScriptedServer.StartAsync();
        server.On("GET /api/v2/buckets", Reply.Json(422, """{"code":"conflict","message":"bucket with name app already exists"}"""));
        Assert.Equal(InfluxFault.Conflict, (await Assert.ThrowsAsync<InfluxException>(() => V2(server).AuthenticateAsync(Token))).Fault);
    }

    [Fact]
    public async Task A_redirect_is_not_followed()
    {
        await using var server = await ScriptedServer.StartAsync();
        server.On("POST /query", Reply.Json(307, "{}", $"Location: {server.Address}elsewhere"));
        Assert.Equal(InfluxFault.Refused, (await Assert.ThrowsAsync<InfluxException>(() => V1(server).QueryAsync("SHOW DATABASES", Token))).Fault);
        Assert.Single(server.Requests);
    }

    private static readonly (string What, Func<Reply> Reply, InfluxFault Fault)[] _hostile =
    [
        ("nothing", () => Reply.Json(200, ""), InfluxFault.Malformed),
        ("text", () => Reply.Json(200, "hello"), InfluxFault.Malformed),
        ("null", () => Reply.Json(200, "null"), InfluxFault.Malformed),
        ("a list", () => Reply.Json(200, "[]"), InfluxFault.Malformed),
        ("a number", () => Reply.Json(200, "{\"results\":7,\"buckets\":7}"), InfluxFault.Malformed),
        ("half of it", () => Reply.Json(200, "{\"results\":[{\"ser"), InfluxFault.Malformed),
        ("nested without end", () => Reply.Json(200, new string('[', 100_000)), InfluxFault.Malformed),
        ("too much, said so", () => Reply.Json(200, $"{{\"results\":\"{new string('x', InfluxHttp.LargestReply)}\"}}"), InfluxFault.Malformed),
        ("too much, not said so", () => Reply.Stream([.. Enumerable.Repeat(new string(' ', 1 << 20), 6)]), InfluxFault.Malformed),
        ("cut in the middle", () => Reply.Cut("{\"results\":["), InfluxFault.Unreachable),
        ("cut before it begins", Reply.Abort, InfluxFault.Unreachable),
    ];

    public static TheoryData<string> Hostile { get; } = new(_hostile.Select(row => row.What));

    [Theory, MemberData(nameof(Hostile))]
    public async Task A_reply_that_is_not_as_documented_is_refused(string what)
    {
        var (_, reply, fault) = _hostile.Single(row => row.What == what);
        await using var server = await ScriptedServer.StartAsync();
        server.On("POST /query", reply(), reply()).On("GET /api/v2/buckets", reply(), reply());
        Assert.Equal(fault, (await Assert.ThrowsAsync<InfluxException>(() => V1(server).QueryAsync("SHOW DATABASES", Token))).Fault);
        Assert.Equal(fault, (await Assert.ThrowsAsync<InfluxException>(() => V2(server).BucketsAsync("0a", Token))).Fault);
    }

    [Theory]
    [InlineData("""{"results":[{"series":[{"name":"a","columns":["x"],"values":[["1","2"]]}]}]}""")]
    [InlineData("""{"results":[{"series":[{"name":"a","columns":["x"],"values":[null]}]}]}""")]
    [InlineData("""{"results":[{"series":[{"name":"a","values":[["1"]]}]}]}""")]
    [InlineData("""{"results":[{"series":[null]}]}""")]
    [InlineData("""{}""")]
    public void A_table_whose_rows_do_not_fit_its_columns_is_refused(string body) =>
        Assert.Equal(InfluxFault.Malformed, Assert.Throws<InfluxException>(() => V1Client.Read(new(System.Net.HttpStatusCode.OK, Encoding.UTF8.GetBytes(body), null), null)).Fault);

    [Theory]
    [InlineData("""{"buckets":[null]}""")]
    [InlineData("""{"buckets":[{"id":"1","orgID":"1"}]}""")]
    [InlineData("""{"buckets":[{"id":"1","orgID":"1","name":null}]}""")]
    [InlineData("""{"buckets":[{"id":1,"orgID":"1","name":"a"}]}""")]
    public async Task A_bucket_without_a_name_is_refused(string body)
    {
        await using var server = await ScriptedServer.StartAsync();
        server.On("GET /api/v2/buckets", Reply.Json(200, body));
        Assert.Equal(InfluxFault.Malformed, (await Assert.ThrowsAsync<InfluxException>(() => V2(server).BucketsAsync("0a", Token))).Fault);
    }

    [Fact]
    public async Task A_server_that_lists_for_ever_is_not_believed()
    {
        await using var server = await ScriptedServer.StartAsync();
        var page = $"{{\"buckets\":[{string.Join(',', Enumerable.Repeat("""{"id":"1","orgID":"1","name":"a"}""", 100))}]}}";
        server.On("GET /api/v2/buckets", [.. Enumerable.Range(0, 60).Select(_ => Reply.Json(200, page))]);
        Assert.Equal(InfluxFault.Malformed, (await Assert.ThrowsAsync<InfluxException>(() => V2(server).BucketsAsync("0a", Token))).Fault);
        Assert.Equal(50, server.Requests.Count);
    }

    [Fact]
    public async Task Silence_ends_at_the_deadline()
    {
        await using var server = await ScriptedServer.StartAsync();
        server.On("GET /ping", Reply.Silence());
        var refusal = await Assert.ThrowsAsync<InfluxException>(() => Http(server).SendAsync(HttpMethod.Get, "ping", null, Token, TimeSpan.FromMilliseconds(100)));
        Assert.Equal(InfluxFault.TimedOut, refusal.Fault);
    }

    [Fact]
    public async Task A_body_that_never_ends_ends_at_the_deadline()
    {
        await using var server = await ScriptedServer.StartAsync();
        server.On("GET /ping", Reply.Open(new OpenStream()));
        var refusal = await Assert.ThrowsAsync<InfluxException>(() => Http(server).SendAsync(HttpMethod.Get, "ping", null, Token, TimeSpan.FromMilliseconds(300)));
        Assert.Equal(InfluxFault.TimedOut, refusal.Fault);
    }

    [Fact]
    public async Task Who_cancels_gets_a_cancellation_and_no_finding()
    {
        await using var server = await ScriptedServer.StartAsync();
        server.On("GET /ping", Reply.Silence());
        using var cancel = new CancellationTokenSource();
        var call = Http(server).SendAsync(HttpMethod.Get, "ping", null, cancel.Token);
        await server.NextRequestAsync();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
    }

    [Fact]
    public async Task Over_TLS_the_server_is_known_by_its_name_whatever_its_address()
    {
        using var certificates = new TestCertificates();
        await using var server = await ScriptedServer.StartAsync(certificates.Server("payments-influxdb-0.payments-influxdb-members.compliance.svc", loopback: false));
        server.On("GET /ping", Reply.Json(200, "{}"), Reply.Json(200, "{}"));
        var member = new MemberPod("payments-influxdb-0", 0, "127.0.0.1", true, null);
        var right = Tls(certificates, "payments-influxdb-0.payments-influxdb-members.compliance.svc");
        Assert.True((await InfluxHttp.To(member, server.Address.Port, null, right).SendAsync(HttpMethod.Get, "ping", null, Token)).IsSuccess);
        var other = Tls(certificates, "payments-influxdb-1.payments-influxdb-members.compliance.svc");
        var refusal = await Assert.ThrowsAsync<InfluxException>(() => InfluxHttp.To(member, server.Address.Port, null, other).SendAsync(HttpMethod.Get, "ping", null, Token));
        Assert.Equal("the server's certificate is not to be trusted", refusal.Message);
        using var strangers = new TestCertificates();
        var stranger = Tls(strangers, "payments-influxdb-0.payments-influxdb-members.compliance.svc");
        await Assert.ThrowsAsync<InfluxException>(() => InfluxHttp.To(member, server.Address.Port, null, stranger).SendAsync(HttpMethod.Get, "ping", null, Token));
    }

    private static InfluxTls Tls(TestCertificates certificates, string name) =>
        InfluxTls.Of(ServerTrust.Of(certificates.AuthorityPem), name);

    private static InfluxHttp Http(ScriptedServer server) =>
        InfluxHttp.To(new("payments-influxdb-0", 0, server.Address.Host, true, null), server.Address.Port, InfluxHttp.Basic("admin", Password));

    private static V1Client V1(ScriptedServer server) => new(Http(server));

    private static V2Client V2(ScriptedServer server) => new(Http(server));
}
