using System.Diagnostics.Metrics;
using System.Globalization;

namespace Dora.Kubernetes.Client;

/// <summary>The instruments of the meter <c>Dora.Kubernetes</c>; who wants them rendered attaches a <see cref="MeterListener"/>.</summary>
public static class KubeMetrics
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "Dora.Kubernetes";

    private static readonly Meter _meter = new(MeterName);
    private static readonly string[] _codes = Codes();

    internal static Counter<long> Requests { get; } = _meter.CreateCounter<long>(
        "kube_client_requests", description: "Requests to the API server by verb, resource and HTTP code (0: no answer).");

    internal static Histogram<double> RequestDuration { get; } = _meter.CreateHistogram<double>(
        "kube_client_request_duration_seconds", "s", "Time until the answer's headers, by verb and resource; watches are left out.");

    internal static Gauge<long> QueueDepth { get; } = _meter.CreateGauge<long>(
        "workqueue_depth", description: "Keys that wait for a worker.");

    internal static Counter<long> Reconciles { get; } = _meter.CreateCounter<long>(
        "reconcile_total", description: "Reconciles by controller and result (done, requeue_after, error, timeout).");

    internal static Histogram<double> ReconcileDuration { get; } = _meter.CreateHistogram<double>(
        "reconcile_duration_seconds", "s", "Time per reconcile by controller.");

    internal static Gauge<long> InformerObjects { get; } = _meter.CreateGauge<long>(
        "informer_objects", description: "Objects held by an informer's store.");

    internal static Counter<long> InformerRestarts { get; } = _meter.CreateCounter<long>(
        "informer_restarts_total", description: "Lists or watches that ended in an error, by resource and reason.");

    internal static Counter<long> EventsDropped { get; } = _meter.CreateCounter<long>(
        "events_dropped_total", description: "Events that were not written, by reason (full, rate, error).");

    internal static void RecordRequest(string verb, string resource, int code, TimeSpan elapsed)
    {
        if (Requests.Enabled)
            Requests.Add(1, new("verb", verb), new("resource", resource), new("code", Code(code)));
        if (RequestDuration.Enabled && !string.Equals(verb, "watch", StringComparison.Ordinal))
            RequestDuration.Record(elapsed.TotalSeconds, new("verb", verb), new("resource", resource));
    }

    private static string Code(int code) =>
        (uint)code < (uint)_codes.Length ? _codes[code] : code.ToString(CultureInfo.InvariantCulture);

    private static string[] Codes()
    {
        var codes = new string[600];
        for (var code = 0; code < codes.Length; code++)
            codes[code] = code.ToString(CultureInfo.InvariantCulture);
        return codes;
    }
}
