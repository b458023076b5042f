using System.Text.Json;
using Dora.Engines;
using Dora.Kubernetes.Model;
using Dora.Operator.Certificates;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Certificates;

public sealed class CertManagerTests
{
    private const string Spec = "{tier: Development, engines: {redis: {}}, tls: {issuer: CertManager, issuerRef: {name: corporate, kind: ClusterIssuer}}}";

    [Fact]
    public void Every_Secret_becomes_a_Certificate_and_the_operator_writes_none()
    {
        var plan = Plan(new(Spec));
        Assert.Empty(plan.Steps);
        Assert.Equal([CertificateWorld.Redis, CertificateWorld.Postgres], plan.Objects.Select(manifest => manifest.Name));
        Assert.Equal(
            """
            {"secretName":"shop-redis-tls","issuerRef":{"name":"corporate","kind":"ClusterIssuer","group":"cert-manager.io"},"commonName":"shop-redis.default.svc","dnsNames":["shop-redis.default.svc","*.shop-redis-members.default.svc","localhost"],"duration":"2160h","renewBefore":"720h","usages":["digital signature","server auth","client auth"],"privateKey":{"algorithm":"ECDSA","size":256,"encoding":"PKCS8","rotationPolicy":"Always"},"secretTemplate":{"labels":{"dora-operator.io/stack":"shop","dora-operator.io/engine":"redis","app.kubernetes.io/name":"redis","app.kubernetes.io/managed-by":"dora-operator"}},"additionalOutputFormats":[{"type":"CombinedPEM"}]}
            """,
            plan.Objects[0].Body["spec"]!.ToJsonString());
        Assert.Null(plan.Objects[1].Body["spec"]!["additionalOutputFormats"]);
        Assert.Equal("cert-manager.io/v1", (string?)plan.Objects[0].Body["apiVersion"]);
    }

    [Fact]
    public void Where_cert_manager_is_not_installed_it_is_said_once_for_each_engine()
    {
        var world = new CertificateWorld(Spec);
        var plan = world.Plan();
        Assert.Equal(("spec.tls.issuer", "IssuerUnavailable"), (Assert.Single(plan.Violations("redis")).Field, Assert.Single(plan.Violations("postgres")).Reason));
        Assert.Empty(plan.Objects);
        Assert.Empty(plan.Steps);
    }

    [Theory]
    [InlineData("issuer: CertManager", "spec.tls.issuerRef")]
    [InlineData("issuerRef: {name: corporate}", "spec.tls.issuerRef")]
    [InlineData("issuer: CertManager, issuerRef: {name: corporate}, vault: {pkiRole: db}", "spec.tls.vault")]
    [InlineData("issuer: Vault", "spec.tls.vault")]
    public void What_an_API_server_without_rules_lets_in_the_operator_refuses(string tls, string field)
    {
        var world = new CertificateWorld($"{{tier: Development, engines: {{redis: {{}}}}, tls: {{{tls}}}}}");
        Assert.Equal(field, Assert.Single(StackPlanner.Plan(StackObservation.Nowhere(world.Stack, new())).Violations, violation => violation.Reason == "InvalidSpec").Field);
    }

    [Fact]
    public void A_Secret_of_somebody_else_is_not_given_to_cert_manager()
    {
        var world = new CertificateWorld(Spec);
        world.Secrets[CertificateWorld.Redis] = new SecretReading.Found(new Dictionary<string, string>(), false);
        var plan = Plan(world);
        Assert.Equal([CertificateWorld.Postgres], plan.Objects.Select(manifest => manifest.Name));
        Assert.Equal("ObjectCollision", Assert.Single(plan.Violations("redis")).Reason);
    }

    [Fact]
    public void What_cert_manager_waits_for_is_said_in_its_own_words()
    {
        var world = new CertificateWorld(Spec);
        var certificate = new Certificate(new(CertificateWorld.Redis, "default"), Status: new([new("Ready", "False", "DoesNotExist", "Issuing certificate as Secret does not exist")]));
        var observed = world.Observation with { CertManager = true, Live = Live(certificate) };
        var condition = Assert.Single(CertificateRegister.Judge(CertificatePlan.Of(world.Context, world.Wanted, observed, serving: true), observed, new([], [])));
        Assert.Equal(("False", "IssuerUnavailable"), (condition.Status, condition.Reason));
        Assert.Contains("cert-manager says: Issuing certificate as Secret does not exist", condition.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Applications_believe_every_root_that_cert_manager_wrote()
    {
        var (world, other) = (CertificateWorld.Issued(Spec.Replace("CertManager, issuerRef: {name: corporate, kind: ClusterIssuer}", "Operator", StringComparison.Ordinal)), CertificateWorld.Issued());
        var foreign = new CertificateWorld(Spec);
        foreign.Secrets[CertificateWorld.Redis] = world.Secrets[CertificateWorld.Redis];
        foreign.Secrets[CertificateWorld.Postgres] = other.Secrets[CertificateWorld.Postgres];
        var map = Plan(foreign).Objects.Single(manifest => manifest.Resource == KubeTypes.ConfigMaps.Resource);
        Assert.Equal(world.Root().Bundle + other.Root().Bundle, (string?)map.Body["data"]![CertificateRequest.Trust]);
    }

    [Fact]
    public void Back_at_the_operator_what_cert_manager_made_is_replaced_without_a_break()
    {
        var world = CertificateWorld.OfCertManager();
        world.Settle();
        world.AssertConverged();
        Assert.False(CertificateSecrets.IsOfCertManager(world.Found(CertificateWorld.Redis)));
    }

    [Fact]
    public void A_Certificate_survives_its_wire_form()
    {
        var body = Plan(new(Spec)).Objects[0].Body;
        var read = body.Deserialize(KubeTypes.Certificates.Json)!;
        Assert.True(DesiredState.Holds(body, JsonSerializer.SerializeToNode(read, KubeTypes.Certificates.Json)!.AsObject()));
    }

    private static CertificatePlan Plan(CertificateWorld world) => CertificatePlan.Of(world.Context, world.Wanted, world.Observation with { CertManager = true }, serving: true);

    private static Dictionary<ObjectId, LiveObject> Live(Certificate certificate) => new()
    {
        [new(KubeTypes.Certificates.Resource, certificate.Metadata.Name!)] = new(KubeTypes.Certificates.Resource, certificate, () => []),
    };
}
