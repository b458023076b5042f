using Dora.Backup.Runs;
using Dora.Backup.Sets;
using Dora.Backup.Streams;

namespace Dora.Backup.Tests.Runs;

public sealed class FingerprintTests
{
    private static readonly BackupManifest _manifest = new(
        BackupManifest.CurrentFormat,
        "20261121t030000z-a1b2c3",
        new("payments", "ledger", "7b6f7c0e", "redis", "7.0"),
        "redis-rdb",
        default,
        default,
        new("secret", "1", ""),
        new(10, "00"),
        [new("payments/ledger/redis/20261121t030000z-a1b2c3/data-00001", 12, "00")],
        Facts("count:keys=12", "digest:keys=aa", "position=7"));

    [Fact]
    public void What_is_the_same_is_verified_whatever_else_was_found()
    {
        var report = Restored("count:keys=12", "digest:keys=aa", "position=9", "check:newest=passed");

        Assert.True(report.Succeeded);
        Assert.Equal(Comparison.Verified, report.Comparison);
        Assert.Equal("9", report.Facts!["position"]);
    }

    [Theory]
    [InlineData("count:keys=11;digest:keys=aa", "count:keys is 11 and was 12")]
    [InlineData("count:keys=12;digest:keys=ab", "digest:keys is ab and was aa")]
    [InlineData("count:keys=12", "digest:keys is missing and was aa")]
    [InlineData("count:others=12", "count:keys is missing and was 12")]
    public void What_differs_is_no_success_and_is_named(string found, string told)
    {
        var report = Restored(found.Split(';'));

        Assert.False(report.Succeeded);
        Assert.Equal("FingerprintDiffers", report.Reason);
        Assert.Equal(Comparison.Differs, report.Comparison);
        Assert.Contains(told, report.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tool_that_counts_nothing_verifies_nothing()
    {
        var report = Restored("position=7");

        Assert.True(report.Succeeded);
        Assert.Equal(Comparison.NotCompared, report.Comparison);
    }

    [Fact]
    public void A_backup_of_which_nothing_was_counted_is_not_called_verified() =>
        Assert.Equal(Comparison.NotCompared, Fingerprint.Compare(Facts("position=7"), Facts("count:keys=12")).Comparison);

    [Theory]
    [InlineData("check:newest=failed: got 7", "newest: failed: got 7")]
    [InlineData("check:newest=", "newest: ")]
    [InlineData("check:newest=passed?", "newest: passed?")]
    [InlineData("check:other=passed", "newest: not answered")]
    public void A_check_that_has_not_passed_or_was_not_answered_is_a_failure(string answer, string told)
    {
        var report = RunReport.Restored(_manifest, Facts("count:keys=12", "digest:keys=aa", answer), ["newest"]);

        Assert.False(report.Succeeded);
        Assert.Equal("CheckFailed", report.Reason);
        Assert.Equal(Comparison.Verified, report.Comparison);
        Assert.Contains(told, report.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_check_that_nobody_asked_counts_all_the_same() => Assert.Equal("CheckFailed", Restored("check:stray=failed: got nothing").Reason);

    [Fact]
    public void Of_many_differences_the_first_are_told_and_the_rest_counted()
    {
        var taken = Enumerable.Range(0, 60).ToDictionary(number => $"count:table{number:D2}", _ => "1");
        var report = RunReport.Restored(_manifest with { Facts = taken }, Facts("count:table99=1"), []);

        Assert.Contains("count:table04 is missing and was 1; and 55 more", report.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("table05", report.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_report_says_it_in_a_word()
    {
        var read = RunReport.Parse(System.Text.Encoding.UTF8.GetString(Restored("count:keys=12", "digest:keys=aa").Write()));

        Assert.Equal(Comparison.Verified, read!.Comparison);
        Assert.Contains("\"comparison\":\"Verified\"", System.Text.Encoding.UTF8.GetString(Restored("count:keys=12", "digest:keys=aa").Write()), StringComparison.Ordinal);
    }

    [Fact]
    public void Of_what_a_tool_stored_by_itself_the_sizes_are_those_that_it_told()
    {
        var report = RunReport.Of(_manifest with { Plain = ContentDigest.Nothing, Objects = [], Facts = Facts("bytes=4000", "stored-bytes=1000") });

        Assert.Equal((4000, 1000, 0, null), (report.PlainBytes, report.StoredBytes, report.Objects, report.PlainSha256));
    }

    private static RunReport Restored(params string[] found) => RunReport.Restored(_manifest, Facts(found), []);

    private static Dictionary<string, string> Facts(params string[] facts) => facts.ToDictionary(fact => fact.Split('=', 2)[0], fact => fact.Split('=', 2)[1]);
}
