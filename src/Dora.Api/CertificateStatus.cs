using System.ComponentModel;
using Dora.Kubernetes.Schema;

namespace Dora.Api;

/// <summary>One certificate as it is in its Secret.</summary>
public sealed record CertificateStatus(
    [property: Description("The Secret that holds it."), MaxLength(253)]
    string SecretName,
    [property: Description("Its subject; empty where the names alone say whose it is."), MaxLength(CertificateStatus.LongestName)]
    string? Subject = null,
    [property: Description("Names that it proves."), MaxItems(CertificateStatus.MostNames), MaxLength(253)]
    IReadOnlyList<string>? DnsNames = null,
    [property: Description("Who signed it."), MaxLength(CertificateStatus.LongestName)]
    string? Issuer = null,
    [property: Description("Serial number, hexadecimal."), MaxLength(CertificateStatus.LongestSerial)]
    string? Serial = null,
    [property: Description("It is valid from then on.")]
    DateTimeOffset? NotBefore = null,
    [property: Description("It is valid until then.")]
    DateTimeOffset? NotAfter = null,
    [property: Description("Which authority of the stack it comes from, counted from 1; absent where another signs.")]
    int? AuthorityGeneration = null,
    [property: Description("Engines whose servers use it."), MaxItems(16), MaxLength(63)]
    IReadOnlyList<string>? UsedBy = null)
{
    /// <summary>Entries of a register at most.</summary>
    public const int MostCertificates = 32;

    /// <summary>DNS names of an entry at most; more are left out.</summary>
    public const int MostNames = 64;

    /// <summary>Longest distinguished name (characters); more is cut.</summary>
    public const int LongestName = 1024;

    /// <summary>Longest serial number: RFC 5280 allows 20 octets.</summary>
    public const int LongestSerial = 64;
}
