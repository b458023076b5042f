using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;
using CertificateRequest = Dora.Engines.CertificateRequest;

namespace Dora.Operator.Transport;

/// <summary>What follows from what ports showed: whether connections are encrypted, and who must take up a renewed certificate. Pure.</summary>
public static class EncryptionRules
{
    /// <summary>The ports that speak TLS, of pods that can answer.</summary>
    public static IEnumerable<TransportTarget> Ports(StackPlan plan, StackObservation observed)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(observed);
        return from engine in plan.Engines
               from endpoint in engine.Cluster.Endpoints
               from pod in observed.Pods
               where Serves(pod, endpoint, engine.Engine.Name)
               orderby pod.Metadata.Name
               select new TransportTarget(engine.Engine.Name, pod.Metadata.Name!, pod.Metadata.Uid!, pod.Status!.PodIP!, endpoint);
    }

    /// <summary>Whom the servers of an endpoint are believed by, and the serial number that they should serve; null while there is no certificate.</summary>
    public static (ServerTrust? Trust, string? Serial) Wanted(TlsEndpoint endpoint, StackObservation observed)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        ArgumentNullException.ThrowIfNull(observed);
        if (observed.Credentials.GetValueOrDefault(endpoint.SecretName) is not SecretReading.Found found)
            return default;
        try
        {
            using var certificate = X509Certificate2.CreateFromPem(found.Fields[CertificateRequest.Chain]);
            return (ServerTrust.Of(found.Fields[CertificateRequest.Trust]), certificate.SerialNumber);
        }
        catch (Exception exception) when (exception is CryptographicException or KeyNotFoundException)
        {
            // What is wrong with the Secret is said where certificates are issued.
            return default;
        }
    }

    /// <summary>Whether a command has a server take up its certificate: routine that changes nothing of what is asked for.</summary>
    public static bool TakesUpCertificate(EngineCommand command) =>
        command is { Name: EngineCommand.ReloadCertificate or EngineCommand.InterruptForCertificate };

    /// <summary>
    /// What to tell servers that serve another certificate than their Secret holds. The kubelet brings the files some time after the
    /// Secret changed, so a server may be told in vain, and is told again after the next look. What interrupts a server waits until
    /// another port of its pod shows that the files are there, and goes pod by pod while the engine is healthy, the
    /// primary's last, once another member is primary where one can be.
    /// </summary>
    public static IEnumerable<EngineCommand> Commands(BoundEngine engine, StackObservation observed)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(observed);
        foreach (var (pod, ports) in Stale(engine.Engine.Name, observed))
        {
            if (ports.Find(port => port.Target.Endpoint.Reload == CertificateReload.ByCommand) is { } port && !port.Told)
                yield return new(EngineCommand.ReloadCertificate, pod, $"{pod} serves a certificate that was renewed since");
        }

        if (!engine.Observed.InterruptsPrimary && Interrupted(engine.Engine.Name, engine.Observed.Health, observed) is { } next)
        {
            yield return new(EngineCommand.InterruptForCertificate, next, $"{next} serves a certificate that was renewed since, and reads it only when it starts");
        }
    }

    /// <summary>The pod that is interrupted next, the primary's last; null while none is, or one must be seen again first.</summary>
    public static string? Interrupted(string engine, EngineHealth? health, StackObservation observed)
    {
        ArgumentNullException.ThrowIfNull(observed);
        if (health is not { Verdict: EngineVerdict.Healthy })
            return null;
        var stale = Stale(engine, observed);
        var next = stale
            .OrderBy(pod => pod.Key == health.Primary)
            .ThenBy(pod => pod.Key, StringComparer.Ordinal)
            .FirstOrDefault(pod => pod.Value.All(port => port is { Told: false, Target.Endpoint.Reload: CertificateReload.ByInterruption })).Key;
        return next is not null && next == health.Primary && stale.Count > 1 ? null : next;
    }

    /// <summary>Pods that can take up their certificate only by a restart.</summary>
    public static IReadOnlySet<string> Restarts(string engine, StackObservation observed)
    {
        ArgumentNullException.ThrowIfNull(observed);
        return observed.Ports
            .Where(port => port.Target.Engine == engine && port.Target.Endpoint.Reload == CertificateReload.ByRestart && Stale(port, observed))
            .Select(port => port.Target.Pod)
            .ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>Whether every connection to the servers is encrypted, as measured.</summary>
    public static Condition Encrypted(StackPlan plan, IReadOnlyList<MeasuredPort> ports)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(ports);
        if (plan.Engines.Where(engine => engine.Cluster.Endpoints.Count == 0).Select(engine => engine.Engine.Name).ToList() is { Count: > 0 } plain)
            return Condition(Conditions.False, TransportVerdict.PlaintextAccepted, $"{string.Join(", ", plain)}: connections are not encrypted by this operator and stack version");
        foreach (var verdict in (TransportVerdict[])[TransportVerdict.PlaintextAccepted, TransportVerdict.LegacyTlsAccepted, TransportVerdict.ChainInvalid])
        {
            if (ports.Where(port => port.Finding.Verdict == verdict).ToList() is { Count: > 0 } broken)
                return Condition(Conditions.False, verdict, string.Join("; ", broken.Take(5).Select(port => $"{port.Target.Pod} {port.Target.Endpoint.Name}: {port.Finding.Detail}")));
        }

        var open = plan.Engines.Where(engine => !ports.Any(port => port.Target.Engine == engine.Engine.Name && port.Finding.Verdict == TransportVerdict.PolicyMet)).Select(engine => engine.Engine.Name).ToList();
        return open.Count > 0
            ? Condition(Conditions.Unknown, TransportVerdict.NotMeasured, $"{string.Join(", ", open)}: no server has answered yet")
            : Condition(Conditions.True, TransportVerdict.PolicyMet, $"{string.Join(", ", ports.Select(port => port.Target.Endpoint.Name).Distinct())}: {string.Join(" and ", ports.Select(port => port.Finding.Protocol).OfType<string>().Distinct().Order(StringComparer.Ordinal))}; speech in the clear and older versions were tried and refused");
    }

    private static Condition Condition(string status, TransportVerdict reason, string message) => new(ConditionTypes.EncryptedInTransit, status, reason.ToString(), message);

    private static Dictionary<string, List<MeasuredPort>> Stale(string engine, StackObservation observed) => observed.Ports
        .Where(port => port.Target.Engine == engine && Stale(port, observed))
        .GroupBy(port => port.Target.Pod)
        .ToDictionary(pod => pod.Key, pod => pod.ToList(), StringComparer.Ordinal);

    private static bool Stale(MeasuredPort port, StackObservation observed) =>
        port.Finding.Serial is { } serial && Wanted(port.Target.Endpoint, observed).Serial is { } wanted && serial != wanted;

    private static bool Serves(Pod pod, TlsEndpoint endpoint, string engine) =>
        pod is { Metadata: { Uid: not null, DeletionTimestamp: null }, Status.PodIP: not null }
        && pod.Status.Conditions?.Any(condition => condition is { Type: "Ready", Status: "True" }) == true
        && (endpoint.Pods is { } labels ? labels.All(label => pod.Metadata.Label(label.Key) == label.Value) : pod.Metadata.Label(Labels.Engine) == engine);
}
