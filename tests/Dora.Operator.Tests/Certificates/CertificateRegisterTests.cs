using System.Globalization;
using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;
using Dora.Operator.Certificates;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Certificates;

public sealed class CertificateRegisterTests
{
    [Fact]
    public void Every_certificate_is_in_the_register_with_who_uses_it()
    {
        var world = CertificateWorld.Issued();
        var entries = CertificateRegister.Entries(world.Plan())!;
        Assert.Equal([CertificateWorld.Authority, CertificateWorld.Redis, CertificateWorld.Postgres], entries.Select(entry => entry.SecretName));
        var leaf = world.LeafOf(CertificateWorld.Redis)!;
        Assert.Equal(("CN=shop-redis.default.svc", "O=default, CN=shop authority 1", leaf.Serial, 1), (entries[1].Subject, entries[1].Issuer, entries[1].Serial, entries[1].AuthorityGeneration));
        Assert.Equal((leaf.NotBefore, leaf.NotAfter), (entries[1].NotBefore, entries[1].NotAfter));
        Assert.Equal(world.Wanted[0].Request.DnsNames, entries[1].DnsNames);
        Assert.Equal(["redis"], entries[1].UsedBy);
        Assert.Equal(["redis", "postgres"], entries[0].UsedBy);
        Assert.Null(entries[0].DnsNames);
    }

    [Fact]
    public void A_stack_without_certificates_has_neither_register_nor_condition()
    {
        var world = new CertificateWorld();
        world.Wanted.Clear();
        Assert.Null(CertificateRegister.Entries(world.Plan()));
        Assert.Empty(CertificateRegister.Judge(world.Plan(), world.Observation, new([], [])));
    }

    [Fact]
    public void A_converged_stack_is_Current_and_time_alone_changes_nothing_that_is_said()
    {
        var world = CertificateWorld.Issued();
        var before = (Judge(world), Serials(world));
        Assert.Equal(("True", "Current"), (before.Item1.Status, before.Item1.Reason));
        world.Clock.Advance(TimeSpan.FromDays(59));
        Assert.Empty(world.Pass());
        Assert.Equal(before.Item1, Judge(world));
        Assert.Equal(before.Item2, Serials(world));
    }

    [Fact]
    public void A_renewal_that_is_done_at_once_is_never_said_to_be_due()
    {
        var world = CertificateWorld.Issued();
        world.Clock.Advance(TimeSpan.FromDays(61));
        var (plan, observed) = (world.Plan(), world.Observation);
        Assert.Equal("RenewalDue", Assert.Single(CertificateRegister.Judge(plan, observed, new([], []))).Reason);
        Assert.Equal("Current", Assert.Single(CertificateRegister.Judge(plan, observed, new(world.Pass(), []))).Reason);
    }

    [Fact]
    public void The_worst_reason_is_said()
    {
        var world = CertificateWorld.Issued();
        world.Clock.Advance(TimeSpan.FromDays(61));
        world.Edit(CertificateWorld.Redis, (CertificateRequest.Chain, "none"));
        Assert.Equal("Missing", Judge(world).Reason);
        world.Clock.Advance(TimeSpan.FromDays(30));
        var condition = Judge(world);
        Assert.Equal(("False", "Expired"), (condition.Status, condition.Reason));
        Assert.Contains(CertificateWorld.Postgres, condition.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_Secret_that_cannot_be_read_is_said_with_its_reason()
    {
        var world = CertificateWorld.Issued();
        world.Secrets[CertificateWorld.Redis] = new SecretReading.Unreadable("forbidden");
        Assert.Contains("forbidden", Judge(world).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_rotation_is_said_while_it_lasts()
    {
        var world = CertificateWorld.Issued();
        world.Annotate("now");
        world.Pass();
        Assert.Equal("Current", Judge(world).Reason);
        Assert.Contains("authority 2 takes the place", Judge(world).Message, StringComparison.Ordinal);
        world.Settle();
        Assert.DoesNotContain("authority", Judge(world).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_certificate_with_more_names_than_fit_is_cut_and_stays_within_the_schema()
    {
        var world = new CertificateWorld();
        world.Wanted[0] = ("redis", new(CertificateWorld.Redis, [.. Enumerable.Range(0, 100).Select(number => string.Create(CultureInfo.InvariantCulture, $"n{number}.svc"))]));
        world.Settle();
        world.AssertConverged();
        Assert.Equal(CertificateStatus.MostNames, CertificateRegister.Entries(world.Plan())![1].DnsNames!.Count);
    }

    private static Condition Judge(CertificateWorld world) => Assert.Single(CertificateRegister.Judge(world.Plan(), world.Observation, new([], [])));

    private static string Serials(CertificateWorld world) => string.Join(' ', CertificateRegister.Entries(world.Plan())!.Select(entry => entry.Serial));
}
