using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Dora.Operator.Stacks;
using CertificateRequest = Dora.Engines.CertificateRequest;

namespace Dora.Operator.Certificates;

/// <summary>A server's certificate as its Secret has it.</summary>
/// <param name="Subject">Its subject; may be empty.</param>
/// <param name="Names">DNS names that it proves.</param>
/// <param name="Issuer">Who signed it.</param>
/// <param name="Serial">Serial number, hexadecimal.</param>
/// <param name="NotBefore">Valid from then on.</param>
/// <param name="NotAfter">Valid until then.</param>
/// <param name="KeyFits">Whether the Secret holds its key.</param>
/// <param name="Root">The authority in the same Secret that it leads up to, or null.</param>
internal sealed record Leaf(
    string Subject,
    IReadOnlyList<string> Names,
    string Issuer,
    string Serial,
    DateTimeOffset NotBefore,
    DateTimeOffset NotAfter,
    bool KeyFits,
    Root? Root)
{
    // A Secret is looked at in every pass and changes once in months: what was found stays with the reading.
    private static readonly ConditionalWeakTable<SecretReading.Found, Holder> Known = [];

    /// <summary>Whether it is time for another.</summary>
    public bool Due(DateTimeOffset now) => now >= Lifetimes.RenewAt(NotBefore, NotAfter);

    /// <summary>Whether servers may show it: its key is there, its time is not over, and somebody is told to believe it.</summary>
    public bool Serves(DateTimeOffset now) => KeyFits && now < NotAfter && Root is not null && now < Root.NotAfter;

    /// <summary>The certificate in a Secret, or null where there is none that can be read.</summary>
    public static Leaf? Of(SecretReading.Found secret) => Known.GetValue(secret, static found => new(Read(found.Fields))).Leaf;

    private static Leaf? Read(IReadOnlyDictionary<string, string> fields)
    {
        using var chain = PemText.Certificates(fields.GetValueOrDefault(CertificateRequest.Chain));
        if (chain is null)
            return null;
        try
        {
            var leaf = chain.All[0];
            return new(
                leaf.Subject,
                [.. leaf.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(extension => extension.EnumerateDnsNames())],
                leaf.Issuer,
                leaf.SerialNumber,
                Lifetimes.Utc(leaf.NotBefore),
                Lifetimes.Utc(leaf.NotAfter),
                PemText.Fits(leaf, fields.GetValueOrDefault(CertificateRequest.Key)),
                FindRoot(chain, fields.GetValueOrDefault(CertificateRequest.Trust)));
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static Root? FindRoot(CertificateList certificates, string? bundle)
    {
        using var roots = PemText.Certificates(bundle);
        if (roots is null)
            return null;
        using var chain = new X509Chain();
        // Times are judged by the operator's own clock, apart from this.
        chain.ChainPolicy.VerificationFlags = X509VerificationFlags.IgnoreNotTimeValid;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(roots.All.Where(PemText.IsAuthority).ToArray());
        chain.ChainPolicy.ExtraStore.AddRange(certificates.All.Skip(1).ToArray());
        var trusted = chain.Build(certificates.All[0]);
        var root = trusted ? Root.Of(chain.ChainElements[^1].Certificate) : null;
        foreach (var element in chain.ChainElements)
            element.Certificate.Dispose();
        return root;
    }

    private sealed record Holder(Leaf? Leaf);
}
