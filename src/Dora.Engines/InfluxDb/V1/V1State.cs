using System.Globalization;

namespace Dora.Engines.InfluxDb.V1;

/// <summary>What a 1.x server holds, as far as settings say something about it.</summary>
/// <param name="Version">e.g. 1.6.7.</param>
/// <param name="Policies">Retention policies by database.</param>
/// <param name="ContinuousQueries">Statements by database and name.</param>
/// <param name="Users">Users by name; privileges only of those that were asked for.</param>
internal sealed record V1State(
    string? Version,
    IReadOnlyDictionary<string, IReadOnlyList<PolicyPlan>> Policies,
    IReadOnlyDictionary<(string Database, string Name), string> ContinuousQueries,
    IReadOnlyDictionary<string, V1User> Users)
{
    private static IReadOnlyDictionary<string, string> None { get; } = System.Collections.Frozen.FrozenDictionary<string, string>.Empty;

    /// <summary>Bytes of its shards, the write-ahead log included.</summary>
    public long DataBytes { get; init; }

    /// <summary>No user's privileges.</summary>
    public static IReadOnlySet<string> Nobody { get; } = System.Collections.Frozen.FrozenSet<string>.Empty;

    /// <summary>Asks for all of it in two calls; an administrator may.</summary>
    /// <param name="client">The administrator's.</param>
    /// <param name="whose">Users whose privileges are asked for. Others come and go, and a user that went in between would refuse the whole call.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    public static async Task<V1State> ReadAsync(V1Client client, IReadOnlySet<string> whose, CancellationToken cancellationToken)
    {
        var (found, version) = await client.AskAsync("SHOW DATABASES; SHOW USERS; SHOW CONTINUOUS QUERIES; SHOW STATS FOR 'shard'", null, cancellationToken).ConfigureAwait(false);
        Expect(found, 4);
        string[] databases = [.. Rows(found[0]).Select(row => Column(row, "name"))];
        (string Name, bool Admin)[] users = [.. Rows(found[1]).Select(row => (Column(row, "user"), Column(row, "admin") == "true"))];
        var queries = new Dictionary<(string, string), string>();
        foreach (var table in found[2].Tables)
        {
            foreach (var row in table.Rows)
                queries[(table.Name, Column(row, "name"))] = Column(row, "query");
        }

        string[] asked = [.. users.Select(user => user.Name).Where(whose.Contains)];
        string[] more =
        [
            .. databases.Select(database => $"SHOW RETENTION POLICIES ON {InfluxQl.Identifier(database)}"),
            .. asked.Select(user => $"SHOW GRANTS FOR {InfluxQl.Identifier(user)}"),
        ];
        var details = more.Length == 0 ? [] : await client.QueryAsync(string.Join("; ", more), cancellationToken).ConfigureAwait(false);
        Expect(details, more.Length);
        var policies = new Dictionary<string, IReadOnlyList<PolicyPlan>>(StringComparer.Ordinal);
        for (var i = 0; i < databases.Length; i++)
            policies[databases[i]] = [.. Rows(details[i]).Select(Policy)];
        var grants = new Dictionary<string, IReadOnlyDictionary<string, string>>(StringComparer.Ordinal);
        for (var i = 0; i < asked.Length; i++)
            grants[asked[i]] = Grants(details[databases.Length + i]);
        var known = users.ToDictionary(user => user.Name, user => new V1User(user.Admin, grants.GetValueOrDefault(user.Name) ?? None), StringComparer.Ordinal);
        return new(version, policies, queries, known) { DataBytes = Rows(found[3]).Sum(row => long.TryParse(row.GetValueOrDefault("diskBytes"), NumberStyles.None, CultureInfo.InvariantCulture, out var bytes) ? bytes : 0) };
    }

    /// <summary>Privileges by database, without those that are none.</summary>
    public static IReadOnlyDictionary<string, string> Grants(V1Result result)
    {
        var grants = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var row in Rows(result).Where(row => Column(row, "privilege") != "NO PRIVILEGES"))
            grants[Column(row, "database")] = Column(row, "privilege") == "ALL PRIVILEGES" ? "ALL" : Column(row, "privilege");
        return grants;
    }

    private static PolicyPlan Policy(IReadOnlyDictionary<string, string> row) => new(
        Column(row, "name"),
        InfluxDuration.FromGo(Column(row, "duration")) ?? throw Strange("duration"),
        InfluxDuration.FromGo(Column(row, "shardGroupDuration")) ?? throw Strange("shardGroupDuration"),
        Column(row, "default") == "true");

    private static IEnumerable<IReadOnlyDictionary<string, string>> Rows(V1Result result) => result.Tables.SelectMany(table => table.Rows);

    private static string Column(IReadOnlyDictionary<string, string> row, string name) => row.GetValueOrDefault(name) ?? throw Strange(name);

    private static void Expect(IReadOnlyList<V1Result> results, int count)
    {
        if (results.Count != count)
            throw new InfluxException(InfluxFault.Malformed, $"{count} statements were said, {results.Count} were answered");
    }

    private static InfluxException Strange(string column) => new(InfluxFault.Malformed, $"column '{column}' is missing or not as documented");
}

/// <summary>A user: whether it may do everything, and its privileges by database.</summary>
internal sealed record V1User(bool Admin, IReadOnlyDictionary<string, string> Grants);
