using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Rendering;

/// <summary>
/// The Jobs whose pods try connections: one to the servers, and after it one that may reach nobody. Their labels are of no engine: no Service
/// leads to them, and no NetworkPolicy lets them in but one that lets in every pod. None selects the first; of the second one has just one, which
/// lets nothing out, as those of the servers let out nothing that they do not name.
/// </summary>
public static class NetworkProbeJob
{
    /// <summary>Label <see cref="Labels.Name"/> of the pod.</summary>
    public const string Role = "network-probe";

    /// <summary>Label <see cref="Labels.Name"/> of the pod that may reach nobody.</summary>
    public const string OutwardRole = "network-probe-outward";

    /// <summary>What the name of its Job has behind that of the first one.</summary>
    public const string OutwardSuffix = "-out";

    /// <summary>Name of the container.</summary>
    public const string Container = "probe";

    /// <summary>Option in front of a connection that must be possible.</summary>
    public const string Control = "--control";

    /// <summary>Option in front of a connection that must not be possible.</summary>
    public const string Target = "--target";

    /// <summary>Stands for the API server, at the address that every pod is told: who reaches that can reach others too.</summary>
    public const string ApiServer = "kubernetes";

    private const long Nobody = 65532;

    /// <summary>Labels of a pod.</summary>
    public static IReadOnlyDictionary<string, string> PodLabels(string stack, string role = Role) => new Dictionary<string, string>
    {
        [Labels.Stack] = stack,
        [Labels.Name] = role,
        [Labels.ManagedBy] = Labels.ManagedByValue,
        // A mesh's sidecar would accept every connection by itself, and never end.
        ["sidecar.istio.io/inject"] = "false",
    };

    /// <summary>
    /// The policy of the pod that may reach nobody, and whom nobody reaches. The labels of an engine's members would put its own policy to the test, and make
    /// the pod a member to Services, to Patroni and to the other members' policies.
    /// </summary>
    public static Manifest Shut(StackContext stack)
    {
        ArgumentNullException.ThrowIfNull(stack);
        var names = new EngineNames(stack, "netprobe");
        return Manifest.Of(KubeTypes.NetworkPolicies, new(names.Meta(names.Cluster), new(
            new(MatchLabels: new Dictionary<string, string> { [Labels.Stack] = stack.Name, [Labels.Name] = OutwardRole }), ["Ingress", "Egress"])));
    }

    /// <summary>A Job.</summary>
    /// <param name="stack">The stack.</param>
    /// <param name="probe">Its settings.</param>
    /// <param name="name">Name of the Job: another try is another Job.</param>
    /// <param name="connections">Options and values of <c>dora-agent probe-network</c>.</param>
    /// <param name="role">Which pod.</param>
    public static Job Render(StackContext stack, NetworkProbe probe, string name, IReadOnlyList<string> connections, string role = Role)
    {
        ArgumentNullException.ThrowIfNull(stack);
        ArgumentNullException.ThrowIfNull(probe);
        var labels = PodLabels(stack.Name, role);
        return new(
            new(Name: name, Namespace: stack.Namespace, Labels: labels, OwnerReferences: [Ownership.Of(stack)]),
            new(
                new(new(Labels: labels, Annotations: new Dictionary<string, string> { ["linkerd.io/inject"] = "disabled" }), Pod(stack, probe, connections, labels)),
                BackoffLimit: 0,
                ActiveDeadlineSeconds: 180,
                // The operator removes it; this is for the day on which there is none.
                TtlSecondsAfterFinished: 3600));
    }

    private static PodSpec Pod(StackContext stack, NetworkProbe probe, IReadOnlyList<string> connections, IReadOnlyDictionary<string, string> labels) => PodPlan.Of(stack, null).Place(
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
        labels) with
    {
        Affinity = null,
        TopologySpreadConstraints = null,
    };
}
