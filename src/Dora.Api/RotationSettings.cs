using System.ComponentModel;
using System.Globalization;
using Dora.Kubernetes.Schema;

namespace Dora.Api;

/// <summary>When passwords change by themselves.</summary>
[Cel("!has(self.interval) || int(self.overlap.substring(0, self.overlap.size() - 1)) * (self.overlap.endsWith('m') ? 1 : self.overlap.endsWith('h') ? 60 : 1440) < int(self.interval.substring(0, self.interval.size() - 1)) * (self.interval.endsWith('h') ? 60 : self.interval.endsWith('d') ? 1440 : 10080)", "overlap must be shorter than interval: else an old password would outlive its successor", FieldPath = ".overlap")]
public sealed record RotationSettings(
    [property: Description("How old a password becomes, e.g. 12h, 30d, 13w; at least 1h. Absent: only on demand."), Pattern(RotationSettings.IntervalPattern), MaxLength(5)]
    string? Interval = null,
    [property: Description("How long the old password is accepted beside the new one, e.g. 15m, 1h, 2d; at least 1m. Applications must have read their Secret again by then."), Pattern(RotationSettings.OverlapPattern), MaxLength(6)]
    string Overlap = RotationSettings.DefaultOverlap)
{
    /// <summary>Hours, days or weeks.</summary>
    public const string IntervalPattern = "^[1-9][0-9]{0,3}[hdw]$";

    /// <summary>Minutes, hours or days.</summary>
    public const string OverlapPattern = "^[1-9][0-9]{0,4}[mhd]$";

    /// <summary>Long enough for applications that read their Secret once in a while.</summary>
    public const string DefaultOverlap = "1h";

    /// <summary>A number with a unit of m, h, d or w; null for anything else, and for nothing.</summary>
    public static TimeSpan? Parse(string? text) =>
        text is { Length: > 1 and < 7 } && int.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0
            ? text[^1] switch
            {
                'm' => TimeSpan.FromMinutes(number),
                'h' => TimeSpan.FromHours(number),
                'd' => TimeSpan.FromDays(number),
                'w' => TimeSpan.FromDays(7L * number),
                _ => null,
            }
            : null;
}
