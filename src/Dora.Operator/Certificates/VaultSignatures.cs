using System.Collections.Concurrent;
using Dora.Api;
using Dora.Kubernetes.Runtime;
using Dora.Operator.Credentials;
using Dora.Operator.Stacks;
using Dora.Vault;
using Microsoft.Extensions.Logging;

namespace Dora.Operator.Certificates;

/// <summary>
/// Has Vault sign certificates, beside the passes over a stack: only what a plan waits for, and less and less often where that does
/// not help. At rest nothing is asked. Keys are made here and are in memory until they are in their Secret.
/// </summary>
public sealed partial class VaultSignatures(VaultClients clients, Action<ObjectKey> changed, TimeProvider clock, ILogger<VaultSignatures> logger) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<ObjectKey, StackSignatures> _stacks = new();
    private readonly CancellationTokenSource _stop = new();
    private long _answers;

    /// <summary>What Vault answered for a stack and is not in its Secrets yet, by Secret; nothing is asked.</summary>
    internal IReadOnlyDictionary<string, VaultSignature> Of(ComplianceStack stack, IReadOnlyDictionary<string, SecretReading> secrets)
    {
        ArgumentNullException.ThrowIfNull(stack);
        var key = ObjectKey.Of(stack);
        if (stack.Spec.Tls is not { Issuer: TlsIssuer.Vault })
            Forget(key);
        return _stacks.TryGetValue(key, out var known) && known.IsOf(stack) ? known.Unwritten(secrets) : new Dictionary<string, VaultSignature>();
    }

    /// <summary>
    /// Begins to ask for what a plan waits for, where it is time to. Waits a few seconds for the first answers, and never for others:
    /// a Vault that is slow or away holds up no failover.
    /// </summary>
    internal async Task<IReadOnlyDictionary<string, VaultSignature>> AskAsync(StackObservation observed, IReadOnlyList<PlanStep.WriteCertificate> wanted, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(observed);
        var stack = observed.Stack;
        if (stack.Spec.Tls?.Vault is not { } pki || pki.Connection(stack.Spec.Credentials) is not { } connection)
            return observed.Signed;
        var known = _stacks.AddOrUpdate(ObjectKey.Of(stack), _ => new(stack), (_, old) => old.IsOf(stack) ? old : new(stack));
        var (asking, first) = known.Start(wanted, clock, names => Task.Run(() => AskAsync(stack, pki, connection, names, known)));
        if (first)
        {
            try
            {
                await asking.WaitAsync(Patience, clock, cancellationToken).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                // Not known yet; a later pass knows.
            }
        }

        return known.Unwritten(observed.Credentials);
    }

    /// <summary>Forgets a stack that is gone.</summary>
    public void Forget(ObjectKey key) => _stacks.TryRemove(key, out _);

    /// <summary>Ends when the questions under way have ended.</summary>
    internal Task SettledAsync(ObjectKey key) => _stacks.TryGetValue(key, out var known) ? known.Asking : Task.CompletedTask;

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Cancel();
        _stop.Dispose();
    }

    private async Task AskAsync(ComplianceStack stack, VaultPki pki, VaultConnection connection, IReadOnlyList<Dora.Engines.CertificateRequest> requests, StackSignatures known)
    {
        VaultSignature.Unavailable? down = null;
        foreach (var request in requests)
        {
            var answer = down ?? await SignAsync(stack, pki, connection, request.DnsNames).ConfigureAwait(false);
            if (answer is VaultSignature.Unavailable { Reason: "VaultSealed" or VaultProblem.Unreachable } all)
                down = all;
            if (answer is VaultSignature.Unavailable problem && !answer.Equals(known.Find(request.SecretName)))
                LogUnavailable(logger, stack.Metadata.Namespace, stack.Metadata.Name, request.SecretName, problem.Reason, problem.Message);
            known.Learn(request.SecretName, answer, clock);
        }

        changed(ObjectKey.Of(stack));
    }

    private async Task<VaultSignature> SignAsync(ComplianceStack stack, VaultPki pki, VaultConnection connection, IReadOnlyList<string> names)
    {
        try
        {
            var (key, request) = AuthoritySigner.Ask(names);
            var client = await clients.OfAsync(stack, connection, _stop.Token).ConfigureAwait(false);
            var issued = await new CertificateIssuer(client, pki.Mount).SignAsync(pki.PkiRole, request, new(AuthoritySigner.CommonName(names) ?? "", names), Lifetimes.Server, _stop.Token).ConfigureAwait(false);
            var role = $"{pki.Mount}/sign/{pki.PkiRole}";
            if (SignatureRules.Content(issued, key + "\n") is not { } content)
                return new VaultSignature.Unavailable("IssuerUnusable", $"what {role} answers holds no certificates that can be read");
            return SignatureRules.Flaw(content, names, role, clock.GetUtcNow()) is { } flaw
                ? new VaultSignature.Unavailable("IssuerUnusable", flaw)
                : new VaultSignature.Found(content, stack.Metadata.Annotation(Labels.RotateAuthority), Interlocked.Increment(ref _answers));
        }
        catch (Exception exception) when (SigningProblem.Of(exception, pki, connection) is { } problem)
        {
            return problem;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Namespace}/{Stack}: certificate in {Secret}: {Reason}: {Problem}")]
    private static partial void LogUnavailable(ILogger logger, string? @namespace, string? stack, string secret, string reason, string problem);
}
