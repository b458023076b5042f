using Dora.Api;
using Dora.Engines;
using Dora.Operator.Certificates;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Certificates;

/// <summary>A new authority takes the place of an old one; the world checks after every write that everybody is believed.</summary>
public sealed class RotationTests
{
    private static readonly TimeSpan Moment = TimeSpan.FromSeconds(1);

    [Fact]
    public void The_new_root_is_believed_first_then_issues_and_then_the_old_one_leaves()
    {
        var world = CertificateWorld.Issued();
        var old = world.Root().Signer!;
        world.Annotate("2026-11-21");

        Assert.Equal(AuthorityChange.Renew, ((PlanStep.WriteAuthority)Assert.Single(world.Pass())).Change);
        Assert.Equal((2, old.Fingerprint), (world.Root().Generation, Assert.Single(world.Root().Older).Fingerprint));
        Assert.Equal([CertificateChange.Trust, CertificateChange.Trust], Certificates(world.Pass()));
        Assert.Empty(world.Pass());

        world.Clock.Advance(Lifetimes.Spread - Moment);
        Assert.Empty(world.Pass());
        world.Clock.Advance(Moment);
        Assert.Equal([CertificateChange.Issue, CertificateChange.Issue], Certificates(world.Pass()));
        Assert.Equal(world.Root().Signer!.Fingerprint, world.LeafOf(CertificateWorld.Redis)!.Root!.Fingerprint);

        world.Clock.Advance(Lifetimes.Spread - Moment);
        Assert.Empty(world.Pass());
        Assert.Contains(old.Pem, world.Found(CertificateWorld.Redis).Fields[CertificateRequest.Trust], StringComparison.Ordinal);
        world.Clock.Advance(Moment);
        Assert.Equal(AuthorityChange.Older, ((PlanStep.WriteAuthority)Assert.Single(world.Pass())).Change);
        Assert.Equal([CertificateChange.Trust, CertificateChange.Trust], Certificates(world.Pass()));
        world.AssertConverged();
        Assert.DoesNotContain(old.Pem, world.Found(CertificateWorld.Redis).Fields[CertificateRequest.Trust], StringComparison.Ordinal);
    }

    [Fact]
    public void The_same_value_rotates_once_and_another_one_again()
    {
        var world = CertificateWorld.Issued();
        world.Annotate("one");
        world.Settle();
        Assert.Equal(2, world.Root().Generation);
        world.Settle();
        Assert.Equal(2, world.Root().Generation);
        world.Annotate("two");
        world.Settle();
        Assert.Equal(3, world.Root().Generation);
        world.AssertConverged();
    }

    [Fact]
    public void Certificates_are_issued_anew_once_for_each_value_that_asks_for_it_and_the_authority_stays()
    {
        var world = CertificateWorld.Issued();
        var before = world.LeafOf(CertificateWorld.Redis)!.Serial;
        world.Annotate("one", Labels.RenewCertificates);
        Assert.Equal([CertificateChange.Issue, CertificateChange.Issue], Certificates(world.Pass()));
        var after = world.LeafOf(CertificateWorld.Redis)!.Serial;
        Assert.NotEqual(before, after);
        Assert.Empty(world.Pass());
        world.Annotate("two", Labels.RenewCertificates);
        world.Settle();
        Assert.NotEqual(after, world.LeafOf(CertificateWorld.Redis)!.Serial);
        Assert.Equal(1, world.Root().Generation);
        world.AssertConverged();
    }

    [Fact]
    public void Another_value_while_a_rotation_is_under_way_waits_for_its_end()
    {
        var world = CertificateWorld.Issued();
        world.Annotate("one");
        world.Pass();
        world.Annotate("two");
        Assert.DoesNotContain(world.Pass(), step => step is PlanStep.WriteAuthority);
        world.Settle();
        Assert.Equal(3, world.Root().Generation);
        world.AssertConverged();
    }

    [Fact]
    public void A_stack_that_was_annotated_from_the_beginning_does_not_rotate_at_once()
    {
        var world = new CertificateWorld();
        world.Annotate("one");
        world.Settle();
        Assert.Equal(1, world.Root().Generation);
    }

    [Fact]
    public void The_root_is_renewed_when_two_thirds_of_its_life_are_over()
    {
        var world = CertificateWorld.Issued();
        world.Clock.Advance(Lifetimes.RenewAt(world.Root().Signer!.NotBefore, world.Root().Signer!.NotAfter) - world.Clock.GetUtcNow());
        Assert.Contains("two thirds", Assert.IsType<PlanStep.WriteAuthority>(world.Plan().Steps[0]).Reason, StringComparison.Ordinal);
        world.Settle();
        world.AssertConverged();
        Assert.Equal(2, world.Root().Generation);
    }

    [Fact]
    public void Servers_that_do_not_serve_hold_a_rotation_but_not_beyond_the_life_of_their_certificates()
    {
        var world = CertificateWorld.Issued();
        world.Serving = false;
        world.Annotate("now");
        world.Settle();
        Assert.True(world.Root().Rotating);
        Assert.Equal(1, Authority.GenerationOf(world.Found(CertificateWorld.Redis)));

        var leaf = world.LeafOf(CertificateWorld.Redis)!;
        world.Clock.Advance(Lifetimes.LateAt(leaf.NotBefore, leaf.NotAfter) - world.Clock.GetUtcNow());
        world.Settle();
        Assert.Equal(2, Authority.GenerationOf(world.Found(CertificateWorld.Redis)));
        // The old root stays believed: who serves an old certificate, nobody knows.
        Assert.True(world.Root().Rotating);
        world.Serving = true;
        world.Settle();
        world.AssertConverged();
    }

    [Fact]
    public void A_root_without_its_key_is_replaced_and_stays_believed_meanwhile()
    {
        var world = CertificateWorld.Issued();
        var old = world.Root().Signer!;
        world.Edit(CertificateWorld.Authority, (Authority.Key, null));
        world.Pass();
        Assert.Equal(old.Fingerprint, Assert.Single(world.Root().Older).Fingerprint);
        world.Settle();
        world.AssertConverged();
    }

    [Fact]
    public void An_authority_that_is_gone_is_made_anew_and_the_old_root_stays_believed_meanwhile()
    {
        var world = CertificateWorld.Issued();
        var old = world.Root().Signer!;
        world.Secrets.Remove(CertificateWorld.Authority);
        world.Pass();
        Assert.Equal((2, old.Fingerprint), (world.Root().Generation, Assert.Single(world.Root().Older).Fingerprint));
        world.Settle();
        world.AssertConverged();
    }

    [Fact]
    public void An_expired_authority_is_replaced_and_every_certificate_with_it()
    {
        var world = CertificateWorld.Issued();
        world.Clock.Advance(Lifetimes.Authority + TimeSpan.FromDays(1));
        world.Serving = false;
        Assert.Equal("it has expired", Assert.IsType<PlanStep.WriteAuthority>(Assert.Single(world.Pass())).Reason);
        world.Pass();
        // Nothing works any more: nothing is waited for.
        Assert.Equal([CertificateChange.Issue, CertificateChange.Issue], Certificates(world.Pass()));
        world.Serving = true;
        world.Settle();
        world.AssertConverged();
    }

    [Fact]
    public void A_new_engine_in_the_middle_of_a_rotation_is_believed_by_all()
    {
        var world = CertificateWorld.Issued();
        world.Annotate("now");
        world.Pass();
        world.Wanted.Add(("mongodb", new("shop-mongodb-tls", ["shop-mongodb.default.svc"])));
        Assert.Equal([CertificateChange.Trust, CertificateChange.Trust], Certificates(world.Pass()));
        Assert.Equal([CertificateChange.Create], Certificates(world.Pass()));
        world.Settle();
        world.AssertConverged();
    }

    [Fact]
    public void An_unreadable_Secret_holds_a_rotation_and_no_renewal()
    {
        var world = CertificateWorld.Issued();
        var redis = world.Found(CertificateWorld.Redis);
        world.Secrets[CertificateWorld.Redis] = new SecretReading.Unreadable("forbidden");
        world.Clock.Advance(TimeSpan.FromDays(61));
        Assert.Equal([CertificateChange.Issue], Certificates(world.Pass()));
        world.Annotate("now");
        for (var i = 0; i < 5; i++)
        {
            world.Pass();
            world.Clock.Advance(Lifetimes.Spread);
        }

        Assert.True(world.Root().Rotating);
        Assert.Equal(1, Authority.GenerationOf(world.Found(CertificateWorld.Postgres)));
        world.Secrets[CertificateWorld.Redis] = redis;
        world.Settle();
        world.AssertConverged();
    }

    [Fact]
    public void An_authority_restored_from_an_old_backup_takes_over_without_a_break()
    {
        var world = CertificateWorld.Issued();
        var backup = world.Secrets[CertificateWorld.Authority];
        world.Annotate("now");
        world.Settle();
        world.Secrets[CertificateWorld.Authority] = backup;
        world.Settle();
        world.AssertConverged();
    }

    [Fact]
    public void A_rotation_that_is_cut_off_after_any_write_goes_on_where_it_was()
    {
        // In each run the operator dies after every one, two or three writes and knows nothing any more but the Secrets.
        for (var writes = 1; writes <= 3; writes++)
        {
            var world = CertificateWorld.Issued();
            world.Annotate("now");
            for (var passes = 0; passes < 40; passes++)
            {
                if (world.Pass(writes).Count == 0)
                    world.Clock.Advance(TimeSpan.FromMinutes(1));
            }

            world.AssertConverged();
            Assert.Equal(2, world.Root().Generation);
        }
    }

    [Theory]
    [InlineData("garbage")]
    [InlineData(null)]
    [InlineData("2999-01-01T00:00:00Z")]
    public void A_time_that_somebody_spoilt_is_written_again_and_waited_for(string? time)
    {
        var world = CertificateWorld.Issued();
        world.EditAnnotation(CertificateWorld.Redis, Labels.CertificateWritten, time);
        Assert.Equal([CertificateChange.Trust], Certificates(world.Pass()));
        world.AssertConverged();
    }

    private static IEnumerable<CertificateChange> Certificates(IEnumerable<PlanStep> steps) => steps.Select(step => Assert.IsType<PlanStep.WriteCertificate>(step).Change);
}
