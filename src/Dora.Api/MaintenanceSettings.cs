using System.ComponentModel;
using Dora.Kubernetes.Schema;

namespace Dora.Api;

/// <summary>When the operator may begin by itself what can wait.</summary>
public sealed record MaintenanceSettings(
    [property: Description("Times at which changes of passwords by spec.credentials.rotation.interval may begin; none: at any time. What somebody asks for begins at once, and what has begun is ended."), MaxItems(8)]
    IReadOnlyList<MaintenanceWindow>? Windows = null)
{
    /// <summary>Whether a time lies in a window; true where there are none.</summary>
    public bool IsOpen(DateTimeOffset now) => Windows is not { Count: > 0 } windows || windows.Any(window => window.Begin(now - window.Span) <= now);

    /// <summary>When the next window opens; null: there is none.</summary>
    public DateTimeOffset? NextOpening(DateTimeOffset now) => (Windows ?? []).Select(window => window.Begin(now)).Min();

    /// <summary>What in the windows cannot be done.</summary>
    public static IEnumerable<Violation> Check(MaintenanceSettings? settings)
    {
        foreach (var (window, index) in (settings?.Windows ?? []).Select((window, index) => (window, index)))
        {
            var at = $"spec.maintenance.windows[{index}]";
            if (Schedule.Parse(window.Cron, window.TimeZone, out var problem) is null)
                yield return new($"{at}.{problem!.Field}", problem.Problem, problem.Fix);
            if (window.Span < MaintenanceWindow.Shortest || window.Span > MaintenanceWindow.Longest)
                yield return new($"{at}.duration", $"'{window.Duration}' is no duration of a window", "choose 10m to 24h");
        }
    }
}

/// <summary>A time that comes again and again.</summary>
public sealed record MaintenanceWindow(
    [property: Description("When it opens: minute, hour, day of the month, month, day of the week, e.g. '0 2 * * SUN'. Where both days are given, either will do."), Pattern(Schedule.CronPattern), MaxLength(128)]
    string Cron,
    [property: Description("How long it is open, e.g. 90m, 4h; 10m to 24h."), Pattern(MaintenanceWindow.DurationPattern), MaxLength(5)]
    string Duration,
    [property: Description("Time zone of cron, e.g. Europe/Berlin."), Pattern(Schedule.ZonePattern), MaxLength(64)]
    string TimeZone = "UTC")
{
    /// <summary>Minutes or hours.</summary>
    public const string DurationPattern = "^[1-9][0-9]{0,3}[mh]$";

    /// <summary>A pass of the operator must not miss it.</summary>
    public static readonly TimeSpan Shortest = TimeSpan.FromMinutes(10);

    /// <summary>What is open all day is open always.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromHours(24);

    /// <summary>How long it is open; nothing for what is no duration.</summary>
    internal TimeSpan Span => Duration is [.., 'm' or 'h'] ? RotationSettings.Parse(Duration) ?? TimeSpan.Zero : TimeSpan.Zero;

    /// <summary>When it opens next after a time; null for what is no schedule.</summary>
    internal DateTimeOffset? Begin(DateTimeOffset after) => Schedule.Parse(Cron, TimeZone, out _)?.Next(after);
}
