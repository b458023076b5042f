using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using X509Request = System.Security.Cryptography.X509Certificates.CertificateRequest;

namespace Dora.Operator.Certificates;

/// <summary>A stack's own authority.</summary>
/// <param name="certificate">Its certificate, PEM.</param>
/// <param name="key">Its private key, PEM.</param>
/// <param name="clock">Time.</param>
internal sealed class AuthoritySigner(string certificate, string key, TimeProvider clock)
{
    // RFC 5280, 4.1.2.2: at most 20 octets, positive.
    private const int SerialLength = 16;

    // RFC 5280, appendix A: ub-common-name.
    private const int LongestCommonName = 64;

    /// <summary>A new authority, as certificate and key (PKCS #8), both PEM.</summary>
    public static (string Certificate, string Key) Make(string stack, string ns, int generation, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var name = new X500DistinguishedNameBuilder();
        name.AddOrganizationName(ns);
        name.AddCommonName(string.Create(CultureInfo.InvariantCulture, $"{stack} authority {generation}"));
        var request = new X509Request(name.Build(), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        using var certificate = request.Create(request.SubjectName, X509SignatureGenerator.CreateForECDsa(key), now - Lifetimes.Skew, now + Lifetimes.Authority, Serial());
        return (certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }

    /// <summary>A key for a server (PKCS #8) and the request to sign for it, both PEM.</summary>
    public static (string Key, string Request) Ask(IReadOnlyList<string> dnsNames)
    {
        ArgumentNullException.ThrowIfNull(dnsNames);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new X509Request(Subject(dnsNames), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(Names(dnsNames));
        return (key.ExportPkcs8PrivateKeyPem(), request.CreateSigningRequestPem());
    }

    /// <summary>The name that becomes the subject's common name, or null where each is too long for that.</summary>
    public static string? CommonName(IReadOnlyList<string> dnsNames) => dnsNames.FirstOrDefault(name => name.Length <= LongestCommonName);

    /// <summary>The certificate, PEM, for the public key of a request.</summary>
    public string Sign(string request, IReadOnlyList<string> dnsNames)
    {
        ArgumentNullException.ThrowIfNull(dnsNames);
        var asked = X509Request.LoadSigningRequestPem(request, HashAlgorithmName.SHA256);
        using var authority = X509Certificate2.CreateFromPem(certificate, key);
        var signed = new X509Request(Subject(dnsNames), asked.PublicKey, HashAlgorithmName.SHA256);
        foreach (var extension in Extensions(dnsNames, signed, authority))
            signed.CertificateExtensions.Add(extension);
        var now = clock.GetUtcNow();
        var (from, to) = (now - Lifetimes.Skew, now + Lifetimes.Server);
        // Nothing outlives who signed it.
        var (first, last) = (Lifetimes.Utc(authority.NotBefore), Lifetimes.Utc(authority.NotAfter));
        using var leaf = signed.Create(authority, from < first ? first : from, to > last ? last : to, Serial());
        return leaf.ExportCertificatePem() + "\n";
    }

    private static X500DistinguishedName Subject(IReadOnlyList<string> dnsNames)
    {
        var name = new X500DistinguishedNameBuilder();
        if (CommonName(dnsNames) is { } common)
            name.AddCommonName(common);
        return name.Build();
    }

    // Members speak to each other, each in turn as client and as server.
    private static IEnumerable<X509Extension> Extensions(IReadOnlyList<string> dnsNames, X509Request request, X509Certificate2 authority)
    {
        yield return new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, pathLengthConstraint: 0, critical: true);
        yield return new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true);
        yield return new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.1"), new("1.3.6.1.5.5.7.3.2")], critical: false);
        yield return Names(dnsNames);
        yield return new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false);
        yield return X509AuthorityKeyIdentifierExtension.CreateFromCertificate(authority, includeKeyIdentifier: true, includeIssuerAndSerial: false);
    }

    private static X509Extension Names(IReadOnlyList<string> dnsNames)
    {
        var names = new SubjectAlternativeNameBuilder();
        foreach (var name in dnsNames)
            names.AddDnsName(name);
        // RFC 5280, 4.2.1.6: critical where the subject is empty.
        return names.Build(critical: CommonName(dnsNames) is null);
    }

    private static byte[] Serial()
    {
        var serial = RandomNumberGenerator.GetBytes(SerialLength);
        // Positive, and no octet of it a leading zero.
        serial[0] = (byte)((serial[0] & 0x3F) | 0x40);
        return serial;
    }
}
