using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dora.Kubernetes.Model;
using Microsoft.Extensions.Logging;

namespace Dora.Kubernetes.Client;

/// <summary>
/// The Kubernetes API. Every call has a deadline; it is retried only when the server asks for it by Retry-After or refuses the
/// connection, so that no write happens twice. Safe for concurrent use.
/// </summary>
/// <remarks>Every method throws a <see cref="KubeException"/> of the fitting type, <see cref="KubeUnavailableException"/> without an answer.</remarks>
public sealed class KubeClient : IDisposable
{
    private const int DefaultPageSize = 500;

    // Above this, one pooled buffer for a whole answer would be dearer than reading it piece by piece.
    private const int MaxBuffered = 1 << 20;

    private static readonly TimeSpan _watchMargin = TimeSpan.FromSeconds(30);

    private readonly KubeSender _sender;
    private readonly KubeClientOptions _options;
    private readonly TimeProvider _clock;
    private readonly KubeDiscovery _discovery;

    /// <summary>Connects lazily: the first call opens a connection.</summary>
    /// <exception cref="KubeConfigException">Certificates in the configuration cannot be used.</exception>
    public KubeClient(KubeConfig config, KubeClientOptions options, TimeProvider clock, ILogger<KubeClient> logger)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(clock);
        ArgumentNullException.ThrowIfNull(logger);
        _options = options;
        _clock = clock;
        _sender = new(config, options, clock, logger);
        _discovery = new(clock, FetchResourcesAsync);
    }

    /// <summary>Address of the API server.</summary>
    public Uri Server => _sender.Server;

    /// <summary>Reads one object.</summary>
    /// <exception cref="KubeNotFoundException">It does not exist.</exception>
    public Task<T> GetAsync<T>(KubeType<T> type, string? ns, string name, CancellationToken cancellationToken)
        where T : class, IKubeObject
    {
        ArgumentNullException.ThrowIfNull(type);
        var call = Call("get", HttpMethod.Get, type.Resource, ns, name, KubeRoute.Object(type.Resource, ns, name));
        return SendAsync(call, type.Resource, type.Json, cancellationToken);
    }

    /// <summary>Reads one object, or null if that very object does not exist. A missing kind is an error, never a null.</summary>
    /// <exception cref="KubeNotFoundException">The kind is not served.</exception>
    public async Task<T?> FindAsync<T>(KubeType<T> type, string? ns, string name, CancellationToken cancellationToken)
        where T : class, IKubeObject
    {
        try
        {
            return await GetAsync(type, ns, name, cancellationToken);
        }
        catch (KubeNotFoundException missing) when (missing.ObjectMissing)
        {
            return null;
        }
    }

    /// <summary>Reads one page; the token of the next one is in its metadata.</summary>
    /// <exception cref="KubeGoneException">The continue token is too old.</exception>
    public Task<KubeList<T>> ListPageAsync<T>(KubeType<T> type, string? ns, ListOptions options, CancellationToken cancellationToken)
        where T : class, IKubeObject
    {
        ArgumentNullException.ThrowIfNull(type);
        ArgumentNullException.ThrowIfNull(options);
        var call = Call("list", HttpMethod.Get, type.Resource, ns, null, KubeRoute.List(type.Resource, ns, options));
        return SendAsync(call, type.Resource, type.ListJson, cancellationToken);
    }

    /// <summary>Reads all objects, page by page (500 unless <see cref="ListOptions.Limit"/> says otherwise).</summary>
    /// <exception cref="KubeGoneException">It took so long that the continue token became too old; what was read is not the whole.</exception>
    public async IAsyncEnumerable<T> ListAsync<T>(
        KubeType<T> type, string? ns, ListOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
        where T : class, IKubeObject
    {
        ArgumentNullException.ThrowIfNull(options);
        var page = options with { Limit = options.Limit ?? DefaultPageSize };
        do
        {
            var list = await ListPageAsync(type, ns, page, cancellationToken);
            foreach (var item in list.Items ?? [])
                yield return item;

            // The token holds the resource version; naming both is an error.
            page = page with { Continue = list.Metadata.Continue, ResourceVersion = null };
        }
        while (page.Continue is { Length: > 0 });
    }

    /// <summary>Watches until the server ends the watch in order, which it does after some minutes.</summary>
    /// <exception cref="KubeGoneException">The resource version is too old, told by HTTP 410 or an ERROR event: list again.</exception>
    /// <exception cref="KubeUnavailableException">The stream was cut or idle: watch again from the last resource version.</exception>
    /// <exception cref="KubeMalformedException">A frame could not be read: list again.</exception>
    public async IAsyncEnumerable<KubeWatchEvent<T>> WatchAsync<T>(
        KubeType<T> type, string? ns, WatchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
        where T : class, IKubeObject
    {
        ArgumentNullException.ThrowIfNull(type);
        ArgumentNullException.ThrowIfNull(options);
        await using var watch = await OpenWatchAsync(type, ns, options, cancellationToken);
        while (await watch.NextAsync() is { } change)
            yield return change;
    }

    /// <summary>Creates an object.</summary>
    /// <exception cref="KubeAlreadyExistsException">There is one of that name.</exception>
    public Task<T> CreateAsync<T>(KubeType<T> type, T value, CancellationToken cancellationToken)
        where T : class, IKubeObject
    {
        ArgumentNullException.ThrowIfNull(type);
        ArgumentNullException.ThrowIfNull(value);
        var (ns, name) = (value.Metadata.Namespace, value.Metadata.Name);
        if (ns is null && type.Resource.Namespaced)
            throw new ArgumentException($"{type.Resource} is namespaced, but '{name}' has no namespace", nameof(value));
        var path = KubeRoute.Written(KubeRoute.Collection(type.Resource, ns), _options.FieldManager);
        var call = Call("create", HttpMethod.Post, type.Resource, ns, name, path, Body(type, value));
        return SendAsync(call, type.Resource, type.Json, cancellationToken);
    }

    /// <summary>Replaces an object; it must carry the resource version that was read.</summary>
    /// <exception cref="KubeConflictException">It changed since.</exception>
    public Task<T> UpdateAsync<T>(KubeType<T> type, T value, CancellationToken cancellationToken)
        where T : class, IKubeObject => ReplaceAsync(type, value, null, cancellationToken);

    /// <summary>Replaces the status of an object; it must carry the resource version that was read.</summary>
    /// <exception cref="KubeConflictException">It changed since.</exception>
    public Task<T> UpdateStatusAsync<T>(KubeType<T> type, T value, CancellationToken cancellationToken)
        where T : class, IKubeObject => ReplaceAsync(type, value, "status", cancellationToken);

    /// <summary>Server-side apply: creates or merges; fields that this manager owned and that are left out now are removed.</summary>
    /// <exception cref="KubeConflictException">Without force, another manager owns a field; or metadata.uid names another incarnation.</exception>
    public Task<JsonElement> ApplyAsync(Manifest manifest, ApplyOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        return SendAsync(ApplyCall(manifest, options), manifest.Resource, cancellationToken);
    }

    /// <summary>Server-side apply with a typed answer.</summary>
    /// <exception cref="KubeConflictException">Without force, another manager owns a field; or metadata.uid names another incarnation.</exception>
    public Task<T> ApplyAsync<T>(KubeType<T> type, Manifest manifest, ApplyOptions options, CancellationToken cancellationToken)
        where T : class, IKubeObject
    {
        ArgumentNullException.ThrowIfNull(type);
        ArgumentNullException.ThrowIfNull(manifest);
        return SendAsync(ApplyCall(manifest, options), type.Resource, type.Json, cancellationToken);
    }

    /// <summary>Changes some fields of an object or subresource.</summary>
    public Task<T> PatchAsync<T>(KubeType<T> type, string? ns, string name, KubePatch patch, CancellationToken cancellationToken)
        where T : class, IKubeObject
    {
        ArgumentNullException.ThrowIfNull(type);
        return SendAsync(PatchCall(type.Resource, ns, name, patch), type.Resource, type.Json, cancellationToken);
    }

    /// <summary>Changes some fields of an object or subresource of any kind.</summary>
    public Task<JsonElement> PatchAsync(KubeResource resource, string? ns, string name, KubePatch patch, CancellationToken cancellationToken) =>
        SendAsync(PatchCall(resource, ns, name, patch), resource, cancellationToken);

    /// <summary>Asks for deletion; finalizers may keep the object for a while.</summary>
    /// <exception cref="KubeNotFoundException">It does not exist.</exception>
    /// <exception cref="KubeConflictException">A precondition does not hold.</exception>
    public Task DeleteAsync(KubeResource resource, string? ns, string name, DeleteOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(resource);
        ArgumentNullException.ThrowIfNull(options);
        var body = new DeleteBody(
            "v1",
            "DeleteOptions",
            options.Uid is null && options.ResourceVersion is null ? null : new(options.Uid, options.ResourceVersion),
            options.Propagation?.ToString(),
            options.GracePeriodSeconds);
        var path = KubeRoute.Object(resource, ns, name);
        var call = Call("delete", HttpMethod.Delete, resource, ns, name, path, KubeBody.Of(body, ClientJson.Default.DeleteBody));
        return GuardAsync(resource, _sender.CallAsync(call, 0, static (_, _, _) => Task.FromResult(true), cancellationToken));
    }

    /// <summary>Whether the server serves a kind. Remembered for ten minutes if so, ten seconds if not.</summary>
    public Task<bool> ServesAsync(KubeResource resource, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(resource);
        return _discovery.ServesAsync(resource, cancellationToken);
    }

    /// <summary>Version of the server, e.g. <c>v1.34.1</c>.</summary>
    public async Task<string> GetVersionAsync(CancellationToken cancellationToken)
    {
        var call = new KubeCall(new("get", "/version"), HttpMethod.Get, "/version");
        var version = await _sender.CallAsync(call, ClientJson.Default.VersionInfo, ReadAsync, cancellationToken);
        return version.GitVersion ?? "unknown";
    }

    /// <summary>The answer to a GET of any path, e.g. <c>/readyz</c>.</summary>
    public Task<string> GetRawAsync(string path, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var call = new KubeCall(new("get", path), HttpMethod.Get, path);
        return _sender.CallAsync(call, 0, static async (_, response, token) =>
        {
            var bytes = await KubeSender.ReadAsync(response, int.MaxValue, token);
            var text = Encoding.UTF8.GetString(bytes.Written.Span);
            bytes.Return();
            return text;
        }, cancellationToken);
    }

    /// <inheritdoc/>
    public void Dispose() => _sender.Dispose();

    /// <summary>A number in [0, 1) that spreads retries.</summary>
    internal double Jitter() => _sender.Jitter();

    private Task<T> ReplaceAsync<T>(KubeType<T> type, T value, string? subresource, CancellationToken cancellationToken)
        where T : class, IKubeObject
    {
        ArgumentNullException.ThrowIfNull(type);
        ArgumentNullException.ThrowIfNull(value);
        var (ns, name) = (value.Metadata.Namespace, value.Metadata.Name ?? throw new ArgumentException("metadata.name is required", nameof(value)));
        var path = KubeRoute.Written(KubeRoute.Object(type.Resource, ns, name, subresource), _options.FieldManager);
        var call = Call("update", HttpMethod.Put, type.Resource, ns, name, path, Body(type, value));
        return SendAsync(call, type.Resource, type.Json, cancellationToken);
    }

    private KubeCall ApplyCall(Manifest manifest, ApplyOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return Call(
            "patch",
            HttpMethod.Patch,
            manifest.Resource,
            manifest.Namespace,
            manifest.Name,
            KubeRoute.Apply(manifest, options, _options.FieldManager),
            KubeBody.Of(manifest.Body, KubeBody.ApplyMediaType));
    }

    private static KubeCall Call(string verb, HttpMethod method, KubeResource resource, string? ns, string? name, string path, KubeBody? body = null) =>
        new(new(verb, resource.ToString(), ns, name), method, path, body);

    /// <summary>Items of lists come without apiVersion and kind, and a kind may be served in another version than its record's default.</summary>
    private KubeCall PatchCall(KubeResource resource, string? ns, string name, KubePatch patch)
    {
        ArgumentNullException.ThrowIfNull(resource);
        ArgumentNullException.ThrowIfNull(patch);
        var path = KubeRoute.Written(KubeRoute.Object(resource, ns, name, patch.Subresource), _options.FieldManager);
        return Call("patch", HttpMethod.Patch, resource, ns, name, path, KubeBody.Of(patch.Body, patch.MediaType));
    }

    private Task<JsonElement> SendAsync(KubeCall call, KubeResource resource, CancellationToken cancellationToken) =>
        GuardAsync(resource, _sender.CallAsync(call, 0, static async (_, response, token) =>
        {
            var bytes = await KubeSender.ReadAsync(response, int.MaxValue, token);
            var element = JsonElement.Parse(bytes.Written.Span);
            bytes.Return();
            return element;
        }, cancellationToken));

    private static KubeBody Body<T>(KubeType<T> type, T value)
        where T : class, IKubeObject =>
        string.Equals(value.ApiVersion, type.Resource.ApiVersion, StringComparison.Ordinal) && string.Equals(value.Kind, type.Resource.Kind, StringComparison.Ordinal)
            ? KubeBody.Of(value, type.Json)
            : KubeBody.Of(Manifest.Of(type, value).Body, KubeBody.JsonMediaType);

    private Task<T> SendAsync<T>(KubeCall call, KubeResource resource, JsonTypeInfo<T> json, CancellationToken cancellationToken)
        where T : class =>
        GuardAsync(resource, _sender.CallAsync(call, json, ReadAsync, cancellationToken));

    private async Task<T> GuardAsync<T>(KubeResource resource, Task<T> call)
    {
        try
        {
            return await call;
        }
        catch (KubeNotFoundException missing) when (missing.KindMissing)
        {
            _discovery.Forget(resource);
            throw;
        }
    }

    /// <summary>Opens a watch; returns when the server has accepted it.</summary>
    internal Task<KubeWatch<T>> OpenWatchAsync<T>(KubeType<T> type, string? ns, WatchOptions options, CancellationToken cancellationToken)
        where T : class, IKubeObject
    {
        var seconds = (int)(options.Timeout?.TotalSeconds ?? 300 + (300 * _sender.Jitter()));
        var end = TimeSpan.FromSeconds(seconds) + _watchMargin;
        var idle = options.IdleTimeout is { } limit && limit < end ? limit : end;
        var call = Call("watch", HttpMethod.Get, type.Resource, ns, null, KubeRoute.Watch(type.Resource, ns, options, seconds));
        return GuardAsync(type.Resource, KubeWatch<T>.OpenAsync(_sender, call, type.Json, idle, _clock, cancellationToken));
    }

    private async Task<ApiResourceList?> FetchResourcesAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            var call = new KubeCall(new("get", path), HttpMethod.Get, path);
            return await _sender.CallAsync(call, ClientJson.Default.ApiResourceList, ReadAsync, cancellationToken);
        }
        catch (KubeNotFoundException)
        {
            return null;
        }
    }

    private static async Task<T> ReadAsync<T>(JsonTypeInfo<T> json, HttpResponseMessage response, CancellationToken cancellationToken)
        where T : class
    {
        if (response.Content.Headers.ContentLength is <= MaxBuffered)
        {
            var bytes = await KubeSender.ReadAsync(response, MaxBuffered, cancellationToken);
            var value = JsonSerializer.Deserialize(bytes.Written.Span, json);
            bytes.Return();
            return value ?? throw new JsonException("the answer is null");
        }

        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        return await JsonSerializer.DeserializeAsync(stream, json, cancellationToken) ?? throw new JsonException("the answer is null");
    }
}
