using System.Globalization;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Integration.Tests.ApiServer;
using Dora.Kubernetes.Model;
using Dora.Operator;
using Dora.Operator.Access;
using Dora.Operator.Cli;
using Dora.Testing;
using Dora.Testing.ApiServer.Contract;
using Xunit;

namespace Dora.Integration.Tests.Operator;

/// <summary>The operator, in this process, on a real API server, in a namespace of its own, with the rights it is given there.</summary>
internal sealed class OperatorRun : IAsyncDisposable
{
    private static readonly KubeResource[] Kinds =
    [
        StackResource.Type.Resource, KubeTypes.StatefulSets.Resource, KubeTypes.Services.Resource, KubeTypes.ConfigMaps.Resource, KubeTypes.Secrets.Resource, KubeTypes.ServiceAccounts.Resource,
        KubeTypes.Roles.Resource, KubeTypes.RoleBindings.Resource, KubeTypes.PodDisruptionBudgetsBeta.Resource,
        KubeTypes.NetworkPolicies.Resource, KubeTypes.Deployments.Resource, KubeTypes.Jobs.Resource,
    ];

    private readonly RealServer server;
    private readonly ReconcileCount reconciles = new();
    private readonly AppliedObjects applied = new();
    private CancellationTokenSource stop = new();
    private Task<int> running = Task.FromResult(0);

    private OperatorRun(RealServer server) => this.server = server;

    public string Namespace { get; } = $"operator-{Guid.NewGuid():N}"[..20];

    public StringWriter Error { get; } = new(CultureInfo.InvariantCulture);

    /// <summary>What the operator applied since its last start, in its own words: an apply without effect changes no version.</summary>
    public IReadOnlyCollection<string> Applied => applied.Lines;

    public RawClient Api => new(server.Http);

    /// <summary>A namespace in which an account without other rights holds these.</summary>
    public static async Task<OperatorRun> CreateAsync(RealServer server, IReadOnlyList<PolicyRule> rules)
    {
        var run = new OperatorRun(server);
        await InstallAsync(run.Api);
        (await run.Api.Post("/api/v1/namespaces", Named(run.Namespace))).Must(201);
        var role = Named("operator");
        role["rules"] = AccessManifests.Rules(rules);
        (await run.Api.Post(run.Path(KubeTypes.Roles.Resource), role)).Must(201);
        var binding = Named("operator");
        binding["roleRef"] = new JsonObject { ["apiGroup"] = "rbac.authorization.k8s.io", ["kind"] = "Role", ["name"] = "operator" };
        binding["subjects"] = new JsonArray(new JsonObject { ["kind"] = "ServiceAccount", ["name"] = "dora-limited", ["namespace"] = "default" });
        (await run.Api.Post(run.Path(KubeTypes.RoleBindings.Resource), binding)).Must(201);
        return run;
    }

    /// <summary>The kubeconfig of the account.</summary>
    public string Kubeconfig => System.IO.Path.Combine(System.IO.Path.GetDirectoryName(server.Kubeconfig)!, "limited.kubeconfig");

    /// <summary>Starts the process as the account, perhaps over a link; the task ends with its exit code.</summary>
    public Task<int> Start(string? kubeconfig = null)
    {
        stop = new();
        applied.Clear();
        var options = new RunOptions(kubeconfig ?? Kubeconfig, Namespaces: [Namespace], LeaseNamespace: Namespace, Listen: "127.0.0.1:0");
        var token = stop.Token;
        return running = Task.Run(() => OperatorProcess.RunAsync(options, TimeProvider.System, this.applied, Error, token));
    }

    public async Task StopAsync()
    {
        await stop.CancelAsync();
        Assert.Equal(ExitCodes.Success, await running.WaitAsync(TimeSpan.FromSeconds(10)));
    }

    public async Task ApplyAsync(string name, string spec)
    {
        var stack = Named(name);
        stack["apiVersion"] = StackResource.ApiVersion;
        stack["kind"] = StackResource.Kind;
        stack["spec"] = KubeYaml.Read(spec);
        (await Api.Post(Path(StackResource.Type.Resource), stack)).Must(201);
    }

    public string Path(KubeResource resource, string? name = null) =>
        $"{(resource.Group.Length == 0 ? "/api" : $"/apis/{resource.Group}")}/{resource.Version}/namespaces/{Namespace}/{resource.Plural}{(name is null ? "" : $"/{name}")}";

    /// <summary>Waits, change by change (each 20 s at most unless told), until an object is as wanted.</summary>
    public async Task<JsonObject> UntilAsync(KubeResource resource, string name, Func<JsonObject, bool> wanted, TimeSpan? patience = null)
    {
        using var watch = await Api.Watch($"{Path(resource)}?watch=true&fieldSelector=metadata.name%3D{name}");
        while (true)
        {
            var frame = await watch.NextChange(patience);
            if (frame.Type != "DELETED" && wanted(frame.Object))
                return frame.Object;
        }
    }

    /// <summary>The condition of a stack, once it has this status.</summary>
    public async Task<JsonNode> ConditionAsync(string stack, string type, string status)
    {
        JsonNode? Of(JsonObject body) => (body["status"]?["conditions"] as JsonArray ?? []).FirstOrDefault(condition => (string?)condition!["type"] == type);
        var found = await UntilAsync(StackResource.Type.Resource, stack, body => (string?)Of(body)?["status"] == status);
        return Of(found)!;
    }

    /// <summary>Version of every object of the namespace once passes happen and none of them writes.</summary>
    public async Task<SortedDictionary<string, string>> ConvergedAsync(string stack)
    {
        await UntilAsync(StackResource.Type.Resource, stack, body => body["status"]?["observedGeneration"] is not null);
        SortedDictionary<string, string> before = [];
        for (var tries = 0; tries < 20; tries++)
        {
            await reconciles.PassesAsync(2, TestContext.Current.CancellationToken);
            var now = await VersionsAsync();
            if (now.SequenceEqual(before))
                return now;
            before = now;
        }

        throw new TimeoutException("the operator goes on writing");
    }

    /// <summary>Waits for passes.</summary>
    public Task PassesAsync(int count) => reconciles.PassesAsync(count, TestContext.Current.CancellationToken);

    public async Task<SortedDictionary<string, string>> VersionsAsync()
    {
        var versions = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var kind in Kinds)
        {
            foreach (var item in (await Api.Get(Path(kind))).Must(200)["items"]!.AsArray())
                versions[$"{kind.Plural}/{item!["metadata"]!["name"]}"] = (string)item["metadata"]!["resourceVersion"]!;
        }

        return versions;
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await running;
        stop.Dispose();
        reconciles.Dispose();
        applied.Dispose();
        await Api.Delete($"/api/v1/namespaces/{Namespace}");
    }

    /// <summary>Has the API server serve all our kinds.</summary>
    public static async Task InstallAsync(RawClient api)
    {
        const string definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        foreach (var kind in GenerateCommand.Definitions())
        {
            var answer = await api.Post(definitions, kind);
            Assert.True(answer.Code is 201 or 409, answer.Text);
            using var watch = await api.Watch($"{definitions}?watch=true&fieldSelector=metadata.name%3D{(string)kind["metadata"]!["name"]!}");
            while (!(await watch.NextChange()).Object["status"]?["conditions"]?.AsArray().Any(condition => (string?)condition!["type"] == "Established" && (string?)condition["status"] == "True") ?? true)
            {
                // Not yet.
            }
        }
    }

    private static JsonObject Named(string name) => new() { ["metadata"] = new JsonObject { ["name"] = name } };
}

/// <summary>Tests that run the whole operator: its meter is one for the process, so they run one after another.</summary>
[CollectionDefinition("operator", DisableParallelization = true)]
public sealed class OperatorTests;
