using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace Dora.Engines.Neo4j.QueryApi;

/// <summary>How members are reached: plainly, or by TLS with a certificate authority of the stack's own.</summary>
internal sealed class QueryTransport : IDisposable
{
    private QueryTransport(HttpClient http, string scheme, int port) => (Http, Scheme, Port) = (http, scheme, port);

    /// <summary>The HTTP connector without TLS; one pool of connections for all clusters.</summary>
    public static QueryTransport Plain { get; } = Create("http", Neo4jPlan.HttpPort, null);

    public HttpClient Http { get; }

    public string Scheme { get; }

    public int Port { get; }

    /// <summary>The HTTP connector without TLS on a port of its own.</summary>
    public static QueryTransport PlainOn(int port) => Create("http", port, null);

    /// <summary>TLS. The server must show a certificate for the member's DNS name, issued by one of these authorities.</summary>
    public static QueryTransport Tls(X509Certificate2Collection authorities, int port) => Create("https", port, new()
    {
        CertificateChainPolicy = Policy(authorities),
    });

    /// <summary>Address of a path on a member.</summary>
    public Uri Address(string address, string path) => new(IPAddress.TryParse(address, out var ip) && ip.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6
        ? $"{Scheme}://[{address}]:{Port}/{path}"
        : $"{Scheme}://{address}:{Port}/{path}");

    public void Dispose() => Http.Dispose();

    // Members move, so addresses are not kept for long. A redirect would take the password elsewhere.
    private static QueryTransport Create(string scheme, int port, SslClientAuthenticationOptions? tls)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = TimeSpan.FromSeconds(3),
            MaxResponseHeadersLength = 16,
            MaxResponseDrainSize = 0,
            PooledConnectionLifetime = TimeSpan.FromMinutes(2),
            UseCookies = false,
            UseProxy = false,
        };
        if (tls is not null)
            handler.SslOptions = tls;
        // Deadlines are the caller's.
        return new(new(handler) { Timeout = Timeout.InfiniteTimeSpan }, scheme, port);
    }

    private static X509ChainPolicy Policy(X509Certificate2Collection authorities)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(authorities);
        return policy;
    }
}
