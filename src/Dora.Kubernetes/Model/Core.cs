using System.Text.Json.Serialization;

namespace Dora.Kubernetes.Model;

/// <summary>A namespace.</summary>
public sealed record Namespace(ObjectMeta Metadata, NamespaceStatus? Status = null, string? ApiVersion = "v1", string? Kind = "Namespace") : IKubeObject;

/// <summary>Active or Terminating.</summary>
public sealed record NamespaceStatus(string? Phase = null);

/// <summary>A ConfigMap.</summary>
public sealed record ConfigMap(ObjectMeta Metadata, IReadOnlyDictionary<string, string>? Data = null, string? ApiVersion = "v1", string? Kind = "ConfigMap") : IKubeObject;

/// <summary>A Secret; values of <c>Data</c> are base64. Its text form names the object only, so that no log can hold a value.</summary>
public sealed record Secret(
    ObjectMeta Metadata,
    IReadOnlyDictionary<string, string>? Data = null,
    IReadOnlyDictionary<string, string>? StringData = null,
    string? Type = null,
    bool? Immutable = null,
    string? ApiVersion = "v1",
    string? Kind = "Secret") : IKubeObject
{
    /// <inheritdoc/>
    public override string ToString() => $"Secret {Metadata.Namespace}/{Metadata.Name}";
}

/// <summary>A Service.</summary>
public sealed record Service(ObjectMeta Metadata, ServiceSpec? Spec = null, string? ApiVersion = "v1", string? Kind = "Service") : IKubeObject;

/// <summary>Desired state of a Service.</summary>
public sealed record ServiceSpec(
    IReadOnlyList<ServicePort>? Ports = null,
    IReadOnlyDictionary<string, string>? Selector = null,
    [property: JsonPropertyName("clusterIP")] string? ClusterIP = null,
    string? Type = null,
    bool? PublishNotReadyAddresses = null);

/// <summary>A port of a Service.</summary>
public sealed record ServicePort(int Port, string? Name = null, IntOrString? TargetPort = null, string? Protocol = null, string? AppProtocol = null);

/// <summary>A ServiceAccount.</summary>
public sealed record ServiceAccount(ObjectMeta Metadata, bool? AutomountServiceAccountToken = null, string? ApiVersion = "v1", string? Kind = "ServiceAccount") : IKubeObject;

/// <summary>rbac.authorization.k8s.io/v1 Role.</summary>
public sealed record Role(ObjectMeta Metadata, IReadOnlyList<PolicyRule>? Rules = null, string? ApiVersion = "rbac.authorization.k8s.io/v1", string? Kind = "Role") : IKubeObject;

/// <summary>rbac.authorization.k8s.io/v1 ClusterRole.</summary>
public sealed record ClusterRole(ObjectMeta Metadata, IReadOnlyList<PolicyRule>? Rules = null, string? ApiVersion = "rbac.authorization.k8s.io/v1", string? Kind = "ClusterRole") : IKubeObject;

/// <summary>Verbs on resources.</summary>
public sealed record PolicyRule(
    IReadOnlyList<string> Verbs,
    IReadOnlyList<string>? ApiGroups = null,
    IReadOnlyList<string>? Resources = null,
    IReadOnlyList<string>? ResourceNames = null,
    [property: JsonPropertyName("nonResourceURLs")] IReadOnlyList<string>? NonResourceUrls = null);

/// <summary>rbac.authorization.k8s.io/v1 RoleBinding.</summary>
public sealed record RoleBinding(ObjectMeta Metadata, RoleRef RoleRef, IReadOnlyList<Subject>? Subjects = null, string? ApiVersion = "rbac.authorization.k8s.io/v1", string? Kind = "RoleBinding") : IKubeObject;

/// <summary>rbac.authorization.k8s.io/v1 ClusterRoleBinding.</summary>
public sealed record ClusterRoleBinding(ObjectMeta Metadata, RoleRef RoleRef, IReadOnlyList<Subject>? Subjects = null, string? ApiVersion = "rbac.authorization.k8s.io/v1", string? Kind = "ClusterRoleBinding") : IKubeObject;

/// <summary>The role that a binding grants.</summary>
public sealed record RoleRef(string Kind, string Name, string ApiGroup = "rbac.authorization.k8s.io");

/// <summary>Who a binding grants to.</summary>
public sealed record Subject(string Kind, string Name, string? Namespace = null, string? ApiGroup = null);

/// <summary>networking.k8s.io/v1 NetworkPolicy.</summary>
public sealed record NetworkPolicy(ObjectMeta Metadata, NetworkPolicySpec? Spec = null, string? ApiVersion = "networking.k8s.io/v1", string? Kind = "NetworkPolicy") : IKubeObject;

/// <summary>Which traffic of the selected pods is allowed.</summary>
public sealed record NetworkPolicySpec(
    LabelSelector PodSelector,
    IReadOnlyList<string>? PolicyTypes = null,
    IReadOnlyList<NetworkPolicyIngressRule>? Ingress = null,
    IReadOnlyList<NetworkPolicyEgressRule>? Egress = null);

/// <summary>Allowed sources.</summary>
public sealed record NetworkPolicyIngressRule(IReadOnlyList<NetworkPolicyPeer>? From = null, IReadOnlyList<NetworkPolicyPort>? Ports = null);

/// <summary>Allowed destinations.</summary>
public sealed record NetworkPolicyEgressRule(IReadOnlyList<NetworkPolicyPeer>? To = null, IReadOnlyList<NetworkPolicyPort>? Ports = null);

/// <summary>Pods, namespaces or addresses.</summary>
public sealed record NetworkPolicyPeer(LabelSelector? PodSelector = null, LabelSelector? NamespaceSelector = null, IpBlock? IpBlock = null);

/// <summary>A CIDR.</summary>
public sealed record IpBlock(string Cidr, IReadOnlyList<string>? Except = null);

/// <summary>A port, or those up to a last one, and protocol.</summary>
public sealed record NetworkPolicyPort(IntOrString? Port = null, string? Protocol = null, int? EndPort = null);

/// <summary>admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy; only that it is there matters here.</summary>
public sealed record ValidatingAdmissionPolicy(ObjectMeta Metadata, string? ApiVersion = "admissionregistration.k8s.io/v1", string? Kind = "ValidatingAdmissionPolicy") : IKubeObject;

/// <summary>admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding.</summary>
public sealed record ValidatingAdmissionPolicyBinding(
    ObjectMeta Metadata,
    ValidatingAdmissionPolicyBindingSpec? Spec = null,
    string? ApiVersion = "admissionregistration.k8s.io/v1",
    string? Kind = "ValidatingAdmissionPolicyBinding") : IKubeObject;

/// <summary>Which policy is in force, and what it does: Deny, Warn or Audit.</summary>
public sealed record ValidatingAdmissionPolicyBindingSpec(string? PolicyName = null, IReadOnlyList<string>? ValidationActions = null);

/// <summary>coordination.k8s.io/v1 Lease.</summary>
public sealed record Lease(ObjectMeta Metadata, LeaseSpec? Spec = null, string? ApiVersion = "coordination.k8s.io/v1", string? Kind = "Lease") : IKubeObject;

/// <summary>Who holds a Lease.</summary>
public sealed record LeaseSpec(
    string? HolderIdentity = null,
    int? LeaseDurationSeconds = null,
    [property: JsonConverter(typeof(MicroTimeConverter))] DateTimeOffset? AcquireTime = null,
    [property: JsonConverter(typeof(MicroTimeConverter))] DateTimeOffset? RenewTime = null,
    int? LeaseTransitions = null);

/// <summary>events.k8s.io/v1 Event; note at most 1 KiB.</summary>
public sealed record KubeEvent(
    ObjectMeta Metadata,
    [property: JsonConverter(typeof(MicroTimeConverter))] DateTimeOffset? EventTime = null,
    string? ReportingController = null,
    string? ReportingInstance = null,
    string? Action = null,
    string? Reason = null,
    string? Type = null,
    string? Note = null,
    ObjectReference? Regarding = null,
    EventSeries? Series = null,
    string? ApiVersion = "events.k8s.io/v1",
    string? Kind = "Event") : IKubeObject;

/// <summary>Repetitions of an event.</summary>
public sealed record EventSeries(int Count, [property: JsonConverter(typeof(MicroTimeConverter))] DateTimeOffset LastObservedTime);

/// <summary>A reference to any object.</summary>
public sealed record ObjectReference(
    string? ApiVersion = null,
    string? Kind = null,
    string? Name = null,
    string? Namespace = null,
    string? Uid = null,
    string? ResourceVersion = null,
    string? FieldPath = null);
