using System.Globalization;
using System.Text.RegularExpressions;

namespace Dora.Engines.InfluxDb.V1;

/// <summary>Statements of InfluxQL (InfluxDB 1.8 documentation, "InfluxQL reference").</summary>
internal static partial class InfluxQl
{
    /// <summary>Marks the continuous queries that the operator made; the server keeps no comment.</summary>
    public const string Mark = "dora.";

    public static string Identifier(string name) => $"\"{Escape(name).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";

    public static string Text(string value) => $"'{Escape(value).Replace("'", "\\'", StringComparison.Ordinal)}'";

    public static string CreateDatabase(DatabasePlan database) =>
        $"CREATE DATABASE {Identifier(database.Name)} WITH {Terms(database.Policies[0])} NAME {Identifier(database.Policies[0].Name)}";

    public static string CreatePolicy(string database, PolicyPlan policy) =>
        $"CREATE RETENTION POLICY {Identifier(policy.Name)} ON {Identifier(database)} {Terms(policy)}{Default(policy)}";

    public static string AlterPolicy(string database, PolicyPlan policy) =>
        $"ALTER RETENTION POLICY {Identifier(policy.Name)} ON {Identifier(database)} {Terms(policy)}{Default(policy)}";

    public static string CreateUser(string name, string password) => $"CREATE USER {Identifier(name)} WITH PASSWORD {Text(password)}";

    public static string CreateAdministrator(string name, string password) => $"{CreateUser(name, password)} WITH ALL PRIVILEGES";

    public static string GrantAdmin(string user) => $"GRANT ALL PRIVILEGES TO {Identifier(user)}";

    public static string SetPassword(string name, string password) => $"SET PASSWORD FOR {Identifier(name)} = {Text(password)}";

    public static string DropUser(string name) => $"DROP USER {Identifier(name)}";

    public static string Grant(string privilege, string database, string user) => $"GRANT {privilege} ON {Identifier(database)} TO {Identifier(user)}";

    public static string RevokeAll(string database, string user) => $"REVOKE ALL ON {Identifier(database)} FROM {Identifier(user)}";

    public static string RevokeAdmin(string user) => $"REVOKE ALL PRIVILEGES FROM {Identifier(user)}";

    public static string DropContinuousQuery(string database, string name) => $"DROP CONTINUOUS QUERY {Identifier(name)} ON {Identifier(database)}";

    public static string CreateContinuousQuery(DownsamplingPlan wanted)
    {
        var from = wanted.Measurement is { } measurement ? Identifier(measurement) : "/.*/";
        return $"CREATE CONTINUOUS QUERY {Identifier(Mark + wanted.Name)} ON {Identifier(wanted.Source)} BEGIN "
            + $"SELECT {wanted.Function}(*) INTO {Identifier(wanted.Target)}.{Identifier(wanted.TargetPolicy)}.:MEASUREMENT "
            + $"FROM {Identifier(wanted.Source)}.{Identifier(wanted.SourcePolicy)}.{from} "
            + $"GROUP BY time({InfluxDuration.Format(wanted.Window)}), * END";
    }

    /// <summary>The same for statements that mean the same: the server shows quotes only where a name needs them.</summary>
    public static string Normal(string statement) => Space().Replace(statement.Replace("\"", "", StringComparison.Ordinal), " ").Trim();

    private static string Terms(PolicyPlan policy) => string.Create(CultureInfo.InvariantCulture,
        $"DURATION {(policy.Retention == 0 ? "INF" : $"{policy.Retention}s")} REPLICATION 1 SHARD DURATION {policy.Shard}s");

    private static string Default(PolicyPlan policy) => policy.IsDefault ? " DEFAULT" : "";

    private static string Escape(string text) => text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

    [GeneratedRegex("\\s+", RegexOptions.CultureInvariant, 10_000)]
    private static partial Regex Space();
}
