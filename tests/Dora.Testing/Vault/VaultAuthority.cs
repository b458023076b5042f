using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;

namespace Dora.Testing.Vault;

/// <summary>A PKI secrets engine with an authority of its own.</summary>
internal sealed class VaultAuthority(TimeProvider clock) : IVaultMount, IDisposable
{
    private readonly Dictionary<string, JsonObject> _roles = new(StringComparer.Ordinal);
    private X509Certificate2? _authority;

    public string Type => "pki";

    public bool Open(string operation, string path) => operation == "read" && path is "ca/pem" or "ca_chain";

    public void Dispose() => _authority?.Dispose();

    public VaultReply Answer(VaultCall call, string path) => (path.Split('/'), call.Operation) switch
    {
        (["root", "generate", "internal"], "create" or "update") => Found(call),
        (["roles", var role], "create" or "update") => Define(role, call),
        (["ca", "pem"] or ["ca_chain"], "read") => _authority is null ? new(204) : new(200, Pem: _authority.ExportCertificatePem()),
        (["issue" or "sign", var role], "create" or "update") when !_roles.ContainsKey(role) => VaultReply.Errors(400, $"unknown role: {role}"),
        (["issue" or "sign", _], "create" or "update") when _authority is null => VaultReply.Errors(500, "could not fetch the CA certificate (was one set?): unable to find PKI issuer: default"),
        (["issue", var role], "create" or "update") => Issue(_roles[role], call),
        (["sign", var role], "create" or "update") => Sign(_roles[role], call),
        _ => VaultReply.Nothing,
    };

    private VaultReply Found(VaultCall call)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={call.Text("common_name")}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        _authority = request.CreateSelfSigned(clock.GetUtcNow().AddMinutes(-1), clock.GetUtcNow().AddYears(10));
        return VaultReply.Data(new JsonObject { ["certificate"] = _authority.ExportCertificatePem() });
    }

    private VaultReply Define(string role, VaultCall call)
    {
        _roles[role] = call.Body.DeepClone().AsObject();
        return VaultReply.Done;
    }

    private VaultReply Issue(JsonObject role, VaultCall call)
    {
        if (Refusal(role, call) is { } refusal)
            return refusal;
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var reply = Certify(new CertificateRequest($"CN={call.Text("common_name")}", key, HashAlgorithmName.SHA256), call);
        reply["private_key"] = call.Text("private_key_format") == "pkcs8" ? key.ExportPkcs8PrivateKeyPem() : key.ExportECPrivateKeyPem();
        reply["private_key_type"] = "ec";
        return VaultReply.Data(reply);
    }

    private VaultReply Sign(JsonObject role, VaultCall call)
    {
        if (Refusal(role, call) is { } refusal)
            return refusal;
        try
        {
            return VaultReply.Data(Certify(CertificateRequest.LoadSigningRequestPem(call.Text("csr"), HashAlgorithmName.SHA256), call));
        }
        catch (Exception exception) when (exception is ArgumentException or CryptographicException)
        {
            return VaultReply.Errors(400, "certificate request could not be parsed");
        }
    }

    private static VaultReply? Refusal(JsonObject role, VaultCall call)
    {
        var allowed = role["allowed_domains"]?.AsArray().Select(domain => (string)domain!).ToList() ?? [];
        var names = call.Text("alt_names").Split(',', StringSplitOptions.RemoveEmptyEntries).Append(call.Text("common_name"));
        var refused = names.FirstOrDefault(name => (bool?)role["allow_any_name"] != true && !allowed.Exists(domain => name.EndsWith("." + domain, StringComparison.Ordinal)));
        return refused is null ? null : VaultReply.Errors(400, $"common name {refused} not allowed by this role");
    }

    private JsonObject Certify(CertificateRequest asked, VaultCall call)
    {
        var request = new CertificateRequest(new X500DistinguishedName($"CN={call.Text("common_name")}"), asked.PublicKey, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(call.Text("common_name"));
        foreach (var name in call.Text("alt_names").Split(',', StringSplitOptions.RemoveEmptyEntries))
            names.AddDnsName(name);
        foreach (var address in call.Text("ip_sans").Split(',', StringSplitOptions.RemoveEmptyEntries))
            names.AddIpAddress(IPAddress.Parse(address));
        request.CertificateExtensions.Add(names.Build());
        var ends = clock.GetUtcNow().AddSeconds(long.TryParse(call.Text("ttl").TrimEnd('s'), out var seconds) ? seconds : 3600);
        using var certificate = request.Create(_authority!, clock.GetUtcNow().AddSeconds(-30), ends, RandomNumberGenerator.GetBytes(8));
        var authority = _authority!.ExportCertificatePem();
        return new()
        {
            ["certificate"] = certificate.ExportCertificatePem(),
            ["issuing_ca"] = authority,
            ["ca_chain"] = new JsonArray(authority),
            ["serial_number"] = string.Join(':', Convert.FromHexString(certificate.SerialNumber).Select(octet => octet.ToString("x2", System.Globalization.CultureInfo.InvariantCulture))),
            ["expiration"] = ends.ToUnixTimeSeconds(),
        };
    }
}
