using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Runtime;
using Dora.Operator.Credentials;
using Dora.Operator.Stacks;
using Dora.Vault;
using Microsoft.Extensions.Logging;

namespace Dora.Operator.Certificates;

/// <summary>
/// Has Vault sign certificates: only what a plan waits for. At rest nothing is asked. Keys are made here and are in memory until they
/// are in their Secret.
/// </summary>
public sealed partial class VaultSignatures(VaultClients clients, Action<ObjectKey> changed, TimeProvider clock, ILogger<VaultSignatures> logger) : IDisposable
{
    // Each question that is answered leaves a certificate in Vault: one that cannot be used is no reason to hurry either.
    private readonly VaultQuestions<CertificateRequest, VaultSignature> _questions = new(changed, _ => true, (_, answer) => answer is VaultSignature.Unavailable { Reason: VaultProblem.Sealed or VaultProblem.Unreachable } ? answer : null, clock);
    private long _answers;

    /// <summary>What Vault answered for a stack and is not in its Secrets yet, by Secret; nothing is asked.</summary>
    internal IReadOnlyDictionary<string, VaultSignature> Of(ComplianceStack stack, IReadOnlyDictionary<string, SecretReading> secrets)
    {
        ArgumentNullException.ThrowIfNull(stack);
        ArgumentNullException.ThrowIfNull(secrets);
        if (stack.Spec.Tls is not { Issuer: TlsIssuer.Vault })
            Forget(ObjectKey.Of(stack));
        // A key that is in its Secret is not kept here any longer.
        foreach (var (name, answer) in _questions.Answers(stack))
        {
            if (answer is VaultSignature.Found found && secrets.GetValueOrDefault(name) is SecretReading.Found secret && secret.Fields.GetValueOrDefault(CertificateRequest.Chain) == found.Chain)
                _questions.Used(stack, name, null);
        }

        return _questions.Answers(stack);
    }

    /// <summary>Begins to ask for what a plan waits for, where it is time to; and what is known then.</summary>
    internal async Task<IReadOnlyDictionary<string, VaultSignature>> AskAsync(StackObservation observed, IReadOnlyList<PlanStep.WriteCertificate> wanted, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(observed);
        var stack = observed.Stack;
        if (stack.Spec.Tls?.Vault is not { } pki || pki.Connection(stack.Spec.Credentials) is not { } connection)
            return observed.Signed;
        await _questions.AskAsync(stack, [.. wanted.Select(step => (step.Request.SecretName, step.Request))], (request, token) => SignAsync(stack, pki, connection, request, token), cancellationToken).ConfigureAwait(false);
        return Of(stack, observed.Credentials);
    }

    /// <summary>Forgets a stack that is gone.</summary>
    public void Forget(ObjectKey key) => _questions.Forget(key);

    /// <summary>Forgets everything: another process was at work.</summary>
    public void ForgetAll() => _questions.ForgetAll();

    /// <summary>Ends when the questions under way have ended.</summary>
    internal Task SettledAsync(ObjectKey key) => _questions.SettledAsync(key);

    /// <inheritdoc/>
    public void Dispose() => _questions.Dispose();

    private async Task<VaultSignature> SignAsync(ComplianceStack stack, VaultPki pki, VaultConnection connection, CertificateRequest wanted, CancellationToken cancellationToken)
    {
        var names = wanted.DnsNames;
        try
        {
            var (key, request) = AuthoritySigner.Ask(names);
            var client = await clients.OfAsync(stack, connection, cancellationToken).ConfigureAwait(false);
            var issued = await new CertificateIssuer(client, pki.Mount).SignAsync(pki.PkiRole, request, new(AuthoritySigner.CommonName(names) ?? "", names), Lifetimes.Server, cancellationToken).ConfigureAwait(false);
            var role = $"{pki.Mount}/sign/{pki.PkiRole}";
            if (SignatureRules.Content(issued, key + "\n") is not { } content)
                return new VaultSignature.Unavailable("IssuerUnusable", $"what {role} answers holds no certificates that can be read");
            return SignatureRules.Flaw(content, names, role, clock.GetUtcNow()) is { } flaw
                ? new VaultSignature.Unavailable("IssuerUnusable", flaw)
                : new VaultSignature.Found(content, stack.Metadata.Annotation(Labels.RotateAuthority), Interlocked.Increment(ref _answers));
        }
        catch (Exception exception) when (SigningProblem.Of(exception, pki, connection) is { } problem)
        {
            LogUnavailable(logger, stack.Metadata.Namespace, stack.Metadata.Name, wanted.SecretName, problem.Reason, problem.Message);
            return problem;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Namespace}/{Stack}: certificate in {Secret}: {Reason}: {Problem}")]
    private static partial void LogUnavailable(ILogger logger, string? @namespace, string? stack, string secret, string reason, string problem);
}
