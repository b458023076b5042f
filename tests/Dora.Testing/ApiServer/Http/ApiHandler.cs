using System.Text;
using Dora.Kubernetes.Model;
using Dora.Testing.ApiServer.Schemas;
using Microsoft.AspNetCore.Http;

namespace Dora.Testing.ApiServer.Http;

/// <summary>One request from beginning to end: what it is, whether it may, what goes wrong with it, and its answer.</summary>
internal sealed class ApiHandler(InMemoryApiServer server, KindCatalog kinds, ResourceEndpoints endpoints, CancellationToken stopping)
{
    public async Task HandleAsync(HttpContext context)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        var target = RequestTarget.Parse(context.Request.Path);
        var kind = target is null ? null : kinds.Find(target.Group, target.Version, target.Plural);
        var request = Describe(context.Request, target, kind);
        try
        {
            var fault = server.Faults.For(request);
            if (!await StrikeBeforeAsync(context, request, fault, ended.Token))
                return;
            Authorize(context, request, kind, target);
            await AnswerAsync(context, request, target, kind, ended.Token);
        }
        catch (StatusError error) when (!context.Response.HasStarted)
        {
            await RefuseAsync(context, request, error, ended.Token);
        }
        catch (TypeMismatchException error) when (!context.Response.HasStarted)
        {
            await RefuseAsync(context, request, StatusError.Internal(error.Message), ended.Token);
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            context.Abort();
        }
    }

    internal static async Task WriteJsonAsync(HttpContext context, int code, ReadOnlyMemory<byte> json, CancellationToken cancellationToken)
    {
        context.Response.StatusCode = code;
        context.Response.ContentType = "application/json";
        await context.Response.Body.WriteAsync(json, cancellationToken);
    }

    private static ApiRequest Describe(HttpRequest http, RequestTarget? target, ServedKind? kind)
    {
        var verb = (http.Method, target?.Name) switch
        {
            ("GET", null) when target is not null => (string?)http.Query["watch"] is "true" or "1" ? "watch" : "list",
            ("GET", _) => "get",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            ("DELETE", null) => "deletecollection",
            ("DELETE", _) => "delete",
            var (method, _) => method,
        };
        var resource = kind?.Resource.ToString() ?? http.Path.ToString();
        return new(verb, resource, target?.Namespace, target?.Name, target?.Subresource)
        {
            Patch = verb == "patch" ? PatchOf(http.ContentType) : null,
            DryRun = http.Query.ContainsKey("dryRun"),
            Query = http.QueryString.ToString(),
        };
    }

    private static string? PatchOf(string? contentType) => contentType?.Split(';')[0] switch
    {
        "application/apply-patch+yaml" => "apply",
        "application/merge-patch+json" => "merge",
        "application/json-patch+json" => "json",
        "application/strategic-merge-patch+json" => "strategic",
        _ => null,
    };

    // False when there will be no answer but the fault.
    private async Task<bool> StrikeBeforeAsync(HttpContext context, ApiRequest request, Fault? fault, CancellationToken cancellationToken)
    {
        switch (fault)
        {
            case Fault.Respond respond:
                throw new StatusError(respond.Code, respond.Reason, respond.Message) { RetryAfter = respond.RetryAfter };
            case Fault.Delay delay:
                await Task.Delay(delay.Time, TimeProvider.System, cancellationToken);
                return true;
            case Fault.Reset:
                server.Requests.Add(request);
                context.Abort();
                return false;
            case Fault.Hang:
                server.Requests.Add(request);
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
                return false;
            case Fault.LoseAnswer:
                context.Response.Body = new FaultyStream(Stream.Null, 0, () => Abort(context));
                return true;
            case Fault.CutAfterFrames cut:
                // An exception makes Kestrel break the connection after what was sent; an abort would take that back.
                context.Response.Body = new FaultyStream(context.Response.Body, cut.Frames, () => throw new IOException("cut by a fault"));
                return true;
            case Fault.HangAfterFrames hang:
                context.Response.Body = new FaultyStream(context.Response.Body, hang.Frames, () => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken));
                return true;
            default:
                return true;
        }
    }

    private static Task Abort(HttpContext context)
    {
        context.Abort();
        return Task.CompletedTask;
    }

    private void Authorize(HttpContext context, ApiRequest request, ServedKind? kind, RequestTarget? target)
    {
        if (server.Access.RequiredToken is { } token && context.Request.Headers.Authorization != $"Bearer {token}")
            throw new StatusError(401, "Unauthorized", "Unauthorized");
        if (!server.Access.IsDenied(request))
            return;
        var resource = kind?.Resource ?? new KubeResource(target?.Group ?? "", "", target?.Plural ?? "", "");
        var what = request.Subresource is null ? resource.Plural : $"{resource.Plural}/{request.Subresource}";
        var scope = request.Namespace is null ? "at the cluster scope" : $"in the namespace \"{request.Namespace}\"";
        throw StatusError.Forbidden(resource, request.Name ?? "",
            $"User \"{server.Options.User}\" cannot {request.Verb} resource \"{what}\" in API group \"{resource.Group}\" {scope}");
    }

    private async Task AnswerAsync(HttpContext context, ApiRequest request, RequestTarget? target, ServedKind? kind, CancellationToken cancellationToken)
    {
        if (target is null || (kind is null && request.Verb == "list"))
        {
            if (await AnswerDocumentAsync(context, request, cancellationToken))
                return;
        }

        if (target is null || kind is null)
        {
            var knowsGroup = target is not null && kinds.All.Any(one => one.Resource.Group == target.Group && one.Resource.Version == target.Version);
            if (knowsGroup)
                throw StatusError.NoSuchResource();
            server.Requests.Add(request with { Code = 404 });
            await WriteTextAsync(context, 404, "404 page not found\n", cancellationToken);
            return;
        }

        if (target.Subresource is not null && !(target.Subresource == "status" && kind.HasStatus))
            throw StatusError.NoSuchResource();
        await endpoints.AnswerAsync(context, request, target, kind, cancellationToken);
    }

    private async Task<bool> AnswerDocumentAsync(HttpContext context, ApiRequest request, CancellationToken cancellationToken)
    {
        var path = context.Request.Path.ToString().TrimEnd('/');
        if (path is "/healthz" or "/livez" or "/readyz")
        {
            server.Requests.Add(request with { Code = 200 });
            await WriteTextAsync(context, 200, "ok", cancellationToken);
            return true;
        }

        if (Discovery.Document(kinds, path, context.Request.Headers.Accept.ToString(), server.Options.AggregatedDiscovery) is not { } document)
            return false;
        server.Requests.Add(request with { Code = 200 });
        await WriteJsonAsync(context, 200, Encoding.UTF8.GetBytes(document.ToJsonString()), cancellationToken);
        return true;
    }

    private static async Task WriteTextAsync(HttpContext context, int code, string text, CancellationToken cancellationToken)
    {
        context.Response.StatusCode = code;
        context.Response.ContentType = "text/plain; charset=utf-8";
        await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(text), cancellationToken);
    }

    private Task RefuseAsync(HttpContext context, ApiRequest request, StatusError error, CancellationToken cancellationToken)
    {
        server.Requests.Add(request with { Code = error.Code });
        if (error.RetryAfter is { } seconds)
            context.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        return WriteJsonAsync(context, error.Code, Encoding.UTF8.GetBytes(error.ToJson().ToJsonString() + "\n"), cancellationToken);
    }
}
