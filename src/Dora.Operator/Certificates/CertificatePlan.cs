using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Certificates;

/// <summary>What to do to the certificates of a stack. Pure.</summary>
/// <param name="Stack">Name of the stack.</param>
/// <param name="Steps">In order.</param>
/// <param name="Problems">What stands against it, by engine.</param>
/// <param name="Objects">Objects to apply.</param>
/// <param name="Certificates">What engines ask for.</param>
/// <param name="Authority">The stack's own authority, or null while there is none.</param>
internal sealed record CertificatePlan(
    string Stack,
    IReadOnlyList<PlanStep> Steps,
    IReadOnlyList<CertificateProblem> Problems,
    IReadOnlyList<Manifest> Objects,
    IReadOnlyList<ServerCertificate> Certificates,
    Authority? Authority)
{
    /// <summary>What waits until Vault has signed it.</summary>
    public IReadOnlyList<PlanStep.WriteCertificate> Unsigned { get; init; } = [];

    /// <summary>Engines ask for none.</summary>
    public static CertificatePlan None { get; } = new("", [], [], [], [], null);

    /// <summary>The plan for what engines ask for and what is there.</summary>
    /// <param name="stack">The stack.</param>
    /// <param name="wanted">What engines ask for.</param>
    /// <param name="observed">What is there.</param>
    /// <param name="serving">
    /// Whether the servers that use the certificates serve. The authority changes only while they do, unless a certificate would
    /// run out.
    /// </param>
    public static CertificatePlan Of(StackContext stack, IEnumerable<(string Engine, CertificateRequest Request)> wanted, StackObservation observed, bool serving)
    {
        ArgumentNullException.ThrowIfNull(stack);
        ArgumentNullException.ThrowIfNull(observed);
        var certificates = ServerCertificate.Of(wanted, observed.Credentials);
        if (certificates.Count == 0)
            return None;
        return (stack.Tls ?? new()).Issuer switch
        {
            TlsIssuer.CertManager => CertManagerPlan.Of(stack, certificates, observed),
            // The stack itself is refused, and what is there stays as it is.
            TlsIssuer.Vault when VaultPkiRules.Check(observed.Stack.Spec).Any() => new(stack.Name, [], [], [], certificates, null),
            _ => AuthorityPlan.Of(stack, certificates, observed, serving),
        };
    }

    /// <summary>What stands against an engine's certificates.</summary>
    public IEnumerable<Violation> Violations(string engine) => Problems.Where(problem => problem.Engine == engine).Select(problem => problem.Violation);
}

/// <summary>Something that stands against the certificates of an engine.</summary>
internal sealed record CertificateProblem(string Engine, Violation Violation)
{
    /// <summary>The same for every engine that uses one of these; none where nothing is wrong.</summary>
    public static IReadOnlyList<CertificateProblem> ForAll(IEnumerable<ServerCertificate> certificates, Violation? violation) => violation is null
        ? []
        : [.. certificates.SelectMany(certificate => certificate.Engines).Distinct().Select(engine => new CertificateProblem(engine, violation))];

    /// <summary>Secrets of certificates that cannot be read, or are not ours.</summary>
    /// <param name="certificates">What engines ask for.</param>
    /// <param name="ours">Whether a Secret that exists may be written.</param>
    public static IReadOnlyList<CertificateProblem> OfSecrets(IReadOnlyList<ServerCertificate> certificates, Func<ServerCertificate, bool> ours) =>
        [.. certificates.SelectMany(certificate => ForAll([certificate], Of(certificate.Name, certificate.Reading, certificate.Found is null || ours(certificate))))];

    /// <summary>What stands against using a Secret, or null.</summary>
    public static Violation? Of(string secret, SecretReading reading, bool ours) => reading switch
    {
        SecretReading.Unreadable unreadable => new($"secrets/{secret}", $"cannot be read: {unreadable.Reason}", "give the operator the right to get it; no certificate is issued meanwhile", "CertificateUnreadable"),
        SecretReading.Found when !ours => new($"secrets/{secret}", "exists and is not of this stack", "rename the stack, or remove the Secret", "ObjectCollision"),
        _ => null,
    };
}
