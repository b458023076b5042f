using System.Globalization;
using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Certificates;

/// <summary>
/// Certificates from the stack's own authority, or from Vault's. A new root takes the place of an old one in three steps, and all that is known of
/// them is in the Secrets: the new root is written, and every bundle believes both; when that has reached the pods, certificates
/// are issued by the new one; when those have, the old root leaves. At no moment does a Secret hold a certificate that the bundle
/// of another does not believe.
/// </summary>
internal sealed class AuthorityPlan
{
    // Older roots that are believed at most: a bundle stays small, whatever happens to keys.
    private const int MostOlder = 8;

    private readonly StackContext _stack;
    private readonly IReadOnlyList<ServerCertificate> _certificates;
    private readonly StackObservation _observed;
    private readonly bool _serving;
    private readonly string _secret;
    private readonly VaultWord? _vault;

    private AuthorityPlan(StackContext stack, IReadOnlyList<ServerCertificate> certificates, StackObservation observed, bool serving, VaultWord? vault) =>
        (_stack, _certificates, _observed, _serving, _secret, _vault) = (stack, certificates, observed, serving, Authority.SecretName(stack.Name), vault);

    private DateTimeOffset Now => _observed.Now;

    private bool Owned => _stack.DeletionPolicy == DeletionPolicy.Delete;

    private string? Asked => _observed.Stack.Metadata.Annotation(Labels.RotateAuthority);

    private string? Renewed => _observed.Stack.Metadata.Annotation(Labels.RenewCertificates);

    /// <summary>The plan.</summary>
    public static CertificatePlan Of(StackContext stack, IReadOnlyList<ServerCertificate> certificates, StackObservation observed, bool serving)
    {
        var problems = CertificateProblem.OfSecrets(certificates, certificate => CertificateSecrets.IsOf(stack, certificate.Found!));
        var reading = observed.Credentials.GetValueOrDefault(Authority.SecretName(stack.Name)) ?? new SecretReading.Unknown();
        var found = reading as SecretReading.Found;
        if (CertificateProblem.Of(Authority.SecretName(stack.Name), reading, found is null || CertificateSecrets.IsOf(stack, found)) is { } problem)
            return new(stack.Name, [], [.. CertificateProblem.ForAll(certificates, problem), .. problems], [], certificates, null);
        // What is somebody else's is neither written nor waited for.
        var ours = certificates.Where(certificate => certificate.Found is not { } secret || CertificateSecrets.IsOf(stack, secret)).ToList();
        var authority = found is null ? null : Authority.Of(found);
        var plan = new AuthorityPlan(stack, ours, observed, serving, stack.Tls is { Issuer: TlsIssuer.Vault } ? VaultWord.Of(observed, authority?.Asked) : null);
        var steps = (authority is null ? plan.Begin() : plan.Continue(authority)).ToList();
        return new(stack.Name, [.. steps.Where(step => !plan.Waits(step))], problems, authority is null or { Roots.Count: 0 } ? [] : [TrustMap.Of(stack, authority.Bundle)], certificates, authority)
        {
            Unsigned = plan.Unsigned(steps),
        };
    }

    // What is written only when Vault has signed.
    private bool Waits(PlanStep step) => _vault is not null && step
        is PlanStep.WriteAuthority { Change: not AuthorityChange.Older, Root: null }
        or PlanStep.WriteCertificate { Change: not CertificateChange.Trust, Signed: null };

    // By which root Vault signs is known by what it signed: where only that is asked, the first certificate is as good as any.
    private List<PlanStep.WriteCertificate> Unsigned(List<PlanStep> steps)
    {
        var waiting = steps.Where(Waits).ToList();
        var certificates = waiting.OfType<PlanStep.WriteCertificate>().ToList();
        return waiting.Count == 0 || certificates.Count > 0 || _certificates.Count == 0
            ? certificates
            : [Write(_certificates[0], _certificates[0].Absent ? CertificateChange.Create : CertificateChange.Issue, 0, waiting.OfType<PlanStep.WriteAuthority>().First().Reason)];
    }

    // Without an authority. Certificates may be there all the same: then their roots stay believed until they are issued anew.
    private IEnumerable<PlanStep> Begin()
    {
        var generation = Newest(0) + 1;
        var older = Needed().ExceptBy([_vault?.Root?.Fingerprint], root => root.Fingerprint);
        yield return new PlanStep.WriteAuthority(_secret, AuthorityChange.Create, generation, Pem(older), Asked, null, Owned, _certificates.Any(certificate => certificate.Found is not null) ? $"Secret {_secret} is gone" : "the stack has none yet") { Root = _vault?.Root };
        if (_certificates.All(certificate => certificate.Absent))
        {
            foreach (var certificate in _certificates)
                yield return Write(certificate, CertificateChange.Create, generation, "it is new");
        }
    }

    private IEnumerable<PlanStep> Continue(Authority authority)
    {
        if (authority.Owned != Owned)
            yield return new PlanStep.SetOwner(KubeTypes.Secrets.Resource, _secret, Owned);
        var older = authority.Older.UnionBy(Needed(), root => root.Fingerprint).ExceptBy([authority.Signer?.Fingerprint], root => root.Fingerprint).Take(MostOlder).ToList();
        var renewal = Renewal(authority) is { } reason ? Renew(authority, older, reason) : null;
        if (renewal is not null)
            yield return renewal;
        // While it is not known by which root Vault signs, what is in place is looked after as before.
        if (renewal is not null && (authority.Signer is null || !Waits(renewal)))
            yield break;
        if (older.Count != authority.Older.Count)
        {
            yield return Older(authority, older, "certificates of another authority are in place");
        }
        else
        {
            foreach (var step in Leaves(authority))
                yield return step;
        }
    }

    private PlanStep.WriteAuthority Renew(Authority authority, IEnumerable<Root> older, string reason)
    {
        var root = _vault?.Root;
        var believed = (authority.Signer is { } signer ? older.Prepend(signer) : older).ExceptBy([root?.Fingerprint], other => other.Fingerprint);
        // Vault may say again what is known: then nothing takes the place of anything.
        var generation = root is not null && root.Fingerprint == authority.Signer?.Fingerprint ? authority.Generation : Newest(authority.Generation) + 1;
        return new(_secret, AuthorityChange.Renew, generation, Pem(believed.Take(MostOlder)), Asked, authority.ResourceVersion, Owned, reason) { Root = root };
    }

    private IEnumerable<PlanStep> Leaves(Authority authority)
    {
        var bundle = authority.Bundle;
        var behind = _certificates.Where(certificate => certificate.Found is not null && !certificate.Holds(bundle, Now)).ToList();
        foreach (var certificate in behind)
            yield return Write(certificate, CertificateChange.Trust, authority.Generation, "the roots to believe changed");
        // Nobody gets a certificate that somebody else does not believe yet, or may not.
        if (behind.Count > 0 || (authority.Rotating && _certificates.Any(certificate => certificate.Reading is SecretReading.Unreadable)))
            yield break;
        var settled = _certificates.Where(certificate => certificate.Found is not null).All(certificate => certificate.Settled(Now));
        var due = _certificates.Select(certificate => (Certificate: certificate, Reason: Due(certificate, authority, settled))).Where(one => one.Reason is not null).ToList();
        foreach (var (certificate, reason) in due)
            yield return Write(certificate, certificate.Absent ? CertificateChange.Create : CertificateChange.Issue, authority.Generation, reason!);
        var replaced = _certificates.All(certificate => certificate.Leaf?.Root?.Fingerprint == authority.Signer!.Fingerprint);
        if (authority.Rotating && due.Count == 0 && replaced && settled && _serving)
            yield return Older(authority, [], "no certificate needs an older one any more");
    }

    // Why an authority that exists needs a new root, or null. What is under way is finished first, unless nothing can be signed.
    private string? Renewal(Authority authority)
    {
        if (authority.Signer is not { } signer)
            return $"the certificate in Secret {_secret} cannot be read";
        if (_vault is not null && authority.CanSign)
            return "Vault's takes its place";
        if (_vault?.Root is { } root && root.Fingerprint != signer.Fingerprint)
            return "Vault signs by another root";
        if (_vault is null && !authority.CanSign)
            return $"its key in Secret {_secret} is gone or belongs to another";
        if (signer.NotAfter <= Now)
            return "it has expired";
        if (authority.Rotating && _vault is null)
            return null;
        // When Vault's is renewed is Vault's to say.
        if (_vault is null && signer.Due(Now))
            return "two thirds of its life are over";
        return Asked is { Length: > 0 } asked && asked != authority.Asked ? $"annotation {Labels.RotateAuthority} asks for it" : null;
    }

    // Why a certificate is issued now, or null.
    private string? Due(ServerCertificate certificate, Authority authority, bool settled)
    {
        if (certificate.Absent)
            return "it is missing";
        if (certificate.Found is null)
            return null;
        if (certificate.Leaf is not { } leaf)
            return "what its Secret holds is no certificate";
        if (Unusable(leaf, authority) is { } problem)
            return problem;
        var older = leaf.Root!.Fingerprint != authority.Signer!.Fingerprint;
        // Some servers may still have loaded what the bundles held before; one of an older root serves on meanwhile.
        if (older && !(settled && (_serving || Now >= Lifetimes.LateAt(leaf.NotBefore, leaf.NotAfter))))
            return null;
        if (older)
            return string.Create(CultureInfo.InvariantCulture, $"authority {authority.Generation} takes the place of an older one");
        if (!certificate.Names(leaf))
            return "its names changed";
        if (leaf.Due(Now))
            return "two thirds of its life are over";
        return Renewed is { Length: > 0 } asked && asked != certificate.Asked ? $"annotation {Labels.RenewCertificates} asks for it" : null;
    }

    private string? Unusable(Leaf leaf, Authority authority)
    {
        if (!leaf.KeyFits)
            return "its key is gone or belongs to another certificate";
        if (leaf.Root is not { } root)
            return "it is of no authority that the servers believe";
        if (leaf.NotAfter <= Now || root.NotAfter <= Now)
            return "it has expired";
        // One from an authority whose own time has not come would be no better.
        return leaf.NotBefore > Now && authority.Signer!.NotBefore <= Now ? "it is not valid yet" : null;
    }

    // Roots that certificates in place lead up to. One whose own Secret lost its roots may still be believed by the others.
    private IEnumerable<Root> Needed()
    {
        var believed = new Lazy<string>(() => Root.Bundle(_certificates
            .SelectMany(certificate => Root.Bundle(certificate.Found?.Fields.GetValueOrDefault(CertificateRequest.Trust)))
            .DistinctBy(root => root.Fingerprint)));
        return _certificates
            .Select(certificate => certificate.Leaf is { Root: null } ? Leaf.Of(certificate.Found!.With(CertificateRequest.Trust, believed.Value)) : certificate.Leaf)
            .Where(leaf => leaf?.Serves(Now) == true)
            .Select(leaf => leaf!.Root!)
            .DistinctBy(root => root.Fingerprint);
    }

    private int Newest(int generation) => _certificates.Select(certificate => certificate.Found is { } found ? Authority.GenerationOf(found) : 0).Append(generation).Max();

    private PlanStep.WriteAuthority Older(Authority authority, IReadOnlyList<Root> older, string reason) =>
        new(_secret, AuthorityChange.Older, authority.Generation, Pem(older), authority.Asked, authority.ResourceVersion, Owned, reason);

    private PlanStep.WriteCertificate Write(ServerCertificate certificate, CertificateChange change, int generation, string reason) =>
        new(certificate.Engines[0], certificate.Request, change, generation, certificate.Found?.Meta.ResourceVersion, reason, Renewed)
        {
            Signed = change == CertificateChange.Trust ? null : _vault?.For(certificate),
        };

    private static IReadOnlyList<string> Pem(IEnumerable<Root> roots) => [.. roots.DistinctBy(root => root.Fingerprint).Select(root => root.Pem)];
}
