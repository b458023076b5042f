using System.Net;
using System.Net.Security;
using System.Runtime.CompilerServices;

namespace Dora.Engines.Neo4j.QueryApi;

/// <summary>How members are reached: plainly, or by TLS with the stack's own authority.</summary>
internal sealed class QueryTransport : IDisposable
{
    private static readonly ConditionalWeakTable<ServerTrust, QueryTransport> Encrypted = [];

    private QueryTransport(HttpClient http, string scheme, int port) => (Http, Scheme, Port) = (http, scheme, port);

    /// <summary>The HTTP connector without TLS; one pool of connections for all clusters.</summary>
    public static QueryTransport Plain { get; } = Create("http", Neo4jPlan.HttpPort, null);

    public HttpClient Http { get; }

    public string Scheme { get; }

    public int Port { get; }

    /// <summary>The HTTP connector without TLS on a port of its own.</summary>
    public static QueryTransport PlainOn(int port) => Create("http", port, null);

    /// <summary>TLS, one pool of connections for each trust. The server must show a certificate for the member's DNS name.</summary>
    public static QueryTransport Tls(ServerTrust trust) => Encrypted.GetValue(trust, static trust => TlsOn(trust, Neo4jPlan.HttpsPort));

    /// <summary>TLS on a port of its own.</summary>
    public static QueryTransport TlsOn(ServerTrust trust, int port) => Create("https", port, trust.Anybody());

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
}
