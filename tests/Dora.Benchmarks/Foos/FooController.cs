using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dora.Benchmarks.Foos;

/// <summary>What sample-controller does, on our runtime: two informers, two workers, one event and one log line for each sync.</summary>
internal sealed class FooController : IDisposable
{
    public const string Name = "dora-foo-controller";
    private const int Workers = 2;

    private readonly KubeClient _client;
    private readonly Informer<Foo> _foos;
    private readonly Informer<Deployment> _deployments;
    private readonly WorkQueue<ObjectKey> _queue;
    private readonly EventRecorder _events;
    private readonly ControllerLoop _loop;

    private FooController(string kubeconfig, TimeProvider clock)
    {
        _client = new(KubeConfig.Load(kubeconfig), new(Name, Name), clock, NullLogger<KubeClient>.Instance);
        _foos = new(_client, Foo.Type, new(), clock, NullLogger.Instance);
        _deployments = new(_client, KubeTypes.Deployments, new(Trim: Trim), clock, NullLogger.Instance);
        _queue = new("foos", clock);
        _events = new(_client, new(Name, Environment.MachineName), clock, NullLogger.Instance);
        _foos.Subscribe(change => _queue.Add(change.Key));
        _deployments.Subscribe(change =>
        {
            if (change.Object.Metadata.Controller is { Kind: Foo.KindName } owner)
                _queue.Add(new(change.Object.Metadata.Namespace, owner.Name));
        });
        _loop = new("foos", _queue, SyncAsync, new(Workers, OnError: (key, fault) => Console.Error.WriteLine($"error syncing '{key}': {fault.Message}")), clock, NullLogger.Instance);
    }

    /// <summary>Runs until SIGTERM.</summary>
    public static async Task<int> RunAsync(string kubeconfig)
    {
        using var stop = new CancellationTokenSource();
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
        {
            context.Cancel = true;
            stop.Cancel();
        });
        using var controller = new FooController(kubeconfig, TimeProvider.System);
        await controller.WorkAsync(stop.Token);
        return 0;
    }

    public void Dispose()
    {
        _events.Dispose();
        _queue.Dispose();
        _client.Dispose();
    }

    private async Task WorkAsync(CancellationToken cancellationToken)
    {
        var running = Task.WhenAll(_foos.RunAsync(cancellationToken), _deployments.RunAsync(cancellationToken), _events.RunAsync(cancellationToken));
        await Task.WhenAny(Task.WhenAll(_foos.Synced, _deployments.Synced), running);
        await _loop.RunAsync(cancellationToken);
        await running;
    }

    private async Task<Reconciled> SyncAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (_foos.Store.Find(key) is not { } foo)
            return Reconciled.Done;
        var deployment = _deployments.Store.Find(new(key.Namespace, foo.Spec.DeploymentName))
            ?? await CreateAsync(foo, cancellationToken);
        if (deployment.Metadata.Controller?.Uid != foo.Metadata.Uid)
            throw new InvalidOperationException($"Deployment {deployment.Metadata.Name} belongs to somebody else");
        if (deployment.Spec?.Replicas != foo.Spec.Replicas)
            await ScaleAsync(foo, cancellationToken);

        // sample-controller writes the status in each sync; our runtime's rule is not to write what holds already.
        var status = new FooStatus(deployment.Status?.AvailableReplicas ?? 0);
        if (foo.Status != status)
            await _client.UpdateAsync(Foo.Type, foo with { Status = status }, cancellationToken);
        _events.Record(new(Foo.GroupVersion, Foo.KindName, key.Name, key.Namespace, foo.Metadata.Uid), KubeEventType.Normal, "Synced", "Sync", "Foo synced successfully");
        await Console.Error.WriteLineAsync($"Successfully synced '{key}'");
        return Reconciled.Done;
    }

    private async Task<Deployment> CreateAsync(Foo foo, CancellationToken cancellationToken)
    {
        try
        {
            return await _client.CreateAsync(KubeTypes.Deployments, Desired(foo), cancellationToken);
        }
        catch (KubeAlreadyExistsException)
        {
            // Made a moment ago, and the watch has not told yet.
            return await _client.GetAsync(KubeTypes.Deployments, foo.Metadata.Namespace, foo.Spec.DeploymentName, cancellationToken);
        }
    }

    private Task ScaleAsync(Foo foo, CancellationToken cancellationToken) => _client.PatchAsync(
        KubeTypes.Deployments,
        foo.Metadata.Namespace,
        foo.Spec.DeploymentName,
        KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["replicas"] = foo.Spec.Replicas } }),
        cancellationToken);

    private static Deployment Desired(Foo foo)
    {
        var labels = new Dictionary<string, string>(StringComparer.Ordinal) { ["app"] = "nginx", ["controller"] = foo.Metadata.Name! };
        var owner = new OwnerReference(Foo.GroupVersion, Foo.KindName, foo.Metadata.Name!, foo.Metadata.Uid!, true, true);
        return new(
            new(foo.Spec.DeploymentName, foo.Metadata.Namespace, OwnerReferences: [owner]),
            new(new(labels), new(new(Labels: labels), new([new Container("nginx", "nginx:latest")])), foo.Spec.Replicas));
    }

    // The controller reads owner, replicas and status; the pod template need not be held.
    private static Deployment Trim(Deployment deployment) =>
        deployment.Spec is { } spec ? deployment with { Spec = spec with { Template = new(new(), new([])) } } : deployment;
}
