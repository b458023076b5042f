using System.Globalization;
using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;
using Dora.Operator.Backups;
using Dora.Operator.Credentials;
using Dora.Operator.Credentials.Database;
using Dora.Operator.Credentials.Rotation;

namespace Dora.Operator.Stacks;

/// <summary>Computes the status of a stack. Pure; texts hold no counters that move, so that a converged stack costs no writes.</summary>
public static class StackStatus
{
    /// <summary>The status for what was observed, planned, done and found.</summary>
    public static ComplianceStackStatus Calculate(
        StackObservation observed,
        StackPlan plan,
        ExecutionReport report,
        IReadOnlyDictionary<string, EngineHealth> health,
        DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(observed);
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(report);
        ArgumentNullException.ThrowIfNull(health);
        var stack = observed.Stack;
        var findings = plan.Engines.Select(engine => Judge(engine, observed, plan, health.GetValueOrDefault(engine.Engine.Name))).ToList();
        var stalled = Stalled(plan, report, observed);
        var ready = Ready(observed, plan, report, findings, stalled);
        var reconciling = stack.Spec.Paused
            ? new Condition(ConditionTypes.Reconciling, Conditions.False, "Paused", "spec.paused is true: the operator observes and changes nothing")
            : ready.Status == Conditions.True || stalled.Status == Conditions.True
                ? new Condition(ConditionTypes.Reconciling, Conditions.False, ready.Status == Conditions.True ? "Converged" : "Stalled", ready.Message)
                : new Condition(ConditionTypes.Reconciling, Conditions.True, "Progressing", ready.Message);
        var (network, segmented) = Network.SegmentationReport.Of(plan, observed, report);
        var backups = BackupReport.Entries(plan, observed);
        IEnumerable<Condition> conditions =
        [
            ready,
            reconciling,
            stalled,
            new(ConditionTypes.Compliant, Conditions.Unknown, "NotEvaluated", "no control has been evaluated yet"),
            .. Protection(observed),
            .. plan.Engines.Count > 0 ? [Transport.EncryptionRules.Encrypted(plan, observed.Ports)] : Array.Empty<Condition>(),
            .. VolumePressure.Judge(plan, observed, health) is { } volumes ? [volumes] : Array.Empty<Condition>(),
            .. segmented is null ? [] : new[] { segmented },
            .. Certificates.CertificateRegister.Judge(plan.Certificates, observed, report),
            .. LoginRules.Condition(VaultRules.Condition(observed, plan), plan, observed) is { } credentials ? [credentials] : Array.Empty<Condition>(),
            .. RotationReport.Condition(observed, plan, report) is { } rotated ? [rotated] : Array.Empty<Condition>(),
            .. BackupReport.Judge(plan, backups, observed, health),
            .. findings.Select(finding => finding.Condition),
        ];
        return new(
            stack.Metadata.Generation,
            Conditions.Carry(stack.Status?.Conditions, conditions, stack.Metadata.Generation ?? 0, now),
            [.. findings.Select(finding => finding.Status)],
            Certificates.CertificateRegister.Entries(plan.Certificates),
            RotationReport.Entries(observed, plan),
            network,
            backups,
            BackupReport.LastBackup(backups) ?? stack.Status?.LastBackup,
            BackupReport.LastDrill(backups) ?? stack.Status?.LastDrill);
    }

    private static Condition Stalled(StackPlan plan, ExecutionReport report, StackObservation observed)
    {
        var problems = plan.Violations.Select(violation => (violation.Reason, Message: violation.ToString()))
            .Concat(plan.Volumes.Where(problem => problem.Lasting).Select(problem => (problem.Reason, Message: $"spec.engines.{problem.Engine}.storage.size: {problem.Message}")))
            .Concat(report.Failures.Where(failure => failure.Lasting).Select(failure => (failure.Reason, failure.Message)))
            .Concat(plan.Engines.Select(engine => StoppedRoll(engine, observed)).OfType<(string Reason, string Message)>())
            .Concat(observed.Unreadable.Select(kind => (Reason: "Unreadable", Message: $"{kind.Key} cannot be watched: {kind.Value}")))
            .ToList();
        return problems.Count == 0
            ? new(ConditionTypes.Stalled, Conditions.False, "NothingBlocks", "nothing needs a person")
            : new(ConditionTypes.Stalled, Conditions.True, problems[0].Reason, Cut(string.Join(" | ", problems.Select(problem => problem.Message))));
    }

    // Apart from Ready: a stack serves as asked whether or not somebody may delete it.
    private static IEnumerable<Condition> Protection(StackObservation observed)
    {
        if (!observed.Stack.Spec.DeletionProtection)
            return [];
        const string advice = "until then whoever may delete stacks can delete this one";
        var (status, reason, message) = observed.Protection switch
        {
            ProtectionReading.Enforced => (Conditions.True, "PolicyInstalled", "the API server refuses to delete this stack; set spec.deletionProtection to false to lift that"),
            ProtectionReading.NotServed => (Conditions.False, "DeletionProtectionUnavailable", $"this API server does not serve ValidatingAdmissionPolicy; it needs Kubernetes 1.30 or later, {advice}"),
            ProtectionReading.NotInstalled => (Conditions.False, "DeletionProtectionUnavailable", $"the policy {DeletionGuard.PolicyName} is not installed or does not deny; run `kubectl apply -k config/deletion-protection`, or set deletionProtection.admissionPolicy of the Helm chart to true, {advice}"),
            _ => (Conditions.Unknown, "DeletionProtectionUnknown", $"the operator may not read the policy {DeletionGuard.PolicyName}: try `kubectl delete compliancestack {observed.Stack.Metadata.Name} --dry-run=server`"),
        };
        return [new(ConditionTypes.DeletionProtected, status, reason, message)];
    }

    // A member that was restarted and cannot come back holds the roll: the others still serve, and only a person can mend it.
    private static (string Reason, string Message)? StoppedRoll(BoundEngine engine, StackObservation observed) =>
        engine.Observed.Rolling is { Step: RollingStep.Wait, Pod: { } member, Outdated: var rest }
        && PodProblems.First(observed.Pods.Where(pod => pod.Metadata.Name == member.Name)) is { } problem
            ? ("RollStopped", $"spec.engines.{engine.Engine.Name}: the change stopped at its first member: {problem.Message}; {string.Join(", ", rest)} keep running as before; mend the cause or take the change back, and the roll goes on")
            : null;

    private static Condition Ready(StackObservation observed, StackPlan plan, ExecutionReport report, List<EngineFinding> findings, Condition stalled)
    {
        if (findings.FirstOrDefault(finding => finding.Condition.Status != Conditions.True) is { } waiting)
            return new(ConditionTypes.Ready, Conditions.False, waiting.Condition.Reason, $"{waiting.Status.Name}: {waiting.Status.Message}");
        if (stalled.Status == Conditions.True)
            return new(ConditionTypes.Ready, Conditions.False, stalled.Reason, "the spec as it stands is not carried out; what runs keeps running");
        // What was applied and has not come back by the watch yet may still change what is found.
        var open = report.Done.Any(Opens) || report.Failures.Count > 0 || observed.Pending.Count > 0;
        if (open && !observed.Stack.Spec.Paused)
            return new(ConditionTypes.Ready, Conditions.False, "Applying", "changes were just applied");
        return plan.Engines.Count == 0
            ? new(ConditionTypes.Ready, Conditions.False, "NoEngine", "no engine is asked for")
            : new(ConditionTypes.Ready, Conditions.True, "AllEnginesReady", string.Create(CultureInfo.InvariantCulture, $"{findings.Count} of {findings.Count} engines serve as asked"));
    }

    // A role's label, a look at the network and a certificate that is renewed change nothing that the servers are asked to be.
    private static bool Opens(PlanStep step) => step
        is not (PlanStep.LabelRole or PlanStep.RunProbe or PlanStep.EndProbe or PlanStep.BeginRun or PlanStep.RunSearch or PlanStep.RecordBackup or PlanStep.Discard)
        and not PlanStep.WriteAuthority { Change: not AuthorityChange.Create }
        and not PlanStep.WriteCertificate { Change: not CertificateChange.Create }
        && !(step is PlanStep.Command command && Transport.EncryptionRules.TakesUpCertificate(command.What));

    private static EngineFinding Judge(BoundEngine engine, StackObservation observed, StackPlan plan, EngineHealth? health)
    {
        var name = engine.Engine.Name;
        var before = engine.Observed.Status;
        var workload = engine.Observed.Workload;
        var wanted = engine.Cluster.Instances;
        var ready = workload?.Status?.ReadyReplicas ?? 0;
        var pods = observed.Pods.Where(pod => pod.Metadata.Label(Labels.Engine) == name);
        var (reason, message) = Missing(engine, ready, health, PodProblems.First(pods), plan.Volumes.FirstOrDefault(problem => problem.Engine == name), observed);
        // What claims alone say is remembered once servers are made on them: those of a stack that was just deleted may be going themselves.
        var initialized = before?.Initialized == true || health?.Primary is not null || (engine.Observed.Initialized && !CredentialRules.Check(engine, observed).Any());
        var everReady = before?.Phase is EnginePhase.Ready or EnginePhase.Degraded or EnginePhase.Unavailable;
        var phase = reason is null ? EnginePhase.Ready
            : !everReady ? (workload is null ? EnginePhase.Pending : EnginePhase.Creating)
            : health?.Primary is not null ? EnginePhase.Degraded
            : EnginePhase.Unavailable;
        var status = new EngineStatus(
            name,
            phase,
            string.Create(CultureInfo.InvariantCulture, $"{Math.Min(ready, wanted)}/{wanted}"),
            health?.Version ?? before?.Version,
            engine.Cluster.Endpoint,
            engine.Observed.HeldBy is not null ? StackPlanner.FirstMember(engine.Cluster) : health?.Primary ?? before?.Primary,
            initialized ? true : null,
            message is null ? null : Cut(message));
        var condition = reason is null
            ? new Condition(engine.Engine.ConditionType, Conditions.True, "Serving", $"{status.Ready} instances serve")
            : new Condition(engine.Engine.ConditionType, Conditions.False, reason, status.Message ?? reason);
        return new(status, condition);
    }

    // What is missing for Ready, the cause before its consequences; null when nothing is.
    private static (string? Reason, string? Message) Missing(BoundEngine engine, int ready, EngineHealth? health, (string Reason, string Message)? pod, VolumeProblem? volumes, StackObservation observed)
    {
        var wanted = engine.Cluster.Instances;
        if (engine.Observed.HeldBy is { } restore)
            return ("Restoring", $"stopped for ComplianceRestore {restore}: see its status");
        if (engine.Observed.Workload is not { } workload)
            return ("Creating", "the StatefulSet does not exist yet");
        if (pod is { } problem)
            return problem;
        var rolling = workload.Status?.ObservedGeneration != workload.Metadata.Generation || engine.Observed.Rolling is { Outdated.Count: > 0 };
        if (ready < wanted)
            return (rolling ? "RollingOut" : "InstancesNotReady", string.Create(CultureInfo.InvariantCulture, $"{ready} of {wanted} instances are ready"));
        if (workload.Spec?.Replicas is { } replicas && replicas > wanted)
            return ("ScalingIn", string.Create(CultureInfo.InvariantCulture, $"scaling in from {replicas} to {wanted}, one at a time"));
        if (rolling)
            return ("RollingOut", engine.Observed.Rolling is { Step: RollingStep.RestartAll } all ? all.Reason : engine.Observed.Rolling is { Outdated: { Count: > 0 } rest } ? $"{string.Join(", ", rest)} will restart, one by one, the primary last" : "the change has not reached the StatefulSet yet");
        return health switch
        {
            null => ("NotProbed", "the servers have not been asked yet"),
            { Verdict: EngineVerdict.Healthy } => Companion(engine, observed) ?? (volumes?.Reason, volumes?.Message),
            _ => ("Unhealthy", health.Message),
        };
    }

    // What serves beside the members, such as a pooler: while it is away, those that use it are served by nobody.
    private static (string? Reason, string? Message)? Companion(BoundEngine engine, StackObservation observed)
    {
        foreach (var name in engine.Cluster.Companions)
        {
            if (engine.Observed.Deployments?.FirstOrDefault(deployment => deployment.Metadata.Name == name) is not { Spec: { } spec } deployment)
                return ("Creating", $"Deployment {name} does not exist yet");
            var (wanted, available, updated) = (spec.Replicas ?? 1, deployment.Status?.AvailableReplicas ?? 0, deployment.Status?.UpdatedReplicas ?? 0);
            var pods = observed.Pods.Where(pod => spec.Selector.MatchLabels?.All(label => pod.Metadata.Label(label.Key) == label.Value) == true);
            if (available < wanted)
                return PodProblems.First(pods) ?? ("CompanionNotReady", string.Create(CultureInfo.InvariantCulture, $"{name}: {available} of {wanted} pods serve"));
            if (updated < wanted || deployment.Status?.ObservedGeneration != deployment.Metadata.Generation)
                return ("RollingOut", $"{name} takes up its new configuration, pod by pod");
        }

        return null;
    }

    /// <summary>A message no longer than the API takes.</summary>
    internal static string Cut(string message) =>
        message.Length <= ComplianceStackStatus.LongestMessage ? message : message[..(ComplianceStackStatus.LongestMessage - 1)] + "…";

    private sealed record EngineFinding(EngineStatus Status, Condition Condition);
}
