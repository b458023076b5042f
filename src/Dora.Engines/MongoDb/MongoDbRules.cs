using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Dora.Api;
using Dora.Engines.Rendering;

namespace Dora.Engines.MongoDb;

/// <summary>What in the settings cannot be done. Says again what the CRD says, for API servers that do not know CEL.</summary>
internal static class MongoDbRules
{
    private const string Path = "spec.engines.mongodb";

    /// <summary>The least memory for a server with the least cache it accepts (Mi).</summary>
    private const long LeastMemory = 512;

    public static IReadOnlyList<Violation> Check(MongoDbPlan plan, EngineObservation observed) =>
    [
        .. Members(plan),
        .. Versions(plan, observed),
        .. SettingsRules.Storage($"{Path}.storage", plan.Storage, observed),
        .. SettingsRules.Resources($"{Path}.resources", plan.Resources),
        .. PodRules.Check($"{Path}.pods", plan.Pods.Own),
        .. Memory(plan),
        .. MongoDbTls.Change(plan, observed),
        .. Databases(plan),
        .. Roles(plan),
        .. Users(plan),
    ];

    private static IEnumerable<Violation> Members(MongoDbPlan plan)
    {
        var field = $"{Path}.instances";
        if (plan.Arbiter && plan.Instances is not (2 or 4))
            yield return new(field, $"{plan.Instances} data members and an arbiter are {plan.Voters} voters", plan.Instances == 1 ? "choose 2 or 4 with an arbiter, or set arbiter to false: one data member has nobody to fail over to" : "choose 2 or 4 with an arbiter, or set arbiter to false: voters elect by majority, so their number is odd");
        if (!plan.Arbiter && plan.Instances is not (1 or 3 or 5))
            yield return new(field, $"{plan.Instances} voters cannot elect by a useful majority", "choose 1, 3 or 5, or 2 or 4 with an arbiter");
    }

    // The server refuses to start on data whose feature compatibility version is not that of the version before.
    private static IEnumerable<Violation> Versions(MongoDbPlan plan, EngineObservation observed)
    {
        if (observed.Status?.Version is not { } running)
            yield break;
        var parts = running.Split('.');
        var (have, want) = (Position(parts.Length > 1 ? $"{parts[0]}.{parts[1]}" : running), Position(plan.Version));
        if (have >= 0 && want < have)
            yield return new($"{Path}.version", $"MongoDB {running} holds the data, and {plan.Version} does not read it", "keep the version; create a new stack with the older version and restore into it", "ImmutableField");
        if (have >= 0 && want > have + 1)
            yield return new($"{Path}.version", $"MongoDB {running} cannot go to {plan.Version} at once", $"upgrade to {MongoDbPlan.Versions[have + 1]} first", "UpgradeSkipsVersion");
    }

    private static int Position(string version) => MongoDbPlan.Versions.ToList().IndexOf(version);

    private static IEnumerable<Violation> Memory(MongoDbPlan plan)
    {
        if (SettingsRules.Mebibytes(plan.Resources.Memory) is { } memory && memory < LeastMemory)
            yield return new($"{Path}.resources.memory", $"{plan.Resources.Memory} is too little for a server and its cache", $"give at least {LeastMemory}Mi");
    }

    private static IEnumerable<Violation> Databases(MongoDbPlan plan)
    {
        foreach (var twice in Twice(plan.Databases.Select(database => database.Name.ToUpperInvariant())))
            yield return new($"{Path}.databases", $"two databases are called '{twice}' but for upper and lower case", "the server tells databases apart by more than case only; rename one");
        foreach (var database in plan.Databases)
        {
            var path = $"{Path}.databases[{database.Name}]";
            foreach (var violation in DatabaseName($"{path}.name", database.Name))
                yield return violation;
            foreach (var twice in Twice((database.Collections ?? []).Select(collection => collection.Name)))
                yield return new($"{path}.collections", $"collection '{twice}' is declared twice", "keep one");
            foreach (var violation in (database.Collections ?? []).SelectMany(collection => Collection($"{path}.collections[{collection.Name}]", collection)))
                yield return violation;
        }
    }

    private static IEnumerable<Violation> Collection(string path, MongoDbCollection collection)
    {
        if (Name($"{path}.name", collection.Name, MongoDbNames.Collection(), MongoDbNames.CollectionPattern) is { } name)
            yield return name;
        if (collection.Name.StartsWith("system.", StringComparison.Ordinal))
            yield return new($"{path}.name", $"'{collection.Name}' is the server's own", "choose a name that does not start with 'system.'");
        if (collection.Validator is { } validator && Depth(validator) > Wire.BsonReader.DeepestNesting - 8)
            yield return new($"{path}.validator", "the validator is nested too deeply", "nest fewer documents");
        foreach (var twice in Twice((collection.Indexes ?? []).Select(index => index.Name)))
            yield return new($"{path}.indexes", $"index '{twice}' is declared twice", "keep one");
        foreach (var violation in (collection.Indexes ?? []).SelectMany(index => Index($"{path}.indexes[{index.Name}]", index)))
            yield return violation;
    }

    private static IEnumerable<Violation> Index(string path, MongoDbIndex index)
    {
        if (Name($"{path}.name", index.Name, MongoDbNames.Index(), MongoDbNames.IndexPattern) is { } name)
            yield return name;
        if (index.Name == "_id_")
            yield return new($"{path}.name", "'_id_' is the server's own index", "choose another name");
        if (index.Keys.Count == 0)
            yield return new($"{path}.keys", "an index needs a field", "add at least one key");
        foreach (var key in index.Keys.Where(key => !MongoDbNames.Field().IsMatch(key.Field)))
            yield return new($"{path}.keys", $"'{key.Field}' is no field", $"use a path that matches {MongoDbNames.FieldPattern}");
        foreach (var twice in Twice(index.Keys.Select(key => key.Field)))
            yield return new($"{path}.keys", $"field '{twice}' stands there twice", "keep one");
        if (index.ExpireAfterSeconds is not null && index.Keys is not [{ Order: MongoDbIndexOrder.Ascending or MongoDbIndexOrder.Descending }])
            yield return new($"{path}.expireAfterSeconds", "only an index on one field expires documents", "leave one ascending or descending key");
        if (index.Unique && index.Keys.Any(key => key.Order is MongoDbIndexOrder.Hashed or MongoDbIndexOrder.Text))
            yield return new($"{path}.unique", "a hashed or text index cannot be unique", "set unique to false, or the order to Ascending");
        if (index.Keys.Count(key => key.Order == MongoDbIndexOrder.Hashed) > 1)
            yield return new($"{path}.keys", "at most one field of an index is hashed", "leave one");
    }

    private static IEnumerable<Violation> Roles(MongoDbPlan plan)
    {
        foreach (var twice in Twice(plan.Roles.Select(role => role.Name)))
            yield return new($"{Path}.roles", $"role '{twice}' is declared twice", "keep one");
        foreach (var role in plan.Roles)
        {
            var path = $"{Path}.roles[{role.Name}]";
            if (Name($"{path}.name", role.Name, MongoDbNames.Role(), MongoDbNames.RolePattern) is { } name)
                yield return name;
            if (MongoDbNames.IsBuiltInRole(role.Name))
                yield return new($"{path}.name", $"'{role.Name}' is a built-in role", "choose another name", "ReservedName");
            if (role.Privileges.Count == 0)
                yield return new($"{path}.privileges", "a role that may do nothing", "give at least one privilege");
            foreach (var violation in role.Privileges.SelectMany(privilege => Privilege($"{path}.privileges", privilege)))
                yield return violation;
        }
    }

    private static IEnumerable<Violation> Privilege(string path, MongoDbPrivilege privilege)
    {
        foreach (var violation in DatabaseName($"{path}.database", privilege.Database))
            yield return violation;
        if (privilege.Actions.Count == 0)
            yield return new($"{path}.actions", "a privilege without actions", "name at least one, e.g. find");
        if (privilege.Actions.Contains("anyAction", StringComparer.Ordinal) || privilege.Actions.Any(action => action.StartsWith("grant", StringComparison.Ordinal)))
            yield return new($"{path}.actions", "anyAction and grant… let their holder take everything", "name the actions that are needed", "ReservedName");
    }

    private static IEnumerable<Violation> Users(MongoDbPlan plan)
    {
        foreach (var twice in Twice(plan.Users.Select(user => user.Name)))
            yield return new($"{Path}.users", $"user '{twice}' is declared twice", "keep one");
        foreach (var user in plan.Users)
        {
            var path = $"{Path}.users[{user.Name}]";
            if (Name($"{path}.name", user.Name, MongoDbNames.User(), MongoDbNames.UserPattern) is { } name)
                yield return name;
            if (MongoDbPlan.ReservedUsers.Contains(user.Name))
                yield return new($"{path}.name", $"'{user.Name}' is kept by the operator", $"choose a name other than {string.Join(", ", MongoDbPlan.ReservedUsers)}", "ReservedName");
            if (user.Vault?.DynamicRole is not null && (MongoDbNames.IsBuiltInRole(user.Name) || plan.Roles.Any(role => role.Name == user.Name)))
                yield return new($"{path}.name", $"there is a role '{user.Name}' already, and with dynamicRole the operator makes one of this name", "choose another name", "ReservedName");
            if (user.Roles.Count == 0)
                yield return new($"{path}.roles", "a user without roles", "give at least one role");
            foreach (var violation in user.Roles.SelectMany(grant => Grant($"{path}.roles", grant, plan)))
                yield return violation;
        }
    }

    private static IEnumerable<Violation> Grant(string path, MongoDbGrant grant, MongoDbPlan plan)
    {
        if (MongoDbNames.OperatorRoles.Contains(grant.Role) || (grant.Database == "admin" && grant.Role is "dbOwner" or "userAdmin"))
            yield return new(path, $"role '{grant.Role}' of database '{grant.Database}' lets its holder take everything", "give roles of the databases that are needed", "ReservedName");
        else if (!MongoDbNames.Database().IsMatch(grant.Database))
            yield return new(path, $"'{grant.Database}' is no database", $"use a name that matches {MongoDbNames.DatabasePattern}");
        else if (grant.Database != "admin" && !MongoDbNames.DatabaseRoles.Contains(grant.Role))
            yield return new(path, $"database '{grant.Database}' has no role '{grant.Role}'", $"choose one of {string.Join(", ", MongoDbNames.DatabaseRoles.Order(StringComparer.Ordinal))}, or a role of database admin");
        else if (grant.Database == "admin" && !MongoDbNames.IsBuiltInRole(grant.Role) && plan.Roles.All(role => role.Name != grant.Role))
            yield return new(path, $"database admin has no role '{grant.Role}'", "declare it under roles, or choose a built-in role");
    }

    private static IEnumerable<Violation> DatabaseName(string path, string name)
    {
        if (Name(path, name, MongoDbNames.Database(), MongoDbNames.DatabasePattern) is { } wrong)
            yield return wrong;
        if (MongoDbNames.IsSystemDatabase(name))
            yield return new(path, $"'{name}' is the server's own database", "choose a name other than admin, local and config", "ReservedName");
    }

    private static Violation? Name(string path, string name, Regex pattern, string text) =>
        pattern.IsMatch(name) ? null : new(path, $"'{name}' is not a possible name", $"use a name that matches {text}");

    private static IEnumerable<string> Twice(IEnumerable<string> names) =>
        names.GroupBy(name => name, StringComparer.Ordinal).Where(group => group.Count() > 1).Select(group => group.Key);

    private static int Depth(JsonNode? node) => node switch
    {
        JsonObject { Count: > 0 } inner => 1 + inner.Max(pair => Depth(pair.Value)),
        JsonArray { Count: > 0 } list => 1 + list.Max(Depth),
        _ => 1,
    };
}
