using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines.Postgres;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Testing;

namespace Dora.Engines.Tests.Postgres;

/// <summary>Connections that are encrypted, and a stack on the way there.</summary>
public sealed class PostgresTlsTests
{
    private const string Settings = "{pooler: {instances: 2}}";

    private const string Leader = """{"state":"running","role":"master","server_version":150018,"xlog":{"location":10},"timeline":1}""";
    private const string Replica = """{"state":"running","role":"replica","server_version":150018,"xlog":{"replayed_location":10},"timeline":1}""";

    [Fact]
    public void Objects_with_TLS_are_as_in_the_golden_file() => GoldenFile.Matches(
        KubeYaml.WriteAll(Bind(Tier.Production).Render(EngineObservation.None).Select(manifest => manifest.Body)), "tests/Dora.Engines.Tests/Golden/postgres-tls-Production.yaml");

    [Fact]
    public void A_stack_version_without_encryption_has_none_whatever_is_asked()
    {
        var (with, without) = (Bind(version: StackVersions.V202611), Engines.Bind("postgres", Settings, Engines.Stack(version: StackVersions.V202611)));
        Assert.Equal(Text(without.Render(EngineObservation.None)), Text(with.Render(EngineObservation.None)));
        Assert.Empty(with.Certificates);
        Assert.Empty(with.Endpoints);
        Assert.DoesNotContain("sslmode", Uri(with), StringComparison.Ordinal);
    }

    [Fact]
    public void Certificates_carry_the_names_that_clients_and_members_use()
    {
        var certificates = Bind().Certificates;
        Assert.Equal(["payments-postgres-tls", "payments-postgres-pooler-tls"], certificates.Select(request => request.SecretName));
        foreach (var name in (string[])["payments-postgres", "payments-postgres-replicas.compliance.svc", "*.payments-postgres-members.compliance.svc", "localhost"])
            Assert.Contains(name, certificates[0].DnsNames);
        Assert.Contains("payments-postgres-pooler.compliance.svc.cluster.local", certificates[1].DnsNames);
        // It must not pass for a member.
        Assert.DoesNotContain(certificates[1].DnsNames, name => name.Contains("payments-postgres-members", StringComparison.Ordinal));
        Assert.DoesNotContain("payments-postgres.compliance.svc", certificates[1].DnsNames);
        Assert.Single(Bind(settings: "{}").Certificates);
    }

    [Fact]
    public void Every_port_that_speaks_TLS_is_named_with_how_it_takes_up_a_new_certificate()
    {
        var endpoints = Bind().Endpoints;
        Assert.Equal([(5432, TlsStart.PostgresRequest), (8008, TlsStart.AtOnce), (6432, TlsStart.PostgresRequest)], endpoints.Select(endpoint => (endpoint.Port, endpoint.Start)));
        Assert.Equal([CertificateReload.ByCommand, CertificateReload.ByCommand, CertificateReload.ByItself], endpoints.Select(endpoint => endpoint.Reload));
        Assert.Equal("{pod}.payments-postgres-members.compliance.svc", endpoints[0].HostFormat);
        Assert.Equal("postgres-pooler", endpoints[2].Pods![Labels.Engine]);
        Assert.Equal(endpoints.Select(endpoint => endpoint.SecretName).Distinct(), Bind().Certificates.Select(request => request.SecretName));
    }

    [Theory]
    [InlineData(null, "TLSv1.3", "tlsv1.3")]
    [InlineData(TlsVersion.Tls13, "TLSv1.3", "tlsv1.3")]
    [InlineData(TlsVersion.Tls12, "TLSv1.2", "tlsv1.2,tlsv1.3")]
    public void The_oldest_version_holds_for_server_REST_and_pooler(TlsVersion? minimum, string server, string pooler)
    {
        var plan = Plan(new(MinimumVersion: minimum));
        Assert.Contains($"ssl_min_protocol_version: {server}\n", PatroniConfig.Render(plan), StringComparison.Ordinal);
        Assert.Contains($"MinProtocol = {server}\n", PatroniTls.OpenSsl(plan), StringComparison.Ordinal);
        Assert.Contains($"client_tls_protocols = {pooler}\n", PostgresPooler.Config(plan, plan.Pooler!), StringComparison.Ordinal);
        Assert.Contains($"server_tls_protocols = {pooler}\n", PostgresPooler.Config(plan, plan.Pooler!), StringComparison.Ordinal);
    }

    [Fact]
    public void Another_oldest_version_restarts_members_and_a_member_less_without_TLS_does_not()
    {
        Assert.NotEqual(PatroniConfig.NeedsRestart(Plan(new())), PatroniConfig.NeedsRestart(Plan(new(MinimumVersion: TlsVersion.Tls12))));
        Assert.NotEqual(PatroniConfig.Render(Plan(new()), mixed: true), PatroniConfig.Render(Plan(new()), mixed: false));
        Assert.Equal(Workload(Mixed()), Workload(new(Members: [Pod(0, true), Pod(1, true)])));

        static string Workload(EngineObservation observed) => Bind().Render(observed)[^1].Body.ToJsonString();
    }

    [Fact]
    public void A_member_without_TLS_finds_its_own_file_as_it_was_until_it_is_gone()
    {
        const string old = "payments-postgres-patroni";
        var before = Engines.Bind("postgres", Settings, Engines.Stack(version: StackVersions.V202611)).Render(EngineObservation.None);
        Assert.Equal(File(before, old).ToJsonString(), File(Bind().Render(Mixed()), old).ToJsonString());
        Assert.DoesNotContain(Bind().Render(new(Members: [Pod(0, true)])), manifest => manifest.Name == old);
        Assert.DoesNotContain(Bind().Render(EngineObservation.None), manifest => manifest.Name == old);
    }

    [Fact]
    public void The_pooler_follows_when_every_member_can_show_who_it_is()
    {
        Assert.Contains("server_tls_sslmode = prefer", PoolerFile(Mixed()), StringComparison.Ordinal);
        Assert.DoesNotContain("client_tls", PoolerFile(Mixed()), StringComparison.Ordinal);
        Assert.Contains("server_tls_sslmode = verify-full", PoolerFile(new(Members: [Pod(0, true)])), StringComparison.Ordinal);

        static string PoolerFile(EngineObservation observed) => (string)File(Bind().Render(observed), "payments-postgres-pooler")["data"]!["pgbouncer.ini"]!;
    }

    [Fact]
    public void Members_read_their_files_again_once_all_speak_TLS()
    {
        var health = Judge([Pod(0, true), Pod(1, true)], PatroniTls.Checked, "unchecked");
        Assert.Equal(EngineVerdict.Degraded, health.Verdict);
        Assert.Equal("payments-postgres-1 does not check the member that it follows yet", health.Message);
        var command = Assert.Single(PostgresCommands.Decide(Plan(new()), new(Health: health)));
        Assert.Equal((EngineCommand.ReloadCertificate, "payments-postgres-1"), (command.Name, command.Subject));

        Assert.Equal(EngineVerdict.Healthy, Judge([Pod(0, true), Pod(1, true)], PatroniTls.Checked, PatroniTls.Checked).Verdict);
        Assert.Equal(EngineVerdict.Healthy, Judge([Pod(0, false), Pod(1, true)], null, "unchecked").Verdict);
    }

    [Theory]
    [InlineData(false, true, true)]
    [InlineData(false, false, false)]
    [InlineData(true, true, false)]
    [InlineData(true, false, false)]
    public void A_primary_without_TLS_hands_over_to_no_member_with_it(bool primary, bool replica, bool stays) =>
        Assert.Equal(stays, Judge([Pod(0, primary), Pod(1, replica)], null, null).PrimaryStays);

    [Fact]
    public void There_is_no_way_back_once_a_member_serves_with_TLS()
    {
        var old = Bind(version: StackVersions.V202611);
        Assert.Equal("EncryptedAlready", Assert.Single(old.Validate(new(Members: [Pod(0, false), Pod(1, true)]))).Reason);
        Assert.Empty(old.Validate(new(Members: [Pod(0, false), Pod(1, true) with { Ready = false }])));
        Assert.Empty(Bind().Validate(Mixed()));
    }

    [Fact]
    public void Applications_are_told_to_encrypt() => Assert.EndsWith("/app?sslmode=require", Uri(Bind()), StringComparison.Ordinal);

    [Fact]
    public void Pods_with_TLS_are_as_Pod_Security_restricted_asks_and_keys_are_for_their_group_only()
    {
        var pods = Bind(Tier.Production).Render(EngineObservation.None).Select(manifest => manifest.Body["spec"]?["template"]?["spec"]).OfType<JsonObject>().ToList();
        Assert.Equal(2, pods.Count);
        Assert.Empty(pods.SelectMany(RestrictedProfile.Breaches));
        Assert.All(pods, pod => Assert.Equal(288, (int?)pod["volumes"]!.AsArray().Single(volume => (string?)volume!["name"] == "tls")!["secret"]!["defaultMode"]));
    }

    private static EngineHealth Judge(MemberPod[] members, string? first, string? second) => PostgresProbe.Judge(
        Plan(new()),
        [new(members[0], PatroniMember.Parse(JsonNode.Parse(Leader)), null), new(members[1], PatroniMember.Parse(JsonNode.Parse(Replica)), null)],
        new(1, true, null),
        null,
        loaded: new Dictionary<string, LoadedMarks> { [members[0].Name] = new(null, first), [members[1].Name] = new(null, second) });

    private static EngineObservation Mixed() => new(Members: [Pod(0, false), Pod(1, true)]);

    private static MemberPod Pod(int ordinal, bool encrypted) => Engines.Pod(ordinal, "postgres") with { Encrypted = encrypted };

    private static PostgresPlan Plan(TlsSettings tls) => PostgresPlan.Of(new EngineNames(Engines.Stack() with { Tls = tls }, "postgres"), new(Instances: 2, Pooler: new()));

    private static IEngineCluster Bind(Tier tier = Tier.Development, string version = StackVersions.Newest, string settings = Settings) =>
        Engines.Bind("postgres", settings, Engines.Stack(tier, version: version) with { Tls = new() });

    private static JsonObject File(IEnumerable<Manifest> manifests, string name) => manifests.Single(manifest => manifest.Resource.Kind == "ConfigMap" && manifest.Name == name).Body;

    private static string Uri(IEngineCluster cluster) => cluster.Credentials().SelectMany(request => request.Fields).Single(field => field.Key == "uri").Value!;

    private static string Text(IEnumerable<Manifest> manifests) => KubeYaml.WriteAll(manifests.Select(manifest => manifest.Body));
}
