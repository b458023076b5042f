using System.Text.Json;
using Dora.Api;
using Dora.Engines.InfluxDb;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Tests.InfluxDb;

public sealed class InfluxDbSettingsTests
{
    [Theory]
    [InlineData("{version: '3.0'}")]
    [InlineData("{version: 2.7}")]
    [InlineData("{instances: two}")]
    [InlineData("{port: 1}")]
    [InlineData("{databases: [{retention: 30d}]}")]
    [InlineData("{databases: [{name: a, replication: 1}]}")]
    [InlineData("{users: [{name: a}]}")]
    [InlineData("{users: [null]}")]
    [InlineData("{databases: [{name: a, retentionPolicies: [null]}]}")]
    [InlineData("{databases: [{name: null}]}")]
    [InlineData("{users: [{name: a, grants: [{database: app, access: Admin}]}]}")]
    [InlineData("{downsampling: [{name: a, source: app, target: app, every: 1h, function: Mode}]}")]
    [InlineData("{downsampling: [{name: a, source: app, target: app}]}")]
    public void Settings_that_do_not_fit_the_contract_are_refused(string settings) =>
        Assert.ThrowsAny<JsonException>(() => Engines.Bind("influxdb", settings));

    [Theory]
    [InlineData("{version: '1.6', instances: 2}", "instances")]
    [InlineData("{users: [{name: a, grants: [{database: app}], vault: {staticRole: ns.a}}]}", "users[0].vault")]
    [InlineData("{version: '1.6', users: [{name: a, grants: [{database: app}], vault: {dynamicRole: ns.a}}]}", "users[0].grants")]
    [InlineData("{instances: 0}", "instances")]
    [InlineData("{instances: 3}", "instances")]
    [InlineData("{version: '1.6', organization: dora}", "organization")]
    [InlineData("{organization: _dora}", "organization")]
    [InlineData("{organization: ''}", "organization")]
    [InlineData("{databases: [{name: _internal}]}", "databases[0].name")]
    [InlineData("{databases: [{name: 'a b'}]}", "databases[0].name")]
    [InlineData("{databases: [{name: 'a\"; DROP DATABASE app'}]}", "databases[0].name")]
    [InlineData("{databases: [{name: a, retention: 30m}]}", "databases[0].retention")]
    [InlineData("{databases: [{name: a, retention: 0h}]}", "databases[0].retention")]
    [InlineData("{databases: [{name: a, retention: 1d12h}]}", "databases[0].retention")]
    [InlineData("{databases: [{name: a, retention: 999y}]}", "databases[0].retention")]
    [InlineData("{databases: [{name: a, retention: INF}]}", "databases[0].retention")]
    [InlineData("{databases: [{name: a, shardDuration: '5'}]}", "databases[0].shardDuration")]
    [InlineData("{databases: [{name: a, retention: 1d, shardDuration: 2d}]}", "databases[0].shardDuration")]
    [InlineData("{databases: [{name: a, retentionPolicies: [{name: b}]}]}", "databases[0].retentionPolicies")]
    [InlineData("{version: '1.6', databases: [{name: a, retentionPolicies: [{name: autogen}]}]}", "databases[0].retentionPolicies[0].name")]
    [InlineData("{version: '1.6', databases: [{name: a, retentionPolicies: [{name: b, retention: 1s}]}]}", "databases[0].retentionPolicies[0].retention")]
    [InlineData("{users: [{name: admin, grants: [{database: app}]}]}", "users[0].name")]
    [InlineData("{users: [{name: backup, grants: [{database: app}]}]}", "users[0].name")]
    [InlineData("{users: [{name: Reader, grants: [{database: app}]}]}", "users[0].name")]
    [InlineData("{users: [{name: a, grants: [{database: nowhere}]}]}", "users[0].grants[0].database")]
    [InlineData("{users: [{name: a, grants: [{database: app}, {database: app, access: Write}]}]}", "users[0].grants[1].database")]
    [InlineData("{databases: [{name: c}], downsampling: [{name: a, source: app, target: c, every: 90s}]}", "downsampling[0].every")]
    [InlineData("{databases: [{name: c}], downsampling: [{name: 'a/b', source: app, target: c, every: 1h}]}", "downsampling[0].name")]
    [InlineData("{databases: [{name: c}], downsampling: [{name: a, source: app, target: c, every: 1h, measurement: '/.*/'}]}", "downsampling[0].measurement")]
    [InlineData("{downsampling: [{name: a, source: app, target: nowhere, every: 1h}]}", "downsampling[0].target")]
    [InlineData("{downsampling: [{name: a, source: app, target: app, every: 1h}]}", "downsampling[0].target")]
    [InlineData("{databases: [{name: c}], downsampling: [{name: a, source: app, target: c, targetPolicy: autogen, every: 1h}]}", "downsampling[0].targetPolicy")]
    [InlineData("{version: '1.6', downsampling: [{name: a, source: app, sourcePolicy: week, target: app, every: 1h}]}", "downsampling[0].sourcePolicy")]
    [InlineData("{resources: {memory: 64Mi}}", "resources.memory")]
    [InlineData("{resources: {cpu: '0.5'}}", "resources.cpu")]
    [InlineData("{storage: {size: 10GB}}", "storage.size")]
    public void What_cannot_be_done_names_the_field_and_the_fix(string settings, string field)
    {
        var violation = Assert.Single(Engines.Bind("influxdb", settings).Validate(EngineObservation.None));
        Assert.Equal($"spec.engines.influxdb.{field}", violation.Field);
        Assert.NotEmpty(violation.Fix);
    }

    [Theory]
    [InlineData("{databases: [{name: a}, {name: a}]}", "databases[0].name", "databases[1].name")]
    [InlineData("{users: [{name: a, grants: [{database: app}]}, {name: a, grants: [{database: app}]}]}", "users[0].name", "users[1].name")]
    public void A_name_that_is_declared_twice_is_refused_twice(string settings, string first, string second) => Assert.Equal(
        [$"spec.engines.influxdb.{first}", $"spec.engines.influxdb.{second}"],
        Engines.Bind("influxdb", settings).Validate(EngineObservation.None).Select(violation => violation.Field));

    [Theory]
    [InlineData("{databases: [{name: app, retention: 1h}, {name: A-1_b.c, retention: 99y, shardDuration: 52w}]}")]
    [InlineData("{version: '1.6', databases: [{name: a, retentionPolicies: [{name: b, retention: 2d}]}], downsampling: [{name: x, source: a, target: a, targetPolicy: b, every: 5m}]}")]
    [InlineData("{users: [{name: a, grants: [{database: app, access: ReadWrite}]}], organization: Compliance}")]
    public void What_can_be_done_is_not_refused(string settings) => Assert.Empty(Engines.Bind("influxdb", settings).Validate(EngineObservation.None));

    [Fact]
    public void Version_and_organisation_stay_what_they_were()
    {
        var running = new EngineObservation(Workload: Workload("1.6", null));
        Assert.Equal(("spec.engines.influxdb.version", "ImmutableField"), Only("{version: '2.7'}", running));
        Assert.Empty(Engines.Bind("influxdb", "{version: '1.6'}").Validate(running));
        running = new EngineObservation(Workload: Workload("2.7", "dora"));
        Assert.Equal(("spec.engines.influxdb.organization", "ImmutableField"), Only("{organization: other}", running));
        Assert.Empty(Engines.Bind("influxdb", "{organization: dora}").Validate(running));
    }

    [Fact]
    public void Volumes_never_shrink_and_never_change_their_class()
    {
        var claim = new PersistentVolumeClaim(new(Name: "data"), new(StorageClassName: "fast", Resources: new(Requests: new Dictionary<string, string> { ["storage"] = "2Gi" })));
        var running = Workload("2.7", "dora");
        var observed = new EngineObservation(Workload: running with { Spec = running.Spec! with { VolumeClaimTemplates = [claim] } });
        Assert.Empty(Engines.Bind("influxdb", "{storage: {size: 2048Mi, class: fast}}").Validate(observed));
        Assert.Equal("StorageShrink", Assert.Single(Engines.Bind("influxdb", "{storage: {size: 2047Mi, class: fast}}").Validate(observed)).Reason);
        Assert.Equal("ImmutableField", Assert.Single(Engines.Bind("influxdb", "{storage: {size: 2Gi, class: slow}}").Validate(observed)).Reason);
    }

    [Theory]
    [InlineData("2.7", Tier.Development, 1, false)]
    [InlineData("2.7", Tier.Staging, 1, false)]
    [InlineData("2.7", Tier.Production, 2, true)]
    [InlineData("1.6", Tier.Production, 1, false)]
    public void Production_has_a_second_server_where_the_version_can_feed_one(string version, Tier tier, int instances, bool budget)
    {
        var cluster = Engines.Bind("influxdb", $"{{version: '{version}'}}", tier);
        Assert.Empty(cluster.Validate(EngineObservation.None));
        Assert.Equal(instances, cluster.Instances);
        Assert.Equal(budget, cluster.Render(EngineObservation.None).Any(manifest => manifest.Resource.Kind == "PodDisruptionBudget"));
    }

    [Theory]
    [InlineData(Tier.Development)]
    [InlineData(Tier.Production)]
    public void Objects_of_version_1_are_as_in_the_golden_file(Tier tier) => Dora.Testing.GoldenFile.Matches(
        KubeYaml.WriteAll(Engines.Bind("influxdb", "{version: '1.6', databases: [{name: metrics, retention: 30d}]}", tier).Render(EngineObservation.None).Select(manifest => manifest.Body)),
        $"tests/Dora.Engines.Tests/Golden/influxdb-1.6-{tier}.yaml");

    [Fact]
    public void What_is_declared_over_the_wire_restarts_nothing()
    {
        const string more = "{version: '1.6', databases: [{name: app, retention: 30d}, {name: b}], users: [{name: a, grants: [{database: b}]}], downsampling: [{name: x, source: app, target: b, every: 1h}]}";
        Assert.Equal(Template("{version: '1.6'}"), Template(more));
        Assert.NotEqual(Template("{version: '1.6'}"), Template("{version: '1.6', resources: {memory: 1Gi}}"));
    }

    [Fact]
    public void Until_there_is_an_administrator_the_server_listens_inside_the_pod_only()
    {
        foreach (var (version, variable) in new[] { ("1.6", "INFLUXDB_HTTP_BIND_ADDRESS"), ("2.7", "INFLUXD_HTTP_BIND_ADDRESS") })
        {
            var cluster = Engines.Bind("influxdb", $"{{version: '{version}'}}");
            var config = cluster.Render(EngineObservation.None).Single(manifest => manifest.Name == "payments-influxdb-config").Body;
            Assert.Contains($"{variable}=127.0.0.1:$HTTP_PORT", (string)config["data"]!["bootstrap.sh"]!, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Credentials_of_users_can_be_made_again_and_those_of_the_administrator_cannot()
    {
        var requests = Engines.Bind("influxdb", "{users: [{name: a, grants: [{database: app}]}]}").Credentials();
        Assert.Equal(
            [("payments-influxdb-internal", false), ("payments-influxdb-app", true), ("payments-influxdb-user-a", true)],
            requests.Select(request => (request.SecretName, request.Renewable)));
        Assert.All(requests.Skip(1), request => Assert.True(request.Fields.Single(field => field.Key == "token").Issued));
        Assert.DoesNotContain(Engines.Bind("influxdb", "{version: '1.6'}").Credentials().SelectMany(request => request.Fields), field => field.Issued);
    }

    [Theory]
    [InlineData("1h", 3600, 3600)]
    [InlineData("47h", 169200, 3600)]
    [InlineData("2d", 172800, 86400)]
    [InlineData("179d", 15465600, 86400)]
    [InlineData("26w", 15724800, 604800)]
    [InlineData("99y", 3122064000, 604800)]
    [InlineData(null, 0, 604800)]
    public void A_retention_is_seconds_and_has_the_servers_own_shards(string? text, long seconds, long shard)
    {
        Assert.Equal(seconds, InfluxDuration.Retention(text));
        Assert.Equal(shard, InfluxDuration.DefaultShard(seconds));
        Assert.True(seconds < long.MaxValue / 1_000_000_000);
    }

    [Theory]
    [InlineData("720h0m0s", 2592000)]
    [InlineData("0s", 0)]
    [InlineData("1h30m0s", 5400)]
    [InlineData("1m0s", 60)]
    [InlineData("", null)]
    [InlineData("720h", null)]
    [InlineData("99999999999999999999h0m0s", null)]
    [InlineData("-1h0m0s", null)]
    public void Durations_as_the_server_shows_them_are_read(string text, int? seconds) => Assert.Equal(seconds, InfluxDuration.FromGo(text));

    private static (string, string) Only(string settings, EngineObservation observed)
    {
        var violation = Assert.Single(Engines.Bind("influxdb", settings).Validate(observed));
        return (violation.Field, violation.Reason);
    }

    private static StatefulSet Workload(string version, string? organization)
    {
        var annotations = new Dictionary<string, string> { [InfluxDbStatefulSet.VersionAnnotation] = version };
        if (organization is not null)
            annotations[InfluxDbStatefulSet.OrganizationAnnotation] = organization;
        return new(new(Name: "x", Annotations: annotations), new("s", new(), new(new(), new([]))));
    }

    private static string Template(string settings) =>
        Engines.Bind("influxdb", settings).Render(EngineObservation.None)[^1].Body["spec"]!["template"]!.ToJsonString();
}
