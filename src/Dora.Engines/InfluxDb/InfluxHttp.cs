using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Runtime.CompilerServices;
using System.Text;

namespace Dora.Engines.InfluxDb;

/// <summary>
/// HTTP to one server, as one user. A reply is read up to a limit, each call has a deadline, redirects are not followed (they would
/// carry the credentials elsewhere), and every failure is an <see cref="InfluxException"/>.
/// </summary>
internal sealed class InfluxHttp(HttpClient http, Uri address, AuthenticationHeaderValue? credentials, string? serverName = null)
{
    /// <summary>Bytes of a reply at most: some thousand objects; more is a fault or an attack.</summary>
    public const int LargestReply = 4 << 20;

    // What of the server's own words goes into a message (characters).
    private const int LongestQuote = 300;

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(5);

    // One pool of connections for all servers; members move, so addresses are not kept for long.
    private static readonly HttpClient Plain = Client(null);

    /// <summary>Speaks to a member as its stack has it: over TLS, to whom the stack's authority knows by the member's name; or plain.</summary>
    public static InfluxHttp To(InfluxDbPlan plan, EngineTarget target, MemberPod member, AuthenticationHeaderValue? credentials) => To(
        member, plan.Port, credentials, plan.Names.Encrypted ? InfluxTls.Of(target.Trust(plan.Names.CertificateSecret), $"{member.Name}.{plan.Names.Domain(plan.Names.Members)}") : null);

    /// <summary>Speaks to a member.</summary>
    public static InfluxHttp To(MemberPod member, int port, AuthenticationHeaderValue? credentials, InfluxTls? tls = null)
    {
        var address = member.Address ?? throw new InfluxException(InfluxFault.Unreachable, $"{member.Name} has no address");
        return tls is null ? new(Plain, Address("http", address, port), credentials) : new(tls.Client, Address("https", address, port), credentials, tls.ServerName);
    }

    public static AuthenticationHeaderValue Basic(string user, string password) =>
        new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}")));

    /// <exception cref="InfluxException">No header can carry it: somebody changed the Secret.</exception>
    public static AuthenticationHeaderValue Token(string token) => token.All(letter => letter is > ' ' and < (char)127)
        ? new("Token", token)
        : throw new InfluxException(InfluxFault.Unauthorized, "a token holds characters that no header can carry");

    internal static HttpClient Client(SslClientAuthenticationOptions? tls)
    {
        var handler = new SocketsHttpHandler
        {
            PooledConnectionLifetime = TimeSpan.FromMinutes(2),
            ConnectTimeout = TimeSpan.FromSeconds(3),
            MaxResponseHeadersLength = 64,
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
        };
        if (tls is not null)
            handler.SslOptions = tls;
        return new(handler) { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>The time for all questions to one server, shorter than a probe's: one that is slow must not hide the others.</summary>
    public static CancellationTokenSource Patience(CancellationToken cancellationToken)
    {
        var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(TimeSpan.FromSeconds(6));
        return patience;
    }

    /// <summary>What an exception says about a server; null when it says nothing, as when the caller cancelled.</summary>
    public static InfluxException? Finding(Exception exception, CancellationToken cancellationToken) => exception switch
    {
        InfluxException known => known,
        OperationCanceledException when !cancellationToken.IsCancellationRequested => new(InfluxFault.TimedOut, "the server did not answer in time", exception),
        _ => null,
    };

    /// <summary>Sends one request and reads all of the reply.</summary>
    /// <param name="method">HTTP method.</param>
    /// <param name="target">Path and query.</param>
    /// <param name="content">Body, or null.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <param name="deadline">Longest time for the whole reply; 5 s when absent.</param>
    /// <exception cref="InfluxException">There is no whole, bounded reply. A status that says no is a reply.</exception>
    public async Task<InfluxReply> SendAsync(HttpMethod method, string target, HttpContent? content, CancellationToken cancellationToken, TimeSpan? deadline = null)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(deadline ?? Deadline);
        try
        {
            using var request = new HttpRequestMessage(method, new Uri(address, target)) { Content = content };
            request.Headers.Authorization = credentials;
            // Names the server for TLS, which is reached by address.
            request.Headers.Host = serverName;
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token).ConfigureAwait(false);
            var body = await BodyAsync(response, patience.Token).ConfigureAwait(false);
            var version = response.Headers.TryGetValues("X-Influxdb-Version", out var values) ? values.First() : null;
            return new(response.StatusCode, body, version is { Length: <= 64 } ? version : null);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new InfluxException(InfluxFault.TimedOut, "the server did not answer in time", exception);
        }
        catch (HttpRequestException exception) when (exception.HttpRequestError is HttpRequestError.InvalidResponse or HttpRequestError.ConfigurationLimitExceeded)
        {
            throw new InfluxException(InfluxFault.Malformed, "the server does not answer in HTTP", exception);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            throw new InfluxException(InfluxFault.Unreachable, exception is HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } ? "the server's certificate is not to be trusted" : "the server does not answer", exception);
        }
    }

    /// <summary>The exception for a status that says no.</summary>
    /// <param name="reply">What came.</param>
    /// <param name="code">The server's own word for it, or null.</param>
    /// <param name="message">The server's sentence.</param>
    /// <param name="secret">Text that must not be repeated, or null.</param>
    public static InfluxException Failure(InfluxReply reply, string? code, string message, string? secret = null)
    {
        var fault = reply.Status switch
        {
            HttpStatusCode.Unauthorized => InfluxFault.Unauthorized,
            HttpStatusCode.Forbidden => InfluxFault.Forbidden,
            HttpStatusCode.NotFound => InfluxFault.NotFound,
            HttpStatusCode.Conflict => InfluxFault.Conflict,
            HttpStatusCode.UnprocessableEntity when code == "conflict" => InfluxFault.Conflict,
            HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError => InfluxFault.Unavailable,
            _ => InfluxFault.Refused,
        };
        return new(fault, $"the server answers {(int)reply.Status}: {Quote(message, secret)}");
    }

    /// <summary>What a server said, cut, and without what must not be repeated.</summary>
    public static string Quote(string message, string? secret)
    {
        if (!string.IsNullOrEmpty(secret))
            message = message.Replace(secret, "[REDACTED]", StringComparison.Ordinal);
        return message.Length <= LongestQuote ? message : message[..LongestQuote] + "…";
    }

    private static async Task<byte[]> BodyAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.Content.Headers.ContentLength > LargestReply)
            throw new InfluxException(InfluxFault.Malformed, $"a reply is larger than {LargestReply} bytes");
        var stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = stream.ConfigureAwait(false);
        using var buffer = new MemoryStream();
        var piece = new byte[16 << 10];
        int read;
        while ((read = await stream.ReadAsync(piece, cancellationToken).ConfigureAwait(false)) > 0)
        {
            if (buffer.Length + read > LargestReply)
                throw new InfluxException(InfluxFault.Malformed, $"a reply is larger than {LargestReply} bytes");
            buffer.Write(piece, 0, read);
        }

        return buffer.ToArray();
    }

    private static Uri Address(string scheme, string address, int port) => new UriBuilder(scheme, address, port).Uri;
}

/// <summary>A whole reply.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="Body">Body.</param>
/// <param name="Version">What the server says it is, e.g. <c>1.6.7</c>, or null.</param>
internal sealed record InfluxReply(HttpStatusCode Status, byte[] Body, string? Version)
{
    /// <summary>Whether the status says yes.</summary>
    public bool IsSuccess => (int)Status is >= 200 and < 300;
}

/// <summary>Whom to trust over TLS.</summary>
/// <param name="Client">Connections to whom this trust believes.</param>
/// <param name="ServerName">Name that must stand in the server's certificate, whatever address it is reached by.</param>
internal sealed record InfluxTls(HttpClient Client, string ServerName)
{
    // They live as long as their trust is kept.
    private static readonly ConditionalWeakTable<ServerTrust, HttpClient> Clients = [];

    public static InfluxTls Of(ServerTrust trust, string serverName) =>
        new(Clients.GetValue(trust, static kept => InfluxHttp.Client(kept.Anybody())), serverName);
}
