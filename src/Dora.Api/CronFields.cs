using System.Globalization;
using System.Numerics;

namespace Dora.Api;

/// <summary>
/// The five fields of cron, as Kubernetes reads them: minute, hour, day of the month, month, day of the week. Where both days are
/// restricted, either will do. Knows no time zone. Pure.
/// </summary>
internal sealed record CronFields(ulong Minutes, ulong Hours, ulong Days, ulong Months, ulong Weekdays, bool EitherDay)
{
    // Between two 29th of February there may be eight years.
    private const int LongestPause = 9 * 366;

    private static readonly (string Name, int Least, int Most, string[] Words)[] _fields =
    [
        ("minute", 0, 59, []),
        ("hour", 0, 23, []),
        ("day of the month", 1, 31, []),
        ("month", 1, 12, ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
        // 7 is Sunday, too.
        ("day of the week", 0, 7, ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
    ];

    /// <summary>The fields of a text, or what is wrong with it.</summary>
    public static (CronFields? Fields, string Problem) Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var parts = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length != _fields.Length)
            return (null, parts.Length == 6 ? "has six fields: seconds are not possible" : string.Create(CultureInfo.InvariantCulture, $"has {parts.Length} fields and not five"));
        var sets = new ulong[_fields.Length];
        for (var index = 0; index < sets.Length; index++)
        {
            var (name, least, most, _) = _fields[index];
            if (Set(parts[index], index) is not { } set)
                return (null, string.Create(CultureInfo.InvariantCulture, $"'{parts[index]}' is no {name} ({least} to {most})"));
            sets[index] = set;
        }

        var weekdays = (sets[4] | (sets[4] >> 7)) & 0x7f;
        var fields = new CronFields(sets[0], sets[1], sets[2], sets[3], weekdays, EitherDay: parts[2][0] != '*' && parts[4][0] != '*');
        return fields.Next(new(2000, 1, 1)) is null ? (null, "names a day that no month has") : (fields, "");
    }

    /// <summary>The first time after another one, on a clock that never jumps; null where calendars end.</summary>
    public DateTime? Next(DateTime after)
    {
        var day = after.Date;
        for (var passed = 0; passed < LongestPause && day < DateTime.MaxValue.Date.AddDays(-31); passed++)
        {
            if (Matches(day) && At(day, after) is { } found)
                return found;
            day = Has(Months, day.Month) ? day.AddDays(1) : new DateTime(day.Year, day.Month, 1).AddMonths(1);
        }

        return null;
    }

    private bool Matches(DateTime day)
    {
        var (ofMonth, ofWeek) = (Has(Days, day.Day), Has(Weekdays, (int)day.DayOfWeek));
        return Has(Months, day.Month) && (EitherDay ? ofMonth || ofWeek : ofMonth && ofWeek);
    }

    private DateTime? At(DateTime day, DateTime after)
    {
        for (var hour = 0; hour < 24; hour++)
        {
            for (var minute = 0; Has(Hours, hour) && minute < 60; minute++)
            {
                if (Has(Minutes, minute) && day.AddHours(hour).AddMinutes(minute) is var time && time > after)
                    return time;
            }
        }

        return null;
    }

    private static ulong? Set(string text, int field)
    {
        var set = 0UL;
        foreach (var item in text.Split(','))
        {
            if (Range(item, field) is not { } range)
                return null;
            for (var value = range.From; value <= range.To; value += range.Step)
                set |= 1UL << value;
        }

        return BitOperations.PopCount(set) > 0 ? set : null;
    }

    // *, 5, 1-5, and each of them with /2.
    private static (int From, int To, int Step)? Range(string item, int field)
    {
        var (_, least, most, _) = _fields[field];
        var step = 1;
        if (item.Split('/') is [var before, var every])
        {
            if (!int.TryParse(every, NumberStyles.None, CultureInfo.InvariantCulture, out step) || step < 1 || step > most)
                return null;
            item = before;
        }
        else if (item.Contains('/', StringComparison.Ordinal))
        {
            return null;
        }

        if (item == "*")
            return (least, field == 4 ? most - 1 : most, step);
        var ends = item.Split('-');
        if (ends.Length > 2 || Value(ends[0], field) is not { } from)
            return null;
        var to = ends.Length == 2 ? Value(ends[1], field) : step > 1 ? most : from;
        return to is { } last && last >= from ? (from, last, step) : null;
    }

    private static int? Value(string text, int field)
    {
        var (_, least, most, words) = _fields[field];
        if (Array.FindIndex(words, word => word.Equals(text, StringComparison.OrdinalIgnoreCase)) is >= 0 and var word)
            return word + least;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most ? value : null;
    }

    private static bool Has(ulong set, int value) => (set >> value & 1) == 1;
}
