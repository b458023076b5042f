namespace Dora.Api;

/// <summary>
/// Times by cron in a time zone. Where clocks are put forward, what falls into the hour that is left out comes at its end; where they
/// are put back, what falls into the hour that comes twice comes once, the first time. Pure.
/// </summary>
public sealed record Schedule
{
    /// <summary>A schedule of a spec as its text may be.</summary>
    public const string CronPattern = "^[^ ]+( [^ ]+){4}$";

    /// <summary>A name of the time zone database, such as Europe/Berlin.</summary>
    public const string ZonePattern = "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$";

    private readonly CronFields _fields;
    private readonly TimeZoneInfo _zone;

    private Schedule(CronFields fields, TimeZoneInfo zone) => (_fields, _zone) = (fields, zone);

    /// <summary>A schedule, or what is wrong.</summary>
    /// <param name="cron">Five fields: minute, hour, day of the month, month, day of the week.</param>
    /// <param name="timeZone">A name of the time zone database; null: UTC.</param>
    /// <param name="problem">What is wrong and with which of the two; empty when nothing is.</param>
    public static Schedule? Parse(string cron, string? timeZone, out ScheduleProblem? problem)
    {
        var (fields, words) = CronFields.Parse(cron);
        problem = fields is null ? new("cron", words, "give minute, hour, day of the month, month and day of the week, such as '30 2 * * *'") : null;
        if (fields is null)
            return null;
        if (timeZone is null or "UTC" || TimeZoneInfo.TryFindSystemTimeZoneById(timeZone, out _))
            return new(fields, timeZone is null or "UTC" ? TimeZoneInfo.Utc : TimeZoneInfo.FindSystemTimeZoneById(timeZone));
        problem = new("timeZone", $"'{timeZone}' is no known time zone", "give a name of the time zone database, such as Europe/Berlin, or UTC");
        return null;
    }

    /// <summary>The first time after another one; null where calendars end.</summary>
    public DateTimeOffset? Next(DateTimeOffset after)
    {
        var local = TimeZoneInfo.ConvertTime(after, _zone).DateTime;
        while (_fields.Next(local) is { } next)
        {
            if (Instant(next) is var instant && instant > after)
                return instant;
            local = next;
        }

        return null;
    }

    private DateTimeOffset Instant(DateTime local)
    {
        if (_zone.IsInvalidTime(local))
            return new DateTimeOffset(End(local), TimeSpan.Zero);
        // The earlier of two is the one that is further from UTC.
        var offset = _zone.IsAmbiguousTime(local) ? _zone.GetAmbiguousTimeOffsets(local).Max() : _zone.GetUtcOffset(local);
        return new DateTimeOffset(local, offset).ToUniversalTime();
    }

    // The instant at which clocks jump over a time: found between times that exist on both sides of it.
    private DateTime End(DateTime skipped)
    {
        var (early, late) = (Utc(skipped.AddDays(-1)), Utc(skipped.AddDays(1)));
        while (late - early > TimeSpan.FromTicks(1))
        {
            var middle = early + ((late - early) / 2);
            if (TimeZoneInfo.ConvertTimeFromUtc(middle, _zone) < skipped)
                early = middle;
            else
                late = middle;
        }

        return late;
    }

    private DateTime Utc(DateTime local) => DateTime.SpecifyKind(local - _zone.GetUtcOffset(local), DateTimeKind.Utc);
}

/// <summary>What is wrong with a schedule.</summary>
/// <param name="Field">cron or timeZone.</param>
/// <param name="Problem">What is wrong.</param>
/// <param name="Fix">What to do.</param>
public sealed record ScheduleProblem(string Field, string Problem, string Fix);
