using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Dora.Testing.Neo4j;

/// <summary>
/// The Cypher that an administrator says, with Neo4j's rules: what belongs into the system database, what an edition lacks,
/// who may do it, what a name may look like. Anything else is a syntax error.
/// </summary>
internal sealed partial class Neo4jCypher(Neo4jState state)
{
    private const string Word = @"(?:`[^`]+`|[A-Za-z_][A-Za-z0-9_]*)";

    public static Neo4jException Syntax(string statement) => new("Neo.ClientError.Statement.SyntaxError", $"Invalid input '{statement}'");

    /// <summary>Runs a statement for a user; the data of the reply.</summary>
    public JsonObject Run(Neo4jMember member, string user, string database, string statement, JsonObject parameters, bool readOnly)
    {
        if (!state.Databases.TryGetValue(database, out var store) || (!state.Options.Routing && !store.Copies.ContainsKey(member.Id)))
            throw new Neo4jException("Neo.ClientError.Database.DatabaseNotFound", $"Graph not found: {database}");
        if (state.Users[user].ChangeRequired && !statement.StartsWith("ALTER CURRENT USER", StringComparison.Ordinal))
            throw new Neo4jException("Neo.ClientError.Security.CredentialsExpired", "Permission denied. The credentials you provided were valid, but must be changed before you can use this instance. If this is the first time you are using Neo4j, this is to ensure you are not using the default credentials in production. If you are not using default credentials, you are getting this message because an administrator requires a password change. Changing your password is easy to do via the Neo4j Browser.");
        if (Simple().Match(statement) is { Success: true } simple)
            return Returned(simple, parameters);
        var administration = Administration().IsMatch(statement);
        if (administration && database != "system")
            throw new Neo4jException("Neo.ClientError.Statement.NotSystemDatabaseError", "This is an administration command and it should be executed against the system database.");
        if (!administration && database == "system")
            throw new Neo4jException("Neo.ClientError.Statement.ExecutionFailed", "Not a recognised system command or procedure.");
        if (statement == "SHOW CURRENT USER" || statement.StartsWith("SHOW CURRENT USER ", StringComparison.Ordinal))
            return CurrentUser(user, statement["SHOW CURRENT USER".Length..]);
        if (statement.StartsWith("ALTER CURRENT USER", StringComparison.Ordinal))
            return Write(member, store, readOnly, () => ChangeOwn(user, statement, parameters));
        if (administration && state.Enterprise && !state.Users[user].Roles.Contains("admin"))
            throw new Neo4jException("Neo.ClientError.Security.Forbidden", "Permission denied.");
        if (store.Status != "online" || state.Leader(store) is null)
            throw new Neo4jException("Neo.TransientError.Database.DatabaseUnavailable", $"Database '{database}' is unavailable.");
        return statement.StartsWith("SHOW ", StringComparison.Ordinal)
            ? new Neo4jShow(state).Run(store, statement)
            : Write(member, store, readOnly, () =>
            {
                if (administration)
                    Administer(user, statement, parameters);
                else
                    new Neo4jSchema(state).Run(store, statement);
            });
    }

    private static JsonObject Returned(Match simple, JsonObject parameters)
    {
        var name = simple.Groups["parameter"];
        if (name.Success && !parameters.ContainsKey(name.Value))
            throw new Neo4jException("Neo.ClientError.Statement.ParameterMissing", $"Expected parameter(s): {name.Value}");
        var value = name.Success ? parameters[name.Value]?.DeepClone() : JsonValue.Create(long.Parse(simple.Groups["number"].Value, CultureInfo.InvariantCulture));
        return new() { ["fields"] = new JsonArray(simple.Groups["alias"].Value), ["values"] = new JsonArray(new JsonArray(value)) };
    }

    private JsonObject CurrentUser(string user, string rest)
    {
        var table = new Neo4jTable("user", "roles", "passwordChangeRequired", "suspended", "home");
        table.Add(user, Neo4jTable.List(state.Users[user].Roles.Append("PUBLIC")), state.Users[user].ChangeRequired, state.Enterprise ? false : null, null);
        return table.Select(rest);
    }

    private JsonObject Write(Neo4jMember member, Neo4jStore store, bool readOnly, Action change)
    {
        if (readOnly)
            throw new Neo4jException("Neo.ClientError.Statement.AccessMode", "Writing in read access mode not allowed.");
        if (!state.Options.Routing && state.Leader(store) != member)
            throw new Neo4jException("Neo.ClientError.Cluster.NotALeader", "No longer possible to write to server.");
        change();
        state.Commit();
        return new() { ["fields"] = new JsonArray(), ["values"] = new JsonArray() };
    }

    private void ChangeOwn(string user, string statement, JsonObject parameters)
    {
        if (OwnPassword().Match(statement) is not { Success: true } match)
            throw Syntax(statement);
        var account = state.Users[user];
        var (old, @new) = (Text(parameters, match.Groups["old"].Value), Text(parameters, match.Groups["new"].Value));
        if (old != account.Password)
            throw new Neo4jException("Neo.ClientError.General.InvalidArguments", $"User '{user}' failed to alter their own password: Invalid principal or credentials.");
        if (old == @new)
            throw new Neo4jException("Neo.ClientError.General.InvalidArguments", $"User '{user}' failed to alter their own password: Old password and new password cannot be the same.");
        SetPassword(account, @new, changeRequired: false);
    }

    private void Administer(string user, string statement, JsonObject parameters)
    {
        if (CreateUser().Match(statement) is { Success: true } create)
            AddUser(Unquote(create.Groups["name"].Value), Text(parameters, create.Groups["password"].Value), create.Groups["missing"].Success, !create.Groups["not"].Success);
        else if (AlterUser().Match(statement) is { Success: true } alter)
            SetPassword(User(Unquote(alter.Groups["name"].Value)), Text(parameters, alter.Groups["password"].Value), !alter.Groups["not"].Success);
        else if (DropUser().Match(statement) is { Success: true } drop)
            RemoveUser(user, Unquote(drop.Groups["name"].Value), drop.Groups["there"].Success);
        else if (!state.Enterprise)
            throw new Neo4jException("Neo.ClientError.Statement.UnsupportedAdministrationCommand", $"Unsupported administration command: {statement}");
        else
            new Neo4jAdministration(state).Run(statement);
    }

    private void AddUser(string name, string password, bool unlessExists, bool changeRequired)
    {
        if (state.Users.ContainsKey(name))
        {
            if (!unlessExists)
                throw new Neo4jException("Neo.ClientError.General.InvalidArguments", $"Failed to create the specified user '{name}': User already exists.");
            return;
        }

        var user = new Neo4jUser("");
        SetPassword(user, password, changeRequired);
        state.Users[name] = user;
    }

    private void RemoveUser(string self, string name, bool ifExists)
    {
        if (name == self)
            throw new Neo4jException("Neo.ClientError.General.InvalidArguments", $"Failed to delete the specified user '{name}': Deleting yourself is not allowed.");
        if (!state.Users.Remove(name) && !ifExists)
            throw new Neo4jException("Neo.ClientError.Statement.EntityNotFound", $"Failed to delete the specified user '{name}': User does not exist.");
    }

    private Neo4jUser User(string name) => state.Users.GetValueOrDefault(name) ?? throw new Neo4jException("Neo.ClientError.Statement.EntityNotFound", $"Failed to alter the specified user '{name}': User does not exist.");

    private static void SetPassword(Neo4jUser user, string password, bool changeRequired)
    {
        if (password.Length < 8)
            throw new Neo4jException("Neo.ClientError.General.InvalidArguments", "A password must be at least 8 characters.");
        (user.Password, user.ChangeRequired) = (password, changeRequired);
    }

    public static string Unquote(string name) => name.Trim('`');

    private static string Text(JsonObject parameters, string name) => parameters[name] is JsonValue value && value.TryGetValue<string>(out var text)
        ? text
        : throw new Neo4jException("Neo.ClientError.Statement.ParameterMissing", $"Expected parameter(s): {name}");

    [GeneratedRegex(@"^RETURN (\$(?<parameter>\w+)|(?<number>\d+)) AS (?<alias>\w+)$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Simple();

    [GeneratedRegex(@"^((CREATE|ALTER|DROP) (OR REPLACE )?(CURRENT )?(USER|ROLE|DATABASE|SERVER)\b|SHOW (CURRENT )?(USERS?|ROLES?|DATABASES?|SERVERS?|PRIVILEGES?)\b|GRANT|REVOKE|DENY|ENABLE|(DRYRUN )?DEALLOCATE|STOP|START)", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Administration();

    [GeneratedRegex(@"^ALTER CURRENT USER SET PASSWORD FROM \$(?<old>\w+) TO \$(?<new>\w+)$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex OwnPassword();

    [GeneratedRegex("^CREATE USER (?<name>" + Word + @")(?<missing> IF NOT EXISTS)? SET PASSWORD \$(?<password>\w+)( CHANGE (?<not>NOT )?REQUIRED)?$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex CreateUser();

    [GeneratedRegex("^DROP USER (?<name>" + Word + ")(?<there> IF EXISTS)?$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex DropUser();

    [GeneratedRegex("^ALTER USER (?<name>" + Word + @") SET PASSWORD \$(?<password>\w+)( CHANGE (?<not>NOT )?REQUIRED)?$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex AlterUser();
}
