using System.Globalization;
using Dora.Api;

namespace Dora.Engines.Redis;

/// <summary>
/// Parameters of the server that a stack may set: those that a running server takes up at once (Redis documentation, redis.conf of
/// 7.0), and whose every allowed value also starts one. Others are refused one by one.
/// </summary>
internal static class RedisParameters
{
    public const string MaxMemory = "maxmemory";
    public const string Policy = "maxmemory-policy";

    private const string MaxClients = "maxclients";

    private static readonly string[] _switch = ["no", "yes"];

    private static readonly Dictionary<string, Parameter> _allowed = new[]
    {
        Number("timeout", "0", 0, 31_536_000),
        Number("tcp-keepalive", "60", 0, 86_400),
        Number(MaxClients, "10000", 100, 65_000),
        Number("slowlog-log-slower-than", "10000", -1, 3_600_000_000),
        Number("slowlog-max-len", "128", 0, 100_000),
        Number("latency-monitor-threshold", "0", 0, 3_600_000),
        Number("hash-max-listpack-entries", "512", 0, 1_000_000),
        Number("hash-max-listpack-value", "64", 0, 1_000_000),
        Number("list-max-listpack-size", "-2", -5, 100_000),
        Number("list-compress-depth", "0", 0, 10_000),
        Number("set-max-intset-entries", "512", 0, 1_000_000),
        Number("zset-max-listpack-entries", "128", 0, 1_000_000),
        Number("zset-max-listpack-value", "64", 0, 1_000_000),
        Number("hll-sparse-max-bytes", "3000", 0, 16_000),
        Number("stream-node-max-bytes", "4096", 0, 1_000_000_000),
        Number("stream-node-max-entries", "100", 0, 1_000_000),
        Number("lfu-log-factor", "10", 0, 1000),
        Number("lfu-decay-time", "1", 0, 100_000),
        Number("maxmemory-samples", "5", 1, 64),
        Number("maxmemory-eviction-tenacity", "10", 0, 100),
        Number("active-expire-effort", "1", 1, 10),
        Number("hz", "10", 1, 500),
        Switch("dynamic-hz", "yes"),
        Switch("lazyfree-lazy-eviction", "no"),
        Switch("lazyfree-lazy-expire", "no"),
        Switch("lazyfree-lazy-server-del", "no"),
        Switch("lazyfree-lazy-user-del", "no"),
        Switch("lazyfree-lazy-user-flush", "no"),
        Number("auto-aof-rewrite-percentage", "100", 10, 1000),
        new("auto-aof-rewrite-min-size", "64mb", text => Between(Bytes(text), 1 << 20, 1L << 40), "a size of 1mb or more, such as 64mb"),
        Number("busy-reply-threshold", "5000", 100, 60_000),
        new("notify-keyspace-events", "", Events, "letters out of AKEg$lshzxetdm, such as Ex"),
        new("client-output-buffer-limit", "normal 0 0 0 pubsub 32mb 8mb 60", Buffers, "normal or pubsub, each with a hard limit, a soft limit and seconds, such as 'pubsub 64mb 16mb 60'"),
    }.ToDictionary(parameter => parameter.Name, StringComparer.Ordinal);

    private static readonly (string Prefix, string Reason, string Fix)[] _refused =
    [
        ("maxmemory-clients", "memory is shared out by the operator", "remove it"),
        (Policy, "it has a field of its own", "set spec.engines.redis.maxmemoryPolicy"),
        (MaxMemory, "it follows from the memory of the members", "set spec.engines.redis.resources.memory"),
        ("activedefrag", "the server of the image cannot: its allocator has no support for it", "remove it"),
        ("active-defrag-", "the server of the image cannot: its allocator has no support for it", "remove it"),
        ("append", "a crash could then lose what was acknowledged", "remove it: every write is logged"),
        ("aof-", "a crash could then lose what was acknowledged", "remove it: every write is logged"),
        ("no-appendfsync-", "a crash could then lose what was acknowledged", "remove it: every write is logged"),
        ("save", "when data is saved is the operator's", "remove it"),
        ("rdb", "when and how data is saved is the operator's", "remove it"),
        ("db", "files are where the operator's scripts look for them", "remove it"),
        ("dir", "files are where the operator's scripts look for them", "remove it"),
        ("stop-writes-", "a server that cannot save must not take writes", "remove it"),
        ("repl", "replication belongs to the operator and the Sentinels", "remove it"),
        ("slave", "replication belongs to the operator and the Sentinels", "remove it"),
        ("min-", "replication belongs to the operator and the Sentinels", "remove it"),
        ("master", "replication belongs to the operator and the Sentinels", "remove it"),
        ("cluster-", "the cluster belongs to the operator", "set masters and replicasPerMaster"),
        ("port", "where the server listens is the operator's", "remove it"),
        ("bind", "where the server listens is the operator's", "remove it"),
        ("unixsocket", "where the server listens is the operator's", "remove it"),
        ("protected-mode", "who may log in is decided by users and passwords", "remove it"),
        ("requirepass", "who may log in is decided by users and passwords", "declare spec.engines.redis.users"),
        ("acl", "who may log in is decided by users and passwords", "declare spec.engines.redis.users"),
        ("user", "who may log in is decided by users and passwords", "declare spec.engines.redis.users"),
        ("tls-", "certificates and TLS belong to the operator", "remove it"),
        ("rename-command", "the operator's own commands would fail", "restrict spec.engines.redis.users instead"),
        ("enable-", "it opens the server's inside to its users", "remove it"),
        ("loadmodule", "modules run inside the server with all its rights", "remove it"),
        ("include", "files are where the operator's scripts look for them", "remove it"),
        ("log", "pods log to their own output", "remove it"),
        ("syslog-", "pods log to their own output", "remove it"),
    ];

    /// <summary>All parameters that may be set, with their values when nobody sets them.</summary>
    public static IEnumerable<(string Name, string Standard)> Allowed => _allowed.Values.Select(parameter => (parameter.Name, parameter.Standard));

    /// <summary>What cannot be set, one by one.</summary>
    public static IEnumerable<Violation> Check(string path, RedisPlan plan)
    {
        if (plan.Parameters.Count > RedisSettings.MostParameters)
            yield return new($"{path}.parameters", $"{plan.Parameters.Count} parameters are too many", $"set at most {RedisSettings.MostParameters}");
        foreach (var (name, value) in plan.Parameters.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            if (_allowed.TryGetValue(name, out var parameter))
            {
                if (value.Length > RedisSettings.LongestValue || parameter.Canonical(value) is null)
                    yield return new($"{path}.parameters.{name}", $"'{value}' is not possible", $"write {parameter.Form}", "ParameterRefused");
            }
            else
            {
                var (reason, fix) = _refused.FirstOrDefault(family => name.StartsWith(family.Prefix, StringComparison.Ordinal)) is { Prefix: not null } found
                    ? (found.Reason, found.Fix)
                    : ("it is not among those that a running server takes up and the operator knows", $"choose from {string.Join(", ", _allowed.Keys.Order(StringComparer.Ordinal))}");
                yield return new($"{path}.parameters.{name}", reason, fix, "ParameterRefused");
            }
        }
    }

    /// <summary>Lines of redis.conf for what the spec sets; none when it sets nothing.</summary>
    public static IEnumerable<string> Lines(RedisPlan plan) => plan.Parameters
        .Where(pair => _allowed.TryGetValue(pair.Key, out var parameter) && parameter.Canonical(pair.Value) is not null)
        .OrderBy(pair => pair.Key, StringComparer.Ordinal)
        .Select(pair => $"{pair.Key} {(pair.Value.Length == 0 ? "\"\"" : pair.Value)}");

    /// <summary>What a running server must show, by name, in the form in which <see cref="Shown"/> gives it.</summary>
    public static IReadOnlyDictionary<string, string> Wanted(RedisPlan plan)
    {
        var wanted = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            [MaxMemory] = plan.MaxMemory.ToString(CultureInfo.InvariantCulture),
            [Policy] = plan.Policy,
        };
        // A server takes fewer clients than the standard where the system allows it fewer files: only what is asked for is compared.
        foreach (var parameter in _allowed.Values.Where(parameter => parameter.Name != MaxClients || plan.Parameters.ContainsKey(MaxClients)))
            wanted[parameter.Name] = parameter.Canonical(plan.Parameters.GetValueOrDefault(parameter.Name, parameter.Standard)) ?? parameter.Canonical(parameter.Standard)!;
        return wanted;
    }

    /// <summary>A server's answer in one form: it names sizes, letters and classes in its own.</summary>
    public static string Shown(string name, string value) => _allowed.TryGetValue(name, out var parameter) ? parameter.Canonical(value) ?? value : value;

    private static Parameter Number(string name, string standard, long least, long most) => new(
        name,
        standard,
        text => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && text[0] != '+' ? Between(number, least, most) : null,
        string.Create(CultureInfo.InvariantCulture, $"a whole number from {least} to {most}"));

    private static Parameter Switch(string name, string standard) => new(name, standard, text => _switch.Contains(text) ? text : null, "yes or no");

    private static string? Between(long? number, long least, long most) =>
        number >= least && number <= most ? number.Value.ToString(CultureInfo.InvariantCulture) : null;

    // "k" is a thousand and "kb" 1024 (redis.conf, "Note on units").
    private static long? Bytes(string text)
    {
        var digits = text.TakeWhile(char.IsAsciiDigit).Count();
        long? unit = text[digits..].ToLowerInvariant() switch
        {
            "" or "b" => 1,
            "k" => 1000,
            "kb" => 1 << 10,
            "m" => 1_000_000,
            "mb" => 1 << 20,
            "g" => 1_000_000_000,
            "gb" => 1 << 30,
            _ => null,
        };
        return digits is > 0 and < 10 ? long.Parse(text.AsSpan(0, digits), NumberStyles.None, CultureInfo.InvariantCulture) * unit : digits is >= 10 and < 16 && unit == 1 ? long.Parse(text.AsSpan(0, digits), NumberStyles.None, CultureInfo.InvariantCulture) : null;
    }

    private static string? Events(string text) => text.All("AKEg$lshzxetdm".Contains)
        ? string.Concat(text.Replace("A", "g$lshzxetd", StringComparison.Ordinal).Distinct().Order())
        : null;

    // The class of the replicas is not set here, and so not compared.
    private static string? Buffers(string text)
    {
        var words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var classes = new Dictionary<string, string>(StringComparer.Ordinal) { ["normal"] = "0 0 0", ["pubsub"] = "33554432 8388608 60" };
        if (words.Length is 0 || words.Length % 4 != 0)
            return null;
        foreach (var limits in words.Chunk(4))
        {
            if (Between(Bytes(limits[1]), 0, 1L << 40) is not { } hard || Between(Bytes(limits[2]), 0, 1L << 40) is not { } soft || !int.TryParse(limits[3], NumberStyles.None, CultureInfo.InvariantCulture, out var seconds))
                return null;
            if (limits[0] is "normal" or "pubsub")
                classes[limits[0]] = string.Create(CultureInfo.InvariantCulture, $"{hard} {soft} {seconds}");
            else if (limits[0] != "slave")
                return null;
        }

        return $"normal {classes["normal"]} pubsub {classes["pubsub"]}";
    }

    /// <summary>One parameter.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="Standard">Its value when nobody sets it.</param>
    /// <param name="Canonical">A value in one form, or null when it is none.</param>
    /// <param name="Form">What a value looks like, for people.</param>
    private sealed record Parameter(string Name, string Standard, Func<string, string?> Canonical, string Form);
}
