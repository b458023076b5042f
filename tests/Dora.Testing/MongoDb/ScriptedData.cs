namespace Dora.Testing.MongoDb;

/// <summary>Users, roles, collections and parameters of the set.</summary>
public sealed partial class ScriptedReplicaSet
{
    // Real servers send 101 documents or more at once; fewer here, so that getMore is needed.
    private const int PageSize = 2;

    private static readonly string[] BuiltIn =
        ["read", "readWrite", "dbAdmin", "dbOwner", "userAdmin", "clusterMonitor", "clusterManager", "hostManager", "backup", "restore", "readAnyDatabase", "readWriteAnyDatabase", "dbAdminAnyDatabase", "root"];

    private readonly Dictionary<string, ScriptedUser> _users = [];
    private readonly Dictionary<string, Doc> _roles = [];
    private readonly Dictionary<(string Database, string Name), (Doc Options, List<Doc> Indexes)> _collections = [];
    private string _compatibility = "8.0";
    private Doc? _writeConcern;
    private long _cursors;

    /// <summary>The feature compatibility version that holds.</summary>
    public string Compatibility
    {
        get
        {
            lock (_gate)
                return _compatibility;
        }

        set
        {
            lock (_gate)
                _compatibility = value;
        }
    }

    internal ScriptedUser? FindUser(string name)
    {
        lock (_gate)
            return _users.GetValueOrDefault(name);
    }

    private Doc RunOnData(ScriptedMongod server, string name, string database, Doc command, ScriptedSession session)
    {
        switch (name)
        {
            case "getParameter":
                return new() { { "featureCompatibilityVersion", new Doc { { "version", _compatibility } } } };
            case "getDefaultRWConcern":
                return _writeConcern is null
                    ? new() { { "defaultWriteConcern", new Doc { { "w", "majority" }, { "wtimeout", 0 } } }, { "defaultWriteConcernSource", "implicit" } }
                    : new() { { "defaultWriteConcern", _writeConcern }, { "defaultWriteConcernSource", "global" } };
            case "usersInfo":
                return new() { { "users", database == "admin" ? _users.Values.Where(user => command["usersInfo"] is not string name || name == user.Name).Select(user => Show(user, command["showCredentials"] is true)).ToList() : [] } };
            case "rolesInfo":
                return new() { { "roles", database == "admin" ? _roles.Values.Select(role => (object?)role).ToList() : [] } };
            case "getMore":
                return More(session, command);
        }

        NeedPrimary(server);
        return name switch
        {
            "listCollections" => Page(session, $"{database}.$cmd.listCollections", _collections.Where(pair => pair.Key.Database == database).Select(pair => (object?)new Doc { { "name", pair.Key.Name }, { "type", "collection" }, { "options", pair.Value.Options } })),
            "listIndexes" => Page(session, $"{database}.{command[0].Value}", Collection(database, command).Indexes),
            "setFeatureCompatibilityVersion" => OnAdmin(name, database, () => SetCompatibility(server, command)),
            "setDefaultRWConcern" => OnAdmin(name, database, () => SetWriteConcern(command)),
            "createUser" or "updateUser" or "dropUser" => WriteUser(name, command),
            "createRole" or "updateRole" => WriteRole(name, command),
            "create" => Create(database, command),
            "collMod" => Modify(database, command),
            "createIndexes" => CreateIndexes(database, command),
            "dropDatabase" => Drop(database),
            _ => throw new InvalidOperationException($"{name} is known and not scripted"),
        };
    }

    private Doc SetCompatibility(ScriptedMongod server, Doc command)
    {
        var wanted = command.Need<string>("setFeatureCompatibilityVersion");
        if (command["confirm"] is not true)
            throw new ScriptedException(7369100, "Location7369100", "Once you have upgraded, you cannot downgrade: re-run with {confirm: true}");
        if (wanted != "7.0" && !(wanted == "8.0" && server.Version.StartsWith("8.0", StringComparison.Ordinal)))
            throw new ScriptedException(2, "BadValue", $"Invalid feature compatibility version value '{wanted}'");
        _compatibility = wanted;
        return [];
    }

    private Doc SetWriteConcern(Doc command)
    {
        var wanted = command.Need<Doc>("defaultWriteConcern");
        if (wanted["w"] is not (int or string))
            throw new ScriptedException(2, "BadValue", "w must be a number or a string");
        _writeConcern = wanted;
        return new() { { "defaultWriteConcern", wanted }, { "defaultWriteConcernSource", "global" } };
    }

    private Doc WriteUser(string name, Doc command)
    {
        var user = (string)command[0].Value!;
        if (name == "createUser" && _users.ContainsKey(user))
            throw new ScriptedException(51003, "Location51003", $"User \"{user}@admin\" already exists");
        if (name != "createUser" && !_users.ContainsKey(user))
            throw new ScriptedException(11, "UserNotFound", $"Could not find user \"{user}\" for db \"admin\"");
        if (name == "dropUser")
        {
            _users.Remove(user);
            return [];
        }

        // Who changes a password alone says nothing of roles.
        var roles = name == "updateUser" && command["roles"] is null ? _users[user].Roles : Roles(command);
        if (name == "createUser")
            _users[user] = new(user, command.Need<string>("pwd"), roles, command["customData"] as Doc);
        else
            // A password that is said is another credential with another salt; whoever is logged in stays so.
            _users[user] = command["pwd"] is string password ? new(user, password, roles, _users[user].CustomData) : new(_users[user], roles);
        return [];
    }

    // A role that does not exist is given to nobody, and contained in none.
    private List<object?> Roles(Doc command)
    {
        var roles = command.Need<List<object?>>("roles");
        foreach (var role in roles.OfType<Doc>().Where(role => !BuiltIn.Contains(role.Need<string>("role")) && !_roles.ContainsKey(role.Need<string>("role"))))
            throw new ScriptedException(31, "RoleNotFound", $"Could not find role: {role["role"]}@{role["db"]}");
        return roles;
    }

    private Doc WriteRole(string name, Doc command)
    {
        var role = (string)command[0].Value!;
        if (name == "createRole" && _roles.ContainsKey(role))
            throw new ScriptedException(51002, "Location51002", $"Role \"{role}@admin\" already exists");
        if (name == "updateRole" && !_roles.ContainsKey(role))
            throw new ScriptedException(31, "RoleNotFound", $"Role {role}@admin not found");
        var privileges = command.Need<List<object?>>("privileges");
        foreach (var privilege in privileges.OfType<Doc>())
        {
            var resource = privilege.Need<Doc>("resource");
            _ = (resource.Need<string>("db"), resource.Need<string>("collection"), privilege.Need<List<object?>>("actions"));
        }

        _roles[role] = new() { { "role", role }, { "db", "admin" }, { "isBuiltin", false }, { "roles", Roles(command) }, { "inheritedRoles", new List<object?>() }, { "privileges", privileges } };
        return [];
    }

    private static object? Show(ScriptedUser user, bool credentials)
    {
        var shown = new Doc { { "_id", $"admin.{user.Name}" }, { "user", user.Name }, { "db", "admin" }, { "roles", user.Roles }, { "mechanisms", new List<object?> { "SCRAM-SHA-256" } } };
        if (user.CustomData is not null)
            shown.Add("customData", user.CustomData);
        if (credentials)
            shown.Add("credentials", new Doc { { "SCRAM-SHA-256", new Doc { { "iterationCount", ScriptedUser.Iterations }, { "salt", Convert.ToBase64String(user.Salt) }, { "storedKey", Convert.ToBase64String(user.StoredKey) } } } });
        return shown;
    }

    private Doc Create(string database, Doc command)
    {
        var name = (string)command[0].Value!;
        if (_collections.ContainsKey((database, name)))
            throw new ScriptedException(48, "NamespaceExists", $"Collection {database}.{name} already exists.");
        _collections[(database, name)] = (Validation([], command), [IdIndex()]);
        return [];
    }

    private Doc Modify(string database, Doc command)
    {
        var (options, indexes) = Collection(database, command);
        if (command["index"] is Doc change)
        {
            var index = indexes.FirstOrDefault(index => index["name"] as string == change.Need<string>("name")) ?? throw new ScriptedException(27, "IndexNotFound", "cannot find index");
            indexes[indexes.IndexOf(index)] = index.With("expireAfterSeconds", change.Need<int>("expireAfterSeconds"));
        }

        _collections[(database, (string)command[0].Value!)] = (Validation(options, command), indexes);
        return [];
    }

    private static Doc Validation(Doc options, Doc command)
    {
        if (command["validationLevel"] is not (null or "off" or "strict" or "moderate") || command["validationAction"] is not (null or "error" or "warn"))
            throw new ScriptedException(2, "BadValue", "Enumeration value for validation is not valid");
        foreach (var name in (string[])["validator", "validationLevel", "validationAction"])
            options = command.Has(name) ? options.With(name, command[name]) : options;
        return options;
    }

    private Doc CreateIndexes(string database, Doc command)
    {
        var name = (string)command[0].Value!;
        if (!_collections.TryGetValue((database, name), out var collection))
            _collections[(database, name)] = collection = ([], [IdIndex()]);
        foreach (var index in command.Need<List<object?>>("indexes").OfType<Doc>())
        {
            var keys = index.Need<Doc>("key");
            if (keys.Count == 0 || keys.Any(key => key.Value is not (1 or -1 or "hashed" or "text" or "2dsphere")))
                throw new ScriptedException(67, "CannotCreateIndex", "Values in the index key pattern are not possible");
            if (index.Has("expireAfterSeconds") && keys.Count != 1)
                throw new ScriptedException(67, "CannotCreateIndex", "TTL indexes are single-field indexes");
            if (collection.Indexes.Any(other => other["name"] as string == index.Need<string>("name")))
                throw new ScriptedException(86, "IndexKeySpecsConflict", "An existing index has the same name as the requested index");
            collection.Indexes.Add(Stored(index, keys));
        }

        return new() { { "numIndexesAfter", collection.Indexes.Count } };
    }

    // A server keeps of a text index the fields as weights.
    private static Doc Stored(Doc index, Doc keys)
    {
        var stored = new Doc { { "v", 2 } };
        if (keys.All(key => key.Value is not "text"))
        {
            stored.AddRange(index);
            return stored;
        }

        var weights = new Doc();
        weights.AddRange(keys.Where(key => key.Value is "text").Select(key => KeyValuePair.Create(key.Key, (object?)1)));
        stored.Add("key", new Doc { { "_fts", "text" }, { "_ftsx", 1 } });
        stored.Add("name", index["name"]);
        stored.Add("weights", weights);
        return stored;
    }

    private Doc Drop(string database)
    {
        foreach (var key in _collections.Keys.Where(key => key.Database == database).ToList())
            _collections.Remove(key);
        return [];
    }

    private static Doc IdIndex() => new() { { "v", 2 }, { "key", new Doc { { "_id", 1 } } }, { "name", "_id_" } };

    private (Doc Options, List<Doc> Indexes) Collection(string database, Doc command) =>
        _collections.TryGetValue((database, (string)command[0].Value!), out var found) ? found : throw new ScriptedException(26, "NamespaceNotFound", $"ns does not exist: {database}.{command[0].Value}");

    private Doc Page(ScriptedSession session, string ns, IEnumerable<object?> items)
    {
        var all = items.ToList();
        var id = all.Count > PageSize ? ++_cursors : 0;
        if (id != 0)
            session.Cursors[id] = (ns, all[PageSize..]);
        return new() { { "cursor", new Doc { { "id", id }, { "ns", ns }, { "firstBatch", all.Take(PageSize).ToList() } } } };
    }

    private static Doc More(ScriptedSession session, Doc command)
    {
        var id = command.Need<long>("getMore");
        if (!session.Cursors.Remove(id, out var cursor) || $"{command["$db"]}.{command["collection"]}" != cursor.Namespace)
            throw new ScriptedException(43, "CursorNotFound", $"cursor id {id} not found");
        var page = cursor.Left.Take(PageSize).ToList();
        var left = cursor.Left.Skip(PageSize).ToList();
        if (left.Count > 0)
            session.Cursors[id] = (cursor.Namespace, left);
        return new() { { "cursor", new Doc { { "id", left.Count > 0 ? id : 0L }, { "ns", cursor.Namespace }, { "nextBatch", page } } } };
    }
}
