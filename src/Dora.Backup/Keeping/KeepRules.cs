using System.Globalization;

namespace Dora.Backup.Keeping;

/// <summary>
/// Which backups stay: the newest ones, and of each of so many hours, days, weeks, months and years (of those that have any) the newest one.
/// A backup stays when any rule wants it. Weeks are those of ISO 8601.
/// </summary>
/// <param name="Last">How many of the newest.</param>
/// <param name="Hourly">How many hours.</param>
/// <param name="Daily">How many days.</param>
/// <param name="Weekly">How many weeks.</param>
/// <param name="Monthly">How many months.</param>
/// <param name="Yearly">How many years.</param>
public sealed record KeepRules(int Last = 0, int Hourly = 0, int Daily = 0, int Weekly = 0, int Monthly = 0, int Yearly = 0)
{
    /// <summary>Whether any rule keeps anything: without one, everything stays.</summary>
    public bool Any => this != new KeepRules();

    /// <summary>The periods, each with its count and the name of the one that a time falls into.</summary>
    internal IEnumerable<(string Rule, int Count, Func<DateTime, string> Period)> Periods =>
    [
        ("hourly", Hourly, time => time.ToString("yyyy-MM-dd HH", CultureInfo.InvariantCulture)),
        ("daily", Daily, time => time.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)),
        ("weekly", Weekly, time => string.Create(CultureInfo.InvariantCulture, $"{ISOWeek.GetYear(time)}-W{ISOWeek.GetWeekOfYear(time):D2}")),
        ("monthly", Monthly, time => time.ToString("yyyy-MM", CultureInfo.InvariantCulture)),
        ("yearly", Yearly, time => time.ToString("yyyy", CultureInfo.InvariantCulture)),
    ];
}
