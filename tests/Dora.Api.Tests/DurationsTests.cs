using FsCheck;
using FsCheck.Fluent;

namespace Dora.Api.Tests;

public sealed class DurationsTests
{
    [Theory]
    [InlineData("90s", 90)]
    [InlineData("1h30m", 5_400)]
    [InlineData("2d", 172_800)]
    [InlineData("1w", 604_800)]
    [InlineData("7y", 220_752_000)]
    public void Units_add_up(string text, long seconds) => Assert.Equal(TimeSpan.FromSeconds(seconds), Durations.Parse(text));

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("0s")]
    [InlineData("6")]
    [InlineData("h")]
    [InlineData("-1h")]
    [InlineData("1.5h")]
    [InlineData("1h ")]
    [InlineData("101y")]
    [InlineData("9999999999s")]
    public void What_is_none_or_cannot_be_waited_for_is_none(string? text) => Assert.Null(Durations.Parse(text));

    [Fact]
    public void What_is_shown_is_read_as_the_same() => Prop.ForAll(
        Gen.Choose(1, 100_000_000).ToArbitrary(),
        seconds => Durations.Parse(Durations.Format(TimeSpan.FromSeconds(seconds))) == TimeSpan.FromSeconds(seconds)).QuickCheckThrowOnFailure();
}
