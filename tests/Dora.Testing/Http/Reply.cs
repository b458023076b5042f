using System.Text;
using Microsoft.AspNetCore.Http;

namespace Dora.Testing.Http;

/// <summary>What a scripted server answers, once.</summary>
public sealed class Reply
{
    private readonly Func<HttpContext, CancellationToken, Task> _send;

    private Reply(Func<HttpContext, CancellationToken, Task> send) => _send = send;

    /// <summary>JSON with a status code, and headers as <c>name: value</c>.</summary>
    public static Reply Json(int code, string json, params string[] headers) => Whole(code, "application/json", json, headers);

    /// <summary>JSON with code 200.</summary>
    public static Reply Json(string json) => Json(200, json);

    /// <summary>Plain text with a status code.</summary>
    public static Reply Text(int code, string text, params string[] headers) => Whole(code, "text/plain; charset=utf-8", text, headers);

    /// <summary>A metav1.Status as the API server writes it.</summary>
    public static Reply Status(int code, string reason, string message, string details = "{}", params string[] headers) =>
        Json(code, $$"""{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"{{message}}","reason":"{{reason}}","details":{{details}},"code":{{code}}}""", headers);

    /// <summary>The beginning of a body, byte for byte, then an orderly end.</summary>
    public static Reply Stream(params string[] pieces) => new(async (context, cancellationToken) =>
    {
        await BeginAsync(context, cancellationToken);
        foreach (var piece in pieces)
            await PieceAsync(context, piece, cancellationToken);
    });

    /// <summary>The beginning of a body, then the connection or stream is cut.</summary>
    public static Reply Cut(params string[] pieces) => new(async (context, cancellationToken) =>
    {
        await BeginAsync(context, cancellationToken);
        foreach (var piece in pieces)
            await PieceAsync(context, piece, cancellationToken);
        context.Abort();
    });

    /// <summary>A body whose pieces the test hands over one by one; it stays open until <see cref="OpenStream.End"/>.</summary>
    public static Reply Open(OpenStream stream) => new(async (context, cancellationToken) =>
    {
        await BeginAsync(context, cancellationToken);
        await foreach (var piece in stream.ReadAsync(cancellationToken))
            await PieceAsync(context, piece, cancellationToken);
    });

    /// <summary>Another reply, but not before the test says so: latency without sleeping.</summary>
    public static Reply After(Task gate, Reply then) => new(async (context, cancellationToken) =>
    {
        await gate.WaitAsync(cancellationToken);
        await then._send(context, cancellationToken);
    });

    /// <summary>No answer at all until the client gives up.</summary>
    public static Reply Silence() => new((_, cancellationToken) => Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken));

    /// <summary>The connection is cut before any answer.</summary>
    public static Reply Abort() => new((context, _) =>
    {
        context.Abort();
        return Task.CompletedTask;
    });

    internal Task SendAsync(HttpContext context, CancellationToken cancellationToken) => _send(context, cancellationToken);

    private static Reply Whole(int code, string mediaType, string body, string[] headers) => new(async (context, cancellationToken) =>
    {
        context.Response.StatusCode = code;
        context.Response.ContentType = mediaType;
        foreach (var header in headers)
        {
            var parts = header.Split(':', 2);
            context.Response.Headers[parts[0]] = parts[1].Trim();
        }

        var bytes = Encoding.UTF8.GetBytes(body);
        context.Response.ContentLength = bytes.Length;
        await context.Response.Body.WriteAsync(bytes, cancellationToken);
    });

    private static async Task BeginAsync(HttpContext context, CancellationToken cancellationToken)
    {
        context.Response.StatusCode = 200;
        context.Response.ContentType = "application/json";
        await context.Response.Body.FlushAsync(cancellationToken);
    }

    private static async Task PieceAsync(HttpContext context, string piece, CancellationToken cancellationToken)
    {
        await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(piece), cancellationToken);
        await context.Response.Body.FlushAsync(cancellationToken);
    }
}
