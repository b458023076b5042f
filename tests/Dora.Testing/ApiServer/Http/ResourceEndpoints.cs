using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Dora.Testing.ApiServer.Registry;
using Dora.Testing.ApiServer.Schemas;
using Dora.Testing.ApiServer.Storage;
using Microsoft.AspNetCore.Http;

namespace Dora.Testing.ApiServer.Http;

/// <summary>The verbs on resources.</summary>
internal sealed class ResourceEndpoints(InMemoryApiServer server, ObjectStore store, ObjectWriter writer, ObjectRemover remover, WatchControl watches)
{
    private static readonly byte[] ItemBegin = "{"u8.ToArray();
    private static readonly byte[] ItemSeparator = ","u8.ToArray();

    public Task AnswerAsync(HttpContext context, ApiRequest request, RequestTarget target, ServedKind kind, CancellationToken cancellationToken) =>
        (request.Verb, target.Name) switch
        {
            ("get", not null) => GetAsync(context, request, target, kind, cancellationToken),
            ("list", null) => ListAsync(context, request, target, kind, cancellationToken),
            ("watch", null) => WatchAsync(context, request, target, kind, cancellationToken),
            ("create", null) => CreateAsync(context, request, target, kind, cancellationToken),
            ("update", not null) => ReplaceAsync(context, request, target, kind, cancellationToken),
            ("patch", not null) => PatchAsync(context, request, target, kind, cancellationToken),
            ("delete", not null) => DeleteAsync(context, request, target, kind, cancellationToken),
            ("deletecollection", null) => DeleteAllAsync(context, request, target, kind, cancellationToken),
            _ => throw StatusError.MethodNotAllowed(),
        };

    private Task GetAsync(HttpContext context, ApiRequest request, RequestTarget target, ServedKind kind, CancellationToken cancellationToken)
    {
        if (ListReader.ParseVersion(context.Request.Query["resourceVersion"]) is { } wanted && wanted > store.ResourceVersion)
            throw StatusError.TooLargeResourceVersion(wanted, store.ResourceVersion);
        var found = store.Of(kind.Resource).Find(target.Namespace, target.Name!) ?? throw StatusError.NotFound(kind.Resource, target.Name!);
        return SendAsync(context, request, 200, found.Json, cancellationToken);
    }

    private async Task ListAsync(HttpContext context, ApiRequest request, RequestTarget target, ServedKind kind, CancellationToken cancellationToken)
    {
        var page = ListReader.Read(store, kind, target.Namespace, context.Request.Query);
        server.Requests.Add(request with { Code = 200 });
        await SendListAsync(context, kind, page, cancellationToken);
    }

    private static async Task SendListAsync(HttpContext context, ServedKind kind, ListPage page, CancellationToken cancellationToken)
    {
        var metadata = new JsonObject { ["resourceVersion"] = page.ResourceVersion.ToString(CultureInfo.InvariantCulture) };
        if (page.Continue is not null)
            metadata["continue"] = page.Continue;
        if (page.Remaining is not null)
            metadata["remainingItemCount"] = page.Remaining;
        var head = $$"""{"kind":"{{kind.Resource.Kind}}List","apiVersion":"{{kind.Resource.ApiVersion}}","metadata":{{metadata.ToJsonString()}},"items":[""";
        using var body = new MemoryStream();
        body.Write(Encoding.UTF8.GetBytes(head));
        for (var i = 0; i < page.Items.Count; i++)
        {
            if (i > 0)
                body.Write(ItemSeparator);
            if (!kind.IsCustom)
                body.Write(ItemBegin);
            body.Write((kind.IsCustom ? page.Items[i].Json : page.Items[i].JsonAfterTypeFields).Span);
        }

        body.Write("]}\n"u8);
        await ApiHandler.WriteJsonAsync(context, 200, body.GetBuffer().AsMemory(0, (int)body.Length), cancellationToken);
    }

    private async Task WatchAsync(HttpContext context, ApiRequest request, RequestTarget target, ServedKind kind, CancellationToken cancellationToken)
    {
        var watch = new WatchStream(store, watches, server.Options.Clock, kind, target.Namespace, context.Request.Query, context.Response.Body);
        var expired = watch.Begin();
        if (expired is not null && server.ExpiredWatchesGetHttpStatus)
            throw expired;
        server.Requests.Add(request with { Code = 200 });
        context.Response.StatusCode = 200;
        context.Response.ContentType = "application/json";
        if (expired is not null)
            await watch.SendErrorAsync(expired, cancellationToken);
        else
            await watch.RunAsync(cancellationToken);
    }

    private async Task CreateAsync(HttpContext context, ApiRequest request, RequestTarget target, ServedKind kind, CancellationToken cancellationToken)
    {
        var write = OptionsOf(context.Request, target, "CreateOptions");
        var body = await RequestBody.ReadObjectAsync(context.Request, kind.Resource.Kind, cancellationToken);
        var created = writer.Create(kind, target.Namespace, body, write);
        await SendAsync(context, request with { Name = created.Name }, 201, created.Json, cancellationToken);
    }

    private async Task ReplaceAsync(HttpContext context, ApiRequest request, RequestTarget target, ServedKind kind, CancellationToken cancellationToken)
    {
        var write = OptionsOf(context.Request, target, "UpdateOptions");
        var body = await RequestBody.ReadObjectAsync(context.Request, kind.Resource.Kind, cancellationToken);
        var stored = writer.Replace(kind, target.Namespace, target.Name!, body, write);
        await SendAsync(context, request, 200, stored.Json, cancellationToken);
    }

    private async Task PatchAsync(HttpContext context, ApiRequest request, RequestTarget target, ServedKind kind, CancellationToken cancellationToken)
    {
        var (stored, created) = request.Patch == "apply"
            ? await ApplyAsync(context.Request, target, kind, cancellationToken)
            : (await OtherPatchAsync(context.Request, request.Patch, target, kind, cancellationToken), false);
        await SendAsync(context, request, created ? 201 : 200, stored.Json, cancellationToken);
    }

    private async Task<(StoredObject Object, bool Created)> ApplyAsync(HttpRequest http, RequestTarget target, ServedKind kind, CancellationToken cancellationToken)
    {
        var config = await RequestBody.ReadApplyAsync(http, cancellationToken);
        if (string.IsNullOrEmpty(http.Query["fieldManager"]))
            throw StatusError.InvalidOptions("PatchOptions", Cause.Required("fieldManager", "is required for apply patch"));
        var force = (string?)http.Query["force"] is "true" or "1";
        return writer.Apply(kind, target.Namespace, target.Name!, config, force, OptionsOf(http, target, "PatchOptions"));
    }

    private async Task<StoredObject> OtherPatchAsync(HttpRequest http, string? patchKind, RequestTarget target, ServedKind kind, CancellationToken cancellationToken)
    {
        if (patchKind is null || (patchKind == "strategic" && kind.IsCustom))
            throw UnsupportedPatch(kind);
        var patch = await RequestBody.ReadPatchAsync(http, cancellationToken);
        JsonObject Change(JsonObject live)
        {
            if (patchKind == "json")
                return Patches.Json(live, patch as JsonArray ?? throw StatusError.BadRequest("a JSON patch is a list of operations"));
            var fields = patch as JsonObject ?? throw StatusError.BadRequest("a merge patch is an object");
            if (patchKind == "merge")
                Patches.Merge(live, fields);
            else
                Patches.StrategicMerge(kind.Type, live, fields);
            return live;
        }

        return writer.Patch(kind, target.Namespace, target.Name!, Change, OptionsOf(http, target, "PatchOptions"));
    }

    private static StatusError UnsupportedPatch(ServedKind kind) => kind.IsCustom
        ? new(415, "UnsupportedMediaType", "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml")
        : new(415, "UnsupportedMediaType", "415: Unsupported Media Type", []);

    private async Task DeleteAsync(HttpContext context, ApiRequest request, RequestTarget target, ServedKind kind, CancellationToken cancellationToken)
    {
        if (target.Subresource is not null)
            throw StatusError.MethodNotAllowed();
        var delete = await RequestBody.ReadDeleteAsync(context.Request, cancellationToken);
        var (waiting, last) = remover.Delete(kind, target.Namespace, target.Name!, delete);
        var answer = waiting?.Json ?? Encoding.UTF8.GetBytes(StatusError.Success(kind.Resource, last.Name, last.Uid).ToJsonString());
        await SendAsync(context, request with { DryRun = delete.DryRun }, 200, answer, cancellationToken);
    }

    private async Task DeleteAllAsync(HttpContext context, ApiRequest request, RequestTarget target, ServedKind kind, CancellationToken cancellationToken)
    {
        var delete = await RequestBody.ReadDeleteAsync(context.Request, cancellationToken);
        var page = ListReader.Read(store, kind, target.Namespace, context.Request.Query);
        foreach (var one in page.Items)
            remover.Delete(kind, one.Namespace, one.Name, delete);
        server.Requests.Add(request with { Code = 200 });
        await SendListAsync(context, kind, page, cancellationToken);
    }

    private async Task SendAsync(HttpContext context, ApiRequest request, int code, ReadOnlyMemory<byte> json, CancellationToken cancellationToken)
    {
        server.Requests.Add(request with { Code = code });
        await ApiHandler.WriteJsonAsync(context, code, json, cancellationToken);
    }

    private static WriteOptions OptionsOf(HttpRequest http, RequestTarget target, string optionsKind)
    {
        var dryRun = http.Query["dryRun"];
        if (dryRun.Count > 0 && dryRun != "All")
        {
            throw StatusError.InvalidOptions(optionsKind, new Cause(
                "FieldValueNotSupported", $"Unsupported value: []string{{\"{dryRun}\"}}: supported values: \"All\"", "dryRun"));
        }

        var agent = http.Headers.UserAgent.ToString().Split('/')[0];
        var manager = (string?)http.Query["fieldManager"] is { Length: > 0 } given ? given : agent.Length > 0 ? agent : "unknown";
        return new(manager, target.Subresource, dryRun.Count > 0);
    }
}
