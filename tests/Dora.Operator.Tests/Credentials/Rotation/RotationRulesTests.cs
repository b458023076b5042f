using Dora.Api;
using Dora.Engines;
using Dora.Operator.Credentials;
using Dora.Operator.Credentials.Rotation;

namespace Dora.Operator.Tests.Credentials.Rotation;

/// <summary>The next step where Vault has a say, without any server.</summary>
public sealed class RotationRulesTests
{
    private static readonly DateTimeOffset _now = new(2026, 11, 21, 12, 0, 0, TimeSpan.Zero);
    private static readonly Login _old = new("app", "old");
    private static readonly Login _next = new("app.b", "next");
    private static readonly RotationWish _wish = new(TimeSpan.FromDays(1), TimeSpan.FromHours(1), null);

    [Theory]
    [InlineData("app", "old", RotationStep.Prepare)]
    [InlineData("app", "theirs", RotationStep.Follow)]
    [InlineData("app.b", "theirs", RotationStep.Follow)]
    [InlineData("app.b", "old", RotationStep.Publish)]
    public void What_Vault_holds_decides_how_a_change_begins(string username, string password, object step) =>
        Assert.Equal(step, Next(null, _old, new(new(username, password), 3)));

    [Theory]
    [InlineData(RotationPhase.Idle)]
    [InlineData(RotationPhase.Verified)]
    [InlineData(RotationPhase.Proven)]
    public void While_Vault_says_nothing_nothing_begins_and_applications_are_given_nothing(RotationPhase phase) =>
        Assert.Null(Next(Record(phase), _old, new(null)));

    [Theory]
    [InlineData(RotationPhase.Prepared, RotationStep.Set)]
    [InlineData(RotationPhase.Set, RotationStep.Verify)]
    public void A_change_that_has_begun_goes_on_up_to_Vault(RotationPhase phase, object step) => Assert.Equal(step, Next(Record(phase), _old, new(null)));

    [Fact]
    public void Applications_are_given_what_Vault_holds_and_no_sooner()
    {
        Assert.Equal(RotationStep.Publish, Next(Record(RotationPhase.Verified), _old, new(_old, 3)));
        // Another key of the same place may have changed: only what is written over counts.
        Assert.Equal(RotationStep.Publish, Next(Record(RotationPhase.Verified), _old, new(_old, 4)));
        Assert.Equal(RotationStep.Flip, Next(Record(RotationPhase.Verified), _old, new(_next, 4)));
        Assert.Equal(RotationStep.Follow, Next(Record(RotationPhase.Verified), _old, new(new("app", "theirs"), 4)));
        Assert.Equal(RotationStep.Flip, Next(Record(RotationPhase.Verified), _old, null));
    }

    [Fact]
    public void A_password_that_was_followed_is_dropped_when_its_author_takes_it_back()
    {
        var followed = Record(RotationPhase.Set) with { Version = 3 };
        Assert.Equal(RotationStep.Verify, Next(followed, _old, new(new("app", "next"), 3)));
        Assert.Equal(RotationStep.Mend, Next(followed, _old, new(_old, 4)));
        Assert.Equal(RotationStep.Follow, Next(followed, _old, new(new("app", "another"), 4)));
    }

    [Theory]
    [InlineData(RotationPhase.Overlapping, RotationStep.Hold)]
    [InlineData(RotationPhase.Retired, RotationStep.Prove)]
    public void What_applications_have_is_brought_to_its_end_first_whatever_Vault_says_then(RotationPhase phase, object step)
    {
        Assert.Equal(step, Next(Record(phase), _next, new(new("app", "theirs"), 9)));
        Assert.Equal(step, Next(Record(phase), _next, new(null)));
    }

    [Theory]
    [InlineData(RotationPhase.Prepared, false, RotationStep.Flip)]
    [InlineData(RotationPhase.Prepared, true, RotationStep.Overlap)]
    [InlineData(RotationPhase.Overlapping, false, RotationStep.Flip)]
    [InlineData(RotationPhase.Overlapping, true, RotationStep.Prove)]
    public void What_servers_take_from_the_Secret_goes_there_first_and_is_then_tried(RotationPhase phase, bool flipped, object step)
    {
        var secret = flipped ? _next : _old;
        Assert.Equal(step, Taken(phase, secret, null, _now.AddHours(1)));
        Assert.Equal(step is RotationStep.Prove ? null : step, Taken(phase, secret, null, _now));
        if (phase == RotationPhase.Prepared && !flipped)
        {
            Assert.Equal(RotationStep.Publish, Taken(phase, secret, new(_old, 3), _now));
            Assert.Null(Taken(phase, secret, new(null), _now));
        }
    }

    [Fact]
    public void Of_several_passwords_in_one_place_only_the_one_that_changes_is_written()
    {
        Assert.Equal(new Dictionary<string, string> { ["admin-password"] = "new" }, VaultPlace.Values(new("s", "admin", Key: "admin-password"), new("admin", "new")));
        Assert.Equal(new Dictionary<string, string> { ["password"] = "new", ["username"] = "app.b" }, VaultPlace.Values(new("s", "app", "app.b"), new("app.b", "new")));
    }

    private static RotationRecord Record(RotationPhase phase) => new(phase, _now, Next: _next, Old: _old);

    private static RotationStep? Taken(RotationPhase phase, Login secret, VaultWord? authority, DateTimeOffset now) =>
        RotationRules.Next(Record(phase), secret, lost: false, _now.AddDays(-2), _wish, authority, serving: true, now, taken: true);

    private static RotationStep? Next(RotationRecord? record, Login secret, VaultWord? authority) =>
        RotationRules.Next(record, secret, lost: false, _now.AddDays(-2), _wish, authority, serving: true, _now);
}
