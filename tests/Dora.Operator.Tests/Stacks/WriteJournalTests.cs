using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Dora.Operator.Stacks;
using Dora.Testing;

namespace Dora.Operator.Tests.Stacks;

public sealed class WriteJournalTests
{
    private static readonly ObjectKey _stack = new("compliance", "shop");
    private static readonly ObjectId _id = new(KubeTypes.Services.Resource, "shop-redis");

    private readonly ManualClock _clock = new();

    [Fact]
    public void What_was_applied_counts_until_the_cache_has_it()
    {
        var journal = Applied("10");
        Assert.Equal("hash", journal.Pending(_stack, _id, null));
        Assert.Equal("hash", journal.Pending(_stack, _id, "9"));
        Assert.Null(journal.Pending(_stack, _id, "10"));
        Assert.Null(journal.Pending(_stack, _id, "9"));
    }

    [Fact]
    public void What_was_removed_meanwhile_is_applied_again_at_once()
    {
        var journal = Applied("10");
        journal.Removed(_stack, _id);
        Assert.Null(journal.Pending(_stack, _id, null));
    }

    [Fact]
    public void A_cache_that_does_not_catch_up_is_not_waited_for()
    {
        var journal = Applied("10");
        _clock.Advance(TimeSpan.FromSeconds(31));
        Assert.Null(journal.Pending(_stack, _id, "9"));
    }

    private WriteJournal Applied(string version)
    {
        var journal = new WriteJournal(_clock);
        journal.Applied(_stack, _id, "hash", version);
        return journal;
    }
}
