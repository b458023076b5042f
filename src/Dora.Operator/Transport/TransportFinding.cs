using Dora.Engines;

namespace Dora.Operator.Transport;

/// <summary>What one port of one pod showed when it was tried.</summary>
/// <param name="Verdict">In one word.</param>
/// <param name="Detail">For people: what was found, without addresses; empty when all holds.</param>
/// <param name="Protocol">The version that was agreed on, e.g. <c>TLS 1.3</c>; null without a handshake.</param>
/// <param name="Cipher">The cipher suite, by its IANA name.</param>
/// <param name="Serial">Serial number of the certificate that is served, hexadecimal.</param>
public sealed record TransportFinding(TransportVerdict Verdict, string Detail, string? Protocol = null, string? Cipher = null, string? Serial = null);

/// <summary>What a port does about encryption.</summary>
public enum TransportVerdict
{
    /// <summary>It did not answer in a way that tells.</summary>
    NotMeasured,

    /// <summary>It speaks TLS with a certificate of the stack's authority and for its name, and nothing older or plain.</summary>
    PolicyMet,

    /// <summary>Its certificate is not of the stack's authority, not for its name, or out of date.</summary>
    ChainInvalid,

    /// <summary>It accepts a version of TLS that is older than allowed.</summary>
    LegacyTlsAccepted,

    /// <summary>It answers who speaks in the clear.</summary>
    PlaintextAccepted,
}

/// <summary>A port of a pod of an engine.</summary>
/// <param name="Engine">Name of the engine.</param>
/// <param name="Pod">Name of the pod.</param>
/// <param name="Uid">UID of the pod: another pod of that name is another server.</param>
/// <param name="Address">IP address of the pod.</param>
/// <param name="Endpoint">The port.</param>
public sealed record TransportTarget(string Engine, string Pod, string Uid, string Address, TlsEndpoint Endpoint)
{
    /// <summary>Name by which the certificate is checked.</summary>
    public string Host => Endpoint.HostFormat.Replace("{pod}", Pod, StringComparison.Ordinal);
}
