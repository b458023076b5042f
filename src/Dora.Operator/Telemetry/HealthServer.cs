using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Dora.Operator.Telemetry;

/// <summary>Serves <c>/livez</c>, <c>/readyz</c> and <c>/metrics</c>.</summary>
public static class HealthServer
{
    /// <summary>Starts serving; dispose to stop.</summary>
    /// <param name="address">Host and port, e.g. <c>*:8080</c>.</param>
    /// <param name="alive">Null while alive, else what is wrong.</param>
    /// <param name="ready">Null while ready, else what is waited for.</param>
    /// <param name="metrics">The metrics' text.</param>
    /// <param name="cancellationToken">Stops the start.</param>
    public static async Task<IAsyncDisposable> StartAsync(string address, Func<string?> alive, Func<string?> ready, PrometheusText metrics, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelCore().UseUrls($"http://{address}").ConfigureKestrel(options =>
        {
            options.AddServerHeader = false;
            options.Limits.MaxRequestBodySize = 0;
            options.Limits.MaxConcurrentConnections = 64;
        });
        var app = builder.Build();
        app.Run(context => context.Request.Path.Value switch
        {
            "/livez" => AnswerAsync(context, alive()),
            "/readyz" => AnswerAsync(context, ready()),
            "/metrics" => TextAsync(context, StatusCodes.Status200OK, metrics.Render(), "text/plain; version=0.0.4; charset=utf-8"),
            _ => TextAsync(context, StatusCodes.Status404NotFound, "try /livez, /readyz or /metrics\n", "text/plain"),
        });
        await app.StartAsync(cancellationToken).ConfigureAwait(false);
        return app;
    }

    private static Task AnswerAsync(HttpContext context, string? problem) =>
        TextAsync(context, problem is null ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable, (problem ?? "ok") + "\n", "text/plain");

    private static Task TextAsync(HttpContext context, int code, string text, string type)
    {
        context.Response.StatusCode = code;
        context.Response.ContentType = type;
        return context.Response.WriteAsync(text, context.RequestAborted);
    }
}
