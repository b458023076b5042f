using System.Text.Json;
using Dora.Api;
using Dora.Engines.Neo4j;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Tests.Neo4j;

public sealed class Neo4jSettingsTests
{
    private const string Licensed = "license: Commercial, edition: Enterprise";

    [Theory]
    [InlineData("edition: Enterprise", "license")]
    [InlineData("edition: Community, instances: 3", "instances")]
    [InlineData("instances: 3", "instances")]
    [InlineData("edition: Community, secondaries: 1", "secondaries")]
    [InlineData("edition: Community, roles: [{name: auditor, grants: []}]", "roles")]
    [InlineData("edition: Community, users: [{name: alice, roles: [reader]}]", "users[0].roles")]
    [InlineData("edition: Community, databases: [{name: other}]", "databases[0].name")]
    [InlineData("edition: Community, ldap: {host: 'ldaps://a', userDnTemplate: 'uid={0}'}", "ldap")]
    [InlineData("edition: Community, databases: [{name: neo4j, constraints: [{name: c, label: L, properties: [p], type: Key}]}]", "databases[0].constraints[0].type")]
    [InlineData(Licensed + ", instances: 2", "instances")]
    [InlineData(Licensed + ", instances: 11", "instances")]
    [InlineData(Licensed + ", instances: 1, secondaries: 2", "secondaries")]
    [InlineData(Licensed + ", secondaries: 17", "secondaries")]
    [InlineData(Licensed + ", databases: [{name: system}]", "databases[0].name")]
    [InlineData(Licensed + ", databases: [{name: systematic}]", "databases[0].name")]
    [InlineData(Licensed + ", databases: [{name: 9lives}]", "databases[0].name")]
    [InlineData(Licensed + ", databases: [{name: a.b.c}]", "databases[0].name")]
    [InlineData(Licensed + ", databases: [{name: one}, {name: one}]", "databases")]
    [InlineData(Licensed + ", databases: [{name: one, primaries: 5}]", "databases[0].primaries")]
    [InlineData(Licensed + ", databases: [{name: one, primaries: 2}]", "databases[0].primaries")]
    [InlineData(Licensed + ", databases: [{name: one, secondaries: 1}]", "databases[0].secondaries")]
    [InlineData(Licensed + ", databases: [{name: one, constraints: [{name: c, properties: [p]}]}]", "databases[0].constraints[0]")]
    [InlineData(Licensed + ", databases: [{name: one, constraints: [{name: c, label: L, relationship: R, properties: [p]}]}]", "databases[0].constraints[0]")]
    [InlineData(Licensed + ", databases: [{name: one, constraints: [{name: c, label: L, properties: []}]}]", "databases[0].constraints[0].properties")]
    [InlineData(Licensed + ", databases: [{name: one, constraints: [{name: c, label: 'L`) DETACH', properties: [p]}]}]", "databases[0].constraints[0]")]
    [InlineData(Licensed + ", databases: [{name: one, constraints: [{name: c, label: L, properties: [p, q], type: Exists}]}]", "databases[0].constraints[0].properties")]
    [InlineData(Licensed + ", databases: [{name: one, indexes: [{name: i, label: L, properties: [p, q], type: Text}]}]", "databases[0].indexes[0].properties")]
    [InlineData(Licensed + ", databases: [{name: one, constraints: [{name: x, label: L, properties: [p]}], indexes: [{name: x, label: L, properties: [q]}]}]", "databases[0].constraints")]
    [InlineData(Licensed + ", users: [{name: neo4j}]", "users[0].name")]
    [InlineData(Licensed + ", users: [{name: app}]", "users[0].name")]
    [InlineData(Licensed + ", users: [{name: 'Alice'}]", "users[0].name")]
    [InlineData(Licensed + ", users: [{name: alice, roles: [admin]}]", "users[0].roles")]
    [InlineData(Licensed + ", users: [{name: alice}, {name: alice}]", "users")]
    [InlineData(Licensed + ", roles: [{name: admin, grants: []}]", "roles[0].name")]
    [InlineData(Licensed + ", roles: [{name: reader, grants: []}]", "roles[0].name")]
    [InlineData(Licensed + ", roles: [{name: auditor, grants: [{database: nowhere}]}]", "roles[0].grants")]
    [InlineData(Licensed + ", ldap: {host: 'http://a', userDnTemplate: 'uid={0}'}", "ldap.host")]
    [InlineData(Licensed + ", ldap: {host: 'ldap://a', userDnTemplate: 'uid={0}', startTls: false}", "ldap.startTls")]
    [InlineData(Licensed + ", ldap: {host: 'ldaps://a'}", "ldap.userDnTemplate")]
    [InlineData(Licensed + ", ldap: {host: 'ldaps://a', userDnTemplate: 'uid=x'}", "ldap.userDnTemplate")]
    [InlineData(Licensed + ", ldap: {host: 'ldaps://a', systemAccount: {username: cn=x, passwordSecret: s}}", "ldap.userSearchBase")]
    [InlineData(Licensed + ", ldap: {host: 'ldaps://a', userDnTemplate: \"uid={0}\\nserver.x=1\"}", "ldap")]
    [InlineData(Licensed + ", ldap: {host: 'ldaps://a', userDnTemplate: 'uid={0}', groups: [{group: cn=g, roles: [nobody]}]}", "ldap.groups")]
    [InlineData("resources: {memory: 1Gi}", "resources.memory")]
    [InlineData("resources: {memory: lots}", "resources.memory")]
    [InlineData("memory: {heap: 12Gi, pageCache: 4Gi}", "memory")]
    [InlineData("memory: {heap: 16Mi}", "memory")]
    [InlineData("parameters: {server.directories.data: /tmp}", "parameters.server.directories.data")]
    [InlineData("parameters: {dbms.security.auth_enabled: 'false'}", "parameters.dbms.security.auth_enabled")]
    [InlineData("parameters: {'db.x=1': a}", "parameters.db.x=1")]
    [InlineData("parameters: {db.transaction.timeout: \"1s\\ndbms.security.auth_enabled=false\"}", "parameters.db.transaction.timeout")]
    [InlineData("storage: {size: 1.5Gi}", "storage.size")]
    public void What_cannot_be_done_names_the_field_and_the_fix(string settings, string field)
    {
        var violation = Assert.Single(Engines.Bind("neo4j", $"{{{settings}}}", Tier.Production).Validate(EngineObservation.None));
        Assert.Equal($"spec.engines.neo4j.{field}", violation.Field);
        Assert.NotEmpty(violation.Fix);
    }

    [Theory]
    [InlineData("version: '3.5'")]
    [InlineData("version: 5.26")]
    [InlineData("edition: Aura")]
    [InlineData("license: 'yes'")]
    [InlineData("ldap: {}")]
    [InlineData("databases: [{name: one, shards: 2}]")]
    [InlineData("parameters: {db.x: 1}")]
    public void What_does_not_fit_the_contract_is_refused(string settings) =>
        Assert.ThrowsAny<JsonException>(() => Engines.Bind("neo4j", $"{{{settings}}}"));

    [Theory]
    [InlineData("", Tier.Production, "Community", 1)]
    [InlineData("license: Commercial", Tier.Development, "Community", 1)]
    [InlineData("license: Commercial", Tier.Staging, "Enterprise", 3)]
    [InlineData("license: Evaluation", Tier.Production, "Enterprise", 3)]
    [InlineData("license: Evaluation, edition: Enterprise", Tier.Development, "Enterprise", 1)]
    [InlineData("license: Evaluation, edition: Community", Tier.Production, "Community", 1)]
    [InlineData("license: Evaluation, instances: 5, secondaries: 2", Tier.Production, "Enterprise", 7)]
    public void The_enterprise_edition_runs_only_where_its_licence_was_accepted(string settings, Tier tier, string edition, int members)
    {
        var plan = Neo4jStacks.Plan($"{{{settings}}}", tier);
        Assert.Equal((edition, members), (plan.Edition.ToString(), plan.Members));
    }

    [Theory]
    [InlineData("2Gi", 409, 615)]
    [InlineData("4Gi", 1228, 1844)]
    [InlineData("16Gi", 5734, 8602)]
    [InlineData("256Gi", 31744, 197632)]
    public void Memory_is_divided_by_rule(string limit, long heap, long pageCache)
    {
        var memory = Neo4jMemory.Of(limit, null);
        Assert.Equal((heap, pageCache), (memory.Heap, memory.PageCache));
        Assert.True(memory.Rest >= Neo4jMemory.Reserve);
    }

    [Fact]
    public void What_is_given_of_the_memory_is_kept_and_the_rest_follows()
    {
        Assert.Equal((4096, 10240), (Neo4jMemory.Of("16Gi", new(Heap: "4Gi")).Heap, Neo4jMemory.Of("16Gi", new(Heap: "4Gi")).PageCache));
        Assert.Equal((6336, 8000), (Neo4jMemory.Of("16Gi", new(PageCache: "8000Mi")).Heap, Neo4jMemory.Of("16Gi", new(PageCache: "8000Mi")).PageCache));
    }

    [Theory]
    [InlineData("license: Commercial, instances: 1", "instances", "ImmutableField")]
    [InlineData("license: Commercial, edition: Community", "edition", "ImmutableField")]
    [InlineData("license: Commercial, instances: 5, secondaries: 1", "instances", "InvalidSpec")]
    [InlineData("version: '5.26', license: Commercial", "version", "ImmutableField")]
    public void What_runs_is_not_turned_into_something_else(string settings, string field, string reason)
    {
        var observed = Running(3, replicas: 3) with { Status = new("neo4j", Version: "2025.11.0") };
        var violation = Engines.Bind("neo4j", $"{{{settings}}}", Tier.Production).Validate(observed)[0];
        Assert.Equal(($"spec.engines.neo4j.{field}", reason), (violation.Field, violation.Reason));
    }

    [Fact]
    public void Primaries_change_once_the_secondaries_are_gone()
    {
        var cluster = Engines.Bind("neo4j", "{license: Commercial, instances: 5}", Tier.Production);
        Assert.Equal("spec.engines.neo4j.instances", Assert.Single(cluster.Validate(Running(3, replicas: 6))).Field);
        Assert.Single(cluster.Validate(Running(3, replicas: 5)));
        Assert.Empty(cluster.Validate(Running(3, replicas: 3)));
        Assert.Empty(cluster.Validate(Running(7, replicas: 7)));
    }

    [Fact]
    public void A_newer_patch_release_of_the_same_version_is_no_change() =>
        Assert.Empty(Engines.Bind("neo4j", "{license: Commercial}", Tier.Production).Validate(Running(3, 3) with { Status = new("neo4j", Version: "5.26.9") }));

    [Fact]
    public void Volumes_never_shrink_and_never_change_their_class()
    {
        var claim = new PersistentVolumeClaim(new(Name: "data"), new(StorageClassName: "fast", Resources: new(Requests: new Dictionary<string, string> { ["storage"] = "2Gi" })));
        var observed = new EngineObservation(Workload: new(new(Name: "x"), new("s", new(), new(new(), new([])), VolumeClaimTemplates: [claim])));
        Assert.Empty(Engines.Bind("neo4j", "{storage: {size: 2048Mi, class: fast}}").Validate(observed));
        Assert.Equal("StorageShrink", Assert.Single(Engines.Bind("neo4j", "{storage: {size: 2047Mi, class: fast}}").Validate(observed)).Reason);
        Assert.Equal("ImmutableField", Assert.Single(Engines.Bind("neo4j", "{storage: {size: 2Gi, class: slow}}").Validate(observed)).Reason);
    }

    private static EngineObservation Running(int primaries, int replicas) => new(Workload: new(
        new(Name: "payments-neo4j", Annotations: new Dictionary<string, string> { ["dora-operator.io/neo4j-edition"] = "Enterprise", ["dora-operator.io/neo4j-primaries"] = $"{primaries}", ["dora-operator.io/encrypted"] = "true" }),
        new("s", new(), new(new(), new([])), Replicas: replicas)));
}
