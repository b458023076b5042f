using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Dora.Kubernetes.Model;

/// <summary>The serialisation contract of the built-in objects, source-generated.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true,
    RespectNullableAnnotations = true)]
[JsonSerializable(typeof(KubeStatus))]
[JsonSerializable(typeof(KubeList<Pod>))]
[JsonSerializable(typeof(KubeList<StatefulSet>))]
[JsonSerializable(typeof(KubeList<Deployment>))]
[JsonSerializable(typeof(KubeList<Job>))]
[JsonSerializable(typeof(KubeList<PersistentVolumeClaim>))]
[JsonSerializable(typeof(KubeList<StorageClass>))]
[JsonSerializable(typeof(KubeList<PodDisruptionBudget>))]
[JsonSerializable(typeof(KubeList<Namespace>))]
[JsonSerializable(typeof(KubeList<ConfigMap>))]
[JsonSerializable(typeof(KubeList<Secret>))]
[JsonSerializable(typeof(KubeList<Service>))]
[JsonSerializable(typeof(KubeList<ServiceAccount>))]
[JsonSerializable(typeof(KubeList<Role>))]
[JsonSerializable(typeof(KubeList<ClusterRole>))]
[JsonSerializable(typeof(KubeList<RoleBinding>))]
[JsonSerializable(typeof(KubeList<ClusterRoleBinding>))]
[JsonSerializable(typeof(KubeList<NetworkPolicy>))]
[JsonSerializable(typeof(KubeList<ValidatingAdmissionPolicy>))]
[JsonSerializable(typeof(KubeList<ValidatingAdmissionPolicyBinding>))]
[JsonSerializable(typeof(KubeList<Lease>))]
[JsonSerializable(typeof(KubeList<Certificate>))]
[JsonSerializable(typeof(KubeList<PeerAuthentication>))]
[JsonSerializable(typeof(KubeList<KubeEvent>))]
public sealed partial class KubeJson : JsonSerializerContext
{
    /// <summary>
    /// The instance for everything sent to an API server. The relaxed encoder is a must: the server parses server-side apply
    /// bodies as YAML, where <c>\/</c> and surrogate-pair escapes are errors.
    /// </summary>
    public static KubeJson Wire { get; } = new(WireOptions());

    /// <summary>Options for another context that reads and writes objects of the same API server.</summary>
    public static JsonSerializerOptions WireOptions() => new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        RespectNullableAnnotations = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };
}

/// <summary>A kind with its JSON contract: what the client, informers and manifests need to know of a type.</summary>
/// <param name="Resource">Where the kind is served.</param>
/// <param name="Json">How one object is read and written.</param>
/// <param name="ListJson">How a page of a list is read.</param>
public sealed record KubeType<T>(KubeResource Resource, JsonTypeInfo<T> Json, JsonTypeInfo<KubeList<T>> ListJson)
    where T : class, IKubeObject;

/// <summary>The kinds that this project uses: built-in ones, cert-manager's and Istio's.</summary>
public static class KubeTypes
{
    private const string Apps = "apps";
    private const string Rbac = "rbac.authorization.k8s.io";
    private const string Admission = "admissionregistration.k8s.io";

    /// <summary>Namespaces.</summary>
    public static KubeType<Namespace> Namespaces { get; } = new(new("", "v1", "namespaces", "Namespace", Namespaced: false), KubeJson.Wire.Namespace, KubeJson.Wire.KubeListNamespace);

    /// <summary>Pods.</summary>
    public static KubeType<Pod> Pods { get; } = new(new("", "v1", "pods", "Pod"), KubeJson.Wire.Pod, KubeJson.Wire.KubeListPod);

    /// <summary>ConfigMaps.</summary>
    public static KubeType<ConfigMap> ConfigMaps { get; } = new(new("", "v1", "configmaps", "ConfigMap"), KubeJson.Wire.ConfigMap, KubeJson.Wire.KubeListConfigMap);

    /// <summary>Secrets.</summary>
    public static KubeType<Secret> Secrets { get; } = new(new("", "v1", "secrets", "Secret"), KubeJson.Wire.Secret, KubeJson.Wire.KubeListSecret);

    /// <summary>Services.</summary>
    public static KubeType<Service> Services { get; } = new(new("", "v1", "services", "Service"), KubeJson.Wire.Service, KubeJson.Wire.KubeListService);

    /// <summary>ServiceAccounts.</summary>
    public static KubeType<ServiceAccount> ServiceAccounts { get; } = new(new("", "v1", "serviceaccounts", "ServiceAccount"), KubeJson.Wire.ServiceAccount, KubeJson.Wire.KubeListServiceAccount);

    /// <summary>PersistentVolumeClaims.</summary>
    public static KubeType<PersistentVolumeClaim> PersistentVolumeClaims { get; } = new(new("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim"), KubeJson.Wire.PersistentVolumeClaim, KubeJson.Wire.KubeListPersistentVolumeClaim);

    /// <summary>StatefulSets.</summary>
    public static KubeType<StatefulSet> StatefulSets { get; } = new(new(Apps, "v1", "statefulsets", "StatefulSet"), KubeJson.Wire.StatefulSet, KubeJson.Wire.KubeListStatefulSet);

    /// <summary>Deployments.</summary>
    public static KubeType<Deployment> Deployments { get; } = new(new(Apps, "v1", "deployments", "Deployment"), KubeJson.Wire.Deployment, KubeJson.Wire.KubeListDeployment);

    /// <summary>Jobs.</summary>
    public static KubeType<Job> Jobs { get; } = new(new("batch", "v1", "jobs", "Job"), KubeJson.Wire.Job, KubeJson.Wire.KubeListJob);

    /// <summary>StorageClasses.</summary>
    public static KubeType<StorageClass> StorageClasses { get; } = new(new("storage.k8s.io", "v1", "storageclasses", "StorageClass", Namespaced: false), KubeJson.Wire.StorageClass, KubeJson.Wire.KubeListStorageClass);

    /// <summary>PodDisruptionBudgets.</summary>
    public static KubeType<PodDisruptionBudget> PodDisruptionBudgets { get; } = new(new("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget"), KubeJson.Wire.PodDisruptionBudget, KubeJson.Wire.KubeListPodDisruptionBudget);

    /// <summary>Kubernetes before 1.21.</summary>
    public static KubeType<PodDisruptionBudget> PodDisruptionBudgetsBeta { get; } = new(new("policy", "v1beta1", "poddisruptionbudgets", "PodDisruptionBudget"), KubeJson.Wire.PodDisruptionBudget, KubeJson.Wire.KubeListPodDisruptionBudget);

    /// <summary>Roles.</summary>
    public static KubeType<Role> Roles { get; } = new(new(Rbac, "v1", "roles", "Role"), KubeJson.Wire.Role, KubeJson.Wire.KubeListRole);

    /// <summary>ClusterRoles.</summary>
    public static KubeType<ClusterRole> ClusterRoles { get; } = new(new(Rbac, "v1", "clusterroles", "ClusterRole", Namespaced: false), KubeJson.Wire.ClusterRole, KubeJson.Wire.KubeListClusterRole);

    /// <summary>RoleBindings.</summary>
    public static KubeType<RoleBinding> RoleBindings { get; } = new(new(Rbac, "v1", "rolebindings", "RoleBinding"), KubeJson.Wire.RoleBinding, KubeJson.Wire.KubeListRoleBinding);

    /// <summary>ClusterRoleBindings.</summary>
    public static KubeType<ClusterRoleBinding> ClusterRoleBindings { get; } = new(new(Rbac, "v1", "clusterrolebindings", "ClusterRoleBinding", Namespaced: false), KubeJson.Wire.ClusterRoleBinding, KubeJson.Wire.KubeListClusterRoleBinding);

    /// <summary>NetworkPolicies.</summary>
    public static KubeType<NetworkPolicy> NetworkPolicies { get; } = new(new("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"), KubeJson.Wire.NetworkPolicy, KubeJson.Wire.KubeListNetworkPolicy);

    /// <summary>ValidatingAdmissionPolicies (Kubernetes 1.30 on).</summary>
    public static KubeType<ValidatingAdmissionPolicy> ValidatingAdmissionPolicies { get; } = new(
        new(Admission, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", Namespaced: false), KubeJson.Wire.ValidatingAdmissionPolicy, KubeJson.Wire.KubeListValidatingAdmissionPolicy);

    /// <summary>ValidatingAdmissionPolicyBindings (Kubernetes 1.30 on).</summary>
    public static KubeType<ValidatingAdmissionPolicyBinding> ValidatingAdmissionPolicyBindings { get; } = new(
        new(Admission, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", Namespaced: false), KubeJson.Wire.ValidatingAdmissionPolicyBinding, KubeJson.Wire.KubeListValidatingAdmissionPolicyBinding);

    /// <summary>Certificates of cert-manager, where that is installed.</summary>
    public static KubeType<Certificate> Certificates { get; } = new(new("cert-manager.io", "v1", "certificates", "Certificate"), KubeJson.Wire.Certificate, KubeJson.Wire.KubeListCertificate);

    /// <summary>PeerAuthentications of Istio, where that is installed.</summary>
    public static KubeType<PeerAuthentication> PeerAuthentications { get; } = new(new("security.istio.io", "v1", "peerauthentications", "PeerAuthentication"), KubeJson.Wire.PeerAuthentication, KubeJson.Wire.KubeListPeerAuthentication);

    /// <summary>Leases.</summary>
    public static KubeType<Lease> Leases { get; } = new(new("coordination.k8s.io", "v1", "leases", "Lease"), KubeJson.Wire.Lease, KubeJson.Wire.KubeListLease);

    /// <summary>Events.</summary>
    public static KubeType<KubeEvent> Events { get; } = new(new("events.k8s.io", "v1", "events", "Event"), KubeJson.Wire.KubeEvent, KubeJson.Wire.KubeListKubeEvent);
}
