using Dora.Api;
using Dora.Engines;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Certificates;

/// <summary>Certificates from cert-manager: it is told what shall be in which Secret, and writes and renews that. Pure.</summary>
internal static class CertManagerPlan
{
    private const int LongestCommonName = 64;

    private static readonly Violation NotServed = new(
        "spec.tls.issuer",
        $"the API server serves no {KubeTypes.Certificates.Resource}",
        "install cert-manager 1.15 or later, or choose issuer Operator",
        "IssuerUnavailable");

    /// <summary>The plan.</summary>
    public static CertificatePlan Of(StackContext stack, IReadOnlyList<ServerCertificate> certificates, StackObservation observed)
    {
        // Without issuerRef the stack itself is refused.
        if (!observed.CertManager || stack.Tls?.IssuerRef is not { } issuer)
            return new(stack.Name, [], CertificateProblem.ForAll(certificates, observed.CertManager ? null : NotServed), [], certificates, null);
        var problems = CertificateProblem.OfSecrets(certificates, certificate => CertificateSecrets.IsOf(stack, certificate.Found!));
        var objects = certificates
            .Where(certificate => certificate.Found is not { } found || CertificateSecrets.IsOf(stack, found))
            .Select(certificate => Render(stack, certificate, issuer));
        var roots = certificates
            .Select(certificate => certificate.Found)
            .OfType<SecretReading.Found>()
            .SelectMany(found => Root.Bundle(found.Fields.GetValueOrDefault(CertificateRequest.Trust)))
            .DistinctBy(root => root.Fingerprint)
            .ToList();
        return new(stack.Name, [], problems, [.. objects, .. roots.Count == 0 ? [] : new[] { TrustMap.Of(stack, Root.Bundle(roots)) }], certificates, null);
    }

    /// <summary>What cert-manager says of a certificate that it has not made yet, or null.</summary>
    public static string? Waiting(ServerCertificate certificate, StackObservation observed) =>
        observed.Live.GetValueOrDefault(new(KubeTypes.Certificates.Resource, certificate.Name))?.Object is Certificate { Status: var status }
        && status?.Conditions.Find("Ready") is var ready && ready?.Status != Conditions.True
            ? ready?.Message is { Length: > 0 } message ? message : "it has not looked at the Certificate yet"
            : null;

    private static Manifest Render(StackContext stack, ServerCertificate certificate, CertManagerIssuer issuer)
    {
        var meta = new EngineNames(stack, certificate.Engines[0]).Meta(certificate.Name);
        return Manifest.Of(KubeTypes.Certificates, new(meta, new(
            certificate.Name,
            new(issuer.Name, issuer.Kind, issuer.Group),
            certificate.Request.DnsNames.FirstOrDefault(name => name.Length <= LongestCommonName),
            certificate.Request.DnsNames,
            Duration: "2160h",
            RenewBefore: "720h",
            Usages: ["digital signature", "server auth", "client auth"],
            PrivateKey: new("ECDSA", 256, "PKCS8", "Always"),
            SecretTemplate: new(meta.Labels),
            AdditionalOutputFormats: certificate.Request.NeedsCombined ? [new("CombinedPEM")] : null)));
    }
}
