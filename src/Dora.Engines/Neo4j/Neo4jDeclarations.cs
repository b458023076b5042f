using System.ComponentModel;
using System.Text.Json.Serialization;
using Dora.Api;
using Dora.Kubernetes.Schema;

namespace Dora.Engines.Neo4j;

/// <summary>A database that must exist.</summary>
public sealed record Neo4jDatabase(
    [property: Description("Name: 3 to 63 lower-case letters, digits and '-', a letter first; not 'system'."), Pattern(Neo4jDatabase.NamePattern), MaxLength(63)]
    string Name,
    [property: Description("Servers that hold it and can lead; odd. Default: instances, at most 3."), Minimum(1), Maximum(9)]
    int? Primaries = null,
    [property: Description("Servers that hold it and only follow. Default 0."), Minimum(0), Maximum(16)]
    int? Secondaries = null,
    [property: Description("Constraints that must exist. None is ever dropped."), MaxItems(64), ListMap("name")]
    IReadOnlyList<Neo4jConstraint>? Constraints = null,
    [property: Description("Indexes that must exist. None is ever dropped."), MaxItems(64), ListMap("name")]
    IReadOnlyList<Neo4jIndex>? Indexes = null)
{
    /// <summary>What a name looks like; dots are left out because they name constituents of composite databases.</summary>
    public const string NamePattern = "^[a-z][a-z0-9-]{2,62}$";
}

/// <summary>A constraint on nodes of a label or relationships of a type.</summary>
public sealed record Neo4jConstraint(
    [property: Description("Name, unique within the database."), Pattern(Neo4jConstraint.NamePattern), MaxLength(63)]
    string Name,
    [property: Description("Properties it speaks of, in order."), MinItems(1), MaxItems(8), Pattern(Neo4jConstraint.NamePattern), MaxLength(63)]
    IReadOnlyList<string> Properties,
    [property: Description("Label of the nodes."), Pattern(Neo4jConstraint.NamePattern), MaxLength(63)]
    string? Label = null,
    [property: Description("Type of the relationships."), Pattern(Neo4jConstraint.NamePattern), MaxLength(63)]
    string? Relationship = null,
    [property: Description("Unique; in edition Enterprise also Exists (one property) and Key.")]
    Neo4jConstraintType Type = Neo4jConstraintType.Unique)
{
    /// <summary>What names of constraints, labels, types and properties look like.</summary>
    public const string NamePattern = "^[A-Za-z][A-Za-z0-9_]*$";
}

/// <summary>Kinds of constraints.</summary>
[JsonConverter(typeof(EnumNames<Neo4jConstraintType>))]
public enum Neo4jConstraintType
{
    /// <summary>No two have the same values.</summary>
    Unique,

    /// <summary>Each has the property (Enterprise).</summary>
    Exists,

    /// <summary>Both (Enterprise).</summary>
    Key,
}

/// <summary>An index on nodes of a label or relationships of a type.</summary>
public sealed record Neo4jIndex(
    [property: Description("Name, unique within the database."), Pattern(Neo4jConstraint.NamePattern), MaxLength(63)]
    string Name,
    [property: Description("Properties, in order; Text and Point take one."), MinItems(1), MaxItems(8), Pattern(Neo4jConstraint.NamePattern), MaxLength(63)]
    IReadOnlyList<string> Properties,
    [property: Description("Label of the nodes."), Pattern(Neo4jConstraint.NamePattern), MaxLength(63)]
    string? Label = null,
    [property: Description("Type of the relationships."), Pattern(Neo4jConstraint.NamePattern), MaxLength(63)]
    string? Relationship = null,
    [property: Description("Range, Text, Point or FullText.")]
    Neo4jIndexType Type = Neo4jIndexType.Range);

/// <summary>Kinds of indexes.</summary>
[JsonConverter(typeof(EnumNames<Neo4jIndexType>))]
public enum Neo4jIndexType
{
    /// <summary>Equality, ranges, order.</summary>
    Range,

    /// <summary>Parts of strings.</summary>
    Text,

    /// <summary>Distances and boxes.</summary>
    Point,

    /// <summary>Words in texts.</summary>
    FullText,
}

/// <summary>A role that must exist, with rights on whole databases.</summary>
public sealed record Neo4jRole(
    [property: Description("Name: lower-case letters, digits and '-', a letter first; none of the built-in ones."), Pattern(Neo4jRole.NamePattern), MaxLength(31)]
    string Name,
    [property: Description("What it may do where."), MaxItems(32), ListMap("database")]
    IReadOnlyList<Neo4jGrant> Grants)
{
    /// <summary>What names of roles and users look like.</summary>
    public const string NamePattern = "^[a-z]([a-z0-9-]{0,29}[a-z0-9])?$";
}

/// <summary>A right on one database.</summary>
public sealed record Neo4jGrant(
    [property: Description("Name of the database."), Pattern(Neo4jDatabase.NamePattern), MaxLength(63)]
    string Database,
    [property: Description("Read; Write (also reads); Schema (also writes, manages indexes and constraints).")]
    Neo4jAccess Access = Neo4jAccess.Read);

/// <summary>Rights on a database; each holds those before it.</summary>
[JsonConverter(typeof(EnumNames<Neo4jAccess>))]
public enum Neo4jAccess
{
    /// <summary>Reads everything.</summary>
    Read,

    /// <summary>Writes everything, with new labels, types and property names.</summary>
    Write,

    /// <summary>Manages indexes and constraints.</summary>
    Schema,
}

/// <summary>A user that must exist.</summary>
public sealed record Neo4jUser(
    [property: Description("Name: lower-case letters, digits and '-', a letter first; not 'neo4j', 'admin', 'app', 'monitor' or 'backup'."), Pattern(Neo4jRole.NamePattern), MaxLength(31)]
    string Name,
    [property: Description("Declared roles, or reader, editor, publisher, architect (Enterprise)."), MaxItems(16), Pattern(Neo4jRole.NamePattern), MaxLength(31)]
    IReadOnlyList<string>? Roles = null);

/// <summary>LDAP beside the native users.</summary>
[Cel("!has(self.systemAccount) || has(self.userSearchBase)", "engines.neo4j.ldap.userSearchBase is required with systemAccount: it searches for the user", Reason = "FieldValueRequired", FieldPath = ".userSearchBase")]
public sealed record Neo4jLdap(
    [property: Description("Address of the directory, ldap://host:port or ldaps://host:port."), Pattern(Neo4jLdap.HostPattern), MaxLength(253)]
    string Host,
    [property: Description("DN that logs in, with {0} in place of the user name."), MaxLength(512)]
    string? UserDnTemplate = null,
    [property: Description("Encrypts an ldap:// connection before a password is sent. Needed unless the address is ldaps://.")]
    bool StartTls = true,
    [property: Description("Where users are searched."), MaxLength(512)]
    string? UserSearchBase = null,
    [property: Description("How a user is found, with {0} in place of the user name. Default (&(objectClass=*)(uid={0}))."), MaxLength(512)]
    string? UserSearchFilter = null,
    [property: Description("Attributes of the user that name groups. Default memberOf."), MaxItems(8), Pattern("^[A-Za-z][A-Za-z0-9-]*$"), MaxLength(63)]
    IReadOnlyList<string>? GroupMembershipAttributes = null,
    [property: Description("Roles of each group's DN."), MaxItems(64), ListMap("group")]
    IReadOnlyList<Neo4jLdapGroup>? Groups = null,
    [property: Description("Account that reads users and groups; absent: each user reads their own entry.")]
    Neo4jLdapAccount? SystemAccount = null)
{
    /// <summary>What an address looks like.</summary>
    public const string HostPattern = "^ldaps?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$";
}

/// <summary>Roles of a group.</summary>
public sealed record Neo4jLdapGroup(
    [property: Description("DN of the group."), MaxLength(512)]
    string Group,
    [property: Description("Declared roles, or reader, editor, publisher, architect, admin."), MinItems(1), MaxItems(16), Pattern(Neo4jRole.NamePattern), MaxLength(31)]
    IReadOnlyList<string> Roles);

/// <summary>The account that reads the directory.</summary>
public sealed record Neo4jLdapAccount(
    [property: Description("Its DN."), MaxLength(512)]
    string Username,
    [property: Description("Secret of this namespace that holds its password under the key 'password'."), Pattern("^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), MaxLength(253)]
    string PasswordSecret);
