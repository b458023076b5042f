using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Access;

/// <summary>
/// The rights of the operator's own account: what its code calls, and nothing else. <c>dora-operator generate</c> writes them into
/// <c>config/</c> and the Helm chart; a test compares them with what plans do.
/// </summary>
internal static class OperatorAccess
{
    /// <summary>Name of the account, of its roles and of the Deployment.</summary>
    public const string Name = Labels.OperatorName;

    /// <summary>Name of the leader's Lease.</summary>
    public const string LeaseName = "dora-operator";

    /// <summary>
    /// Verbs of a server-side apply: the request is a patch, and where the object is missing the API server also asks for create.
    /// </summary>
    private static readonly string[] Apply = ["create", "patch"];

    /// <summary>Verbs of an informer.</summary>
    private static readonly string[] Watch = ["list", "watch"];

    /// <summary>Verbs on a kind that is rendered, and removed again when it is not wanted any more.</summary>
    private static readonly string[] Own = [.. Watch, .. Apply, "delete"];

    /// <summary>Rights wherever there are stacks: in all namespaces, or in those that are watched.</summary>
    public static IReadOnlyList<PolicyRule> Stacks { get; } = PolicyRules.Compact(
    [
        // Created where a restore asks for a new one.
        On(StackResource.Type.Resource, [.. Watch, "create"]),
        On(StackResource.Type.Resource, ["patch"], "status"),
        // Records of backups whose data is gone are removed after a while.
        On(BackupResource.Type.Resource, [.. Watch, "create", "delete"]),
        On(BackupResource.Type.Resource, ["patch"], "status"),
        On(RestoreResource.Type.Resource, [.. Watch, "create"]),
        On(RestoreResource.Type.Resource, ["patch"], "status"),
        // Where OwnerReferencesPermissionEnforcement is on (OpenShift), blockOwnerDeletion asks for this; nothing else uses it.
        On(StackResource.Type.Resource, ["update"], "finalizers"),
        On(KubeTypes.StatefulSets.Resource, Own),
        On(KubeTypes.Deployments.Resource, Own),
        On(KubeTypes.Services.Resource, Own),
        // By name: the certificates that sign a Vault's.
        On(KubeTypes.ConfigMaps.Resource, [.. Own, "get"]),
        On(KubeTypes.ServiceAccounts.Resource, Own),
        On(KubeTypes.Roles.Resource, Own),
        On(KubeTypes.RoleBindings.Resource, Own),
        On(KubeTypes.PodDisruptionBudgets.Resource, Own),
        On(KubeTypes.NetworkPolicies.Resource, Own),
        // A pod that tries what the network keeps out; a Job is never changed.
        On(KubeTypes.Jobs.Resource, [.. Watch, "create", "delete"]),
        // Claims are made by StatefulSets; the operator grows them, owns or disowns them, and removes those it owns. A restore that was confirmed puts empty ones in their place.
        On(KubeTypes.PersistentVolumeClaims.Resource, [.. Watch, "create", "patch", "delete"]),
        // Roles are labels of pods; a member restarts by the deletion of its pod.
        On(KubeTypes.Pods.Resource, [.. Watch, "patch", "delete"]),
        // By name only: who may list Secrets reads all of them.
        On(KubeTypes.Secrets.Resource, ["get", "create", "patch"]),
        // By name, and only for stacks whose certificates cert-manager makes.
        On(KubeTypes.Certificates.Resource, ["get", .. Apply, "delete"]),
        // Only for stacks that ask for a mesh.
        On(KubeTypes.PeerAuthentications.Resource, ["list", .. Apply, "delete"]),
        On(KubeTypes.Events.Resource, ["create", "patch"]),
        // Kubernetes lets nobody grant what they do not hold.
        .. EngineCatalogue.All.SelectMany(engine => engine.Grants),
    ]);

    /// <summary>
    /// Rights on what belongs to no namespace: to read only, and to say why something cannot be. An operator of some namespaces does
    /// without them.
    /// </summary>
    public static IReadOnlyList<PolicyRule> Cluster { get; } =
    [
        On(KubeTypes.ValidatingAdmissionPolicies.Resource, ["get"]) with { ResourceNames = [DeletionGuard.PolicyName] },
        On(KubeTypes.ValidatingAdmissionPolicyBindings.Resource, ["get"]) with { ResourceNames = [DeletionGuard.PolicyName] },
        On(KubeTypes.StorageClasses.Resource, ["get"]),
        // Whether a selector of clients finds any; there is no way to ask for that by name.
        On(KubeTypes.Namespaces.Resource, ["list"]),
    ];

    /// <summary>Rights in the operator's own namespace. A create cannot be bound to a name.</summary>
    public static IReadOnlyList<PolicyRule> Lease { get; } =
    [
        On(KubeTypes.Leases.Resource, ["create"]),
        On(KubeTypes.Leases.Resource, ["get", "update"]) with { ResourceNames = [LeaseName] },
    ];

    private static PolicyRule On(KubeResource resource, IReadOnlyList<string> verbs, string? subresource = null) =>
        new(verbs, [resource.Group], [subresource is null ? resource.Plural : $"{resource.Plural}/{subresource}"]);
}
