using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Microsoft.Extensions.Logging;

namespace Dora.Operator.Backups;

/// <summary>One pass over one restore: observe, decide, write the status, do what was decided.</summary>
public sealed partial class RestoreController(RunView runs, RunCluster cluster, EventRecorder events, TimeProvider clock, ILogger<RestoreController> logger)
{
    /// <summary>One pass.</summary>
    public async Task<Reconciled> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (runs.Restore(key) is not { Metadata.DeletionTimestamp: null } restore)
            return Reconciled.Done;
        var observed = Observe(restore);
        var decision = RestoreRules.Decide(observed);
        if (decision.Verified is { } backup)
            await cluster.WriteStatusAsync(BackupResource.Type, backup, backup.Status, RestorePlace.Verified(restore, backup.Status!, decision.Status.FinishedAt), ApiJson.Wire.ComplianceBackupStatus, cancellationToken).ConfigureAwait(false);
        // The status first: who comes after must know how far this one was.
        if (await cluster.WriteStatusAsync(RestoreResource.Type, restore, restore.Status, decision.Status, ApiJson.Wire.ComplianceRestoreStatus, cancellationToken).ConfigureAwait(false))
            Announce(restore, decision.Status);
        await DoAsync(observed, decision, cancellationToken).ConfigureAwait(false);
        return decision.Again is { } again ? Reconciled.After(again) : Reconciled.Done;
    }

    private async Task DoAsync(RestoreObservation observed, RestoreDecision decision, CancellationToken cancellationToken)
    {
        if (decision.End is { } job)
            await cluster.RemoveAsync(KubeTypes.Jobs.Resource, job.Metadata, cancellationToken).ConfigureAwait(false);
        foreach (var pod in decision.Release ?? [])
            await cluster.RemoveAsync(KubeTypes.Pods.Resource, pod.Metadata, cancellationToken).ConfigureAwait(false);
        foreach (var claim in decision.Remove ?? [])
        {
            LogRemove(logger, claim.Metadata.Namespace, observed.Restore.Metadata.Name, claim.Metadata.Name);
            await cluster.RemoveAsync(KubeTypes.PersistentVolumeClaims.Resource, claim.Metadata, cancellationToken).ConfigureAwait(false);
        }

        foreach (var (resource, name) in decision.Forget ?? [])
            await cluster.RemoveAsync(resource, new(Name: name, Namespace: observed.Restore.Metadata.Namespace), cancellationToken).ConfigureAwait(false);
        if (decision.Claim is { } empty)
            await cluster.CreateAsync(KubeTypes.PersistentVolumeClaims, empty, cancellationToken).ConfigureAwait(false);
        if (decision.Stack is { } stack)
            await cluster.CreateAsync(StackResource.Type, stack, cancellationToken).ConfigureAwait(false);
        if (decision.Start is { } run)
            await cluster.StartAsync((observed.From ?? observed.To)!.Context, run, cancellationToken).ConfigureAwait(false);
    }

    private RestoreObservation Observe(ComplianceRestore restore)
    {
        var (source, target) = (new ObjectKey(restore.Metadata.Namespace, restore.Spec.Stack), new ObjectKey(restore.Metadata.Namespace, RestoreRules.TargetName(restore)));
        var (from, to) = (cluster.Stack(source), cluster.Stack(target));
        var engine = restore.Spec.Engine;
        var backup = RunOrders.From(from?.Spec.Backup, restore.Spec.Source.Copy);
        RunEngine? bound = to is null ? null : cluster.Engine(to, engine, backup);
        return new(
            restore,
            from,
            to,
            from is null ? null : cluster.Engine(from, engine, backup),
            bound,
            runs.Backups(source),
            cluster.Job(source, restore.Status?.Job),
            cluster.Of(target, KubeTypes.StatefulSets).FirstOrDefault(workload => workload.Metadata.Name == bound?.Cluster?.WorkloadName),
            [.. cluster.Of(source, KubeTypes.Pods).Union(cluster.Of(target, KubeTypes.Pods))],
            [.. cluster.Of(target, KubeTypes.PersistentVolumeClaims).Where(claim => claim.Metadata.Label(Labels.Engine) == engine)],
            RunTurns.Before(RunTurns.Turn(restore), runs.Backups(target), runs.Restores(target).Union(runs.Restores(source))),
            clock.GetUtcNow())
        { Jobs = cluster.Jobs(source, restore.Metadata) };
    }

    private void Announce(ComplianceRestore restore, ComplianceRestoreStatus now)
    {
        LogPhase(logger, restore.Metadata.Namespace, restore.Metadata.Name, now.Phase, now.Reason, now.Message);
        if (now.Phase == restore.Status?.Phase)
            return;
        var regarding = new ObjectReference(StackResource.ApiVersion, RestoreResource.Kind, restore.Metadata.Name, restore.Metadata.Namespace, restore.Metadata.Uid);
        var (type, reason, note) = now.Phase switch
        {
            RestorePhase.Failed => (KubeEventType.Warning, now.Reason ?? "Failed", now.Message ?? ""),
            RestorePhase.Succeeded => (KubeEventType.Normal, "Completed", $"{now.Backup} was restored in {now.MeasuredRto}: {now.Comparison}"),
            _ => (KubeEventType.Normal, now.Phase.ToString(), now.Message is { Length: > 0 } words ? words : $"{restore.Spec.Target.Mode} of {now.Backup}"),
        };
        events.Record(regarding, type, reason, "Restore", note);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Namespace}/{Restore}: {Phase} {Reason} {Message}")]
    private static partial void LogPhase(ILogger logger, string? @namespace, string? restore, RestorePhase phase, string? reason, string? message);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Namespace}/{Restore}: removing claim {Claim}: the data on it is replaced")]
    private static partial void LogRemove(ILogger logger, string? @namespace, string? restore, string? claim);
}
