using System.ComponentModel;
using System.Text.Json.Serialization;
using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Schema;

namespace Dora.Engines.Postgres;

/// <summary>PostgreSQL with Patroni, as asked in <c>spec.engines.postgres</c>.</summary>
[Description("PostgreSQL, kept highly available by Patroni.")]
[Cel(StorageSettings.ClassRule, StorageSettings.ClassMessage, Reason = "FieldValueForbidden", FieldPath = ".storage.class")]
public sealed record PostgresSettings(
    [property: Description("Major version of PostgreSQL; the image of that version must be in the registry the operator is told."), Cel("self == oldSelf", "engines.postgres.version cannot be changed in place: a major upgrade rewrites the data; create a new stack with the new version and restore into it", Reason = "FieldValueForbidden")]
    PostgresVersion Version = PostgresVersion.V15,
    [property: Description("Number of members; one is the primary. Default by tier: 1, 3, 3."), Minimum(1), Maximum(9)]
    int? Instances = null,
    [property: Description("Volume of each member. Default by tier: 1Gi, 20Gi, 100Gi.")]
    StorageSettings? Storage = null,
    [property: Description("CPU and memory of each member. Default by tier.")]
    ResourceSettings? Resources = null,
    [property: Description("Enabled: a commit is acknowledged only when one chosen member has it too. Quorum: when any other member has it, the quickest one; needs an image with Patroni 4. Default by tier: Disabled, Disabled, Enabled.")]
    PostgresSynchronous? Synchronous = null,
    [property: Description("Parameters of the server, by name, each value as text. One that is removed goes back to its default. What needs a restart restarts the members in order. Those that the operator owns, and dangerous ones, are refused."), MaxProperties(PostgresSettings.MostParameters), MaxLength(PostgresSettings.LongestValue)]
    IReadOnlyDictionary<string, string>? Parameters = null,
    [property: Description("Roles beside 'app', 'monitor' and 'backup'. One that is taken from the list keeps what it owns, and can no longer log in."), ListMap("name"), MaxItems(64)]
    IReadOnlyList<PostgresRole>? Roles = null,
    [property: Description("Databases beside 'app'. Only the owner, 'monitor' and 'backup' may connect, and whom the owner lets in. One that is taken from the list is kept."), ListMap("name"), MaxItems(16)]
    IReadOnlyList<PostgresDatabase>? Databases = null,
    [property: Description("PgBouncer in front of the primary, in transaction mode, at Service '<stack>-postgres-pooler'. Default by tier: none, none, 2 instances.")]
    PoolerSettings? Pooler = null,
    [property: Description("Where its pods run and from which image. A field given here takes the place of that of spec.pods; holds for the pooler too, whose program is in the same image.")]
    PodSettings? Pods = null)
{
    /// <summary>Names of parameters; those of extensions have a dot.</summary>
    public const string ParameterPattern = "^[a-z_][a-z0-9_]{0,62}(\\.[a-z_][a-z0-9_]{0,62})?$";

    /// <summary>Parameters at most.</summary>
    public const int MostParameters = 100;

    /// <summary>Characters of a value at most.</summary>
    public const int LongestValue = 256;
}

/// <summary>PgBouncer.</summary>
public sealed record PoolerSettings(
    [property: Description("Number of pods; 0 for none. Default: 2."), Minimum(0), Maximum(9)]
    int Instances = 2,
    [property: Description("Connections to the server of each pod, for each database. Default: 20."), Minimum(1), Maximum(1000)]
    int PoolSize = 20,
    [property: Description("Clients that each pod takes. Default: 1000."), Minimum(1), Maximum(10000)]
    int MaxClients = 1000);

/// <summary>Supported major versions.</summary>
[JsonConverter(typeof(EnumNames<PostgresVersion>))]
public enum PostgresVersion
{
    /// <summary>PostgreSQL 15.</summary>
    [JsonStringEnumMemberName("15")]
    V15 = 15,

    /// <summary>PostgreSQL 16.</summary>
    [JsonStringEnumMemberName("16")]
    V16 = 16,

    /// <summary>PostgreSQL 17.</summary>
    [JsonStringEnumMemberName("17")]
    V17 = 17,

    /// <summary>PostgreSQL 18.</summary>
    [JsonStringEnumMemberName("18")]
    V18 = 18,
}

/// <summary>Synchronous replication. Not named On and Off: YAML 1.1 reads those as booleans.</summary>
[JsonConverter(typeof(EnumNames<PostgresSynchronous>))]
public enum PostgresSynchronous
{
    /// <summary>A commit waits for the primary's disk only.</summary>
    Disabled,

    /// <summary>A commit waits for a second member too.</summary>
    Enabled,

    /// <summary>A commit waits for any second member.</summary>
    Quorum,
}

/// <summary>JSON contract of the settings and of Patroni's REST API.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(PostgresSettings))]
internal sealed partial class PostgresJson : JsonSerializerContext
{
    public static PostgresJson Wire { get; } = new(new(KubeJson.WireOptions()) { UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, RespectRequiredConstructorParameters = true });
}
