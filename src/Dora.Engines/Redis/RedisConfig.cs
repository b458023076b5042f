using System.Globalization;

namespace Dora.Engines.Redis;

/// <summary>Files of the ConfigMaps that Redis pods mount. Passwords are mounted from a Secret and never stand here.</summary>
internal static class RedisConfig
{
    /// <summary>Scripts and configuration: a change of these restarts the pods, unless a running server takes it up.</summary>
    public static IReadOnlyDictionary<string, string> Render(RedisPlan plan)
    {
        var cluster = plan.Mode == RedisMode.Cluster;
        var files = new Dictionary<string, string>
        {
            ["redis.conf"] = Server(plan),
            ["common.sh"] = plan.Names.Encrypted ? Script("common.sh") + Script("common-tls.sh") : Script("common.sh"),
            ["start-redis.sh"] = cluster ? StartCluster(plan) : Script("start-redis.sh"),
            ["ready.sh"] = Script(cluster ? "ready-cluster.sh" : plan.Names.Release.AsksEverySentinel ? "ready.sh" : "ready-2026.11.sh"),
            ["alive.sh"] = Script("alive.sh"),
            ["stop-redis.sh"] = Script(cluster ? "stop-cluster.sh" : "stop-redis.sh"),
        };
        if (plan.Mode == RedisMode.Sentinel)
        {
            files["sentinel.conf"] = Sentinel(plan);
            files["start-sentinel.sh"] = StartSentinel(plan);
        }

        return files;
    }

    /// <summary>
    /// What a pod must know when no Sentinel can be asked (a full outage): how many members there are, whether there ever was
    /// data, and who was master last. Changes of these restart nothing.
    /// </summary>
    public static IReadOnlyDictionary<string, string> Memory(RedisPlan plan, EngineObservation observed)
    {
        var files = new Dictionary<string, string>
        {
            ["members"] = Math.Max(plan.Instances, observed.Workload?.Spec?.Replicas ?? 0).ToString(CultureInfo.InvariantCulture),
            ["quorum"] = plan.Quorum.ToString(CultureInfo.InvariantCulture),
            ["initialized"] = observed.Initialized ? "true" : "false",
        };
        if (observed.Status?.Primary is { } primary)
            files["last-primary"] = primary;
        return files;
    }

    private static string Server(RedisPlan plan)
    {
        List<string> lines =
        [
            .. plan.Names.Encrypted ? RedisTls.Server(plan) : [$"port {RedisPlan.Port}"],
            "dir /data",
            // On the volume: users that are set while the server runs are saved there, see RedisUsers.
            "aclfile /data/users.acl",
            "masteruser replica",
            "appendonly yes",
            "appendfsync everysec",
            "save 900 1 300 10 60 10000",
            $"maxmemory {plan.MaxMemory.ToString(CultureInfo.InvariantCulture)}",
            // Data that a policy evicts is lost data; unless asked otherwise, a full store refuses writes instead.
            $"maxmemory-policy {plan.Policy}",
            "tcp-keepalive 60",
            "repl-diskless-sync-delay 0",
        ];
        if (plan.Mode == RedisMode.Sentinel)
        {
            lines.Add($"min-replicas-to-write {RedisPlan.MinReplicas}");
            lines.Add("min-replicas-max-lag 10");
        }

        if (plan.Mode == RedisMode.Cluster)
            lines.AddRange(Cluster(plan));
        // The last line of a name counts.
        lines.AddRange(RedisParameters.Lines(plan));
        return string.Join('\n', lines) + "\n";
    }

    private static IEnumerable<string> Cluster(RedisPlan plan)
    {
        yield return "cluster-enabled yes";
        // On the volume: a member that restarts is who it was, whatever its address.
        yield return "cluster-config-file nodes.conf";
        yield return "cluster-node-timeout 5000";
        yield return "cluster-preferred-endpoint-type hostname";
        // Who follows whom is decided in one place, the operator.
        yield return "cluster-allow-replica-migration no";
        // A master that is cut off stops by itself after the node timeout. With a single replica, waiting for it would stop
        // writes each time that replica restarts.
        if (plan.ReplicasPerMaster > 1)
        {
            yield return "min-replicas-to-write 1";
            yield return "min-replicas-max-lag 10";
        }
    }

    private static string StartCluster(RedisPlan plan) =>
        plan.Names.Release.KeepsFollowers ? BeforeServer("start-cluster.sh", "exec redis-server", "start-cluster-followed.sh") : Script("start-cluster.sh");

    // Its file lies on the volume and is written once; what concerns TLS is written into it at every start.
    private static string StartSentinel(RedisPlan plan) =>
        plan.Names.Encrypted ? BeforeServer("start-sentinel.sh", "exec redis-sentinel", "sentinel-tls.sh") : Script("start-sentinel.sh");

    // A script with a part of another version's before its last line.
    private static string BeforeServer(string script, string last, string part) => Script(script).Replace(last, $"{Script(part)}{last}", StringComparison.Ordinal);

    private static string Sentinel(RedisPlan plan) => string.Join('\n',
    [
        .. plan.Names.Encrypted ? RedisTls.Sentinel(plan) : [$"port {RedisPlan.SentinelPort}"],
        "dir /tmp",
        "sentinel resolve-hostnames yes",
        "sentinel announce-hostnames yes",
        $"sentinel announce-port {RedisPlan.SentinelPort}",
        $"sentinel monitor {RedisPlan.MasterName} @MASTER@ {RedisPlan.Port} @QUORUM@",
        $"sentinel down-after-milliseconds {RedisPlan.MasterName} 3000",
        $"sentinel failover-timeout {RedisPlan.MasterName} 15000",
        $"sentinel parallel-syncs {RedisPlan.MasterName} 1",
        $"sentinel auth-user {RedisPlan.MasterName} sentinel",
        $"sentinel sentinel-user {RedisPlan.AdminUser}",
        "user default off",
    ]) + "\n";

    /// <summary>A script that is embedded.</summary>
    public static string Script(string name)
    {
        using var stream = typeof(RedisConfig).Assembly.GetManifestResourceStream($"Redis/{name}")
            ?? throw new InvalidOperationException($"script {name} is not embedded");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
