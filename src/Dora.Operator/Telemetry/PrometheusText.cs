using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace Dora.Operator.Telemetry;

/// <summary>
/// Renders instruments of <see cref="System.Diagnostics.Metrics"/> in Prometheus' text format 0.0.4. There is no maintained exporter
/// for it in a stable version.
/// </summary>
public sealed class PrometheusText : IDisposable
{
    private static readonly double[] Buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<string, Family> _families = new(StringComparer.Ordinal);

    /// <summary>Listens to meters by name.</summary>
    public PrometheusText(params IEnumerable<string> meters)
    {
        var names = meters.ToHashSet(StringComparer.Ordinal);
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (names.Contains(instrument.Meter.Name))
                listener.EnableMeasurementEvents(instrument, _families.GetOrAdd(instrument.Name, _ => new(instrument)));
        };
        _listener.SetMeasurementEventCallback<long>((_, value, labels, state) => ((Family)state!).Record(value, labels));
        _listener.SetMeasurementEventCallback<int>((_, value, labels, state) => ((Family)state!).Record(value, labels));
        _listener.SetMeasurementEventCallback<double>((_, value, labels, state) => ((Family)state!).Record(value, labels));
        _listener.Start();
    }

    /// <summary>All metrics as text.</summary>
    public string Render()
    {
        foreach (var family in _families.Values)
            family.BeginScrape();
        _listener.RecordObservableInstruments();
        var text = new StringBuilder();
        foreach (var family in _families.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            family.Value.Render(text);
        return text.ToString();
    }

    /// <inheritdoc/>
    public void Dispose() => _listener.Dispose();

    private sealed class Family(Instrument instrument)
    {
        private readonly ConcurrentDictionary<string, Series> _series = new(StringComparer.Ordinal);
        private readonly string _type = instrument.GetType().Name switch
        {
            var name when name.StartsWith("Histogram", StringComparison.Ordinal) => "histogram",
            var name when name.Contains("Gauge", StringComparison.Ordinal) || name.Contains("UpDown", StringComparison.Ordinal) => "gauge",
            _ => "counter",
        };

        /// <summary>Observed instruments report all their series at each scrape; what is gone must not stay.</summary>
        public void BeginScrape()
        {
            if (instrument.IsObservable)
                _series.Clear();
        }

        public void Record(double value, ReadOnlySpan<KeyValuePair<string, object?>> labels)
        {
            var series = _series.GetOrAdd(Labels(labels), _ => new());
            lock (series)
            {
                if (_type == "gauge")
                {
                    series.Sum = value;
                    return;
                }

                series.Sum += value;
                series.Count++;
                if (_type != "histogram")
                    return;
                series.Buckets ??= new long[Buckets.Length];
                for (var i = 0; i < Buckets.Length; i++)
                {
                    if (value <= Buckets[i])
                        series.Buckets[i]++;
                }
            }
        }

        public void Render(StringBuilder text)
        {
            var name = _type == "counter" && !instrument.Name.EndsWith("_total", StringComparison.Ordinal) ? instrument.Name + "_total" : instrument.Name;
            text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {(instrument.Description ?? "").Replace("\n", " ", StringComparison.Ordinal)}\n# TYPE {name} {_type}\n");
            foreach (var (labels, series) in _series.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            {
                lock (series)
                {
                    if (_type == "histogram")
                        RenderHistogram(text, name, labels, series);
                    else
                        Line(text, name, labels, series.Sum);
                }
            }
        }

        private static void RenderHistogram(StringBuilder text, string name, string labels, Series series)
        {
            for (var i = 0; i < Buckets.Length; i++)
                Line(text, name + "_bucket", Join(labels, Buckets[i].ToString(CultureInfo.InvariantCulture)), series.Buckets?[i] ?? 0);
            Line(text, name + "_bucket", Join(labels, "+Inf"), series.Count);
            Line(text, name + "_sum", labels, series.Sum);
            Line(text, name + "_count", labels, series.Count);
        }

        private static string Join(string labels, string bound) => labels.Length == 0 ? $"le=\"{bound}\"" : $"{labels},le=\"{bound}\"";

        private static void Line(StringBuilder text, string name, string labels, double value)
        {
            text.Append(name);
            if (labels.Length > 0)
                text.Append('{').Append(labels).Append('}');
            text.Append(' ').Append(value.ToString(CultureInfo.InvariantCulture)).Append('\n');
        }

        private static string Labels(ReadOnlySpan<KeyValuePair<string, object?>> labels)
        {
            if (labels.Length == 0)
                return "";
            var text = new StringBuilder();
            foreach (var (key, value) in labels)
            {
                var escaped = (value?.ToString() ?? "").Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
                text.Append(text.Length == 0 ? "" : ",").Append(key).Append("=\"").Append(escaped).Append('"');
            }

            return text.ToString();
        }
    }

    private sealed class Series
    {
        public double Sum { get; set; }

        public long Count { get; set; }

        public long[]? Buckets { get; set; }
    }
}
