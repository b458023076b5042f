using Dora.Engines.MongoDb.Wire;

namespace Dora.Engines.MongoDb;

/// <summary>A user as it shall be.</summary>
/// <param name="Name">Name, in database admin.</param>
/// <param name="Role">Where its password is, and who takes turns with it; null: it is made with one that nobody knows, and the password is then Vault's to set.</param>
/// <param name="Roles">Its roles.</param>
/// <param name="Login">Its password, where the Secret's is not the only one of its role; or null.</param>
internal sealed record MongoDbWantedUser(string Name, RotatingRole? Role, IReadOnlyList<MongoDbGrant> Roles, Login? Login = null);

/// <summary>A role of database admin as it shall be.</summary>
/// <param name="Name">Name.</param>
/// <param name="Privileges">What it may do by itself.</param>
/// <param name="Roles">Roles whose rights it has.</param>
internal sealed record MongoDbWantedRole(string Name, IReadOnlyList<MongoDbPrivilege> Privileges, IReadOnlyList<MongoDbGrant> Roles);

/// <summary>Users and roles: what is wanted, and how it compares with what the server has.</summary>
internal static class MongoDbAccess
{
    public const string CreateUser = "CreateUser";
    public const string UpdateUser = "UpdateUser";
    public const string SetPassword = "SetPassword";
    public const string DropUser = "DropUser";
    public const string CreateRole = "CreateRole";
    public const string UpdateRole = "UpdateRole";

    private const string Mark = "managedBy";
    private const string MarkValue = "dora-operator";

    /// <summary>All users but the administrator, whom the bootstrap creates.</summary>
    public static IReadOnlyList<MongoDbWantedUser> Users(MongoDbPlan plan) =>
    [
        .. InTurn(plan, MongoDbLogins.App(plan), [new("readWrite", MongoDbPlan.AppDatabase)]),
        .. InTurn(plan, MongoDbLogins.Own(plan, MongoDbPlan.MonitorUser), [new("clusterMonitor", "admin"), new("read", "local")]),
        .. InTurn(plan, MongoDbLogins.Own(plan, MongoDbPlan.BackupUser), [new("backup", "admin")]),
        .. plan.KeptUsers.SelectMany(user => InTurn(plan, MongoDbLogins.Declared(plan, user.Name), user.Roles)),
        .. plan.Users.Where(user => user.Vault?.StaticRole is not null).Select(user => new MongoDbWantedUser(user.Name, null, user.Roles)),
    ];

    /// <summary>Declared roles, then those by which the users that Vault makes have the rights of a declared user: they may contain declared ones.</summary>
    public static IReadOnlyList<MongoDbWantedRole> Roles(MongoDbPlan plan) =>
    [
        .. plan.Roles.Select(role => new MongoDbWantedRole(role.Name, role.Privileges, [])),
        .. plan.Users.Where(user => user.Vault?.DynamicRole is not null).Select(user => new MongoDbWantedRole(user.Name, [], user.Roles)),
    ];

    /// <summary>The administrator, or both while they take turns.</summary>
    public static IReadOnlyList<MongoDbWantedUser> Administrators(MongoDbPlan plan) => [.. InTurn(plan, MongoDbLogins.Administrator(plan), [new("root", "admin")])];

    /// <summary>The command that takes a user away.</summary>
    public static BsonDocument Drop(string user) => new() { { "dropUser", user }, { "writeConcern", MongoDbCommands.Majority } };

    /// <summary>The command that makes a user, or changes its roles and, where one is given, its password.</summary>
    public static BsonDocument Write(string command, MongoDbWantedUser user, string? password)
    {
        var document = new BsonDocument { { command == CreateUser ? "createUser" : "updateUser", user.Name } };
        if (password is not null)
        {
            document.Add("pwd", password);
            document.Add("mechanisms", new BsonArray("SCRAM-SHA-256"));
        }

        if (command == CreateUser)
            document.Add("customData", new BsonDocument { { Mark, MarkValue } });
        document.Add("roles", Grants(user.Roles));
        document.Add("writeConcern", MongoDbCommands.Majority);
        return document;
    }

    // One or both of the two users that take turns.
    private static IEnumerable<MongoDbWantedUser> InTurn(MongoDbPlan plan, RotatingRole role, IReadOnlyList<MongoDbGrant> grants) =>
        plan.Logins?.GetValueOrDefault(role.Id) is { } logins ? logins.Select(login => new MongoDbWantedUser(login.Username, role, grants, login)) : [new(role.Username, role, grants)];

    /// <summary>Needs that bring users and roles to what is wanted; pure.</summary>
    public static IEnumerable<string> Compare(MongoDbPlan plan, IReadOnlyList<BsonDocument> users, IReadOnlyList<BsonDocument> roles)
    {
        foreach (var role in Roles(plan))
        {
            if (roles.FirstOrDefault(found => found.Text("role") == role.Name) is not { } found)
                yield return $"{CreateRole}/{role.Name}";
            else if (!SamePrivileges(Privileges(role), found.Array("privileges")) || !SameRoles(Grants(role.Roles), found.Array("roles")))
                yield return $"{UpdateRole}/{role.Name}";
        }

        var wanted = Users(plan);
        foreach (var user in wanted)
        {
            if (users.FirstOrDefault(found => found.Text("user") == user.Name) is not { } found)
                yield return $"{CreateUser}/{user.Name}";
            else if (!SameRoles(Grants(user.Roles), found.Array("roles")))
                yield return $"{UpdateUser}/{user.Name}";
            else if (user.Login is { } login && found.Document("credentials")?.Document("SCRAM-SHA-256") is { } known && !ScramSha256.Fits(login.Password, known.Text("salt"), known.Integer("iterationCount"), known.Text("storedKey")))
                yield return $"{SetPassword}/{user.Name}";
        }

        // Only those that the operator created: it marks them. Others belong to somebody else, such as Vault.
        foreach (var user in users.Where(user => user.Document("customData")?.Text(Mark) == MarkValue && user.Text("user") is { } name && wanted.Concat(Administrators(plan)).All(other => other.Name != name)))
            yield return $"{DropUser}/{user.Text("user")}";
    }

    /// <summary>Brings one user or role to what is wanted; whatever is so already is left alone.</summary>
    public static async Task ExecuteAsync(MongoDbPlan plan, EngineCommand command, EngineTarget target, MongoClient client, CancellationToken cancellationToken)
    {
        var (users, roles) = await AskAsync(client, cancellationToken).ConfigureAwait(false);
        // What the server has now decides, and what is wanted now: the probe was earlier.
        if (!Compare(plan, users, roles).Contains($"{command.Name}/{command.Subject}"))
            return;
        // Nobody takes away whom it is: then the other administrator is not there yet, or has another password.
        if (command is { Name: DropUser } && command.Subject == client.User)
            return;
        await client.RunAsync("admin", Command(plan, command, target), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Users of database admin, with what the server keeps of their passwords, and roles.</summary>
    public static async Task<(IReadOnlyList<BsonDocument> Users, IReadOnlyList<BsonDocument> Roles)> AskAsync(MongoClient client, CancellationToken cancellationToken)
    {
        var users = await client.RunAsync("admin", new() { { "usersInfo", 1 }, { "showCredentials", true } }, cancellationToken).ConfigureAwait(false);
        var roles = await client.RunAsync("admin", new() { { "rolesInfo", 1 }, { "showPrivileges", true } }, cancellationToken).ConfigureAwait(false);
        return ([.. users.Documents("users")], [.. roles.Documents("roles")]);
    }

    private static BsonDocument Command(MongoDbPlan plan, EngineCommand command, EngineTarget target)
    {
        if (command.Name == DropUser)
            return Drop(command.Subject);
        if (command.Name is CreateRole or UpdateRole)
        {
            var role = Roles(plan).First(role => role.Name == command.Subject);
            return new()
            {
                { command.Name == CreateRole ? "createRole" : "updateRole", role.Name },
                { "privileges", Privileges(role) },
                { "roles", Grants(role.Roles) },
                { "writeConcern", MongoDbCommands.Majority },
            };
        }

        var user = Users(plan).First(user => user.Name == command.Subject);
        return Write(command.Name, user, command.Name is CreateUser or SetPassword ? user.Login?.Password ?? (user.Role is { } held ? target.Credential(held.SecretName, held.Key) : target.NewPassword()) : null);
    }

    private static BsonArray Grants(IReadOnlyList<MongoDbGrant> grants) =>
        new(grants.Select(grant => (BsonValue)new BsonDocument { { "role", grant.Role }, { "db", grant.Database } }));

    private static BsonArray Privileges(MongoDbWantedRole role) => new(role.Privileges.Select(privilege => (BsonValue)new BsonDocument
    {
        { "resource", new BsonDocument { { "db", privilege.Database }, { "collection", privilege.Collection ?? "" } } },
        { "actions", new BsonArray(privilege.Actions.Select(action => (BsonValue)action)) },
    }));

    // The server keeps no order, joins privileges on the same resource, and adds fields of its own.
    private static bool SameRoles(BsonArray wanted, BsonArray? found) => Names(wanted, "role").SetEquals(Names(found ?? [], "role"));

    private static HashSet<string> Names(BsonArray roles, string name) =>
        roles.Select(role => role.Raw).OfType<BsonDocument>().Select(role => $"{role.Text("db")}.{role.Text(name)}").ToHashSet(StringComparer.Ordinal);

    private static bool SamePrivileges(BsonArray wanted, BsonArray? found) => Actions(wanted).SetEquals(Actions(found ?? []));

    private static HashSet<string> Actions(BsonArray privileges) => privileges
        .Select(privilege => privilege.Raw)
        .OfType<BsonDocument>()
        .SelectMany(privilege => privilege.Texts("actions").Select(action => Resource(privilege.Document("resource")) + action))
        .ToHashSet(StringComparer.Ordinal);

    // A resource of another kind, e.g. the cluster, was given by somebody else: it differs from every wanted one.
    private static string Resource(BsonDocument? resource) =>
        resource?.Text("db") is { } database && resource.Text("collection") is { } collection ? $"{database}.{collection}:" : "another resource:";
}
