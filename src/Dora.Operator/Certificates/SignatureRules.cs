using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Dora.Operator.Stacks;
using Dora.Vault;
using CertificateRequest = Dora.Engines.CertificateRequest;

namespace Dora.Operator.Certificates;

/// <summary>Whether what Vault signed may be shown by servers. Nothing else is ever written. Pure.</summary>
internal static class SignatureRules
{
    private const int SmallestRsa = 2048;
    private const int SmallestCurve = 256;
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    /// <summary>
    /// One that is due sooner is refused: a change of roots waits twice for <see cref="Lifetimes.Spread"/>, and a Vault that is
    /// away for a few minutes must be no outage.
    /// </summary>
    public static readonly TimeSpan Least = TimeSpan.FromMinutes(30);

    /// <summary>The Secret that an answer would make; null where it holds no certificate.</summary>
    public static SecretReading.Found? Content(IssuedCertificate issued, string key)
    {
        ArgumentNullException.ThrowIfNull(issued);
        using var all = PemText.Certificates(string.Join('\n', issued.Chain.Prepend(issued.Certificate)));
        if (all is null)
            return null;
        var above = all.All.Skip(1).ToLookup(IsRoot, certificate => certificate.ExportCertificatePem());
        return new(
            new Dictionary<string, string>
            {
                [CertificateRequest.Chain] = Root.Bundle(above[false].Prepend(all.All[0].ExportCertificatePem()).Distinct()),
                [CertificateRequest.Key] = key,
                [CertificateRequest.Trust] = Root.Bundle(above[true].Distinct()),
            },
            Owned: true);
    }

    /// <summary>What is wrong with it and the fix, or null.</summary>
    /// <param name="content">As from <see cref="Content"/>.</param>
    /// <param name="names">Names that were asked.</param>
    /// <param name="role">Path of the role, for people.</param>
    /// <param name="now">The time.</param>
    public static string? Flaw(SecretReading.Found content, IReadOnlyList<string> names, string role, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(content);
        ArgumentNullException.ThrowIfNull(names);
        if (Leaf.Of(content) is not { } leaf)
            return $"what {role} signed is no certificate that can be read";
        if (!leaf.KeyFits)
            return $"what {role} signed is for another key than the operator's";
        if (names.Except(leaf.Names, StringComparer.OrdinalIgnoreCase).FirstOrDefault() is { } missing)
            return $"{role} leaves out the name {missing}: allow it, with use_csr_sans=true";
        if (leaf.Names.Except(names, StringComparer.OrdinalIgnoreCase).FirstOrDefault() is { } more)
            return $"{role} adds the name {more}, which nobody asked for";
        if (leaf.Root is not { } root)
            return $"what {role} signed leads up to no root: import the certificate of its root into Vault, so that ca_chain holds it";
        if (leaf.NotBefore > now)
            return $"what {role} signed is not valid yet: set the clocks of Vault and of the operator's node right";
        if (leaf.NotAfter <= now || root.NotAfter <= now)
            return $"what {role} signed has expired already: renew the authority in Vault, and set the clocks of Vault and of the operator's node right";
        return leaf.Due(now + Least)
            ? $"what {role} signed is due for renewal within half an hour: raise its max_ttl, or that of the authority, to a day or more"
            : Flaw(content, role);
    }

    // What no clock changes.
    private static string? Flaw(SecretReading.Found content, string role)
    {
        using var chain = PemText.Certificates(content.Fields[CertificateRequest.Chain] + content.Fields[CertificateRequest.Trust])!;
        if (chain.All.Any(IsWeak))
            return $"the authority behind {role} has a key that is too small: RSA needs {SmallestRsa} bits, elliptic curves {SmallestCurve}";
        var usages = chain.All[0].Extensions.OfType<X509EnhancedKeyUsageExtension>().SelectMany(extension => extension.EnhancedKeyUsages.Cast<Oid>()).Select(usage => usage.Value).ToList();
        // Members speak to each other, each in turn as client and as server.
        return usages.Count > 0 && !(usages.Contains(ServerAuthentication) && usages.Contains(ClientAuthentication))
            ? $"{role} does not let its certificates be used by servers and clients alike: set server_flag and client_flag to true"
            : null;
    }

    private static bool IsRoot(X509Certificate2 certificate) => certificate.SubjectName.RawData.AsSpan().SequenceEqual(certificate.IssuerName.RawData);

    private static bool IsWeak(X509Certificate2 certificate)
    {
        using var rsa = certificate.GetRSAPublicKey();
        using var curve = certificate.GetECDsaPublicKey();
        return rsa?.KeySize < SmallestRsa || curve?.KeySize < SmallestCurve;
    }
}
