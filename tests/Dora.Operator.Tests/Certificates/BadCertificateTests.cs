using System.Text;
using Dora.Engines;
using Dora.Operator.Certificates;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Certificates;

/// <summary>What people, broken tools and enemies may put into Secrets.</summary>
public sealed class BadCertificateTests
{
    public static TheoryData<string> Nonsense() =>
    [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
        Pem(Nested(20_000)),
        new string('x', 1_000_000),
        string.Concat(Enumerable.Repeat("-----BEGIN CERTIFICATE-----\n", 30_000)),
        string.Concat(Enumerable.Repeat("-----BEGIN CERTIFICATE-----\n", 2_300)),
        string.Concat(Enumerable.Repeat("-----BEGIN A-----\n-----BEGIN B-----\n-----END A-----\n", 1_000)),
    ];

    [Theory]
    [MemberData(nameof(Nonsense))]
    public void A_certificate_that_is_none_is_issued_anew(string text)
    {
        var world = CertificateWorld.Issued();
        world.Edit(CertificateWorld.Postgres, (CertificateRequest.Chain, text));
        var step = Assert.IsType<PlanStep.WriteCertificate>(Assert.Single(world.Pass()));
        Assert.Equal((CertificateWorld.Postgres, CertificateChange.Issue), (step.Request.SecretName, step.Change));
        world.AssertConverged();
    }

    [Theory]
    [MemberData(nameof(Nonsense))]
    public void Roots_that_are_none_are_written_anew_and_the_certificate_stays(string text)
    {
        var world = CertificateWorld.Issued();
        var serial = world.LeafOf(CertificateWorld.Postgres)!.Serial;
        world.Edit(CertificateWorld.Postgres, (CertificateRequest.Trust, text));
        Assert.Equal(CertificateChange.Trust, Assert.IsType<PlanStep.WriteCertificate>(Assert.Single(world.Pass())).Change);
        world.AssertConverged();
        Assert.Equal(serial, world.LeafOf(CertificateWorld.Postgres)!.Serial);
    }

    [Theory]
    [MemberData(nameof(Nonsense))]
    public void An_authority_that_is_none_is_replaced_without_a_break(string text)
    {
        var world = CertificateWorld.Issued();
        world.Edit(CertificateWorld.Authority, (Authority.Certificate, text));
        world.Settle();
        world.AssertConverged();
        Assert.Equal(2, world.Root().Generation);
    }

    [Theory]
    [MemberData(nameof(Nonsense))]
    public void A_key_that_is_none_is_replaced_with_its_certificate(string text)
    {
        var world = CertificateWorld.Issued();
        world.Edit(CertificateWorld.Redis, (CertificateRequest.Key, text));
        world.Settle();
        world.AssertConverged();
    }

    [Fact]
    public void The_key_of_another_certificate_is_replaced_with_its_certificate()
    {
        var world = CertificateWorld.Issued();
        world.Edit(CertificateWorld.Postgres, (CertificateRequest.Key, world.Found(CertificateWorld.Redis).Fields[CertificateRequest.Key]));
        Assert.Contains("belongs to another", Assert.IsType<PlanStep.WriteCertificate>(Assert.Single(world.Pass())).Reason, StringComparison.Ordinal);
        world.AssertConverged();
    }

    [Fact]
    public void The_key_of_another_authority_signs_nothing()
    {
        var world = CertificateWorld.Issued();
        world.Edit(CertificateWorld.Authority, (Authority.Key, AuthoritySigner.Make("x", "y", 1, world.Clock.GetUtcNow()).Key));
        world.Settle();
        world.AssertConverged();
        Assert.Equal(2, world.Root().Generation);
    }

    [Fact]
    public void A_combined_file_that_does_not_fit_is_written_again_and_the_certificate_stays()
    {
        var world = CertificateWorld.Issued();
        var serial = world.LeafOf(CertificateWorld.Redis)!.Serial;
        world.Edit(CertificateWorld.Redis, (CertificateRequest.Combined, "old"));
        world.Settle();
        Assert.Equal(serial, world.LeafOf(CertificateWorld.Redis)!.Serial);
        var fields = world.Found(CertificateWorld.Redis).Fields;
        Assert.Equal(fields[CertificateRequest.Key] + fields[CertificateRequest.Chain], fields[CertificateRequest.Combined]);
    }

    [Fact]
    public void A_certificate_that_a_person_put_there_with_its_own_authority_is_replaced_without_a_break()
    {
        var world = CertificateWorld.Issued();
        var other = new CertificateWorld();
        other.Settle();
        var foreign = other.Found(CertificateWorld.Redis).Fields;
        world.Edit(CertificateWorld.Redis, [.. foreign.Select(field => (field.Key, (string?)field.Value))]);
        Assert.Equal(AuthorityChange.Older, Assert.IsType<PlanStep.WriteAuthority>(Assert.Single(world.Pass())).Change);
        world.Pass();
        Assert.True(world.Believes(CertificateWorld.Postgres, CertificateWorld.Redis));
        world.Settle();
        world.AssertConverged();
    }

    [Fact]
    public void A_certificate_that_signed_itself_is_no_authority()
    {
        var world = CertificateWorld.Issued();
        using var authority = new Testing.Http.TestCertificates();
        using var server = authority.Server();
        using var key = System.Security.Cryptography.X509Certificates.ECDsaCertificateExtensions.GetECDsaPrivateKey(server)!;
        world.Edit(CertificateWorld.Postgres, (CertificateRequest.Chain, server.ExportCertificatePem()), (CertificateRequest.Key, key.ExportPkcs8PrivateKeyPem()), (CertificateRequest.Trust, server.ExportCertificatePem()));
        world.Settle();
        world.AssertConverged();
    }

    [Fact]
    public void Clocks_that_differ_a_little_change_nothing()
    {
        var world = CertificateWorld.Issued();
        world.Clock.Skew(-Lifetimes.Spread * 3 - TimeSpan.FromMinutes(4));
        Assert.Empty(world.Plan().Steps);
        Assert.True(world.LeafOf(CertificateWorld.Redis)!.Serves(world.Clock.GetUtcNow()));
    }

    [Fact]
    public void A_certificate_from_the_future_is_issued_anew_once()
    {
        var world = CertificateWorld.Issued();
        world.Clock.Advance(TimeSpan.FromDays(61));
        world.Settle();
        world.Clock.Skew(TimeSpan.FromDays(-2));
        Assert.NotEmpty(world.Plan().Steps);
        world.Settle();
        world.AssertConverged();
    }

    private static string Pem(byte[] der) => $"-----BEGIN CERTIFICATE-----\n{Convert.ToBase64String(der)}\n-----END CERTIFICATE-----\n";

    // Sequences in sequences: what a recursive parser would die of.
    private static byte[] Nested(int depth) => [.. Enumerable.Repeat(Encoding.Latin1.GetBytes("0\u0080"), depth).SelectMany(bytes => bytes)];
}
