using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Dora.Engines;
using Dora.Operator.Certificates;
using CertificateRequest = Dora.Engines.CertificateRequest;

namespace Dora.Operator.Tests.Certificates;

/// <summary>What is issued, as a server shows it and a client of the operator judges it: by OpenSSL, over a real connection.</summary>
public sealed class HandshakeTests
{
    private const string Service = "shop-redis.default.svc";

    // Handshakes are judged by the machine's clock: certificates are made for now.
    private static CertificateWorld World(TimeSpan? ago = null)
    {
        var world = new CertificateWorld(start: TimeProvider.System.GetUtcNow() - (ago ?? TimeSpan.Zero));
        world.Pass();
        return world;
    }

    [Theory]
    [InlineData(Service)]
    [InlineData("localhost")]
    [InlineData("shop-redis-2.shop-redis-members.default.svc")]
    public async Task A_client_believes_a_server_under_each_of_its_names_by_TLS_1_3(string host)
    {
        var world = World();
        Assert.Equal(SslProtocols.Tls13, await ShakeAsync(world, Trust(world), host));
    }

    [Theory]
    [InlineData("shop-postgres.default.svc")]
    [InlineData("a.b.shop-redis-members.default.svc")]
    [InlineData("evil.example")]
    public async Task Another_name_is_refused(string host)
    {
        var world = World();
        await Assert.ThrowsAsync<AuthenticationException>(() => ShakeAsync(world, Trust(world), host));
    }

    [Fact]
    public async Task Another_root_is_refused()
    {
        var world = World();
        await Assert.ThrowsAsync<AuthenticationException>(() => ShakeAsync(world, Trust(World()), Service));
    }

    [Fact]
    public async Task An_expired_certificate_is_refused()
    {
        var world = World(ago: Lifetimes.Server + TimeSpan.FromHours(1));
        await Assert.ThrowsAsync<AuthenticationException>(() => ShakeAsync(world, Trust(world), Service));
    }

    [Fact]
    public async Task In_a_rotation_old_and_new_are_believed_by_the_same_bundle()
    {
        var world = World();
        var old = world.Found(CertificateWorld.Redis);
        world.Annotate("now");
        world.Pass();
        world.Pass();
        var both = Trust(world);
        world.Clock.Advance(Lifetimes.Spread);
        world.Pass();
        Assert.Equal(SslProtocols.Tls13, await ShakeAsync(world, both, Service, old.Fields));
        Assert.NotEqual(old.Fields[CertificateRequest.Chain], world.Found(CertificateWorld.Redis).Fields[CertificateRequest.Chain]);
    }

    [Fact]
    public void What_is_issued_is_what_RFC_5280_wants()
    {
        var world = World();
        using var leaf = X509Certificate2.CreateFromPem(world.Found(CertificateWorld.Redis).Fields[CertificateRequest.Chain]);
        Assert.Equal($"CN={Service}", leaf.Subject);
        Assert.Equal(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"], leaf.Extensions.OfType<X509EnhancedKeyUsageExtension>().Single().EnhancedKeyUsages.Cast<Oid>().Select(usage => usage.Value));
        Assert.Equal(X509KeyUsageFlags.DigitalSignature, leaf.Extensions.OfType<X509KeyUsageExtension>().Single().KeyUsages);
        Assert.False(leaf.Extensions.OfType<X509BasicConstraintsExtension>().Single().CertificateAuthority);
        Assert.Equal(16, leaf.SerialNumberBytes.Length);
        Assert.InRange(leaf.SerialNumberBytes.Span[0], 0x40, 0x7F);
        Assert.Equal(256, leaf.GetECDsaPublicKey()!.KeySize);
        Assert.StartsWith("-----BEGIN PRIVATE KEY-----", world.Found(CertificateWorld.Redis).Fields[CertificateRequest.Key], StringComparison.Ordinal);

        using var root = X509Certificate2.CreateFromPem(world.Root().Signer!.Pem);
        Assert.Equal("O=default, CN=shop authority 1", root.Subject);
        Assert.Equal((true, 0), root.Extensions.OfType<X509BasicConstraintsExtension>().Select(extension => (extension.CertificateAuthority, extension.PathLengthConstraint)).Single());
        Assert.Equal(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, root.Extensions.OfType<X509KeyUsageExtension>().Single().KeyUsages);
        Assert.Equal(Lifetimes.Authority + Lifetimes.Skew, root.NotAfter - root.NotBefore);
    }

    [Fact]
    public async Task Without_a_name_of_at_most_64_characters_the_subject_is_empty_and_the_names_are_critical()
    {
        var name = $"{new string('a', 40)}.{new string('b', 40)}.svc";
        var world = World();
        world.Wanted[0] = ("redis", new(CertificateWorld.Redis, [name]));
        world.Pass();
        using var leaf = X509Certificate2.CreateFromPem(world.Found(CertificateWorld.Redis).Fields[CertificateRequest.Chain]);
        Assert.Equal("", leaf.Subject);
        Assert.True(leaf.Extensions.OfType<X509SubjectAlternativeNameExtension>().Single().Critical);
        Assert.Equal(SslProtocols.Tls13, await ShakeAsync(world, Trust(world), name));
    }

    [Fact]
    public void The_subject_is_the_first_name_that_is_short_enough()
    {
        var world = World();
        world.Wanted[0] = ("redis", new(CertificateWorld.Redis, [new string('a', 63) + ".svc", "short.svc"]));
        world.Pass();
        Assert.Equal("CN=short.svc", world.LeafOf(CertificateWorld.Redis)!.Subject);
    }

    private static ServerTrust Trust(CertificateWorld world) => ServerTrust.Of(world.Found(CertificateWorld.Postgres).Fields[CertificateRequest.Trust]);

    private static async Task<SslProtocols> ShakeAsync(CertificateWorld world, ServerTrust trust, string host, IReadOnlyDictionary<string, string>? secret = null)
    {
        var fields = secret ?? world.Found(CertificateWorld.Redis).Fields;
        using var certificate = X509Certificate2.CreateFromPem(fields[CertificateRequest.Chain], fields[CertificateRequest.Key]);
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var client = new TcpClient();
        var accepting = listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint, TestContext.Current.CancellationToken);
        using var accepted = await accepting;
        await using var server = new SslStream(accepted.GetStream());
        await using var stream = new SslStream(client.GetStream());
        var serving = server.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate, EnabledSslProtocols = SslProtocols.Tls13 }, TestContext.Current.CancellationToken);
        try
        {
            await stream.AuthenticateAsClientAsync(trust.Expecting(host), TestContext.Current.CancellationToken);
            return stream.SslProtocol;
        }
        finally
        {
            client.Close();
            await Record.ExceptionAsync(() => serving);
        }
    }
}
