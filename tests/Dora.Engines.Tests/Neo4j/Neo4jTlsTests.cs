using Dora.Api;
using Dora.Engines.Neo4j;
using Dora.Engines.Neo4j.QueryApi;
using Dora.Kubernetes.Model;
using Dora.Testing.Http;
using Dora.Testing.Neo4j;

namespace Dora.Engines.Tests.Neo4j;

/// <summary>What servers and clients are told of TLS.</summary>
public sealed class Neo4jTlsTests
{
    private const string Cluster = "{version: '2025.11', license: Commercial, instances: 3}";

    // Neo4j operations manual, "SSL framework", Configuration. A suffix that is none of these would be ignored without a word.
    private static readonly string[] Suffixes =
        ["enabled", "base_directory", "private_key", "private_key_password", "public_certificate", "trusted_dir", "revoked_dir", "verify_hostname", "ciphers", "tls_versions", "client_auth", "trust_all"];

    // Neo4j operations manual, "Configuration settings".
    private static readonly string[] Others =
        ["server.http.enabled", "server.https.enabled", "server.https.listen_address", "server.bolt.tls_level", "dbms.security.tls_reload_enabled"];

    [Theory]
    [InlineData("{}")]
    [InlineData("{license: Commercial}")]
    [InlineData(Cluster)]
    public void Every_setting_is_one_that_the_server_knows(string settings) => Assert.All(Neo4jTls.Settings(Neo4jStacks.Plan(settings)), setting =>
    {
        if (!setting.Name.StartsWith("dbms.ssl.policy.", StringComparison.Ordinal))
        {
            Assert.Contains(setting.Name, Others);
            return;
        }

        var parts = setting.Name.Split('.');
        Assert.Equal(5, parts.Length);
        Assert.Contains(parts[3], (string[])["bolt", "https", "cluster", "backup"]);
        Assert.Contains(parts[4], Suffixes);
    });

    [Fact]
    public void Clients_come_by_TLS_only_and_members_show_each_other_who_they_are()
    {
        var settings = Settings(Cluster);
        Assert.Equal(("false", "true", "REQUIRED"), (settings["server.http.enabled"], settings["server.https.enabled"], settings["server.bolt.tls_level"]));
        Assert.Equal(("NONE", "NONE", "REQUIRE"), (settings["dbms.ssl.policy.bolt.client_auth"], settings["dbms.ssl.policy.https.client_auth"], settings["dbms.ssl.policy.cluster.client_auth"]));
        Assert.Equal("true", settings["dbms.ssl.policy.cluster.verify_hostname"]);
        Assert.All((string[])["bolt", "https", "cluster"], scope => Assert.Equal(("true", "/tls"), (settings[$"dbms.ssl.policy.{scope}.enabled"], settings[$"dbms.ssl.policy.{scope}.base_directory"])));
        Assert.DoesNotContain(Settings("{}").Keys, name => name.Contains("cluster", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(null, "TLSv1.3")]
    [InlineData(TlsVersion.Tls13, "TLSv1.3")]
    [InlineData(TlsVersion.Tls12, "TLSv1.2,TLSv1.3")]
    public void The_oldest_version_holds_on_every_port(TlsVersion? minimum, string versions)
    {
        var plan = Neo4jPlan.Of(new(Engines.Stack(Tier.Production) with { Tls = new(MinimumVersion: minimum) }, "neo4j"), Neo4jStacks.Settings(Cluster));
        var found = Neo4jTls.Settings(plan).Where(setting => setting.Name.EndsWith(".tls_versions", StringComparison.Ordinal)).ToList();
        Assert.Equal(3, found.Count);
        Assert.All(found, setting => Assert.Equal(versions, setting.Value));
    }

    [Fact]
    public void A_stack_version_without_encryption_has_none_whatever_is_asked()
    {
        var old = Engines.Bind("neo4j", "{license: Commercial}", Tier.Production, StackVersions.V202611);
        var text = KubeYaml.WriteAll(old.Render(EngineObservation.None).Select(manifest => manifest.Body));
        Assert.DoesNotContain("dbms.ssl", text, StringComparison.Ordinal);
        Assert.DoesNotContain("neo4j-tls", text, StringComparison.Ordinal);
        Assert.Empty(old.Certificates);
        Assert.Empty(old.Endpoints);
        Assert.StartsWith("neo4j://", Uri(old), StringComparison.Ordinal);
    }

    [Fact]
    public void Applications_are_told_to_encrypt() => Assert.Equal("neo4j+s://payments-neo4j.compliance.svc:7687", Uri(Engines.Bind("neo4j")));

    [Theory]
    [InlineData("{}", CertificateReload.ByRestart)]
    [InlineData("{version: '2025.11'}", CertificateReload.ByRestart)]
    [InlineData("{license: Commercial, version: '5.26'}", CertificateReload.ByRestart)]
    [InlineData(Cluster, CertificateReload.ByCommand)]
    public void Only_the_Enterprise_Edition_of_the_calendar_versions_reads_its_certificate_again(string settings, CertificateReload reload)
    {
        var endpoints = Engines.Bind("neo4j", settings, Tier.Production).Endpoints;
        Assert.Equal([(7687, reload, PlainSpeech.BoltHandshake), (7473, reload, PlainSpeech.Anything)], endpoints.Select(endpoint => (endpoint.Port, endpoint.Reload, endpoint.Plain)));
        // A server of another version or edition does not start with a setting that it does not know.
        Assert.Equal(reload == CertificateReload.ByCommand, Settings(settings).ContainsKey("dbms.security.tls_reload_enabled"));
    }

    [Theory]
    [InlineData(StackVersions.Newest, false)]
    [InlineData(StackVersions.V202611, true)]
    public void Members_of_a_cluster_do_not_change_between_plain_and_encrypted_one_by_one(string version, bool encrypted)
    {
        Assert.Equal("spec.stackVersion", Assert.Single(Engines.Bind("neo4j", Cluster, Tier.Production, version).Validate(Running(3, encrypted))).Field);
        Assert.Empty(Engines.Bind("neo4j", Cluster, Tier.Production, version).Validate(Running(3, !encrypted)));
        Assert.Empty(Engines.Bind("neo4j", version: version).Validate(Running(1, encrypted)));
    }

    [Fact]
    public void A_pod_that_mounts_its_certificate_is_reached_by_TLS_and_another_is_not()
    {
        using var authority = new TestCertificates();
        var plan = Neo4jStacks.Plan("{}");
        var (plain, encrypted) = (Neo4jTls.Transport(plan, Target(authority, encrypted: false)), Neo4jTls.Transport(plan, Target(authority, encrypted: true)));
        Assert.Equal(("http", 7474), (plain.Scheme, plain.Port));
        Assert.Equal(("https", 7473), (encrypted.Scheme, encrypted.Port));
        // One pool of connections for all passes.
        Assert.Same(encrypted, Neo4jTls.Transport(plan, Target(authority, encrypted: true)));
    }

    [Fact]
    public async Task The_server_of_the_pod_itself_is_told_to_read_its_certificate_again()
    {
        using var authority = new TestCertificates();
        using var certificate = authority.Server("payments-neo4j-1.payments-neo4j-members.compliance.svc", loopback: false);
        await using var servers = await Neo4jServers.StartAsync(certificate: certificate);
        using var transport = QueryTransport.TlsOn(ServerTrust.Of(authority.AuthorityPem), servers.Port);
        var cluster = new Neo4jCluster(Engines.Stack(Tier.Production), Neo4jStacks.Settings(Cluster), transport);
        // The system database of this one takes no procedure.
        servers.Script(1, Reply.Json(202, """{"errors":[{"code":"Neo.ClientError.Statement.ExecutionFailed","message":"Not a recognised system command or procedure."}]}"""), Reply.Json(202, """{"data":{"fields":[],"values":[]},"bookmarks":[]}"""));
        await cluster.ExecuteAsync(new(EngineCommand.ReloadCertificate, "payments-neo4j-1", ""), Target(authority, encrypted: true), TestContext.Current.CancellationToken);
        Assert.Equal(
            [(1, "/db/system/query/v2", "CALL dbms.security.reloadTLS()"), (1, "/db/neo4j/query/v2", "CALL dbms.security.reloadTLS()")],
            servers.Requests.Select(request => (request.Member, request.Path, request.Statement)));
        Assert.All(servers.Requests, request => Assert.Contains("\"accessMode\":\"Read\"", request.Body, StringComparison.Ordinal));
    }

    private static EngineTarget Target(TestCertificates authority, bool encrypted) => new(
        [.. Enumerable.Range(0, 3).Select(ordinal => new MemberPod($"payments-neo4j-{ordinal}", ordinal, Neo4jServers.Address(ordinal), true, null, Encrypted: encrypted))],
        new Dictionary<string, IReadOnlyDictionary<string, string>>
        {
            ["payments-neo4j-internal"] = new Dictionary<string, string> { ["admin-password"] = Neo4jStacks.AdminPassword },
            ["payments-neo4j-tls"] = new Dictionary<string, string> { ["ca.crt"] = authority.AuthorityPem },
        });

    private static EngineObservation Running(int replicas, bool encrypted)
    {
        var marks = new Dictionary<string, string> { ["dora-operator.io/neo4j-primaries"] = $"{replicas}" };
        if (encrypted)
            marks["dora-operator.io/encrypted"] = "true";
        return new(Workload: new(new(Name: "payments-neo4j", Annotations: marks), new("s", new(), new(new(), new([])), Replicas: replicas)));
    }

    private static Dictionary<string, string> Settings(string settings) => Neo4jTls.Settings(Neo4jStacks.Plan(settings)).ToDictionary(setting => setting.Name, setting => setting.Value);

    private static string Uri(IEngineCluster cluster) => cluster.Credentials().SelectMany(request => request.Fields).First(field => field.Key == "uri").Value!;
}
