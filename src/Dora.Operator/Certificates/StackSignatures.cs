using Dora.Api;
using Dora.Kubernetes.Runtime;
using Dora.Operator.Stacks;
using CertificateRequest = Dora.Engines.CertificateRequest;

namespace Dora.Operator.Certificates;

/// <summary>What Vault answered for one stack, and when it may be asked again.</summary>
internal sealed class StackSignatures(ComplianceStack stack)
{
    // Each question that is answered leaves a certificate in Vault: one that cannot be used is no reason to hurry.
    private static readonly Backoff Pauses = new(TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(5));
    private static readonly TimeSpan Calm = TimeSpan.FromHours(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Answer> _answers = new(StringComparer.Ordinal);

    /// <summary>Questions under way; done where there are none.</summary>
    public Task Asking { get; private set; } = Task.CompletedTask;

    /// <summary>Whether this is what a stack asks now: another role or another Vault may answer what this one did not.</summary>
    public bool IsOf(ComplianceStack other) =>
        other.Metadata.Uid == stack.Metadata.Uid && other.Spec.Tls?.Vault == stack.Spec.Tls?.Vault && other.Spec.Credentials?.Vault == stack.Spec.Credentials?.Vault;

    /// <summary>The last answer for a Secret.</summary>
    public VaultSignature? Find(string secret)
    {
        lock (_lock)
            return _answers.GetValueOrDefault(secret)?.Last;
    }

    /// <summary>Answers that are not in their Secrets. What is there is not kept here any longer.</summary>
    public IReadOnlyDictionary<string, VaultSignature> Unwritten(IReadOnlyDictionary<string, SecretReading> secrets)
    {
        lock (_lock)
        {
            foreach (var (name, answer) in _answers.ToList())
            {
                if (answer.Last is VaultSignature.Found found && secrets.GetValueOrDefault(name) is SecretReading.Found secret && secret.Fields.GetValueOrDefault(CertificateRequest.Chain) == found.Chain)
                    _answers[name] = answer with { Last = null };
            }

            return _answers.Where(pair => pair.Value.Last is not null).ToDictionary(pair => pair.Key, pair => pair.Value.Last!, StringComparer.Ordinal);
        }
    }

    /// <summary>Keeps an answer.</summary>
    public void Learn(string secret, VaultSignature answer, TimeProvider clock)
    {
        lock (_lock)
        {
            var tries = _answers.GetValueOrDefault(secret) is { } before && clock.GetElapsedTime(before.At) < Calm ? before.Tries + 1 : 0;
            _answers[secret] = new(answer, clock.GetTimestamp(), tries);
        }
    }

    /// <summary>The questions under way, after others were begun where it is time; and whether these were just begun and are the first for a Secret.</summary>
    public (Task Asking, bool First) Start(IReadOnlyList<PlanStep.WriteCertificate> wanted, TimeProvider clock, Func<IReadOnlyList<CertificateRequest>, Task> ask)
    {
        lock (_lock)
        {
            List<CertificateRequest> due = [.. wanted.Where(step => _answers.GetValueOrDefault(step.Request.SecretName) is not { } last || clock.GetElapsedTime(last.At) >= Pauses.After(last.Tries)).Select(step => step.Request)];
            if (!Asking.IsCompleted || due.Count == 0)
                return (Asking, false);
            Asking = ask(due);
            return (Asking, due.Exists(request => !_answers.ContainsKey(request.SecretName)));
        }
    }

    private sealed record Answer(VaultSignature? Last, long At, int Tries);
}
