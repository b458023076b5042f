using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Dora.Vault;

/// <summary>
/// Puts requests on the wire: deadline, redirects to trusted hosts, and repetition of what may be repeated. What came back is
/// judged by <see cref="VaultRefusal"/>.
/// </summary>
internal sealed class VaultTransport : IDisposable
{
    private const int MostTries = 4;
    private const int MostHops = 3;
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(5);

    private readonly VaultOptions _options;
    private readonly TimeProvider _clock;
    private readonly HttpMessageInvoker _http;
    private volatile string? _index;

    /// <exception cref="ArgumentException">The CA bundle holds no PEM certificate.</exception>
    public VaultTransport(VaultOptions options, TimeProvider clock)
    {
        (_options, _clock) = (options, clock);
        _http = new(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            ActivityHeadersPropagator = null,
            ConnectTimeout = TimeSpan.FromSeconds(5),
            PooledConnectionLifetime = TimeSpan.FromMinutes(2),
            SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = Chain(options.AuthorityPem) },
        });
    }

    /// <summary>Whom it asks.</summary>
    public Uri Address => _options.Address;

    /// <summary>The answer, whatever its code, after as many tries as the request allows.</summary>
    /// <exception cref="VaultUnreachableException">There is none.</exception>
    public async Task<VaultAnswer> SendAsync(VaultRequest request, string? token, CancellationToken cancellationToken, int tries = MostTries)
    {
        using var deadline = new CancellationTokenSource(_options.Deadline, _clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            for (var tried = 1; ; tried++)
            {
                var (answer, failure) = await TryAsync(request, token, both.Token);
                if (tried >= tries || Pause(request, answer, tried) is not { } pause)
                    return answer ?? throw failure!;
                await Task.Delay(pause, _clock, both.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new VaultUnreachableException($"{_options.Address} did not answer {request} within {_options.Deadline.TotalSeconds:0} s: see whether Vault is up and the network lets this pod reach it");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    // How long to wait before the next try; null: there is none.
    private static TimeSpan? Pause(VaultRequest request, VaultAnswer? answer, int tried)
    {
        // 412: the server has not seen an earlier write yet and did nothing, so any request may be said again.
        var again = answer?.Code == 412 || (request.Repeatable && (answer is null || (answer.Code is 429 or 502 or 503 && !VaultRefusal.SaysSealed(answer))));
        if (!again)
            return null;
        if (answer?.RetryAfter is { } asked)
            return asked <= LongestDelay ? asked : null;
        return FirstDelay * Math.Pow(2, tried - 1) * (1 + (Random.Shared.NextDouble() / 2));
    }

    private async Task<(VaultAnswer? Answer, VaultUnreachableException? Failure)> TryAsync(VaultRequest request, string? token, CancellationToken cancellationToken)
    {
        var target = new Uri(_options.Address, $"/v1/{request.Path}{request.Query}");
        for (var hops = 0; ; hops++)
        {
            VaultAnswer answer;
            try
            {
                answer = await OnceAsync(request, token, target, cancellationToken);
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException)
            {
                return (null, new($"{target.GetLeftPart(UriPartial.Authority)} gave no answer to {request}: {Explain(exception)}", inner: exception));
            }

            if (answer.Code != 307)
                return (answer, null);
            target = hops < MostHops ? Trusted(request, target, answer.Location) : throw new VaultUnreachableException($"{_options.Address} redirects {request} in circles: see which Vault is active", 307);
        }
    }

    private async Task<VaultAnswer> OnceAsync(VaultRequest request, string? token, Uri target, CancellationToken cancellationToken)
    {
        using var message = new HttpRequestMessage(request.Method, target);
        message.Headers.Add("X-Vault-Request", "true");
        if (token is not null)
            message.Headers.TryAddWithoutValidation("X-Vault-Token", token);
        if (_options.Namespace is { Length: > 0 } ns)
            message.Headers.Add("X-Vault-Namespace", ns);
        if (_index is { } index)
            message.Headers.TryAddWithoutValidation("X-Vault-Index", index);
        if (request.Body is { } body)
            message.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, new MediaTypeHeaderValue(request.MediaType));
        using var response = await _http.SendAsync(message, cancellationToken);
        if (response.Headers.TryGetValues("X-Vault-Index", out var seen))
            _index = seen.First();
        var retry = response.Headers.RetryAfter;
        return new((int)response.StatusCode, await ReadAsync(request, response, cancellationToken))
        {
            RetryAfter = retry?.Delta ?? (retry?.Date is { } date ? date - _clock.GetUtcNow() : null),
            Location = response.Headers.Location,
        };
    }

    private async Task<byte[]> ReadAsync(VaultRequest request, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        using var kept = new MemoryStream();
        var piece = new byte[8192];
        for (int read; (read = await stream.ReadAsync(piece, cancellationToken)) > 0;)
        {
            kept.Write(piece, 0, read);
            if (kept.Length > _options.LongestAnswer)
                throw new VaultInvalidAnswerException($"the answer to {request} is longer than {_options.LongestAnswer} bytes: is {_options.Address} a Vault?", (int)response.StatusCode);
        }

        return kept.ToArray();
    }

    // The token opens every secret of ours: it goes to the address and the hosts that were named, and nowhere else.
    private Uri Trusted(VaultRequest request, Uri from, Uri? location)
    {
        var target = location is null ? null : new Uri(from, location);
        if (target is null || target.Scheme is not ("http" or "https"))
            throw new VaultUnreachableException($"{from.Authority} redirects {request} to nowhere", 307);
        if (from.Scheme == Uri.UriSchemeHttps && target.Scheme != Uri.UriSchemeHttps)
            throw new VaultUnreachableException($"{from.Authority} redirects {request} to {target.Authority} without TLS: the token does not go there; set api_addr of that Vault to an https address", 307);
        if (target.Authority != _options.Address.Authority && _options.TrustedHosts?.Contains(target.Authority, StringComparer.OrdinalIgnoreCase) != true)
            throw new VaultUnreachableException($"{from.Authority} redirects {request} to {target.Authority}, which is not trusted: name it as a trusted host, or address the active Vault", 307);
        return target;
    }

    private static string Explain(Exception exception) => exception.InnerException is AuthenticationException
        ? "its certificate is not trusted or has another name; give the CA that signed it"
        : exception.Message;

    private static X509ChainPolicy? Chain(string? pem)
    {
        if (string.IsNullOrWhiteSpace(pem))
            return null;
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        try
        {
            policy.CustomTrustStore.ImportFromPem(pem);
        }
        catch (CryptographicException exception)
        {
            throw new ArgumentException($"the CA bundle cannot be read: {exception.Message}", nameof(pem), exception);
        }

        return policy.CustomTrustStore.Count > 0 ? policy : throw new ArgumentException("the CA bundle holds no PEM certificate", nameof(pem));
    }
}
