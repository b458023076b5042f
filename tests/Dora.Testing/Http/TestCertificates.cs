using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Dora.Testing.Http;

/// <summary>A certificate authority made for one test.</summary>
public sealed class TestCertificates : IDisposable
{
    private static readonly DateTimeOffset _from = new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset _to = new(2099, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly X509Certificate2 _authority;

    /// <summary>A fresh authority.</summary>
    public TestCertificates(string name = "test-ca")
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        _authority = request.CreateSelfSigned(_from, _to);
    }

    /// <summary>What a client needs to trust.</summary>
    public string AuthorityPem => _authority.ExportCertificatePem();

    /// <summary>A certificate for a server with this DNS name, and for the loopback address if wanted.</summary>
    public X509Certificate2 Server(string name = "localhost", bool loopback = true) => Issue($"CN={name}", ["1.3.6.1.5.5.7.3.1"], names =>
    {
        names.AddDnsName(name);
        if (loopback)
            names.AddIpAddress(IPAddress.Loopback);
    });

    /// <summary>What the Secret of a server's certificate holds: certificate, key and authority, PEM; members also log in to each other with it.</summary>
    public IReadOnlyDictionary<string, string> ServerFiles(IReadOnlyList<string> names)
    {
        ArgumentNullException.ThrowIfNull(names);
        using var certificate = Issue($"CN={names.FirstOrDefault(name => name.Length <= 64) ?? "server"}", ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"], alternatives =>
        {
            foreach (var name in names)
                alternatives.AddDnsName(name);
        });
        using var key = certificate.GetECDsaPrivateKey()!;
        return new Dictionary<string, string> { ["tls.crt"] = certificate.ExportCertificatePem(), ["tls.key"] = key.ExportPkcs8PrivateKeyPem(), ["ca.crt"] = AuthorityPem };
    }

    /// <summary>Certificate and key of a client, as PEM.</summary>
    public (string Certificate, string Key) Client(string user)
    {
        using var certificate = Issue($"CN={user}", ["1.3.6.1.5.5.7.3.2"], names => names.AddDnsName("client"));
        using var key = certificate.GetECDsaPrivateKey()!;
        return (certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }

    /// <inheritdoc/>
    public void Dispose() => _authority.Dispose();

    private X509Certificate2 Issue(string subject, IReadOnlyList<string> usages, Action<SubjectAlternativeNameBuilder> name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        name(names);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([.. usages.Select(usage => new Oid(usage))], false));
        using var certificate = request.Create(_authority, _from, _to, RandomNumberGenerator.GetBytes(8));
        return certificate.CopyWithPrivateKey(key);
    }
}
