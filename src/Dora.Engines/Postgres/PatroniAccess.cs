using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Postgres;

/// <summary>
/// Patroni's own ServiceAccount with just its verbs: it keeps its election in ConfigMaps and its role in the labels of its pods.
/// </summary>
internal static class PatroniAccess
{
    public static IEnumerable<Manifest> Render(EngineNames names)
    {
        yield return Manifest.Of(KubeTypes.ServiceAccounts, new(names.Meta(names.Cluster), AutomountServiceAccountToken: false));
        yield return Manifest.Of(KubeTypes.Roles, new(names.Meta(names.Cluster), Rules));
        yield return Manifest.Of(KubeTypes.RoleBindings, new(
            names.Meta(names.Cluster),
            new("Role", names.Cluster),
            [new("ServiceAccount", names.Cluster, names.Stack.Namespace)]));
    }

    /// <summary>What Patroni calls (Patroni documentation, "Using Kubernetes").</summary>
    public static IReadOnlyList<PolicyRule> Rules { get; } =
    [
        new(["get", "list", "watch", "create", "patch", "update"], [""], ["configmaps"]),
        new(["get", "list", "watch", "patch", "update"], [""], ["pods"]),
    ];
}
