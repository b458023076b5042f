using System.Globalization;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Operator.Credentials;
using Dora.Operator.Stacks;

namespace Dora.Operator.Certificates;

/// <summary>The Secrets of certificates: whose they are, and what a step makes of them.</summary>
internal static class CertificateSecrets
{
    // cert-manager's own mark (cert-manager: "Annotated Ingress and Secret resources"); it goes when the operator signs.
    private const string CertManagerName = "cert-manager.io/certificate-name";

    /// <summary>Whether a Secret is of a stack, by its labels.</summary>
    public static bool IsOf(StackContext stack, SecretReading.Found secret) =>
        secret.Meta.Label(Labels.Stack) == stack.Name
        && secret.Meta.Label(Labels.ManagedBy) == Labels.ManagedByValue
        && (secret.Meta.Controller is not { } owner || (owner.Kind == StackResource.Kind && owner.Name == stack.Name));

    /// <summary>Whether cert-manager wrote it.</summary>
    public static bool IsOfCertManager(SecretReading.Found secret) => secret.Meta.Annotation(CertManagerName) is not null;

    /// <summary>Metadata of a new Secret of an authority.</summary>
    public static ObjectMeta AuthorityMeta(StackContext stack, string name, bool owned) => new(
        name,
        stack.Namespace,
        Labels: new Dictionary<string, string> { [Labels.Stack] = stack.Name, [Labels.ManagedBy] = Labels.ManagedByValue },
        OwnerReferences: owned && stack.Uid.Length > 0 ? [Ownership.Of(stack)] : null);

    /// <summary>Metadata of a new Secret of a server's certificate; it goes with the stack, since it can always be made again.</summary>
    public static ObjectMeta LeafMeta(StackContext stack, PlanStep.WriteCertificate step) => new EngineNames(stack, step.Engine).Meta(step.Request.SecretName);

    /// <summary>What a step makes of an authority.</summary>
    public static SecretContent Authority(StackContext stack, PlanStep.WriteAuthority step, DateTimeOffset now)
    {
        var older = step.Older.Count == 0 ? null : Root.Bundle(step.Older);
        if (step.Change == AuthorityChange.Older)
            return new(new Dictionary<string, string?> { [Certificates.Authority.Previous] = older }, new Dictionary<string, string?>());
        // The key of another's root is not ours to keep, and that of a root of our own signs no more once Vault does.
        var (certificate, key) = step.Root is { } root ? (root.Pem, null) : AuthoritySigner.Make(stack.Name, stack.Namespace, step.Generation, now);
        return new(
            new Dictionary<string, string?>
            {
                [Certificates.Authority.Certificate] = certificate + "\n",
                [Certificates.Authority.Key] = key is null ? null : key + "\n",
                [Certificates.Authority.Previous] = older,
            },
            new Dictionary<string, string?>
            {
                [Labels.AuthorityGeneration] = step.Generation.ToString(CultureInfo.InvariantCulture),
                // What was asked once stays known, also when the stack's annotation goes.
                [Labels.RotateAuthority] = step.Asked,
            });
    }

    /// <summary>A new key and certificate for a server: those that Vault signed, or made here with the authority of a Secret.</summary>
    public static SecretContent Leaf(PlanStep.WriteCertificate step, SecretReading.Found authority, TimeProvider clock)
    {
        var (chain, key) = step.Signed is { } signed ? (signed.Chain, signed.Key) : Make(step.Request.DnsNames, authority, clock);
        var fields = new Dictionary<string, string>
        {
            [CertificateRequest.Chain] = chain,
            [CertificateRequest.Key] = key,
            [CertificateRequest.Trust] = Certificates.Authority.Of(authority).Bundle,
        };
        return Leaf(step, fields, clock.GetUtcNow(), step.Generation);
    }

    private static (string Chain, string Key) Make(IReadOnlyList<string> dnsNames, SecretReading.Found authority, TimeProvider clock)
    {
        var (key, request) = AuthoritySigner.Ask(dnsNames);
        return (Certificates.Authority.SignerOf(authority, clock).Sign(request, dnsNames), key + "\n");
    }

    /// <summary>The same key and certificate with other roots to believe.</summary>
    public static SecretContent Trust(PlanStep.WriteCertificate step, SecretReading.Found secret, string bundle, DateTimeOffset now) =>
        Leaf(step, secret.With(CertificateRequest.Trust, bundle).Fields, now, null);

    private static SecretContent Leaf(PlanStep.WriteCertificate step, IReadOnlyDictionary<string, string> fields, DateTimeOffset now, int? generation)
    {
        var written = new Dictionary<string, string?>();
        if (generation is not null)
        {
            written[CertificateRequest.Chain] = fields[CertificateRequest.Chain];
            written[CertificateRequest.Key] = fields[CertificateRequest.Key];
        }

        written[CertificateRequest.Trust] = fields[CertificateRequest.Trust];
        if (step.Request.NeedsCombined)
            written[CertificateRequest.Combined] = ServerCertificate.Combined(fields);
        var annotations = new Dictionary<string, string?>
        {
            [Labels.CertificateWritten] = now.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
            [CertManagerName] = null,
        };
        if (generation is { } number)
        {
            annotations[Labels.AuthorityGeneration] = number.ToString(CultureInfo.InvariantCulture);
            annotations[Labels.RenewCertificates] = step.Asked;
        }

        return new(written, annotations);
    }
}
