using Dora.Integration.Tests.Crds;

namespace Dora.Integration.Tests.MongoDb;

/// <summary>Every bad input of MongoDB that the schema or its CEL rules can catch.</summary>
internal static class MongoDbRows
{
    private const string Instances = "engines.mongodb.instances must be 1, 3 or 5, or with an arbiter 2 or 4: voters elect by majority, so their number is odd";
    private const string Version = "engines.mongodb.version cannot be lowered: older servers do not read newer data; create a new stack and restore into it";
    private const string Class = "storage.class cannot be changed: a volume does not move between classes; create a new stack and restore into it";
    private const string Shrink = "storage.size cannot shrink: volumes only grow; create a new stack with smaller volumes and restore into it";
    private const string Path = "spec.engines.mongodb";

    public static IReadOnlyList<RefusedStack> All { get; } =
    [
        new("MongoDB: unknown version", Stack("version: '3.6'"), $"{Path}.version", "Unsupported value: \"3.6\""),
        new("MongoDB: older version", Stack("version: '7.0'"), $"{Path}.version", Version, Stack("version: '8.0'")),
        new("MongoDB: older version than the default", Stack("version: '7.0'"), $"{Path}.version", Version, Stack("")),
        new("MongoDB: two voters", Stack("instances: 2"), $"{Path}.instances", Instances),
        new("MongoDB: four voters", Stack("instances: 4"), $"{Path}.instances", Instances),
        new("MongoDB: an arbiter beside one member", Stack("instances: 1, arbiter: true"), $"{Path}.instances", Instances),
        new("MongoDB: an arbiter beside three members", Stack("instances: 3, arbiter: true"), $"{Path}.instances", Instances),
        new("MongoDB: six members", Stack("instances: 6"), $"{Path}.instances", "should be less than or equal to 5"),
        new("MongoDB: storage shrunk", Stack("storage: {size: 1Gi}"), $"{Path}.storage", Shrink, Stack("storage: {size: 2Gi}")),
        new("MongoDB: class changed", Stack("storage: {class: slow}"), $"{Path}.storage.class", Class, Stack("storage: {class: fast}")),
        new("MongoDB: database without a name", Stack("databases: [{collections: []}]"), $"{Path}.databases[0].name", "Required value"),
        new("MongoDB: database declared twice", Stack("databases: [{name: a}, {name: a}]"), $"{Path}.databases[1]", "Duplicate value"),
        new("MongoDB: database name with a slash", Stack("databases: [{name: a/b}]"), $"{Path}.databases[0].name", "should match"),
        new("MongoDB: operator as a collection", Stack("databases: [{name: a, collections: [{name: $cmd}]}]"), $"{Path}.databases[0].collections[0].name", "should match"),
        new("MongoDB: index without keys", Stack("databases: [{name: a, collections: [{name: c, indexes: [{name: i, keys: []}]}]}]"), $"{Path}.databases[0].collections[0].indexes[0].keys", "should have at least 1 items"),
        new("MongoDB: index in no direction", Stack("databases: [{name: a, collections: [{name: c, indexes: [{name: i, keys: [{field: f, order: Sideways}]}]}]}]"), $"{Path}.databases[0].collections[0].indexes[0].keys[0].order", "Unsupported value"),
        new("MongoDB: user without roles", Stack("users: [{name: alice, roles: []}]"), $"{Path}.users[0].roles", "should have at least 1 items"),
        new("MongoDB: user in capitals", Stack("users: [{name: Alice, roles: [{role: read, database: a}]}]"), $"{Path}.users[0].name", "should match"),
        new("MongoDB: role without privileges", Stack("roles: [{name: r, privileges: []}]"), $"{Path}.roles[0].privileges", "should have at least 1 items"),
    ];

    /// <summary>Updates that must be accepted.</summary>
    public static IReadOnlyList<(string Title, string Before, string After)> Allowed { get; } =
    [
        ("MongoDB: newer version", Stack("version: '7.0'"), Stack("version: '8.0'")),
        ("MongoDB: three members become two and an arbiter", Stack("instances: 3"), Stack("instances: 2, arbiter: true")),
        ("MongoDB: an arbiter beside the default", Stack(""), Stack("arbiter: true")),
        ("MongoDB: a validator of any shape", Stack(""), Stack("databases: [{name: a, collections: [{name: c, validator: {$jsonSchema: {required: [x], properties: {x: {bsonType: date}}}}}]}]")),
    ];

    private static string Stack(string settings) => $"{{tier: Development, engines: {{mongodb: {{{settings}}}}}}}";
}
