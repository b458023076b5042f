using System.Globalization;
using Dora.Engines;
using Dora.Operator.Certificates;
using Dora.Operator.Stacks;
using Dora.Testing;
using Dora.Vault;

namespace Dora.Operator.Tests.Certificates;

/// <summary>What Vault's PKI engine would answer: a real authority, which may change, and what it signed.</summary>
internal sealed class PkiOfWorld
{
    private readonly Dictionary<string, VaultSignature> _answers = [];
    private (string Certificate, string Key)? _authority;
    private int _generation;
    private long _number;

    /// <summary>Why it does not answer, or null.</summary>
    public VaultSignature.Unavailable? Away { get; set; }

    /// <summary>Requests that it was asked.</summary>
    public int Requests { get; private set; }

    /// <summary>From now on another root signs.</summary>
    public void Rotate() => _authority = null;

    /// <summary>Another process of the operator: what was not written is lost.</summary>
    public void Forget() => _answers.Clear();

    public IReadOnlyDictionary<string, VaultSignature> Unwritten(IReadOnlyDictionary<string, SecretReading> secrets) => _answers
        .Where(pair => !(pair.Value is VaultSignature.Found found && secrets.GetValueOrDefault(pair.Key) is SecretReading.Found secret && secret.Fields.GetValueOrDefault(CertificateRequest.Chain) == found.Chain))
        .ToDictionary();

    /// <summary>Answers what a plan waits for; false where it waits for nothing.</summary>
    public bool Asked(IReadOnlyList<PlanStep.WriteCertificate> wanted, string? rotation, ManualClock clock)
    {
        foreach (var step in wanted)
        {
            Requests++;
            _answers[step.Request.SecretName] = Away ?? Sign(step.Request.DnsNames, rotation, clock);
        }

        return wanted.Count > 0;
    }

    private VaultSignature Sign(IReadOnlyList<string> names, string? rotation, ManualClock clock)
    {
        var now = clock.GetUtcNow();
        if (_authority is null || PemText.Certificates(_authority.Value.Certificate)!.All[0].NotAfter.ToUniversalTime() < now.UtcDateTime.AddDays(90))
            _authority = AuthoritySigner.Make("vault", (++_generation).ToString(CultureInfo.InvariantCulture), 1, now);
        var (certificate, key) = _authority.Value;
        var (leafKey, request) = AuthoritySigner.Ask(names);
        var signed = new AuthoritySigner(certificate, key, clock).Sign(request, names);
        var content = SignatureRules.Content(new IssuedCertificate(signed, [certificate]), leafKey + "\n")!;
        return SignatureRules.Flaw(content, names, "pki/sign/db", now) is { } flaw
            ? new VaultSignature.Unavailable("IssuerUnusable", flaw)
            : new VaultSignature.Found(content, rotation, ++_number);
    }
}
