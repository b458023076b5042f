using System.Text.RegularExpressions;
using Dora.Api;

namespace Dora.Engines.Postgres;

/// <summary>What in declared roles and databases cannot be done: the rules of the CRD said again, and those that look across lists.</summary>
internal static partial class PostgresDeclarationRules
{
    private const string Root = "spec.engines.postgres";
    private const int MostRoles = 64;
    private const int MostDatabases = 16;

    private static readonly string[] _ownRoles = [PostgresPlan.Superuser, PostgresPlan.ReplicationUser, PostgresPlan.RewindUser, PostgresPlan.AppUser, PostgresPlan.MonitorUser, PostgresPlan.BackupUser, PostgresPlan.PoolerUser, PostgresPlan.PoolerLookup, "public", "none"];
    private static readonly string[] _ownDatabases = ["postgres", "template0", "template1"];

    // The other predefined roles reach files and programs of the server, which is as much as its superuser (PostgreSQL documentation, Predefined Roles).
    private static readonly string[] _grantable = ["pg_monitor", "pg_read_all_data", "pg_write_all_data", "pg_read_all_settings", "pg_read_all_stats", "pg_stat_scan_tables", "pg_signal_backend", "pg_checkpoint"];

    private static readonly string[] _unsafe = ["adminpack", "dblink", "file_fdw", "plperlu", "plpython3u", "plpythonu", "pltclu"];

    public static IEnumerable<Violation> Check(PostgresSettings settings)
    {
        var (roles, databases) = (settings.Roles ?? [], settings.Databases ?? []);
        if (roles.Count > MostRoles)
            yield return new($"{Root}.roles", $"{roles.Count} roles are too many", $"declare at most {MostRoles}");
        if (databases.Count > MostDatabases)
            yield return new($"{Root}.databases", $"{databases.Count} databases are too many", $"declare at most {MostDatabases}");
        foreach (var violation in roles.SelectMany((role, index) => Role($"{Root}.roles[{index}]", role, roles)).Concat(databases.SelectMany((database, index) => Database($"{Root}.databases[{index}]", database, databases, roles))))
            yield return violation;
    }

    private static IEnumerable<Violation> Role(string path, PostgresRole role, IReadOnlyList<PostgresRole> all)
    {
        if (!NameForm().IsMatch(role.Name))
            yield return Misnamed($"{path}.name", role.Name);
        if (_ownRoles.Contains(role.Name) || role.Name.StartsWith("pg_", StringComparison.Ordinal))
            yield return new($"{path}.name", $"'{role.Name}' is taken by the operator or the server", "choose another name", "ReservedName");
        if (all.Count(other => other.Name == role.Name) > 1)
            yield return new($"{path}.name", $"'{role.Name}' is declared twice", "declare each role once");
        if (role is { Vault: not null, Login: false })
            yield return new($"{path}.vault", "belongs to a role that may log in", "remove it, or set login to true");
        if (role.ConnectionLimit is < 0 or > 10000)
            yield return new($"{path}.connectionLimit", $"{role.ConnectionLimit} connections are not possible", "choose 0 to 10000, or remove it for no limit");
        foreach (var (name, index) in (role.InRoles ?? []).Select((name, index) => (name, index)))
        {
            if (name != PostgresPlan.AppUser && !_grantable.Contains(name) && all.All(other => other.Name != name))
                yield return new($"{path}.inRoles[{index}]", $"'{name}' is neither declared nor may be granted", $"declare it under {Root}.roles, or choose app or one of {string.Join(", ", _grantable)}");
            else if (Reaches(name, role.Name, all, []))
                yield return new($"{path}.inRoles[{index}]", $"'{name}' has the rights of '{role.Name}' itself", "take one of the two memberships away: a circle cannot be granted");
        }
    }

    private static IEnumerable<Violation> Database(string path, PostgresDatabase database, IReadOnlyList<PostgresDatabase> all, IReadOnlyList<PostgresRole> roles)
    {
        if (!NameForm().IsMatch(database.Name))
            yield return Misnamed($"{path}.name", database.Name);
        if (_ownDatabases.Contains(database.Name) || database.Name.StartsWith("pg_", StringComparison.Ordinal))
            yield return new($"{path}.name", $"'{database.Name}' is the server's own", "choose another name", "ReservedName");
        if (all.Count(other => other.Name == database.Name) > 1)
            yield return new($"{path}.name", $"'{database.Name}' is declared twice", "declare each database once");
        if (database.Owner != PostgresPlan.AppUser && roles.All(role => role.Name != database.Owner))
            yield return new($"{path}.owner", $"role '{database.Owner}' is not declared", $"declare it under {Root}.roles, or choose app");
        if (database.Name == PostgresPlan.AppDatabase && database.Owner != PostgresPlan.AppUser)
            yield return new($"{path}.owner", "database 'app' belongs to role 'app'", "remove owner, or declare a database of another name");
        foreach (var (name, index) in (database.Extensions ?? []).Select((name, index) => (name, index)))
        {
            if (!ExtensionForm().IsMatch(name))
                yield return new($"{path}.extensions[{index}]", $"'{name}' is not the name of an extension", "use lower-case letters, digits, '_' and '-'");
            else if (_unsafe.Contains(name))
                yield return new($"{path}.extensions[{index}]", $"'{name}' reaches files, programs or other servers from inside the database server", "do this work in the application");
        }
    }

    private static bool Reaches(string from, string to, IReadOnlyList<PostgresRole> all, HashSet<string> seen) =>
        from == to || (seen.Add(from) && all.FirstOrDefault(role => role.Name == from)?.InRoles?.Any(next => Reaches(next, to, all, seen)) == true);

    private static Violation Misnamed(string path, string name) =>
        new(path, $"'{name}' is not allowed as a name", "use at most 32 lower-case letters, digits and '_', with a letter first and no '_' last");

    [GeneratedRegex(PostgresRole.NamePattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex NameForm();

    [GeneratedRegex(PostgresDatabase.ExtensionPattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex ExtensionForm();
}
