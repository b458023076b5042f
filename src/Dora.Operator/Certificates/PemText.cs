using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Dora.Operator.Certificates;

/// <summary>
/// Certificates in text that anybody with access to the namespace may have written: bounded, and never an exception for what is
/// no certificate.
/// </summary>
internal static class PemText
{
    /// <summary>Longest text that is looked at (characters); a chain of ours has about a thousand.</summary>
    public const int Longest = 64 * 1024;

    /// <summary>Certificates in one text at most.</summary>
    public const int Most = 16;

    /// <summary>The certificates in a text, or null where it holds none, too many, or something else.</summary>
    public static CertificateList? Certificates(string? text)
    {
        if (string.IsNullOrEmpty(text) || text.Length > Longest)
            return null;
        var found = new List<X509Certificate2>();
        try
        {
            var rest = text.AsSpan();
            while (PemEncoding.TryFind(rest, out var fields))
            {
                if (found.Count == Most || !rest[fields.Label].SequenceEqual("CERTIFICATE"))
                    throw new CryptographicException("not a list of certificates");
                found.Add(X509CertificateLoader.LoadCertificate(Convert.FromBase64String(rest[fields.Base64Data].ToString())));
                rest = rest[fields.Location.End..];
            }

            if (found.Count > 0)
                return new(found);
        }
        catch (Exception exception) when (exception is CryptographicException or FormatException)
        {
            // It is reported as what it is: nothing to use.
        }

        foreach (var certificate in found)
            certificate.Dispose();
        return null;
    }

    /// <summary>Whether a certificate may sign others (RFC 5280, basicConstraints).</summary>
    public static bool IsAuthority(X509Certificate2 certificate)
    {
        try
        {
            return certificate.Extensions.OfType<X509BasicConstraintsExtension>().Any(extension => extension.CertificateAuthority);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    /// <summary>Whether a private key, PEM, is that of a certificate.</summary>
    public static bool Fits(X509Certificate2 certificate, string? key)
    {
        if (string.IsNullOrEmpty(key) || key.Length > Longest)
            return false;
        try
        {
            using var pair = X509Certificate2.CreateFromPem(certificate.ExportCertificatePem(), key);
            return pair.HasPrivateKey;
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException)
        {
            return false;
        }
    }
}

/// <summary>Certificates that were read, in their order.</summary>
internal sealed record CertificateList(IReadOnlyList<X509Certificate2> All) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var certificate in All)
            certificate.Dispose();
    }
}
