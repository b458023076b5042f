using System.Globalization;
using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Network;

/// <summary>What the status says of the network. Pure, and without anything that moves while nothing changes.</summary>
internal static class SegmentationReport
{
    private const string NotProbed = "NotProbed";
    private const string MissingDeny = "MissingDeny";

    /// <summary>The evidence and the condition; neither for a stack without engines.</summary>
    public static (NetworkStatus? Status, Condition? Condition) Of(StackPlan plan, StackObservation observed, ExecutionReport report)
    {
        var before = observed.Stack.Status?.Network;
        if (plan.Engines.Count == 0)
            return (before, null);
        if (plan.Network is not { } network)
            return (before, Condition(Conditions.Unknown, NotProbed, "the spec as it stands is not carried out"));
        var mesh = Mesh(observed);
        if (observed.Stack.Spec.Network?.Policies == NetworkPolicyMode.Disabled)
            return (mesh is null ? null : new(Mesh: mesh), Condition(Conditions.False, MissingDeny, "spec.network.policies is Disabled: nothing keeps anybody from the servers' ports"));
        var wished = ProbeRules.Wish(observed.Stack) is not null;
        var (inward, outward) = wished ? ProbeRules.UnderWay(observed) : default;
        var job = outward ?? inward;
        var probe = !wished ? null : inward is null ? before?.Probe : ProbeJudge.Judge(inward, outward, network, observed) ?? before?.Probe;
        var idle = observed.IdleClients.Count > 0 ? observed.IdleClients : null;
        var condition = Missing(network, observed, report) ?? Unmeshed(observed) ?? (wished ? Judge(network, observed, report, job, probe) : Declared(network));
        return (new(network.Digest, probe, idle, mesh), idle is null ? condition : condition with { Message = StackStatus.Cut($"{condition.Message}; {Nobody(idle)}") });
    }

    /// <summary>What is said of clients that are nobody.</summary>
    public static string Nobody(IEnumerable<string> idle) => $"{string.Join(", ", idle)}: no pod matches now; compare the selectors with the labels of pods and namespaces";

    // Remembered, so that what a mesh was told is taken back when nobody asks for it any more.
    private static NetworkMesh? Mesh(StackObservation observed) =>
        (observed.Mesh && observed.Stack.Spec.Network?.Mesh == NetworkMesh.Istio) || observed.Live.Keys.Any(id => id.Resource == KubeTypes.PeerAuthentications.Resource) ? NetworkMesh.Istio : null;

    private static Condition? Unmeshed(StackObservation observed) => observed.Mesh || observed.Stack.Spec.Network?.Mesh is null or NetworkMesh.None
        ? null
        : Condition(Conditions.False, "MeshUnavailable", $"spec.network.mesh: the API server serves no {KubeTypes.PeerAuthentications.Resource}; install Istio 1.22 or later, or remove the field");

    // Nothing is kept out where a policy is not there, whatever the network does.
    private static Condition? Missing(NetworkPlan network, StackObservation observed, ExecutionReport report)
    {
        if (observed.Unreadable.TryGetValue(KubeTypes.NetworkPolicies.Resource, out var why))
            return Condition(Conditions.Unknown, "Unreadable", $"NetworkPolicies cannot be read: {why}");
        var applied = report.Done.OfType<PlanStep.Apply>().Where(step => step.Manifest.Resource == KubeTypes.NetworkPolicies.Resource).Select(step => step.Manifest.Name).ToHashSet(StringComparer.Ordinal);
        var missing = network.Policies.Where(policy => !policy.InPlace && !applied.Contains(policy.Manifest.Name)).Select(policy => policy.Manifest.Name).ToList();
        return missing.Count == 0 ? null : Condition(Conditions.False, MissingDeny, $"NetworkPolicy {string.Join(", ", missing)} is missing, or not as the operator wants it");
    }

    private static Condition Declared(NetworkPlan network) => Condition(
        Conditions.Unknown,
        NotProbed,
        string.Create(CultureInfo.InvariantCulture, $"{network.Policies.Count} NetworkPolicies are in place; whether the network enforces them is not tried: set spec.network.probe to {{}} to have it tried"));

    private static Condition Judge(NetworkPlan network, StackObservation observed, ExecutionReport report, Job? job, NetworkProbeStatus? probe)
    {
        if (report.Unprobed is { } refused)
            return Condition(Conditions.Unknown, NetworkProbeResult.ProbeFailed, $"the Job that tries the network cannot be created or removed: {refused}");
        if (probe is null || probe.Policies != network.Digest)
        {
            return job is not null && ProbeJudge.Problem(job, observed) is { } problem
                ? Condition(Conditions.Unknown, NetworkProbeResult.ProbeFailed, problem)
                : Condition(Conditions.Unknown, NotProbed, probe is null ? "it is tried once every policy is in place and has a pod that is ready" : "policies changed since it was tried; it is tried again once a pod of each is ready");
        }

        return probe.Result switch
        {
            NetworkProbeResult.Enforced => Condition(Conditions.True, probe.Result, string.Create(CultureInfo.InvariantCulture, $"a pod that nothing lets in, and one that may reach nobody, tried {probe.Attempts} connections, and none was possible")),
            NetworkProbeResult.PolicyIgnored => Condition(Conditions.False, probe.Result, probe.Message is { } outward
                ? $"{outward}: the network plugin does not enforce the way out of NetworkPolicies, or another policy lets that pod out"
                : $"a pod that nothing lets in reached {string.Join(", ", probe.Reached ?? [])}: the network plugin does not enforce NetworkPolicies, or another policy lets that pod in"),
            _ => Condition(Conditions.Unknown, probe.Result, probe.Message ?? "nothing is known of how it ended"),
        };
    }

    private static Condition Condition(string status, NetworkProbeResult reason, string message) => Condition(status, reason.ToString(), message);

    private static Condition Condition(string status, string reason, string message) => new(ConditionTypes.NetworkSegmented, status, reason, StackStatus.Cut(message));
}
