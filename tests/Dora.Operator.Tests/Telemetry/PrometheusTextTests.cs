using System.Diagnostics.Metrics;
using Dora.Operator.Telemetry;

namespace Dora.Operator.Tests.Telemetry;

public sealed class PrometheusTextTests
{
    [Fact]
    public void Instruments_become_Prometheus_text()
    {
        using var meter = new Meter("prometheus-test");
        using var text = new PrometheusText("prometheus-test");
        meter.CreateCounter<long>("requests", description: "How many.").Add(2, new KeyValuePair<string, object?>("verb", "a\"b\\c\nd"));
        meter.CreateGauge<long>("depth").Record(7);
        var duration = meter.CreateHistogram<double>("seconds");
        duration.Record(0.3);
        duration.Record(100);
        var gone = true;
        meter.CreateObservableGauge("ready", () => gone ? new[] { new Measurement<int>(1, new KeyValuePair<string, object?>("stack", "x")) } : []);

        var first = text.Render();
        Assert.Contains("# HELP requests_total How many.\n# TYPE requests_total counter\nrequests_total{verb=\"a\\\"b\\\\c\\nd\"} 2\n", first, StringComparison.Ordinal);
        Assert.Contains("# TYPE depth gauge\ndepth 7\n", first, StringComparison.Ordinal);
        Assert.Contains("seconds_bucket{le=\"0.25\"} 0\n", first, StringComparison.Ordinal);
        Assert.Contains("seconds_bucket{le=\"0.5\"} 1\n", first, StringComparison.Ordinal);
        Assert.Contains("seconds_bucket{le=\"+Inf\"} 2\nseconds_sum 100.3\nseconds_count 2\n", first, StringComparison.Ordinal);
        Assert.Contains("ready{stack=\"x\"} 1\n", first, StringComparison.Ordinal);
        gone = false;
        Assert.DoesNotContain("ready{", text.Render(), StringComparison.Ordinal);
    }
}
