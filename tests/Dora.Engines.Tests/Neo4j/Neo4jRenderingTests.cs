using System.Text.Json;
using Dora.Api;
using Dora.Engines.Neo4j;
using Dora.Kubernetes.Model;
using Dora.Testing;

namespace Dora.Engines.Tests.Neo4j;

public sealed class Neo4jRenderingTests
{
    private const string Full = """
        license: Commercial
        version: "2025.11"
        instances: 3
        secondaries: 2
        databases: [{name: ledger, primaries: 3, secondaries: 1}]
        users: [{name: alice, roles: [reader]}]
        ldap:
          host: ldaps://directory.example:636
          userSearchBase: ou=people,dc=example
          groups: [{group: "cn=dbas,dc=example", roles: [admin]}]
          systemAccount: {username: "cn=neo4j,dc=example", passwordSecret: directory}
        parameters: {db.transaction.timeout: 60s}
        """;

    [Theory]
    [InlineData("enterprise", "{license: Commercial}", Tier.Staging)]
    [InlineData("full", Full, Tier.Production)]
    public void Objects_of_the_enterprise_edition_are_as_in_the_golden_file(string name, string settings, Tier tier) => GoldenFile.Matches(
        KubeYaml.WriteAll(Engines.Bind("neo4j", settings, tier).Render(EngineObservation.None).Select(manifest => manifest.Body)),
        $"tests/Dora.Engines.Tests/Neo4j/Golden/{name}-{tier}.yaml");

    [Fact]
    public void The_community_edition_is_told_nothing_that_it_does_not_know()
    {
        // Unknown settings keep a server from starting.
        var conf = Conf("{}", Tier.Production);
        Assert.DoesNotContain("cluster", conf, StringComparison.Ordinal);
        Assert.DoesNotContain("prometheus", conf, StringComparison.Ordinal);
        Assert.DoesNotContain("backup", conf, StringComparison.Ordinal);
        Assert.DoesNotContain("routing", conf, StringComparison.Ordinal);
    }

    [Fact]
    public void No_licence_is_accepted_for_the_community_edition() =>
        Assert.DoesNotContain(Pod("{license: Commercial, edition: Community}").Containers[0].Env!, variable => variable.Name == "NEO4J_ACCEPT_LICENSE_AGREEMENT");

    [Theory]
    [InlineData("Commercial", "yes")]
    [InlineData("Evaluation", "eval")]
    public void The_licence_is_accepted_as_the_spec_says(string license, string value) =>
        Assert.Equal(value, Pod($"{{license: {license}}}").Containers[0].Env!.Single(variable => variable.Name == "NEO4J_ACCEPT_LICENSE_AGREEMENT").Value);

    [Theory]
    [InlineData("5.26", "dbms.cluster.discovery.v2.endpoints")]
    [InlineData("2025.11", "dbms.cluster.endpoints")]
    public void The_list_of_members_stands_under_the_name_that_the_version_knows(string version, string setting) =>
        Assert.Equal(setting, Pod($"{{license: Commercial, version: '{version}'}}").Containers[0].Env!.Single(variable => variable.Name == "ENDPOINTS_SETTING").Value);

    [Fact]
    public void Pods_see_the_first_password_only()
    {
        var secrets = Pod("{license: Commercial}").Volumes!.Where(volume => volume is { Secret: not null, Name: not "tls" }).ToList();
        Assert.Equal("initial-password", Assert.Single(Assert.Single(secrets).Secret!.Items!).Key);
    }

    [Fact]
    public void Scaling_out_restarts_nothing()
    {
        Assert.Equal(Template("{license: Commercial, instances: 3}"), Template("{license: Commercial, instances: 5}"));
        Assert.Equal(Template("{license: Commercial, instances: 3}"), Template("{license: Commercial, instances: 3, secondaries: 2}"));
    }

    [Theory]
    [InlineData("{license: Commercial, resources: {memory: 8Gi}}")]
    [InlineData("{license: Commercial, parameters: {db.transaction.timeout: 1m}}")]
    [InlineData("{license: Commercial, version: '2025.11'}")]
    public void What_a_server_reads_only_at_its_start_restarts_it(string settings) => Assert.NotEqual(Template("{license: Commercial}"), Template(settings));

    [Fact]
    public void A_pod_goes_only_after_its_server_was_dropped()
    {
        var plan = Neo4jStacks.Plan("{license: Commercial}");
        var live = Engines.Observed(5, members: [new("payments-neo4j-4", MemberRole.Replica, false, Detail: "is handing its databases over")]);
        Assert.Equal(5, Neo4jScaling.Replicas(plan, live));
        Assert.Equal(5, Neo4jScaling.Replicas(plan, live with { Health = null }));
        Assert.Equal(4, Neo4jScaling.Replicas(plan, Engines.Observed(5, members: [new("payments-neo4j-4", MemberRole.Unknown, false, Detail: Neo4jScaling.Retired)])));
        Assert.Equal(5, Neo4jScaling.Replicas(plan, Engines.Observed(5, members: [new("payments-neo4j-3", MemberRole.Unknown, false, Detail: Neo4jScaling.Retired)])));
        Assert.Equal(3, Neo4jScaling.Replicas(plan, Engines.Observed(1)));
    }

    [Fact]
    public void Every_user_has_a_Secret_and_no_address_holds_a_password()
    {
        var requests = Engines.Bind("neo4j", "{license: Commercial, users: [{name: alice}]}", Tier.Production).Credentials();
        Assert.Equal(["payments-neo4j-internal", "payments-neo4j-app", "payments-neo4j-monitor", "payments-neo4j-user-alice"], requests.Select(request => request.SecretName));
        Assert.All(requests.SelectMany(request => request.Fields), field => Assert.DoesNotContain("{password}", field.Value ?? "", StringComparison.Ordinal));
        Assert.Equal(["payments-neo4j-internal"], requests.Where(request => !request.Renewable).Select(request => request.SecretName));
    }

    private static string Conf(string settings, Tier tier) => Neo4jConfig.Render(Neo4jStacks.Plan(settings, tier))["neo4j.conf"];

    private static PodSpec Pod(string settings) => StatefulSet(settings).Spec!.Template.Spec;

    private static string Template(string settings) => JsonSerializer.Serialize(StatefulSet(settings).Spec!.Template, KubeJson.Wire.PodTemplateSpec);

    private static StatefulSet StatefulSet(string settings) => Engines.Bind("neo4j", settings, Tier.Production).Render(EngineObservation.None)[^1].Body.Deserialize(KubeJson.Wire.StatefulSet)!;
}
