using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using Dora.Api;
using Dora.Engines;
using Dora.Operator.Transport;
using Dora.Testing.Http;
using Dora.Testing.MongoDb;
using Xunit;

namespace Dora.Integration.Tests.Transport;

/// <summary>Ports of OpenSSL's own server, which does as it is told, right or wrong.</summary>
public sealed class TransportProbeTests : IDisposable
{
    private const string Host = "payments-redis-0.payments-redis-members.compliance.svc";

    private readonly string folder = Directory.CreateTempSubdirectory("dora-transport").FullName;
    private readonly TestCertificates authority = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        authority.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [InlineData(TlsVersion.Tls13, TransportVerdict.PolicyMet, "", "-tls1_3")]
    [InlineData(TlsVersion.Tls12, TransportVerdict.PolicyMet, "", "-tls1_2")]
    [InlineData(TlsVersion.Tls13, TransportVerdict.LegacyTlsAccepted, "accepts TLS 1.2", "-no_tls1_1")]
    [InlineData(TlsVersion.Tls12, TransportVerdict.LegacyTlsAccepted, "accepts TLS 1.1", "-cipher", "ALL:@SECLEVEL=0")]
    public async Task A_version_older_than_allowed_is_found(TlsVersion minimum, TransportVerdict verdict, string detail, params string[] options)
    {
        var files = authority.ServerFiles([Host]);
        var finding = await MeasureAsync(files, ServerTrust.Of(authority.AuthorityPem), minimum, options);
        Assert.Equal((verdict, detail), (finding.Verdict, finding.Detail));
        Assert.Equal(options[0] == "-tls1_2" ? "TLS 1.2" : "TLS 1.3", finding.Protocol);
        Assert.StartsWith("TLS_", finding.Cipher, StringComparison.Ordinal);
        Assert.Equal(System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPem(files["tls.crt"]).SerialNumber, finding.Serial);
    }

    [Fact]
    public async Task A_certificate_of_another_authority_or_for_another_name_is_found()
    {
        using var stranger = new TestCertificates();
        var other = await MeasureAsync(stranger.ServerFiles([Host]), ServerTrust.Of(authority.AuthorityPem), TlsVersion.Tls13, "-tls1_3");
        Assert.Equal((TransportVerdict.ChainInvalid, "its certificate is not of the stack's authority, or out of date"), (other.Verdict, other.Detail));
        var named = await MeasureAsync(authority.ServerFiles(["elsewhere"]), ServerTrust.Of(authority.AuthorityPem), TlsVersion.Tls13, "-tls1_3");
        Assert.Equal((TransportVerdict.ChainInvalid, $"its certificate is not for {Host}"), (named.Verdict, named.Detail));
    }

    [Theory]
    [InlineData("-NOAUTH Authentication required.\r\n")]
    [InlineData("HTTP/1.1 400 Bad Request\r\n\r\n")]
    public async Task A_server_that_only_speaks_in_the_clear_is_found(string answer)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var serving = ServeAsync(listener, answer);
        var finding = await TransportProbe.MeasureAsync(Target(((IPEndPoint)listener.LocalEndpoint).Port), ServerTrust.Of(authority.AuthorityPem), TlsVersion.Tls13, Token);
        Assert.Equal((TransportVerdict.PlaintextAccepted, "answers who speaks in the clear"), (finding.Verdict, finding.Detail));
        listener.Stop();
        await serving;
    }

    // Both hang up on who speaks no MongoDB, in the clear or not.
    [Theory]
    [InlineData(false, TransportVerdict.PlaintextAccepted)]
    [InlineData(true, TransportVerdict.PolicyMet)]
    public async Task MongoDB_in_the_clear_is_found_by_its_own_words(bool encrypted, TransportVerdict verdict)
    {
        await using var set = new ScriptedReplicaSet();
        var server = set.AddServer($"{Host}:27017");
        server.Certificate = encrypted ? authority.Server(Host) : null;
        server.Protocols = SslProtocols.Tls13;
        var target = new TransportTarget("mongodb", "payments-redis-0", "uid", server.Address.ToString(), Target(ScriptedReplicaSet.Port).Endpoint with { Plain = PlainSpeech.MongoHello });
        Assert.Equal(verdict, (await TransportProbe.MeasureAsync(target, ServerTrust.Of(authority.AuthorityPem), TlsVersion.Tls13, Token)).Verdict);
    }

    [Theory]
    [InlineData("00000805", TransportVerdict.PlaintextAccepted)]
    [InlineData("00000000", TransportVerdict.PlaintextAccepted)]
    [InlineData("", TransportVerdict.NotMeasured)]
    public async Task Bolt_in_the_clear_is_found_by_its_own_words(string answer, TransportVerdict verdict)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        // A server of Bolt hangs up on who does not begin with its magic number, and one that wants TLS on everybody in the clear.
        var serving = ServeAsync(listener, said => said is [0x60, 0x60, 0xb0, 0x17, ..] ? Convert.FromHexString(answer) : []);
        var target = Target(((IPEndPoint)listener.LocalEndpoint).Port);
        var finding = await TransportProbe.MeasureAsync(target with { Endpoint = target.Endpoint with { Plain = PlainSpeech.BoltHandshake } }, ServerTrust.Of(authority.AuthorityPem), TlsVersion.Tls13, Token);
        Assert.Equal(verdict, finding.Verdict);
        listener.Stop();
        await serving;
    }

    [Fact]
    public async Task Nobody_there_is_not_measured()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        Assert.Equal(TransportVerdict.NotMeasured, (await TransportProbe.MeasureAsync(Target(port), ServerTrust.Of(authority.AuthorityPem), TlsVersion.Tls13, Token)).Verdict);
    }

    private async Task<TransportFinding> MeasureAsync(IReadOnlyDictionary<string, string> files, ServerTrust trust, TlsVersion minimum, params string[] options)
    {
        foreach (var (name, text) in files)
            await File.WriteAllTextAsync(Path.Combine(folder, name), text, Token);
        // Whatever is free now is so a moment later, on a loopback address of our own.
        var address = string.Create(CultureInfo.InvariantCulture, $"127.{1 + (Environment.ProcessId % 250)}.89.1");
        var port = 20000 + Random.Shared.Next(20000);
        await using var server = new ChildProcess(
            "openssl",
            ["s_server", "-accept", string.Create(CultureInfo.InvariantCulture, $"{address}:{port}"), "-cert", Path.Combine(folder, "tls.crt"), "-key", Path.Combine(folder, "tls.key"), "-quiet", .. options],
            new Dictionary<string, string> { ["PATH"] = "/usr/bin:/bin" });
        try
        {
            return await ChildProcess.UntilAsync(() => TransportProbe.MeasureAsync(Target(port, address), trust, minimum, Token), found => found.Verdict != TransportVerdict.NotMeasured, TimeSpan.FromSeconds(20), Token);
        }
        catch (TimeoutException exception)
        {
            throw new TimeoutException($"{exception.Message}\n{server.Output}", exception);
        }
    }

    private static TransportTarget Target(int port, string address = "127.0.0.1") =>
        new("redis", "payments-redis-0", "uid", address, new("redis", port, "payments-redis-tls", "{pod}.payments-redis-members.compliance.svc", CertificateReload.ByCommand));

    private static Task ServeAsync(TcpListener listener, string answer) => ServeAsync(listener, _ => System.Text.Encoding.ASCII.GetBytes(answer));

    private static async Task ServeAsync(TcpListener listener, Func<byte[], byte[]> answer)
    {
        try
        {
            while (true)
            {
                using var client = await listener.AcceptSocketAsync(Token);
                var said = new byte[256];
                await client.ReceiveAsync(said, Token);
                await client.SendAsync(answer(said), Token);
            }
        }
        catch (Exception ended) when (ended is SocketException or InvalidOperationException)
        {
            // The test is over: the listener ended before or while somebody was waited for.
        }
    }
}
