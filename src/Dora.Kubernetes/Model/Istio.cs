namespace Dora.Kubernetes.Model;

/// <summary>security.istio.io/v1 PeerAuthentication: whether pods of a mesh take connections without its own mutual TLS.</summary>
public sealed record PeerAuthentication(ObjectMeta Metadata, PeerAuthenticationSpec? Spec = null, string? ApiVersion = "security.istio.io/v1", string? Kind = "PeerAuthentication") : IKubeObject;

/// <summary>Desired state of a PeerAuthentication; ports as text.</summary>
public sealed record PeerAuthenticationSpec(PeerSelector? Selector = null, MutualTls? Mtls = null, IReadOnlyDictionary<string, MutualTls>? PortLevelMtls = null);

/// <summary>The pods it is for.</summary>
public sealed record PeerSelector(IReadOnlyDictionary<string, string> MatchLabels);

/// <summary>STRICT, PERMISSIVE or DISABLE.</summary>
public sealed record MutualTls(string Mode);
