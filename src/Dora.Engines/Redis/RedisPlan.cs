using Dora.Api;
using Dora.Engines.Rendering;

namespace Dora.Engines.Redis;

/// <summary>Settings completed by the tier's defaults: what rendering, probing and commands work from.</summary>
internal sealed record RedisPlan(
    EngineNames Names,
    string Version,
    RedisMode Mode,
    int Instances,
    StorageSettings Storage,
    ResourceSettings Resources,
    PodPlan Pods,
    int Masters = 1,
    int ReplicasPerMaster = 0)
{
    public const int Port = 6379;
    public const int SentinelPort = 26379;
    public const string MasterName = "primary";
    public const int BusPort = 16379;
    public const string MigrateUser = "migrate";

    /// <summary>Replicas that a master must have to take writes: what it would accept alone, a failover would lose.</summary>
    public const int MinReplicas = 1;
    public const string AppUser = "app";
    public const string AdminUser = "admin";

    public static RedisPlan Of(EngineNames names, RedisSettings settings)
    {
        var (mode, size, cpu, memory) = names.Stack.Tier switch
        {
            Tier.Development => (RedisMode.Standalone, "1Gi", "50m", "128Mi"),
            Tier.Staging => (RedisMode.Sentinel, "5Gi", "100m", "512Mi"),
            _ => (RedisMode.Sentinel, "20Gi", "500m", "2Gi"),
        };
        mode = settings.Mode ?? mode;
        var (masters, replicas) = (settings.Masters ?? 3, settings.ReplicasPerMaster ?? 1);
        return new(
            names,
            settings.Version switch { RedisVersion.V70 => "7.0", _ => throw new ArgumentOutOfRangeException(nameof(settings)) },
            mode,
            mode == RedisMode.Cluster ? masters * (1 + replicas) : settings.Instances ?? (mode == RedisMode.Standalone ? 1 : 3),
            new(settings.Storage?.Size ?? size, settings.Storage?.Class),
            ResourceSettings.Complete(settings.Resources, cpu, memory),
            PodPlan.Of(names.Stack, settings.Pods),
            mode == RedisMode.Cluster ? masters : 1,
            mode == RedisMode.Cluster ? replicas : 0)
        {
            Users = RedisUsers.Of(names, settings),
            WithVault = settings.Users?.Any(user => user.Vault is not null) == true,
            Policy = Eviction(settings.MaxmemoryPolicy ?? RedisEviction.None),
            Parameters = settings.Parameters ?? new Dictionary<string, string>(),
        };
    }

    /// <summary>Users that are set while the servers run.</summary>
    public IReadOnlyList<UserPlan> Users { get; init; } = [];

    /// <summary>Whether Vault gives logins, and there are users whom it made.</summary>
    public bool WithVault { get; init; }

    /// <summary>What goes when memory is full, as Redis names it.</summary>
    public string Policy { get; init; } = Eviction(RedisEviction.None);

    /// <summary>Parameters that the spec sets.</summary>
    public IReadOnlyDictionary<string, string> Parameters { get; init; } = new Dictionary<string, string>();

    /// <summary>The same servers without what they take up while they run.</summary>
    public RedisPlan AtStart => this with { Policy = Eviction(RedisEviction.None), Parameters = new Dictionary<string, string>() };

    /// <summary>Sentinels that must agree: a majority of the wanted members.</summary>
    public int Quorum => (Instances / 2) + 1;

    /// <summary>Bytes for data: 60 % of the limit; the rest is for copy-on-write while saving and for replication buffers.</summary>
    public long MaxMemory => (SettingsRules.Mebibytes(Resources.Memory) ?? 128) * 1024 * 1024 * 6 / 10;

    private static string Eviction(RedisEviction policy) => policy switch
    {
        RedisEviction.None => "noeviction",
        RedisEviction.AllKeysLru => "allkeys-lru",
        RedisEviction.AllKeysLfu => "allkeys-lfu",
        RedisEviction.AllKeysRandom => "allkeys-random",
        RedisEviction.VolatileLru => "volatile-lru",
        RedisEviction.VolatileLfu => "volatile-lfu",
        RedisEviction.VolatileRandom => "volatile-random",
        RedisEviction.VolatileTtl => "volatile-ttl",
        _ => throw new ArgumentOutOfRangeException(nameof(policy)),
    };
}
