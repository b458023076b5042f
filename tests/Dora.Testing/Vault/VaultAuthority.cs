using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;

namespace Dora.Testing.Vault;

/// <summary>A PKI secrets engine with authorities of its own; one of them is its default issuer.</summary>
internal sealed class VaultAuthority(TimeProvider clock) : IVaultMount, IDisposable
{
    // builtin/logical/pki: default of not_before_duration.
    private static readonly TimeSpan Backdated = TimeSpan.FromSeconds(30);

    private readonly Dictionary<string, VaultPkiRole> _roles = new(StringComparer.Ordinal);
    private readonly List<Issuer> _issuers = [];
    private ECDsa? _pending;
    private int _default;

    public string Type => "pki";

    private Issuer? Default => _default < _issuers.Count ? _issuers[_default] : null;

    public bool Open(string operation, string path) => operation == "read" && path is "ca/pem" or "ca_chain";

    public void Dispose()
    {
        _pending?.Dispose();
        foreach (var issuer in _issuers)
            issuer.Certificate.Dispose();
    }

    public VaultReply Answer(VaultCall call, string path) => (path.Split('/'), call.Operation) switch
    {
        (["root", "generate" or "rotate", "internal"], "create" or "update") => Found(call),
        (["root", "replace"], "create" or "update") => Replace(call),
        (["intermediate", "generate", "internal"], "create" or "update") => AskForIntermediate(call),
        (["intermediate", "set-signed"], "create" or "update") => SetSigned(call),
        (["roles", var role], "create" or "update") => Define(role, call),
        (["ca", "pem"] or ["ca_chain"], "read") => Default is { } issuer ? new(200, Pem: path == "ca/pem" ? issuer.Chain[0] : string.Join('\n', issuer.Chain)) : new(204),
        (["sign", var role], "create" or "update") when !_roles.ContainsKey(role) => VaultReply.Errors(400, $"unknown role: {role}"),
        (["sign", _], "create" or "update") when Default is null => VaultReply.Errors(500, "could not fetch the CA certificate (was one set?): unable to find PKI issuer: default"),
        (["sign", var role], "create" or "update") => Sign(_roles[role], call),
        _ => VaultReply.Nothing,
    };

    // A mount that has a default keeps it (default_follows_latest_issuer is false).
    private VaultReply Found(VaultCall call)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={call.Text("common_name")}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        var ends = clock.GetUtcNow() + VaultPkiRole.Duration(call.Body["ttl"], TimeSpan.FromDays(3650));
        var certificate = request.CreateSelfSigned(clock.GetUtcNow() - Backdated, ends);
        return Added(new(certificate, [certificate.ExportCertificatePem()]));
    }

    private VaultReply Replace(VaultCall call)
    {
        if (!int.TryParse(call.Text("default"), out var number) || number < 0 || number >= _issuers.Count)
            return VaultReply.Errors(400, $"unable to find PKI issuer for reference: {call.Text("default")}");
        _default = number;
        return VaultReply.Data(new JsonObject { ["default"] = call.Text("default") });
    }

    private VaultReply AskForIntermediate(VaultCall call)
    {
        _pending?.Dispose();
        _pending = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return VaultReply.Data(new JsonObject { ["csr"] = new CertificateRequest($"CN={call.Text("common_name")}", _pending, HashAlgorithmName.SHA256).CreateSigningRequestPem() });
    }

    // The bundle may hold those above it too; what it does not hold, Vault does not know.
    private VaultReply SetSigned(VaultCall call)
    {
        var bundle = new X509Certificate2Collection();
        bundle.ImportFromPem(call.Text("certificate"));
        if (_pending is null || bundle.Count == 0)
            return VaultReply.Errors(400, "no private key for this certificate");
        var added = Added(new(bundle[0].CopyWithPrivateKey(_pending), [.. bundle.Select(certificate => certificate.ExportCertificatePem())]));
        foreach (var certificate in bundle)
            certificate.Dispose();
        return added;
    }

    private VaultReply Added(Issuer issuer)
    {
        _issuers.Add(issuer);
        return VaultReply.Data(new JsonObject { ["certificate"] = issuer.Chain[0], ["issuer_id"] = $"{_issuers.Count - 1}" });
    }

    private VaultReply Define(string role, VaultCall call)
    {
        _roles[role] = new(call.Body.DeepClone().AsObject());
        return VaultReply.Done;
    }

    private VaultReply Sign(VaultPkiRole role, VaultCall call)
    {
        CertificateRequest asked;
        try
        {
            asked = CertificateRequest.LoadSigningRequestPem(call.Text("csr"), HashAlgorithmName.SHA256, CertificateRequestLoadOptions.UnsafeLoadCertificateExtensions);
        }
        catch (Exception exception) when (exception is ArgumentException or CryptographicException)
        {
            return VaultReply.Errors(400, "certificate request could not be parsed");
        }

        using var curve = asked.PublicKey.GetECDsaPublicKey();
        return role.RefusesKey(curve is not null) is { } refusal ? VaultReply.Errors(400, refusal) : Certify(role, VaultPkiNames.Of(role, asked, call), asked.PublicKey, call);
    }

    private VaultReply Certify(VaultPkiRole role, VaultPkiNames names, PublicKey key, VaultCall call)
    {
        if (role.Refuses(names) is { } refusal)
            return VaultReply.Errors(400, refusal);
        var (issuer, now) = (Default!, clock.GetUtcNow());
        var ends = now + role.Lifetime(call);
        var last = new DateTimeOffset(issuer.Certificate.NotAfter.ToUniversalTime());
        if (ends > last)
            return VaultReply.Errors(400, $"cannot satisfy request, as TTL would result in notAfter of {ends:O} that is beyond the expiration of the CA certificate at {last:O}");
        var request = new CertificateRequest(new X500DistinguishedName(names.Common.Length == 0 ? "" : $"CN={names.Common}"), key, HashAlgorithmName.SHA256);
        foreach (var extension in role.Extensions(names))
            request.CertificateExtensions.Add(extension);
        using var certificate = request.Create(issuer.Certificate.SubjectName, X509SignatureGenerator.CreateForECDsa(issuer.Certificate.GetECDsaPrivateKey()!), now - Backdated, ends, RandomNumberGenerator.GetBytes(8));
        return VaultReply.Data(new JsonObject
        {
            ["certificate"] = certificate.ExportCertificatePem(),
            ["issuing_ca"] = issuer.Chain[0],
            ["ca_chain"] = new JsonArray([.. issuer.Chain.Select(pem => (JsonNode)pem)]),
            ["serial_number"] = string.Join(':', Convert.FromHexString(certificate.SerialNumber).Select(octet => octet.ToString("x2", System.Globalization.CultureInfo.InvariantCulture))),
            ["expiration"] = ends.ToUnixTimeSeconds(),
        });
    }

    private sealed record Issuer(X509Certificate2 Certificate, IReadOnlyList<string> Chain);
}
