using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Microsoft.Extensions.Logging;

namespace Dora.Operator.Backups;

/// <summary>One pass over one backup: observe, decide, write the status, start or remove its Job.</summary>
public sealed partial class BackupController(RunView runs, RunCluster cluster, EventRecorder events, TimeProvider clock, ILogger<BackupController> logger)
{
    /// <summary>One pass.</summary>
    public async Task<Reconciled> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        // What was found is told by passes over the stack, and starts nothing.
        if (runs.Backup(key) is not { Metadata.DeletionTimestamp: null, Spec.Found: null } backup)
            return Reconciled.Done;
        var observed = Observe(backup);
        var decision = BackupRules.Decide(observed);
        // The status first: an ID that is not written down could be chosen twice.
        var written = await cluster.WriteStatusAsync(BackupResource.Type, backup, backup.Status, decision.Status, ApiJson.Wire.ComplianceBackupStatus, cancellationToken).ConfigureAwait(false);
        if (written)
            Announce(backup, decision.Status);
        if (decision.Start is { } run && observed.Engine is { } engine)
            await cluster.StartAsync(engine.Context, run, cancellationToken).ConfigureAwait(false);
        if (decision.End is { } job)
            await cluster.RemoveAsync(KubeTypes.Jobs.Resource, job.Metadata, cancellationToken).ConfigureAwait(false);
        // What was written comes back by the watch.
        return decision.Again is { } again ? Reconciled.After(again) : Reconciled.Done;
    }

    private BackupObservation Observe(ComplianceBackup backup)
    {
        var key = new ObjectKey(backup.Metadata.Namespace, backup.Spec.Stack);
        var stack = cluster.Stack(key);
        return new(
            backup,
            stack,
            stack is null ? null : cluster.Engine(stack, backup.Spec.Engine),
            cluster.Job(key, backup.Status?.Job),
            cluster.Of(key, KubeTypes.Pods),
            RunTurns.Before(RunTurns.Turn(backup), runs.Backups(key), runs.Restores(key)),
            clock.GetUtcNow())
        {
            Jobs = cluster.Jobs(key, backup.Metadata),
            Siblings = [.. runs.Backups(key).Where(other => other.Spec.Engine == backup.Spec.Engine)],
        };
    }

    private void Announce(ComplianceBackup backup, ComplianceBackupStatus now)
    {
        LogPhase(logger, backup.Metadata.Namespace, backup.Metadata.Name, now.Phase, now.Reason, now.Message);
        var regarding = new ObjectReference(StackResource.ApiVersion, BackupResource.Kind, backup.Metadata.Name, backup.Metadata.Namespace, backup.Metadata.Uid);
        foreach (var copy in (now.Copies ?? []).Where(copy => copy.RetryAt is not null && copy.RetryAt != CopyRules.Entry(backup.Status, copy.Name)?.RetryAt))
            events.Record(regarding, KubeEventType.Warning, "CopyFailed", "Copy", $"{now.Id} is not in {copy.Name}: {copy.Message}");
        if (now.Phase == backup.Status?.Phase)
            return;
        if (now.Phase == RunPhase.Failed)
            events.Record(regarding, KubeEventType.Warning, now.Reason ?? "Failed", "Backup", now.Message ?? "");
        else if (now.Phase == RunPhase.Succeeded)
            events.Record(regarding, KubeEventType.Normal, "Completed", "Backup", $"{now.Id} is stored and was read back: {now.Location}");
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Namespace}/{Backup}: {Phase} {Reason} {Message}")]
    private static partial void LogPhase(ILogger logger, string? @namespace, string? backup, RunPhase phase, string? reason, string? message);
}
