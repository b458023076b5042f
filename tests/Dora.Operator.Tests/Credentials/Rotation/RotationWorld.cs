using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Operator.Cli;
using Dora.Operator.Credentials;
using Dora.Operator.Credentials.Rotation;
using Dora.Operator.Stacks;
using Dora.Testing;
using Dora.Testing.ApiServer;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dora.Operator.Tests.Credentials.Rotation;

/// <summary>The rules and the store on an API server, with servers of which three members know logins, and an operator that may end.</summary>
internal sealed class RotationWorld : IAsyncDisposable
{
    public const string Consumers = "shop-redis-app";
    public const string Records = "shop-redis-rotation";

    private readonly KubeClient _client;
    private readonly List<VaultCredentials> _vaults = [];
    private PlanExecutor _executor;
    private CredentialStore _credentials;

    private RotationWorld(InMemoryApiServer server, bool alternate, bool taken)
    {
        Server = server;
        _client = new(new(server.Address), new(), TimeProvider.System, NullLogger<KubeClient>.Instance);
        (_credentials, _executor) = Operator();
        Stack = StackFile.Read($"{{apiVersion: {StackResource.ApiVersion}, kind: {StackResource.Kind}, metadata: {{name: shop, namespace: default}}, spec: {{tier: Development, engines: {{redis: {{}}}}}}}}")[0];
        server.Create(new("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", Namespaced: false), null, JsonNode.Parse(StackDefinition.Render().ToJsonString())!.AsObject());
        server.Create(StackResource.Type.Resource, "default", JsonNode.Parse(JsonSerializer.SerializeToNode(Stack, ApiJson.Wire.ComplianceStack)!.ToJsonString())!.AsObject());
        Stack = Stack with { Metadata = Stack.Metadata with { Uid = (string?)server.Find(StackResource.Type.Resource, "default", "shop")!["metadata"]!["uid"] } };
        Write(Consumers, new() { ["username"] = "app", ["password"] = "first", ["uri"] = "redis://app:first@shop" });
        Cluster = new(_ => Held(), EngineCatalogue.Find("redis")!.Bind(StackPlanner.Context(Stack, new(), new()), Stack.Spec.Engines["redis"]), [new(Consumers, "app", alternate ? RotatingRole.SecondOf("app") : null) { TakenFromSecret = taken }])
        {
            Kept = _ => Record is { } record ? new[] { record.Old, record.Next }.OfType<Login>() : [],
        };
    }

    public InMemoryApiServer Server { get; }

    public ScriptedLogins Cluster { get; }

    public ManualClock Clock { get; } = new(DateTimeOffset.UtcNow);

    public ComplianceStack Stack { get; private set; }

    public bool Serving { get; set; } = true;

    /// <summary>Phases as the status showed them, without repetition.</summary>
    public List<RotationPhase> Phases { get; } = [];

    public Condition? Condition { get; private set; }

    public List<string> Failures { get; } = [];

    /// <summary>What was seen last, and what followed from it.</summary>
    public StackObservation? Observed { get; private set; }

    public StackPlan? Plan { get; private set; }

    public static async Task<RotationWorld> StartAsync(bool alternate = true, bool taken = false) => new(await InMemoryApiServer.StartAsync(new(NamespacesExistByThemselves: true)), alternate && !taken, taken);

    public void Ask(string value) => Stack = Stack with { Metadata = Stack.Metadata with { Annotations = new Dictionary<string, string> { [Labels.RotateCredentials] = value } } };

    public void Rotation(RotationSettings? settings) => Stack = Stack with { Spec = Stack.Spec with { Credentials = settings is null ? null : new(Rotation: settings) } };

    public void Maintenance(params MaintenanceWindow[] windows) => Stack = Stack with { Spec = Stack.Spec with { Maintenance = new(windows) } };

    /// <summary>What applications read.</summary>
    public Login Held() => new(Value(Consumers, "username")!, Value(Consumers, "password")!);

    public RotationRecord? Record => RotationRecord.Read(Value(Records, Consumers));

    public string? Value(string secret, string key) =>
        (string?)Server.Find(KubeTypes.Secrets.Resource, "default", secret)?["data"]?[key] is { } value ? Encoding.UTF8.GetString(Convert.FromBase64String(value)) : null;

    public void Write(string name, Dictionary<string, string> fields)
    {
        var data = new JsonObject(fields.Select(field => KeyValuePair.Create(field.Key, (JsonNode?)JsonValue.Create(Convert.ToBase64String(Encoding.UTF8.GetBytes(field.Value))))));
        var body = new JsonObject { ["apiVersion"] = "v1", ["kind"] = "Secret", ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = "default" }, ["data"] = data };
        if (Server.Find(KubeTypes.Secrets.Resource, "default", name) is null)
            Server.Create(KubeTypes.Secrets.Resource, "default", JsonNode.Parse(body.ToJsonString())!.AsObject());
        else
            Server.Patch(KubeTypes.Secrets.Resource, "default", name, new JsonObject { ["data"] = JsonNode.Parse(data.ToJsonString()) });
    }

    /// <summary>Another process takes over.</summary>
    public void Restart() => (_credentials, _executor) = Operator();

    /// <summary>One pass; answers whether the operator lived to its end.</summary>
    public async Task<bool> PassAsync()
    {
        try
        {
            var (observed, plan) = (Observed, Plan) = await ObserveAsync();
            var report = await _executor.RotateAsync(new([], []), observed, plan, TestContext.Current.CancellationToken);
            Failures.AddRange(report.RotationFailures.Select(failure => failure.Reason));
            (observed, plan) = (Observed, Plan) = await ObserveAsync();
            var entries = RotationReport.Entries(observed, plan);
            Condition = RotationReport.Condition(observed, plan, report);
            Stack = Stack with { Status = (Stack.Status ?? new()) with { Rotations = entries } };
            if (entries?.FirstOrDefault(entry => entry.SecretName == Consumers)?.Phase is { } phase && Phases.LastOrDefault() != phase)
                Phases.Add(phase);
            return true;
        }
        catch (OperatorEndedException)
        {
            Restart();
            return false;
        }
        finally
        {
            Cluster.Check();
        }
    }

    /// <summary>Passes until a change is over, with time going by.</summary>
    public async Task SettleAsync()
    {
        for (var passes = 0; passes < 60; passes++)
        {
            await PassAsync();
            Cluster.TakeUp(passes % 3);
            Clock.Advance(TimeSpan.FromMinutes(5));
            if (Record is { Open: false } record && (Stack.Metadata.Annotation(Labels.RotateCredentials) is not { } asked || record.Asked == RotationRecord.Mark(asked)))
                return;
        }

        Assert.Fail($"not over: {Record}; {string.Join(", ", Failures.TakeLast(3))}");
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        foreach (var vault in _vaults)
            vault.Dispose();
        await Server.DisposeAsync();
    }

    private async Task<(StackObservation Observed, StackPlan Plan)> ObserveAsync()
    {
        string[] names = [Consumers, Records];
        var observed = StackObservation.Nowhere(Stack, new()) with { Now = Clock.GetUtcNow(), Credentials = await _credentials.ReadAsync(Stack, names, isNew: false, TestContext.Current.CancellationToken) };
        var health = new EngineHealth(Serving ? EngineVerdict.Healthy : EngineVerdict.Degraded, [.. Enumerable.Range(0, 3).Select(number => new MemberHealth($"shop-redis-{number}", MemberRole.Replica, true))], null, null, "", []);
        var engine = new BoundEngine(EngineCatalogue.Find("redis")!, Cluster, new(Health: health, Workload: new(new("shop-redis"))));
        return (observed, new([], [], [engine]) { Rotations = RotationPlan.Of([engine], observed) });
    }

    private (CredentialStore Credentials, PlanExecutor Executor) Operator()
    {
        _vaults.Add(new(_client, VaultAccess.None, _ => { }, Clock, NullLogger<VaultCredentials>.Instance));
        var credentials = new CredentialStore(_client, _vaults[^1], Clock);
        return (credentials, new(_client, credentials, new(_client, credentials, Clock), new(Clock), NullLogger<PlanExecutor>.Instance, Clock));
    }
}

/// <summary>The operator's process ended there.</summary>
internal sealed class OperatorEndedException : OperationCanceledException;
