using Dora.Api;
using Dora.Engines;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Operator.Credentials.Rotation;
using Microsoft.Extensions.Logging;

namespace Dora.Operator.Stacks;

/// <summary>Asks the servers of a stack how they are; the findings feed the status and the next pass.</summary>
public sealed partial class EngineProber(TimeProvider clock, ILogger<EngineProber> logger)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(8);

    /// <summary>Findings by engine; engines without pods, credentials or certificates are not asked.</summary>
    public async Task<IReadOnlyDictionary<string, EngineHealth>> ProbeAsync(StackObservation observed, StackPlan plan, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var found = await Task.WhenAll(plan.Engines.Select(engine => ProbeAsync(engine, observed, plan, cancellationToken))).ConfigureAwait(false);
        return found.Where(pair => pair.Health is not null).ToDictionary(pair => pair.Name, pair => pair.Health!, StringComparer.Ordinal);
    }

    private async Task<(string Name, EngineHealth? Health)> ProbeAsync(BoundEngine engine, StackObservation observed, StackPlan plan, CancellationToken cancellationToken)
    {
        var name = engine.Engine.Name;
        var target = EngineTargets.Of(engine, observed) with
        {
            Before = engine.Observed.Health,
            Said = [.. plan.Steps.OfType<PlanStep.Command>().Where(step => step.Engine == name).Select(step => step.What)],
        };
        if (!target.Members.Any(member => member.Address is not null) || NeededSecrets(engine).Any(name => !target.Secrets.ContainsKey(name)))
            return (name, null);
        using var deadline = new CancellationTokenSource(Patience, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            return (name, await engine.Cluster.ProbeAsync(target, both.Token).ConfigureAwait(false));
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            LogProbeFailed(logger, observed.Stack.Metadata.Namespace, observed.Stack.Metadata.Name, name, exception.GetType().Name, exception.Message);
            return (name, new(EngineVerdict.Unreachable, [], null, null, "the probe did not end in time", []));
        }
    }

    private static IEnumerable<string> NeededSecrets(BoundEngine engine) =>
        engine.Cluster.Credentials().Select(request => request.SecretName).Concat(engine.Cluster.Certificates.Select(request => request.SecretName));

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Namespace}/{Stack}: probe of {Engine} failed: {Type}: {Problem}")]
    private static partial void LogProbeFailed(ILogger logger, string? @namespace, string? stack, string engine, string type, string problem);
}

/// <summary>Whom to ask.</summary>
public static class EngineTargets
{
    /// <summary>The pods and credentials of one engine.</summary>
    public static EngineTarget Of(BoundEngine engine, StackObservation observed)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(observed);
        // The key of the stack's own authority is nobody's but the operator's.
        var authority = Certificates.Authority.SecretName(observed.Stack.Metadata.Name ?? "");
        var records = RotationRecord.SecretName(observed.Stack.Metadata.Name ?? "", engine.Engine.Name);
        var secrets = observed.Credentials
            .Where(pair => pair.Value is SecretReading.Found && pair.Key != authority && pair.Key != records)
            .ToDictionary(pair => pair.Key, pair => ((SecretReading.Found)pair.Value).Fields, StringComparer.Ordinal);
        return new(Members(engine.Engine.Name, observed), secrets, Accepted: RotationPlan.Accepted(engine, observed), Doors: engine.Cluster.Doors is { } doors ? [.. Members(doors, observed).Where(door => door is { Ready: true, Ending: false })] : null);
    }

    /// <summary>The pods of one engine, by ordinal.</summary>
    public static IReadOnlyList<MemberPod> Members(string engine, StackObservation observed)
    {
        ArgumentNullException.ThrowIfNull(observed);
        var certificate = new EngineNames(StackPlanner.Context(observed.Stack, observed.Images, observed.Capabilities), engine).CertificateSecret;
        return [.. observed.Pods.Where(pod => pod.Metadata.Label(Labels.Engine) == engine).Select(pod => Member(pod, certificate)).OrderBy(member => member.Ordinal)];
    }

    private static MemberPod Member(Pod pod, string certificate)
    {
        var ending = pod.Metadata.DeletionTimestamp is not null;
        return new(
            pod.Metadata.Name!,
            ScaleIn.Ordinal(pod.Metadata.Name) ?? 0,
            pod.Status?.PodIP,
            !ending && pod.Status?.Conditions?.Any(condition => condition is { Type: "Ready", Status: "True" }) == true,
            pod.Metadata.Label(Labels.Role),
            pod.Metadata.Uid,
            pod.Metadata.Label(Labels.Revision),
            ending,
            pod.Spec?.Volumes?.Any(volume => volume.Secret?.SecretName == certificate) == true);
    }
}
