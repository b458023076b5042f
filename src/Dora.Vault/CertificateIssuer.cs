using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace Dora.Vault;

/// <summary>A PKI secrets engine (developer.hashicorp.com/vault/api-docs/secret/pki).</summary>
/// <param name="client">Whom to ask.</param>
/// <param name="mount">Where it is mounted.</param>
public sealed class CertificateIssuer(VaultClient client, string mount = "pki")
{
    /// <summary>A new key with its certificate. The key is PKCS #8 in PEM, and in memory only.</summary>
    public async Task<IssuedCertificate> IssueAsync(string role, CertificateNames names, TimeSpan? lifetime = null, CancellationToken cancellationToken = default)
    {
        var body = Body(names, lifetime);
        body["private_key_format"] = "pkcs8";
        var request = VaultRequest.Post(VaultRequest.Join(mount, "issue", role), body);
        var answer = await client.SendAsync(request, cancellationToken);
        var issued = VaultRefusal.Data(request, answer, VaultJson.Default.CertificateBody);
        return issued.PrivateKey is { Length: > 0 } ? Certificate(issued) : throw VaultRefusal.Invalid(request, answer, "it has no private key");
    }

    /// <summary>A certificate for a key that Vault does not see.</summary>
    /// <param name="role">Role that says what may be signed.</param>
    /// <param name="request">PKCS #10 in PEM.</param>
    /// <param name="names">Names; they must be those of the request where the role says so.</param>
    /// <param name="lifetime">Wanted lifetime; null: the role's.</param>
    /// <param name="cancellationToken">Stops waiting; Vault may sign all the same.</param>
    public async Task<IssuedCertificate> SignAsync(string role, string request, CertificateNames names, TimeSpan? lifetime = null, CancellationToken cancellationToken = default)
    {
        var body = Body(names, lifetime);
        body["csr"] = request;
        return Certificate(await client.DataAsync(VaultRequest.Post(VaultRequest.Join(mount, "sign", role), body) with { Public = true }, VaultJson.Default.CertificateBody, cancellationToken));
    }

    /// <summary>The authority's certificate and those above it, in PEM; no login is needed.</summary>
    /// <exception cref="VaultNotFoundException">The engine has no authority yet.</exception>
    public async Task<string> AuthorityAsync(CancellationToken cancellationToken = default)
    {
        foreach (var path in (string[])["ca_chain", "ca/pem"])
        {
            var request = VaultRequest.Get(VaultRequest.Join(mount, path)) with { Anonymous = true };
            var answer = await client.SendAsync(request, cancellationToken);
            if (answer.Body.Length == 0)
                continue;
            var pem = Encoding.UTF8.GetString(answer.Body);
            return pem.Contains("-----BEGIN CERTIFICATE-----", StringComparison.Ordinal) ? pem : throw VaultRefusal.Invalid(request, answer, "it is no PEM");
        }

        throw new VaultNotFoundException($"{mount} has no authority yet: make or import one there");
    }

    private static JsonObject Body(CertificateNames names, TimeSpan? lifetime)
    {
        ArgumentNullException.ThrowIfNull(names);
        var body = new JsonObject
        {
            ["common_name"] = names.CommonName,
            ["alt_names"] = string.Join(',', names.Dns ?? []),
            ["ip_sans"] = string.Join(',', names.Addresses ?? []),
        };
        if (lifetime is { } span)
            body["ttl"] = string.Create(CultureInfo.InvariantCulture, $"{(long)span.TotalSeconds}s");
        return body;
    }

    private static IssuedCertificate Certificate(CertificateBody body) => new(
        body.Certificate,
        body.CaChain is { Count: > 0 } chain ? chain : body.IssuingCa is { Length: > 0 } ca ? [ca] : [],
        body.SerialNumber,
        body.Expiration > 0 ? DateTimeOffset.FromUnixTimeSeconds(body.Expiration) : null,
        body.PrivateKey);
}

/// <summary>Whom a certificate is for.</summary>
/// <param name="CommonName">Common name.</param>
/// <param name="Dns">DNS names.</param>
/// <param name="Addresses">IP addresses.</param>
public sealed record CertificateNames(string CommonName, IReadOnlyList<string>? Dns = null, IReadOnlyList<string>? Addresses = null);

/// <summary>A certificate.</summary>
/// <param name="Certificate">In PEM.</param>
/// <param name="Chain">The certificates above it, in PEM, nearest first.</param>
/// <param name="Serial">Serial number as Vault writes it.</param>
/// <param name="Expires">When it ends, as far as Vault says.</param>
/// <param name="PrivateKey">Its key in PEM where Vault made it, else null. In memory only.</param>
public sealed record IssuedCertificate(string Certificate, IReadOnlyList<string> Chain, string Serial, DateTimeOffset? Expires, string? PrivateKey = null)
{
    /// <inheritdoc/>
    public override string ToString() => Serial;
}
