using System.Globalization;
using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Certificates;

/// <summary>
/// The register of a stack's certificates and the condition that says whether they are current. Pure, and without anything that
/// moves with time alone.
/// </summary>
internal static class CertificateRegister
{
    private const int MostNamed = 8;

    /// <summary>One entry for each Secret; null where engines ask for none.</summary>
    public static IReadOnlyList<CertificateStatus>? Entries(CertificatePlan plan)
    {
        if (plan.Certificates.Count == 0)
            return null;
        var leaves = plan.Certificates.Where(certificate => certificate.Leaf is not null).Select(Entry);
        return [.. Authority(plan).Concat(leaves).Take(CertificateStatus.MostCertificates)];
    }

    /// <summary>Whether every certificate is there and valid; none where engines ask for none.</summary>
    public static IEnumerable<Condition> Judge(CertificatePlan plan, StackObservation observed, ExecutionReport report)
    {
        if (plan.Certificates.Count == 0)
            return [];
        var written = report.Done.OfType<PlanStep.WriteCertificate>().Where(step => step.Change != CertificateChange.Trust).Select(step => step.Request.SecretName).ToHashSet(StringComparer.Ordinal);
        var findings = plan.Certificates.Where(certificate => !written.Contains(certificate.Name)).Select(certificate => Judge(certificate, plan, observed)).OfType<(string Reason, string Message)>().ToList();
        // What keeps servers from serving comes first.
        var worst = Order.FirstOrDefault(reason => findings.Exists(finding => finding.Reason == reason));
        return [worst is null
            ? new(ConditionTypes.CertificatesCurrent, Conditions.True, "Current", Current(plan))
            : new(ConditionTypes.CertificatesCurrent, Conditions.False, worst, Cut(string.Join("; ", findings.Where(finding => finding.Reason == worst).Select(finding => finding.Message).Distinct().Take(MostNamed)), ComplianceStackStatus.LongestMessage))];
    }

    private static readonly string[] Order = ["Expired", "VaultSealed", "VaultForbidden", "VaultUnreachable", "IssuerMissing", "IssuerRefused", "IssuerUnusable", "VaultRefused", "VaultThrottled", "VaultInvalidAnswer", "IssuerUnavailable", "Missing", "RenewalDue"];

    private static (string Reason, string Message)? Judge(ServerCertificate certificate, CertificatePlan plan, StackObservation observed)
    {
        if (plan.Problems.FirstOrDefault(problem => certificate.Engines.Contains(problem.Engine))?.Violation is { } violation)
            return (violation.Reason == "IssuerUnavailable" ? violation.Reason : "Missing", violation.ToString());
        var waiting = CertManagerPlan.Waiting(certificate, observed);
        var vault = Silent(certificate, plan, observed);
        if (vault is not null && !(certificate.Leaf?.NotAfter <= observed.Now))
            return (vault.Reason, $"{certificate.Name}: {vault.Message}; {(certificate.Leaf is null ? "its servers wait for it" : "what runs keeps running on what it has")}");
        if (certificate.Leaf is not { } leaf)
            return waiting is null ? ("Missing", $"Secret {certificate.Name} holds no certificate yet") : ("IssuerUnavailable", $"{certificate.Name}: cert-manager says: {waiting}");
        if (leaf.NotAfter <= observed.Now)
            return ("Expired", $"the certificate in Secret {certificate.Name} has expired{(waiting is null ? "" : $"; cert-manager says: {waiting}")}{(vault is null ? "" : $"; {vault.Reason}: {vault.Message}")}");
        // One of an older root is issued anew in its turn; the authority's own steps say so.
        return leaf.Due(observed.Now) && plan.Authority is not { Rotating: true } ? ("RenewalDue", $"the certificate in Secret {certificate.Name} should have been renewed{(waiting is null ? "" : $"; cert-manager says: {waiting}")}") : null;
    }

    // Why Vault did not sign what is waited for.
    private static VaultSignature.Unavailable? Silent(ServerCertificate certificate, CertificatePlan plan, StackObservation observed) =>
        plan.Unsigned.Any(step => step.Request.SecretName == certificate.Name) ? observed.Signed.GetValueOrDefault(certificate.Name) as VaultSignature.Unavailable : null;

    private static string Current(CertificatePlan plan) => plan.Authority is { Rotating: true } authority
        ? string.Create(CultureInfo.InvariantCulture, $"every certificate is valid; authority {authority.Generation} takes the place of an older one, step by step while the servers serve")
        : "every certificate is there and valid";

    private static IEnumerable<CertificateStatus> Authority(CertificatePlan plan)
    {
        if (plan.Authority is not { Signer: { } root } authority)
            yield break;
        yield return new(
            Certificates.Authority.SecretName(plan.Stack),
            Cut(root.Subject, CertificateStatus.LongestName),
            null,
            Cut(root.Subject, CertificateStatus.LongestName),
            Cut(root.Serial, CertificateStatus.LongestSerial),
            root.NotBefore,
            root.NotAfter,
            authority.Generation,
            [.. plan.Certificates.SelectMany(certificate => certificate.Engines).Distinct(StringComparer.Ordinal)]);
    }

    private static CertificateStatus Entry(ServerCertificate certificate)
    {
        var leaf = certificate.Leaf!;
        return new(
            certificate.Name,
            leaf.Subject.Length == 0 ? null : Cut(leaf.Subject, CertificateStatus.LongestName),
            [.. leaf.Names.Where(name => name.Length <= 253).Take(CertificateStatus.MostNames)],
            Cut(leaf.Issuer, CertificateStatus.LongestName),
            Cut(leaf.Serial, CertificateStatus.LongestSerial),
            leaf.NotBefore,
            leaf.NotAfter,
            Certificates.Authority.GenerationOf(certificate.Found!) is > 0 and var generation ? generation : null,
            certificate.Engines);
    }

    private static string Cut(string text, int longest) => text.Length <= longest ? text : text[..(longest - 1)] + "…";
}
