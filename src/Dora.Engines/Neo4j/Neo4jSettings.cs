using System.ComponentModel;
using System.Text.Json.Serialization;
using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Schema;

namespace Dora.Engines.Neo4j;

/// <summary>Neo4j, as asked in <c>spec.engines.neo4j</c>.</summary>
[Description("Neo4j: one server of the Community Edition, or a server or cluster of the Enterprise Edition.")]
[Cel("!has(self.edition) || self.edition != 'Enterprise' || has(self.license)", "engines.neo4j.license is required for edition Enterprise: state Commercial or Evaluation to accept Neo4j's licence", Reason = "FieldValueRequired", FieldPath = ".license")]
[Cel("!has(self.instances) || self.instances % 2 == 1", "engines.neo4j.instances must be odd: primaries elect by majority", FieldPath = ".instances")]
[Cel("!has(self.instances) || self.instances == 1 || (has(self.license) && (!has(self.edition) || self.edition == 'Enterprise'))", "engines.neo4j.instances must be 1 in edition Community: only the Enterprise Edition clusters", FieldPath = ".instances")]
[Cel("has(self.edition) == has(oldSelf.edition) && (!has(self.edition) || self.edition == oldSelf.edition)", "engines.neo4j.edition cannot be changed in place; create a new stack and restore into it", Reason = "FieldValueForbidden", FieldPath = ".edition")]
[Cel("!has(self.secondaries) || self.secondaries == 0 || (has(self.license) && (!has(self.edition) || self.edition == 'Enterprise') && (!has(self.instances) || self.instances >= 3))", "engines.neo4j.secondaries needs a cluster: edition Enterprise with a license and at least 3 instances", FieldPath = ".secondaries")]
[Cel("!has(self.databases) || self.databases.all(d, !d.name.startsWith('system'))", "engines.neo4j.databases: names that start with 'system' are Neo4j's own", FieldPath = ".databases")]
[Cel("!has(self.databases) || self.databases.all(d, (!has(d.constraints) || d.constraints.all(c, has(c.label) != has(c.relationship))) && (!has(d.indexes) || d.indexes.all(i, has(i.label) != has(i.relationship))))", "engines.neo4j.databases: each constraint and index needs either label or relationship", FieldPath = ".databases")]
[Cel("!has(self.users) || self.users.all(u, !(u.name in ['neo4j', 'admin', 'app', 'monitor', 'backup']))", "engines.neo4j.users: neo4j, admin, app, monitor and backup are reserved", FieldPath = ".users")]
[Cel("!has(self.roles) || self.roles.all(r, !(r.name in ['admin', 'public', 'app', 'monitor', 'reader', 'editor', 'publisher', 'architect']))", "engines.neo4j.roles: admin, public, app, monitor, reader, editor, publisher and architect are reserved", FieldPath = ".roles")]
[Cel("!has(self.parameters) || self.parameters.all(name, name.startsWith('db.'))", "engines.neo4j.parameters: only settings that start with 'db.' may be given", FieldPath = ".parameters")]
[Cel(StorageSettings.ClassRule, StorageSettings.ClassMessage, Reason = "FieldValueForbidden", FieldPath = ".storage.class")]
public sealed record Neo4jSettings(
    [property: Description("Version of Neo4j.")]
    Neo4jVersion Version = Neo4jVersion.V526,
    [property: Description("Community (one server) or Enterprise. Default: Enterprise in Staging and Production when license is given, else Community. Cannot be changed.")]
    Neo4jEdition? Edition = null,
    [property: Description("Acceptance of the licence of Neo4j Enterprise Edition: Commercial (an agreement with Neo4j exists) or Evaluation. Nothing is accepted without it.")]
    Neo4jLicense? License = null,
    [property: Description("Number of servers that can lead: 1, 3, 5, 7 or 9. Default: 1; 3 for Enterprise in Staging and Production."), Minimum(1), Maximum(9)]
    int? Instances = null,
    [property: Description("Number of further servers that only follow and answer reads; needs at least 3 instances. Default 0."), Minimum(0), Maximum(16)]
    int? Secondaries = null,
    [property: Description("Volume of each member. Default by tier: 2Gi, 20Gi, 100Gi.")]
    StorageSettings? Storage = null,
    [property: Description("CPU and memory of each member; at least 2Gi of memory. Default by tier.")]
    ResourceSettings? Resources = null,
    [property: Description("How memory is divided. Default: by rule from resources.memory.")]
    Neo4jMemorySettings? Memory = null,
    [property: Description("Databases that must exist, with their schema. In edition Community only 'neo4j'. None is ever dropped."), MaxItems(32), ListMap("name")]
    IReadOnlyList<Neo4jDatabase>? Databases = null,
    [property: Description("Roles that must exist (Enterprise)."), MaxItems(32), ListMap("name")]
    IReadOnlyList<Neo4jRole>? Roles = null,
    [property: Description("Users that must exist; the password of each stands in a Secret of its own. None is ever dropped."), MaxItems(32), ListMap("name")]
    IReadOnlyList<Neo4jUser>? Users = null,
    [property: Description("Authentication of people by LDAP beside the native users (Enterprise).")]
    Neo4jLdap? Ldap = null,
    [property: Description("Further settings of neo4j.conf; only those that start with 'db.' are accepted. A change restarts the members."), MaxProperties(32), MaxLength(256)]
    IReadOnlyDictionary<string, string>? Parameters = null,
    [property: Description("Where its pods run and from which image. A field given here takes the place of that of spec.pods.")]
    PodSettings? Pods = null);

/// <summary>Supported versions.</summary>
[JsonConverter(typeof(EnumNames<Neo4jVersion>))]
public enum Neo4jVersion
{
    /// <summary>Neo4j 5.26, long-term support.</summary>
    [JsonStringEnumMemberName("5.26")]
    V526,

    /// <summary>Neo4j 2025.11.</summary>
    [JsonStringEnumMemberName("2025.11")]
    V202511,
}

/// <summary>Editions.</summary>
[JsonConverter(typeof(EnumNames<Neo4jEdition>))]
public enum Neo4jEdition
{
    /// <summary>One server; no cluster, no roles, one database.</summary>
    Community,

    /// <summary>Needs a licence.</summary>
    Enterprise,
}

/// <summary>How the licence of the Enterprise Edition was accepted.</summary>
[JsonConverter(typeof(EnumNames<Neo4jLicense>))]
public enum Neo4jLicense
{
    /// <summary>An agreement with Neo4j exists.</summary>
    Commercial,

    /// <summary>Evaluation, limited in time by Neo4j's terms.</summary>
    Evaluation,
}

/// <summary>Division of a member's memory.</summary>
public sealed record Neo4jMemorySettings(
    [property: Description("Heap of the server, in whole Mi or Gi."), Pattern(ResourceSettings.MemoryPattern), MaxLength(12)]
    string? Heap = null,
    [property: Description("Page cache of the stores, in whole Mi or Gi. Heap, page cache and 1Gi must fit into resources.memory."), Pattern(ResourceSettings.MemoryPattern), MaxLength(12)]
    string? PageCache = null);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(Neo4jSettings))]
internal sealed partial class Neo4jJson : JsonSerializerContext
{
    public static Neo4jJson Wire { get; } = new(new(KubeJson.WireOptions())
    {
        RespectRequiredConstructorParameters = true,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    });
}
