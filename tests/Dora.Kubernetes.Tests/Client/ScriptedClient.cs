using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Testing.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dora.Kubernetes.Tests.Client;

/// <summary>A client and the scripted server it talks to.</summary>
public sealed class ScriptedClient : IAsyncDisposable
{
    private ScriptedClient(ScriptedServer server, KubeClient client)
    {
        Server = server;
        Client = client;
    }

    public ScriptedServer Server { get; }

    public KubeClient Client { get; }

    public static Task<ScriptedClient> StartAsync(TimeProvider? clock = null, KubeClientOptions? options = null) =>
        StartAsync(address => new KubeConfig(address), clock, options);

    public static async Task<ScriptedClient> StartAsync(Func<Uri, KubeConfig> config, TimeProvider? clock = null, KubeClientOptions? options = null)
    {
        var server = await ScriptedServer.StartAsync();
        return new(server, Connect(config(server.Address), clock, options));
    }

    /// <summary>A client without jitter, so that waits are exact.</summary>
    public static KubeClient Connect(KubeConfig config, TimeProvider? clock = null, KubeClientOptions? options = null) =>
        new(config, (options ?? new()) with { Jitter = () => 0 }, clock ?? TimeProvider.System, NullLogger<KubeClient>.Instance);

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Server.DisposeAsync();
        Assert.Empty(Server.Unscripted);
    }
}

/// <summary>The wire forms that several tests need.</summary>
public static class Wire
{
    public const string ConfigMaps = "/api/v1/namespaces/ns/configmaps";

    public static string ConfigMap(string name, string version = "1", string uid = "u", string? data = null) =>
        $$$$"""{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"{{{{name}}}}","namespace":"ns","uid":"{{{{uid}}}}","resourceVersion":"{{{{version}}}}","managedFields":[{"manager":"x","fieldsV1":{"f:data":{}}}]},"data":{"k":"{{{{data ?? "v"}}}}"}}""";

    public static string List(string version, string? next, params string[] items) =>
        $$$"""{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"{{{version}}}","continue":"{{{next}}}"},"items":[{{{string.Join(',', items)}}}]}""";

    public static string Event(string type, string value) => $$$"""{"type":"{{{type}}}","object":{{{value}}}}""" + "\n";

    public static string Bookmark(string version) =>
        Event("BOOKMARK", $$$"""{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"{{{version}}}","creationTimestamp":null},"data":null}""");

    public static string Gone() =>
        Event("ERROR", """{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 1 (9)","reason":"Expired","code":410}""");

    public static ConfigMap Value(string name, string? data = "v") => new(new(name, "ns"), new Dictionary<string, string> { ["k"] = data ?? "" });

    public static async Task<List<KubeWatchEvent<ConfigMap>>> ReadAsync(this IAsyncEnumerable<KubeWatchEvent<ConfigMap>> watch)
    {
        var events = new List<KubeWatchEvent<ConfigMap>>();
        await foreach (var change in watch)
            events.Add(change);
        return events;
    }
}
