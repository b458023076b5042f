using Dora.Api;
using Dora.Engines.MongoDb;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Tests.MongoDb;

/// <summary>What servers, scripts and clients are told of TLS.</summary>
public sealed class MongoDbTlsTests
{
    // MongoDB manual, "Configuration File Options", net.tls Options; a server refuses to start with any other.
    private static readonly string[] Documented =
    [
        "mode", "certificateKeyFile", "certificateKeyFilePassword", "certificateSelector", "clusterCertificateSelector", "clusterFile", "clusterPassword", "clusterAuthX509",
        "CAFile", "clusterCAFile", "CRLFile", "allowConnectionsWithoutCertificates", "allowInvalidCertificates", "allowInvalidHostnames", "disabledProtocols", "FIPSMode", "logVersions",
    ];

    [Theory]
    [InlineData(null, "TLS1_0,TLS1_1,TLS1_2")]
    [InlineData(TlsVersion.Tls13, "TLS1_0,TLS1_1,TLS1_2")]
    [InlineData(TlsVersion.Tls12, "TLS1_0,TLS1_1")]
    public void A_server_takes_no_connection_in_the_clear_and_no_older_version(TlsVersion? minimum, string disabled)
    {
        var settings = Section(MongoDbConfig.Render(Plan(minimum: minimum))["mongod.conf"]);
        Assert.Equal("requireTLS", settings["mode"]);
        Assert.Equal(disabled, settings["disabledProtocols"]);
        Assert.Equal(("/tls/tls-combined.pem", "/tls/ca.crt"), (settings["certificateKeyFile"], settings["CAFile"]));
        // Clients are known by password.
        Assert.Equal("true", settings["allowConnectionsWithoutCertificates"]);
        Assert.Empty(settings.Keys.Except(Documented));
    }

    [Fact]
    public void A_stack_version_without_encryption_has_none_whatever_is_asked()
    {
        var old = Engines.Bind("mongodb", version: StackVersions.V202611);
        Assert.DoesNotContain("tls", Text(old.Render(EngineObservation.None)), StringComparison.OrdinalIgnoreCase);
        Assert.Empty(old.Certificates);
        Assert.Empty(old.Endpoints);
        Assert.DoesNotContain("tls", Uri(old), StringComparison.Ordinal);
    }

    [Fact]
    public void One_certificate_has_the_names_that_clients_members_and_the_pod_itself_use()
    {
        var certificate = Assert.Single(Engines.Bind("mongodb", "{arbiter: true}").Certificates);
        Assert.True(certificate.NeedsCombined);
        foreach (var name in (string[])["payments-mongodb.compliance.svc", "payments-mongodb-replicas.compliance.svc", "*.payments-mongodb-members.compliance.svc", "localhost"])
            Assert.Contains(name, certificate.DnsNames);
    }

    [Fact]
    public void An_arbiter_knows_nobody_who_could_tell_it_of_a_new_certificate_and_restarts()
    {
        var endpoints = Engines.Bind("mongodb", "{arbiter: true}").Endpoints;
        Assert.Equal([("mongodb", CertificateReload.ByCommand, "data"), ("arbiter", CertificateReload.ByRestart, "arbiter")], endpoints.Select(endpoint => (endpoint.Name, endpoint.Reload, endpoint.Pods!["app.kubernetes.io/component"])));
        Assert.All(endpoints, endpoint => Assert.Equal((27017, PlainSpeech.MongoHello, "payments-mongodb-tls"), (endpoint.Port, endpoint.Plain, endpoint.SecretName)));
        Assert.Single(Engines.Bind("mongodb").Endpoints);
    }

    [Fact]
    public void Applications_are_told_to_encrypt() => Assert.EndsWith("&tls=true", Uri(Engines.Bind("mongodb")), StringComparison.Ordinal);

    [Fact]
    public void Every_container_that_connects_mounts_the_certificate_for_its_group_only()
    {
        foreach (var pod in Engines.Pods(Engines.Bind("mongodb", "{arbiter: true}", Tier.Production).Render(EngineObservation.None)))
        {
            Assert.Equal(("payments-mongodb-tls", 288), pod.Volumes!.Where(volume => volume.Name == "tls").Select(volume => (volume.Secret!.SecretName, volume.Secret.DefaultMode)).Single());
            Assert.All(pod.Containers, container => Assert.Contains(container.VolumeMounts!, mount => mount is { MountPath: "/tls", ReadOnly: true }));
        }
    }

    [Fact]
    public void The_shell_of_a_pod_checks_whose_server_it_asks()
    {
        var files = MongoDbConfig.Render(Plan());
        Assert.All((string[])["bootstrap.sh", "stop-mongod.sh"], name => Assert.Contains("serverSelectionTimeoutMS=3000${MONGODB_TLS:-}\"", files[name], StringComparison.Ordinal));
        Assert.Equal("&tls=true&tlsCAFile=/tls/ca.crt&tlsAllowInvalidHostnames=true", MongoDbTls.Options);
    }

    [Theory]
    [InlineData("{instances: 3}", 3)]
    [InlineData("{instances: 1}", 3)]
    [InlineData("{instances: 3}", 1)]
    public void Members_of_a_set_do_not_change_between_plain_and_encrypted_one_by_one(string settings, int running)
    {
        foreach (var (version, encrypted) in (IEnumerable<(string, bool)>)[(StackVersions.Newest, false), (StackVersions.V202611, true)])
            Assert.Equal("spec.stackVersion", Assert.Single(Engines.Bind("mongodb", settings, version: version).Validate(Running(running, encrypted))).Field);
        Assert.Empty(Engines.Bind("mongodb", settings).Validate(Running(running, encrypted: true)));
        Assert.Empty(Engines.Bind("mongodb", settings, version: StackVersions.V202611).Validate(Running(running, encrypted: false)));
    }

    [Fact]
    public void A_server_that_is_alone_changes_by_a_restart()
    {
        Assert.Empty(Engines.Bind("mongodb", "{instances: 1}").Validate(Running(1, encrypted: false)));
        Assert.Empty(Engines.Bind("mongodb", "{instances: 1}", version: StackVersions.V202611).Validate(Running(1, encrypted: true)));
    }

    private static EngineObservation Running(int replicas, bool encrypted) => new(
        Workload: new(new(Name: "payments-mongodb", Annotations: encrypted ? new Dictionary<string, string> { ["dora-operator.io/encrypted"] = "true" } : null), new("s", new(), new(new(), new([])), Replicas: replicas)));

    private static MongoDbPlan Plan(TlsVersion? minimum = null) => MongoDbPlan.Of(new(Engines.Stack() with { Tls = new(MinimumVersion: minimum) }, "mongodb"), new());

    // The section under net: "  tls:", then lines with four spaces.
    private static Dictionary<string, string> Section(string config) => config.Split('\n')
        .SkipWhile(line => line != "  tls:")
        .Skip(1)
        .TakeWhile(line => line.StartsWith("    ", StringComparison.Ordinal))
        .ToDictionary(line => line.Split(':')[0].Trim(), line => line.Split(':')[1].Trim());

    private static string Uri(IEngineCluster cluster) => cluster.Credentials().SelectMany(request => request.Fields).First(field => field.Key == "uri").Value!;

    private static string Text(IEnumerable<Manifest> manifests) => KubeYaml.WriteAll(manifests.Select(manifest => manifest.Body));
}
