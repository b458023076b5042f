using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;

namespace Dora.Operator.Stacks;

/// <summary>What shall be done to one stack now: a closed set of steps, and what cannot be done.</summary>
/// <param name="Steps">In order.</param>
/// <param name="Violations">What in the spec cannot be done; what runs keeps running.</param>
/// <param name="Engines">The engines wanted and bound, in order of the catalogue.</param>
public sealed record StackPlan(
    IReadOnlyList<PlanStep> Steps,
    IReadOnlyList<Violation> Violations,
    IReadOnlyList<BoundEngine> Engines)
{
    /// <summary>Volumes that are not as large as asked; everything else goes on.</summary>
    public IReadOnlyList<VolumeProblem> Volumes { get; init; } = [];

    /// <summary>The servers' certificates.</summary>
    internal Certificates.CertificatePlan Certificates { get; init; } = Operator.Certificates.CertificatePlan.None;

    /// <summary>Steps of the change of passwords; taken last, when what else a pass does is done.</summary>
    internal IReadOnlyList<Credentials.Rotation.PlannedRotation> Rotations { get; init; } = [];

    /// <summary>NetworkPolicies, and whether the network is tried; null where the spec as a whole is not carried out.</summary>
    internal Network.NetworkPlan? Network { get; init; }

    /// <summary>When backups and drills run next.</summary>
    public IReadOnlyList<ScheduleStatus> Schedules { get; init; } = [];

    /// <summary>How the bucket was looked through for backups.</summary>
    public IReadOnlyList<BackupSearch> Searches { get; init; } = [];

    /// <summary>What Vault must be asked about logins; mostly nothing.</summary>
    internal IReadOnlyList<Credentials.Database.LoginQuestion> Questions { get; init; } = [];

    /// <summary>Certificates that another must sign before they can be written; mostly none.</summary>
    internal IReadOnlyList<PlanStep.WriteCertificate> Unsigned { get; init; } = [];

    /// <summary>StorageClasses that must be read before it can be decided whether claims grow; mostly none.</summary>
    public IReadOnlyList<string> Unread { get; init; } = [];
}

/// <summary>An engine bound to a stack.</summary>
/// <param name="Engine">The catalogue's entry.</param>
/// <param name="Cluster">Bound to the stack's settings.</param>
/// <param name="Observed">What was known when planning.</param>
public sealed record BoundEngine(IEngine Engine, IEngineCluster Cluster, EngineObservation Observed);

/// <summary>One step of a plan.</summary>
public abstract record PlanStep
{
    private PlanStep()
    {
    }

    /// <summary>Server-side apply of an object that differs from what is wanted, or is missing.</summary>
    /// <param name="Manifest">The object, with the hash annotation.</param>
    /// <param name="Hash">Hash of the desired object.</param>
    /// <param name="Change">Why.</param>
    /// <param name="ListRepair">A merge patch to send first, for lists that apply alone cannot mend; or null.</param>
    public sealed record Apply(Manifest Manifest, string Hash, ObjectChangeKind Change, System.Text.Json.Nodes.JsonObject? ListRepair = null) : PlanStep;

    /// <summary>Removal of an object of ours that is not wanted any more.</summary>
    public sealed record Prune(KubeResource Resource, string Name, string Uid) : PlanStep;

    /// <summary>Creation of a Secret that does not exist, with generated passwords.</summary>
    /// <param name="Engine">The engine it belongs to.</param>
    /// <param name="Request">Its keys.</param>
    /// <param name="Owned">Whether it goes with the stack.</param>
    public sealed record CreateCredential(string Engine, CredentialRequest Request, bool Owned) : PlanStep
    {
        /// <summary>Roles whose users may have other names than the first ones'.</summary>
        public IReadOnlyList<RotatingRole> Roles { get; init; } = [];
    }

    /// <summary>Adding keys to an existing Secret that follow from those it has: an earlier operator did not know them.</summary>
    /// <param name="Engine">The engine it belongs to.</param>
    /// <param name="Request">Its keys.</param>
    public sealed record CompleteCredential(string Engine, CredentialRequest Request) : PlanStep;

    /// <summary>Writing of the Secret of the stack's own certificate authority.</summary>
    /// <param name="SecretName">Name of the Secret.</param>
    /// <param name="Change">What becomes of it.</param>
    /// <param name="Generation">Which authority of the stack it is then, counted from 1.</param>
    /// <param name="Older">Older roots, PEM, that are believed beside it.</param>
    /// <param name="Asked">The value of <see cref="Labels.RotateAuthority"/> that it answers, or null.</param>
    /// <param name="ResourceVersion">The state of the Secret that this was decided on; null for a new one.</param>
    /// <param name="Owned">Whether a new one goes with the stack.</param>
    /// <param name="Reason">Why, for people.</param>
    public sealed record WriteAuthority(
        string SecretName,
        AuthorityChange Change,
        int Generation,
        IReadOnlyList<string> Older,
        string? Asked,
        string? ResourceVersion,
        bool Owned,
        string Reason) : PlanStep
    {
        /// <summary>The root of an authority whose key is elsewhere; null: one is made, with its key.</summary>
        internal Certificates.Root? Root { get; init; }
    }

    /// <summary>Writing of the Secret of a server's certificate.</summary>
    /// <param name="Engine">The engine whose servers use it.</param>
    /// <param name="Request">What it shall prove.</param>
    /// <param name="Change">What becomes of it.</param>
    /// <param name="Generation">The authority that this was decided for.</param>
    /// <param name="ResourceVersion">The state of the Secret that this was decided on; null for a new one.</param>
    /// <param name="Reason">Why, for people.</param>
    /// <param name="Asked">The value of <see cref="Labels.RenewCertificates"/> that a new certificate answers, or null.</param>
    public sealed record WriteCertificate(
        string Engine,
        CertificateRequest Request,
        CertificateChange Change,
        int Generation,
        string? ResourceVersion,
        string Reason,
        string? Asked = null) : PlanStep
    {
        /// <summary>The certificate, where another than the stack's own authority signed it.</summary>
        internal Certificates.VaultSignature.Found? Signed { get; init; }
    }

    /// <summary>Writing the passwords of an existing Secret to Vault, which has none: the stack just came to use it.</summary>
    /// <param name="Engine">The engine it belongs to.</param>
    /// <param name="Request">Its keys.</param>
    public sealed record AdoptCredential(string Engine, CredentialRequest Request) : PlanStep;

    /// <summary>Writing of the Secret of a login that Vault gives.</summary>
    /// <param name="Engine">The engine that it opens.</param>
    /// <param name="SecretName">Name of the Secret.</param>
    /// <param name="ResourceVersion">The state of the Secret that this was decided on; null for a new one.</param>
    /// <param name="Reason">Why, for people.</param>
    public sealed record WriteLogin(string Engine, string SecretName, string? ResourceVersion, string Reason) : PlanStep
    {
        /// <summary>What is written. Never logged.</summary>
        internal Credentials.SecretContent Content { get; init; } = new(new Dictionary<string, string?>(), new Dictionary<string, string?>());
    }

    /// <summary>Growth of an existing claim.</summary>
    /// <param name="Name">Name of the claim.</param>
    /// <param name="Size">What it shall ask for.</param>
    /// <param name="Class">Its StorageClass, or null.</param>
    public sealed record GrowClaim(string Name, string Size, string? Class) : PlanStep;

    /// <summary>Setting or removing the stack as owner of an object that was not rendered by us, by deletion policy.</summary>
    public sealed record SetOwner(KubeResource Resource, string Name, bool Owned) : PlanStep;

    /// <summary>Setting the role label of a pod.</summary>
    public sealed record LabelRole(string Pod, string Role) : PlanStep;

    /// <summary>Deletion of a member's pod, which its StatefulSet makes anew as the spec asks now.</summary>
    public sealed record RestartMember(string Engine, string Pod, string Uid, string Reason) : PlanStep;

    /// <summary>Creation of a Job that tries the network; its name says which try it is.</summary>
    public sealed record RunProbe(Job Job) : PlanStep;

    /// <summary>Removal of such a Job, whose findings are kept or not wanted.</summary>
    public sealed record EndProbe(string Name, string Uid) : PlanStep;

    /// <summary>Creation of a backup or a drill whose time has come; its name says which time.</summary>
    public sealed record BeginRun(IKubeObject Run) : PlanStep;

    /// <summary>Creation of a Job that looks for backups, and of what it mounts; its name says which search it is.</summary>
    public sealed record RunSearch(ConfigMap Files, Job Job) : PlanStep;

    /// <summary>Writing of what became of a backup, or of what was found.</summary>
    public sealed record RecordBackup(ComplianceBackup Backup, ComplianceBackupStatus Status) : PlanStep;

    /// <summary>Removal of what is done with: a Job whose findings are kept, the old record of a backup that is gone.</summary>
    public sealed record Discard(KubeResource Resource, string Name, string Uid) : PlanStep;

    /// <summary>Saying something to the servers.</summary>
    public sealed record Command(string Engine, EngineCommand What) : PlanStep;
}

/// <summary>What becomes of an authority.</summary>
public enum AuthorityChange
{
    /// <summary>It is made.</summary>
    Create,

    /// <summary>A new root takes the place of the one that signs.</summary>
    Renew,

    /// <summary>Only the older roots that are believed change.</summary>
    Older,
}

/// <summary>What becomes of a server's certificate.</summary>
public enum CertificateChange
{
    /// <summary>It is made, with its Secret.</summary>
    Create,

    /// <summary>It is made anew, with another key.</summary>
    Issue,

    /// <summary>It stays; only the roots that the server believes change.</summary>
    Trust,
}

/// <summary>Why an object is applied.</summary>
public enum ObjectChangeKind
{
    /// <summary>It does not exist.</summary>
    Missing,

    /// <summary>The wish changed.</summary>
    Changed,

    /// <summary>Somebody else changed it.</summary>
    Drifted,
}
