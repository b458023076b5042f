using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Dora.Testing.Vault;

/// <summary>A role of a PKI secrets engine, with the defaults that Vault documents (api-docs/secret/pki, "Create/update role").</summary>
internal sealed record VaultPkiRole(JsonObject Fields)
{
    // max_lease_ttl of a mount that nobody tuned.
    private static readonly TimeSpan LongestOfMount = TimeSpan.FromHours(768);

    public bool CommonNameOfRequest => Flag("use_csr_common_name", true);

    public bool NamesOfRequest => Flag("use_csr_sans", true);

    /// <summary>A duration as Vault reads it: seconds, or a number with a unit.</summary>
    public static TimeSpan Duration(JsonNode? value, TimeSpan otherwise)
    {
        var text = value?.ToString() ?? "";
        if (text.Length == 0)
            return otherwise;
        var number = double.Parse(text.TrimEnd('s', 'm', 'h', 'd'), CultureInfo.InvariantCulture);
        return text[^1] switch
        {
            'm' => TimeSpan.FromMinutes(number),
            'h' => TimeSpan.FromHours(number),
            'd' => TimeSpan.FromDays(number),
            _ => TimeSpan.FromSeconds(number),
        };
    }

    /// <summary>Why a key may not be signed; the default of key_type is rsa.</summary>
    public string? RefusesKey(bool curve)
    {
        var type = (string?)Fields["key_type"] ?? "rsa";
        return type == "any" || curve == (type == "ec") ? null : $"role requires keys of type {type}";
    }

    /// <summary>Why names may not be signed, in Vault's words.</summary>
    public string? Refuses(VaultPkiNames names)
    {
        if (names.Common.Length == 0)
            return Flag("require_cn", true) ? "the common_name field is required, or must be provided in a CSR with \"use_csr_common_name\" set to true, unless \"require_cn\" is set to false" : Refused(names.Dns);
        return Allows(names.Common) ? Refused(names.Dns) : $"common name {names.Common} not allowed by this role";
    }

    /// <summary>What it grants of what was asked.</summary>
    public TimeSpan Lifetime(VaultCall call)
    {
        var longest = Duration(Fields["max_ttl"], LongestOfMount);
        var asked = Duration(call.Body["ttl"], Duration(Fields["ttl"], longest));
        return asked < longest ? asked : longest;
    }

    public IEnumerable<X509Extension> Extensions(VaultPkiNames names)
    {
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (var name in names.Dns.Prepend(names.Common).Where(name => name.Length > 0).Distinct())
            alternatives.AddDnsName(name);
        foreach (var address in names.Addresses)
            alternatives.AddIpAddress(IPAddress.Parse(address));
        yield return alternatives.Build();
        var usages = new OidCollection();
        if (Flag("server_flag", true))
            usages.Add(new("1.3.6.1.5.5.7.3.1"));
        if (Flag("client_flag", true))
            usages.Add(new("1.3.6.1.5.5.7.3.2"));
        yield return new X509EnhancedKeyUsageExtension(usages, critical: false);
        yield return new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyAgreement | X509KeyUsageFlags.KeyEncipherment, critical: true);
    }

    private string? Refused(IEnumerable<string> names) =>
        names.FirstOrDefault(name => !Allows(name)) is { } refused ? $"subject alternate name {refused} not allowed by this role" : null;

    private bool Allows(string name)
    {
        var wildcard = name.StartsWith("*.", StringComparison.Ordinal);
        if (wildcard && !Flag("allow_wildcard_certificates", true))
            return false;
        if (Flag("allow_any_name", false) || (name is "localhost" or "localdomain" && Flag("allow_localhost", true)))
            return true;
        return Fields["allowed_domains"] is { } domains && (domains is JsonArray list ? list.Select(domain => (string)domain!) : ((string)domains!).Split(',')).Any(domain =>
            (name == domain && Flag("allow_bare_domains", false))
            || (Flag("allow_subdomains", false) && name.EndsWith("." + domain, StringComparison.Ordinal))
            || (Flag("allow_glob_domains", false) && domain.Contains('*', StringComparison.Ordinal) && Regex.IsMatch(name, "^" + Regex.Escape(domain).Replace("\\*", ".*", StringComparison.Ordinal) + "$", RegexOptions.None, TimeSpan.FromSeconds(1))));
    }

    private bool Flag(string name, bool otherwise) => (bool?)Fields[name] ?? otherwise;
}

/// <summary>Names of a certificate to be.</summary>
internal sealed record VaultPkiNames(string Common, IReadOnlyList<string> Dns, IReadOnlyList<string> Addresses)
{
    /// <summary>Names of a request to sign: its own, or those beside it, as the role says.</summary>
    public static VaultPkiNames Of(VaultPkiRole role, CertificateRequest request, VaultCall call)
    {
        var common = request.SubjectName.Name.Split(',').Select(part => part.Trim()).FirstOrDefault(part => part.StartsWith("CN=", StringComparison.Ordinal))?[3..] ?? "";
        var names = request.CertificateExtensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(extension => extension.EnumerateDnsNames()).ToList();
        return new(
            role.CommonNameOfRequest && common.Length > 0 ? common : call.Text("common_name"),
            role.NamesOfRequest ? names : List(call, "alt_names"),
            role.NamesOfRequest ? [] : List(call, "ip_sans"));
    }

    public static IReadOnlyList<string> List(VaultCall call, string key) => call.Text(key).Split(',', StringSplitOptions.RemoveEmptyEntries);
}
