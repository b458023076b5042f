using System.Globalization;
using Dora.Api;
using Dora.Kubernetes.Runtime;
using Dora.Operator.Credentials.Rotation;

namespace Dora.Operator.Stacks;

/// <summary>Tells people what changed about a stack, as events. Says each thing once, when it changes.</summary>
public sealed class StackEvents(EventRecorder recorder)
{
    /// <summary>Compares the status before and after a pass.</summary>
    public void Announce(ComplianceStack stack, ComplianceStackStatus now, ExecutionReport report)
    {
        ArgumentNullException.ThrowIfNull(stack);
        ArgumentNullException.ThrowIfNull(now);
        ArgumentNullException.ThrowIfNull(report);
        Objects(stack, report);
        Stalled(stack, now);
        Unprotected(stack, now);
        Unencrypted(stack, now);
        Unsegmented(stack, now);
        Filling(stack, now);
        IdleClients(stack, now);
        Authority(stack, report);
        Certificates(stack, now);
        NotCurrent(stack, now);
        foreach (var engine in now.Engines ?? [])
            Engine(stack, stack.Status?.Engines?.FirstOrDefault(status => status.Name == engine.Name), engine);
        Rotations(stack, report);
        Backups(report);
        foreach (var failure in report.Failures.Where(failure => !failure.Lasting))
            Record(stack, KubeEventType.Warning, failure.Reason, "Command", failure.Message);
    }

    private void Objects(ComplianceStack stack, ExecutionReport report)
    {
        var applied = report.Done.OfType<PlanStep.Apply>().ToList();
        // Whom to trust follows the authority a moment later, and is no news of its own.
        if (report.Done.Count(Creates) is > 0 and var created && !(created == 1 && applied is [{ } only] && only.Manifest.Name == Operator.Certificates.TrustMap.Name(stack.Metadata.Name!)))
            Record(stack, KubeEventType.Normal, "ObjectsCreated", "Apply", string.Create(CultureInfo.InvariantCulture, $"created {created} objects"));
        var changed = applied.Where(step => step.Change == ObjectChangeKind.Changed).ToList();
        if (changed.Count > 0)
            Record(stack, KubeEventType.Normal, "ObjectsChanged", "Apply", $"applied the changed spec to {Names(changed)}");
        var drifted = applied.Where(step => step.Change == ObjectChangeKind.Drifted).ToList();
        if (drifted.Count > 0)
            Record(stack, KubeEventType.Warning, "DriftCorrected", "Apply", $"somebody changed {Names(drifted)}; put back as the spec asks");
        var pruned = report.Done.OfType<PlanStep.Prune>().ToList();
        if (pruned.Count > 0)
            Record(stack, KubeEventType.Normal, "ObjectsRemoved", "Prune", $"removed {string.Join(", ", pruned.Select(step => $"{step.Resource.Kind} {step.Name}"))}");
        foreach (var claim in report.Done.OfType<PlanStep.GrowClaim>())
            Record(stack, KubeEventType.Normal, "VolumeGrows", "Apply", $"asked for {claim.Size} for {claim.Name}");
        foreach (var adopted in report.Done.OfType<PlanStep.AdoptCredential>())
            Record(stack, KubeEventType.Normal, "CredentialAdopted", "Apply", $"{adopted.Engine}: the passwords of Secret {adopted.Request.SecretName} are in Vault now");
        foreach (var member in report.Done.OfType<PlanStep.RestartMember>())
            Record(stack, KubeEventType.Normal, "MemberRestarted", "Restart", $"{member.Engine}: restarted {member.Pod}: {member.Reason}");
        foreach (var command in report.Done.OfType<PlanStep.Command>())
            Record(stack, KubeEventType.Normal, command.What.Name, "Command", $"{command.Engine}: {command.What.Reason}");
    }

    private static bool Creates(PlanStep step) => step
        is PlanStep.Apply { Change: ObjectChangeKind.Missing }
        or PlanStep.CreateCredential
        or PlanStep.WriteAuthority { Change: AuthorityChange.Create }
        or PlanStep.WriteCertificate { Change: CertificateChange.Create };

    private void Stalled(ComplianceStack stack, ComplianceStackStatus now)
    {
        var before = stack.Status?.Conditions.Find(ConditionTypes.Stalled);
        if (now.Conditions.Find(ConditionTypes.Stalled) is { Status: Conditions.True } stalled && stalled.Message != before?.Message)
            Record(stack, KubeEventType.Warning, stalled.Reason, "Validate", stalled.Message);
    }

    private void Unencrypted(ComplianceStack stack, ComplianceStackStatus now)
    {
        // Of a stack that never was, its condition says enough.
        if (now.Conditions.Find(ConditionTypes.EncryptedInTransit) is { Status: Conditions.False } condition
            && stack.Status?.Conditions.Find(ConditionTypes.EncryptedInTransit) is { Status: Conditions.True })
            Record(stack, KubeEventType.Warning, condition.Reason, "Probe", condition.Message);
    }

    private void Unsegmented(ComplianceStack stack, ComplianceStackStatus now)
    {
        var before = stack.Status?.Conditions.Find(ConditionTypes.NetworkSegmented);
        if (now.Conditions.Find(ConditionTypes.NetworkSegmented) is { Status: Conditions.False } condition && condition.Message != before?.Message)
            Record(stack, KubeEventType.Warning, condition.Reason, "Probe", condition.Message);
    }

    private void Filling(ComplianceStack stack, ComplianceStackStatus now)
    {
        var before = stack.Status?.Conditions.Find(ConditionTypes.VolumesSufficient);
        if (now.Conditions.Find(ConditionTypes.VolumesSufficient) is { Status: Conditions.False } condition && condition.Message != before?.Message)
            Record(stack, KubeEventType.Warning, condition.Reason, "Probe", condition.Message);
    }

    private void IdleClients(ComplianceStack stack, ComplianceStackStatus now)
    {
        if ((now.Network?.IdleClients ?? []).Except(stack.Status?.Network?.IdleClients ?? []).ToList() is { Count: > 0 } idle)
            Record(stack, KubeEventType.Warning, "ClientMatchesNothing", "Validate", Network.SegmentationReport.Nobody(idle));
    }

    private void Unprotected(ComplianceStack stack, ComplianceStackStatus now)
    {
        var before = stack.Status?.Conditions.Find(ConditionTypes.DeletionProtected);
        if (now.Conditions.Find(ConditionTypes.DeletionProtected) is { Status: Conditions.False } condition && condition.Message != before?.Message)
            Record(stack, KubeEventType.Warning, condition.Reason, "Validate", condition.Message);
    }

    private void Authority(ComplianceStack stack, ExecutionReport report)
    {
        foreach (var step in report.Done.OfType<PlanStep.WriteAuthority>())
        {
            (string? reason, string note) = step.Change switch
            {
                // The first one is among the objects that were created.
                AuthorityChange.Create when step.Generation == 1 => (null, ""),
                AuthorityChange.Create => ("AuthorityCreated", $"authority {step.Generation} was made in Secret {step.SecretName}: {step.Reason}"),
                AuthorityChange.Renew => ("AuthorityRenewed", $"authority {step.Generation} is believed beside the one before, and will take its place: {step.Reason}"),
                _ when step.Older.Count == 0 => ("AuthorityRetired", $"only authority {step.Generation} is believed now: {step.Reason}"),
                _ => ("AuthorityAdopted", $"another authority is believed beside authority {step.Generation}: {step.Reason}"),
            };
            if (reason is not null)
                Record(stack, KubeEventType.Normal, reason, "Certify", note);
        }
    }

    private void Certificates(ComplianceStack stack, ComplianceStackStatus now)
    {
        // Of a new stack they are among the objects that were created.
        if (stack.Status?.Certificates is not { Count: > 0 } before)
            return;
        foreach (var certificate in (now.Certificates ?? []).Where(certificate => certificate.DnsNames is not null))
        {
            var old = before.FirstOrDefault(one => one.SecretName == certificate.SecretName);
            if (old?.Serial != certificate.Serial)
                Record(stack, KubeEventType.Normal, old is null ? "CertificateIssued" : "CertificateRenewed", "Certify", string.Create(CultureInfo.InvariantCulture, $"Secret {certificate.SecretName} holds certificate {certificate.Serial} of {certificate.Issuer}, valid until {certificate.NotAfter:yyyy-MM-dd HH:mm} UTC"));
        }
    }

    private void NotCurrent(ComplianceStack stack, ComplianceStackStatus now)
    {
        var certificates = stack.Status?.Conditions.Find(ConditionTypes.CertificatesCurrent);
        // A new stack has none yet, which is no news.
        if (now.Conditions.Find(ConditionTypes.CertificatesCurrent) is { Status: Conditions.False } condition && certificates is not null && condition.Message != certificates.Message)
            Record(stack, KubeEventType.Warning, condition.Reason, "Certify", condition.Message);
        var credentials = stack.Status?.Conditions.Find(ConditionTypes.CredentialsCurrent);
        if (now.Conditions.Find(ConditionTypes.CredentialsCurrent) is { Status: not Conditions.True } current && current.Message != credentials?.Message)
            Record(stack, KubeEventType.Warning, current.Reason, "Validate", current.Message);
    }

    private void Engine(ComplianceStack stack, EngineStatus? before, EngineStatus now)
    {
        if (before?.Phase != now.Phase)
        {
            if (now.Phase == EnginePhase.Ready)
                Record(stack, KubeEventType.Normal, "EngineReady", "Probe", $"{now.Name}: {now.Ready} instances serve at {now.Endpoint}");
            else if (now.Phase is EnginePhase.Degraded or EnginePhase.Unavailable)
                Record(stack, KubeEventType.Warning, $"Engine{now.Phase}", "Probe", $"{now.Name}: {now.Message}");
        }

        if (before?.Primary is { } old && now.Primary is { } primary && old != primary)
            Record(stack, KubeEventType.Normal, "PrimaryChanged", "Probe", $"{now.Name}: {primary} takes writes now, {old} did before");
    }

    private void Backups(ExecutionReport report)
    {
        foreach (var (backup, status) in report.Done.OfType<PlanStep.RecordBackup>().Where(step => step.Status.Phase == RunPhase.Gone))
        {
            recorder.Record(
                new(StackResource.ApiVersion, BackupResource.Kind, backup.Metadata.Name, backup.Metadata.Namespace, backup.Metadata.Uid),
                status.Reason == Operator.Backups.GoneRules.Expired ? KubeEventType.Normal : KubeEventType.Warning,
                status.Reason!,
                "Find",
                status.Message!);
        }
    }

    private void Rotations(ComplianceStack stack, ExecutionReport report)
    {
        foreach (var (_, role, step) in report.Rotated)
        {
            if (step == RotationStep.Flip)
                Record(stack, KubeEventType.Normal, "CredentialRotated", "Rotate", $"Secret {role.Id} holds a new password, which every server accepts; the old one is accepted for a while");
            else if (step == RotationStep.Prove)
                Record(stack, KubeEventType.Normal, "OldCredentialRefused", "Rotate", $"Secret {role.Id}: every server refuses the password before this one");
            else if (step == RotationStep.Mend)
                Record(stack, KubeEventType.Warning, "RotationMended", "Rotate", $"Secret {role.Id}: what was kept of its change is gone, or Vault has the old password back; servers accept just what the Secret holds");
            else if (step == RotationStep.Follow)
                Record(stack, KubeEventType.Normal, "CredentialChanged", "Rotate", $"Secret {role.Id}: Vault holds another password; the servers are told first");
        }

        foreach (var failure in report.RotationFailures)
            Record(stack, KubeEventType.Warning, failure.Reason, "Rotate", failure.Message);
    }

    private static string Names(IEnumerable<PlanStep.Apply> steps) => string.Join(", ", steps.Select(step => $"{step.Manifest.Resource.Kind} {step.Manifest.Name}"));

    private void Record(ComplianceStack stack, KubeEventType type, string reason, string action, string note) => recorder.Record(
        new(StackResource.ApiVersion, StackResource.Kind, stack.Metadata.Name, stack.Metadata.Namespace, stack.Metadata.Uid),
        type,
        reason,
        action,
        note);
}
