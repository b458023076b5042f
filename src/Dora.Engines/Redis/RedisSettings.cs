using System.ComponentModel;
using System.Text.Json.Serialization;
using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Schema;

namespace Dora.Engines.Redis;

/// <summary>Redis, as asked in <c>spec.engines.redis</c>.</summary>
[Description("Redis, standalone, kept highly available by Sentinel, or a cluster of several masters.")]
[Cel("!has(self.mode) || !has(self.instances) || self.mode != 'Standalone' || self.instances == 1", "engines.redis.instances must be 1 in mode Standalone; choose mode Sentinel for more", FieldPath = ".instances")]
[Cel("!has(self.mode) || !has(self.instances) || self.mode != 'Sentinel' || (self.instances >= 3 && self.instances % 2 == 1)", "engines.redis.instances must be odd and at least 3 in mode Sentinel: Sentinels elect by majority", FieldPath = ".instances")]
[Cel("!has(self.mode) || self.mode != 'Cluster' || !has(self.instances)", "engines.redis.instances does not apply in mode Cluster; set masters and replicasPerMaster", FieldPath = ".instances")]
[Cel("(has(self.mode) && self.mode == 'Cluster') || !(has(self.masters) || has(self.replicasPerMaster))", "engines.redis.masters and replicasPerMaster need mode Cluster", FieldPath = ".masters")]
[Cel("has(self.mode) == has(oldSelf.mode) && (!has(self.mode) || self.mode == oldSelf.mode)", "engines.redis.mode cannot be changed in place; create a new stack and restore into it", Reason = "FieldValueForbidden", FieldPath = ".mode")]
[Cel("!has(self.users) || self.users.all(u, !(u.name in ['default', 'admin', 'replica', 'sentinel', 'migrate', 'app', 'monitor', 'backup']))", "engines.redis.users: default, admin, replica, sentinel, migrate, app, monitor and backup are reserved", FieldPath = ".users")]
[Cel(StorageSettings.ClassRule, StorageSettings.ClassMessage, Reason = "FieldValueForbidden", FieldPath = ".storage.class")]
public sealed record RedisSettings(
    [property: Description("Version of Redis.")]
    RedisVersion Version = RedisVersion.V70,
    [property: Description("Standalone (one server), Sentinel (one master, replicas, automatic failover) or Cluster (data spread over several masters, each with replicas). Default by tier: Standalone, Sentinel, Sentinel.")]
    RedisMode? Mode = null,
    [property: Description("Number of members in modes Standalone and Sentinel. Default by mode: 1 or 3."), Minimum(1), Maximum(9)]
    int? Instances = null,
    [property: Description("Volume of each member. Default by tier: 1Gi, 5Gi, 20Gi.")]
    StorageSettings? Storage = null,
    [property: Description("CPU and memory of each member; Redis' maxmemory is derived from memory. Default by tier.")]
    ResourceSettings? Resources = null,
    [property: Description("Mode Cluster: members that share the slots; at least 3, since they elect by majority. Default 3. May grow and shrink: slots move while clients write."), Minimum(3), Maximum(30)]
    int? Masters = null,
    [property: Description("Mode Cluster: replicas of each master. Default 1. With 0, the keys of a member that fails are away until it is back."), Minimum(0), Maximum(3)]
    int? ReplicasPerMaster = null,
    [property: Description("Users beside app, monitor and backup; the password of each stands in a Secret of its own. One that is not declared any more is removed. Nothing restarts."), MaxItems(32), ListMap("name")]
    IReadOnlyList<RedisUser>? Users = null,
    [property: Description("What goes when memory is full: nothing, writes are refused (noeviction), or keys, all of them or only those that expire. Default: noeviction; with any other, data that was acknowledged may vanish. Nothing restarts.")]
    RedisEviction? MaxmemoryPolicy = null,
    [property: Description("Parameters of the servers, by name, each value as text, as in redis.conf. They are taken up while the servers run; one that is removed goes back to its default (maxclients at the next start). Those that the operator owns, and dangerous ones, are refused."), MaxProperties(RedisSettings.MostParameters), MaxLength(RedisSettings.LongestValue)]
    IReadOnlyDictionary<string, string>? Parameters = null,
    [property: Description("Where its pods run and from which image. A field given here takes the place of that of spec.pods; fields as of postgres.pods."), DescribedElsewhere]
    PodSettings? Pods = null)
{
    /// <summary>Parameters at most.</summary>
    public const int MostParameters = 64;

    /// <summary>Characters of a value at most.</summary>
    public const int LongestValue = 128;
}

/// <summary>Which keys go when memory is full (Redis documentation, "Key eviction").</summary>
[JsonConverter(typeof(EnumNames<RedisEviction>))]
public enum RedisEviction
{
    /// <summary>None: writes are refused.</summary>
    [JsonStringEnumMemberName("noeviction")]
    None,

    /// <summary>Those used longest ago.</summary>
    [JsonStringEnumMemberName("allkeys-lru")]
    AllKeysLru,

    /// <summary>Those used least.</summary>
    [JsonStringEnumMemberName("allkeys-lfu")]
    AllKeysLfu,

    /// <summary>Any.</summary>
    [JsonStringEnumMemberName("allkeys-random")]
    AllKeysRandom,

    /// <summary>Of those that expire, the ones used longest ago.</summary>
    [JsonStringEnumMemberName("volatile-lru")]
    VolatileLru,

    /// <summary>Of those that expire, the ones used least.</summary>
    [JsonStringEnumMemberName("volatile-lfu")]
    VolatileLfu,

    /// <summary>Of those that expire, any.</summary>
    [JsonStringEnumMemberName("volatile-random")]
    VolatileRandom,

    /// <summary>Of those that expire, the ones that expire next.</summary>
    [JsonStringEnumMemberName("volatile-ttl")]
    VolatileTtl,
}

/// <summary>Supported versions.</summary>
[JsonConverter(typeof(EnumNames<RedisVersion>))]
public enum RedisVersion
{
    /// <summary>Redis 7.0.</summary>
    [JsonStringEnumMemberName("7.0")]
    V70,
}

/// <summary>How Redis runs.</summary>
[JsonConverter(typeof(EnumNames<RedisMode>))]
public enum RedisMode
{
    /// <summary>One server.</summary>
    Standalone,

    /// <summary>One master and replicas; Sentinels beside them elect the master.</summary>
    Sentinel,

    /// <summary>Several masters share the slots; replicas take over by the masters' vote.</summary>
    Cluster,
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true, RespectNullableAnnotations = true, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(RedisSettings))]
internal sealed partial class RedisJson : JsonSerializerContext
{
    public static RedisJson Wire { get; } = new(new(KubeJson.WireOptions()) { UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow });
}
