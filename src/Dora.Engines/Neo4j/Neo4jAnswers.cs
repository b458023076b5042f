using Dora.Engines.Neo4j.QueryApi;

namespace Dora.Engines.Neo4j;

/// <summary>One member and what it said.</summary>
/// <param name="Member">The pod.</param>
/// <param name="Identity">Version and edition, or null.</param>
/// <param name="FirstPassword">Whether it still takes the password of its first start.</param>
/// <param name="Databases">Every database on every server, as this member sees them; null when it did not say.</param>
/// <param name="Problem">Why it did not say.</param>
internal sealed record Neo4jAnswer(MemberPod Member, ServerIdentity? Identity, bool FirstPassword, IReadOnlyList<DatabaseCopy>? Databases, string? Problem)
{
    /// <summary>As whom the operator was let in; null: it was not.</summary>
    public Login? Login { get; init; }
}

/// <summary>What was asked of one member for all.</summary>
internal sealed record Neo4jFindings(
    IReadOnlyList<ServerState> Servers,
    IReadOnlyList<UserState> Users,
    IReadOnlyList<string> Roles,
    IReadOnlyList<Neo4jPrivilege> Privileges,
    IReadOnlyDictionary<string, IReadOnlyList<SchemaRule>> Schemas,
    IReadOnlySet<string> RefusedLogins);

/// <summary>A row of SHOW DATABASES: one database on one server.</summary>
internal sealed record DatabaseCopy(
    string Name,
    string Pod,
    string? Role,
    bool Writer,
    string Requested,
    string Current,
    long? RequestedPrimaries = null,
    long? RequestedSecondaries = null,
    long? Lag = null)
{
    private const string Columns = "name, address, role, writer, requestedStatus, currentStatus";

    /// <summary>The columns that cost nothing, and in a cluster those that tell about copies.</summary>
    public static Query Show(bool enterprise) => new(
        enterprise ? $"SHOW DATABASES YIELD {Columns}, requestedPrimariesCount, requestedSecondariesCount, replicationLag" : $"SHOW DATABASES YIELD {Columns}",
        ReadOnly: true);

    public static DatabaseCopy Parse(QueryRow row) => new(
        row.Text("name") ?? "",
        PodOf(row.Text("address")),
        row.Text("role"),
        row.Flag("writer") == true,
        row.Text("requestedStatus") ?? "",
        row.Text("currentStatus") ?? "",
        row.Number("requestedPrimariesCount"),
        row.Number("requestedSecondariesCount"),
        row.Number("replicationLag"));

    /// <summary>Members advertise names that begin with their pod's.</summary>
    public static string PodOf(string? address) => (address ?? "").Split(':')[0].Split('.')[0];

    public bool Online => Current == "online";
}

/// <summary>A row of SHOW SERVERS.</summary>
internal sealed record ServerState(string Id, string Pod, string State, string Health)
{
    public const string Free = "Free";
    public const string Enabled = "Enabled";
    public const string Cordoned = "Cordoned";
    public const string Deallocating = "Deallocating";
    public const string Deallocated = "Deallocated";
    public const string Dropped = "Dropped";

    public static Query Show { get; } = new("SHOW SERVERS YIELD serverId, address, state, health", ReadOnly: true);

    public static ServerState Parse(QueryRow row) => new(row.Text("serverId") ?? "", DatabaseCopy.PodOf(row.Text("address")), row.Text("state") ?? "", row.Text("health") ?? "");
}

/// <summary>A row of SHOW USERS.</summary>
internal sealed record UserState(string Name, IReadOnlyList<string> Roles)
{
    public static Query Show { get; } = new("SHOW USERS YIELD user, roles", ReadOnly: true);

    // Every user has PUBLIC; it can be neither given nor taken.
    public static UserState Parse(QueryRow row) => new(row.Text("user") ?? "", [.. (row.Texts("roles") ?? []).Where(role => role != "PUBLIC")]);
}

/// <summary>A constraint or an index.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Constraint">Whether it is a constraint.</param>
/// <param name="Type">By the server's word, without what the entity already says.</param>
/// <param name="Entity">NODE or RELATIONSHIP.</param>
/// <param name="Words">Labels or types, then properties.</param>
internal sealed record SchemaRule(string Name, bool Constraint, string Type, string Entity, string Words)
{
    private const string Columns = "name, type, entityType, labelsOrTypes, properties";

    public static Query ShowConstraints { get; } = new($"SHOW CONSTRAINTS YIELD {Columns}", ReadOnly: true);

    // An index that belongs to a constraint bears its name; the constraint speaks for it.
    public static Query ShowIndexes { get; } = new($"SHOW INDEXES YIELD {Columns}, owningConstraint WHERE owningConstraint IS NULL AND type <> 'LOOKUP'", ReadOnly: true);

    public static SchemaRule Parse(QueryRow row, bool constraint) => new(
        row.Text("name") ?? "",
        constraint,
        constraint ? Short(row.Text("type") ?? "") : row.Text("type") ?? "",
        row.Text("entityType") ?? "",
        Join(row.Texts("labelsOrTypes") ?? [], row.Texts("properties") ?? []));

    public static SchemaRule Of(Neo4jConstraint wanted) => new(
        wanted.Name,
        true,
        wanted.Type switch { Neo4jConstraintType.Unique => "UNIQUENESS", Neo4jConstraintType.Exists => "EXISTENCE", _ => "KEY" },
        wanted.Label is null ? "RELATIONSHIP" : "NODE",
        Join([wanted.Label ?? wanted.Relationship!], wanted.Properties));

    public static SchemaRule Of(Neo4jIndex wanted) => new(
        wanted.Name,
        false,
        wanted.Type.ToString().ToUpperInvariant(),
        wanted.Label is null ? "RELATIONSHIP" : "NODE",
        Join([wanted.Label ?? wanted.Relationship!], wanted.Properties));

    // UNIQUENESS, NODE_PROPERTY_UNIQUENESS, RELATIONSHIP_UNIQUENESS … : the word changed with the versions, its end did not.
    private static string Short(string type) => type[(type.LastIndexOf('_') + 1)..];

    private static string Join(IEnumerable<string> labels, IEnumerable<string> properties) => $"{string.Join('|', labels)}({string.Join(',', properties)})";
}
