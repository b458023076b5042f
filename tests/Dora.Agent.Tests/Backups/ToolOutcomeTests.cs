using Dora.Agent.Backups;

namespace Dora.Agent.Tests.Backups;

public sealed class ToolOutcomeTests
{
    [Fact]
    public void A_tool_that_ended_well_gives_its_facts()
    {
        var facts = ToolOutcome.Parse("exit=0\nkeys=12\nnote=a=b\n");

        Assert.Equal([new("keys", "12"), new("note", "a=b")], facts);
    }

    [Theory]
    [InlineData("")]
    [InlineData("keys=12\n")]
    [InlineData("exit=\n")]
    [InlineData("exit=00\n")]
    [InlineData("exit=1\n")]
    [InlineData("exit=0\nerror=disk full\n")]
    [InlineData("exit=0\nwhat is this\n")]
    [InlineData("exit=0\n=12\n")]
    public void Whatever_is_not_plainly_a_success_is_a_failure(string text) => Assert.Throws<ToolFailedException>(() => ToolOutcome.Parse(text));

    [Fact]
    public void The_last_words_of_the_tool_are_told() =>
        Assert.Contains("disk full", Assert.Throws<ToolFailedException>(() => ToolOutcome.Parse("exit=1\nerror=disk full\n")).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("BackupBroken", "BackupBroken")]
    [InlineData("OutsideWindow", "OutsideWindow")]
    [InlineData("Completed", "ToolFailed")]
    public void A_tool_may_say_that_the_fault_is_the_backups_or_the_questions_and_nothing_else(string said, string expected) =>
        Assert.Equal(expected, RunFailure.Of(Assert.Throws<ToolFailedException>(() => ToolOutcome.Parse($"exit=1\nreason={said}\n"))).Reason);

    [Fact]
    public void A_tool_cannot_fill_the_manifest()
    {
        var facts = ToolOutcome.Parse($"exit=0\nlong={new string('x', 10_000)}\n");

        Assert.Equal(256, facts["long"].Length);
        Assert.Throws<ToolFailedException>(() => ToolOutcome.Parse("exit=0\n" + string.Join('\n', Enumerable.Range(0, 100).Select(number => $"fact{number}=1"))));
    }
}
