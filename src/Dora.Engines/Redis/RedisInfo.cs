using System.Globalization;

namespace Dora.Engines.Redis;

/// <summary>The parts of <c>INFO</c> that say how a server is (Redis documentation, INFO).</summary>
internal sealed record RedisInfo(
    MemberRole Role,
    string? Version,
    bool Loading,
    bool LinkUp,
    bool Syncing,
    long Offset,
    int ConnectedReplicas,
    int Clients,
    string? MasterHost = null)
{
    /// <summary>Bytes of its files: the append-only file as it is, and a snapshot, which is about as large as that file was when it was last rewritten.</summary>
    public long DataBytes { get; init; }

    /// <summary>Why it takes no writes although it serves, or null: a server whose last write to its disk failed refuses more (Redis documentation, "Redis persistence").</summary>
    public string? Unwritten { get; init; }

    public static RedisInfo Parse(string text)
    {
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in text.Split('\n'))
        {
            var colon = line.IndexOf(':');
            if (colon > 0 && line[0] != '#')
                fields[line[..colon]] = line[(colon + 1)..].TrimEnd('\r');
        }

        var role = fields.GetValueOrDefault("role") switch { "master" => MemberRole.Primary, "slave" => MemberRole.Replica, _ => MemberRole.Unknown };
        return new(
            role,
            fields.GetValueOrDefault("redis_version"),
            fields.GetValueOrDefault("loading") == "1",
            fields.GetValueOrDefault("master_link_status") == "up",
            fields.GetValueOrDefault("master_sync_in_progress") == "1",
            Number(fields, role == MemberRole.Replica ? "slave_repl_offset" : "master_repl_offset"),
            (int)Number(fields, "connected_slaves"),
            (int)Number(fields, "connected_clients"),
            fields.GetValueOrDefault("master_host"))
        {
            DataBytes = Number(fields, "aof_current_size") + Number(fields, "aof_base_size"),
            Unwritten = Refusing(fields),
        };
    }

    private static string? Refusing(Dictionary<string, string> fields) =>
        fields.GetValueOrDefault("aof_last_write_status") == "err" ? "takes no writes: it could not write its append-only file; is its volume full?"
        : fields.GetValueOrDefault("rdb_last_bgsave_status") == "err" ? "takes no writes: it could not write its snapshot; is its volume full?"
        : null;

    private static long Number(Dictionary<string, string> fields, string key) =>
        long.TryParse(fields.GetValueOrDefault(key), NumberStyles.Integer, CultureInfo.InvariantCulture, out var number) ? number : 0;
}
