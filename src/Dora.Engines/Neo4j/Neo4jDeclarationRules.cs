using System.Text.RegularExpressions;
using Dora.Api;

namespace Dora.Engines.Neo4j;

/// <summary>What cannot be done of declared databases, roles, users and LDAP.</summary>
internal static partial class Neo4jDeclarationRules
{
    private const string Path = Neo4jRules.Path;

    /// <summary>Roles that every Enterprise server has; <c>admin</c> is the operator's own and not given to declared users.</summary>
    public static readonly IReadOnlySet<string> BuiltInRoles = new HashSet<string>(StringComparer.Ordinal) { "reader", "editor", "publisher", "architect" };

    private static readonly HashSet<string> ReservedRoles = new(["admin", "public", Neo4jPlan.AppUser, Neo4jPlan.MonitorUser, .. BuiltInRoles], StringComparer.OrdinalIgnoreCase);
    private static readonly HashSet<string> ReservedUsers = new([Neo4jPlan.AdminUser, "admin", Neo4jPlan.AppUser, Neo4jPlan.MonitorUser, "backup"], StringComparer.OrdinalIgnoreCase);

    public static IEnumerable<Violation> Check(Neo4jPlan plan) =>
        [.. Twice("databases", plan.Databases.Select(database => database.Name)), .. plan.Databases.SelectMany((database, i) => Database(plan, database, $"{Path}.databases[{i}]")), .. Roles(plan), .. Users(plan), .. Ldap(plan)];

    private static IEnumerable<Violation> Database(Neo4jPlan plan, Neo4jDatabase database, string path)
    {
        if (!DatabaseName().IsMatch(database.Name) || database.Name.StartsWith(Neo4jPlan.SystemDatabase, StringComparison.Ordinal))
            yield return new($"{path}.name", $"'{database.Name}' is not allowed as a database's name", "use 3 to 63 lower-case letters, digits and '-', a letter first; names that start with 'system' are Neo4j's own");
        else if (!plan.Enterprise && database.Name != Neo4jPlan.DefaultDatabase)
            yield return new($"{path}.name", "the Community Edition has one database, 'neo4j'", "declare only 'neo4j', or choose edition Enterprise");
        var (primaries, secondaries) = plan.Topology(database);
        if (primaries < 1 || primaries > plan.Primaries || primaries % 2 == 0)
            yield return new($"{path}.primaries", $"{primaries} primaries do not fit {plan.Primaries} instances", "choose an odd number up to instances");
        if (secondaries < 0 || secondaries > plan.Secondaries)
            yield return new($"{path}.secondaries", $"{secondaries} secondaries do not fit {plan.Secondaries} of the cluster", "choose 0 up to secondaries of the engine");
        var constraints = database.Constraints ?? [];
        var indexes = database.Indexes ?? [];
        foreach (var violation in Twice($"{path[(Path.Length + 1)..]}.constraints", constraints.Select(constraint => constraint.Name).Concat(indexes.Select(index => index.Name)))
            .Concat(constraints.SelectMany((constraint, i) => Constraint(plan, constraint, $"{path}.constraints[{i}]")))
            .Concat(indexes.SelectMany((index, i) => Index(index, $"{path}.indexes[{i}]"))))
        {
            yield return violation;
        }
    }

    private static IEnumerable<Violation> Constraint(Neo4jPlan plan, Neo4jConstraint constraint, string path)
    {
        foreach (var violation in Element(constraint.Name, constraint.Label, constraint.Relationship, constraint.Properties, path))
            yield return violation;
        if (constraint.Type != Neo4jConstraintType.Unique && !plan.Enterprise)
            yield return new($"{path}.type", $"{constraint.Type} constraints need the Enterprise Edition", "choose Unique, or edition Enterprise");
        if (constraint is { Type: Neo4jConstraintType.Exists, Properties.Count: > 1 })
            yield return new($"{path}.properties", "an Exists constraint speaks of one property", "declare one constraint for each property");
    }

    private static IEnumerable<Violation> Index(Neo4jIndex index, string path)
    {
        foreach (var violation in Element(index.Name, index.Label, index.Relationship, index.Properties, path))
            yield return violation;
        if (index is { Type: Neo4jIndexType.Text or Neo4jIndexType.Point, Properties.Count: > 1 })
            yield return new($"{path}.properties", $"a {index.Type} index speaks of one property", "declare one index for each property");
    }

    private static IEnumerable<Violation> Element(string name, string? label, string? relationship, IReadOnlyList<string> properties, string path)
    {
        if ((label is null) == (relationship is null))
            yield return new(path, "needs either label or relationship", "state just one of them");
        if (properties.Count is 0 or > 8)
            yield return new($"{path}.properties", $"{properties.Count} properties are not possible", "name 1 to 8");
        if (properties.Append(name).Append(label ?? relationship ?? name).FirstOrDefault(word => !Word().IsMatch(word) || word.Length > 63) is { } odd)
            yield return new(path, $"'{odd}' is not a name", "use letters, digits and '_', a letter first, at most 63");
    }

    private static IEnumerable<Violation> Roles(Neo4jPlan plan)
    {
        foreach (var violation in Twice("roles", plan.Roles.Select(role => role.Name)))
            yield return violation;
        var databases = plan.AllDatabases.Select(database => database.Name).ToHashSet(StringComparer.Ordinal);
        for (var i = 0; i < plan.Roles.Count; i++)
        {
            var (role, path) = (plan.Roles[i], $"{Path}.roles[{i}]");
            if (ReservedRoles.Contains(role.Name))
                yield return new($"{path}.name", $"'{role.Name}' is reserved", $"choose a name other than {string.Join(", ", ReservedRoles.Order(StringComparer.Ordinal))}");
            else if (!Account().IsMatch(role.Name))
                yield return new($"{path}.name", $"'{role.Name}' is not allowed as a role's name", "use 1 to 31 lower-case letters, digits and '-', a letter first");
            if (role.Grants.FirstOrDefault(grant => !databases.Contains(grant.Database)) is { } grant)
                yield return new($"{path}.grants", $"database '{grant.Database}' is not declared", "declare it under databases, or correct the name");
            foreach (var violation in Twice($"{path[(Path.Length + 1)..]}.grants", role.Grants.Select(given => given.Database)))
                yield return violation;
        }
    }

    private static IEnumerable<Violation> Users(Neo4jPlan plan)
    {
        foreach (var violation in Twice("users", plan.Users.Select(user => user.Name)))
            yield return violation;
        for (var i = 0; i < plan.Users.Count; i++)
        {
            var (user, path) = (plan.Users[i], $"{Path}.users[{i}]");
            if (ReservedUsers.Contains(user.Name))
                yield return new($"{path}.name", $"'{user.Name}' is reserved", $"choose a name other than {string.Join(", ", ReservedUsers.Order(StringComparer.Ordinal))}");
            else if (!Account().IsMatch(user.Name))
                yield return new($"{path}.name", $"'{user.Name}' is not allowed as a user's name", "use 1 to 31 lower-case letters, digits and '-', a letter first");
            if (!plan.Enterprise && user.Roles is { Count: > 0 })
                yield return new($"{path}.roles", "the Community Edition has no roles: each user may do everything", "remove roles, or choose edition Enterprise");
            else if (Unknown(plan, user.Roles ?? []) is { } unknown)
                yield return new($"{path}.roles", $"role '{unknown}' is not declared", $"declare it under roles, or choose from {string.Join(", ", BuiltInRoles.Order(StringComparer.Ordinal))}");
        }
    }

    private static IEnumerable<Violation> Ldap(Neo4jPlan plan)
    {
        if (plan is not { Enterprise: true, Ldap: { } ldap })
            yield break;
        const string path = $"{Path}.ldap";
        if (!LdapHost().IsMatch(ldap.Host))
            yield return new($"{path}.host", $"'{ldap.Host}' is not the address of a directory", "write ldap://host:port or ldaps://host:port");
        if (!ldap.StartTls && ldap.Host.StartsWith("ldap://", StringComparison.Ordinal))
            yield return new($"{path}.startTls", "passwords would cross the network in clear text", "set startTls to true, or use an ldaps:// address");
        if (ldap is { SystemAccount: null, UserDnTemplate: null })
            yield return new($"{path}.userDnTemplate", "is needed: without systemAccount nobody can search for a user", "write e.g. uid={0},ou=people,dc=example,dc=com");
        if (ldap is { SystemAccount: not null, UserSearchBase: null })
            yield return new($"{path}.userSearchBase", "is needed with systemAccount: it searches for the user", "write e.g. ou=people,dc=example,dc=com");
        if (ldap.UserDnTemplate is { } template && !template.Contains("{0}", StringComparison.Ordinal))
            yield return new($"{path}.userDnTemplate", "holds no {0}", "write {0} in place of the user name");
        var texts = (ldap.Groups ?? []).Select(group => group.Group).Append(ldap.UserDnTemplate).Append(ldap.UserSearchBase).Append(ldap.UserSearchFilter).Append(ldap.SystemAccount?.Username);
        if (texts.Any(text => text?.Any(letter => char.IsControl(letter) || letter is '"' or '\\' or ';') == true))
            yield return new(path, "a DN or filter holds a character that neo4j.conf cannot carry", "leave out line breaks, '\"', ';' and '\\'");
        if (Unknown(plan, (ldap.Groups ?? []).SelectMany(group => group.Roles).Where(role => role != "admin")) is { } unknown)
            yield return new($"{path}.groups", $"role '{unknown}' is not declared", "declare it under roles, or choose a built-in one");
    }

    private static string? Unknown(Neo4jPlan plan, IEnumerable<string> roles) =>
        roles.FirstOrDefault(role => !BuiltInRoles.Contains(role) && plan.Roles.All(declared => declared.Name != role));

    private static IEnumerable<Violation> Twice(string field, IEnumerable<string> names) => names
        .GroupBy(name => name, StringComparer.Ordinal)
        .Where(group => group.Count() > 1)
        .Select(group => new Violation($"{Path}.{field}", $"'{group.Key}' is declared twice", "give each a name of its own"));

    [GeneratedRegex(Neo4jDatabase.NamePattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex DatabaseName();

    [GeneratedRegex(Neo4jRole.NamePattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex Account();

    [GeneratedRegex(Neo4jConstraint.NamePattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex Word();

    [GeneratedRegex(Neo4jLdap.HostPattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex LdapHost();
}
