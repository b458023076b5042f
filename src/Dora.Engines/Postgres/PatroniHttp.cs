using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace Dora.Engines.Postgres;

/// <summary>
/// Connections to Patroni's REST API: one pool for all members without TLS, and one for the members of each authority. A pool goes
/// with its <see cref="ServerTrust"/>: after a change of trust nothing is said on connections that the old one opened.
/// </summary>
internal static class PatroniHttp
{
    private static readonly HttpClient Plain = Client(null);

    private static readonly ConditionalWeakTable<ServerTrust, HttpClient> Encrypted = [];

    /// <summary>The pool for members that are believed by this trust; null: without TLS.</summary>
    public static HttpClient To(ServerTrust? trust) => trust is null ? Plain : Encrypted.GetValue(trust, Client);

    /// <summary>A request to a member, by its address.</summary>
    /// <param name="method">HTTP method.</param>
    /// <param name="address">IP address, or host.</param>
    /// <param name="host">Name that the member's certificate must carry; null: without TLS.</param>
    /// <param name="path">Path, without the slash before it.</param>
    public static HttpRequestMessage Request(HttpMethod method, string address, string? host, string path)
    {
        var shown = IPAddress.TryParse(address, out var ip) && ip.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{address}]" : address;
        var request = new HttpRequestMessage(method, $"{(host is null ? "http" : "https")}://{shown}:{PostgresPlan.RestPort}/{path}");
        // .NET checks the certificate by this name, and keeps connections apart by it as well as by their address.
        request.Headers.Host = host;
        return request;
    }

    // Members move, so connections are not kept for long.
    private static HttpClient Client(ServerTrust? trust)
    {
        var handler = new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(2), ConnectTimeout = MemberPoll.Patience, UseProxy = false, AllowAutoRedirect = trust is null };
        if (trust is not null)
            handler.SslOptions = Options(trust);
        return new(handler) { Timeout = TimeSpan.FromSeconds(30) };
    }

    // The name is the request's.
    private static SslClientAuthenticationOptions Options(ServerTrust trust)
    {
        var options = trust.Expecting("");
        options.TargetHost = null;
        return options;
    }
}
