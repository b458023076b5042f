using Dora.Engines.Neo4j.QueryApi;

namespace Dora.Engines.Neo4j;

/// <summary>A right of a role on a whole database, of the kinds that the operator gives. Others are left alone.</summary>
internal sealed record Neo4jPrivilege(string Role, string Action, string Database)
{
    public static Query Show { get; } = new("SHOW PRIVILEGES YIELD access, action, resource, graph, segment, role WHERE access = 'GRANTED'", ReadOnly: true);

    // By the server's word for the action; NAME MANAGEMENT is shown as token.
    private static readonly Dictionary<string, string> Clauses = new(StringComparer.Ordinal)
    {
        ["access"] = "ACCESS ON DATABASE",
        ["match"] = "MATCH {*} ON GRAPH",
        ["write"] = "WRITE ON GRAPH",
        ["token"] = "NAME MANAGEMENT ON DATABASE",
        ["index"] = "INDEX MANAGEMENT ON DATABASE",
        ["constraint"] = "CONSTRAINT MANAGEMENT ON DATABASE",
    };

    /// <summary>A row of SHOW PRIVILEGES; null when it is narrower than a whole database, or of another kind.</summary>
    public static Neo4jPrivilege? Parse(QueryRow row)
    {
        if (row.Text("action") is not { } action || !Clauses.ContainsKey(action) || row.Text("graph") is not { } graph || row.Text("role") is not { } role)
            return null;
        var part = row.Text("segment") is { } segment && segment.Contains('(', StringComparison.Ordinal) && !segment.EndsWith("(*)", StringComparison.Ordinal);
        return part || (action == "match" && row.Text("resource") != "all_properties") ? null : new(role, action, graph);
    }

    /// <summary>The rights of a role.</summary>
    public static IEnumerable<Neo4jPrivilege> Of(Neo4jRole role) => role.Grants.SelectMany(grant => Actions(grant.Access).Select(action => new Neo4jPrivilege(role.Name, action, grant.Database)));

    /// <summary>The statement that gives it; giving it twice changes nothing.</summary>
    public Query Grant() => new($"GRANT {Clauses[Action]} {Cypher.Name(Database)} TO {Cypher.Name(Role)}");

    /// <summary>The statement that takes it; taking what is not there changes nothing.</summary>
    public Query Revoke() => new($"REVOKE GRANT {Clauses[Action]} {Cypher.Name(Database)} FROM {Cypher.Name(Role)}");

    private static IEnumerable<string> Actions(Neo4jAccess access) => access switch
    {
        Neo4jAccess.Read => ["access", "match"],
        Neo4jAccess.Write => ["access", "match", "write", "token"],
        _ => ["access", "match", "write", "token", "index", "constraint"],
    };
}
