using System.Globalization;
using System.Text.RegularExpressions;

namespace Dora.Engines.InfluxDb;

/// <summary>
/// Durations as people write them and as InfluxDB shows them. One number and one unit: nothing shorter than InfluxDB's minimum of
/// one hour can be written for a retention, and nothing that overflows its nanoseconds (292 years).
/// </summary>
internal static partial class InfluxDuration
{
    public const string RetentionPattern = "^([1-9][0-9]{0,5}h|[1-9][0-9]{0,4}d|[1-9][0-9]{0,3}w|[1-9][0-9]?y)$";
    public const string WindowPattern = "^[1-9][0-9]{0,3}(m|h|d)$";

    private static readonly (string Unit, long Seconds)[] Units = [("w", 604800), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1)];

    /// <summary>Seconds of a retention; 0 (for ever) when absent, null when it is not one.</summary>
    public static long? Retention(string? text) => text is null ? 0 : RetentionForm().IsMatch(text) ? Seconds(text) : null;

    /// <summary>Seconds of a window, or null when it is not one.</summary>
    public static long? Window(string text) => WindowForm().IsMatch(text) ? Seconds(text) : null;

    /// <summary>The way the servers write it: a whole number of the largest unit that fits (influxql, FormatDuration).</summary>
    public static string Format(long seconds)
    {
        var (unit, size) = Units.First(unit => seconds % unit.Seconds == 0);
        return string.Create(CultureInfo.InvariantCulture, $"{seconds / size}{unit}");
    }

    /// <summary>Seconds of Go's form, e.g. <c>720h0m0s</c>, in which 1.x shows retention policies; null when it is none.</summary>
    public static long? FromGo(string? text)
    {
        if (text is null || GoForm().Match(text) is not { Success: true } match)
            return null;
        return (Part(match, "h") * 3600) + (Part(match, "m") * 60) + Part(match, "s");
    }

    /// <summary>Length of a shard when nobody says (InfluxDB documentation, "shard group duration").</summary>
    public static long DefaultShard(long retention) => retention switch
    {
        0 or >= 180 * 86400 => 7 * 86400,
        >= 2 * 86400 => 86400,
        _ => 3600,
    };

    private static long Seconds(string text)
    {
        var number = long.Parse(text[..^1], CultureInfo.InvariantCulture);
        return number * (text[^1] switch { 'y' => 365 * 86400, 'w' => 604800, 'd' => 86400, 'h' => 3600, _ => 60 });
    }

    private static long Part(Match match, string name) => match.Groups[name] is { Success: true } group ? long.Parse(group.ValueSpan, CultureInfo.InvariantCulture) : 0;

    [GeneratedRegex(RetentionPattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex RetentionForm();

    [GeneratedRegex(WindowPattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex WindowForm();

    [GeneratedRegex("^((?<h>[0-9]{1,8})h)?((?<m>[0-9]{1,4})m)?(?<s>[0-9]{1,4})s$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex GoForm();
}
