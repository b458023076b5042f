using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Network;

/// <summary>When the network is tried, and by which Job. One at a time; what it found is kept in the status before it goes. Pure.</summary>
internal static class ProbeRules
{
    // What failed may be mended, and nobody says so.
    private static readonly TimeSpan AfterFailure = TimeSpan.FromHours(1);

    /// <summary>What the stack asks for; null where nothing is tried.</summary>
    public static NetworkProbe? Wish(ComplianceStack stack) =>
        stack.Spec.Network is { Policies: NetworkPolicyMode.Enabled, Probe: { } probe } ? probe : null;

    /// <summary>Jobs of the stack that try the network.</summary>
    public static IEnumerable<Job> Jobs(StackObservation observed) => observed.Live.Values
        .Select(live => live.Object)
        .OfType<Job>()
        .Where(job => job.Metadata.Label(Labels.Name) == NetworkProbeJob.Role && job.Metadata.OwnedBy(observed.Stack));

    /// <summary>What to do now.</summary>
    /// <param name="policies">What is wanted.</param>
    /// <param name="observed">What is there.</param>
    /// <param name="sound">Whether the spec is carried out.</param>
    public static IEnumerable<PlanStep> Steps(IReadOnlyList<WantedPolicy> policies, StackObservation observed, bool sound)
    {
        var (wish, last) = (Wish(observed.Stack), observed.Stack.Status?.Network?.Probe);
        var jobs = Jobs(observed).ToList();
        foreach (var job in jobs.Where(job => job.Metadata.DeletionTimestamp is null && (wish is null || job.Metadata.Name == last?.Job)))
            yield return new PlanStep.EndProbe(job.Metadata.Name!, job.Metadata.Uid!);
        if (wish is null || jobs.Count > 0 || !sound || !CanTry(policies, observed))
            yield break;
        var digest = new NetworkPlan(policies).Digest;
        var asked = Asked(observed.Stack);
        if (last is not null && last.Policies == digest && last.Asked == asked && observed.Now < last.ProbedAt + Interval(wish, last))
            yield break;
        yield return new PlanStep.RunProbe(Render(observed, wish, digest, asked, ProbeAttempt.Of(policies, observed)));
    }

    /// <summary>The value of the annotation that asks for a try.</summary>
    public static string? Asked(ComplianceStack stack) =>
        stack.Metadata.Annotation(Labels.ProbeNetwork) is { } asked ? asked[..Math.Min(asked.Length, 63)] : null;

    // What is kept out shows only where somebody would answer.
    private static bool CanTry(IReadOnlyList<WantedPolicy> policies, StackObservation observed) =>
        policies.Count > 0
        && policies.All(policy => policy.InPlace && ProbeAttempt.Pods(policy, observed).Any(ProbeAttempt.Answers))
        && !observed.Unreadable.ContainsKey(KubeTypes.NetworkPolicies.Resource)
        && !observed.Unreadable.ContainsKey(KubeTypes.Jobs.Resource);

    private static TimeSpan Interval(NetworkProbe wish, NetworkProbeStatus last)
    {
        // The rules of the spec refuse what cannot be read.
        var interval = RotationSettings.Parse(wish.Interval) ?? TimeSpan.FromDays(1);
        return last.Result == NetworkProbeResult.ProbeFailed && interval > AfterFailure ? AfterFailure : interval;
    }

    // Another try is another name: a template cannot be changed, and what is created twice is refused.
    private static Job Render(StackObservation observed, NetworkProbe wish, string digest, string? asked, IReadOnlyList<ProbeAttempt> attempts)
    {
        var stack = StackPlanner.Context(observed.Stack, observed.Images, observed.Capabilities);
        var last = observed.Stack.Status?.Network?.Probe;
        var round = PodDefaults.Hash(digest, asked ?? "", last?.Job ?? "", last?.ProbedAt.ToString("O", System.Globalization.CultureInfo.InvariantCulture) ?? "")[..8];
        string[] options =
        [
            NetworkProbeJob.Control, NetworkProbeJob.ApiServer,
            .. attempts.SelectMany(attempt => (string[])[attempt.Allowed ? NetworkProbeJob.Control : NetworkProbeJob.Target, attempt.Argument]),
        ];
        var job = NetworkProbeJob.Render(stack, wish, $"{stack.Name}-netprobe-{round}", options);
        var annotations = new Dictionary<string, string> { [Labels.NetworkPolicies] = digest };
        if (asked is not null)
            annotations[Labels.ProbeNetwork] = asked;
        return job with { Metadata = job.Metadata with { Annotations = annotations } };
    }
}
