using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Dora.Kubernetes.Client;

/// <summary>One request, before credentials and retries.</summary>
internal sealed record KubeCall(KubeSubject Subject, HttpMethod Method, string Path, KubeBody? Body = null);

/// <summary>Sends calls: credentials, deadline, the few retries that are safe, metrics, typed errors.</summary>
internal sealed partial class KubeSender : IDisposable
{
    private const int MaxErrorBody = 1 << 20;
    private static readonly TimeSpan _longestWait = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan _shortestWait = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan _longestRefusedWait = TimeSpan.FromSeconds(5);
    private static readonly MediaTypeWithQualityHeaderValue _json = new(KubeBody.JsonMediaType);

    private readonly KubeClientOptions _options;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly KubeTransport _transport;
    private readonly CredentialSource _credentials;
    private readonly Func<double> _jitter;
    private readonly string _prefix;
    private readonly string? _tlsServerName;
    private readonly Version _version;

    public KubeSender(KubeConfig config, KubeClientOptions options, TimeProvider clock, ILogger logger)
    {
        Server = config.Server;
        _options = options;
        _clock = clock;
        _logger = logger;
        _transport = new(config, options.Handler);
        _credentials = CredentialSource.Of(config, clock, logger);
        _jitter = options.Jitter ?? Random.Shared.NextDouble;
        _tlsServerName = config.TlsServerName;
        _prefix = config.Server.GetLeftPart(UriPartial.Path).TrimEnd('/');
        _version = string.Equals(config.Server.Scheme, Uri.UriSchemeHttps, StringComparison.Ordinal) ? HttpVersion.Version20 : HttpVersion.Version11;
        Timeout = options.Timeout ?? TimeSpan.FromSeconds(30);
    }

    public Uri Server { get; }

    public TimeSpan Timeout { get; }

    /// <summary>A number in [0, 1).</summary>
    public double Jitter() => _jitter();

    /// <summary>Sends and reads the answer, both within the deadline.</summary>
    /// <exception cref="KubeException">Refused, unreachable, or malformed.</exception>
    public async Task<TResult> CallAsync<TState, TResult>(
        KubeCall call,
        TState state,
        Func<TState, HttpResponseMessage, CancellationToken, Task<TResult>> read,
        CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(Timeout, _clock);
        using var cancelled = cancellationToken.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), deadline);
        try
        {
            using var response = await SendAsync(call, deadline.Token);
            var result = await read(state, response, deadline.Token);
            call.Body?.Return();
            return result;
        }
        catch (Exception fault) when (IsUntyped(fault))
        {
            throw Typed(call.Subject, fault, Timeout, cancellationToken);
        }
    }

    /// <summary>Whether a fault comes from the layers below, so that <see cref="Typed"/> says what it means.</summary>
    public static bool IsUntyped(Exception fault) =>
        fault is OperationCanceledException or JsonException or HttpRequestException or IOException;

    /// <summary>What a fault from the layers below means.</summary>
    public Exception Typed(KubeSubject subject, Exception fault, TimeSpan timeout, CancellationToken cancellationToken) => fault switch
    {
        OperationCanceledException when cancellationToken.IsCancellationRequested => new OperationCanceledException(fault.Message, fault, cancellationToken),
        OperationCanceledException => KubeErrors.FromTimeout(subject, Server, timeout, fault),
        JsonException json => KubeErrors.FromJson(subject, 200, json),
        _ => KubeErrors.FromTransport(subject, Server, fault),
    };

    /// <summary>Sends until there is an answer that is not to be retried; only a success is returned.</summary>
    public async Task<HttpResponseMessage> SendAsync(KubeCall call, CancellationToken cancellationToken)
    {
        var started = _clock.GetTimestamp();
        var renewed = false;
        for (var attempt = 0; ; attempt++)
        {
            var credential = await _credentials.GetAsync(cancellationToken);
            TimeSpan wait;
            try
            {
                var response = await TryAsync(call, credential, cancellationToken);
                if (response.IsSuccessStatusCode)
                    return response;
                using (response)
                {
                    var error = await ErrorAsync(call.Subject, response, cancellationToken);
                    if (response.StatusCode == HttpStatusCode.Unauthorized && _credentials.Renewable && !renewed)
                    {
                        renewed = true;
                        _credentials.Refused(credential);
                        continue;
                    }

                    if (RetryAfter(response) is not { } asked || attempt >= _options.MaxRetries)
                        throw error;
                    wait = Spread(asked < _shortestWait ? _shortestWait : asked);
                    if (asked > _longestWait || _clock.GetElapsedTime(started) + wait >= Timeout)
                        throw error;
                }
            }
            catch (HttpRequestException fault) when (Refused(fault) && attempt < _options.MaxRetries)
            {
                // Nothing was sent, so that even a create is safe to repeat.
                wait = RefusedWait(attempt);
                if (_clock.GetElapsedTime(started) + wait >= Timeout)
                    throw;
            }

            LogRetry(call.Subject, attempt + 1, wait.TotalMilliseconds);
            await Task.Delay(wait, _clock, cancellationToken);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _transport.Dispose();
        _credentials.Dispose();
    }

    private async Task<HttpResponseMessage> TryAsync(KubeCall call, Credential credential, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(call.Method, new Uri(_prefix + call.Path))
        {
            // A watch has a connection of its own, see docs/decisions/0010.
            Version = call.Subject.Verb == "watch" ? HttpVersion.Version11 : _version,
            VersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
            Content = call.Body?.Content(),
        };
        request.Headers.Accept.Add(_json);

        // The handler takes the name for TLS from here, and from nowhere else.
        request.Headers.Host = _tlsServerName;
        request.Headers.TryAddWithoutValidation("User-Agent", _options.UserAgent);
        if (credential.Authorization is { } authorization)
            request.Headers.TryAddWithoutValidation("Authorization", authorization);
        var started = _clock.GetTimestamp();
        var code = 0;
        try
        {
            var response = await _transport.For(credential).SendAsync(request, cancellationToken);
            code = (int)response.StatusCode;
            return response;
        }
        finally
        {
            KubeMetrics.RecordRequest(call.Subject.Verb, call.Subject.Resource, code, _clock.GetElapsedTime(started));
        }
    }

    private async Task<KubeException> ErrorAsync(KubeSubject subject, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var body = await ReadAsync(response, MaxErrorBody, cancellationToken);
        try
        {
            return KubeErrors.FromBody(subject, (int)response.StatusCode, body.Written.Span, RetryAfter(response));
        }
        finally
        {
            body.Return();
        }
    }

    /// <summary>Reads the whole body, or its first <paramref name="limit"/> bytes, into pooled memory.</summary>
    public static async Task<PooledBuffer> ReadAsync(HttpResponseMessage response, int limit, CancellationToken cancellationToken)
    {
        var known = response.Content.Headers.ContentLength ?? 0;
        var buffer = new PooledBuffer((int)Math.Clamp(known + 1, 4096, limit));
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        int read;
        while (buffer.Length < limit && (read = await stream.ReadAsync(buffer.GetMemory(1024), cancellationToken)) > 0)
            buffer.Advance(read);
        return buffer;
    }

    private TimeSpan? RetryAfter(HttpResponseMessage response)
    {
        var code = (int)response.StatusCode;
        if (code != 429 && code < 500)
            return null;
        return response.Headers.RetryAfter switch
        {
            { Delta: { } delta } => delta,
            { Date: { } date } => date - _clock.GetUtcNow(),
            _ => null,
        };
    }

    private TimeSpan RefusedWait(int attempt)
    {
        var wait = _shortestWait * Math.Pow(2, Math.Min(attempt, 10));
        return Spread(wait < _longestRefusedWait ? wait : _longestRefusedWait);
    }

    private TimeSpan Spread(TimeSpan wait) => wait * (1 + (0.2 * _jitter()));

    private static bool Refused(HttpRequestException fault) =>
        fault.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionRefused };

    [LoggerMessage(Level = LogLevel.Debug, Message = "Retry {Attempt} of {Subject} in {Milliseconds} ms.")]
    private partial void LogRetry(KubeSubject subject, int attempt, double milliseconds);
}
