using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Backups;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Dora.Operator.Stacks;
using Microsoft.Extensions.Logging;

namespace Dora.Operator.Backups;

/// <summary>What controllers of runs read of the cluster and write to it. It decides nothing.</summary>
public sealed partial class RunCluster(KubeClient client, ClusterView view, HealthStore health, ImageSource images, ClusterCapabilities capabilities, ILogger<RunCluster> logger)
{
    /// <summary>A stack, or null.</summary>
    public ComplianceStack? Stack(ObjectKey key) => view.Find(key);

    /// <summary>An engine of a stack, as runs need it.</summary>
    /// <param name="stack">The stack.</param>
    /// <param name="name">Key under its spec.engines.</param>
    /// <param name="backup">Where the backups are that are restored into it; null: its own.</param>
    internal RunEngine Engine(ComplianceStack stack, string name, BackupSettings? backup = null)
    {
        var context = StackPlanner.Context(stack, images, capabilities);
        context = context with { Backup = backup ?? context.Backup };
        IEngineCluster? cluster = null;
        try
        {
            if (stack.Spec.Engines.TryGetValue(name, out var settings))
                cluster = EngineCatalogue.Find(name)?.Bind(context, settings);
        }
        catch (JsonException)
        {
            // The stack's condition Stalled says what is wrong.
        }

        return new(context, cluster, health.Of(ObjectKey.Of(stack)).GetValueOrDefault(name));
    }

    /// <summary>Objects of one kind that carry the labels of a stack.</summary>
    internal IReadOnlyList<T> Of<T>(ObjectKey stack, KubeType<T> type)
        where T : class, IKubeObject =>
        [.. view.Kinds.Where(kind => kind.Resource == type.Resource && kind.Covers(stack.Namespace)).SelectMany(kind => kind.Of(stack.Namespace, stack.Name)).Select(live => live.Object).OfType<T>()];

    /// <summary>The Job of a run, or null.</summary>
    internal Job? Job(ObjectKey stack, string? name) => name is null ? null : Of(stack, KubeTypes.Jobs).FirstOrDefault(job => job.Metadata.Name == name);

    /// <summary>The Jobs that an object owns.</summary>
    internal IReadOnlyList<Job> Jobs(ObjectKey stack, ObjectMeta owner) => [.. Of(stack, KubeTypes.Jobs).Where(job => job.Metadata.Controller?.Uid == owner.Uid)];

    /// <summary>Makes a run's ConfigMap and its Job. Both may be there already: then an earlier pass made them, of the same order.</summary>
    internal async Task StartAsync(StackContext context, BackupRun run, CancellationToken cancellationToken)
    {
        LogStart(logger, context.Namespace, context.Name, run.Name, run.Command);
        await CreateAsync(KubeTypes.ConfigMaps, BackupPods.Files(context, run), cancellationToken).ConfigureAwait(false);
        await CreateAsync(KubeTypes.Jobs, BackupPods.Render(context, run), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes an object, if it is still that one.</summary>
    internal async Task RemoveAsync(KubeResource resource, ObjectMeta meta, CancellationToken cancellationToken)
    {
        try
        {
            await client.DeleteAsync(resource, meta.Namespace, meta.Name!, new(Uid: meta.Uid, Propagation: DeletePropagation.Background), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is KubeNotFoundException or KubeConflictException)
        {
            // Gone already, or another one by now.
        }
    }

    /// <summary>Makes an object, unless it is there.</summary>
    internal async Task CreateAsync<T>(KubeType<T> type, T value, CancellationToken cancellationToken)
        where T : class, IKubeObject
    {
        try
        {
            await client.CreateAsync(type, value, cancellationToken).ConfigureAwait(false);
        }
        catch (KubeAlreadyExistsException)
        {
            // Names say what is in it.
        }
    }

    /// <summary>Writes a status, if it differs. Bound to the state that it was decided on: a cache may be behind, and a run must not begin twice.</summary>
    /// <returns>Whether it was written.</returns>
    internal Task<bool> WriteStatusAsync<T, TStatus>(KubeType<T> type, T value, TStatus? old, TStatus wanted, JsonTypeInfo<TStatus> json, CancellationToken cancellationToken)
        where T : class, IKubeObject
        where TStatus : class => RunStatus.WriteAsync(client, type, value, old, wanted, json, cancellationToken);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Namespace}/{Stack}: Job {Job} begins: {Command}")]
    private static partial void LogStart(ILogger logger, string @namespace, string stack, string job, string command);
}
