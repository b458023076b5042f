namespace Dora.Engines;

/// <summary>Asks all members of an engine at the same time, and does not let one that is silent hold up what the others know.</summary>
internal static class MemberPoll
{
    /// <summary>How long a member may take to answer.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    /// <summary>How much longer the rest may take once most have answered: a frozen member or a lost node must not delay a failover.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(1);

    /// <summary>All answers, in the order of the members. A question is cancelled when its time is up, and says so in its answer.</summary>
    public static async Task<IReadOnlyList<T>> AskAsync<T>(IReadOnlyList<MemberPod> members, Func<MemberPod, CancellationToken, Task<T>> ask, TimeProvider clock, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(Patience, clock);
        using var late = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var asked = members.Select(member => ask(member, late.Token)).ToList();
        var open = new List<Task<T>>(asked);
        while (open.Count > members.Count / 2)
            open.Remove(await Task.WhenAny(open).ConfigureAwait(false));
        if (open.Count > 0)
            deadline.CancelAfter(Grace);
        var answers = await Task.WhenAll(asked).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        return answers;
    }
}
