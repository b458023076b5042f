using System.Collections.Concurrent;
using Dora.Kubernetes.Runtime;
using Dora.Operator.Stacks;

namespace Dora.Operator.Transport;

/// <summary>
/// What every port of every stack last showed; lives in memory only. A port is tried when its pod is new, again after a while, and
/// sooner while it serves another certificate than its Secret holds.
/// </summary>
public sealed class TransportStore(TimeProvider clock)
{
    private static readonly TimeSpan Lasting = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan Unsettled = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<ObjectKey, IReadOnlyList<MeasuredPort>> _ports = new();

    /// <summary>Findings of a stack.</summary>
    public IReadOnlyList<MeasuredPort> Of(ObjectKey key) => _ports.GetValueOrDefault(key) ?? [];

    /// <summary>Tries what is due. Answers whether anything was found that was not known before.</summary>
    public async Task<bool> MeasureAsync(ObjectKey key, StackObservation observed, StackPlan plan, ExecutionReport report, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(observed);
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(report);
        var before = Of(key);
        var told = report.Done.OfType<PlanStep.Command>().Where(step => EncryptionRules.TakesUpCertificate(step.What)).Select(step => step.What.Subject).ToHashSet(StringComparer.Ordinal);
        var ports = await Task.WhenAll(EncryptionRules.Ports(plan, observed).Select(port => MeasureAsync(port, before, observed, told, cancellationToken))).ConfigureAwait(false);
        _ports[key] = ports;
        return !ports.Select(port => (port.Target, port.Finding)).SequenceEqual(before.Select(port => (port.Target, port.Finding)));
    }

    /// <summary>Forgets a stack that is gone.</summary>
    public void Forget(ObjectKey key) => _ports.TryRemove(key, out _);

    private async Task<MeasuredPort> MeasureAsync(TransportTarget target, IReadOnlyList<MeasuredPort> before, StackObservation observed, HashSet<string> told, CancellationToken cancellationToken)
    {
        var known = before.FirstOrDefault(port => port.Target == target);
        var (trust, wanted) = EncryptionRules.Wanted(target.Endpoint, observed);
        var settled = known?.Finding.Verdict == TransportVerdict.PolicyMet && known.Finding.Serial == wanted;
        if (known is not null && clock.GetElapsedTime(known.At) < (settled ? Lasting : Unsettled))
            return known with { Told = known.Told || told.Contains(target.Pod) };
        if (trust is null)
            return known ?? new(target, new(TransportVerdict.NotMeasured, "its certificate is not issued yet"), clock.GetTimestamp());
        var finding = await TransportProbe.MeasureAsync(target, trust, observed.Stack.Spec.Tls?.MinimumVersion ?? target.Endpoint.Oldest, cancellationToken).ConfigureAwait(false);
        return new(target, finding, clock.GetTimestamp());
    }
}

/// <summary>A port and what it last showed.</summary>
/// <param name="Target">The port.</param>
/// <param name="Finding">What it showed.</param>
/// <param name="At">When, as <see cref="TimeProvider.GetTimestamp"/> counts.</param>
/// <param name="Told">Whether the server was told since to take up its certificate.</param>
public sealed record MeasuredPort(TransportTarget Target, TransportFinding Finding, long At, bool Told = false);
