using System.ComponentModel;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Schema;

namespace Dora.Engines.MongoDb;

/// <summary>MongoDB, as asked in <c>spec.engines.mongodb</c>.</summary>
[Description("MongoDB, as a replica set.")]
[Cel("has(self.arbiter) && self.arbiter ? (!has(self.instances) || self.instances == 2 || self.instances == 4) : (!has(self.instances) || self.instances == 1 || self.instances == 3 || self.instances == 5)", "engines.mongodb.instances must be 1, 3 or 5, or with an arbiter 2 or 4: voters elect by majority, so their number is odd", FieldPath = ".instances")]
[Cel(StorageSettings.ClassRule, StorageSettings.ClassMessage, Reason = "FieldValueForbidden", FieldPath = ".storage.class")]
public sealed record MongoDbSettings(
    [property: Description("Major version of MongoDB. Can be raised, one at a time; never lowered."), Cel("self >= oldSelf", "engines.mongodb.version cannot be lowered: older servers do not read newer data; create a new stack and restore into it", Reason = "FieldValueForbidden")]
    MongoDbVersion Version = MongoDbVersion.V8,
    [property: Description("Members that hold data: 1, 3 or 5; with an arbiter 2 or 4. Default by tier: 1, 3, 3; with an arbiter 2."), Minimum(1), Maximum(5)]
    int? Instances = null,
    [property: Description("Adds a member that votes and holds no data. With 2 data members the default write concern becomes {w: 1}: the loss of one member then stops no writes, but a failover may lose the last ones.")]
    bool Arbiter = false,
    [property: Description("Volume of each data member. Default by tier: 5Gi, 20Gi, 200Gi.")]
    StorageSettings? Storage = null,
    [property: Description("CPU and memory of each data member; WiredTiger's cache is derived from memory, of which 512Mi is the least. Default by tier: 250m and 1Gi, 1 and 4Gi, 4 and 16Gi.")]
    ResourceSettings? Resources = null,
    [property: Description("Databases whose collections and indexes are kept as declared. What is not declared any more stays."), ListMap("name"), MaxItems(16)]
    IReadOnlyList<MongoDbDatabase>? Databases = null,
    [property: Description("Roles in database admin, kept as declared. A role that is not declared any more stays."), ListMap("name"), MaxItems(32)]
    IReadOnlyList<MongoDbRole>? Roles = null,
    [property: Description("Users beside app, monitor and backup, kept as declared, each with its password in Secret <stack>-mongodb-user-<name>. A user that is not declared any more is dropped."), ListMap("name"), MaxItems(32)]
    IReadOnlyList<MongoDbUser>? Users = null,
    [property: Description("Where its pods run and from which image. A field given here takes the place of that of spec.pods; fields as of postgres.pods."), DescribedElsewhere]
    PodSettings? Pods = null);

/// <summary>Supported major versions.</summary>
[JsonConverter(typeof(EnumNames<MongoDbVersion>))]
public enum MongoDbVersion
{
    /// <summary>MongoDB 7.0.</summary>
    [JsonStringEnumMemberName("7.0")]
    V7,

    /// <summary>MongoDB 8.0.</summary>
    [JsonStringEnumMemberName("8.0")]
    V8,
}

/// <summary>A database and its collections.</summary>
public sealed record MongoDbDatabase(
    [property: Description("Name; not admin, local or config."), Pattern(MongoDbNames.DatabasePattern), MaxLength(63)]
    string Name,
    [property: Description("Collections."), ListMap("name"), MaxItems(32)]
    IReadOnlyList<MongoDbCollection>? Collections = null);

/// <summary>A collection, its validation and its indexes.</summary>
public sealed record MongoDbCollection(
    [property: Description("Name."), Pattern(MongoDbNames.CollectionPattern), MaxLength(120)]
    string Name,
    [property: Description("Query that documents must match, usually {$jsonSchema: …}."), PreserveUnknownFields]
    JsonObject? Validator = null,
    [property: Description("Strict: every insert and update is checked. Moderate: updates of documents that did not match before are not. Default: Strict.")]
    MongoDbValidationLevel? ValidationLevel = null,
    [property: Description("Error: what does not match is refused. Warn: it is only logged. Default: Error.")]
    MongoDbValidationAction? ValidationAction = null,
    [property: Description("Indexes beside the one on _id. What is not declared any more stays."), ListMap("name"), MaxItems(16)]
    IReadOnlyList<MongoDbIndex>? Indexes = null);

/// <summary>An index.</summary>
public sealed record MongoDbIndex(
    [property: Description("Name; an index never changes its keys under its name."), Pattern(MongoDbNames.IndexPattern), MaxLength(63)]
    string Name,
    [property: Description("Fields, in order."), MinItems(1), MaxItems(32)]
    IReadOnlyList<MongoDbIndexKey> Keys,
    [property: Description("No two documents share the key.")]
    bool Unique = false,
    [property: Description("Documents without the fields are left out.")]
    bool Sparse = false,
    [property: Description("Removes documents this many seconds after the date in the indexed field."), Minimum(0), Maximum(2147483647)]
    int? ExpireAfterSeconds = null);

/// <summary>A field of an index.</summary>
public sealed record MongoDbIndexKey(
    [property: Description("Field, with dots for fields inside fields."), Pattern(MongoDbNames.FieldPattern), MaxLength(255)]
    string Field,
    [property: Description("Ascending, Descending, Hashed, Text or Sphere (2dsphere).")]
    MongoDbIndexOrder Order = MongoDbIndexOrder.Ascending);

/// <summary>A role in database admin.</summary>
public sealed record MongoDbRole(
    [property: Description("Name; not that of a built-in role."), Pattern(MongoDbNames.RolePattern), MaxLength(63)]
    string Name,
    [property: Description("What it may do. A user may have several roles, so a role contains no others."), MinItems(1), MaxItems(32)]
    IReadOnlyList<MongoDbPrivilege> Privileges);

/// <summary>Actions on a database or collection.</summary>
public sealed record MongoDbPrivilege(
    [property: Description("Database; not admin, local or config."), Pattern(MongoDbNames.DatabasePattern), MaxLength(63)]
    string Database,
    [property: Description("Actions, e.g. find, insert, update, remove."), MinItems(1), MaxItems(64), Pattern("^[a-z][A-Za-z]{1,62}$"), MaxLength(63)]
    IReadOnlyList<string> Actions,
    [property: Description("Collection; all of the database when absent."), Pattern(MongoDbNames.CollectionPattern), MaxLength(120)]
    string? Collection = null);

/// <summary>A user.</summary>
public sealed record MongoDbUser(
    [property: Description("Name; not admin, app, monitor or backup."), Pattern(MongoDbNames.UserPattern), MaxLength(32)]
    string Name,
    [property: Description("Roles."), MinItems(1), MaxItems(16)]
    IReadOnlyList<MongoDbGrant> Roles,
    [property: Description("As of postgres.roles[]; Secret '<stack>-mongodb-vault-<name>'. With dynamicRole 'name' is a role of database admin, for the users that Vault makes."), DescribedElsewhere]
    VaultDatabaseRole? Vault = null);

/// <summary>A role of a database, given to a user.</summary>
public sealed record MongoDbGrant(
    [property: Description("Built-in role of the database, or a declared one of database admin."), Pattern(MongoDbNames.RolePattern), MaxLength(63)]
    string Role,
    [property: Description("Database that defines the role: where it holds, or admin."), Pattern(MongoDbNames.DatabasePattern), MaxLength(63)]
    string Database);

/// <summary>Which documents are validated.</summary>
[JsonConverter(typeof(EnumNames<MongoDbValidationLevel>))]
public enum MongoDbValidationLevel
{
    /// <summary>All.</summary>
    Strict,

    /// <summary>New ones, and old ones that matched.</summary>
    Moderate,
}

/// <summary>What becomes of a document that does not match.</summary>
[JsonConverter(typeof(EnumNames<MongoDbValidationAction>))]
public enum MongoDbValidationAction
{
    /// <summary>It is refused.</summary>
    Error,

    /// <summary>It is written, and logged.</summary>
    Warn,
}

/// <summary>How an index orders a field.</summary>
[JsonConverter(typeof(EnumNames<MongoDbIndexOrder>))]
public enum MongoDbIndexOrder
{
    /// <summary>1.</summary>
    Ascending,

    /// <summary>-1.</summary>
    Descending,

    /// <summary>hashed.</summary>
    Hashed,

    /// <summary>text.</summary>
    Text,

    /// <summary>2dsphere.</summary>
    Sphere,
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true, RespectNullableAnnotations = true, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(MongoDbSettings))]
internal sealed partial class MongoDbJson : JsonSerializerContext
{
    // A field that is required is required here too: an API server checks it, a file that `plan` reads comes past none.
    public static MongoDbJson Wire { get; } = new(new(KubeJson.WireOptions()) { UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, RespectRequiredConstructorParameters = true });
}
