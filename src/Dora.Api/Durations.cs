using System.Globalization;
using System.Text.RegularExpressions;

namespace Dora.Api;

/// <summary>Durations as specs write them: numbers with units y, w, d, h, m and s, such as <c>7y</c>, <c>90d</c>, <c>1h30m</c>. A year has 365 days.</summary>
public static partial class Durations
{
    /// <summary>The duration; null where the text is none, is zero, or has no room in a clock.</summary>
    public static TimeSpan? Parse(string? text)
    {
        if (text is null || !Whole().IsMatch(text))
            return null;
        double seconds = 0;
        foreach (Match part in Part().Matches(text))
            seconds += double.Parse(part.Groups["count"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture) * Seconds(part.Groups["unit"].Value[0]);
        // A century is more than any deadline, and less than what dates take.
        return seconds is > 0 and <= 100.0 * 365 * 86_400 ? TimeSpan.FromSeconds(seconds) : null;
    }

    /// <summary>A measured time as text: whole seconds, in the largest units that it fills.</summary>
    public static string Format(TimeSpan time)
    {
        var seconds = Math.Max(0, (long)Math.Round(time.TotalSeconds));
        var parts = new List<string>();
        foreach (var (unit, length) in ((char, long)[])[('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)])
        {
            if (seconds >= length || (unit == 's' && parts.Count == 0))
                parts.Add(string.Create(CultureInfo.InvariantCulture, $"{seconds / length}{unit}"));
            seconds %= length;
        }

        return string.Concat(parts);
    }

    private static double Seconds(char unit) => unit switch
    {
        'y' => 365.0 * 86_400,
        'w' => 7.0 * 86_400,
        'd' => 86_400,
        'h' => 3_600,
        'm' => 60,
        _ => 1,
    };

    [GeneratedRegex("^(?:[0-9]{1,9}[ywdhms]){1,8}$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Whole();

    [GeneratedRegex("(?<count>[0-9]+)(?<unit>[ywdhms])", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Part();
}
