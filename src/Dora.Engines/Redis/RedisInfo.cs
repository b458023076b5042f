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
            fields.GetValueOrDefault("master_host"));
    }

    private static long Number(Dictionary<string, string> fields, string key) =>
        long.TryParse(fields.GetValueOrDefault(key), NumberStyles.Integer, CultureInfo.InvariantCulture, out var number) ? number : 0;
}
