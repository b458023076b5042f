using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Dora.Testing.Neo4j;

/// <summary>The SHOW commands.</summary>
internal sealed partial class Neo4jShow(Neo4jState state)
{
    public JsonObject Run(Neo4jStore store, string statement)
    {
        var match = Form().Match(statement);
        if (!match.Success)
            throw Neo4jCypher.Syntax(statement);
        var what = match.Groups["what"].Value;
        if (!state.Enterprise && what is "SERVERS" or "ROLES" or "PRIVILEGES")
            throw new Neo4jException("Neo.ClientError.Statement.UnsupportedAdministrationCommand", $"Unsupported administration command: {statement}");
        return (what switch
        {
            "DATABASES" => Databases(),
            "SERVERS" => Servers(),
            "USERS" => Users(),
            "ROLES" => Roles(),
            "PRIVILEGES" => Privileges(),
            "CONSTRAINTS" => Rules(store.Constraints, "ownedIndex", rule => rule.Type.Contains("EXISTENCE", StringComparison.Ordinal) ? null : rule.Name),
            _ => Rules(store.Indexes, "owningConstraint", rule => rule.OwningConstraint),
        }).Select(match.Groups["rest"].Value);
    }

    // What is starting is online by the time of the next question; so is a deallocation done.
    private Neo4jTable Databases()
    {
        var table = new Neo4jTable(
            "name", "type", "address", "role", "writer", "requestedStatus", "currentStatus", "statusMessage", "default", "home",
            "requestedPrimariesCount", "requestedSecondariesCount", "replicationLag", "serverID");
        foreach (var database in state.Databases.Values)
        {
            var leader = database.Status == "online" ? state.Leader(database) : null;
            foreach (var (id, role) in database.Copies)
            {
                var server = state.Servers.Find(server => server.Id == id)!;
                table.Add(
                    database.Name, database.Name == "system" ? "system" : "standard", $"{server.Host}:7687", role, server == leader, "online", server.Up ? database.Status : "unknown", "", database.Name == "neo4j", database.Name == "neo4j",
                    database.Name == "system" ? null : database.Primaries, database.Name == "system" ? null : database.Secondaries, server == leader ? 0 : -database.Lag, id);
            }

            if (database.Status == "starting")
                database.Status = "online";
        }

        return table;
    }

    private Neo4jTable Servers()
    {
        var table = new Neo4jTable("serverId", "name", "address", "state", "health", "hosting", "requestedHosting", "modeConstraint", "version");
        foreach (var server in state.Servers)
        {
            var hosting = state.Databases.Values.Where(database => database.Copies.ContainsKey(server.Id)).Select(database => database.Name).ToList();
            table.Add(server.Id, server.Id, $"{server.Host}:7687", server.State, server.Up ? "Available" : "Unavailable", Neo4jTable.List(hosting), Neo4jTable.List(hosting), server.Mode, state.Options.Version);
            if (server.State == "Deallocating")
                server.State = "Deallocated";
        }

        return table;
    }

    private Neo4jTable Users()
    {
        var table = new Neo4jTable("user", "roles", "passwordChangeRequired", "suspended", "home");
        foreach (var (name, user) in state.Users)
            table.Add(name, state.Enterprise ? Neo4jTable.List(user.Roles.Append("PUBLIC")) : null, user.ChangeRequired, state.Enterprise ? false : null, null);
        return table;
    }

    private Neo4jTable Roles()
    {
        var table = new Neo4jTable("role", "immutable");
        foreach (var role in state.Roles.Keys)
            table.Add(role, false);
        return table;
    }

    private Neo4jTable Privileges()
    {
        var table = new Neo4jTable("access", "action", "resource", "graph", "segment", "role", "immutable");
        table.Add("GRANTED", "access", "database", "DEFAULT", "database", "PUBLIC", false);
        table.Add("GRANTED", "execute", "database", "*", "PROCEDURE(*)", "PUBLIC", false);
        table.Add("GRANTED", "match", "all_properties", "*", "NODE(*)", "reader", false);
        foreach (var (role, rows) in state.Roles)
        {
            foreach (var (action, resource, graph, segment) in rows)
                table.Add("GRANTED", action, resource, graph, segment, role, false);
        }

        return table;
    }

    private static Neo4jTable Rules(List<Neo4jRule> rules, string last, Func<Neo4jRule, string?> owner)
    {
        var table = new Neo4jTable("id", "name", "type", "entityType", "labelsOrTypes", "properties", last, "state");
        foreach (var rule in rules)
            table.Add(1, rule.Name, rule.Type, rule.Entity, rule.Labels.Count == 0 ? null : Neo4jTable.List(rule.Labels), rule.Properties.Count == 0 ? null : Neo4jTable.List(rule.Properties), owner(rule), "ONLINE");
        return table;
    }

    [GeneratedRegex("^SHOW (?<what>DATABASES|SERVERS|USERS|ROLES|PRIVILEGES|CONSTRAINTS|INDEXES)(?<rest>.*)$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Form();
}

/// <summary>Constraints and indexes of a database.</summary>
internal sealed partial class Neo4jSchema(Neo4jState state)
{
    private const string Word = @"(?:`[^`]+`|[A-Za-z_][A-Za-z0-9_]*)";
    private const string Element = @"FOR (\((?<v>\w+):(?<label>" + Word + @")\)|\(\)-\[(?<v>\w+):(?<type>" + Word + @")\]-\(\))";
    private const string Properties = @"\w+\." + Word + @"(, \w+\." + Word + ")*";

    public void Run(Neo4jStore store, string statement)
    {
        if (CreateConstraint().Match(statement) is { Success: true } constraint)
            AddConstraint(store, constraint);
        else if (CreateIndex().Match(statement) is { Success: true } index)
            Add(store, store.Indexes, Rule(index, index.Groups["kind"].Value), index.Groups["missing"].Success);
        else
            throw Neo4jCypher.Syntax(statement);
    }

    private void AddConstraint(Neo4jStore store, Match match)
    {
        var node = match.Groups["label"].Success;
        var kind = match.Groups["kind"].Value;
        if (kind.EndsWith("KEY", StringComparison.Ordinal) && kind.Contains("NODE", StringComparison.Ordinal) != node)
            throw Neo4jCypher.Syntax(match.Value);
        if (kind != "IS UNIQUE" && !state.Enterprise)
            throw new Neo4jException("Neo.DatabaseError.Schema.ConstraintCreationFailed", "Property existence and key constraints require Neo4j Enterprise Edition.");
        var entity = node ? "NODE" : "RELATIONSHIP";
        var type = kind switch { "IS UNIQUE" => node ? "UNIQUENESS" : "RELATIONSHIP_UNIQUENESS", "IS NOT NULL" => $"{entity}_PROPERTY_EXISTENCE", _ => $"{entity}_KEY" };
        var rule = Rule(match, type);
        if (!Add(store, store.Constraints, rule, match.Groups["missing"].Success) || kind == "IS NOT NULL")
            return;
        store.Indexes.Add(rule with { Type = "RANGE", OwningConstraint = rule.Name });
    }

    private static bool Add(Neo4jStore store, List<Neo4jRule> rules, Neo4jRule rule, bool unlessExists)
    {
        if (store.Constraints.Concat(store.Indexes).Any(other => other.Name == rule.Name) || rules.Any(other => other.Type == rule.Type && other.Labels.SequenceEqual(rule.Labels) && other.Properties.SequenceEqual(rule.Properties)))
            return unlessExists ? false : throw new Neo4jException("Neo.ClientError.Schema.EquivalentSchemaRuleAlreadyExists", $"An equivalent schema rule already exists: {rule.Name}.");
        rules.Add(rule);
        return true;
    }

    private static Neo4jRule Rule(Match match, string type) => new(
        Neo4jCypher.Unquote(match.Groups["name"].Value),
        type,
        match.Groups["label"].Success ? "NODE" : "RELATIONSHIP",
        [Neo4jCypher.Unquote((match.Groups["label"].Success ? match.Groups["label"] : match.Groups["type"]).Value)],
        [.. match.Groups["properties"].Value.Split(", ").Select(property => Neo4jCypher.Unquote(property.Split('.', 2)[1]))],
        null);

    [GeneratedRegex("^CREATE CONSTRAINT (?<name>" + Word + ")(?<missing> IF NOT EXISTS)? " + Element + @" REQUIRE \((?<properties>" + Properties + @")\) (?<kind>IS UNIQUE|IS NOT NULL|IS NODE KEY|IS RELATIONSHIP KEY)$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex CreateConstraint();

    [GeneratedRegex("^CREATE (?<kind>RANGE|TEXT|POINT|FULLTEXT) INDEX (?<name>" + Word + ")(?<missing> IF NOT EXISTS)? " + Element + @" ON (EACH \[(?<properties>" + Properties + @")\]|\((?<properties>" + Properties + @")\))$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex CreateIndex();
}
