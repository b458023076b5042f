using Dora.Integration.Tests.Crds;

namespace Dora.Integration.Tests.Neo4j;

/// <summary>Every bad input of Neo4j that the schema or its CEL rules can catch.</summary>
internal static class Neo4jRows
{
    private const string Licensed = "edition: Enterprise, license: Commercial, ";
    private const string Path = "spec.engines.neo4j";
    private const string License = "engines.neo4j.license is required for edition Enterprise: state Commercial or Evaluation to accept Neo4j's licence";
    private const string Odd = "engines.neo4j.instances must be odd: primaries elect by majority";
    private const string One = "engines.neo4j.instances must be 1 in edition Community: only the Enterprise Edition clusters";
    private const string Secondaries = "engines.neo4j.secondaries needs a cluster: edition Enterprise with a license and at least 3 instances";
    private const string Edition = "engines.neo4j.edition cannot be changed in place; create a new stack and restore into it";
    private const string System = "engines.neo4j.databases: names that start with 'system' are Neo4j's own";
    private const string Element = "engines.neo4j.databases: each constraint and index needs either label or relationship";
    private const string Users = "engines.neo4j.users: neo4j, admin, app, monitor and backup are reserved";
    private const string Roles = "engines.neo4j.roles: admin, public, app, monitor, reader, editor, publisher and architect are reserved";
    private const string Parameters = "engines.neo4j.parameters: only settings that start with 'db.' may be given";
    private const string SearchBase = "engines.neo4j.ldap.userSearchBase is required with systemAccount: it searches for the user";
    private const string Class = "storage.class cannot be changed: a volume does not move between classes; create a new stack and restore into it";
    private const string Shrink = "storage.size cannot shrink: volumes only grow; create a new stack with smaller volumes and restore into it";

    public static IReadOnlyList<RefusedStack> All { get; } =
    [
        Row("unknown version", "version: '3.5'", "version", "Unsupported value: \"3.5\""),
        Row("unknown edition", "edition: Aura", "edition", "supported values: \"Community\", \"Enterprise\""),
        Row("licence as yes", "license: 'yes'", "license", "supported values: \"Commercial\", \"Evaluation\""),
        Row("Enterprise without a licence", "edition: Enterprise", "license", License),
        Row("two primaries", Licensed + "instances: 2", "instances", Odd),
        Row("eleven primaries", Licensed + "instances: 11", "instances", "should be less than or equal to 9"),
        Row("cluster of the Community Edition", "edition: Community, license: Commercial, instances: 3", "instances", One),
        Row("cluster without a licence", "instances: 3", "instances", One),
        Row("secondaries of a single server", Licensed + "instances: 1, secondaries: 1", "secondaries", Secondaries),
        Row("secondaries of the Community Edition", "secondaries: 1", "secondaries", Secondaries),
        Row("edition changed", "edition: Community", "edition", Edition, Licensed),
        Row("edition removed", "license: Commercial", "edition", Edition, Licensed),
        Row("edition added", "edition: Community", "edition", Edition, "license: Commercial"),
        Row("database of Neo4j's own", Licensed + "databases: [{name: system}]", "databases", System),
        Row("database with a dot", Licensed + "databases: [{name: a.b.c}]", "databases[0].name", "should match"),
        Row("database declared twice", Licensed + "databases: [{name: one}, {name: one}]", "databases[1]", "Duplicate value"),
        Row("constraint on nothing", "databases: [{name: neo4j, constraints: [{name: c, properties: [p]}]}]", "databases", Element),
        Row("index on two things", "databases: [{name: neo4j, indexes: [{name: i, properties: [p], label: L, relationship: R}]}]", "databases", Element),
        Row("constraint without properties", "databases: [{name: neo4j, constraints: [{name: c, label: L, properties: []}]}]", "databases[0].constraints[0].properties", "should have at least 1 items"),
        Row("label that ends its quotes", "databases: [{name: neo4j, indexes: [{name: i, label: 'L`', properties: [p]}]}]", "databases[0].indexes[0].label", "should match"),
        Row("reserved user", "users: [{name: neo4j}]", "users", Users),
        Row("user in capitals", "users: [{name: Alice}]", "users[0].name", "should match"),
        Row("reserved role", Licensed + "roles: [{name: admin, grants: []}]", "roles", Roles),
        Row("setting of the operator", "parameters: {server.directories.data: /tmp}", "parameters", Parameters),
        Row("system account without a search base", Licensed + "ldap: {host: 'ldaps://a', systemAccount: {username: cn=x, passwordSecret: s}}", "ldap.userSearchBase", SearchBase),
        Row("directory by http", Licensed + "ldap: {host: 'http://a'}", "ldap.host", "should match"),
        Row("memory in M", "resources: {memory: 512M}", "resources.memory", "should match"),
        Row("storage shrunk", "storage: {size: 1Gi}", "storage", Shrink, "storage: {size: 2Gi}"),
        Row("class changed", "storage: {class: slow}", "storage.class", Class, "storage: {class: fast}"),
    ];

    private static RefusedStack Row(string title, string settings, string field, string message, string? before = null) =>
        new($"Neo4j: {title}", Stack(settings), $"{Path}.{field}", message, before is null ? null : Stack(before));

    private static string Stack(string settings) => $"{{tier: Production, engines: {{neo4j: {{{settings}}}}}}}";
}
