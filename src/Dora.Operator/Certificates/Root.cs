using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Dora.Operator.Certificates;

/// <summary>The certificate of an authority: public.</summary>
/// <param name="Pem">PEM, without a line break at its end.</param>
/// <param name="Fingerprint">SHA-256 of the DER form, hexadecimal.</param>
/// <param name="Subject">Its name.</param>
/// <param name="Serial">Serial number, hexadecimal.</param>
/// <param name="NotBefore">Valid from then on.</param>
/// <param name="NotAfter">Valid until then.</param>
internal sealed record Root(string Pem, string Fingerprint, string Subject, string Serial, DateTimeOffset NotBefore, DateTimeOffset NotAfter)
{
    /// <summary>Whether it is time for another: two thirds of its life are over.</summary>
    public bool Due(DateTimeOffset now) => now >= Lifetimes.RenewAt(NotBefore, NotAfter);

    /// <summary>The facts of a certificate.</summary>
    public static Root Of(X509Certificate2 certificate) => new(
        certificate.ExportCertificatePem(),
        certificate.GetCertHashString(HashAlgorithmName.SHA256),
        certificate.Subject,
        certificate.SerialNumber,
        Lifetimes.Utc(certificate.NotBefore),
        Lifetimes.Utc(certificate.NotAfter));

    /// <summary>The authorities in a bundle; none where it cannot be read.</summary>
    public static IReadOnlyList<Root> Bundle(string? text)
    {
        using var certificates = PemText.Certificates(text);
        return certificates is null
            ? []
            : [.. certificates.All.Where(PemText.IsAuthority).Select(Of).DistinctBy(root => root.Fingerprint)];
    }

    /// <summary>Roots as the text of a bundle, the first one first.</summary>
    public static string Bundle(IEnumerable<Root> roots) => Bundle(roots.Select(root => root.Pem));

    /// <summary>PEM blocks as the text of a bundle.</summary>
    public static string Bundle(IEnumerable<string> roots) => string.Concat(roots.Select(pem => pem + "\n"));
}

/// <summary>How long certificates live, and when they are renewed.</summary>
internal static class Lifetimes
{
    /// <summary>An authority: 5 years.</summary>
    public static readonly TimeSpan Authority = TimeSpan.FromDays(5 * 365);

    /// <summary>A server's certificate: 90 days.</summary>
    public static readonly TimeSpan Server = TimeSpan.FromDays(90);

    /// <summary>Clocks differ: a certificate is valid from a little before it was made.</summary>
    public static readonly TimeSpan Skew = TimeSpan.FromMinutes(5);

    /// <summary>
    /// For so long Secrets stand as they are before anything relies on it: a kubelet brings a changed Secret to its pods within a
    /// minute or two (Kubernetes: "Mounted Secrets are updated automatically").
    /// </summary>
    public static readonly TimeSpan Spread = TimeSpan.FromMinutes(3);

    /// <summary>When two thirds of a life are over.</summary>
    public static DateTimeOffset RenewAt(DateTimeOffset from, DateTimeOffset to) => from + ((to - from) * 2 / 3);

    /// <summary>When five sixths are: half of the time that is left for renewing.</summary>
    public static DateTimeOffset LateAt(DateTimeOffset from, DateTimeOffset to) => from + ((to - from) * 5 / 6);

    /// <summary>X509Certificate2 gives local times.</summary>
    public static DateTimeOffset Utc(DateTime local) => new(local.ToUniversalTime());
}
