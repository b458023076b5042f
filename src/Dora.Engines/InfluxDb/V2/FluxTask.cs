using System.Text;

namespace Dora.Engines.InfluxDb.V2;

/// <summary>Downsampling as a task in Flux (InfluxDB 2.7 documentation, "Downsample data with InfluxDB").</summary>
internal static class FluxTask
{
    /// <summary>First line of every task that the operator made.</summary>
    public const string Mark = "// Made by dora-operator.\n";

    public static string Text(DownsamplingPlan wanted, string organization)
    {
        var every = InfluxDuration.Format(wanted.Window);
        var text = new StringBuilder(Mark);
        text.Append($"option task = {{name: {Quote(wanted.Name)}, every: {every}}}\n\n");
        text.Append($"from(bucket: {Quote(wanted.Source)})\n    |> range(start: -task.every)\n");
        if (wanted.Measurement is { } measurement)
            text.Append($"    |> filter(fn: (r) => r._measurement == {Quote(measurement)})\n");
        text.Append($"    |> aggregateWindow(every: {every}, fn: {wanted.Function}, createEmpty: false)\n");
        text.Append($"    |> to(bucket: {Quote(wanted.Target)}, org: {Quote(organization)})\n");
        return text.ToString();
    }

    private static string Quote(string value) =>
        $"\"{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("${", "\\${", StringComparison.Ordinal)}\"";
}
