using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Testing.Http;
using Xunit;

namespace Dora.Kubernetes.Tests.Client;

public sealed class KubeTransportTests : IDisposable
{
    private readonly TestCertificates _certificates = new();

    public void Dispose() => _certificates.Dispose();

    private static async Task<ReceivedRequest> CallAsync(ScriptedServer server, KubeConfig config)
    {
        server.On("GET /version", Reply.Json("{}"));
        using var client = ScriptedClient.Connect(config);
        await client.GetVersionAsync(default);
        return await server.NextRequestAsync();
    }

    [Fact]
    public async Task Tls_speaks_http_2_and_shows_the_client_certificate()
    {
        await using var server = await ScriptedServer.StartAsync(_certificates.Server());
        var (certificate, key) = _certificates.Client("dora");
        var request = await CallAsync(server, new(server.Address, CertificateAuthorityPem: _certificates.AuthorityPem, Credentials: new(certificate, key)));
        Assert.Equal("HTTP/2", request.Protocol);
        Assert.Equal("CN=dora", request.ClientCertificate);
    }

    [Fact]
    public async Task A_foreign_authority_is_not_trusted()
    {
        using var foreign = new TestCertificates();
        await using var server = await ScriptedServer.StartAsync(_certificates.Server());
        var fault = await Assert.ThrowsAsync<KubeUnavailableException>(() => CallAsync(server, new(server.Address, CertificateAuthorityPem: foreign.AuthorityPem)));
        Assert.Contains("certificate-authority", fault.Message, StringComparison.Ordinal);
        Assert.Empty(server.Requests);
    }

    [Fact]
    public async Task The_name_in_the_certificate_is_checked_unless_another_is_expected()
    {
        await using var server = await ScriptedServer.StartAsync(_certificates.Server("kubernetes.default", loopback: false));
        await Assert.ThrowsAsync<KubeUnavailableException>(() => CallAsync(server, new(server.Address, CertificateAuthorityPem: _certificates.AuthorityPem)));
        await CallAsync(server, new(server.Address, CertificateAuthorityPem: _certificates.AuthorityPem, TlsServerName: "kubernetes.default"));
    }

    [Fact]
    public async Task Trust_can_be_switched_off()
    {
        await using var server = await ScriptedServer.StartAsync(_certificates.Server("x", loopback: false));
        await CallAsync(server, new(server.Address, InsecureSkipTlsVerify: true));
    }

    [Fact]
    public async Task A_proxy_is_used_when_configured()
    {
        await using var proxy = await ScriptedServer.StartAsync();
        proxy.On("GET http://api.example:8080/version", Reply.Json("{}"));
        using var client = ScriptedClient.Connect(new(new("http://api.example:8080"), Proxy: proxy.Address));
        await client.GetVersionAsync(default);
    }

    [Fact]
    public async Task A_cut_stream_over_http_2_is_a_transport_fault_and_leaves_the_connection_alone()
    {
        await using var server = await ScriptedServer.StartAsync(_certificates.Server());
        server
            .On($"GET {Wire.ConfigMaps}", Reply.Cut(Wire.Event("ADDED", Wire.ConfigMap("a")), "{\"type\":"))
            .On($"GET {Wire.ConfigMaps}/a", Reply.Json(Wire.ConfigMap("a")));
        using var client = ScriptedClient.Connect(new(server.Address, CertificateAuthorityPem: _certificates.AuthorityPem));
        await Assert.ThrowsAsync<KubeUnavailableException>(() => client.WatchAsync(KubeTypes.ConfigMaps, "ns", new(), default).ReadAsync());
        Assert.Equal("a", (await client.GetAsync(KubeTypes.ConfigMaps, "ns", "a", default)).Metadata.Name);
    }

    [Fact]
    public async Task Many_calls_share_the_connection_of_a_watch()
    {
        await using var server = await ScriptedServer.StartAsync(_certificates.Server());
        server
            .On($"GET {Wire.ConfigMaps}", Reply.Open(new()))
            .On($"PATCH {Wire.ConfigMaps}/a", [.. Enumerable.Range(0, 200).Select(_ => Reply.Json(Wire.ConfigMap("a")))]);
        using var client = ScriptedClient.Connect(new(server.Address, CertificateAuthorityPem: _certificates.AuthorityPem));
        using var stop = new CancellationTokenSource();
        var watch = client.WatchAsync(KubeTypes.ConfigMaps, "ns", new(), stop.Token).ReadAsync();
        await server.NextRequestAsync();
        var manifest = Manifest.Of(KubeTypes.ConfigMaps, Wire.Value("a", new string('x', 5000)));
        await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => client.ApplyAsync(manifest, new(), default)));
        Assert.Equal("HTTP/1.1", server.Requests[0].Protocol);
        Assert.All(server.Requests.Skip(1), request => Assert.Equal("HTTP/2", request.Protocol));
        Assert.All(server.Requests.Skip(1), request => Assert.Equal(server.Requests[1].Body, request.Body));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watch);
        Assert.Empty(server.Unscripted);
    }
}
