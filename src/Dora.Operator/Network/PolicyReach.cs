using Dora.Kubernetes.Model;

namespace Dora.Operator.Network;

/// <summary>Who a pod is, to a NetworkPolicy.</summary>
internal sealed record PodIdentity(IReadOnlyDictionary<string, string> Labels, string Namespace);

/// <summary>What a NetworkPolicy lets in, by its own words. True, false, or null where it depends on what is not known here.</summary>
internal static class PolicyReach
{
    // Kubernetes sets it on every namespace; what other labels they have is not known.
    private const string NamespaceName = "kubernetes.io/metadata.name";

    /// <summary>Ports that any rule names.</summary>
    public static IEnumerable<int> Ports(NetworkPolicy policy) =>
        (policy.Spec?.Ingress ?? []).SelectMany(rule => rule.Ports ?? []).Select(port => port.Port?.Number).OfType<int>();

    /// <summary>Whether a pod may connect to a port.</summary>
    public static bool? LetsIn(NetworkPolicy policy, int port, PodIdentity pod) => Any(
        (policy.Spec?.Ingress ?? [])
            .Where(rule => rule.Ports is not { Count: > 0 } ports || ports.Any(one => one.Port?.Number == port))
            .Select(rule => rule.From is not { Count: > 0 } peers ? true : Any(peers.Select(peer => Includes(peer, policy.Metadata.Namespace, pod)))));

    /// <summary>Whether a selector finds these labels.</summary>
    public static bool? Selects(LabelSelector selector, IReadOnlyDictionary<string, string> labels) => Selects(selector, key => (true, labels.GetValueOrDefault(key)));

    // The address of a pod that is not made yet is not known.
    private static bool? Includes(NetworkPolicyPeer peer, string? ns, PodIdentity pod)
    {
        if (peer.IpBlock is not null)
            return null;
        var there = peer.NamespaceSelector is { } namespaces
            ? Selects(namespaces, key => key == NamespaceName ? (true, pod.Namespace) : (false, null))
            : ns == pod.Namespace;
        return All([there, peer.PodSelector is { } pods ? Selects(pods, pod.Labels) : true]);
    }

    private static bool? Selects(LabelSelector selector, Func<string, (bool Known, string? Value)> label) => All(
        (selector.MatchLabels ?? new Dictionary<string, string>()).Select(wanted => Holds(new(wanted.Key, "In", [wanted.Value]), label(wanted.Key)))
            .Concat((selector.MatchExpressions ?? []).Select(requirement => Holds(requirement, label(requirement.Key)))));

    private static bool? Holds(LabelSelectorRequirement requirement, (bool Known, string? Value) label) => !label.Known ? null : requirement.Operator switch
    {
        "In" => label.Value is { } value && requirement.Values?.Contains(value) == true,
        "NotIn" => label.Value is not { } value || requirement.Values?.Contains(value) != true,
        "Exists" => label.Value is not null,
        "DoesNotExist" => label.Value is null,
        _ => null,
    };

    private static bool? Any(IEnumerable<bool?> answers)
    {
        var all = answers.ToList();
        return all.Contains(true) ? true : all.Contains(null) ? null : false;
    }

    private static bool? All(IEnumerable<bool?> answers)
    {
        var all = answers.ToList();
        return all.Contains(false) ? false : all.Contains(null) ? null : true;
    }
}
