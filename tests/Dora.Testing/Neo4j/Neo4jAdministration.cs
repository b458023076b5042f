using System.Globalization;
using System.Text.RegularExpressions;

namespace Dora.Testing.Neo4j;

/// <summary>Commands that only the Enterprise Edition has: databases, servers, roles, privileges.</summary>
internal sealed partial class Neo4jAdministration(Neo4jState state)
{
    private const string Word = @"(?:`[^`]+`|[A-Za-z_][A-Za-z0-9_]*)";
    private const string Topology = @" TOPOLOGY (?<primaries>\d+) PRIMAR(?:Y|IES)(?: (?<secondaries>\d+) SECONDAR(?:Y|IES))?";

    public void Run(string statement)
    {
        (Regex Form, Action<Match> Do)[] forms =
        [
            (CreateDatabase(), Create),
            (AlterDatabase(), match => Existing(match, database => state.Place(database, Number(match, "primaries", 1), Number(match, "secondaries", 0), null))),
            (EnableServer(), match => Server(match, "Free", server => (server.State, server.Mode) = ("Enabled", match.Groups["mode"] is { Success: true } mode ? mode.Value : "NONE"))),
            (DeallocateServer(), Deallocate),
            (DropServer(), match => Server(match, null, Drop)),
            (CreateRole(), match => Role(Name(match, "name"), match.Groups["missing"].Success)),
            (GrantRole(), match => Member(match, (user, role) => user.Roles.Add(role))),
            (RevokeRole(), match => Member(match, (user, role) => user.Roles.Remove(role))),
            (Grant(), match => Privilege(match, (rows, row) => rows.Add(row))),
            (Revoke(), match => Privilege(match, (rows, row) => rows.Remove(row))),
        ];
        foreach (var (form, act) in forms)
        {
            if (form.Match(statement) is not { Success: true } match)
                continue;
            act(match);
            return;
        }

        throw Neo4jCypher.Syntax(statement);
    }

    private void Create(Match match)
    {
        var name = Name(match, "name");
        if (name.Length is < 3 or > 63 || name.StartsWith("system", StringComparison.Ordinal) || !char.IsAsciiLetter(name[0]))
            throw new Neo4jException("Neo.ClientError.Statement.ArgumentError", $"Database name '{name}' is not valid.");
        if (!state.Databases.ContainsKey(name))
            state.Create(name, Number(match, "primaries", 1), Number(match, "secondaries", 0));
        else if (!match.Groups["missing"].Success)
            throw new Neo4jException("Neo.ClientError.Database.ExistingDatabaseFound", $"Failed to create the specified database '{name}': Database already exists.");
    }

    private void Existing(Match match, Action<Neo4jStore> change) => change(state.Databases.GetValueOrDefault(Name(match, "name"))
        ?? throw new Neo4jException("Neo.ClientError.Database.DatabaseNotFound", $"Failed to alter the specified database '{Name(match, "name")}': Database does not exist."));

    private void Server(Match match, string? required, Action<Neo4jMember> change)
    {
        var server = state.Servers.Find(server => server.Id == match.Groups["id"].Value)
            ?? throw new Neo4jException("Neo.ClientError.Statement.ArgumentError", $"Server '{match.Groups["id"].Value}' does not exist.");
        if (required is not null && server.State != required && server.State != "Enabled")
            throw new Neo4jException("Neo.ClientError.Statement.ArgumentError", $"Server '{server.Id}' is {server.State}.");
        change(server);
    }

    // Every database is placed anew without the server; one that cannot be refuses the whole command.
    private void Deallocate(Match match) => Server(match, null, server =>
    {
        if (server.State is not ("Enabled" or "Cordoned"))
            throw new Neo4jException("Neo.ClientError.Statement.ArgumentError", $"Server '{server.Id}' is {server.State}.");
        var hosted = state.Databases.Values.Where(database => database.Name != "system" && database.Copies.ContainsKey(server.Id)).ToList();
        foreach (var database in hosted)
        {
            var trial = new Neo4jStore(database.Name, database.Primaries, database.Secondaries);
            state.Place(trial, database.Primaries, database.Secondaries, server);
            if (database.Status != "online")
                throw new Neo4jException("Neo.ClientError.Statement.ArgumentError", $"Database '{database.Name}' is offline.");
        }

        if (match.Groups["dry"].Success)
            return;
        foreach (var database in hosted)
            state.Place(database, database.Primaries, database.Secondaries, server);
        server.State = "Deallocating";
    });

    private void Drop(Neo4jMember server)
    {
        if (server.State is not ("Deallocated" or "Free"))
            throw new Neo4jException("Neo.ClientError.Statement.ArgumentError", $"Server '{server.Id}' cannot be dropped: it is {server.State}.");
        state.Servers.Remove(server);
        state.Databases["system"].Copies.Remove(server.Id);
    }

    private void Role(string name, bool unlessExists)
    {
        if (!state.Roles.TryAdd(name, []) && !unlessExists)
            throw new Neo4jException("Neo.ClientError.General.InvalidArguments", $"Failed to create the specified role '{name}': Role already exists.");
    }

    private void Member(Match match, Action<Neo4jUser, string> change)
    {
        var (user, role) = (Name(match, "user"), Name(match, "role"));
        if (!state.Users.TryGetValue(user, out var account) || !state.Roles.ContainsKey(role))
            throw new Neo4jException("Neo.ClientError.Statement.EntityNotFound", $"Failed to grant or revoke role '{role}' of user '{user}': one of them does not exist.");
        change(account, role);
    }

    private void Privilege(Match match, Action<HashSet<(string, string, string, string)>, (string, string, string, string)> change)
    {
        var (role, graph) = (Name(match, "role"), Name(match, "graph"));
        if (!state.Roles.TryGetValue(role, out var rows))
            throw new Neo4jException("Neo.ClientError.Statement.EntityNotFound", $"Role '{role}' does not exist.");
        if (!state.Databases.ContainsKey(graph))
            throw new Neo4jException("Neo.ClientError.Database.DatabaseNotFound", $"Database '{graph}' does not exist.");
        (string Action, string Resource, string[] Segments) right = match.Groups["right"].Value switch
        {
            "ACCESS ON DATABASE" => ("access", "database", ["database"]),
            "MATCH {*} ON GRAPH" => ("match", "all_properties", ["NODE(*)", "RELATIONSHIP(*)"]),
            "WRITE ON GRAPH" => ("write", "graph", ["NODE(*)", "RELATIONSHIP(*)"]),
            "NAME MANAGEMENT ON DATABASE" => ("token", "database", ["database"]),
            "INDEX MANAGEMENT ON DATABASE" => ("index", "database", ["database"]),
            _ => ("constraint", "database", ["database"]),
        };
        foreach (var segment in right.Segments)
            change(rows, (right.Action, right.Resource, graph, segment));
    }

    private static string Name(Match match, string group) => Neo4jCypher.Unquote(match.Groups[group].Value);

    private static int Number(Match match, string group, int otherwise) => match.Groups[group].Success ? int.Parse(match.Groups[group].Value, CultureInfo.InvariantCulture) : otherwise;

    private const string Right = @"(?<right>ACCESS ON DATABASE|MATCH \{\*\} ON GRAPH|WRITE ON GRAPH|(NAME|INDEX|CONSTRAINT) MANAGEMENT ON DATABASE) (?<graph>" + Word + ")";

    [GeneratedRegex("^CREATE DATABASE (?<name>" + Word + ")(?<missing> IF NOT EXISTS)?(" + Topology + ")?( WAIT| NOWAIT)?$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex CreateDatabase();

    [GeneratedRegex("^ALTER DATABASE (?<name>" + Word + ") SET" + Topology + "( WAIT| NOWAIT)?$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex AlterDatabase();

    [GeneratedRegex(@"^ENABLE SERVER '(?<id>[^']+)'( OPTIONS \{modeConstraint: '(?<mode>PRIMARY|SECONDARY|NONE)'\})?$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex EnableServer();

    [GeneratedRegex("^(?<dry>DRYRUN )?DEALLOCATE DATABASES? FROM SERVERS? '(?<id>[^']+)'$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex DeallocateServer();

    [GeneratedRegex("^DROP SERVER '(?<id>[^']+)'$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex DropServer();

    [GeneratedRegex("^CREATE ROLE (?<name>" + Word + ")(?<missing> IF NOT EXISTS)?$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex CreateRole();

    [GeneratedRegex("^GRANT ROLE (?<role>" + Word + ") TO (?<user>" + Word + ")$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex GrantRole();

    [GeneratedRegex("^REVOKE ROLE (?<role>" + Word + ") FROM (?<user>" + Word + ")$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex RevokeRole();

    [GeneratedRegex("^GRANT " + Right + " TO (?<role>" + Word + ")$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Grant();

    [GeneratedRegex("^REVOKE GRANT " + Right + " FROM (?<role>" + Word + ")$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Revoke();
}
