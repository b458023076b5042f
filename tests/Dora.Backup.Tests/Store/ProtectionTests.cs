using Dora.Backup.Store;

namespace Dora.Backup.Tests.Store;

public sealed class ProtectionTests
{
    private static readonly DateTimeOffset _now = new(2026, 11, 21, 3, 0, 0, TimeSpan.Zero);
    private static readonly ObjectLock _wish = new(Compliance: true, Days: 35);
    private static readonly Protection _good = new(true, true, (true, _now.AddDays(35)), true);

    [Fact]
    public void What_is_locked_as_wished_and_cannot_be_removed_has_no_gap() => Assert.Empty(_good.Gaps(_wish, _now));

    [Fact]
    public void Each_gap_says_what_to_do()
    {
        Assert.Contains("enable versioning", Gap(_good with { Versioning = false }), StringComparison.Ordinal);
        Assert.Contains("grant s3:GetBucketVersioning", Gap(_good with { Versioning = null }), StringComparison.Ordinal);
        Assert.Contains("made with object lock", Gap(_good with { Lock = null }), StringComparison.Ordinal);
        Assert.Contains("a lock of Governance", Gap(_good with { Lock = (false, _now.AddDays(35)) }), StringComparison.Ordinal);
        Assert.Contains("until 2026-11-28", Gap(_good with { Lock = (true, _now.AddDays(7)) }), StringComparison.Ordinal);
        Assert.Contains("s3:DeleteObjectVersion", Gap(_good with { DeleteDenied = false }), StringComparison.Ordinal);
        Assert.Contains("give the destination one", Assert.Single((_good with { Lock = null }).Gaps(null, _now)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_stronger_lock_than_wished_is_no_gap() => Assert.Empty(_good.Gaps(new(Compliance: false, Days: 7), _now));

    [Fact]
    public void Facts_are_those_that_the_store_showed()
    {
        Assert.Equal("delete=denied lock-mode=Compliance lock-until=2026-12-26T03:00:00Z object-lock=Enabled versioning=Enabled", Text(_good));
        Assert.Equal("delete=allowed lock-mode=None object-lock=Unknown versioning=Off", Text(new(false, null, null, false)));
    }

    private static string Gap(Protection found) => Assert.Single(found.Gaps(_wish, _now));

    private static string Text(Protection found) => string.Join(' ', found.Facts.Select(fact => $"{fact.Key}={fact.Value}"));
}
