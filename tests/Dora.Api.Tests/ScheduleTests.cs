using FsCheck.Fluent;

namespace Dora.Api.Tests;

/// <summary>Times by cron, in zones whose clocks jump.</summary>
public sealed class ScheduleTests
{
    [Theory]
    [InlineData("* * * *", "cron", "4 fields")]
    [InlineData("0 0 2 * * *", "cron", "seconds")]
    [InlineData("60 2 * * *", "cron", "'60' is no minute")]
    [InlineData("0 24 * * *", "cron", "'24' is no hour")]
    [InlineData("0 2 0 * *", "cron", "day of the month")]
    [InlineData("0 2 * 13 *", "cron", "month")]
    [InlineData("0 2 * * 8", "cron", "day of the week")]
    [InlineData("0 2 * * MOON", "cron", "'MOON'")]
    [InlineData("0-5-9 2 * * *", "cron", "'0-5-9'")]
    [InlineData("9-5 2 * * *", "cron", "'9-5'")]
    [InlineData("*/0 2 * * *", "cron", "'*/0'")]
    [InlineData("*/5/5 2 * * *", "cron", "'*/5/5'")]
    [InlineData(", 2 * * *", "cron", "','")]
    [InlineData("-1 2 * * *", "cron", "'-1'")]
    [InlineData("@daily", "cron", "1 fields")]
    [InlineData("0 2 30 2 *", "cron", "no month has")]
    [InlineData("0 2 31 4,6,9,11 *", "cron", "no month has")]
    [InlineData("0 2 * * *", "timeZone", "'Europe/Atlantis'", "Europe/Atlantis")]
    [InlineData("0 2 * * *", "timeZone", "''", "")]
    public void What_never_comes_is_refused_and_said(string cron, string field, string words, string zone = "UTC")
    {
        Assert.Null(Schedule.Parse(cron, zone, out var problem));
        Assert.Equal(field, problem!.Field);
        Assert.Contains(words, problem.Problem, StringComparison.Ordinal);
        Assert.NotEmpty(problem.Fix);
    }

    [Theory]
    [InlineData("*/20 9-10 * * *", "2026-03-01T09:59:59Z", "2026-03-01T10:00:00Z 2026-03-01T10:20:00Z 2026-03-01T10:40:00Z 2026-03-02T09:00:00Z")]
    [InlineData("30 2 * * SUN", "2026-11-21T18:00:00Z", "2026-11-22T02:30:00Z 2026-11-29T02:30:00Z")]
    [InlineData("30 2 * * 7", "2026-11-21T18:00:00Z", "2026-11-22T02:30:00Z")]
    [InlineData("0 0 1 jan,Jul *", "2026-01-01T00:00:00Z", "2026-07-01T00:00:00Z 2027-01-01T00:00:00Z")]
    [InlineData("0 0 29 2 *", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z")]
    [InlineData("0 0 31 * *", "2026-01-31T12:00:00Z", "2026-03-31T00:00:00Z")]
    [InlineData("0 3 13 * FRI", "2026-11-05T00:00:00Z", "2026-11-06T03:00:00Z 2026-11-13T03:00:00Z 2026-11-20T03:00:00Z")]
    [InlineData("0 3 13 12 FRI", "2026-11-20T04:00:00Z", "2026-12-04T03:00:00Z 2026-12-11T03:00:00Z 2026-12-13T03:00:00Z")]
    [InlineData("50/5 1 * * *", "2026-11-05T00:00:00Z", "2026-11-05T01:50:00Z 2026-11-05T01:55:00Z")]
    public void Times_come_one_after_the_other(string cron, string after, string expected) => Assert.Equal(expected, Times(cron, "UTC", after, expected.Split(' ').Length));

    [Theory]
    // The clocks of Berlin go from 2 to 3 at 01:00Z on 2026-03-29, and from 3 to 2 at 01:00Z on 2026-10-25.
    [InlineData("30 2 * * *", "Europe/Berlin", "2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:30:00Z")]
    [InlineData("*/15 2 * * *", "Europe/Berlin", "2026-03-28T02:00:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:00:00Z")]
    [InlineData("0,30 2,3 * * *", "Europe/Berlin", "2026-03-28T03:00:00Z", "2026-03-29T01:00:00Z 2026-03-29T01:30:00Z 2026-03-30T00:00:00Z")]
    [InlineData("30 2 * * *", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T00:30:00Z 2026-10-26T01:30:00Z")]
    [InlineData("30 2,3 * * *", "Europe/Berlin", "2026-10-25T01:15:00Z", "2026-10-25T02:30:00Z 2026-10-26T01:30:00Z")]
    // Lord Howe Island moves by half an hour.
    [InlineData("15 2 * * *", "Australia/Lord_Howe", "2026-10-02T15:45:00Z", "2026-10-03T15:30:00Z 2026-10-04T15:15:00Z")]
    [InlineData("0 9 * * *", "Asia/Kolkata", "2026-11-21T18:00:00Z", "2026-11-22T03:30:00Z")]
    public void A_time_that_is_left_out_comes_at_its_end_and_one_that_comes_twice_comes_once(string cron, string zone, string after, string expected) =>
        Assert.Equal(expected, Times(cron, zone, after, expected.Split(' ').Length));

    [Fact]
    public void In_any_zone_every_day_has_its_time_once_and_times_only_grow()
    {
        string[] zones = ["UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu", "America/Santiago"];
        var cases = from zone in Gen.Elements(zones) from minute in Gen.Choose(0, 59) from hour in Gen.Choose(0, 23) from day in Gen.Choose(0, 4000) select (zone, minute, hour, day);
        foreach (var (zone, minute, hour, day) in Gen.Sample(cases, 200))
        {
            var schedule = Schedule.Parse($"{minute} {hour} * * *", zone, out _)!;
            var at = new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.Zero).AddDays(day);
            for (var times = 0; times < 40; times++)
            {
                var next = schedule.Next(at)!.Value;
                Assert.InRange(next - at, TimeSpan.FromTicks(1), TimeSpan.FromHours(26));
                Assert.Equal(next, schedule.Next(next - TimeSpan.FromSeconds(1)));
                if (times > 0)
                    Assert.InRange(next - at, TimeSpan.FromHours(22), TimeSpan.FromHours(26));
                at = next;
            }
        }
    }

    [Fact]
    public void Nothing_that_is_written_makes_it_fail()
    {
        var texts = Gen.Elements("*", "0", "5", "59", "60", "-", "/", ",", " ", "SUN", "jan", "x", "99999999999999999999", "\t", "é").ArrayOf(12).Select(string.Concat);
        foreach (var text in Gen.Sample(texts, 2000))
        {
            if (Schedule.Parse(text, "UTC", out var problem) is { } schedule)
                Assert.NotNull(schedule.Next(new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero)));
            else
                Assert.NotEmpty(problem!.Problem);
        }

        Assert.Null(Schedule.Parse("0 0 1 1 *", null, out _)!.Next(DateTimeOffset.MaxValue));
    }

    [Theory]
    [InlineData("2026-11-22T01:59:59Z", false)]
    [InlineData("2026-11-22T02:00:00Z", true)]
    [InlineData("2026-11-22T05:59:59Z", true)]
    [InlineData("2026-11-22T06:00:00Z", false)]
    [InlineData("2026-11-25T03:00:00Z", true)]
    public void A_window_is_open_from_its_time_on_for_as_long_as_it_says(string now, bool open)
    {
        var settings = new MaintenanceSettings([new("0 2 * * SUN", "4h"), new("0 3 25 11 *", "30m")]);
        Assert.Equal(open, settings.IsOpen(Time(now)));
        Assert.True(settings.NextOpening(Time(now)) > Time(now));
        Assert.True(new MaintenanceSettings().IsOpen(Time(now)));
    }

    [Theory]
    [InlineData("0 2 * * *", "5m", "UTC", "duration")]
    [InlineData("0 2 * * *", "25h", "UTC", "duration")]
    [InlineData("0 2 * * *", "1d", "UTC", "duration")]
    [InlineData("0 2 30 2 *", "1h", "UTC", "cron")]
    [InlineData("0 2 * * *", "1h", "Mars/Olympus", "timeZone")]
    public void A_window_that_cannot_be_is_named(string cron, string duration, string zone, string field) =>
        Assert.Equal($"spec.maintenance.windows[1].{field}", Assert.Single(MaintenanceSettings.Check(new([new("0 2 * * *", "1h"), new(cron, duration, zone)]))).Field);

    private static string Times(string cron, string zone, string after, int count)
    {
        var schedule = Schedule.Parse(cron, zone, out _)!;
        var times = new List<string>();
        for (var at = Time(after); times.Count < count; times.Add(at.ToString("yyyy-MM-ddTHH:mm:ssZ", System.Globalization.CultureInfo.InvariantCulture)))
            at = schedule.Next(at)!.Value;
        return string.Join(' ', times);
    }

    private static DateTimeOffset Time(string text) => DateTimeOffset.Parse(text, System.Globalization.CultureInfo.InvariantCulture);
}
