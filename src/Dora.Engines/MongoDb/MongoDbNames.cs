using System.Text.RegularExpressions;

namespace Dora.Engines.MongoDb;

/// <summary>What may be called what (MongoDB manual, "MongoDB Limits and Thresholds": naming restrictions).</summary>
public static partial class MongoDbNames
{
    /// <summary>Databases: narrower than the server allows, so that a name is safe in a file name and a URI.</summary>
    public const string DatabasePattern = "^[A-Za-z_][A-Za-z0-9_-]{0,62}$";

    /// <summary>Collections.</summary>
    public const string CollectionPattern = "^[A-Za-z_][A-Za-z0-9_.-]{0,119}$";

    /// <summary>Indexes.</summary>
    public const string IndexPattern = "^[A-Za-z_][A-Za-z0-9_.-]{0,62}$";

    /// <summary>Fields of documents, with dots; operators start with a dollar sign.</summary>
    public const string FieldPattern = "^[^$.\\x00][^$\\x00]{0,254}$";

    /// <summary>Roles.</summary>
    public const string RolePattern = "^[A-Za-z][A-Za-z0-9_-]{0,62}$";

    /// <summary>Users: their names become names of Secrets.</summary>
    public const string UserPattern = "^[a-z]([-a-z0-9]{0,30}[a-z0-9])?$";

    /// <summary>Databases of the server itself.</summary>
    public static bool IsSystemDatabase(string name) => name.ToUpperInvariant() is "ADMIN" or "LOCAL" or "CONFIG";

    /// <summary>Built-in roles that every database has.</summary>
    public static IReadOnlySet<string> DatabaseRoles { get; } = new HashSet<string>(StringComparer.Ordinal) { "read", "readWrite", "dbAdmin", "dbOwner", "userAdmin" };

    /// <summary>Built-in roles of database admin that may be given to declared users.</summary>
    public static IReadOnlySet<string> AdminRoles { get; } = new HashSet<string>(StringComparer.Ordinal)
    {
        "clusterMonitor", "clusterManager", "hostManager", "backup", "restore", "readAnyDatabase", "readWriteAnyDatabase", "dbAdminAnyDatabase",
        "enableSharding", "directShardOperations",
    };

    /// <summary>Roles that give everything, or let their holder take it: they belong to the operator.</summary>
    public static IReadOnlySet<string> OperatorRoles { get; } = new HashSet<string>(StringComparer.Ordinal)
    {
        "root", "clusterAdmin", "userAdminAnyDatabase", "searchCoordinator", "__system", "__queryableBackup",
    };

    /// <summary>Whether a role is built in, of whichever database.</summary>
    public static bool IsBuiltInRole(string name) => DatabaseRoles.Contains(name) || AdminRoles.Contains(name) || OperatorRoles.Contains(name);

    /// <summary>Whether a name may be a database's.</summary>
    [GeneratedRegex(DatabasePattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    public static partial Regex Database();

    /// <summary>Whether a name may be a collection's.</summary>
    [GeneratedRegex(CollectionPattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    public static partial Regex Collection();

    /// <summary>Whether a name may be an index's.</summary>
    [GeneratedRegex(IndexPattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    public static partial Regex Index();

    /// <summary>Whether a path may be a field's.</summary>
    [GeneratedRegex(FieldPattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    public static partial Regex Field();

    /// <summary>Whether a name may be a role's.</summary>
    [GeneratedRegex(RolePattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    public static partial Regex Role();

    /// <summary>Whether a name may be a user's.</summary>
    [GeneratedRegex(UserPattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    public static partial Regex User();
}
