using Dora.Testing;

namespace Dora.Engines.Tests;

public sealed class MemberPollTests
{
    private static readonly MemberPod[] _members = [Engines.Pod(0, "redis"), Engines.Pod(1, "redis"), Engines.Pod(2, "redis")];

    [Fact]
    public async Task Answers_come_in_the_order_of_the_members() =>
        Assert.Equal([0, 1, 2], await MemberPoll.AskAsync(_members, (member, _) => Task.FromResult(member.Ordinal), new ManualClock(), TestContext.Current.CancellationToken));

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 3)]
    public async Task A_silent_minority_is_waited_for_a_second_and_a_silent_majority_for_three(int silent, int seconds)
    {
        var clock = new ManualClock();
        var asking = MemberPoll.AskAsync(_members, async (member, token) =>
        {
            if (member.Ordinal >= silent)
                return true;
            var cancelled = new TaskCompletionSource();
            await using var registration = token.Register(cancelled.SetResult);
            await cancelled.Task;
            return false;
        }, clock, TestContext.Current.CancellationToken);
        clock.Advance(TimeSpan.FromSeconds(seconds) - TimeSpan.FromMilliseconds(1));
        Assert.False(asking.IsCompleted);
        clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(3 - silent, (await asking).Count(answered => answered));
    }

    [Fact]
    public async Task Who_cancels_gets_no_answers()
    {
        using var cancel = new CancellationTokenSource();
        await cancel.CancelAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(() => MemberPoll.AskAsync(_members, (_, _) => Task.FromResult(1), new ManualClock(), cancel.Token));
    }
}
