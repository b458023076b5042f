using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Dora.Testing.InfluxDb;

/// <summary>
/// What InfluxDB 2.7 does with the calls of an operator, on a real socket: setup once, tokens with permissions, names taken once,
/// limits of retention and queues, replication streams that send what was written. It refuses what the real server refuses.
/// Source: InfluxDB 2.7 documentation, "InfluxDB v2 API".
/// </summary>
public sealed class InfluxDb2Server : IAsyncDisposable
{
    private readonly WebApplication application;
    private readonly HttpClient remote = new() { Timeout = TimeSpan.FromSeconds(5) };
    private readonly SemaphoreSlim one = new(1);

    private InfluxDb2Server(WebApplication application, InfluxDb2Store store)
    {
        this.application = application;
        Store = store;
    }

    /// <summary>What it holds; survives <see cref="DisposeAsync"/>, as a volume does.</summary>
    public InfluxDb2Store Store { get; }

    /// <summary>Requests so far: method, path and status.</summary>
    public ConcurrentQueue<string> Log { get; } = new();

    /// <summary>Starts a server on an address of the loopback network.</summary>
    public static async Task<InfluxDb2Server> StartAsync(string address, int port, InfluxDb2Store? store = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Parse(address), port));
        var server = new InfluxDb2Server(builder.Build(), store ?? new());
        server.application.Run(server.AnswerAsync);
        await server.application.StartAsync();
        return server;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        await application.StopAsync(stop.Token);
        await application.DisposeAsync();
        remote.Dispose();
        one.Dispose();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body, Encoding.UTF8);
        var text = await reader.ReadToEndAsync();
        await one.WaitAsync();
        InfluxDb2Reply reply;
        try
        {
            reply = Answer(context.Request, text);
            await FlushAsync();
        }
        catch (InfluxDb2RefusedException refusal)
        {
            reply = new(refusal.Status, new JsonObject { ["code"] = refusal.Code, ["message"] = refusal.Message });
        }
        finally
        {
            one.Release();
        }

        Log.Enqueue($"{context.Request.Method} {context.Request.Path} {reply.Status}");
        context.Response.StatusCode = reply.Status;
        context.Response.Headers["X-Influxdb-Build"] = "OSS";
        context.Response.Headers["X-Influxdb-Version"] = "v2.7.12";
        if (reply.Body is not null)
        {
            context.Response.ContentType = "application/json; charset=utf-8";
            await context.Response.WriteAsync(reply.Body.ToJsonString());
        }
        else if (reply.Csv is not null)
        {
            context.Response.ContentType = "text/csv; charset=utf-8";
            await context.Response.WriteAsync(reply.Csv);
        }
    }

    private InfluxDb2Reply Answer(HttpRequest request, string text)
    {
        var call = new InfluxDb2Call(request.Method, request.Path.Value!.Trim('/').Split('/'), request.Query, text, Store);
        if (call.Is("GET", "health"))
            return new(200, new JsonObject { ["name"] = "influxdb", ["message"] = "ready for queries and writes", ["status"] = "pass", ["checks"] = new JsonArray(), ["version"] = "v2.7.12", ["commit"] = "ec9dcde5d6" });
        if (call.Is("GET", "api/v2/setup"))
            return new(200, new JsonObject { ["allowed"] = !Store.IsSetUp });
        if (call.Is("POST", "api/v2/setup"))
            return new(201, InfluxDb2Tenants.SetUp(Store, call.Body()));
        if (call.Is("POST", "api/v2/signin"))
            return InfluxDb2Passwords.SignIn(Store, request.Headers.Authorization.ToString());
        call.Authenticate(request.Headers.Authorization.ToString());
        return InfluxDb2Passwords.Answer(call)
            ?? InfluxDb2Tenants.Answer(call)
            ?? InfluxDb2Streams.Answer(call)
            ?? throw new InfluxDb2RefusedException(404, "not found", "path not found");
    }

    // Each request gives the queues a chance: no clock is needed, and what cannot be sent waits for the next.
    private async Task FlushAsync()
    {
        foreach (var stream in Store.Of("replications"))
        {
            var queue = Store.Queues.GetValueOrDefault((string)stream["id"]!);
            while (queue is { Count: > 0 })
            {
                var target = Store.Of("remotes").First(candidate => (string?)candidate["id"] == (string?)stream["remoteID"]);
                using var request = new HttpRequestMessage(HttpMethod.Post, $"{target["remoteURL"]}/api/v2/write?orgID={target["remoteOrgID"]}&bucket={stream["remoteBucketID"]}") { Content = new StringContent(queue.Peek()) };
                request.Headers.TryAddWithoutValidation("Authorization", $"Token {Store.RemoteTokens[(string)target["id"]!]}");
                try
                {
                    using var response = await remote.SendAsync(request);
                    stream["latestResponseCode"] = (int)response.StatusCode;
                    if (!response.IsSuccessStatusCode)
                        break;
                    queue.Dequeue();
                }
                catch (HttpRequestException)
                {
                    // Nobody answers: the code of the last answer stays, the queue grows.
                    break;
                }
            }
        }
    }
}

/// <summary>An answer.</summary>
public sealed record InfluxDb2Reply(int Status, JsonNode? Body = null, string? Csv = null);

/// <summary>A no, as the API says it.</summary>
public sealed class InfluxDb2RefusedException(int status, string code, string message) : Exception(message)
{
    public int Status { get; } = status;

    public string Code { get; } = code;

    public static InfluxDb2RefusedException Invalid(string message) => new(400, "invalid", message);

    public static InfluxDb2RefusedException Conflict(string message) => new(422, "conflict", message);

    public static InfluxDb2RefusedException NotFound(string message) => new(404, "not found", message);
}

/// <summary>One request, and who makes it.</summary>
public sealed record InfluxDb2Call(string Method, string[] Path, IQueryCollection Query, string Text, InfluxDb2Store Store)
{
    private JsonObject? authorization;

    public string Resource => Path.Length > 2 && Path[0] == "api" && Path[1] == "v2" ? Path[2] : "";

    public string? Id => Path.Length > 3 ? Path[3] : null;

    public bool Is(string method, string path) => Method == method && string.Join('/', Path) == path;

    public JsonObject Body()
    {
        try
        {
            return JsonNode.Parse(Text) as JsonObject ?? throw InfluxDb2RefusedException.Invalid("invalid json structure");
        }
        catch (JsonException)
        {
            throw InfluxDb2RefusedException.Invalid("invalid json structure");
        }
    }

    /// <summary>Finds the token; without a valid one nothing is answered.</summary>
    public void Authenticate(string header)
    {
        var token = header.StartsWith("Token ", StringComparison.Ordinal) ? header[6..] : header.StartsWith("Bearer ", StringComparison.Ordinal) ? header[7..] : null;
        authorization = token is null ? null : Store.Of("authorizations").FirstOrDefault(candidate => (string?)candidate["token"] == token && (string?)candidate["status"] == "active");
        if (authorization is null)
            throw new InfluxDb2RefusedException(401, "unauthorized", "unauthorized access");
    }

    /// <summary>Whether the token gives a right; a permission without an ID is for all of its kind.</summary>
    public bool May(string action, string type, string? id = null) => authorization!["permissions"]!.AsArray().Any(permission =>
        (string?)permission!["action"] == action
        && (string?)permission["resource"]!["type"] == type
        && (permission["resource"]!["id"] is not { } only || (string?)only == id));

    public void Need(string action, string type, string? id = null)
    {
        if (!May(action, type, id))
            throw new InfluxDb2RefusedException(401, "unauthorized", $"{action}:{type}{(id is null ? "" : $"/{id}")} is unauthorized");
    }
}
