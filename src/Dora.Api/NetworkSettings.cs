using System.ComponentModel;
using System.Text.Json.Serialization;
using Dora.Kubernetes.Schema;

namespace Dora.Api;

/// <summary>Who may reach the servers, and whom they may reach.</summary>
public sealed record NetworkSettings(
    [property: Description("Enabled: a NetworkPolicy for each engine lets in its own members, the operator and clients, each on the ports they need, and lets out to its own members, to DNS and to what is named here. Disabled: there is none; use it where the operator runs outside the cluster. The cluster's network plugin must know NetworkPolicies.")]
    NetworkPolicyMode Policies = NetworkPolicyMode.Enabled,
    [property: Description("Who may use the servers, beside the operator. Default: every pod of the stack's own namespace. An empty list: nobody."), MaxItems(NetworkSettings.MostClients)]
    IReadOnlyList<NetworkClient>? Clients = null,
    [property: Description("Who may read metrics, where an engine serves them on a port of their own. Default: nobody."), MaxItems(NetworkSettings.MostClients)]
    IReadOnlyList<NetworkClient>? Monitoring = null,
    [property: Description("Whom the servers may reach beside their own members and DNS: a directory, a mirror, whatever an extension asks."), MaxItems(NetworkSettings.MostClients)]
    IReadOnlyList<NetworkDestination>? Egress = null,
    [property: Description("Addresses of the API server, as seen from pods, e.g. 10.0.0.1/32; Patroni asks it who leads. Default: any address, on the ports 443 and 6443."), MaxItems(NetworkSettings.MostClients), Pattern(NetworkClient.CidrPattern), MaxLength(43)]
    IReadOnlyList<string>? ApiServer = null,
    [property: Description("Have a pod that nothing lets in try the servers' ports, and say what the network really keeps out. Absent: it is not tried, and condition NetworkSegmented stays Unknown.")]
    NetworkProbe? Probe = null,
    [property: Description("The service mesh whose sidecars run beside the servers. Istio: a PeerAuthentication for each engine refuses what comes without the mesh's TLS, but for the ports on which servers speak TLS themselves, which pass the sidecar by. Changing it restarts members, one by one. Default: None.")]
    NetworkMesh Mesh = NetworkMesh.None)
{
    /// <summary>Clients at most.</summary>
    public const int MostClients = 16;
}

/// <summary>A service mesh.</summary>
[JsonConverter(typeof(EnumNames<NetworkMesh>))]
public enum NetworkMesh
{
    /// <summary>There is none, or servers have no sidecar.</summary>
    None,

    /// <summary>Istio 1.22 or later.</summary>
    Istio,
}

/// <summary>When a pod tries what the network keeps out.</summary>
public sealed record NetworkProbe(
    [property: Description("How often it tries, e.g. 12h, 1d, 2w; also when policies change, and when the annotation dora-operator.io/probe-network has a new value."), Pattern(RotationSettings.IntervalPattern), MaxLength(5)]
    string Interval = NetworkProbe.DefaultInterval,
    [property: Description("The whole image of dora-agent, with a tag or digest, instead of the operator's own: for mirrors."), Pattern(PodSettings.ImagePattern), MaxLength(PodSettings.LongestImage)]
    string? Image = null)
{
    /// <summary>Often enough for a control that an auditor reads.</summary>
    public const string DefaultInterval = "1d";
}

/// <summary>Whether NetworkPolicies are written.</summary>
[JsonConverter(typeof(EnumNames<NetworkPolicyMode>))]
public enum NetworkPolicyMode
{
    /// <summary>One for each engine.</summary>
    Enabled,

    /// <summary>None.</summary>
    Disabled,
}

/// <summary>Pods, or a range of addresses.</summary>
[Cel("has(self.cidr) ? !has(self.namespaceSelector) && !has(self.podSelector) : has(self.namespaceSelector) || has(self.podSelector)", "name a client by cidr alone, or by namespaceSelector, podSelector or both")]
public sealed record NetworkClient(
    [property: Description("Namespaces of the pods; {} for all. The stack's own when absent.")]
    NetworkSelector? NamespaceSelector = null,
    [property: Description("The pods; all of those namespaces when absent or {}.")]
    NetworkSelector? PodSelector = null,
    [property: Description("Addresses outside the cluster, e.g. 10.20.0.0/16. What they are seen as depends on the network: a load balancer or node may put its own address there."), Pattern(NetworkClient.CidrPattern), MaxLength(43)]
    string? Cidr = null)
{
    /// <summary>Addresses of IPv4 or IPv6 and the length of their common part.</summary>
    public const string CidrPattern = "^(((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])/(3[0-2]|[12]?[0-9])|[0-9A-Fa-f:]*:[0-9A-Fa-f:]*/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))$";
}

/// <summary>Pods, or a range of addresses, and ports there.</summary>
[Cel("has(self.cidr) ? !has(self.namespaceSelector) && !has(self.podSelector) : has(self.namespaceSelector) || has(self.podSelector)", "name a destination by cidr alone, or by namespaceSelector, podSelector or both")]
public sealed record NetworkDestination(
    [property: Description("Ports there, TCP."), MinItems(1), MaxItems(8), Minimum(1), Maximum(65535)]
    IReadOnlyList<int> Ports,
    [property: Description("Namespaces of the pods; {} for all. The stack's own when absent.")]
    NetworkSelector? NamespaceSelector = null,
    [property: Description("The pods; all of those namespaces when absent or {}.")]
    NetworkSelector? PodSelector = null,
    [property: Description("Addresses outside the cluster, e.g. 10.20.0.0/16."), Pattern(NetworkClient.CidrPattern), MaxLength(43)]
    string? Cidr = null);

/// <summary>A selector of labels, as everywhere in Kubernetes; what it states must all hold.</summary>
public sealed record NetworkSelector(
    [property: Description("Labels and their values."), MaxProperties(NetworkSelector.MostLabels), Pattern(LabelForms.ValuePattern), MaxLength(LabelForms.LongestValue), Cel(LabelForms.KeysRule, LabelForms.KeysMessage)]
    IReadOnlyDictionary<string, string>? MatchLabels = null,
    [property: Description("Conditions on labels."), MaxItems(NetworkSelector.MostLabels)]
    IReadOnlyList<NetworkRequirement>? MatchExpressions = null)
{
    /// <summary>Labels at most, and conditions.</summary>
    public const int MostLabels = 8;
}

/// <summary>A condition on one label.</summary>
[Cel("self.operator in ['In', 'NotIn'] ? has(self.values) && self.values.size() > 0 : !has(self.values)", "In and NotIn need values; Exists and DoesNotExist take none", FieldPath = ".values")]
public sealed record NetworkRequirement(
    [property: Description("Key of the label."), Pattern(LabelForms.KeyPattern), MaxLength(LabelForms.LongestKey)]
    string Key,
    [property: Description("In, NotIn, Exists or DoesNotExist.")]
    SelectorOperator Operator,
    [property: Description("Values for In and NotIn."), MaxItems(16), Pattern(LabelForms.ValuePattern), MaxLength(LabelForms.LongestValue)]
    IReadOnlyList<string>? Values = null);

/// <summary>How a label is compared.</summary>
[JsonConverter(typeof(EnumNames<SelectorOperator>))]
public enum SelectorOperator
{
    /// <summary>The value is one of those given.</summary>
    In,

    /// <summary>It is none of them, or there is no such label.</summary>
    NotIn,

    /// <summary>The label is there.</summary>
    Exists,

    /// <summary>It is not.</summary>
    DoesNotExist,
}
