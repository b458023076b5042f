using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Network;

/// <summary>
/// When the network is tried, and by which Jobs: one tries the way in, and after it, where that is shut, another one the way out. What they
/// found is kept in the status before they go. Pure.
/// </summary>
internal static class ProbeRules
{
    // What failed may be mended, and nobody says so.
    private static readonly TimeSpan AfterFailure = TimeSpan.FromHours(1);

    private const int MostOutward = 8;

    /// <summary>What the stack asks for; null where nothing is tried.</summary>
    public static NetworkProbe? Wish(ComplianceStack stack) =>
        stack.Spec.Network is { Policies: NetworkPolicyMode.Enabled, Probe: { } probe } ? probe : null;

    /// <summary>The Jobs under way: of the way in, and of the way out; of a round that the status knows already, none.</summary>
    public static (Job? Inward, Job? Outward) UnderWay(StackObservation observed)
    {
        var jobs = Jobs(observed).Where(job => Round(job) != observed.Stack.Status?.Network?.Probe?.Job).ToList();
        var inward = jobs.Find(job => !IsOutward(job));
        return (inward, inward is null ? null : jobs.Find(job => IsOutward(job) && Round(job) == inward.Metadata.Name));
    }

    /// <summary>What to do now.</summary>
    /// <param name="plan">What is wanted.</param>
    /// <param name="observed">What is there.</param>
    /// <param name="sound">Whether the spec is carried out.</param>
    public static IEnumerable<PlanStep> Steps(NetworkPlan plan, StackObservation observed, bool sound)
    {
        var (wish, last, policies) = (Wish(observed.Stack), observed.Stack.Status?.Network?.Probe, plan.Policies);
        var jobs = Jobs(observed).ToList();
        var (inward, outward) = UnderWay(observed);
        // One of the way out whose round is gone would be read by nobody.
        foreach (var job in jobs.Where(job => job.Metadata.DeletionTimestamp is null && (wish is null || (job.Metadata.Name != inward?.Metadata.Name && job.Metadata.Name != outward?.Metadata.Name))))
            yield return new PlanStep.EndProbe(job.Metadata.Name!, job.Metadata.Uid!);
        if (wish is null || !sound)
            yield break;
        if (inward is { Metadata.DeletionTimestamp: null } && outward is null && plan.ShutInPlace && ProbeJudge.Inward(inward, plan, observed) is { Result: NetworkProbeResult.Enforced })
            yield return new PlanStep.RunProbe(Outward(inward, policies, observed, wish));
        if (jobs.Count > 0 || !CanTry(policies, observed))
            yield break;
        var digest = plan.Digest;
        var asked = Asked(observed.Stack);
        if (last is not null && last.Policies == digest && last.Asked == asked && observed.Now < last.ProbedAt + Interval(wish, last))
            yield break;
        yield return new PlanStep.RunProbe(Render(observed, wish, digest, asked, ProbeAttempt.Of(policies, observed)));
    }

    /// <summary>The value of the annotation that asks for a try.</summary>
    public static string? Asked(ComplianceStack stack) =>
        stack.Metadata.Annotation(Labels.ProbeNetwork) is { } asked ? asked[..Math.Min(asked.Length, 63)] : null;

    private static IEnumerable<Job> Jobs(StackObservation observed) => observed.Live.Values
        .Select(live => live.Object)
        .OfType<Job>()
        .Where(job => job.Metadata.Label(Labels.Name) is NetworkProbeJob.Role or NetworkProbeJob.OutwardRole && job.Metadata.OwnedBy(observed.Stack));

    private static bool IsOutward(Job job) => job.Metadata.Label(Labels.Name) == NetworkProbeJob.OutwardRole;

    private static string Round(Job job) => IsOutward(job) ? job.Metadata.Name![..^NetworkProbeJob.OutwardSuffix.Length] : job.Metadata.Name!;

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

    // It tries what the first pod could reach: a server that lets in every pod of the namespace, where there is one. The API server shows less, since
    // no policy keeps a pod from its own node (Kubernetes documentation, "Network Policies").
    private static Job Outward(Job inward, IReadOnlyList<WantedPolicy> policies, StackObservation observed, NetworkProbe wish)
    {
        var controls = (inward.Spec?.Template.Spec.Containers[0].Args ?? []).ToHashSet(StringComparer.Ordinal);
        var open = ProbeAttempt.Of(policies, observed, NetworkProbeJob.OutwardRole).Where(attempt => attempt.Allowed && controls.Contains(attempt.Argument)).Take(MostOutward);
        string[] options = [NetworkProbeJob.Target, NetworkProbeJob.ApiServer, .. open.SelectMany(attempt => (string[])[NetworkProbeJob.Target, attempt.Argument])];
        return NetworkProbeJob.Render(StackPlanner.Context(observed.Stack, observed.Images, observed.Capabilities), wish, inward.Metadata.Name + NetworkProbeJob.OutwardSuffix, options, NetworkProbeJob.OutwardRole);
    }
}
