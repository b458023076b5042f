using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;

namespace Dora.Testing.Http;

/// <summary>A request as it came over the wire.</summary>
/// <param name="Method">E.g. GET.</param>
/// <param name="Target">Path and query, not decoded.</param>
/// <param name="Body">Body as text.</param>
/// <param name="Headers">First value of each header.</param>
/// <param name="Protocol">HTTP/1.1 or HTTP/2.</param>
/// <param name="ClientCertificate">Subject of the client's certificate, if it showed one.</param>
public sealed record ReceivedRequest(
    string Method,
    string Target,
    string Body,
    IReadOnlyDictionary<string, string> Headers,
    string Protocol,
    string? ClientCertificate)
{
    /// <summary>The path alone.</summary>
    public string Path => Target.Split('?')[0];

    /// <summary>One value of the query, decoded; null if absent.</summary>
    public string? Query(string key)
    {
        foreach (var pair in Target.Split('?', 2).ElementAtOrDefault(1)?.Split('&') ?? [])
        {
            var parts = pair.Split('=', 2);
            if (parts[0] == key)
                return Uri.UnescapeDataString(parts[1]);
        }

        return null;
    }
}

/// <summary>
/// An HTTP server that says exactly what a test scripts, on a real socket: HTTP/1.1, or TLS with HTTP/2 by ALPN. Replies to one
/// route are used up in order; a request that nobody scripted gets 501 and is listed in <see cref="Unscripted"/>.
/// </summary>
public sealed class ScriptedServer : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, ConcurrentQueue<Reply>> _replies = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<ReceivedRequest> _requests = new();
    private readonly SemaphoreSlim _arrived = new(0);
    private readonly CancellationTokenSource _closing = new();
    private readonly WebApplication _application;
    private int _read;

    private ScriptedServer(WebApplication application) => _application = application;

    /// <summary>Base address.</summary>
    public Uri Address { get; private set; } = new("http://unset");

    /// <summary>All requests so far.</summary>
    public IReadOnlyList<ReceivedRequest> Requests => [.. _requests];

    /// <summary>Routes asked for without a reply left.</summary>
    public ConcurrentQueue<string> Unscripted { get; } = new();

    /// <summary>Starts a server on a free port of the loopback address.</summary>
    /// <param name="certificate">Serve HTTP/2 and HTTP/1.1 over TLS with this; null: plain HTTP/1.1.</param>
    /// <param name="port">A certain port; 0: any free one.</param>
    public static async Task<ScriptedServer> StartAsync(X509Certificate2? certificate = null, int port = 0)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port, listen =>
        {
            listen.Protocols = certificate is null ? HttpProtocols.Http1 : HttpProtocols.Http1AndHttp2;
            if (certificate is null)
                return;
            listen.UseHttps(certificate, https =>
            {
                https.ClientCertificateMode = ClientCertificateMode.AllowCertificate;
                https.ClientCertificateValidation = static (_, _, _) => true;
            });
        }));
        var server = new ScriptedServer(builder.Build());
        server._application.Run(server.AnswerAsync);
        await server._application.StartAsync();
        server.Address = new(server._application.Urls.First());
        return server;
    }

    /// <summary>Adds a reply to a route, e.g. <c>GET /api/v1/pods</c>; the query is not part of it.</summary>
    public ScriptedServer On(string route, params Reply[] replies)
    {
        var queue = _replies.GetOrAdd(route, _ => new());
        foreach (var reply in replies)
            queue.Enqueue(reply);
        return this;
    }

    /// <summary>The next request that was not asked for here before.</summary>
    public async Task<ReceivedRequest> NextRequestAsync()
    {
        if (!await _arrived.WaitAsync(TimeSpan.FromSeconds(30)))
            throw new TimeoutException($"No request within 30 s; {_read} came before.");
        return _requests.ElementAt(_read++);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        await _application.StopAsync(stop.Token);
        await _application.DisposeAsync();
        _closing.Dispose();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var request = await ReceiveAsync(context);
        _requests.Enqueue(request);
        _arrived.Release();
        var route = $"{request.Method} {request.Path}";
        if (!_replies.TryGetValue(route, out var queue) || !queue.TryDequeue(out var reply))
        {
            Unscripted.Enqueue($"{request.Method} {request.Target}");
            reply = Reply.Text(501, $"{route} is not scripted");
        }

        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _closing.Token);
        try
        {
            await reply.SendAsync(context, ended.Token);
        }
        catch (OperationCanceledException)
        {
            context.Abort();
        }
    }

    private static async Task<ReceivedRequest> ReceiveAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body, Encoding.UTF8);
        var body = await reader.ReadToEndAsync();
        var target = context.Features.Get<IHttpRequestFeature>()!.RawTarget;
        return new(
            context.Request.Method,
            target,
            body,
            context.Request.Headers.ToDictionary(header => header.Key, header => header.Value[0] ?? "", StringComparer.OrdinalIgnoreCase),
            context.Request.Protocol,
            context.Connection.ClientCertificate?.Subject);
    }
}
