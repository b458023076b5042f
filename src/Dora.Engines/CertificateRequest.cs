using Dora.Api;

namespace Dora.Engines;

/// <summary>A certificate for servers, with its key, in a Secret of type kubernetes.io/tls.</summary>
/// <param name="SecretName">
/// The Secret; its keys: <see cref="Chain"/>, <see cref="Key"/> (PKCS #8), <see cref="Trust"/>, and <see cref="Combined"/> where asked.
/// </param>
/// <param name="DnsNames">Names that clients and members use. The first of at most 64 characters is the subject's common name too (RFC 5280, ub-common-name).</param>
/// <param name="NeedsCombined">Whether the engine reads key and certificate from one file.</param>
public sealed record CertificateRequest(string SecretName, IReadOnlyList<string> DnsNames, bool NeedsCombined = false)
{
    /// <summary>Certificate of the server and those between it and the root, PEM.</summary>
    public const string Chain = "tls.crt";

    /// <summary>Its private key, PEM.</summary>
    public const string Key = "tls.key";

    /// <summary>Roots that servers and clients trust, PEM; two of them while the authority changes.</summary>
    public const string Trust = "ca.crt";

    /// <summary>Key and certificates in one file, by the name that cert-manager gives it.</summary>
    public const string Combined = "tls-combined.pem";
}

/// <summary>A port that speaks TLS.</summary>
/// <param name="Name">What speaks there, for people: <c>redis</c>, <c>sentinel</c>.</param>
/// <param name="Port">TCP port.</param>
/// <param name="SecretName">The Secret of the certificate it serves.</param>
/// <param name="HostFormat">Name by which the certificate is checked; <c>{pod}</c> stands for the pod's name.</param>
/// <param name="Reload">How a renewed certificate gets there.</param>
/// <param name="Start">How TLS begins.</param>
/// <param name="Pods">Labels of the pods, where they are not the engine's members.</param>
/// <param name="Oldest">The oldest version it accepts unless the stack says another.</param>
/// <param name="Plain">What a server that listens in the clear would answer there.</param>
public sealed record TlsEndpoint(
    string Name,
    int Port,
    string SecretName,
    string HostFormat,
    CertificateReload Reload,
    TlsStart Start = TlsStart.AtOnce,
    IReadOnlyDictionary<string, string>? Pods = null,
    TlsVersion Oldest = TlsVersion.Tls13,
    PlainSpeech Plain = PlainSpeech.Anything);

/// <summary>How a renewed certificate gets to a server.</summary>
public enum CertificateReload
{
    /// <summary>The server, or its agent, looks at the files by itself.</summary>
    ByItself,

    /// <summary>By the engine's command <see cref="EngineCommand.ReloadCertificate"/>, which clients do not notice.</summary>
    ByCommand,

    /// <summary>By <see cref="EngineCommand.InterruptForCertificate"/>: the server is away for a moment.</summary>
    ByInterruption,

    /// <summary>Only by a restart.</summary>
    ByRestart,
}

/// <summary>How TLS begins.</summary>
public enum TlsStart
{
    /// <summary>With the first byte.</summary>
    AtOnce,

    /// <summary>After PostgreSQL's SSLRequest (PostgreSQL documentation, "SSL Session Encryption").</summary>
    PostgresRequest,
}

/// <summary>What a server that listens in the clear answers.</summary>
public enum PlainSpeech
{
    /// <summary>Whatever comes, if only to complain.</summary>
    Anything,

    /// <summary>A <c>hello</c> of MongoDB: who says anything else is hung up on.</summary>
    MongoHello,

    /// <summary>A handshake of Bolt: who says anything else is hung up on.</summary>
    BoltHandshake,
}
