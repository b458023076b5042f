using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Rendering;

/// <summary>
/// The Job whose pod tries connections to the servers. Its labels are of no engine: no Service leads to it, no NetworkPolicy of the
/// stack selects it, and none lets it in but one that lets in every pod.
/// </summary>
public static class NetworkProbeJob
{
    /// <summary>Label <see cref="Labels.Name"/> of the pod.</summary>
    public const string Role = "network-probe";

    /// <summary>Name of the container.</summary>
    public const string Container = "probe";

    /// <summary>Option in front of a connection that must be possible.</summary>
    public const string Control = "--control";

    /// <summary>Option in front of a connection that must not be possible.</summary>
    public const string Target = "--target";

    /// <summary>Stands for the API server, at the address that every pod is told: who reaches that can reach others too.</summary>
    public const string ApiServer = "kubernetes";

    private const long Nobody = 65532;

    /// <summary>Labels of the pod.</summary>
    public static IReadOnlyDictionary<string, string> PodLabels(string stack) => new Dictionary<string, string>
    {
        [Labels.Stack] = stack,
        [Labels.Name] = Role,
        [Labels.ManagedBy] = Labels.ManagedByValue,
        // A mesh's sidecar would accept every connection by itself, and never end.
        ["sidecar.istio.io/inject"] = "false",
    };

    /// <summary>The Job.</summary>
    /// <param name="stack">The stack.</param>
    /// <param name="probe">Its settings.</param>
    /// <param name="name">Name of the Job: another try is another Job.</param>
    /// <param name="connections">Options and values of <c>dora-agent probe-network</c>.</param>
    public static Job Render(StackContext stack, NetworkProbe probe, string name, IReadOnlyList<string> connections)
    {
        ArgumentNullException.ThrowIfNull(stack);
        ArgumentNullException.ThrowIfNull(probe);
        var labels = PodLabels(stack.Name);
        return new(
            new(Name: name, Namespace: stack.Namespace, Labels: labels, OwnerReferences: [Ownership.Of(stack)]),
            new(
                new(new(Labels: labels, Annotations: new Dictionary<string, string> { ["linkerd.io/inject"] = "disabled" }), Pod(stack, probe, connections)),
                BackoffLimit: 0,
                ActiveDeadlineSeconds: 180,
                // The operator removes it; this is for the day on which there is none.
                TtlSecondsAfterFinished: 3600));
    }

    private static PodSpec Pod(StackContext stack, NetworkProbe probe, IReadOnlyList<string> connections) => PodPlan.Of(stack, null).Place(
        new(
            Containers:
            [
                new(
                    Name: Container,
                    Image: probe.Image ?? stack.Images.Agent,
                    ImagePullPolicy: stack.Images.PullPolicy,
                    Args: ["probe-network", .. connections],
                    Resources: PodDefaults.Resources(new("50m", "64Mi")),
                    SecurityContext: PodDefaults.ContainerSecurity,
                    TerminationMessagePolicy: "FallbackToLogsOnError"),
            ],
            AutomountServiceAccountToken: false,
            EnableServiceLinks: false,
            TerminationGracePeriodSeconds: 5,
            SecurityContext: new(RunAsNonRoot: true, RunAsUser: Nobody, RunAsGroup: Nobody, SeccompProfile: new("RuntimeDefault")),
            RestartPolicy: "Never"),
        PodLabels(stack.Name)) with
    {
        Affinity = null,
        TopologySpreadConstraints = null,
    };
}
