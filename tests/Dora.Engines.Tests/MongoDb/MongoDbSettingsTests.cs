using System.Text.Json;
using Dora.Api;
using Dora.Engines.MongoDb;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Tests.MongoDb;

public sealed class MongoDbSettingsTests
{
    [Theory]
    [InlineData("{version: '9.9'}")]
    [InlineData("{version: 8}")]
    [InlineData("{instances: three}")]
    [InlineData("{arbiter: 1}")]
    [InlineData("{nonsense: 1}")]
    [InlineData("{databases: [{collections: []}]}")]
    [InlineData("{databases: [{name: a, collections: [{name: c, validationLevel: Off}]}]}")]
    [InlineData("{databases: [{name: a, collections: [{name: c, validator: text}]}]}")]
    [InlineData("{databases: [{name: a, collections: [{name: c, indexes: [{name: i, keys: [{field: f, order: Sideways}]}]}]}]}")]
    [InlineData("{users: [{name: alice}]}")]
    [InlineData("{users: [null]}")]
    [InlineData("{databases: [{name: a, collections: [null]}]}")]
    [InlineData("{roles: [{name: r, privileges: [{database: a, actions: [null]}]}]}")]
    public void Settings_that_do_not_fit_the_contract_are_refused(string settings) =>
        Assert.ThrowsAny<JsonException>(() => Engines.Bind("mongodb", settings));

    [Theory]
    [InlineData("{instances: 2}", "instances")]
    [InlineData("{instances: 4}", "instances")]
    [InlineData("{instances: 0}", "instances")]
    [InlineData("{instances: 7}", "instances")]
    [InlineData("{instances: 1, arbiter: true}", "instances")]
    [InlineData("{instances: 3, arbiter: true}", "instances")]
    [InlineData("{storage: {size: 1.5Gi}}", "storage.size")]
    [InlineData("{resources: {memory: lots}}", "resources.memory")]
    [InlineData("{resources: {memory: 511Mi}}", "resources.memory")]
    [InlineData("{resources: {cpu: '-1'}}", "resources.cpu")]
    [InlineData("{users: [{name: backup, roles: [{role: read, database: a}], vault: {staticRole: ns.a}}]}", "users[backup].name")]
    [InlineData("{users: [{name: restore, roles: [{role: read, database: a}], vault: {dynamicRole: ns.a}}]}", "users[restore].name")]
    [InlineData("{users: [{name: clerk, roles: [{role: read, database: a}], vault: {dynamicRole: ns.a}}], roles: [{name: clerk, privileges: [{database: a, actions: [find]}]}]}", "users[clerk].name")]
    [InlineData("{databases: [{name: admin}]}", "databases[admin].name")]
    [InlineData("{databases: [{name: Local}]}", "databases[Local].name")]
    [InlineData("{databases: [{name: config}]}", "databases[config].name")]
    [InlineData("{databases: [{name: a b}]}", "databases[a b].name")]
    [InlineData("{databases: [{name: a/b}]}", "databases[a/b].name")]
    [InlineData("{databases: [{name: sales}, {name: Sales}]}", "databases")]
    [InlineData("{databases: [{name: a, collections: [{name: system.users}]}]}", "databases[a].collections[system.users].name")]
    [InlineData("{databases: [{name: a, collections: [{name: $x}]}]}", "databases[a].collections[$x].name")]
    [InlineData("{databases: [{name: a, collections: [{name: c}, {name: c}]}]}", "databases[a].collections")]
    [InlineData("{databases: [{name: a, collections: [{name: c, indexes: [{name: i, keys: []}]}]}]}", "databases[a].collections[c].indexes[i].keys")]
    [InlineData("{databases: [{name: a, collections: [{name: c, indexes: [{name: i, keys: [{field: $f}]}]}]}]}", "databases[a].collections[c].indexes[i].keys")]
    [InlineData("{databases: [{name: a, collections: [{name: c, indexes: [{name: i, keys: [{field: f}, {field: f}]}]}]}]}", "databases[a].collections[c].indexes[i].keys")]
    [InlineData("{databases: [{name: a, collections: [{name: c, indexes: [{name: _id_, keys: [{field: f}]}]}]}]}", "databases[a].collections[c].indexes[_id_].name")]
    [InlineData("{databases: [{name: a, collections: [{name: c, indexes: [{name: i, keys: [{field: f}, {field: g}], expireAfterSeconds: 1}]}]}]}", "databases[a].collections[c].indexes[i].expireAfterSeconds")]
    [InlineData("{databases: [{name: a, collections: [{name: c, indexes: [{name: i, keys: [{field: f, order: Hashed}], unique: true}]}]}]}", "databases[a].collections[c].indexes[i].unique")]
    [InlineData("{roles: [{name: readWrite, privileges: [{database: a, actions: [find]}]}]}", "roles[readWrite].name")]
    [InlineData("{roles: [{name: r, privileges: []}]}", "roles[r].privileges")]
    [InlineData("{roles: [{name: r, privileges: [{database: a, actions: []}]}]}", "roles[r].privileges.actions")]
    [InlineData("{roles: [{name: r, privileges: [{database: a, actions: [anyAction]}]}]}", "roles[r].privileges.actions")]
    [InlineData("{roles: [{name: r, privileges: [{database: a, actions: [grantRole]}]}]}", "roles[r].privileges.actions")]
    [InlineData("{roles: [{name: r, privileges: [{database: admin, actions: [find]}]}]}", "roles[r].privileges.database")]
    [InlineData("{users: [{name: admin, roles: [{role: read, database: a}]}]}", "users[admin].name")]
    [InlineData("{users: [{name: backup, roles: [{role: read, database: a}]}]}", "users[backup].name")]
    [InlineData("{users: [{name: Alice, roles: [{role: read, database: a}]}]}", "users[Alice].name")]
    [InlineData("{users: [{name: alice, roles: []}]}", "users[alice].roles")]
    [InlineData("{users: [{name: alice, roles: [{role: root, database: admin}]}]}", "users[alice].roles")]
    [InlineData("{users: [{name: alice, roles: [{role: userAdmin, database: admin}]}]}", "users[alice].roles")]
    [InlineData("{users: [{name: alice, roles: [{role: __system, database: admin}]}]}", "users[alice].roles")]
    [InlineData("{users: [{name: alice, roles: [{role: teller, database: admin}]}]}", "users[alice].roles")]
    [InlineData("{users: [{name: alice, roles: [{role: backup, database: a}]}]}", "users[alice].roles")]
    [InlineData("{users: [{name: a, roles: [{role: read, database: a}]}, {name: a, roles: [{role: read, database: a}]}]}", "users")]
    public void What_cannot_be_done_names_the_field_and_the_fix(string settings, string field)
    {
        var violation = Assert.Single(Engines.Bind("mongodb", settings).Validate(EngineObservation.None));
        Assert.Equal($"spec.engines.mongodb.{field}", violation.Field);
        Assert.NotEmpty(violation.Fix);
    }

    [Theory]
    [InlineData("{instances: 5}")]
    [InlineData("{arbiter: true}")]
    [InlineData("{instances: 4, arbiter: true}")]
    [InlineData("{resources: {memory: 512Mi}}")]
    [InlineData("{roles: [{name: teller, privileges: [{database: a, collection: c, actions: [find, insert]}]}], users: [{name: alice, roles: [{role: teller, database: admin}, {role: read, database: b}]}]}")]
    [InlineData("{databases: [{name: a, collections: [{name: c, validator: {$jsonSchema: {required: [x]}}, indexes: [{name: i, keys: [{field: at}], expireAfterSeconds: 60}]}]}]}")]
    public void What_can_be_done_is_not_refused(string settings) =>
        Assert.Empty(Engines.Bind("mongodb", settings).Validate(EngineObservation.None));

    [Fact]
    public void The_Secret_of_a_user_that_is_declared_beside_data_may_be_made() =>
        Assert.True(Engines.Bind("mongodb", "{users: [{name: alice, roles: [{role: read, database: a}]}]}").Credentials().Single(request => request.SecretName == "payments-mongodb-user-alice").Renewable);

    [Theory]
    [InlineData("8.0.4", "7.0", "ImmutableField")]
    [InlineData("7.0.14", "8.0", null)]
    [InlineData("7.0.14", "7.0", null)]
    [InlineData("8.0.4", "8.0", null)]
    [InlineData(null, "7.0", null)]
    public void The_version_goes_up_and_never_down(string? running, string wanted, string? reason)
    {
        var observed = new EngineObservation(new EngineStatus("mongodb", Version: running));
        Assert.Equal(reason, Engines.Bind("mongodb", $"{{version: '{wanted}'}}").Validate(observed).SingleOrDefault()?.Reason);
    }

    [Fact]
    public void Volumes_never_shrink_and_never_change_their_class()
    {
        var claim = new PersistentVolumeClaim(new(Name: "data"), new(StorageClassName: "fast", Resources: new(Requests: new Dictionary<string, string> { ["storage"] = "2Gi" })));
        var observed = new EngineObservation(Workload: new(new(Name: "x"), new("s", new(), new(new(), new([])), VolumeClaimTemplates: [claim])));
        Assert.Empty(Engines.Bind("mongodb", "{storage: {size: 2048Mi, class: fast}}").Validate(observed));
        Assert.Equal("StorageShrink", Assert.Single(Engines.Bind("mongodb", "{storage: {size: 2047Mi, class: fast}}").Validate(observed)).Reason);
        Assert.Equal("ImmutableField", Assert.Single(Engines.Bind("mongodb", "{storage: {size: 2Gi, class: slow}}").Validate(observed)).Reason);
    }

    [Theory]
    [InlineData("512Mi", "0.25")]
    [InlineData("1Gi", "0.45")]
    [InlineData("16Gi", "7.20")]
    public void The_cache_leaves_more_than_half_of_the_memory(string memory, string cache) => Assert.Contains(
        $"cacheSizeGB: {cache}\n", MongoDbConfig.Render(Plan(new(Resources: new(Memory: memory))))["mongod.conf"], StringComparison.Ordinal);

    [Theory]
    [InlineData(null, false, 1, "majority")]
    [InlineData(3, false, 3, "majority")]
    [InlineData(null, true, 2, "1")]
    [InlineData(4, true, 4, "majority")]
    public void The_write_concern_is_a_majority_unless_an_arbiter_would_make_that_everybody(int? instances, bool arbiter, int data, string concern)
    {
        var plan = Plan(new(Instances: instances, Arbiter: arbiter));
        Assert.Equal((data, concern), (plan.Instances, plan.WriteConcern));
    }

    [Fact]
    public void Each_declared_user_gets_a_Secret_with_an_address_that_names_every_member()
    {
        var requests = Engines.Bind("mongodb", "{instances: 3, users: [{name: alice, roles: [{role: read, database: sales}]}]}").Credentials();
        Assert.Equal(["payments-mongodb-internal", "payments-mongodb-app", "payments-mongodb-user-alice"], requests.Select(request => request.SecretName));
        Assert.Equal(
            "mongodb://{username}:{password}@payments-mongodb-0.payments-mongodb-members.compliance.svc:27017,payments-mongodb-1.payments-mongodb-members.compliance.svc:27017,payments-mongodb-2.payments-mongodb-members.compliance.svc:27017/sales?replicaSet=rs0&authSource=admin&authMechanism=SCRAM-SHA-256&tls=true",
            requests[2].Fields.Single(field => field.Key == "uri").Value);
    }

    [Fact]
    public void An_arbiter_has_a_workload_of_its_own_without_a_claim_and_no_Service_but_the_headless_one_finds_it()
    {
        var objects = Engines.Bind("mongodb", "{arbiter: true}", Tier.Production).Render(EngineObservation.None);
        var sets = objects.Where(manifest => manifest.Resource.Kind == "StatefulSet").Select(manifest => manifest.Body.Deserialize(KubeJson.Wire.StatefulSet)!).ToList();
        Assert.Equal([("payments-mongodb", 2), ("payments-mongodb-arb", 1)], sets.Select(set => (set.Metadata.Name!, set.Spec!.Replicas!.Value)));
        Assert.Null(sets[1].Spec!.VolumeClaimTemplates);
        var labels = sets[1].Spec!.Template.Metadata.Labels!;
        Assert.All(objects.Where(manifest => manifest.Resource.Kind == "Service" && manifest.Name != "payments-mongodb-members"), service =>
            Assert.Contains(service.Body["spec"]!["selector"]!.AsObject(), term => labels.GetValueOrDefault(term.Key) != (string?)term.Value));
        Assert.All(sets, set => Assert.True(set.Metadata.Name!.Length - "payments".Length + 40 <= 52, set.Metadata.Name));
    }

    [Fact]
    public void What_the_members_are_told_of_the_past_restarts_nothing()
    {
        var cluster = Engines.Bind("mongodb", "{instances: 3}");
        string Template(EngineObservation observed) => cluster.Render(observed).Single(manifest => manifest.Resource.Kind == "StatefulSet").Body["spec"]!["template"]!.ToJsonString();
        var served = new EngineObservation(new EngineStatus("mongodb", Initialized: true));
        Assert.Equal(Template(EngineObservation.None), Template(served));
        Assert.Equal(("false", "true"), (MongoDbConfig.Memory(Plan(new()), EngineObservation.None)["initialized"], MongoDbConfig.Memory(Plan(new()), served)["initialized"]));
    }

    private static MongoDbPlan Plan(MongoDbSettings settings) => MongoDbPlan.Of(new EngineNames(Engines.Stack(), "mongodb"), settings);
}
