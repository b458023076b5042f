using System.Text.Json.Serialization;

namespace Dora.Kubernetes.Client;

/// <summary>What only the client reads or writes.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ExecCredential))]
[JsonSerializable(typeof(ApiResourceList))]
[JsonSerializable(typeof(VersionInfo))]
[JsonSerializable(typeof(DeleteBody))]
internal sealed partial class ClientJson : JsonSerializerContext;

/// <summary>client.authentication.k8s.io ExecCredential.</summary>
internal sealed record ExecCredential(
    string? ApiVersion = null,
    string? Kind = null,
    ExecCredentialSpec? Spec = null,
    ExecCredentialStatus? Status = null);

internal sealed record ExecCredentialSpec(bool Interactive = false, ExecCluster? Cluster = null);

internal sealed record ExecCluster(
    string Server,
    string? TlsServerName = null,
    bool InsecureSkipTlsVerify = false,
    string? CertificateAuthorityData = null,
    string? ProxyUrl = null);

internal sealed record ExecCredentialStatus(
    string? Token = null,
    string? ClientCertificateData = null,
    string? ClientKeyData = null,
    DateTimeOffset? ExpirationTimestamp = null)
{
    public override string ToString() => "ExecCredentialStatus";
}

/// <summary>metav1.APIResourceList: the resources of one group version.</summary>
internal sealed record ApiResourceList(IReadOnlyList<ApiResource>? Resources = null);

internal sealed record ApiResource(string Name, string? Kind = null);

/// <summary>Answer of <c>/version</c>.</summary>
internal sealed record VersionInfo(string? GitVersion = null);

/// <summary>metav1.DeleteOptions.</summary>
internal sealed record DeleteBody(
    string ApiVersion,
    string Kind,
    Preconditions? Preconditions = null,
    string? PropagationPolicy = null,
    int? GracePeriodSeconds = null);

internal sealed record Preconditions(string? Uid = null, string? ResourceVersion = null);
