using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;
using Dora.Operator.Certificates;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Certificates;

public sealed class AuthorityPlanTests
{
    [Fact]
    public void A_new_stack_gets_an_authority_and_every_certificate_in_one_pass()
    {
        var world = new CertificateWorld();
        Assert.Equal(["WriteAuthority", "WriteCertificate", "WriteCertificate"], world.Pass().Select(step => step.GetType().Name));
        world.AssertConverged();
        Assert.Equal(1, world.Root().Generation);
    }

    [Fact]
    public void Engines_without_certificates_cost_nothing()
    {
        var world = new CertificateWorld();
        world.Wanted.Clear();
        Assert.Same(CertificatePlan.None, world.Plan());
    }

    [Fact]
    public void Nothing_is_created_over_a_Secret_that_cannot_be_read()
    {
        var world = new CertificateWorld();
        world.Secrets[CertificateWorld.Authority] = new SecretReading.Unreadable("forbidden");
        var plan = world.Plan();
        Assert.Empty(plan.Steps);
        Assert.Equal("CertificateUnreadable", Assert.Single(plan.Violations("redis")).Reason);
        Assert.Equal(plan.Violations("redis"), plan.Violations("postgres"));

        world = CertificateWorld.Issued();
        world.Secrets[CertificateWorld.Redis] = new SecretReading.Unreadable("forbidden");
        Assert.Empty(world.Plan().Steps);
        Assert.Equal("secrets/shop-redis-tls", Assert.Single(world.Plan().Violations("redis")).Field);
        Assert.Empty(world.Plan().Violations("postgres"));
    }

    [Theory]
    [InlineData(CertificateWorld.Authority)]
    [InlineData(CertificateWorld.Redis)]
    public void A_Secret_of_somebody_else_is_never_written(string name)
    {
        var world = CertificateWorld.Issued();
        world.Secrets[name] = world.Found(name) with { Meta = new(Name: name, ResourceVersion: "7") };
        var plan = world.Plan();
        Assert.DoesNotContain(plan.Steps, step => step is PlanStep.WriteAuthority || (step is PlanStep.WriteCertificate write && write.Request.SecretName == name));
        Assert.Equal("ObjectCollision", Assert.Single(plan.Violations("redis")).Reason);
    }

    [Fact]
    public void A_Secret_that_another_controller_owns_is_somebody_elses()
    {
        var world = CertificateWorld.Issued();
        var secret = world.Found(CertificateWorld.Redis);
        world.Secrets[CertificateWorld.Redis] = secret with { Meta = secret.Meta with { OwnerReferences = [new("cert-manager.io/v1", "Certificate", "other", "u", Controller: true)] } };
        Assert.Equal("ObjectCollision", Assert.Single(world.Plan().Violations("redis")).Reason);
    }

    [Fact]
    public void A_certificate_is_renewed_when_two_thirds_of_its_life_are_over_and_not_before()
    {
        var world = CertificateWorld.Issued();
        var (from, to) = (world.LeafOf(CertificateWorld.Redis)!.NotBefore, world.LeafOf(CertificateWorld.Redis)!.NotAfter);
        Assert.Equal(TimeSpan.FromDays(90) + Lifetimes.Skew, to - from);
        world.Clock.Advance(Lifetimes.RenewAt(from, to) - world.Clock.GetUtcNow() - TimeSpan.FromSeconds(1));
        Assert.Empty(world.Plan().Steps);
        world.Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.All(world.Pass(), step => Assert.Equal(CertificateChange.Issue, ((PlanStep.WriteCertificate)step).Change));
        world.AssertConverged();
        Assert.Equal(1, world.Root().Generation);
    }

    [Fact]
    public void A_certificate_is_issued_anew_when_its_names_change_and_only_that_one()
    {
        var world = CertificateWorld.Issued();
        world.Wanted[0] = ("redis", world.Wanted[0].Request with { DnsNames = ["shop-redis.default.svc", "localhost", "more.default.svc"] });
        Assert.Equal(CertificateWorld.Redis, ((PlanStep.WriteCertificate)Assert.Single(world.Pass())).Request.SecretName);
        world.AssertConverged();
    }

    [Fact]
    public void The_order_and_case_of_names_do_not_matter()
    {
        var world = CertificateWorld.Issued();
        world.Wanted[1] = ("postgres", world.Wanted[1].Request with { DnsNames = ["localhost", "SHOP-postgres.default.svc"] });
        Assert.Empty(world.Plan().Steps);
    }

    [Fact]
    public void A_new_engine_gets_a_certificate_at_once_from_the_authority_that_is_there()
    {
        var world = CertificateWorld.Issued();
        world.Wanted.Add(("mongodb", new("shop-mongodb-tls", ["shop-mongodb.default.svc"])));
        Assert.Equal("shop-mongodb-tls", ((PlanStep.WriteCertificate)Assert.Single(world.Pass())).Request.SecretName);
        world.AssertConverged();
    }

    [Fact]
    public void The_authority_goes_with_the_stack_by_deletion_policy_and_certificates_always_do()
    {
        var world = CertificateWorld.Issued();
        Assert.False(world.Found(CertificateWorld.Authority).Owned);
        Assert.True(world.Found(CertificateWorld.Redis).Owned);
        world.Stack = world.Stack with { Spec = world.Stack.Spec with { DeletionPolicy = DeletionPolicy.Delete } };
        Assert.Equal(new PlanStep.SetOwner(KubeTypes.Secrets.Resource, CertificateWorld.Authority, Owned: true), Assert.Single(world.Pass()));
        Assert.Empty(world.Plan().Steps);
    }

    [Fact]
    public void Only_the_public_roots_are_in_the_map_for_applications()
    {
        var world = CertificateWorld.Issued();
        var map = Assert.Single(world.Plan().Objects);
        Assert.Equal("shop-trust", map.Name);
        Assert.Equal(world.Root().Bundle, (string?)map.Body["data"]![CertificateRequest.Trust]);
        Assert.DoesNotContain("PRIVATE", map.Body.ToJsonString(), StringComparison.Ordinal);
        Assert.Equal(CertificateWorld.Uid, (string?)map.Body["metadata"]!["ownerReferences"]![0]!["uid"]);
    }

    [Fact]
    public void Servers_get_no_key_but_their_own()
    {
        var world = CertificateWorld.Issued();
        var key = world.Found(CertificateWorld.Authority).Fields[Authority.Key];
        Assert.All([CertificateWorld.Redis, CertificateWorld.Postgres], name => Assert.DoesNotContain(world.Found(name).Fields.Values, value => value.Contains(key.Split('\n')[1], StringComparison.Ordinal)));
        var redis = EngineCatalogue.Find("redis")!;
        var bound = new BoundEngine(redis, redis.Bind(world.Context, world.Stack.Spec.Engines["redis"]), EngineObservation.None);
        Assert.Equal([CertificateWorld.Postgres, CertificateWorld.Redis], EngineTargets.Of(bound, world.Observation).Secrets.Keys.Order());
    }

    [Fact]
    public void Steps_name_no_secret_in_their_text() =>
        Assert.All(new CertificateWorld().Plan().Steps.Concat(Rotated().Plan().Steps), step => Assert.DoesNotContain("PRIVATE", step.ToString(), StringComparison.Ordinal));

    private static CertificateWorld Rotated()
    {
        var world = CertificateWorld.Issued();
        world.Annotate("now");
        return world;
    }
}
