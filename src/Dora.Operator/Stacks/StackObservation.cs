using System.Collections.Frozen;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;

namespace Dora.Operator.Stacks;

/// <summary>All that is known of one stack before deciding. Made by <c>StackObserver</c>, read by <see cref="StackPlanner"/>.</summary>
/// <param name="Stack">The resource.</param>
/// <param name="Live">Objects that carry the stack's labels, volumes included.</param>
/// <param name="Pods">Pods of the stack.</param>
/// <param name="Health">Last probe of each engine.</param>
/// <param name="Credentials">Secrets as last read, by name.</param>
/// <param name="Pending">Desired hashes of applies that the cache has not seen yet.</param>
/// <param name="Unreadable">Kinds that cannot be read, with the reason: nothing is decided about them.</param>
/// <param name="Images">Where images come from.</param>
/// <param name="Capabilities">What the API server serves.</param>
public sealed record StackObservation(
    ComplianceStack Stack,
    IReadOnlyDictionary<ObjectId, LiveObject> Live,
    IReadOnlyList<Pod> Pods,
    IReadOnlyDictionary<string, EngineHealth> Health,
    IReadOnlyDictionary<string, SecretReading> Credentials,
    IReadOnlyDictionary<ObjectId, string> Pending,
    IReadOnlyDictionary<KubeResource, string> Unreadable,
    ImageSource Images,
    ClusterCapabilities Capabilities)
{
    /// <summary>When this was observed; decides whether certificates are due.</summary>
    public DateTimeOffset Now { get; init; }

    /// <summary>Whether deletion is refused; read only for a stack that asks for it.</summary>
    public ProtectionReading Protection { get; init; }

    /// <summary>What the ports of the servers last showed.</summary>
    public IReadOnlyList<Transport.MeasuredPort> Ports { get; init; } = [];

    /// <summary>Whether the API server serves cert-manager's Certificates; asked only for a stack that wants them.</summary>
    public bool CertManager { get; init; }

    /// <summary>Whether the API server serves Istio's PeerAuthentications; asked only for a stack that wants them, or has some.</summary>
    public bool Mesh { get; init; }

    /// <summary>Paths of clients in the spec that are nobody now.</summary>
    public IReadOnlyList<string> IdleClients { get; init; } = [];

    /// <summary>What Vault says of the credential Secrets, by name; empty for a stack without Vault.</summary>
    public IReadOnlyDictionary<string, Credentials.VaultReading> Vault { get; init; } = FrozenDictionary<string, Credentials.VaultReading>.Empty;

    /// <summary>What Vault answered to requests to sign, by Secret, and is not in that Secret yet.</summary>
    internal IReadOnlyDictionary<string, Certificates.VaultSignature> Signed { get; init; } = FrozenDictionary<string, Certificates.VaultSignature>.Empty;

    /// <summary>Logins that Vault's database engine gave, by Secret.</summary>
    internal IReadOnlyDictionary<string, Credentials.Database.LoginReading> Logins { get; init; } = FrozenDictionary<string, Credentials.Database.LoginReading>.Empty;

    /// <summary>Backups of this stack.</summary>
    public IReadOnlyList<ComplianceBackup> Backups { get; init; } = [];

    /// <summary>Restores of its data, or into it.</summary>
    public IReadOnlyList<ComplianceRestore> Restores { get; init; } = [];

    /// <summary>StorageClasses that were read because a claim of theirs shall grow.</summary>
    public IReadOnlyDictionary<string, ClassReading> Classes { get; init; } = FrozenDictionary<string, ClassReading>.Empty;

    /// <summary>Claims that the API server refused to grow not long ago.</summary>
    public IReadOnlyDictionary<string, GrowthRefusal> Refusals { get; init; } = FrozenDictionary<string, GrowthRefusal>.Empty;

    /// <summary>Of a stack in no cluster: everything is missing.</summary>
    public static StackObservation Nowhere(ComplianceStack stack, ImageSource images) => new(
        stack,
        new Dictionary<ObjectId, LiveObject>(),
        [],
        new Dictionary<string, EngineHealth>(),
        new Dictionary<string, SecretReading>(),
        new Dictionary<ObjectId, string>(),
        new Dictionary<KubeResource, string>(),
        images,
        new());
}

/// <summary>Kind and name of an object in the stack's namespace.</summary>
public readonly record struct ObjectId(KubeResource Resource, string Name);

/// <summary>An object as the cache has it.</summary>
/// <param name="Resource">Its kind.</param>
/// <param name="Object">Typed.</param>
/// <param name="Body">As JSON, made when first asked for.</param>
public sealed record LiveObject(KubeResource Resource, IKubeObject Object, Func<JsonObject> Body)
{
    /// <summary>Its metadata.</summary>
    public ObjectMeta Meta => Object.Metadata;
}

/// <summary>Whether the API server refuses to delete protected stacks.</summary>
public enum ProtectionReading
{
    /// <summary>The operator may not look.</summary>
    Unknown,

    /// <summary>The policy is installed and denies.</summary>
    Enforced,

    /// <summary>The API server knows no such policies.</summary>
    NotServed,

    /// <summary>It knows them, and ours is missing or does not deny.</summary>
    NotInstalled,
}

/// <summary>Whether volumes of a StorageClass can grow.</summary>
public enum ClassReading
{
    /// <summary>It cannot be read: the API server decides.</summary>
    Unknown,

    /// <summary>allowVolumeExpansion is true.</summary>
    Expandable,

    /// <summary>It is not.</summary>
    Fixed,
}

/// <summary>What the API server said when a claim was to grow.</summary>
/// <param name="Size">To this size.</param>
/// <param name="Detail">Its words.</param>
public sealed record GrowthRefusal(string Size, string Detail);

/// <summary>A credential Secret as last read.</summary>
public abstract record SecretReading
{
    private SecretReading()
    {
    }

    /// <summary>It exists; decoded values.</summary>
    /// <param name="Fields">Decoded values by key. Never logged.</param>
    /// <param name="Owned">Whether it goes with the stack.</param>
    public sealed record Found(IReadOnlyDictionary<string, string> Fields, bool Owned) : SecretReading
    {
        /// <summary>Its metadata.</summary>
        public ObjectMeta Meta { get; init; } = new();

        /// <summary>The same with another value of one key.</summary>
        public Found With(string key, string value) => this with { Fields = new Dictionary<string, string>(Fields, StringComparer.Ordinal) { [key] = value } };

        /// <inheritdoc/>
        public override string ToString() => "Found";
    }

    /// <summary>The API server says that it does not exist.</summary>
    public sealed record Missing : SecretReading;

    /// <summary>It was not read: it may exist. Never treated as missing.</summary>
    public sealed record Unreadable(string Reason) : SecretReading;

    /// <summary>Nobody asked yet: a new stack. Creating tells.</summary>
    public sealed record Unknown : SecretReading;
}
