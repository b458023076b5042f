namespace Dora.Kubernetes.Model;

/// <summary>cert-manager.io/v1 Certificate: what cert-manager shall keep in a Secret.</summary>
public sealed record Certificate(
    ObjectMeta Metadata,
    CertificateSpec? Spec = null,
    CertificateState? Status = null,
    string? ApiVersion = "cert-manager.io/v1",
    string? Kind = "Certificate") : IKubeObject;

/// <summary>Desired state of a Certificate; durations in Go's notation, e.g. <c>2160h</c>.</summary>
public sealed record CertificateSpec(
    string SecretName,
    CertificateIssuerRef IssuerRef,
    string? CommonName = null,
    IReadOnlyList<string>? DnsNames = null,
    string? Duration = null,
    string? RenewBefore = null,
    IReadOnlyList<string>? Usages = null,
    CertificateKey? PrivateKey = null,
    CertificateSecretTemplate? SecretTemplate = null,
    IReadOnlyList<CertificateOutput>? AdditionalOutputFormats = null);

/// <summary>Who signs it.</summary>
public sealed record CertificateIssuerRef(string Name, string? Kind = null, string? Group = null);

/// <summary>Its private key.</summary>
public sealed record CertificateKey(string? Algorithm = null, int? Size = null, string? Encoding = null, string? RotationPolicy = null);

/// <summary>What the Secret carries beside the certificate.</summary>
public sealed record CertificateSecretTemplate(IReadOnlyDictionary<string, string>? Labels = null, IReadOnlyDictionary<string, string>? Annotations = null);

/// <summary>Another form of the same in the Secret, e.g. CombinedPEM.</summary>
public sealed record CertificateOutput(string Type);

/// <summary>How far cert-manager is; condition Ready.</summary>
public sealed record CertificateState(IReadOnlyList<Condition>? Conditions = null);
