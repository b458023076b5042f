using System.ComponentModel;
using System.Text.Json.Serialization;
using Dora.Kubernetes.Schema;

namespace Dora.Api;

/// <summary>What is known of the network around the servers.</summary>
public sealed record NetworkStatus(
    [property: Description("Digest of the NetworkPolicies that are wanted."), MaxLength(NetworkStatus.LongestDigest)]
    string? Policies = null,
    [property: Description("What the last try showed; there once it was tried.")]
    NetworkProbeStatus? Probe = null,
    [property: Description("Entries of spec.network.clients and .monitoring that match no pod or no namespace now."), MaxItems(2 * NetworkSettings.MostClients), MaxLength(64)]
    IReadOnlyList<string>? IdleClients = null,
    [property: Description("The service mesh that was told of the servers.")]
    NetworkMesh? Mesh = null)
{
    /// <summary>Longest digest, with its algorithm.</summary>
    public const int LongestDigest = 80;
}

/// <summary>What pods found that nothing lets in, or out.</summary>
public sealed record NetworkProbeStatus(
    [property: Description("The Job that tried."), MaxLength(63)]
    string Job,
    [property: Description("Digest of the NetworkPolicies that were in place."), MaxLength(NetworkStatus.LongestDigest)]
    string Policies,
    [property: Description("When it ended.")]
    DateTimeOffset ProbedAt,
    [property: Description("What follows from it.")]
    NetworkProbeResult Result,
    [property: Description("How many connections were tried that must not be possible.")]
    int Attempts = 0,
    [property: Description("Those of them that were possible, as pod:port."), MaxItems(NetworkProbeStatus.MostReached), MaxLength(260)]
    IReadOnlyList<string>? Reached = null,
    [property: Description("Why it shows nothing."), MaxLength(1024)]
    string? Message = null,
    [property: Description("The value of the annotation dora-operator.io/probe-network that it answers."), MaxLength(63)]
    string? Asked = null)
{
    /// <summary>Connections named at most.</summary>
    public const int MostReached = 32;
}

/// <summary>What follows from a try.</summary>
[JsonConverter(typeof(EnumNames<NetworkProbeResult>))]
public enum NetworkProbeResult
{
    /// <summary>What must not be possible was not, and what must be possible was.</summary>
    Enforced,

    /// <summary>A connection was possible that no policy allows.</summary>
    PolicyIgnored,

    /// <summary>The pod that tries did not come to an end.</summary>
    ProbeFailed,

    /// <summary>It ended, and shows nothing.</summary>
    ProbeInconclusive,
}
