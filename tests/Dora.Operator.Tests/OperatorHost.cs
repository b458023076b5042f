using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Operator.Cli;
using Dora.Operator.Credentials;
using Dora.Testing;
using Dora.Testing.ApiServer;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dora.Operator.Tests;

/// <summary>The whole operator, in this process, on an in-memory API server.</summary>
internal sealed class OperatorHost : IAsyncDisposable
{
    public const string Namespace = "compliance";

    private static readonly KubeResource _definitions = new("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", Namespaced: false);

    private readonly string _kubeconfig = Path.GetTempFileName();
    private readonly ReconcileCount _reconciles = new();
    private CancellationTokenSource _stop = new();
    private Task<int> _running = Task.FromResult(0);

    private OperatorHost(InMemoryApiServer server) => Server = server;

    public InMemoryApiServer Server { get; }

    public TextWriter Error { get; } = new StringWriter();

    public static async Task<OperatorHost> StartAsync(bool start = true, ApiServerOptions? options = null, bool definition = true)
    {
        var host = new OperatorHost(await InMemoryApiServer.StartAsync(options ?? new(NamespacesExistByThemselves: true)));
        await File.WriteAllTextAsync(host._kubeconfig, host.Server.Kubeconfig());
        if (definition)
        {
            foreach (var kind in GenerateCommand.Definitions())
                host.Define(Sent(kind));
        }

        if (start)
            _ = host.Start();
        return host;
    }

    /// <summary>Which Vaults it trusts, from its next start on.</summary>
    public VaultAccess? Vault { get; set; }

    public Task<int> Start(string[]? namespaces = null)
    {
        _stop = new();
        var options = new RunOptions(_kubeconfig, Namespaces: namespaces, LeaderElect: false, Listen: "127.0.0.1:0", Vault: Vault);
        var token = _stop.Token;
        return _running = Task.Run(() => OperatorProcess.RunAsync(options, TimeProvider.System, NullLoggerFactory.Instance, Error, token));
    }

    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _running;
    }

    public void Apply(string name, string spec)
    {
        var body = new JsonObject
        {
            ["apiVersion"] = StackResource.ApiVersion,
            ["kind"] = StackResource.Kind,
            ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = Namespace },
            ["spec"] = KubeYaml.Read(spec),
        };
        Server.Create(StackResource.Type.Resource, Namespace, Sent(body));
    }

    public void PatchSpec(string name, string spec) =>
        Server.Patch(StackResource.Type.Resource, Namespace, name, Sent(new JsonObject { ["spec"] = KubeYaml.Read(spec) }));

    /// <summary>Serves a custom resource.</summary>
    public void Define(JsonObject definition) => Server.Create(_definitions, null, definition);

    public JsonObject? Find(KubeResource resource, string name) => Server.Find(resource, Namespace, name);

    // As it would come over the wire: numbers without a C# type.
    private static JsonObject Sent(JsonObject body) => JsonNode.Parse(body.ToJsonString())!.AsObject();

    /// <summary>A condition of a stack, once it is as wanted.</summary>
    public async Task<JsonNode> ConditionAsync(string stack, string type, Func<JsonNode, bool> wanted)
    {
        JsonNode? found = null;
        await UntilAsync(() =>
        {
            var conditions = Find(StackResource.Type.Resource, stack)?["status"]?["conditions"]?.AsArray();
            found = conditions?.FirstOrDefault(condition => (string?)condition!["type"] == type);
            return found is not null && wanted(found);
        });
        return found!;
    }

    /// <summary>Waits, change by change of the server, until something holds.</summary>
    public async Task UntilAsync(Func<bool> wanted)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(TimeSpan.FromSeconds(60));
        while (true)
        {
            var next = Server.NextChangeAsync(patience.Token);
            if (wanted())
                return;
            await next;
        }
    }

    /// <summary>Waits for so many more passes of the operator over a stack.</summary>
    public Task PassesAsync(int count) => _reconciles.PassesAsync(count, TestContext.Current.CancellationToken);

    /// <summary>Waits until passes happen and none of them writes.</summary>
    public async Task ConvergedAsync(string stack)
    {
        await UntilAsync(() => Find(StackResource.Type.Resource, stack)?["status"]?["observedGeneration"] is not null);
        for (var tries = 0; tries < 50; tries++)
        {
            var writes = Writes().Count;
            await PassesAsync(2);
            if (Writes().Count == writes)
                return;
        }

        Assert.Fail($"still writing: {string.Join("\n", Writes().TakeLast(5))}");
    }

    /// <summary>Writes to the stack and its objects; events are not counted.</summary>
    public List<ApiRequest> Writes() => [.. Server.Requests.Writes.Where(request => request.Resource != "events.events.k8s.io")];

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _reconciles.Dispose();
        await Server.DisposeAsync();
        _stop.Dispose();
        File.Delete(_kubeconfig);
    }
}

/// <summary>Tests that run the whole operator: its meter is one for the process, so they run one after another.</summary>
[CollectionDefinition("operator", DisableParallelization = true)]
public sealed class OperatorTests;
