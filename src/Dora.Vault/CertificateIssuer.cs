using System.Globalization;
using System.Text.Json.Nodes;

namespace Dora.Vault;

/// <summary>A PKI secrets engine (developer.hashicorp.com/vault/api-docs/secret/pki).</summary>
/// <param name="client">Whom to ask.</param>
/// <param name="mount">Where it is mounted.</param>
public sealed class CertificateIssuer(VaultClient client, string mount = "pki")
{
    /// <summary>A certificate for a key that Vault does not see.</summary>
    /// <param name="role">Role that says what may be signed.</param>
    /// <param name="request">PKCS #10 in PEM; by default Vault takes the names from it.</param>
    /// <param name="names">Names, for roles that do not take them from the request.</param>
    /// <param name="lifetime">Wanted lifetime; null: the role's. The role's limit counts.</param>
    /// <param name="cancellationToken">Stops waiting; Vault may sign all the same.</param>
    public async Task<IssuedCertificate> SignAsync(string role, string request, CertificateNames names, TimeSpan? lifetime = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(names);
        var body = new JsonObject
        {
            ["csr"] = request,
            ["common_name"] = names.CommonName,
            ["alt_names"] = string.Join(',', names.Dns ?? []),
        };
        if (lifetime is { } span)
            body["ttl"] = string.Create(CultureInfo.InvariantCulture, $"{(long)span.TotalSeconds}s");
        var signed = await client.DataAsync(VaultRequest.Post(VaultRequest.Join(mount, "sign", role), body) with { Public = true }, VaultJson.Default.CertificateBody, cancellationToken);
        return new(signed.Certificate, signed.CaChain is { Count: > 0 } chain ? chain : signed.IssuingCa is { Length: > 0 } ca ? [ca] : []);
    }
}

/// <summary>Whom a certificate is for.</summary>
/// <param name="CommonName">Common name; empty for none.</param>
/// <param name="Dns">DNS names.</param>
public sealed record CertificateNames(string CommonName, IReadOnlyList<string>? Dns = null);

/// <summary>A certificate.</summary>
/// <param name="Certificate">In PEM.</param>
/// <param name="Chain">The certificates above it, in PEM, nearest first; as many as Vault knows.</param>
public sealed record IssuedCertificate(string Certificate, IReadOnlyList<string> Chain);
