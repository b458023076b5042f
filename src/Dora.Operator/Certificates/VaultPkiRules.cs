using Dora.Api;
using Dora.Operator.Credentials;

namespace Dora.Operator.Certificates;

/// <summary>What in <c>spec.tls.vault</c> cannot be done; CEL says most of it too.</summary>
internal static class VaultPkiRules
{
    private const string At = "spec.tls.vault";

    /// <summary>The rules.</summary>
    public static IEnumerable<Violation> Check(ComplianceStackSpec spec)
    {
        // That it belongs to issuer Vault is said beside the issuer's other settings.
        if (spec.Tls is not { Issuer: TlsIssuer.Vault, Vault: { } pki })
            yield break;
        if (pki.Connection(spec.Credentials) is not { } connection)
            yield return new($"{At}.address", "is missing, and spec.credentials.vault names no Vault", "give the address of the Vault that signs");
        else if (pki.Address is not null)
        {
            foreach (var violation in VaultRules.Check(At, connection))
                yield return violation;
        }
        else if (new[] { ("namespace", pki.Namespace), ("role", pki.Role), ("authMount", pki.AuthMount), ("caSecret", pki.CaSecret), ("caConfigMap", pki.CaConfigMap) }.FirstOrDefault(field => field.Item2 is not null) is ({ } field, _))
            yield return new($"{At}.{field}", "belongs to address, which is absent", "give address too, or take it away: the Vault of spec.credentials.vault is used as it is given there");
        if (pki.PkiRole.Length == 0 || pki.PkiRole is "." or ".." || pki.PkiRole.Contains('/', StringComparison.Ordinal))
            yield return new($"{At}.pkiRole", $"'{pki.PkiRole}' names no role", "give the name of a role of the PKI secrets engine");
        foreach (var violation in VaultRules.CheckPath($"{At}.mount", pki.Mount))
            yield return violation;
    }
}
