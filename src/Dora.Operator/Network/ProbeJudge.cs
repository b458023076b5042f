using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;
using Dora.Operator.Transport;

namespace Dora.Operator.Network;

/// <summary>What follows from the end of the Jobs that tried the network. Pure.</summary>
internal static class ProbeJudge
{
    private const char Open = 'o';
    private const char Refused = 'r';
    private const int LongestMessage = 1024;

    /// <summary>What they found; null while they are not at their end. Where the way in is not shut, the way out matters no more.</summary>
    public static NetworkProbeStatus? Judge(Job inward, Job? outward, NetworkPlan plan, StackObservation observed)
    {
        var found = Inward(inward, plan, observed);
        return found is not { Result: NetworkProbeResult.Enforced } ? found : outward is null ? null : Outward(found, inward, outward, plan, observed);
    }

    /// <summary>What was found on the way in; null while that Job is not at its end.</summary>
    public static NetworkProbeStatus? Inward(Job job, NetworkPlan plan, StackObservation observed)
    {
        if (EndOf(job, plan, observed) is not { } end)
            return null;
        var found = new NetworkProbeStatus(
            job.Metadata.Name!,
            job.Metadata.Annotation(Labels.NetworkPolicies) ?? "",
            end.At,
            NetworkProbeResult.ProbeFailed,
            Asked: job.Metadata.Annotation(Labels.ProbeNetwork));
        return end.Tried is null ? found with { Message = end.Problem } : Judge(found, end.Tried, end.ApiServer == Open, plan);
    }

    private static NetworkProbeStatus? Outward(NetworkProbeStatus found, Job inward, Job outward, NetworkPlan plan, StackObservation observed)
    {
        if (EndOf(inward, plan, observed) is not { Tried: { } before } first || EndOf(outward, plan, observed) is not { } end)
            return null;
        found = found with { ProbedAt = end.At };
        if (end.Tried is null)
            return found with { Result = NetworkProbeResult.ProbeFailed, Message = end.Problem };
        // Somebody answers there: a pod that no policy selects was let in, and the server's pod is still the same.
        var answering = before.Where(one => one is { Allowed: true, There: true, Outcome: Open }).Select(one => one.Name).ToHashSet(StringComparer.Ordinal);
        var proving = end.Tried.Where(one => one.There && answering.Contains(one.Name)).ToList();
        found = found with { Attempts = found.Attempts + end.Tried.Count + 1 };
        if (proving.Where(one => one.Outcome == Open).Select(one => one.Name).ToList() is { Count: > 0 } reached)
            return found with { Result = NetworkProbeResult.PolicyIgnored, Reached = [.. reached.Take(NetworkProbeStatus.MostReached)], Message = Cut($"a pod that may reach nobody reached {string.Join(", ", reached)}") };
        return proving.Exists(one => IsShut(one.Outcome)) || (first.ApiServer == Open && IsShut(end.ApiServer))
            ? found
            : found with { Result = NetworkProbeResult.ProbeInconclusive, Message = end.ApiServer == Open ? NotFromItsNode : "of the way out nothing was tried that another pod had reached" };
    }

    private const string NotFromItsNode =
        "the way out: a pod that may reach nobody reached the API server, which no policy prevents where that runs on the pod's own node, and no server lets in every pod of the namespace, which would show more";

    // Refused counts: where the other pod was answered, the server would have accepted.
    private static bool IsShut(char outcome) => outcome is 't' or 'u' or Refused;

    private static ProbeEnd? EndOf(Job job, NetworkPlan plan, StackObservation observed)
    {
        var pods = Pods(job, observed).ToList();
        var ended = pods
            .SelectMany(pod => pod.Status?.ContainerStatuses ?? [])
            .FirstOrDefault(container => container.Name == NetworkProbeJob.Container)?.State?.Terminated;
        var finished = job.Status?.Conditions?.FirstOrDefault(condition => condition is { Type: "Failed" or "Complete", Status: "True" });
        // The news of the Job may come before that of its pod.
        if (ended is null && (finished is null || pods.Exists(pod => pod is { Metadata.DeletionTimestamp: null, Status.Phase: not "Failed" })))
            return null;
        var at = DateTimeOffset.FromUnixTimeSeconds((ended?.FinishedAt ?? finished?.LastTransitionTime ?? observed.Now).ToUnixTimeSeconds());
        if (ended is null)
            return new(at, null, ' ', Cut(WhyNoPod(observed) ?? finished?.Message ?? "its pod was gone before it was read"));
        return Letters(ended.Message) is { } letters && Tried(job, letters, plan, observed) is { } tried
            ? new(at, tried.Connections, tried.ApiServer, null)
            : new(at, null, ' ', Cut($"the pod ended with exit code {ended.ExitCode} and no report: {ended.Message}"));
    }

    /// <summary>Why its pod does not come up now, or null.</summary>
    public static string? Problem(Job job, StackObservation observed) => PodProblems.First(Pods(job, observed))?.Message;

    private static IEnumerable<Pod> Pods(Job job, StackObservation observed) =>
        observed.Pods.Where(pod => pod.Metadata.OwnerReferences?.Any(owner => owner.Uid == job.Metadata.Uid) == true);

    // The Job's deadline takes its pod away, and with it the cause, which was said while it was there.
    private static string? WhyNoPod(StackObservation observed) =>
        observed.Stack.Status?.Conditions.Find(ConditionTypes.NetworkSegmented) is { Reason: nameof(NetworkProbeResult.ProbeFailed), Message: { Length: > 0 } said } ? said : null;

    private static NetworkProbeStatus Judge(NetworkProbeStatus found, List<TriedConnection> tried, bool free, NetworkPlan plan)
    {
        found = found with { Attempts = tried.Count(one => !one.Allowed) };
        if (tried.Where(one => one is { Allowed: false, There: true, Outcome: Open }).Select(one => one.Name).ToList() is { Count: > 0 } reached)
            return found with { Result = NetworkProbeResult.PolicyIgnored, Reached = [.. reached.Take(NetworkProbeStatus.MostReached)] };
        var open = plan.Policies
            .Select(policy => (policy.Manifest.Name, Lack: Lack([.. tried.Where(one => one.Policy == policy.Manifest.Name)], free)))
            .Where(policy => policy.Lack is not null)
            .Select(policy => $"{policy.Name}: {policy.Lack}")
            .ToList();
        return open.Count > 0
            ? found with { Result = NetworkProbeResult.ProbeInconclusive, Message = Cut(string.Join("; ", open)) }
            : found with { Result = NetworkProbeResult.Enforced };
    }

    // What a policy's part of the evidence lacks, or null.
    private static string? Lack(List<TriedConnection> tried, bool free)
    {
        var allowed = tried.Where(one => one is { Allowed: true, There: true }).ToList();
        if (allowed.Count > 0 ? !allowed.Exists(one => one.Outcome == Open) : !free)
            return $"the pod that tries may itself be kept from connecting: it did not reach {(allowed.Count > 0 ? allowed[0].Name : "the API server")}, which it should";
        return tried.Exists(one => one is { Allowed: false, There: true, Blocked: true }) ? null : "no connection was tried whose failure proves anything: where nobody listens, a refusal may be the server's own";
    }

    private static (List<TriedConnection> Connections, char ApiServer)? Tried(Job job, (string Controls, string Targets) letters, NetworkPlan plan, StackObservation observed)
    {
        var arguments = job.Spec?.Template.Spec.Containers[0].Args ?? [];
        var options = arguments.Skip(1).Chunk(2).Where(pair => pair.Length == 2).ToList();
        var (controls, targets) = (options.Where(pair => pair[0] == NetworkProbeJob.Control).ToList(), options.Where(pair => pair[0] == NetworkProbeJob.Target).ToList());
        if (letters.Controls.Length != controls.Count || letters.Targets.Length != targets.Count)
            return null;
        var policies = plan.Policies.SelectMany(policy => ProbeAttempt.Pods(policy, observed).Select(pod => (Pod: pod, policy.Manifest.Name))).ToLookup(pair => pair.Pod.Metadata.Name!, pair => (pair.Pod, pair.Name));
        var all = controls.Zip(letters.Controls, (option, outcome) => (Argument: option[1], Outcome: outcome, Allowed: true))
            .Concat(targets.Zip(letters.Targets, (option, outcome) => (Argument: option[1], Outcome: outcome, Allowed: false))).ToList();
        return ([.. all.Where(one => one.Argument != NetworkProbeJob.ApiServer).Select(one => One(one.Argument, one.Outcome, one.Allowed))], all.Find(one => one.Argument == NetworkProbeJob.ApiServer).Outcome);

        TriedConnection One(string argument, char outcome, bool allowed)
        {
            var (name, address) = (argument[..argument.IndexOf('=', StringComparison.Ordinal)], IPEndPoint.Parse(argument[(argument.IndexOf('=', StringComparison.Ordinal) + 1)..]));
            var (pod, policy) = policies[name].FirstOrDefault();
            return new(policy, $"{name}:{address.Port}", allowed, outcome, pod is not null && Was(pod, address, job), Listens(name, address.Port, observed));
        }
    }

    // The same pod all the time, as far as can be told: of another one, silence would prove nothing.
    private static bool Was(Pod pod, IPEndPoint address, Job job) =>
        ProbeAttempt.Answers(pod)
        && IPAddress.TryParse(pod.Status!.PodIP, out var now) && now.Equals(address.Address)
        && (pod.Status.Conditions!.First(condition => condition.Type == "Ready").LastTransitionTime is not { } since || job.Metadata.CreationTimestamp is not { } created || since <= created);

    // The operator itself was answered there.
    private static bool Listens(string pod, int port, StackObservation observed) =>
        observed.Ports.Any(one => one.Target.Pod == pod && one.Target.Endpoint.Port == port && one.Finding.Verdict != TransportVerdict.NotMeasured);

    private static (string Controls, string Targets)? Letters(string? message)
    {
        try
        {
            return message is not null && JsonNode.Parse(message) is JsonObject report && (string?)report["controls"] is { } controls && (string?)report["targets"] is { } targets
                ? (controls, targets)
                : null;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static string Cut(string message) => message.Length <= LongestMessage ? message : message[..(LongestMessage - 1)] + "…";

    /// <summary>How a Job ended: what it tried, and what became of the API server; or why nothing is known of it.</summary>
    private sealed record ProbeEnd(DateTimeOffset At, List<TriedConnection>? Tried, char ApiServer, string? Problem);

    private sealed record TriedConnection(string? Policy, string Name, bool Allowed, char Outcome, bool There, bool Listens)
    {
        /// <summary>Whether its failure is the network's doing: nobody answered, or refused where the server would have accepted.</summary>
        public bool Blocked => Outcome is 't' or 'u' || (Outcome == Refused && Listens);
    }
}
