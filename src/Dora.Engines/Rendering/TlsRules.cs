using Dora.Api;

namespace Dora.Engines.Rendering;

/// <summary>What in <see cref="TlsSettings"/> cannot be done: the rules of the CRD said again for API servers that do not know CEL.</summary>
public static class TlsRules
{
    /// <summary>Rules of <c>spec.tls</c>.</summary>
    public static IEnumerable<Violation> Check(TlsSettings? tls)
    {
        if (tls is null)
            yield break;
        if ((tls.Issuer == TlsIssuer.CertManager) != (tls.IssuerRef is not null))
            yield return new("spec.tls.issuerRef", "belongs to issuer CertManager, which needs it", "give both, or neither");
        if ((tls.Issuer == TlsIssuer.Vault) != (tls.Vault is not null))
            yield return new("spec.tls.vault", "belongs to issuer Vault, which needs it", "give both, or neither");
    }
}
