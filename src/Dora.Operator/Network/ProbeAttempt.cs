using System.Net;
using System.Text.Json;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Network;

/// <summary>A connection that a pod tries.</summary>
/// <param name="Policy">Name of the NetworkPolicy of the server's pod.</param>
/// <param name="Pod">The server's pod.</param>
/// <param name="Address">Where it is.</param>
/// <param name="Allowed">Whether the policy lets the trying pod in.</param>
internal sealed record ProbeAttempt(string Policy, string Pod, IPEndPoint Address, bool Allowed)
{
    // Nothing listens there, so the pod's own host would answer with a refusal: silence shows that something is in between.
    private const int ClosedPort = 1;

    private const int PodsOfPolicy = 3;

    /// <summary>As an option of the Job.</summary>
    public string Argument => $"{Pod}={Address}";

    /// <summary>All that can be judged: ports that the policies name, and those that they must not open.</summary>
    /// <param name="policies">The policies.</param>
    /// <param name="observed">What is there.</param>
    /// <param name="role">Who tries.</param>
    public static IReadOnlyList<ProbeAttempt> Of(IReadOnlyList<WantedPolicy> policies, StackObservation observed, string role = NetworkProbeJob.Role) =>
        [.. policies.SelectMany(policy => Of(policy, observed, role))];

    /// <summary>Pods that a policy is for.</summary>
    public static IEnumerable<Pod> Pods(WantedPolicy policy, StackObservation observed)
    {
        var selector = Typed(policy).Spec!.PodSelector;
        return observed.Pods.Where(pod => PolicyReach.Selects(selector, pod.Metadata.Labels ?? new Dictionary<string, string>()) == true).OrderBy(pod => pod.Metadata.Name, StringComparer.Ordinal);
    }

    /// <summary>Whether a pod is there to answer.</summary>
    public static bool Answers(Pod pod) =>
        pod is { Metadata.DeletionTimestamp: null, Status: { PodIP: not null, Conditions: { } conditions } } && conditions.Any(condition => condition is { Type: "Ready", Status: "True" });

    private static IEnumerable<ProbeAttempt> Of(WantedPolicy wanted, StackObservation observed, string role)
    {
        var policy = Typed(wanted);
        var prober = new PodIdentity(NetworkProbeJob.PodLabels(observed.Stack.Metadata.Name!, role), observed.Stack.Metadata.Namespace ?? "default");
        int[] ports = [.. PolicyReach.Ports(policy).Concat(wanted.Engine.Cluster.Guarded).Append(ClosedPort).Distinct()];
        foreach (var pod in Pods(wanted, observed).Where(Answers).Take(PodsOfPolicy))
        {
            var attempts = ports
                .Select(port => (Port: port, Allowed: PolicyReach.LetsIn(policy, port, prober)))
                // Where addresses or labels of namespaces decide, nothing follows from what is possible.
                .Where(reach => reach.Allowed is not null)
                .Select(reach => new ProbeAttempt(wanted.Manifest.Name, pod.Metadata.Name!, new(IPAddress.Parse(pod.Status!.PodIP!), reach.Port), reach.Allowed!.Value))
                .ToList();
            // One connection that is possible proves as much as all.
            foreach (var attempt in attempts.Where(attempt => !attempt.Allowed).Concat(attempts.Where(attempt => attempt.Allowed).Take(1)))
                yield return attempt;
        }
    }

    private static NetworkPolicy Typed(WantedPolicy policy) => policy.Manifest.Body.Deserialize(KubeTypes.NetworkPolicies.Json)!;
}
