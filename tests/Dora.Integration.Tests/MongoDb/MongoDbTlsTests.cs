using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Dora.Engines;
using Dora.Engines.MongoDb;
using Dora.Engines.MongoDb.Wire;
using Dora.Testing.Http;
using Dora.Testing.MongoDb;
using Xunit;

namespace Dora.Integration.Tests.MongoDb;

public sealed class MongoDbTlsTests : IAsyncLifetime
{
    private const string Host = "payments-mongodb-0.payments-mongodb-members.compliance.svc";

    private readonly ScriptedReplicaSet _set = new();
    private readonly TestCertificates _certificates = new();
    private readonly ScriptedMongod _server;

    public MongoDbTlsTests()
    {
        _server = _set.AddServer($"{Host}:27017");
        _server.Certificate = _certificates.Server(Host);
        _set.Initiate("admin", MongoDbServers.ScriptedPassword, _server);
        _set.ExternalUsers.Add("CN=operator");
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_password_is_proven_inside_TLS()
    {
        await using var client = await MongoClient.ConnectAsync(Endpoint(Host), Cancel);
        await client.AuthenticateAsync("admin", MongoDbServers.ScriptedPassword, Cancel);
        Assert.Equal(1, (await client.RunAsync("admin", new() { { "ping", 1 } }, Cancel)).Integer("ok"));
    }

    [Fact]
    public async Task A_certificate_logs_in_as_its_subject()
    {
        await using var client = await MongoClient.ConnectAsync(Endpoint(Host, Client("operator")), Cancel);
        Assert.Equal(MongoException.Unauthorized, (await Assert.ThrowsAsync<MongoException>(() => client.RunAsync("admin", new() { { "replSetGetStatus", 1 } }, Cancel))).Code);
        await client.AuthenticateX509Async(Cancel);
        Assert.NotNull((await client.RunAsync("admin", new() { { "replSetGetStatus", 1 } }, Cancel)).Array("members"));
    }

    [Fact]
    public async Task A_certificate_of_nobody_known_and_no_certificate_log_in_as_nobody()
    {
        foreach (var certificate in (X509Certificate2?[])[Client("stranger"), null])
        {
            await using var client = await MongoClient.ConnectAsync(Endpoint(Host, certificate), Cancel);
            Assert.Equal(MongoException.AuthenticationFailed, (await Assert.ThrowsAsync<MongoException>(() => client.AuthenticateX509Async(Cancel))).Code);
        }
    }

    [Fact]
    public async Task A_server_of_another_name_is_not_spoken_to() =>
        await Assert.ThrowsAsync<AuthenticationException>(() => MongoClient.ConnectAsync(Endpoint("payments-mongodb-1.payments-mongodb-members.compliance.svc"), Cancel));

    [Fact]
    public async Task A_server_of_another_authority_is_not_spoken_to()
    {
        using var other = new TestCertificates();
        _server.Certificate = other.Server(Host);
        await Assert.ThrowsAsync<AuthenticationException>(() => MongoClient.ConnectAsync(Endpoint(Host), Cancel));
    }

    [Fact]
    public async Task A_server_without_TLS_is_not_spoken_to_in_the_clear()
    {
        _server.Certificate = null;
        var exception = await Assert.ThrowsAnyAsync<Exception>(() => MongoClient.ConnectAsync(Endpoint(Host), Cancel));
        Assert.True(exception is IOException or AuthenticationException, exception.ToString());
        Assert.Empty(_set.Commands);
    }

    [Fact]
    public async Task A_pod_that_mounts_its_certificate_is_asked_by_TLS_and_another_is_not()
    {
        Assert.Equal(EngineVerdict.Unreachable, (await MongoDbProbe.RunAsync(MongoDbServers.Plan, Target(encrypted: false), Cancel)).Verdict);
        Assert.Equal("payments-mongodb-0", (await MongoDbProbe.RunAsync(MongoDbServers.Plan, Target(encrypted: true), Cancel)).Primary);
        _server.Certificate = null;
        Assert.Equal(EngineVerdict.Unreachable, (await MongoDbProbe.RunAsync(MongoDbServers.Plan, Target(encrypted: true), Cancel)).Verdict);
        Assert.Equal("payments-mongodb-0", (await MongoDbProbe.RunAsync(MongoDbServers.Plan, Target(encrypted: false), Cancel)).Primary);
    }

    [Fact]
    public async Task A_server_is_told_to_read_its_certificate_again_and_a_pod_that_is_gone_is_not_waited_for()
    {
        var renewed = _server.Renewed = _certificates.Server(Host);
        await MongoDbCommands.ExecuteAsync(MongoDbServers.Plan, new(EngineCommand.ReloadCertificate, "payments-mongodb-1", ""), Target(encrypted: true), Cancel);
        Assert.NotEqual(renewed, _server.Certificate);
        await MongoDbCommands.ExecuteAsync(MongoDbServers.Plan, new(EngineCommand.ReloadCertificate, "payments-mongodb-0", ""), Target(encrypted: true), Cancel);
        Assert.Equal(renewed, _server.Certificate);
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _set.DisposeAsync();
        _certificates.Dispose();
    }

    private EngineTarget Target(bool encrypted) => new(
        [new("payments-mongodb-0", 0, _server.Address.ToString(), true, null, Encrypted: encrypted)],
        new Dictionary<string, IReadOnlyDictionary<string, string>>
        {
            ["payments-mongodb-internal"] = new Dictionary<string, string> { ["admin-password"] = MongoDbServers.ScriptedPassword, ["monitor-password"] = "m", ["backup-password"] = "b" },
            ["payments-mongodb-tls"] = new Dictionary<string, string> { ["ca.crt"] = _certificates.AuthorityPem },
        });

    private MongoEndpoint Endpoint(string name, X509Certificate2? certificate = null) =>
        new(_server.Address.ToString(), ScriptedReplicaSet.Port, new(name, ServerTrust.Of(_certificates.AuthorityPem), certificate));

    private X509Certificate2 Client(string user)
    {
        var (certificate, key) = _certificates.Client(user);
        return X509Certificate2.CreateFromPem(certificate, key);
    }
}
