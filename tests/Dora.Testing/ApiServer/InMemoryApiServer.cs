using System.Net;
using System.Text.Json.Nodes;
using Dora.Kubernetes.Model;
using Dora.Testing.ApiServer.Http;
using Dora.Testing.ApiServer.Registry;
using Dora.Testing.ApiServer.Schemas;
using Dora.Testing.ApiServer.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Dora.Testing.ApiServer;

/// <summary>
/// A Kubernetes API server in memory, for fast tests: the contract suite in <c>Contract/</c> holds for it as for a real one. It
/// knows the built-in kinds that this project uses and the custom resource definitions posted to it.
/// </summary>
public sealed class InMemoryApiServer : IAsyncDisposable
{
    private readonly KindCatalog kinds = new();
    private readonly ObjectStore store = new();
    private readonly WatchControl watches = new();
    private readonly CancellationTokenSource disposed = new();
    private readonly ObjectWriter writer;
    private readonly ObjectRemover remover;
    private readonly GarbageCollector collector;
    private readonly ServerCertificate? certificate;
    private readonly int[] ports = [0, 0, 0];
    private Task collecting = Task.CompletedTask;
    private WebApplication? host;
    private CancellationTokenSource? serving;

    private InMemoryApiServer(ApiServerOptions options)
    {
        Options = options;
        writer = new(store, kinds, options);
        remover = new(store, kinds, options);
        collector = new(store, kinds, remover);
        certificate = options.Tls ? ServerCertificate.Make() : null;
        foreach (var parts in (options.Without ?? []).Select(path => path.Split('/')))
            kinds.Remove(parts.Length == 3 ? parts[0] : "", parts[^2], parts[^1]);
    }

    /// <summary>Plain HTTP/1.1.</summary>
    public Uri Address => new($"http://127.0.0.1:{ports[0]}");

    /// <summary>Plain HTTP/2 with prior knowledge (h2c).</summary>
    public Uri Http2Address => new($"http://127.0.0.1:{ports[1]}");

    /// <summary>HTTP/1.1 and HTTP/2 by ALPN; only with <see cref="ApiServerOptions.Tls"/>.</summary>
    public Uri SecureAddress => certificate is null ? throw new InvalidOperationException("started without Tls") : new($"https://127.0.0.1:{ports[2]}");

    /// <summary>The authority (PEM) behind <see cref="SecureAddress"/>.</summary>
    public string CertificateAuthority => certificate?.AuthorityPem ?? throw new InvalidOperationException("started without Tls");

    /// <summary>What goes wrong.</summary>
    public FaultRules Faults { get; } = new();

    /// <summary>What the caller may not do.</summary>
    public AccessRules Access { get; } = new();

    /// <summary>What was asked.</summary>
    public RequestLog Requests { get; } = new();

    /// <summary>A watch from compacted history fails with HTTP 410 instead of an ERROR frame in a stream of status 200; clients meet both.</summary>
    public bool ExpiredWatchesGetHttpStatus { get; set; }

    /// <summary>The resource version of the last change.</summary>
    public long ResourceVersion => store.ResourceVersion;

    internal ApiServerOptions Options { get; }

    internal ObjectStore Store => store;

    internal ObjectWriter Writer => writer;

    internal ObjectRemover Remover => remover;

    internal KindCatalog Kinds => kinds;

    /// <summary>Starts a server that holds the namespaces default and kube-system.</summary>
    public static async Task<InMemoryApiServer> StartAsync(ApiServerOptions? options = null, CancellationToken cancellationToken = default)
    {
        var server = new InMemoryApiServer(options ?? new());
        foreach (var ns in (string[])["default", "kube-system"])
            server.Create(KindCatalog.Namespaces, null, new JsonObject { ["metadata"] = new JsonObject { ["name"] = ns } });
        server.collecting = server.collector.RunAsync(server.disposed.Token);
        await server.ResumeAsync(cancellationToken);
        return server;
    }

    /// <summary>Stops listening, as an API server does that is away: connections break, new ones are refused. Its objects stay.</summary>
    public async Task PauseAsync(CancellationToken cancellationToken = default)
    {
        if (host is null)
            return;
        await serving!.CancelAsync();
        await host.StopAsync(cancellationToken);
        await host.DisposeAsync();
        serving.Dispose();
        host = null;
    }

    /// <summary>Listens again, on the same ports.</summary>
    public async Task ResumeAsync(CancellationToken cancellationToken = default)
    {
        if (host is not null)
            return;
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(Configure);
        serving = CancellationTokenSource.CreateLinkedTokenSource(disposed.Token);
        host = builder.Build();
        var handler = new ApiHandler(this, kinds, new(this, store, writer, remover, watches), serving.Token);
        host.Run(handler.HandleAsync);
        await host.StartAsync(cancellationToken);
        var bound = host.Urls.Select(url => new Uri(url).Port).ToArray();
        bound.CopyTo(ports, 0);
    }

    /// <summary>Compacts the history: older resource versions and continue tokens are gone. Open watches that are up to date go on.</summary>
    public void Compact() => store.Compact();

    /// <summary>Ends every open watch with an ERROR frame of code 410.</summary>
    public void ExpireWatches() => watches.Send(WatchSignal.Expire);

    /// <summary>Sends a bookmark on every open watch that asked for bookmarks.</summary>
    public void SendBookmarks() => watches.Send(WatchSignal.Bookmark);

    /// <summary>Waits until garbage collection has done what the writes so far call for.</summary>
    public async Task SettleAsync(CancellationToken cancellationToken = default) =>
        await await Task.WhenAny(collector.SettleAsync(cancellationToken), collecting);

    /// <summary>Ends with the next change of any object: ask for it, look, and only then wait for it.</summary>
    public Task NextChangeAsync(CancellationToken cancellationToken) => store.Next.WaitAsync(cancellationToken);

    /// <summary>Stores an object as if a client had created it; not in the request log.</summary>
    public JsonObject Create(KubeResource resource, string? ns, JsonObject body) => writer.Create(kinds.Get(resource), ns, body, new("test")).ToJson();

    /// <summary>Stores a manifest as if a client had created it; not in the request log.</summary>
    public JsonObject Create(Manifest manifest)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        return Create(manifest.Resource, manifest.Namespace, manifest.Body.DeepClone().AsObject());
    }

    /// <summary>Merge-patches an object as another client would; not in the request log.</summary>
    public JsonObject Patch(KubeResource resource, string? ns, string name, JsonObject patch, string? subresource = null)
    {
        return writer.Patch(kinds.Get(resource), ns, name, Change, new("test", subresource)).ToJson();

        JsonObject Change(JsonObject live)
        {
            Patches.Merge(live, patch);
            return live;
        }
    }

    /// <summary>Deletes an object as another client would; not in the request log.</summary>
    public void Delete(KubeResource resource, string? ns, string name) => remover.Delete(kinds.Get(resource), ns, name, new());

    /// <summary>An object as it is stored, or null.</summary>
    public JsonObject? Find(KubeResource resource, string? ns, string name) => store.Of(resource).Find(ns, name)?.ToJson();

    /// <summary>All objects of a resource, by namespace and name.</summary>
    public IReadOnlyList<JsonObject> All(KubeResource resource) => [.. store.Of(resource).Objects.Values.Select(one => one.ToJson())];

    /// <summary>A kubeconfig for <see cref="SecureAddress"/> if there is TLS, else for <see cref="Address"/>.</summary>
    public string Kubeconfig(string token = "test") => KubeYaml.Write(new JsonObject
    {
        ["apiVersion"] = "v1",
        ["kind"] = "Config",
        ["clusters"] = new JsonArray(new JsonObject { ["name"] = "test", ["cluster"] = Cluster() }),
        ["users"] = new JsonArray(new JsonObject { ["name"] = "test", ["user"] = new JsonObject { ["token"] = token } }),
        ["contexts"] = new JsonArray(new JsonObject { ["name"] = "test", ["context"] = new JsonObject { ["cluster"] = "test", ["user"] = "test" } }),
        ["current-context"] = "test",
    });

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await disposed.CancelAsync();
        await PauseAsync(CancellationToken.None);
        await collecting.ContinueWith(_ => { }, TaskScheduler.Default);
        certificate?.Dispose();
        disposed.Dispose();
    }

    private JsonObject Cluster()
    {
        var cluster = new JsonObject { ["server"] = (certificate is null ? Address : SecureAddress).ToString() };
        if (certificate is not null)
            cluster["certificate-authority-data"] = Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(certificate.AuthorityPem));
        return cluster;
    }

    private void Configure(KestrelServerOptions kestrel)
    {
        kestrel.Limits.MinResponseDataRate = null;
        kestrel.Limits.MinRequestBodyDataRate = null;
        kestrel.Limits.MaxRequestBodySize = 3 * 1024 * 1024;
        kestrel.Limits.Http2.MaxStreamsPerConnection = 250;
        kestrel.Listen(IPAddress.Loopback, ports[0], listen => listen.Protocols = HttpProtocols.Http1);
        kestrel.Listen(IPAddress.Loopback, ports[1], listen => listen.Protocols = HttpProtocols.Http2);
        if (certificate is not null)
        {
            kestrel.Listen(IPAddress.Loopback, ports[2], listen =>
            {
                listen.Protocols = HttpProtocols.Http1AndHttp2;
                listen.UseHttps(certificate.Certificate);
            });
        }
    }
}
