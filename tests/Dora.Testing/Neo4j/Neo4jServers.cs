using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Dora.Testing.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Dora.Testing.Neo4j;

/// <summary>A request that reached a scripted Neo4j.</summary>
/// <param name="Member">Number of the member.</param>
/// <param name="Method">E.g. POST.</param>
/// <param name="Path">Its path.</param>
/// <param name="User">Who asked; null without a password.</param>
/// <param name="Body">Body as text.</param>
/// <param name="Statement">The Cypher in it, or null.</param>
public sealed record Neo4jRequest(int Member, string Method, string Path, string? User, string Body, string? Statement);

/// <summary>
/// A Neo4j without data: the documented Query API v2 over real sockets, and the administration commands as a small state machine.
/// Members have addresses of the loopback network of their own and share one port, as pods do.
/// </summary>
public sealed class Neo4jServers : IAsyncDisposable
{
    private const int MostMembers = 8;

    private readonly ConcurrentQueue<Neo4jRequest> _requests = new();
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _awaited = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<int, ConcurrentQueue<Reply>> _scripted = new();
    private readonly CancellationTokenSource _closing = new();
    private readonly Lock _turn = new();
    private readonly Neo4jQueryApi _api;
    private readonly WebApplication _application;

    private Neo4jServers(Neo4jOptions options, TimeProvider clock, WebApplication application, int port) =>
        (State, _api, _application, Port) = (new(options), new(clock), application, port);

    /// <summary>What the servers know; to be changed only while no request is under way.</summary>
    public Neo4jState State { get; }

    /// <summary>Port of every member.</summary>
    public int Port { get; }

    /// <summary>All requests so far.</summary>
    public IReadOnlyList<Neo4jRequest> Requests => [.. _requests];

    /// <summary>The statements that were run, in order.</summary>
    public IReadOnlyList<string> Statements => [.. _requests.Select(request => request.Statement).OfType<string>()];

    /// <summary>Address of a member.</summary>
    public static string Address(int ordinal) => string.Create(CultureInfo.InvariantCulture, $"127.0.7.{10 + ordinal}");

    /// <summary>Starts the founders; the addresses of later members are there and silent.</summary>
    /// <param name="options">Edition, version, members.</param>
    /// <param name="clock">Decides how long a user is locked out.</param>
    /// <param name="certificate">Serve TLS with this; null: plain HTTP.</param>
    public static async Task<Neo4jServers> StartAsync(Neo4jOptions? options = null, TimeProvider? clock = null, X509Certificate2? certificate = null)
    {
        for (var tries = 0; ; tries++)
        {
            var port = FreePort();
            var servers = new Neo4jServers(options ?? new(), clock ?? TimeProvider.System, Build(port, certificate), port);
            servers._application.Run(servers.AnswerAsync);
            try
            {
                await servers._application.StartAsync();
                return servers;
            }
            catch (IOException) when (tries < 5)
            {
                // Somebody took the port on one of the addresses.
                await servers.DisposeAsync();
            }
        }
    }

    /// <summary>Ends when a statement arrives for the first time from now on.</summary>
    public Task ArrivalAsync(string statement) => _awaited.GetOrAdd(statement, _ => new(TaskCreationOptions.RunContinuationsAsynchronously)).Task.WaitAsync(TimeSpan.FromSeconds(30));

    /// <summary>The next reply of a member, whatever it is asked.</summary>
    public void Script(int ordinal, params Reply[] replies)
    {
        var queue = _scripted.GetOrAdd(ordinal, _ => new());
        foreach (var reply in replies)
            queue.Enqueue(reply);
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

    private static WebApplication Build(int port, X509Certificate2? certificate)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            for (var ordinal = 0; ordinal < MostMembers; ordinal++)
            {
                kestrel.Listen(IPAddress.Parse(Address(ordinal)), port, listen =>
                {
                    listen.Protocols = HttpProtocols.Http1;
                    if (certificate is not null)
                        listen.UseHttps(certificate);
                });
            }
        });
        return builder.Build();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var ordinal = context.Connection.LocalIpAddress!.MapToIPv4().GetAddressBytes()[3] - 10;
        var request = await Neo4jHttpRequest.ReadAsync(context);
        _requests.Enqueue(new(ordinal, request.Method, request.Path, request.User, request.Body, request.Statement));
        if (request.Statement is { } statement && _awaited.TryRemove(statement, out var awaited))
            awaited.SetResult();
        if (_scripted.TryGetValue(ordinal, out var queue) && queue.TryDequeue(out var scripted))
        {
            using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _closing.Token);
            try
            {
                await scripted.SendAsync(context, ended.Token);
            }
            catch (OperationCanceledException)
            {
                context.Abort();
            }

            return;
        }

        Neo4jHttpReply? reply = null;
        lock (_turn)
        {
            if (State.Servers.Find(server => server.Ordinal == ordinal) is { Up: true } member)
                reply = _api.Answer(State, member, request);
        }

        if (reply is null)
            context.Abort();
        else
            await reply.SendAsync(context);
    }

    private static int FreePort()
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
