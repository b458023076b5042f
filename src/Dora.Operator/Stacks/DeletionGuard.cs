using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;

namespace Dora.Operator.Stacks;

/// <summary>
/// Whether the API server refuses to delete protected stacks. The operator cannot refuse anything itself: a finalizer would only
/// make a deletion hang that can never be taken back. Asked at most once a minute, and only while a stack is protected.
/// </summary>
public sealed class DeletionGuard(KubeClient client, TimeProvider clock)
{
    /// <summary>Name of the policy and of its binding: the same in every installation, since both are cluster-wide.</summary>
    public const string PolicyName = "deletion-protection.dora-operator.io";

    private static readonly TimeSpan Memory = TimeSpan.FromMinutes(1);

    private volatile Answer? _last;

    private sealed record Answer(ProtectionReading Reading, long At);

    /// <summary>What holds now.</summary>
    public async Task<ProtectionReading> ReadAsync(CancellationToken cancellationToken)
    {
        // Two passes that meet here both ask, which is harmless.
        if (_last is { } last && clock.GetElapsedTime(last.At) < Memory)
            return last.Reading;
        var reading = await AskAsync(cancellationToken).ConfigureAwait(false);
        _last = new(reading, clock.GetTimestamp());
        return reading;
    }

    private async Task<ProtectionReading> AskAsync(CancellationToken cancellationToken)
    {
        if (!await client.ServesAsync(KubeTypes.ValidatingAdmissionPolicyBindings.Resource, cancellationToken).ConfigureAwait(false))
            return ProtectionReading.NotServed;
        try
        {
            var binding = await client.FindAsync(KubeTypes.ValidatingAdmissionPolicyBindings, null, PolicyName, cancellationToken).ConfigureAwait(false);
            var denies = binding?.Spec is { PolicyName: PolicyName, ValidationActions: { } actions } && actions.Contains("Deny");
            return denies && await client.FindAsync(KubeTypes.ValidatingAdmissionPolicies, null, PolicyName, cancellationToken).ConfigureAwait(false) is not null
                ? ProtectionReading.Enforced
                : ProtectionReading.NotInstalled;
        }
        catch (KubeForbiddenException)
        {
            return ProtectionReading.Unknown;
        }
    }
}
