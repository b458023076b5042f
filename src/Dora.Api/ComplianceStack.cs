using System.ComponentModel;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Schema;

namespace Dora.Api;

/// <summary>The desired environment: one resource, several database clusters.</summary>
[Description("A set of database clusters that are run, secured and proven together.")]
[Cel("self.metadata.name.size() <= 40", "metadata.name must be at most 40 characters: names of pods and revisions are derived from it and end at 63", Reason = "FieldValueInvalid")]
[Cel("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')", "metadata.name must start with a letter and hold only lower-case letters, digits and '-': Service names are derived from it")]
public sealed record ComplianceStack(
    ObjectMeta Metadata,
    ComplianceStackSpec Spec,
    ComplianceStackStatus? Status = null,
    [property: MaxLength(64)] string? ApiVersion = StackResource.ApiVersion,
    [property: MaxLength(63)] string? Kind = StackResource.Kind) : IKubeObject;

/// <summary>What is wanted.</summary>
[Cel("!has(self.tls) || !has(self.tls.vault) || has(self.tls.vault.address) || (has(self.credentials) && has(self.credentials.vault))", "tls.vault.address is needed where spec.credentials.vault names no Vault", FieldPath = ".tls.vault.address")]
public sealed record ComplianceStackSpec(
    [property: Description("Sizing and strictness: Development (1 instance), Staging (redundant, reduced), Production (redundant, synchronous, spread over nodes).")]
    Tier Tier,
    [property: Description("The engines wanted. A key present means that engine is wanted."), MaxProperties(16)]
    IReadOnlyDictionary<string, JsonElement> Engines,
    [property: Description("Pins images and pod templates, so that an operator upgrade restarts nothing by itself."), Pattern("^[0-9]{4}\\.[0-9]{2}$"), MaxLength(7)]
    string StackVersion = StackVersions.Newest,
    [property: Description("While true, the operator observes and reports, but changes nothing.")]
    bool Paused = false,
    [property: Description("What becomes of volumes and credentials when the stack or an engine is deleted, and of a member's volume when it is scaled in: Retain keeps them for a stack of the same name, Delete removes them.")]
    DeletionPolicy DeletionPolicy = DeletionPolicy.Retain,
    [property: Description("While true, the API server refuses to delete the stack, where the policy that comes with the operator is installed (Kubernetes 1.30 or later); condition DeletionProtected says whether it is.")]
    bool DeletionProtection = false,
    [property: Description("Where passwords come from.")]
    CredentialSettings? Credentials = null,
    [property: Description("Where the pods of all engines run. A field that an engine's own 'pods' gives takes the place of the one here, lists and maps as a whole; [] and {} there mean none.")]
    PodSettings? Pods = null,
    [property: Description("Who may reach the servers over the network.")]
    NetworkSettings? Network = null,
    [property: Description("How connections are encrypted.")]
    TlsSettings? Tls = null,
    [property: Description("When the operator may begin by itself what can wait.")]
    MaintenanceSettings? Maintenance = null,
    [property: Description("Where backups go, when they are made, and when it is tried whether they can be restored.")]
    BackupSettings? Backup = null);

/// <summary>Sizing and strictness.</summary>
[JsonConverter(typeof(EnumNames<Tier>))]
public enum Tier
{
    /// <summary>One instance of each engine, small.</summary>
    Development,

    /// <summary>Redundant, reduced resources; pods prefer different nodes.</summary>
    Staging,

    /// <summary>Redundant and synchronous; pods require different nodes.</summary>
    Production,
}

/// <summary>What becomes of volumes and credentials.</summary>
[JsonConverter(typeof(EnumNames<DeletionPolicy>))]
public enum DeletionPolicy
{
    /// <summary>They stay, and a stack of the same name finds them again.</summary>
    Retain,

    /// <summary>They go with the stack.</summary>
    Delete,
}

/// <summary>What is observed. Holds no heartbeat: a converged stack costs no writes.</summary>
public sealed record ComplianceStackStatus(
    [property: Description("The generation this status was computed from.")]
    long? ObservedGeneration = null,
    [property: ListMap("type"), MaxItems(32)]
    IReadOnlyList<Condition>? Conditions = null,
    [property: ListMap("name"), MaxItems(16), Description("One entry for each engine.")]
    IReadOnlyList<EngineStatus>? Engines = null,
    [property: ListMap("secretName"), MaxItems(CertificateStatus.MostCertificates), Description("The register of certificates: the authority's, and one for each Secret that servers use.")]
    IReadOnlyList<CertificateStatus>? Certificates = null,
    [property: ListMap("secretName"), MaxItems(RotationStatus.MostRotations), Description("How far the change of each password is; there once one was asked for.")]
    IReadOnlyList<RotationStatus>? Rotations = null,
    [property: Description("What is known of the network around the servers.")]
    NetworkStatus? Network = null,
    [property: Description("What is known of backups; there with spec.backup.")]
    BackupsStatus? Backups = null,
    [property: Description("When the oldest of the engines' newest backups was made.")]
    DateTimeOffset? LastBackup = null,
    [property: Description("When the last restore drill passed.")]
    DateTimeOffset? LastDrill = null)
{
    /// <summary>Longest message of an engine or a condition (characters).</summary>
    public const int LongestMessage = 4096;
}

/// <summary>One engine as observed.</summary>
public sealed record EngineStatus(
    [property: Description("Key under spec.engines."), MaxLength(63)]
    string Name,
    [property: Description("Pending, Creating, Ready, Degraded or Unavailable.")]
    EnginePhase Phase = EnginePhase.Pending,
    [property: Description("Ready of wanted instances, e.g. 3/3."), MaxLength(16)]
    string? Ready = null,
    [property: Description("Version that the servers report."), MaxLength(64)]
    string? Version = null,
    [property: Description("Address for reading and writing."), MaxLength(300)]
    string? Endpoint = null,
    [property: Description("The pod that takes writes, as the engine's own election says. Kept while none does: a full outage must remember it."), MaxLength(253)]
    string? Primary = null,
    [property: Description("True once the engine has served; never cleared. An initialised engine is not created anew over lost data or credentials.")]
    bool? Initialized = null,
    [property: Description("What is missing for Ready."), MaxLength(ComplianceStackStatus.LongestMessage)]
    string? Message = null);

/// <summary>State of an engine in one word.</summary>
[JsonConverter(typeof(EnumNames<EnginePhase>))]
public enum EnginePhase
{
    /// <summary>Nothing runs yet.</summary>
    Pending,

    /// <summary>Coming up for the first time.</summary>
    Creating,

    /// <summary>All instances serve.</summary>
    Ready,

    /// <summary>Serves, but not as asked: an instance is missing or lags.</summary>
    Degraded,

    /// <summary>Served once and does not now.</summary>
    Unavailable,
}

/// <summary>Stack versions this operator knows.</summary>
public static class StackVersions
{
    /// <summary>The first one.</summary>
    public const string V202611 = "2026.11";

    /// <summary>The newest one; the default of new stacks.</summary>
    public const string Newest = "2026.12";

    /// <summary>All of them, oldest first.</summary>
    public static IReadOnlyList<string> All { get; } = [V202611, Newest];
}
