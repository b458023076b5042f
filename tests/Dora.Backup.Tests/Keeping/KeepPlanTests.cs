using Dora.Backup.Keeping;
using FsCheck;
using FsCheck.Fluent;

namespace Dora.Backup.Tests.Keeping;

public sealed class KeepPlanTests
{
    private static readonly DateTimeOffset _start = new(2026, 1, 1, 0, 30, 0, TimeSpan.Zero);

    private static readonly Gen<KeepRules> _rules =
        from last in Gen.Choose(0, 4)
        from hourly in Gen.Choose(0, 3)
        from daily in Gen.Choose(0, 8)
        from weekly in Gen.Choose(0, 5)
        from monthly in Gen.Choose(0, 5)
        from yearly in Gen.Choose(0, 3)
        select new KeepRules(last, hourly, daily, weekly, monthly, yearly);

    private static readonly Gen<List<KeptBackup>> _backups =
        from gaps in Gen.ListOf(Gen.Choose(1, 400))
        from seed in Gen.Choose(0, int.MaxValue - 1)
        select Chain(gaps, seed);

    [Fact]
    public void A_month_of_nightly_backups_keeps_seven_days_four_weeks_and_the_month()
    {
        var nightly = Enumerable.Range(0, 31).Select(day => new KeptBackup($"d{day + 1:D2}", _start.AddDays(day)));
        var stays = Stays(KeepPlan.Of(nightly, new(Daily: 7, Weekly: 4, Monthly: 2), TimeZoneInfo.Utc));

        // 2026-01-31 is a Saturday: weeks end on the 25th, 18th and 11th.
        Assert.Equal(["d11", "d18", "d25", "d26", "d27", "d28", "d29", "d30", "d31"], stays.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Periods_without_a_backup_do_not_count()
    {
        KeptBackup[] backups = [new("old", _start), new("older", _start.AddDays(-200)), new("oldest", _start.AddDays(-400))];

        Assert.Equal(["old", "older"], Stays(KeepPlan.Of(backups, new(Daily: 2), TimeZoneInfo.Utc)));
    }

    [Fact]
    public void A_day_begins_where_the_zone_says()
    {
        KeptBackup[] backups = [new("a", new(2026, 5, 1, 21, 0, 0, TimeSpan.Zero)), new("b", new(2026, 5, 1, 22, 30, 0, TimeSpan.Zero)), new("c", new(2026, 5, 2, 12, 0, 0, TimeSpan.Zero))];
        var berlin = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");

        Assert.Equal(["c", "b"], Stays(KeepPlan.Of(backups, new(Daily: 2), TimeZoneInfo.Utc)));
        Assert.Equal(["c", "a"], Stays(KeepPlan.Of(backups, new(Daily: 2), berlin)));
    }

    [Fact]
    public void Without_a_rule_everything_stays() =>
        Assert.All(KeepPlan.Of([new("a", _start), new("b", _start.AddYears(-9))], new(), TimeZoneInfo.Utc), verdict => Assert.True(verdict.Stays));

    [Fact]
    public void The_newest_verified_one_stays_even_when_newer_ones_fill_the_rule()
    {
        KeptBackup[] backups = [new("new", _start), new("newer", _start.AddDays(1)), new("verified", _start.AddDays(-30), Verified: true), new("long-verified", _start.AddDays(-60), Verified: true)];

        Assert.Equal(["newer", "verified"], Stays(KeepPlan.Of(backups, new(Last: 1), TimeZoneInfo.Utc)));
    }

    [Fact]
    public void To_go_back_to_any_moment_of_a_window_the_last_full_one_before_it_stays()
    {
        KeptBackup[] backups = [new("sunday", _start), new("monday", _start.AddDays(1), Parent: "sunday"), new("next-sunday", _start.AddDays(7)), new("next-monday", _start.AddDays(8), Parent: "next-sunday"), new("long-ago", _start.AddDays(-7))];

        Assert.Equal(["next-monday", "next-sunday", "sunday"], Stays(KeepPlan.Of(backups, new(Last: 1), TimeZoneInfo.Utc, _start.AddDays(3))));
    }

    [Fact]
    public void What_stays_can_be_restored_whatever_the_rules() => For((verdicts, backups) =>
    {
        var stays = Stays(verdicts).ToHashSet(StringComparer.Ordinal);
        return backups.Where(backup => stays.Contains(backup.Id)).All(backup => backup.Parent is null || stays.Contains(backup.Parent));
    });

    [Fact]
    public void The_newest_and_the_newest_verified_stay_whatever_the_rules() => For((verdicts, backups) =>
    {
        var stays = Stays(verdicts).ToHashSet(StringComparer.Ordinal);
        var verified = backups.Where(backup => backup.Verified).MaxBy(backup => backup.At);
        return backups.Count == 0 || (stays.Contains(backups.MaxBy(backup => backup.At)!.Id) && (verified is null || stays.Contains(verified.Id)));
    });

    [Fact]
    public void To_decide_again_removes_nothing_more() => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(200),
        Prop.ForAll(_backups.Zip(_rules).ToArbitrary(), pair =>
        {
            var once = Stays(KeepPlan.Of(pair.Item1, pair.Item2, TimeZoneInfo.Utc)).ToHashSet(StringComparer.Ordinal);
            var left = pair.Item1.Where(backup => once.Contains(backup.Id)).ToList();
            return Stays(KeepPlan.Of(left, pair.Item2, TimeZoneInfo.Utc)).Count() == left.Count;
        }));

    [Fact]
    public void Whatever_goes_no_rule_wants_and_whatever_stays_has_a_reason() => For((verdicts, _) => verdicts.All(verdict => verdict.Stays == verdict.Reasons.Count > 0));

    private static void For(Func<IReadOnlyList<KeepVerdict>, List<KeptBackup>, bool> holds) => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(300),
        Prop.ForAll(_backups.Zip(_rules).ToArbitrary(), pair => holds(KeepPlan.Of(pair.Item1, pair.Item2, TimeZoneInfo.Utc), pair.Item1)));

    private static IEnumerable<string> Stays(IEnumerable<KeepVerdict> verdicts) => verdicts.Where(verdict => verdict.Stays).Select(verdict => verdict.Id);

    private static List<KeptBackup> Chain(IEnumerable<int> gaps, int seed)
    {
        var random = new Random(seed);
        var backups = new List<KeptBackup>();
        var at = _start;
        foreach (var gap in gaps)
        {
            at = at.AddHours(gap);
            var parent = backups.Count > 0 && random.Next(3) > 0 ? backups[^1].Id : null;
            backups.Add(new($"b{backups.Count:D4}", at, random.Next(4) == 0, parent));
        }

        return backups;
    }
}
