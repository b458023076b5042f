namespace Dora.Operator.Certificates;

/// <summary>Who signs servers' certificates; never sees their keys.</summary>
public interface ICertificateSigner
{
    /// <summary>Signs a request.</summary>
    /// <param name="request">A PKCS #10 request, PEM; only its public key counts.</param>
    /// <param name="dnsNames">Names that the certificate shall prove.</param>
    /// <param name="cancellationToken">Stops asking.</param>
    Task<SignedCertificate> SignAsync(string request, IReadOnlyList<string> dnsNames, CancellationToken cancellationToken);
}

/// <summary>What was signed.</summary>
/// <param name="Chain">The certificate and those between it and the root, PEM.</param>
/// <param name="Trust">Roots to believe it by, PEM.</param>
public sealed record SignedCertificate(string Chain, string Trust);
