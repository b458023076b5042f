using System.Text.Json;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Microsoft.Extensions.Logging;

namespace Dora.Operator.Stacks;

/// <summary>
/// What the operator sees of the cluster: stacks, and the objects that carry its label. Secrets are not watched; they are fetched
/// by name when needed.
/// </summary>
public sealed class ClusterView
{
    private readonly List<KindView> _kinds = [];
    private readonly List<Informer<ComplianceStack>> _stacks = [];

    /// <summary>Informers over some namespaces, or all.</summary>
    /// <param name="client">The API server.</param>
    /// <param name="namespaces">Empty for all.</param>
    /// <param name="capabilities">What the API server serves.</param>
    /// <param name="changed">Told the stack that a change concerns.</param>
    /// <param name="removed">Told of an object that is gone, before <paramref name="changed"/>.</param>
    /// <param name="clock">Time.</param>
    /// <param name="logger">Log of the informers.</param>
    public ClusterView(KubeClient client, IReadOnlyList<string> namespaces, ClusterCapabilitiesView capabilities, Action<ObjectKey> changed, Action<ObjectKey, ObjectId> removed, TimeProvider clock, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(namespaces);
        ArgumentNullException.ThrowIfNull(capabilities);
        foreach (var scope in namespaces.Count == 0 ? [null] : namespaces.Select(name => (string?)name))
        {
            var stacks = new Informer<ComplianceStack>(client, StackResource.Type, new(Namespace: scope), clock, logger);
            stacks.Subscribe(change => changed(change.Key));
            _stacks.Add(stacks);

            Add(KubeTypes.StatefulSets);
            Add(KubeTypes.Deployments);
            Add(KubeTypes.Jobs);
            Add(KubeTypes.Services);
            Add(KubeTypes.ConfigMaps);
            Add(KubeTypes.ServiceAccounts);
            Add(KubeTypes.Roles);
            Add(KubeTypes.RoleBindings);
            Add(KubeTypes.PersistentVolumeClaims);
            Add(KubeTypes.Pods);
            Add(capabilities.DisruptionBudgets);
            Add(KubeTypes.NetworkPolicies);

            void Add<T>(KubeType<T> type)
                where T : class, IKubeObject
            {
                var informer = new Informer<T>(client, type, new(Namespace: scope, LabelSelector: Labels.ManagedSelector, IndexLabel: Labels.Stack), clock, logger);
                informer.Subscribe(change =>
                {
                    if (change.Object.Metadata.Label(Labels.Stack) is not { } stack)
                        return;
                    var key = new ObjectKey(change.Object.Metadata.Namespace, stack);
                    if (change.New is null)
                        removed(key, new(type.Resource, change.Object.Metadata.Name!));
                    if (Matters(change))
                        changed(key);
                });
                _kinds.Add(KindView.Of(type, informer, scope));
            }
        }
    }

    /// <summary>All stacks seen.</summary>
    public IEnumerable<ComplianceStack> Stacks => _stacks.SelectMany(informer => informer.Store.All);

    /// <summary>One stack, or null.</summary>
    public ComplianceStack? Find(ObjectKey key) => _stacks.Select(informer => informer.Store.Find(key)).FirstOrDefault(stack => stack is not null);

    /// <summary>The kinds that are watched, each with its state.</summary>
    public IReadOnlyList<KindView> Kinds => _kinds;

    /// <summary>Whether every informer has listed once, or says why it cannot.</summary>
    public bool Settled => _stacks.TrueForAll(informer => informer.IsSynced) && _kinds.TrueForAll(kind => kind.Synced || kind.Error is not null);

    /// <summary>Runs all informers until cancelled.</summary>
    public Task RunAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(_stacks.Select(informer => informer.RunAsync(cancellationToken)).Concat(_kinds.Select(kind => kind.RunAsync(cancellationToken))));

    /// <summary>Ends when the stacks are listed and every other kind is listed or cannot be.</summary>
    public async Task SettleAsync(TimeProvider clock, CancellationToken cancellationToken)
    {
        await Task.WhenAll(_stacks.Select(informer => informer.Synced)).WaitAsync(cancellationToken).ConfigureAwait(false);
        foreach (var kind in _kinds)
        {
            // A kind that may not be listed never syncs: the rest goes on without it.
            while (!kind.Synced && kind.Error is null)
                await Task.WhenAny(kind.WhenSynced, Task.Delay(TimeSpan.FromMilliseconds(200), clock, cancellationToken)).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    // Patroni renews its lease in a ConfigMap every few seconds; only a change of the leader concerns us.
    private static bool Matters<T>(ObjectChange<T> change)
        where T : class, IKubeObject
    {
        if (change is not { Old: ConfigMap old, New: ConfigMap now } || now.Metadata.Annotation(Labels.AppliedHash) is not null)
            return true;
        return old.Metadata.Annotation("leader") != now.Metadata.Annotation("leader");
    }
}

/// <summary>Which versions of kinds this API server serves.</summary>
/// <param name="DisruptionBudgets">policy/v1, or v1beta1 before Kubernetes 1.21.</param>
public sealed record ClusterCapabilitiesView(KubeType<PodDisruptionBudget> DisruptionBudgets)
{
    /// <summary>Asks the API server.</summary>
    public static async Task<ClusterCapabilitiesView> DiscoverAsync(KubeClient client, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(client);
        var current = await client.ServesAsync(KubeTypes.PodDisruptionBudgets.Resource, cancellationToken).ConfigureAwait(false);
        return new(current ? KubeTypes.PodDisruptionBudgets : KubeTypes.PodDisruptionBudgetsBeta);
    }

    /// <summary>In the words of engines.</summary>
    public Engines.ClusterCapabilities Capabilities => new(PolicyV1: DisruptionBudgets == KubeTypes.PodDisruptionBudgets);
}

/// <summary>One watched kind, its type forgotten.</summary>
public sealed class KindView
{
    private readonly Func<CancellationToken, Task> _run;
    private readonly Func<string, IEnumerable<IKubeObject>> _byStack;
    private readonly Func<IKubeObject, JsonObject> _body;
    private readonly Func<Exception?> _error;
    private readonly string? _namespace;

    private KindView(KubeResource resource, string? ns, Task synced, Func<Exception?> error, Func<CancellationToken, Task> run, Func<string, IEnumerable<IKubeObject>> byStack, Func<IKubeObject, JsonObject> body)
    {
        Resource = resource;
        WhenSynced = synced;
        (_namespace, _error, _run, _byStack, _body) = (ns, error, run, byStack, body);
    }

    /// <summary>The kind.</summary>
    public KubeResource Resource { get; }

    /// <summary>Ends with the first list.</summary>
    public Task WhenSynced { get; }

    /// <summary>Whether the first list is in the store.</summary>
    public bool Synced => WhenSynced.IsCompletedSuccessfully;

    /// <summary>Why it cannot be read now, or null.</summary>
    public Exception? Error => _error();

    /// <summary>Whether it watches this namespace.</summary>
    public bool Covers(string? ns) => _namespace is null || _namespace == ns;

    internal static KindView Of<T>(KubeType<T> type, Informer<T> informer, string? ns)
        where T : class, IKubeObject => new(
            type.Resource,
            ns,
            informer.Synced,
            () => informer.Error,
            informer.RunAsync,
            informer.Store.ByLabel,
            value => JsonSerializer.SerializeToNode((T)value, type.Json)!.AsObject());

    /// <summary>Objects of a stack.</summary>
    public IEnumerable<LiveObject> Of(string? ns, string stack)
    {
        foreach (var value in _byStack(stack))
        {
            if (value.Metadata.Namespace == ns)
                yield return new(Resource, value, () => _body(value));
        }
    }

    /// <summary>Lists and watches until cancelled.</summary>
    public Task RunAsync(CancellationToken cancellationToken) => _run(cancellationToken);
}
