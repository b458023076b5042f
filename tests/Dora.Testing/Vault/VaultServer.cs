using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Dora.Testing.Vault;

/// <summary>
/// A Vault in memory, on a real socket: it enforces tokens with their ends, policies, leases, check-and-set, seal and standby as
/// the documented API does, and can be told to fail at any request. It is set up over its API with the root token, as a real one is.
/// </summary>
public sealed class VaultServer : IAsyncDisposable
{
    private readonly ConcurrentQueue<VaultCall> _calls = new();
    private readonly CancellationTokenSource _closing = new();
    private readonly VaultFaults _faults = new();
    private readonly Lock _turn = new();
    private readonly WebApplication _application;
    private readonly VaultSystem _system;

    private VaultServer(TimeProvider clock, WebApplication application) => (_system, _application) = (new(clock), application);

    /// <summary>Base address.</summary>
    public Uri Address { get; private set; } = new("http://unset");

    /// <summary>The root token.</summary>
    public string RootToken => _system.Tokens.Root;

    /// <summary>All calls so far, those that failed included.</summary>
    public IReadOnlyList<VaultCall> Calls => [.. _calls];

    /// <summary>Tokens that were issued and are alive.</summary>
    public IReadOnlyList<string> Tokens => Locked(() => _system.Tokens.Alive);

    /// <summary>Leases that are alive.</summary>
    public IReadOnlyList<string> Leases => Locked(() => _system.Tokens.Leases);

    /// <summary>Service account tokens that the Kubernetes auth method accepts.</summary>
    public ISet<string> Accounts => _system.Accounts;

    /// <summary>Unsealed, sealed or not initialised.</summary>
    public bool Sealed { get; set; }

    /// <inheritdoc cref="Sealed"/>
    public bool Uninitialized { get; set; }

    /// <summary>While set, this is a standby that sends callers there.</summary>
    public Uri? Active { get; set; }

    /// <summary>Code of sys/health of a standby: 429, or 472 and 473 for secondaries.</summary>
    public int StandbyCode { get; set; } = 429;

    /// <summary>The only namespace there is, e.g. <c>ns1/</c>; null: none.</summary>
    public string? Namespace { get; set; }

    /// <summary>Starts a Vault on a free port of the loopback address.</summary>
    public static async Task<VaultServer> StartAsync(TimeProvider? clock = null, X509Certificate2? certificate = null, int port = 0)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port, listen =>
        {
            listen.Protocols = HttpProtocols.Http1;
            if (certificate is not null)
                listen.UseHttps(certificate);
        }));
        var server = new VaultServer(clock ?? TimeProvider.System, builder.Build());
        server._application.Run(server.AnswerAsync);
        await server._application.StartAsync();
        server.Address = new(server._application.Urls.First());
        return server;
    }

    /// <summary>Lets the next calls that fit fail in this way.</summary>
    public void Fail(Func<VaultCall, bool> when, VaultFault fault, int times = 1) => _faults.Add(when, fault, times);

    /// <summary>Revokes a token, as its operator may at any time.</summary>
    public void Revoke(string token) => Locked(() =>
    {
        _system.Tokens.Revoke(token);
        return true;
    });

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        await _application.StopAsync(stop.Token);
        await _application.DisposeAsync();
        _system.Dispose();
        _closing.Dispose();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var call = await ReadAsync(context);
        _calls.Enqueue(call);
        var fault = _faults.Take(call);
        if (fault is VaultFault.CutBefore)
        {
            context.Abort();
            return;
        }

        if (fault is VaultFault.Wait wait)
            await wait.Until.WaitAsync(_closing.Token);
        if (fault is VaultFault.Seal)
            Sealed = true;
        if (fault is VaultFault.Answer scripted)
        {
            await SendAsync(context, scripted.Code, Encoding.UTF8.GetBytes(scripted.Body), scripted.MediaType, scripted.Headers, null);
            return;
        }

        var reply = Locked(() => Answer(call));
        var bytes = Encoding.UTF8.GetBytes(reply.Pem ?? reply.Body?.ToJsonString() ?? "");
        if (fault is VaultFault.CutAfter)
            context.Abort();
        else
            await SendAsync(context, reply.Code, bytes, reply.Pem is null ? "application/json" : "application/pem-certificate-chain", reply.Headers, fault);
        if (fault is VaultFault.SealAfter)
            Sealed = true;
    }

    private VaultReply Answer(VaultCall call)
    {
        if (call.Path == "sys/health")
            return Health();
        if (Uninitialized || Sealed)
            return VaultReply.Errors(503, "Vault is sealed");
        if (Active is { } active)
            return new(307, Headers: $"Location: {new Uri(active, "/v1/" + call.Path)}");
        if (StandbyCode is 472)
            return VaultReply.Errors(500, "local node not active but active cluster node not found");
        return call.Namespace is { } ns && ns.TrimEnd('/') != Namespace?.TrimEnd('/') ? VaultReply.NoRoute(call.Path) : _system.Answer(call);
    }

    private VaultReply Health()
    {
        var standby = Active is not null || StandbyCode != 429;
        var code = Uninitialized ? 501 : Sealed ? 503 : standby ? StandbyCode : 200;
        return new(code, new JsonObject { ["initialized"] = !Uninitialized, ["sealed"] = Sealed || Uninitialized, ["standby"] = standby, ["version"] = "1.17.0" });
    }

    private T Locked<T>(Func<T> work)
    {
        lock (_turn)
            return work();
    }

    private static async Task SendAsync(HttpContext context, int code, byte[] body, string mediaType, IEnumerable<string> headers, VaultFault? fault)
    {
        context.Response.StatusCode = code;
        foreach (var header in headers)
            context.Response.Headers[header.Split(':', 2)[0]] = header.Split(':', 2)[1].Trim();
        if (code == 204)
            return;
        context.Response.ContentType = mediaType;
        context.Response.ContentLength = body.Length;
        var length = fault is VaultFault.CutInBody ? body.Length / 2 : body.Length;
        await context.Response.Body.WriteAsync(body.AsMemory(0, length));
        await context.Response.Body.FlushAsync();
        if (fault is VaultFault.CutInBody)
            context.Abort();
    }

    private static async Task<VaultCall> ReadAsync(HttpContext context)
    {
        var request = context.Request;
        using var reader = new StreamReader(request.Body, Encoding.UTF8);
        var text = await reader.ReadToEndAsync();
        var operation = request.Method switch
        {
            "LIST" => "list",
            "GET" when request.Query["list"] == "true" => "list",
            "GET" => "read",
            "PATCH" => "patch",
            "DELETE" => "delete",
            _ => "update",
        };
        var path = request.Path.Value ?? "";
        return new(
            operation,
            path.StartsWith("/v1/", StringComparison.Ordinal) ? path[4..].TrimEnd('/') : path,
            request.Headers.TryGetValue("X-Vault-Token", out var token) ? token.ToString() : null,
            request.Headers.TryGetValue("X-Vault-Namespace", out var ns) ? ns.ToString() : null,
            Parse(text),
            request.ContentType?.Split(';')[0],
            int.TryParse(request.Query["version"], CultureInfo.InvariantCulture, out var version) ? version : null,
            request.Headers.ToDictionary(header => header.Key, header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase));
    }

    private static JsonObject Parse(string text)
    {
        try
        {
            return text.Length == 0 ? [] : JsonNode.Parse(text) as JsonObject ?? [];
        }
        catch (JsonException)
        {
            return [];
        }
    }
}
