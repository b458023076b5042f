using System.Text.Json.Serialization;

namespace Dora.Engines.InfluxDb.V2;

// The parts of the resources of the v2 API that are set or compared (InfluxDB 2.7 documentation, "InfluxDB v2 API"). What a server
// leaves out is null, and a list that it leaves out is empty.

internal sealed record V2Error(string? Code = null, string? Message = null);

internal sealed record V2Health(string? Status = null, string? Version = null);

internal sealed record V2Setup(bool Allowed = false);

internal sealed record V2Org(string Id, string Name);

internal sealed record V2Orgs(IReadOnlyList<V2Org>? Orgs = null);

internal sealed record V2Bucket(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Id,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? OrgID,
    string Name,
    IReadOnlyList<V2RetentionRule>? RetentionRules = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Type = null);

/// <summary>Seconds; <c>everySeconds</c> 0 keeps for ever.</summary>
internal sealed record V2RetentionRule(string Type, long EverySeconds, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] long ShardGroupDurationSeconds = 0);

internal sealed record V2Buckets(IReadOnlyList<V2Bucket>? Buckets = null);

internal sealed record V2BucketUpdate(IReadOnlyList<V2RetentionRule> RetentionRules);

internal sealed record V2User([property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Id, string Name, string? Status = "active");

/// <summary>Its text form does not hold the password.</summary>
internal sealed record V2Password(string Password)
{
    public override string ToString() => "a password";
}

internal sealed record V2Member(string Id);

internal sealed record V2Users(IReadOnlyList<V2User>? Users = null);

/// <summary>An API token. Its text form names the owner only, so that no log can hold the token.</summary>
internal sealed record V2Authorization(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Id,
    string? OrgID,
    string? UserID,
    string? Description = null,
    IReadOnlyList<V2Permission>? Permissions = null,
    string? Status = "active",
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Token = null)
{
    public override string ToString() => $"authorization {Id} of user {UserID}";
}

internal sealed record V2Permission(string Action, V2Resource Resource);

internal sealed record V2Resource(
    string Type,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Id = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? OrgID = null);

internal sealed record V2Authorizations(IReadOnlyList<V2Authorization>? Authorizations = null);

internal sealed record V2Task([property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Id, string? OrgID, string Flux, string? Status = "active", [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Name = null);

internal sealed record V2Tasks(IReadOnlyList<V2Task>? Tasks = null);

internal sealed record V2TaskUpdate(string Flux, string Status);

/// <summary>A remote server. The token is written and never read back.</summary>
internal sealed record V2Remote(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Id,
    string OrgID,
    string Name,
    string RemoteURL,
    string RemoteOrgID,
    string? Description = null,
    bool AllowInsecureTLS = false,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? RemoteAPIToken = null)
{
    public override string ToString() => $"remote {Name}";
}

internal sealed record V2Remotes(IReadOnlyList<V2Remote>? Remotes = null);

internal sealed record V2Replication(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Id,
    string OrgID,
    string Name,
    string RemoteID,
    string LocalBucketID,
    string? RemoteBucketID,
    long MaxQueueSizeBytes,
    long MaxAgeSeconds,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] long? RemainingBytesToBeSynced = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? LatestResponseCode = null);

internal sealed record V2Replications(IReadOnlyList<V2Replication>? Replications = null);

internal sealed record V2ReplicationUpdate(string RemoteID, string RemoteBucketID, long MaxQueueSizeBytes);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true, MaxDepth = 16)]
[JsonSerializable(typeof(V2Error))]
[JsonSerializable(typeof(V2Health))]
[JsonSerializable(typeof(V2Setup))]
[JsonSerializable(typeof(V2Orgs))]
[JsonSerializable(typeof(V2Buckets))]
[JsonSerializable(typeof(V2BucketUpdate))]
[JsonSerializable(typeof(V2Users))]
[JsonSerializable(typeof(V2Password))]
[JsonSerializable(typeof(V2Member))]
[JsonSerializable(typeof(V2Authorizations))]
[JsonSerializable(typeof(V2Tasks))]
[JsonSerializable(typeof(V2TaskUpdate))]
[JsonSerializable(typeof(V2Remotes))]
[JsonSerializable(typeof(V2Replications))]
[JsonSerializable(typeof(V2ReplicationUpdate))]
internal sealed partial class V2Json : JsonSerializerContext;
