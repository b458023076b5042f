using System.Net.Security;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Microsoft.Extensions.Logging.Abstractions;

[assembly: AssemblyFixture(typeof(Dora.EndToEnd.Tests.Cluster))]

namespace Dora.EndToEnd.Tests;

/// <summary>A real cluster with the operator running in it (hack/e2e.sh starts both).</summary>
public sealed class Cluster : IAsyncLifetime
{
    public const string OperatorNamespace = "dora-system";
    public const string OperatorSelector = "app.kubernetes.io/name=dora-operator";

    private SharedStack? _shared;
    private readonly string _namespace = $"e2e-{Guid.NewGuid():N}"[..12];

    public KubeClient Client { get; } = new(KubeConfig.Load(), new(FieldManager: "e2e"), TimeProvider.System, NullLogger<KubeClient>.Instance);

    /// <summary>The stack that several tests use.</summary>
    public SharedStack Shared => _shared ??= new(this);

    /// <summary>A namespace of this run.</summary>
    public string Namespace => _namespace;

    public async ValueTask InitializeAsync() =>
        await Client.CreateAsync(KubeTypes.Namespaces, new(new(Name: _namespace)), TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        await Client.DeleteAsync(KubeTypes.Namespaces.Resource, null, _namespace, new(Propagation: DeletePropagation.Background), CancellationToken.None);
        Client.Dispose();
    }

    /// <summary>Watches one object until it is as wanted.</summary>
    public async Task<T> UntilAsync<T>(KubeType<T> type, string name, Func<T, bool> wanted, TimeSpan patience, string what)
        where T : class, IKubeObject
    {
        T? last = null;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(patience);
        try
        {
            while (true)
            {
                // A watch alone may begin in the past: only a list is sure to hold what this test has just written.
                var page = await Client.ListPageAsync(type, _namespace, new(FieldSelector: $"metadata.name={name}"), deadline.Token);
                if (page.Items is [var listed, ..])
                {
                    last = listed;
                    if (wanted(listed))
                        return listed;
                }

                await foreach (var change in Client.WatchAsync(type, _namespace, new(FieldSelector: $"metadata.name={name}", ResourceVersion: page.Metadata.ResourceVersion), deadline.Token))
                {
                    if (change.Object is not { } seen || change.Type is KubeWatchEventType.Deleted or KubeWatchEventType.Bookmark)
                        continue;
                    last = seen;
                    if (wanted(seen))
                        return seen;
                }
            }
        }
        catch (OperationCanceledException late) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"{type.Resource} {name} was not {what} within {patience.TotalSeconds} s; last seen: {(last is null ? "never" : JsonSerializer.Serialize(last, type.Json))}\n{await DiagnoseAsync()}", late);
        }
    }

    /// <summary>Waits until an object of that name and not of that UID exists.</summary>
    public Task<T> ReplacedAsync<T>(KubeType<T> type, T old, TimeSpan patience)
        where T : class, IKubeObject =>
        UntilAsync(type, old.Metadata.Name!, now => now.Metadata.Uid != old.Metadata.Uid, patience, "there again");

    /// <summary>The stack, once it is Ready for its newest generation.</summary>
    public Task<ComplianceStack> ReadyAsync(string stack, TimeSpan? patience = null) => UntilAsync(
        StackResource.Type,
        stack,
        now => now.Status?.ObservedGeneration == now.Metadata.Generation && now.Status?.Conditions.Find(ConditionTypes.Ready)?.Status == "True",
        patience ?? TimeSpan.FromMinutes(4),
        "Ready");

    /// <summary>Applies a stack from its spec in YAML.</summary>
    public async Task ApplyAsync(string name, string spec)
    {
        var body = KubeYaml.Read($"apiVersion: {StackResource.ApiVersion}\nkind: ComplianceStack\nmetadata:\n  name: {name}\n  namespace: {_namespace}\n")!.AsObject();
        body["spec"] = KubeYaml.Read(spec);
        await Client.ApplyAsync(new(StackResource.Type.Resource, _namespace, name, body), new(), TestContext.Current.CancellationToken);
    }

    /// <summary>Merges into a stack's spec.</summary>
    public Task PatchSpecAsync(string name, string spec) => Client.PatchAsync(
        StackResource.Type, _namespace, name, KubePatch.Merge(new JsonObject { ["spec"] = KubeYaml.Read(spec) }), TestContext.Current.CancellationToken);

    /// <summary>Gives a stack an annotation.</summary>
    public Task AnnotateAsync(string name, string annotation, string value) => Client.PatchAsync(
        StackResource.Type,
        _namespace,
        name,
        KubePatch.Merge(new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [annotation] = value } } }),
        TestContext.Current.CancellationToken);

    /// <summary>Deletes a stack and waits until it and its pods are gone.</summary>
    public async Task DeleteStackAsync(string name)
    {
        await Client.DeleteAsync(StackResource.Type.Resource, _namespace, name, new(Propagation: DeletePropagation.Background), TestContext.Current.CancellationToken);
        await GoneAsync(KubeTypes.Pods, $"{Labels.Stack}={name}", TimeSpan.FromMinutes(3));
    }

    /// <summary>Waits until no object matches.</summary>
    public async Task GoneAsync<T>(KubeType<T> type, string selector, TimeSpan patience)
        where T : class, IKubeObject
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(patience);
        var page = await Client.ListPageAsync(type, _namespace, new(LabelSelector: selector), deadline.Token);
        var left = (page.Items ?? []).Select(item => item.Metadata.Name).ToHashSet();
        if (left.Count == 0)
            return;
        await foreach (var change in Client.WatchAsync(type, _namespace, new(LabelSelector: selector, ResourceVersion: page.Metadata.ResourceVersion), deadline.Token))
        {
            if (change.Type == KubeWatchEventType.Deleted)
                left.Remove(change.Object!.Metadata.Name);
            else if (change.Type == KubeWatchEventType.Added)
                left.Add(change.Object!.Metadata.Name);
            if (left.Count == 0)
                return;
        }
    }

    public async Task<List<T>> ListAsync<T>(KubeType<T> type, string selector)
        where T : class, IKubeObject
    {
        var found = new List<T>();
        await foreach (var item in Client.ListAsync(type, _namespace, new(LabelSelector: selector), TestContext.Current.CancellationToken))
            found.Add(item);
        return found;
    }

    public Task<T> GetAsync<T>(KubeType<T> type, string name)
        where T : class, IKubeObject => Client.GetAsync(type, _namespace, name, TestContext.Current.CancellationToken);

    /// <summary>Kills the operator; another pod takes its place.</summary>
    public async Task KillOperatorAsync()
    {
        await foreach (var pod in Client.ListAsync(KubeTypes.Pods, OperatorNamespace, new(LabelSelector: OperatorSelector), TestContext.Current.CancellationToken))
            await Client.DeleteAsync(KubeTypes.Pods.Resource, OperatorNamespace, pod.Metadata.Name!, new(GracePeriodSeconds: 0), TestContext.Current.CancellationToken);
    }

    /// <summary>Kills a pod as a power cut would: no grace.</summary>
    public Task KillAsync(string pod) => Client.DeleteAsync(KubeTypes.Pods.Resource, _namespace, pod, new(GracePeriodSeconds: 0), TestContext.Current.CancellationToken);

    /// <summary>Stops a pod as a drain would: with its grace.</summary>
    public Task StopAsync(string pod) => Client.DeleteAsync(KubeTypes.Pods.Resource, _namespace, pod, new(), TestContext.Current.CancellationToken);

    /// <summary>A value of a credential Secret.</summary>
    public async Task<string> SecretAsync(string name, string key) =>
        Encoding.UTF8.GetString(Convert.FromBase64String((await GetAsync(KubeTypes.Secrets, name)).Data![key]));

    /// <summary>Whom applications of a stack believe, from the ConfigMap that they mount; they know a server by its Service's name.</summary>
    public async Task<Func<string, SslClientAuthenticationOptions>> TrustAsync(string stack)
    {
        var trust = await BundleAsync(stack);
        return service => trust.Expecting($"{service}.{_namespace}.svc");
    }

    /// <summary>Makes a driver expect a Service by its name.</summary>
    public async Task<Action<SslClientAuthenticationOptions>> ExpectAsync(string stack, string service)
    {
        var trust = await BundleAsync(stack);
        return options => trust.Expect(options, $"{service}.{_namespace}.svc");
    }

    private async Task<ServerTrust> BundleAsync(string stack) => ServerTrust.Of((await GetAsync(KubeTypes.ConfigMaps, $"{stack}-trust")).Data!["ca.crt"]);

    /// <summary>Where pods reach what runs beside the cluster.</summary>
    public async Task<string> NodeAddressAsync()
    {
        var nodes = JsonNode.Parse(await Client.GetRawAsync("/api/v1/nodes", TestContext.Current.CancellationToken))!;
        return nodes["items"]![0]!["status"]!["addresses"]!.AsArray().Where(address => (string?)address!["type"] == "InternalIP").Select(address => (string)address!["address"]!).First();
    }

    /// <summary>The cluster address of a Service.</summary>
    public async Task<string> AddressAsync(string service) => (await GetAsync(KubeTypes.Services, service)).Spec!.ClusterIP!;

    /// <summary>Resource versions of everything the operator writes for a stack, status included.</summary>
    public async Task<Dictionary<string, string>> VersionsAsync(string stack)
    {
        var versions = new Dictionary<string, string>();
        var selector = $"{Labels.Stack}={stack},{Labels.ManagedBy}={Labels.ManagedByValue}";
        await AddAsync(KubeTypes.StatefulSets);
        await AddAsync(KubeTypes.Services);
        await AddAsync(KubeTypes.ConfigMaps);
        await AddAsync(KubeTypes.ServiceAccounts);
        await AddAsync(KubeTypes.Roles);
        await AddAsync(KubeTypes.RoleBindings);
        await AddAsync(KubeTypes.Secrets);
        versions["stack"] = (await GetAsync(StackResource.Type, stack)).Metadata.ResourceVersion!;
        return versions;

        async Task AddAsync<T>(KubeType<T> type)
            where T : class, IKubeObject
        {
            // Patroni writes its own ConfigMaps; they carry no hash of ours.
            foreach (var item in await ListAsync(type, selector))
            {
                if (item is Secret || item.Metadata.Annotation(Labels.AppliedHash) is not null)
                    versions[$"{type.Resource}/{item.Metadata.Name}"] = item.Metadata.ResourceVersion!;
            }
        }
    }

    private async Task<string> DiagnoseAsync()
    {
        var text = new StringBuilder();
        await foreach (var pod in Client.ListAsync(KubeTypes.Pods, _namespace, new(), CancellationToken.None))
        {
            var states = (pod.Status?.ContainerStatuses ?? []).Select(status => $"{status.Name} ready={status.Ready} restarts={status.RestartCount} waiting={status.State?.Waiting?.Reason}");
            text.AppendLine($"  pod {pod.Metadata.Name} {pod.Status?.Phase} role={pod.Metadata.Label(Labels.Role)} {string.Join("; ", states)}");
        }

        await foreach (var occurrence in Client.ListAsync(KubeTypes.Events, _namespace, new(), CancellationToken.None))
        {
            if (occurrence.Regarding?.Kind == StackResource.Kind)
                text.AppendLine($"  event {occurrence.Type} {occurrence.Reason}: {occurrence.Note}");
        }

        return text.ToString();
    }
}

/// <summary>Tests that share a stack or touch the operator itself: one after the other, when no other test runs.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class SharedStackTests
{
    public const string Name = "shared stack";
}

/// <summary>One highly available stack that several tests use; each leaves it Ready.</summary>
public sealed class SharedStack(Cluster cluster)
{
    public const string Name = "shop";

    private readonly Lazy<Task> _applied = new(() => cluster.ApplyAsync(Name, """
        tier: Development
        engines:
          postgres: {instances: 3, synchronous: Enabled}
          redis: {mode: Sentinel, instances: 3}
        """));

    /// <summary>The stack, Ready.</summary>
    public async Task<ComplianceStack> ReadyAsync()
    {
        await _applied.Value;
        return await cluster.ReadyAsync(Name);
    }

    /// <summary>Who takes the writes of an engine, once the stack is Ready.</summary>
    public async Task<string> PrimaryAsync(string engine) => (await ReadyAsync()).Primary(engine);

    /// <summary>Freezes a primary until another took its place.</summary>
    public Task FrozenAsync(string engine, string primary) => cluster.FrozenAsync(Name, engine, primary);
}
