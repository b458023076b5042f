using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Dora.Engines;
using Dora.Testing.Http;
using Xunit;

namespace Dora.Integration.Tests.Postgres;

/// <summary>Members that speak TLS from their first start.</summary>
public sealed class EncryptedPods : IAsyncLifetime
{
    public TestCertificates Authority { get; } = new();

    public PatroniPods Pods { get; } = new();

    public (int Primary, int Replica) Roles()
    {
        var primary = Pods.Health!.Members.ToList().FindIndex(member => member.Pod == Pods.Health.Primary);
        return (primary, 1 - primary);
    }

    public async Task<object?> ScalarAsync(int ordinal, string statement)
    {
        await using var source = Pods.Source(ordinal);
        await using var command = source.CreateCommand(statement);
        return await command.ExecuteScalarAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>The certificate that a port shows to who trusts these pods, after a handshake of these versions.</summary>
    public async Task<string> ServedAsync(int ordinal, TlsEndpoint endpoint, SslProtocols versions = SslProtocols.None)
    {
        var member = Pods.Target.Members[ordinal];
        return await ServedAsync(member.Address!, endpoint.Port, endpoint, endpoint.HostFormat.Replace("{pod}", member.Name, StringComparison.Ordinal), Pods.Trust, versions);
    }

    public static async Task<string> ServedAsync(string address, int port, TlsEndpoint endpoint, string host, string trust, SslProtocols versions = SslProtocols.None)
    {
        var token = TestContext.Current.CancellationToken;
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(address, port, token);
        await using var stream = tcp.GetStream();
        if (endpoint.Start == TlsStart.PostgresRequest)
        {
            // SSLRequest (PostgreSQL documentation, "Message Formats"): length 8, code 80877103.
            await stream.WriteAsync(new byte[] { 0, 0, 0, 8, 4, 210, 22, 47 }, token);
            var answer = new byte[1];
            await stream.ReadExactlyAsync(answer, token);
            Assert.Equal((byte)'S', answer[0]);
        }

        await using var tls = new SslStream(stream);
        var options = ServerTrust.Of(trust).Expecting(host);
        options.EnabledSslProtocols = versions;
        await tls.AuthenticateAsClientAsync(options, token);
        return ((X509Certificate2)tls.RemoteCertificate!).SerialNumber;
    }

    public ValueTask InitializeAsync()
    {
        Pods.Encrypt(new(), Authority);
        return Pods.InitializeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await Pods.DisposeAsync();
        Authority.Dispose();
    }
}
