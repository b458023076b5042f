using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Dora.Operator.Certificates;
using Dora.Operator.Credentials;
using Dora.Operator.Credentials.Rotation;
using Microsoft.Extensions.Logging;

namespace Dora.Operator.Stacks;

/// <summary>Carries out a plan, step by step. It decides nothing; a step that is refused is reported and the rest goes on.</summary>
public sealed partial class PlanExecutor(KubeClient client, CredentialStore credentials, CertificateStore certificates, WriteJournal journal, ILogger<PlanExecutor> logger, TimeProvider? clock = null)
{
    private readonly SecretWriter _writer = new(client, credentials);
    private readonly RotationStore rotations = new(client, credentials, clock ?? TimeProvider.System);

    /// <summary>Does every step.</summary>
    /// <exception cref="KubeUnavailableException">The API server does not answer; the rest is done in a later pass.</exception>
    public async Task<ExecutionReport> ExecuteAsync(StackObservation observed, StackPlan plan, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(observed);
        ArgumentNullException.ThrowIfNull(plan);
        var done = new List<PlanStep>();
        var failures = new List<StepFailure>();
        string? unprobed = null;
        foreach (var step in plan.Steps)
        {
            try
            {
                await DoAsync(observed, plan, step, cancellationToken).ConfigureAwait(false);
                done.Add(step);
            }
            catch (KubeException exception) when (step is PlanStep.RunProbe or PlanStep.EndProbe && exception is not KubeUnavailableException)
            {
                // It blocks nothing. One that is there or gone already the cache will show.
                if (exception is not (KubeAlreadyExistsException or KubeNotFoundException))
                    unprobed = exception.Message;
            }
            catch (KubeAlreadyExistsException) when (step is PlanStep.BeginRun or PlanStep.RunSearch)
            {
                // An earlier pass made it, and its status was lost.
            }
            catch (KubeConflictException) when (step is PlanStep.RecordBackup)
            {
                // Somebody wrote to it since it was read: it is read and judged again.
            }
            catch (KubeNotFoundException) when (step is PlanStep.Prune or PlanStep.Discard or PlanStep.RestartMember or PlanStep.LabelRole or PlanStep.SetOwner or PlanStep.GrowClaim)
            {
                // Gone already; the cache will say so.
            }
            catch (KubeException exception) when (step is PlanStep.WriteAuthority or PlanStep.WriteCertificate or PlanStep.WriteLogin && exception is KubeConflictException or KubeAlreadyExistsException or KubeNotFoundException)
            {
                // Somebody changed the Secret since it was read: it is read and judged again.
            }
            catch (KubeForbiddenException exception) when (step is PlanStep.GrowClaim && Admission(exception) is not null)
            {
                failures.Add(Refused(observed.Stack, (PlanStep.GrowClaim)step, Admission(exception)!));
            }
            catch (KubeForbiddenException exception)
            {
                failures.Add(new("Forbidden", exception.Message, Lasting: true));
            }
            catch (KubeInvalidException exception)
            {
                failures.Add(new("ObjectRejected", exception.Message, Lasting: true));
            }
            catch (KubeConflictException exception) when (exception.HasFieldManagerConflicts)
            {
                failures.Add(new("ObjectCollision", $"{Describe(step)} exists and belongs to somebody else: {exception.Message}; rename the stack or remove the object", Lasting: true));
            }
            catch (Vault.VaultException exception)
            {
                LogCommandFailed(logger, Describe(step), exception.Message);
                failures.Add(new(exception.Reason, $"{Describe(step)}: {exception.Message}", Lasting: false));
            }
            catch (Exception exception) when (step is PlanStep.Command && exception is not OperationCanceledException)
            {
                LogCommandFailed(logger, Describe(step), exception.Message);
                failures.Add(new("CommandFailed", $"{Describe(step)}: {exception.Message}", Lasting: false));
            }
        }

        return new(done, failures) { Unprobed = unprobed };
    }

    /// <summary>Takes the steps of the change of passwords. What is refused leaves the password in use as it is, and is tried again.</summary>
    internal async Task<ExecutionReport> RotateAsync(ExecutionReport report, StackObservation observed, StackPlan plan, CancellationToken cancellationToken)
    {
        var (done, failures) = (new List<PlannedRotation>(), new List<RotationFailure>());
        foreach (var planned in plan.Rotations)
        {
            try
            {
                if (await rotations.DoAsync(observed, planned, cancellationToken).ConfigureAwait(false))
                {
                    LogRotation(logger, observed.Stack.Metadata.Namespace, observed.Stack.Metadata.Name, planned.Step, planned.Role.Id);
                    done.Add(planned);
                }
            }
            catch (KubeException exception) when (exception is KubeConflictException or KubeAlreadyExistsException or KubeNotFoundException)
            {
                // Somebody changed the Secret since it was read: it is read and judged again.
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                // Words of a driver may quote what it was given: only its kind is told.
                var words = exception is RotationException or KubeException or Vault.VaultException ? exception.Message : $"the servers did not take it ({exception.GetType().Name})";
                LogCommandFailed(logger, $"{planned.Step} of {planned.Role.Id}", words);
                failures.Add(new(planned.Role.Id, (exception as RotationException)?.Reason ?? (exception as Vault.VaultException)?.Reason ?? "RotationFailed", $"{planned.Role.Id}: {words}"));
            }
        }

        return report with { Rotated = done, RotationFailures = failures };
    }

    /// <summary>Removes what is left of a stack that is gone.</summary>
    public async Task PruneAsync(ObjectKey stack, IReadOnlyList<PlanStep.Prune> steps, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(steps);
        foreach (var step in steps)
        {
            try
            {
                await PruneAsync(stack.Namespace, stack.Name, step, cancellationToken).ConfigureAwait(false);
            }
            catch (KubeNotFoundException)
            {
                // Gone already; the cache will say so.
            }
        }
    }

    private Task PruneAsync(string? ns, string? stack, PlanStep.Prune step, CancellationToken cancellationToken)
    {
        LogPrune(logger, ns, stack, step.Resource.ToString(), step.Name);
        return client.DeleteAsync(step.Resource, ns, step.Name, new(Uid: step.Uid, Propagation: DeletePropagation.Background), cancellationToken);
    }

    // Why an admission plugin refused (a class that does not let volumes grow, a quota); null where it was the authorizer.
    private static string? Admission(KubeForbiddenException exception)
    {
        const string head = "is forbidden: ";
        var words = exception.Status?.Message ?? "";
        var start = words.IndexOf(head, StringComparison.Ordinal);
        return start < 0 || words.Contains("cannot patch resource", StringComparison.Ordinal) ? null : words[(start + head.Length)..];
    }

    private StepFailure Refused(ComplianceStack stack, PlanStep.GrowClaim step, string words)
    {
        journal.Refused(ObjectKey.Of(stack), step.Name, new(step.Size, words));
        return new(VolumeProblem.Refused, $"{step.Name}: {VolumeProblem.RefusedBecause(step.Class, words)}", Lasting: true);
    }

    private Task DoAsync(StackObservation observed, StackPlan plan, PlanStep step, CancellationToken cancellationToken)
    {
        var stack = observed.Stack;
        var ns = stack.Metadata.Namespace;
        switch (step)
        {
            case PlanStep.Apply apply:
                return ApplyAsync(stack, apply, cancellationToken);
            case PlanStep.Prune prune:
                return PruneAsync(ns, stack.Metadata.Name, prune, cancellationToken);
            case PlanStep.CreateCredential create:
                return credentials.CreateAsync(stack, create, new EngineNames(StackPlanner.Context(stack, observed.Images, observed.Capabilities), create.Engine), observed.Vault.GetValueOrDefault(create.Request.SecretName), cancellationToken);
            case PlanStep.CompleteCredential complete:
                return credentials.CompleteAsync(stack, complete.Request, cancellationToken);
            case PlanStep.AdoptCredential adopt:
                return credentials.AdoptAsync(observed, adopt, cancellationToken);
            case PlanStep.WriteAuthority authority:
                LogAuthority(logger, ns, stack.Metadata.Name, authority.Change, authority.SecretName, authority.Generation, authority.Reason);
                return certificates.WriteAsync(stack, StackPlanner.Context(stack, observed.Images, observed.Capabilities), authority, cancellationToken);
            case PlanStep.WriteCertificate certificate:
                LogCertificate(logger, ns, stack.Metadata.Name, certificate.Change, certificate.Request.SecretName, certificate.Reason);
                return certificates.WriteAsync(stack, StackPlanner.Context(stack, observed.Images, observed.Capabilities), certificate, cancellationToken);
            case PlanStep.WriteLogin login:
                LogLogin(logger, ns, stack.Metadata.Name, login.SecretName, login.Reason);
                var context = StackPlanner.Context(stack, observed.Images, observed.Capabilities);
                return login.ResourceVersion is null
                    ? _writer.CreateAsync(stack, new EngineNames(context, login.Engine).Meta(login.SecretName), "Opaque", login.Content, cancellationToken)
                    : _writer.PatchAsync(stack, login.SecretName, login.ResourceVersion, Ownership.Of(context), login.Content, cancellationToken);
            case PlanStep.GrowClaim grow:
                return client.PatchAsync(KubeTypes.PersistentVolumeClaims, ns, grow.Name, KubePatch.Merge(new JsonObject
                {
                    ["spec"] = new JsonObject { ["resources"] = new JsonObject { ["requests"] = new JsonObject { ["storage"] = grow.Size } } },
                }), cancellationToken);
            case PlanStep.SetOwner owner:
                return SetOwnerAsync(observed, owner, cancellationToken);
            case PlanStep.LabelRole label:
                LogRole(logger, ns, label.Pod, label.Role);
                return client.PatchAsync(KubeTypes.Pods, ns, label.Pod, KubePatch.Merge(new JsonObject
                {
                    ["metadata"] = new JsonObject { ["labels"] = new JsonObject { [Labels.Role] = label.Role } },
                }), cancellationToken);
            case PlanStep.RestartMember member:
                LogRestart(logger, ns, stack.Metadata.Name, member.Engine, member.Pod, member.Reason);
                return client.DeleteAsync(KubeTypes.Pods.Resource, ns, member.Pod, new(Uid: member.Uid), cancellationToken);
            case PlanStep.RunProbe probe:
                LogProbe(logger, ns, stack.Metadata.Name, probe.Job.Metadata.Name);
                return client.CreateAsync(KubeTypes.Jobs, probe.Job, cancellationToken);
            case PlanStep.EndProbe ended:
                return client.DeleteAsync(KubeTypes.Jobs.Resource, ns, ended.Name, new(Uid: ended.Uid, Propagation: DeletePropagation.Background), cancellationToken);
            case PlanStep.BeginRun { Run: ComplianceBackup backup }:
                LogRun(logger, ns, stack.Metadata.Name, backup.Metadata.Name);
                return client.CreateAsync(BackupResource.Type, backup, cancellationToken);
            case PlanStep.BeginRun { Run: ComplianceRestore drill }:
                LogRun(logger, ns, stack.Metadata.Name, drill.Metadata.Name);
                return client.CreateAsync(RestoreResource.Type, drill, cancellationToken);
            case PlanStep.RunSearch search:
                LogSearch(logger, ns, stack.Metadata.Name, search.Job.Metadata.Name);
                return SearchAsync(search, cancellationToken);
            case PlanStep.RecordBackup record:
                LogRecord(logger, ns, stack.Metadata.Name, record.Backup.Metadata.Name, record.Status.Phase, record.Status.Reason);
                return Backups.RunStatus.WriteAsync(client, BackupResource.Type, record.Backup, record.Backup.Status, record.Status, ApiJson.Wire.ComplianceBackupStatus, cancellationToken);
            case PlanStep.Discard done:
                return client.DeleteAsync(done.Resource, ns, done.Name, new(Uid: done.Uid, Propagation: DeletePropagation.Background), cancellationToken);
            case PlanStep.Command command:
                LogCommand(logger, ns, stack.Metadata.Name, command.Engine, command.What.Name, command.What.Reason);
                var engine = plan.Engines.First(engine => engine.Engine.Name == command.Engine);
                var target = EngineTargets.Of(engine, observed) with { Keep = (secret, key, value, token) => credentials.KeepAsync(ns, secret, key, value, token), NewPassword = CredentialStore.NewPassword };
                return engine.Cluster.ExecuteAsync(command.What, target, cancellationToken);
            default:
                throw new ArgumentException($"unknown step {step.GetType().Name}", nameof(step));
        }
    }

    // Both may be there already: then an earlier pass made them, of the same order.
    private async Task SearchAsync(PlanStep.RunSearch search, CancellationToken cancellationToken)
    {
        try
        {
            await client.CreateAsync(KubeTypes.ConfigMaps, search.Files, cancellationToken).ConfigureAwait(false);
        }
        catch (KubeAlreadyExistsException)
        {
            // Its name says what is in it.
        }

        await client.CreateAsync(KubeTypes.Jobs, search.Job, cancellationToken).ConfigureAwait(false);
    }

    private async Task ApplyAsync(ComplianceStack stack, PlanStep.Apply apply, CancellationToken cancellationToken)
    {
        if (apply.ListRepair is { } repair)
            await client.PatchAsync(apply.Manifest.Resource, stack.Metadata.Namespace, apply.Manifest.Name, KubePatch.Merge(repair), cancellationToken).ConfigureAwait(false);
        // What is not in the cache may be somebody else's: then their fields are not taken over.
        var answer = await client.ApplyAsync(apply.Manifest, new(Force: apply.Change != ObjectChangeKind.Missing), cancellationToken).ConfigureAwait(false);
        LogApply(logger, stack.Metadata.Namespace, stack.Metadata.Name, apply.Change, apply.Manifest.Resource.ToString(), apply.Manifest.Name);
        var version = answer.TryGetProperty("metadata", out var metadata) && metadata.TryGetProperty("resourceVersion", out var value) ? value.GetString() : null;
        journal.Applied(ObjectKey.Of(stack), new(apply.Manifest.Resource, apply.Manifest.Name), apply.Hash, version);
    }

    private async Task SetOwnerAsync(StackObservation observed, PlanStep.SetOwner step, CancellationToken cancellationToken)
    {
        var stack = observed.Stack;
        var owner = Ownership.Of(StackPlanner.Context(stack, observed.Images, observed.Capabilities)) with { Controller = false, BlockOwnerDeletion = false };
        var owners = new JsonArray();
        if (step.Owned)
            owners.Add((JsonNode)new JsonObject { ["apiVersion"] = owner.ApiVersion, ["kind"] = owner.Kind, ["name"] = owner.Name, ["uid"] = owner.Uid });
        var patch = KubePatch.Merge(new JsonObject { ["metadata"] = new JsonObject { ["ownerReferences"] = owners } });
        await client.PatchAsync(step.Resource, stack.Metadata.Namespace, step.Name, patch, cancellationToken).ConfigureAwait(false);
        if (step.Resource == KubeTypes.Secrets.Resource)
            credentials.Forget(stack.Metadata.Namespace, step.Name);
    }

    private static string Describe(PlanStep step) => step switch
    {
        PlanStep.Apply apply => $"{apply.Manifest.Resource.Kind} {apply.Manifest.Name}",
        PlanStep.CreateCredential create => $"Secret {create.Request.SecretName}",
        PlanStep.CompleteCredential complete => $"Secret {complete.Request.SecretName}",
        PlanStep.AdoptCredential adopt => $"Secret {adopt.Request.SecretName}",
        PlanStep.Command command => $"{command.Engine} {command.What.Name} {command.What.Subject}",
        _ => step.GetType().Name,
    };

    [LoggerMessage(Level = LogLevel.Information, Message = "{Namespace}/{Stack}: applied {Resource} {Name} ({Change})")]
    private static partial void LogApply(ILogger logger, string? @namespace, string? stack, ObjectChangeKind change, string resource, string name);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Namespace}/{Stack}: removing {Resource} {Name}, which is not wanted any more")]
    private static partial void LogPrune(ILogger logger, string? @namespace, string? stack, string resource, string name);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Namespace}/{Pod}: role is now {Role}")]
    private static partial void LogRole(ILogger logger, string? @namespace, string pod, string role);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Namespace}/{Stack}: {Engine}: {Command}: {Why}")]
    private static partial void LogCommand(ILogger logger, string? @namespace, string? stack, string engine, string command, string why);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Namespace}/{Stack}: {Engine}: restarting {Pod}: {Why}")]
    private static partial void LogRestart(ILogger logger, string? @namespace, string? stack, string engine, string pod, string why);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Namespace}/{Stack}: Job {Job} tries what the network keeps out")]
    private static partial void LogProbe(ILogger logger, string? @namespace, string? stack, string? job);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Namespace}/{Stack}: the time of {Run} has come")]
    private static partial void LogRun(ILogger logger, string? @namespace, string? stack, string? run);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Namespace}/{Stack}: Job {Job} looks for backups")]
    private static partial void LogSearch(ILogger logger, string? @namespace, string? stack, string? job);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Namespace}/{Stack}: {Backup} is {Phase}: {Reason}")]
    private static partial void LogRecord(ILogger logger, string? @namespace, string? stack, string? backup, RunPhase phase, string? reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Namespace}/{Stack}: {Change} authority {Generation} in {Secret}: {Why}")]
    private static partial void LogAuthority(ILogger logger, string? @namespace, string? stack, AuthorityChange change, string secret, int generation, string why);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Namespace}/{Stack}: {Change} certificate in {Secret}: {Why}")]
    private static partial void LogCertificate(ILogger logger, string? @namespace, string? stack, CertificateChange change, string secret, string why);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Namespace}/{Stack}: login in {Secret}: {Why}")]
    private static partial void LogLogin(ILogger logger, string? @namespace, string? stack, string secret, string why);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Namespace}/{Stack}: {Step} of the password in {Secret}")]
    private static partial void LogRotation(ILogger logger, string? @namespace, string? stack, RotationStep step, string secret);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Step} failed: {Problem}")]
    private static partial void LogCommandFailed(ILogger logger, string step, string problem);
}

/// <summary>What became of a plan.</summary>
/// <param name="Done">Steps that were carried out.</param>
/// <param name="Failures">Steps that were refused.</param>
public sealed record ExecutionReport(IReadOnlyList<PlanStep> Done, IReadOnlyList<StepFailure> Failures)
{
    /// <summary>Steps of the change of passwords that were taken.</summary>
    internal IReadOnlyList<PlannedRotation> Rotated { get; init; } = [];

    /// <summary>Those that were not.</summary>
    internal IReadOnlyList<RotationFailure> RotationFailures { get; init; } = [];

    /// <summary>Why the network could not be tried, or null.</summary>
    internal string? Unprobed { get; init; }
}

/// <summary>A step that was refused.</summary>
/// <param name="Reason">CamelCase.</param>
/// <param name="Message">For people.</param>
/// <param name="Lasting">Whether only a person can mend it.</param>
public sealed record StepFailure(string Reason, string Message, bool Lasting);
