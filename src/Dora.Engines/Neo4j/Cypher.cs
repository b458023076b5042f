using System.Globalization;
using System.Text.Json.Nodes;
using Dora.Engines.Neo4j.QueryApi;

namespace Dora.Engines.Neo4j;

/// <summary>
/// The statements that the operator says. Names are quoted and checked, passwords and what is only compared go by parameters.
/// Every one may be said twice. None waits: the next probe sees what came of it.
/// </summary>
internal static class Cypher
{
    /// <summary>A name in the text of a statement.</summary>
    public static string Name(string name) =>
        name.Length is > 0 and <= 128 && !name.Any(letter => letter is '`' or '\\' || char.IsControl(letter)) ? $"`{name}`" : throw new ArgumentException("a name cannot be quoted", nameof(name));

    public static Query ReloadCertificate { get; } = new("CALL dbms.security.reloadTLS()", ReadOnly: true);

    public static Query ShowSelf { get; } = new("SHOW CURRENT USER YIELD user", ReadOnly: true);

    public static Query SetOwnPassword(string old, string @new) =>
        new("ALTER CURRENT USER SET PASSWORD FROM $old TO $new", new() { ["old"] = JsonValue.Create(old), ["new"] = JsonValue.Create(@new) });

    public static Query CreateUser(string user, string password) =>
        new($"CREATE USER {Name(user)} IF NOT EXISTS SET PASSWORD $password CHANGE NOT REQUIRED", Password(password));

    public static Query SetPassword(string user, string password) =>
        new($"ALTER USER {Name(user)} SET PASSWORD $password CHANGE NOT REQUIRED", Password(password));

    public static Query DropUser(string user) => new($"DROP USER {Name(user)} IF EXISTS");

    public static Query CreateRole(string role) => new($"CREATE ROLE {Name(role)} IF NOT EXISTS");

    public static Query GrantRole(string role, string user) => new($"GRANT ROLE {Name(role)} TO {Name(user)}");

    public static Query RevokeRole(string role, string user) => new($"REVOKE ROLE {Name(role)} FROM {Name(user)}");

    public static Query CreateDatabase(string database, int primaries, int secondaries) =>
        new($"CREATE DATABASE {Name(database)} IF NOT EXISTS TOPOLOGY {Topology(primaries, secondaries)}");

    public static Query SetTopology(string database, int primaries, int secondaries) =>
        new($"ALTER DATABASE {Name(database)} SET TOPOLOGY {Topology(primaries, secondaries)}");

    /// <summary>A single server has no copies to place.</summary>
    public static Query CreateDatabase(string database) => new($"CREATE DATABASE {Name(database)} IF NOT EXISTS");

    public static Query EnableServer(string id, bool primary) =>
        new($"ENABLE SERVER {Id(id)} OPTIONS {{modeConstraint: '{(primary ? "PRIMARY" : "SECONDARY")}'}}");

    public static Query Deallocate(string id, bool dryRun) => new($"{(dryRun ? "DRYRUN " : "")}DEALLOCATE DATABASES FROM SERVER {Id(id)}");

    public static Query DropServer(string id) => new($"DROP SERVER {Id(id)}");

    public static Query Create(Neo4jConstraint constraint)
    {
        var requirement = constraint.Type switch
        {
            Neo4jConstraintType.Unique => "IS UNIQUE",
            Neo4jConstraintType.Exists => "IS NOT NULL",
            _ => constraint.Label is null ? "IS RELATIONSHIP KEY" : "IS NODE KEY",
        };
        return new($"CREATE CONSTRAINT {Name(constraint.Name)} IF NOT EXISTS FOR {Element(constraint.Label, constraint.Relationship)} REQUIRE {Properties(constraint.Properties)} {requirement}");
    }

    public static Query Create(Neo4jIndex index)
    {
        var on = index.Type == Neo4jIndexType.FullText ? $"ON EACH [{string.Join(", ", index.Properties.Select(Property))}]" : $"ON {Properties(index.Properties)}";
        return new($"CREATE {index.Type.ToString().ToUpperInvariant()} INDEX {Name(index.Name)} IF NOT EXISTS FOR {Element(index.Label, index.Relationship)} {on}");
    }

    private static string Element(string? label, string? relationship) => label is null ? $"()-[e:{Name(relationship!)}]-()" : $"(e:{Name(label)})";

    private static string Properties(IReadOnlyList<string> properties) => $"({string.Join(", ", properties.Select(Property))})";

    private static string Property(string property) => $"e.{Name(property)}";

    private static JsonObject Password(string password) => new() { ["password"] = JsonValue.Create(password) };

    private static string Topology(int primaries, int secondaries) => string.Create(
        CultureInfo.InvariantCulture,
        $"{primaries} {(primaries == 1 ? "PRIMARY" : "PRIMARIES")}{(secondaries == 0 ? "" : $" {secondaries} {(secondaries == 1 ? "SECONDARY" : "SECONDARIES")}")}");

    // Ids come from the server's own answer; only what an id looks like gets into a statement.
    private static string Id(string id) =>
        id.Length is > 0 and <= 64 && id.All(letter => char.IsAsciiLetterOrDigit(letter) || letter == '-') ? $"'{id}'" : throw QueryResult.Malformed("names a server by what is not an id");
}
