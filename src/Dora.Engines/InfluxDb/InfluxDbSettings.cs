using System.ComponentModel;
using System.Text.Json.Serialization;
using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Schema;

namespace Dora.Engines.InfluxDb;

/// <summary>InfluxDB, as asked in <c>spec.engines.influxdb</c>. The same words mean the same for 1.x and 2.x; <c>version</c> decides what they become.</summary>
[Description("InfluxDB 1.x or 2.x. A database is a database of 1.x and a bucket of 2.x; downsampling is a continuous query of 1.x and a task of 2.x.")]
[Cel("!has(self.version) || !self.version.startsWith('1.') || !has(self.instances) || self.instances == 1", "engines.influxdb.instances must be 1 for version 1.x, which cannot replicate; choose version 2.7 for a second instance", FieldPath = ".instances")]
[Cel("!has(self.version) || !self.version.startsWith('1.') || !has(self.organization)", "engines.influxdb.organization belongs to version 2.x; remove it", FieldPath = ".organization")]
[Cel("!has(self.version) || self.version.startsWith('1.') || !has(self.databases) || self.databases.all(database, !has(database.retentionPolicies))", "engines.influxdb.databases[].retentionPolicies belong to version 1.x; a bucket of 2.x has one retention: declare one database for each", FieldPath = ".databases")]
[Cel("!has(self.version) || self.version.startsWith('1.') || !has(self.users) || self.users.all(user, !has(user.vault))", "engines.influxdb.users[].vault belongs to version 1.x; a server of 2.x issues tokens", FieldPath = ".users")]
[Cel("(has(self.organization) ? self.organization : '') == (has(oldSelf.organization) ? oldSelf.organization : '')", "engines.influxdb.organization cannot be changed: it is made once, at setup; create a new stack and restore into it", Reason = "FieldValueForbidden", FieldPath = ".organization")]
[Cel(StorageSettings.ClassRule, StorageSettings.ClassMessage, Reason = "FieldValueForbidden", FieldPath = ".storage.class")]
public sealed record InfluxDbSettings(
    [property: Description("Version of InfluxDB."), Cel("self == oldSelf", "engines.influxdb.version cannot be changed in place: 1.x and 2.x keep data differently; create a new stack with the new version and restore into it", Reason = "FieldValueForbidden")]
    InfluxDbVersion Version = InfluxDbVersion.V27,
    [property: Description("Number of servers. 1.x: 1. 2.x: 1, or 2 for a second server that is fed by replication streams. Default by tier: 1, 1, and 2 (2.x) or 1 (1.x)."), Minimum(1), Maximum(2)]
    int? Instances = null,
    [property: Description("Volume of each server. Default by tier: 1Gi, 20Gi, 100Gi.")]
    StorageSettings? Storage = null,
    [property: Description("CPU and memory of each server; caches are derived from memory. Default by tier.")]
    ResourceSettings? Resources = null,
    [property: Description("Name of the organisation (2.x). Default: dora."), Pattern(InfluxDbSettings.NamePattern), MaxLength(63)]
    string? Organization = null,
    [property: Description("Databases (1.x) or buckets (2.x). 'app' always exists; name it here to give it a retention. A database that is taken from this list is kept."), ListMap("name"), MaxItems(64)]
    IReadOnlyList<InfluxDbDatabase>? Databases = null,
    [property: Description("Users beside 'app'. Each gets a Secret '<stack>-influxdb-user-<name>': a password (1.x) or a token (2.x). Other grants are another token: read the Secret anew."), ListMap("name"), MaxItems(64)]
    IReadOnlyList<InfluxDbUser>? Users = null,
    [property: Description("Coarser copies of measurements, made by the server: continuous queries (1.x, named 'dora.<name>') or tasks (2.x). What is taken from the list ends."), ListMap("name"), MaxItems(64)]
    IReadOnlyList<InfluxDbDownsampling>? Downsampling = null,
    [property: Description("Where its pods run and from which image. A field given here takes the place of that of spec.pods; fields as of postgres.pods."), DescribedElsewhere]
    PodSettings? Pods = null)
{
    /// <summary>Names of databases, policies, tasks and organisations. A leading '_' is InfluxDB's own.</summary>
    public const string NamePattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$";

    /// <summary>Names of users, which become part of the name of a Secret.</summary>
    public const string UserPattern = "^[a-z]([-a-z0-9]{0,30}[a-z0-9])?$";
}

/// <summary>Supported versions.</summary>
[JsonConverter(typeof(EnumNames<InfluxDbVersion>))]
public enum InfluxDbVersion
{
    /// <summary>InfluxDB 1.6.</summary>
    [JsonStringEnumMemberName("1.6")]
    V16,

    /// <summary>InfluxDB 2.7.</summary>
    [JsonStringEnumMemberName("2.7")]
    V27,
}

/// <summary>A database (1.x) or a bucket (2.x).</summary>
public sealed record InfluxDbDatabase(
    [property: Description("Its name."), Pattern(InfluxDbSettings.NamePattern), MaxLength(63)]
    string Name,
    [property: Description("How long points are kept, e.g. 72h, 30d, 52w, 7y. For ever when absent."), Pattern(InfluxDuration.RetentionPattern), MaxLength(7)]
    string? Retention = null,
    [property: Description("Time that one shard covers. Default by retention: 1h, 1d or 7d."), Pattern(InfluxDuration.RetentionPattern), MaxLength(7)]
    string? ShardDuration = null,
    [property: Description("More retention policies beside the default one, which is named 'autogen' (1.x only)."), ListMap("name"), MaxItems(16)]
    IReadOnlyList<InfluxDbRetentionPolicy>? RetentionPolicies = null);

/// <summary>A retention policy of 1.x.</summary>
public sealed record InfluxDbRetentionPolicy(
    [property: Description("Its name; not 'autogen'."), Pattern(InfluxDbSettings.NamePattern), MaxLength(63)]
    string Name,
    [property: Description("How long points are kept, e.g. 72h, 30d, 52w, 7y. For ever when absent."), Pattern(InfluxDuration.RetentionPattern), MaxLength(7)]
    string? Retention = null,
    [property: Description("Time that one shard covers. Default by retention: 1h, 1d or 7d."), Pattern(InfluxDuration.RetentionPattern), MaxLength(7)]
    string? ShardDuration = null);

/// <summary>A user with the least rights that are asked for.</summary>
[Cel("!has(self.vault) || !has(self.vault.dynamicRole) || self.grants.size() == 0", "with dynamicRole write grants: [], and what its users may do into Vault's creation statements: InfluxDB has no groups", FieldPath = ".grants")]
[Cel("!(self.name in ['admin', 'app', 'monitor', 'backup', 'replication'])", "admin, app, monitor, backup and replication are the operator's own users; choose another name", FieldPath = ".name")]
public sealed record InfluxDbUser(
    [property: Description("Its name."), Pattern(InfluxDbSettings.UserPattern), MaxLength(32)]
    string Name,
    [property: Description("What it may do. An empty list takes everything away: do so before a user of 1.x is taken from the list of users, which alone changes nothing there."), ListMap("database"), MaxItems(64)]
    IReadOnlyList<InfluxDbGrant> Grants,
    [property: Description("As of postgres.roles[] (1.x only); Secret '<stack>-influxdb-vault-<name>'. With dynamicRole grants is [], and Vault's creation statements grant."), DescribedElsewhere]
    VaultDatabaseRole? Vault = null);

/// <summary>What a user may do with one database.</summary>
public sealed record InfluxDbGrant(
    [property: Description("Name of the database."), Pattern(InfluxDbSettings.NamePattern), MaxLength(63)]
    string Database,
    [property: Description("Read, Write or ReadWrite.")]
    InfluxDbAccess Access = InfluxDbAccess.Read);

/// <summary>Kinds of access.</summary>
[JsonConverter(typeof(EnumNames<InfluxDbAccess>))]
public enum InfluxDbAccess
{
    /// <summary>Queries.</summary>
    Read,

    /// <summary>Writes.</summary>
    Write,

    /// <summary>Both.</summary>
    ReadWrite,
}

/// <summary>A coarser copy of a measurement.</summary>
public sealed record InfluxDbDownsampling(
    [property: Description("Its name."), Pattern(InfluxDbSettings.NamePattern), MaxLength(63)]
    string Name,
    [property: Description("Database that is read."), Pattern(InfluxDbSettings.NamePattern), MaxLength(63)]
    string Source,
    [property: Description("Database that is written; points keep their measurement."), Pattern(InfluxDbSettings.NamePattern), MaxLength(63)]
    string Target,
    [property: Description("Length of a window, and how often it is computed, e.g. 5m, 1h, 1d."), Pattern(InfluxDuration.WindowPattern), MaxLength(5)]
    string Every,
    [property: Description("What becomes of the values in a window.")]
    InfluxDbAggregate Function = InfluxDbAggregate.Mean,
    [property: Description("The measurement; all when absent."), Pattern(InfluxDbSettings.NamePattern), MaxLength(63)]
    string? Measurement = null,
    [property: Description("Retention policy that is read (1.x only). Default: autogen."), Pattern(InfluxDbSettings.NamePattern), MaxLength(63)]
    string? SourcePolicy = null,
    [property: Description("Retention policy that is written (1.x only). Default: autogen."), Pattern(InfluxDbSettings.NamePattern), MaxLength(63)]
    string? TargetPolicy = null);

/// <summary>Aggregates that InfluxQL and Flux both know.</summary>
[JsonConverter(typeof(EnumNames<InfluxDbAggregate>))]
public enum InfluxDbAggregate
{
    /// <summary>Arithmetic mean.</summary>
    Mean,

    /// <summary>Smallest value.</summary>
    Min,

    /// <summary>Largest value.</summary>
    Max,

    /// <summary>Sum of the values.</summary>
    Sum,

    /// <summary>Number of values.</summary>
    Count,

    /// <summary>Middle value.</summary>
    Median,

    /// <summary>Oldest value.</summary>
    First,

    /// <summary>Newest value.</summary>
    Last,
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(InfluxDbSettings))]
internal sealed partial class InfluxDbJson : JsonSerializerContext
{
    public static InfluxDbJson Wire { get; } = new(new(KubeJson.WireOptions()) { UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, RespectRequiredConstructorParameters = true });
}
