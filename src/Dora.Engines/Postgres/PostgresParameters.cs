using System.Globalization;
using System.Text.RegularExpressions;
using Dora.Api;
using Dora.Engines.Rendering;

namespace Dora.Engines.Postgres;

/// <summary>
/// Server parameters that a stack may set, and those it may not: what the operator or Patroni owns, and what would break a promise.
/// Whether the rest fits this server, only the server knows: <see cref="ParameterFacts"/>.
/// </summary>
internal static partial class PostgresParameters
{
    /// <summary>
    /// A parameter that stands for all the others: a member that shows its value has loaded them. Patroni tells them to the members
    /// one after the other, up to its loop's time later.
    /// </summary>
    public const string Mark = "dora.parameters";

    private const string Root = "spec.engines.postgres.parameters";

    /// <summary>shared_buffers beyond this share of the memory limit leaves too little for connections (per cent).</summary>
    private const int LargestBuffers = 75;

    // Patroni gives these to the server's command line, the same on all members, and silently takes its own value for a smaller one
    // (Patroni documentation, "PostgreSQL parameters controlled by Patroni"). The upper ends are PostgreSQL's.
    private static readonly Dictionary<string, (int Least, int Most)> _controlled = new(StringComparer.Ordinal)
    {
        ["max_connections"] = (25, 262143),
        ["max_locks_per_transaction"] = (32, 1 << 20),
        ["max_prepared_transactions"] = (0, 262143),
        ["max_replication_slots"] = (4, 262143),
        ["max_wal_senders"] = (3, 262143),
        ["max_worker_processes"] = (2, 262143),
    };

    private static readonly Dictionary<string, (string Reason, string Fix)> _refused = Refusals();

    private static readonly (string Prefix, string Reason, string Fix)[] _refusedFamilies =
    [
        ("archive_", "archiving belongs to the operator's backups", "remove it"),
        ("recovery_", "recovery is Patroni's and the operator's restores'", "remove it"),
        ("ssl", "certificates and TLS belong to the operator", "remove it"),
        ("unix_socket_", "sockets are where Patroni looks for them", "remove it"),
        ("log_directory", "pods log to their own output", "remove it"),
        ("log_file", "pods log to their own output", "remove it"),
        ("log_rotation_", "pods log to their own output", "remove it"),
        ("syslog_", "pods log to their own output", "remove it"),
        ("krb_", "logins use SCRAM", "remove it"),
        ("dora.", "the operator marks by it what the members have loaded", "remove it"),
    ];

    /// <summary>
    /// Parameters on which a standby must not fall below its primary (PostgreSQL documentation, Hot Standby): when one of them is
    /// lowered, the primary restarts first. With Patroni's values for those that nobody sets.
    /// </summary>
    public static IReadOnlyDictionary<string, long> PrimaryFirst { get; } = new Dictionary<string, long>
    {
        ["max_connections"] = 100,
        ["max_locks_per_transaction"] = 64,
        ["max_prepared_transactions"] = 0,
        ["max_wal_senders"] = 10,
        ["max_worker_processes"] = 8,
    };

    /// <summary>Whether the whole range of a parameter's values is known here, so that a new cluster may start with it.</summary>
    public static bool KnownBeforeStart(string name) => _controlled.ContainsKey(name) || name == "wal_level";

    /// <summary>What cannot be set, one by one.</summary>
    public static IEnumerable<Violation> Check(PostgresPlan plan)
    {
        if (plan.Parameters.Count > PostgresSettings.MostParameters)
            yield return new(Root, $"{plan.Parameters.Count} parameters are too many", $"set at most {PostgresSettings.MostParameters}");
        foreach (var (name, value) in plan.Parameters.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            if (Problem(plan, name, value) is var (reason, fix))
                yield return new($"{Root}.{name}", reason, fix, "ParameterRefused");
        }
    }

    private static (string Reason, string Fix)? Problem(PostgresPlan plan, string name, string value)
    {
        if (!NameForm().IsMatch(name))
            return ("this is not the name of a parameter", "write it as PostgreSQL does: lower-case letters, digits and '_', with one '.' in those of extensions");
        if (_refused.TryGetValue(name, out var refusal))
            return refusal;
        if (_refusedFamilies.FirstOrDefault(family => name.StartsWith(family.Prefix, StringComparison.Ordinal)) is { Prefix: not null } found)
            return (found.Reason, found.Fix);
        if (value.Length is 0 or > PostgresSettings.LongestValue || value.Any(char.IsControl))
            return ("the value is empty, too long or holds control characters", $"use 1 to {PostgresSettings.LongestValue} printable characters; remove the parameter for its default");
        if (_controlled.TryGetValue(name, out var range) && !(int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= range.Least && number <= range.Most))
            return ($"'{value}' is not possible: Patroni would not take it", $"choose {range.Least} to {range.Most}");
        if (name == "wal_level" && value is not ("replica" or "logical"))
            return ($"with '{value}' no member can follow and no backup can be made", "choose replica or logical");
        if (name == "shared_buffers" && ParameterFacts.Bytes(value, "8kB") is { } buffers && SettingsRules.Mebibytes(plan.Resources.Memory) is { } memory && buffers > memory * LargestBuffers / 100 * (1 << 20))
            return ($"'{value}' is more than {LargestBuffers} % of the memory limit {plan.Resources.Memory}", "choose less, or give more memory under spec.engines.postgres.resources");
        return null;
    }

    private static Dictionary<string, (string Reason, string Fix)> Refusals()
    {
        var refusals = new Dictionary<string, (string, string)>(StringComparer.Ordinal);
        Add("the operator and Patroni decide where the server listens and keeps its files", "remove it",
            "port", "listen_addresses", "bonjour", "bonjour_name", "data_directory", "config_file", "hba_file", "ident_file", "external_pid_file", "cluster_name", "event_source", "stats_temp_directory", "include", "include_dir", "include_if_exists");
        Add("replication belongs to Patroni", "remove it",
            "primary_conninfo", "primary_slot_name", "promote_trigger_file", "trigger_file", "hot_standby", "restore_command", "restart_after_crash", "sync_replication_slots", "synchronized_standby_slots", "wal_log_hints");
        Add("which members a commit waits for is decided by spec.engines.postgres.synchronous", "set that field instead; a single transaction may still SET LOCAL synchronous_commit", "synchronous_standby_names", "synchronous_commit");
        Add("a crash could then destroy data that was acknowledged", "remove it: it is always on", "fsync", "full_page_writes");
        Add("it makes the server go on with damaged data", "remove it; restore from a backup instead", "zero_damaged_pages", "ignore_checksum_failure", "ignore_invalid_pages", "ignore_system_indexes", "data_sync_retry");
        Add("it opens the system's own tables and folders to changes", "remove it", "allow_system_table_mods", "allow_in_place_tablespaces", "allow_alter_system");
        Add("libraries run inside the server with all its rights", "ask for the extension under spec.engines.postgres.databases[].extensions", "shared_preload_libraries", "session_preload_libraries", "local_preload_libraries", "dynamic_library_path", "extension_control_path", "jit_provider");
        Add("passwords are kept as SCRAM-SHA-256", "remove it", "password_encryption", "db_user_namespace", "scram_iterations", "md5_password_warnings", "gss_accept_delegation");
        Add("pods log to their own output", "remove it", "logging_collector", "log_destination");
        Add("who came and went is evidence", "remove it: it is always on", "log_connections", "log_disconnections");
        Add("without it transaction numbers run out and the server stops", "tune autovacuum_* parameters instead", "autovacuum");
        Add("nodes need not have huge pages, and the server would not start", "remove it: they are used where they are", "huge_pages");
        return refusals;

        void Add(string reason, string fix, params string[] names)
        {
            foreach (var name in names)
                refusals.Add(name, (reason, fix));
        }
    }

    [GeneratedRegex(PostgresSettings.ParameterPattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex NameForm();
}
