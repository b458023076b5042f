using System.Globalization;
using Dora.Api;
using Dora.Engines;
using Dora.Operator.Stacks;

namespace Dora.Operator.Certificates;

/// <summary>A certificate that engines ask for, and its Secret.</summary>
/// <param name="Request">What is asked.</param>
/// <param name="Engines">Names of the engines that use it.</param>
/// <param name="Reading">Its Secret as last read.</param>
internal sealed record ServerCertificate(CertificateRequest Request, IReadOnlyList<string> Engines, SecretReading Reading)
{
    /// <summary>Name of its Secret.</summary>
    public string Name => Request.SecretName;

    /// <summary>The Secret, or null where there is none or it was not read.</summary>
    public SecretReading.Found? Found => Reading as SecretReading.Found;

    /// <summary>Whether it may be created: the API server says there is none, or nobody asked yet.</summary>
    public bool Absent => Reading is SecretReading.Missing or SecretReading.Unknown;

    /// <summary>The certificate in the Secret, or null.</summary>
    public Leaf? Leaf => Found is null ? null : Leaf.Of(Found);

    /// <summary>When the Secret last changed, or null where it does not say.</summary>
    public DateTimeOffset? Written => Found is { } found
        && DateTimeOffset.TryParse(found.Meta.Annotation(Labels.CertificateWritten), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;

    /// <summary>The value of <see cref="Labels.RenewCertificates"/> that it answers, or null.</summary>
    public string? Asked => Found?.Meta.Annotation(Labels.RenewCertificates);

    /// <summary>What engines ask for, by Secret.</summary>
    public static IReadOnlyList<ServerCertificate> Of(IEnumerable<(string Engine, CertificateRequest Request)> wanted, IReadOnlyDictionary<string, SecretReading> readings) =>
    [
        .. wanted.GroupBy(one => one.Request.SecretName, StringComparer.Ordinal).Select(same => new ServerCertificate(
            same.First().Request,
            [.. same.Select(one => one.Engine).Distinct(StringComparer.Ordinal)],
            readings.GetValueOrDefault(same.Key) ?? new SecretReading.Unknown())),
    ];

    /// <summary>Whether the Secret holds these roots, and what else is derived from its own content.</summary>
    public bool Holds(string bundle, DateTimeOffset now) =>
        Found is { Owned: true } found
        && found.Fields.GetValueOrDefault(CertificateRequest.Trust) == bundle
        && (!Request.NeedsCombined || found.Fields.GetValueOrDefault(CertificateRequest.Combined) == Combined(found.Fields))
        && Written is { } written && written <= now + Lifetimes.Skew;

    /// <summary>Whether nothing changed in it for as long as it takes to reach every pod.</summary>
    public bool Settled(DateTimeOffset now) => Written is { } written && written + Lifetimes.Spread <= now;

    /// <summary>Whether it proves exactly the names that are asked for.</summary>
    public bool Names(Leaf leaf) => leaf.Names.ToHashSet(StringComparer.OrdinalIgnoreCase).SetEquals(Request.DnsNames);

    /// <summary>Key and certificates in one text, the key first.</summary>
    public static string Combined(IReadOnlyDictionary<string, string> fields) =>
        $"{fields.GetValueOrDefault(CertificateRequest.Key)?.TrimEnd('\n')}\n{fields.GetValueOrDefault(CertificateRequest.Chain)}";
}
