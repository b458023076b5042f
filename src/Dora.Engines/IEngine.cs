using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dora.Api;
using Dora.Engines.Backups;
using Dora.Kubernetes.Model;

namespace Dora.Engines;

/// <summary>A kind of database: one entry of the <see cref="EngineCatalogue"/>.</summary>
public interface IEngine
{
    /// <summary>Key under <c>spec.engines</c>, label value, suffix of object names.</summary>
    string Name { get; }

    /// <summary>Type of the stack condition that reports this engine, e.g. <c>PostgresReady</c>.</summary>
    string ConditionType { get; }

    /// <summary>The JSON contract of the settings; the CRD's schema is made from it.</summary>
    JsonTypeInfo SettingsType { get; }

    /// <summary>Rules that the engine's Roles hold. The operator must hold them too: nobody may grant what they do not have.</summary>
    IReadOnlyList<PolicyRule> Grants => [];

    /// <summary>Reads the settings of one stack. Throws <see cref="JsonException"/> with a path when they do not fit the contract.</summary>
    IEngineCluster Bind(StackContext stack, JsonElement settings);
}

/// <summary>One engine of one stack: its settings bound to the stack's context. Everything but probing and commands is pure.</summary>
public interface IEngineCluster
{
    /// <summary>Instances wanted.</summary>
    int Instances { get; }

    /// <summary>Address for reading and writing, <c>host:port</c>.</summary>
    string Endpoint { get; }

    /// <summary>Name of the StatefulSet that runs the members.</summary>
    string WorkloadName { get; }

    /// <summary>What in the settings cannot be done; empty when all can. Also checks what CEL checks: an old API server may not.</summary>
    IReadOnlyList<Violation> Validate(EngineObservation observed);

    /// <summary>Secrets that must exist before the workload.</summary>
    IReadOnlyList<CredentialRequest> Credentials();

    /// <summary>Certificates that must exist before the workload; none where the stack's version encrypts nothing.</summary>
    IReadOnlyList<CertificateRequest> Certificates => [];

    /// <summary>Whether members that speak TLS and members that do not can work together while the one kind takes the place of the other.</summary>
    bool MixesTransport => true;

    /// <summary>Ports that speak TLS, and how a renewed certificate gets there.</summary>
    IReadOnlyList<TlsEndpoint> Endpoints => [];

    /// <summary>Ports that are dangerous in the hands of others, whether or not a server listens there: nobody outside may ever reach them.</summary>
    IReadOnlyList<int> Guarded => [];

    /// <summary>Every object of the engine, in the order of creation, the workload last.</summary>
    IReadOnlyList<Manifest> Render(EngineObservation observed);

    /// <summary>Names of ConfigMaps that the engine itself creates at run time (an election's state).</summary>
    IReadOnlyList<string> RuntimeConfigMaps { get; }

    /// <summary>Whether pods carry the role label by the operator's hand (Patroni labels its own).</summary>
    bool OperatorLabelsRoles { get; }

    /// <summary>Whether <see cref="Commands"/> moves the primary when <see cref="Rendering.PrimaryMove"/> gives a reason.</summary>
    bool MovesPrimary { get; }

    /// <summary>Names of the Deployments that serve beside the members; the engine is not as asked while they are not.</summary>
    IReadOnlyList<string> Companions => [];

    /// <summary>Value of the engine's label on pods through which clients log in, such as a pooler's; null: clients come to the members themselves.</summary>
    string? Doors => null;

    /// <summary>Asks every member how it is. Never throws for a member that does not answer: that is a finding.</summary>
    Task<EngineHealth> ProbeAsync(EngineTarget target, CancellationToken cancellationToken);

    /// <summary>Whether members announce by themselves what no Kubernetes object shows, such as another primary.</summary>
    bool Announces => false;

    /// <summary>Calls back at each announcement of one member, until cancelled; ends with an exception when the connection does.</summary>
    Task ListenAsync(MemberPod member, EngineTarget target, Action announced, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>What to say to the servers next, from what they last answered.</summary>
    IReadOnlyList<EngineCommand> Commands(EngineObservation observed);

    /// <summary>Says one command. Idempotent; throws when the server refuses.</summary>
    Task ExecuteAsync(EngineCommand command, EngineTarget target, CancellationToken cancellationToken);

    /// <summary>Ways to back this cluster up, the usual one first; none where it cannot be as it is set up.</summary>
    IReadOnlyList<BackupTool> Backups => [];

    /// <summary>Why there is no way to back this cluster up, and what would change that; null where there is one.</summary>
    string? BackupProblem => null;

    /// <summary>Whether, after a restore, the first member must have become the primary before the others start: one with an empty volume might begin a cluster of its own.</summary>
    bool FirstMemberAlone => false;

    /// <summary>Passwords that change while servers run.</summary>
    IReadOnlyList<RotatingRole> Rotating => [];

    /// <summary>Logins that Vault's database engine gives; no server mounts their Secrets, and no server is told their passwords.</summary>
    IReadOnlyList<VaultLogin> VaultLogins => [];

    /// <summary>Passwords that do not.</summary>
    IReadOnlyList<StaticRole> Static => [];

    /// <summary>Has every member accept just these logins of a role; none that is not named. Idempotent; throws when one does not take it.</summary>
    Task AcceptAsync(RotatingRole role, IReadOnlyList<Login> logins, EngineTarget target, CancellationToken cancellationToken) =>
        throw new NotSupportedException($"{GetType().Name} rotates nothing");

    /// <summary>Logs in to every member that takes logins, as an application would. Never throws for a member that does not answer.</summary>
    Task<IReadOnlyList<LoginFinding>> LogInAsync(RotatingRole role, Login login, EngineTarget target, CancellationToken cancellationToken) =>
        throw new NotSupportedException($"{GetType().Name} rotates nothing");
}

/// <summary>What rendering may know of the stack and the cluster it lives in.</summary>
/// <param name="Namespace">Namespace of the stack.</param>
/// <param name="Name">Name of the stack.</param>
/// <param name="Uid">UID of the stack; empty when planning without a cluster.</param>
/// <param name="Tier">Sizing and strictness.</param>
/// <param name="StackVersion">Pins images and pod templates.</param>
/// <param name="DeletionPolicy">What becomes of volumes.</param>
/// <param name="Images">Where images come from.</param>
/// <param name="Capabilities">What the API server serves.</param>
/// <param name="Pods">Where the pods of all engines run, or null.</param>
/// <param name="Network">Who may reach the servers, or null for the defaults.</param>
/// <param name="Tls">How connections are encrypted; null: not at all, where only a part of a stack is rendered.</param>
public sealed record StackContext(
    string Namespace,
    string Name,
    string Uid,
    Tier Tier,
    string StackVersion,
    DeletionPolicy DeletionPolicy,
    ImageSource Images,
    ClusterCapabilities Capabilities,
    PodSettings? Pods = null,
    NetworkSettings? Network = null,
    TlsSettings? Tls = null)
{
    /// <summary>Where backups go, or null.</summary>
    public BackupSettings? Backup { get; init; }

    /// <summary>Engines whose members may restart all at once.</summary>
    public IReadOnlySet<string> RestartTogether { get; init; } = System.Collections.Frozen.FrozenSet<string>.Empty;
}

/// <summary>What the API server serves, where it differs between supported versions.</summary>
/// <param name="PolicyV1">policy/v1 (Kubernetes 1.21 on).</param>
public sealed record ClusterCapabilities(bool PolicyV1 = true);

/// <summary>Where images come from.</summary>
/// <param name="Repository">Registry and path in front of the engine's name.</param>
/// <param name="PullPolicy">Kubernetes' imagePullPolicy.</param>
public sealed record ImageSource(string Repository = "docker.io/dora", string PullPolicy = "IfNotPresent")
{
    /// <summary>The image of an engine at a version.</summary>
    public string Of(string engine, string version) => $"{Repository}/{engine}:{version}";

    /// <summary>The image of what works beside databases.</summary>
    public string Agent => Of("agent", "dev");
}

/// <summary>What is known of one engine before deciding.</summary>
/// <param name="Status">What the stack's status says of it, or null.</param>
/// <param name="Health">The last probe's findings, or null before the first.</param>
/// <param name="Workload">The live StatefulSet, or null.</param>
/// <param name="Claims">Live claims of the engine.</param>
/// <param name="Rolling">How far a change has gone through the members; null: no change is under way.</param>
/// <param name="Deployments">Live Deployments of the engine.</param>
/// <param name="Members">Live pods of the members.</param>
public sealed record EngineObservation(
    EngineStatus? Status = null,
    EngineHealth? Health = null,
    StatefulSet? Workload = null,
    IReadOnlyList<PersistentVolumeClaim>? Claims = null,
    RollingChange? Rolling = null,
    IReadOnlyList<Deployment>? Deployments = null,
    IReadOnlyList<MemberPod>? Members = null)
{
    /// <summary>
    /// Whether there is, or was, data: the engine has served, or volumes stood before the workload did (a stack created again).
    /// </summary>
    public bool Initialized => Status?.Initialized == true || (Workload is null && Claims is { Count: > 0 });

    /// <summary>Whether part of the primary's pod starts anew next, and another member can take its place before: the pod serves nobody meanwhile.</summary>
    public bool InterruptsPrimary { get; init; }

    /// <summary>The restore for which the members must not run now, or null.</summary>
    public string? HeldBy { get; init; }

    /// <summary>Whether a restore has just laid down its data, and the members start with it.</summary>
    public bool Restored { get; init; }

    /// <summary>Nothing is known: a new stack, or planning without a cluster.</summary>
    public static EngineObservation None { get; } = new();
}

/// <summary>A Secret that must exist. It is created once; afterwards only what a server issues is written into it.</summary>
/// <param name="SecretName">Name of the Secret.</param>
/// <param name="Fields">Its keys.</param>
/// <param name="Renewable">
/// A lost one may be made again while there is data, because a command tells the servers the new password. Without this, a Secret
/// that is missing beside data stalls the stack.
/// </param>
public sealed record CredentialRequest(string SecretName, IReadOnlyList<CredentialField> Fields, bool Renewable = false)
{
    /// <summary>Key of the name of the Secret's only user.</summary>
    public const string Username = "username";

    /// <summary>How keys of names end, in a Secret of several users.</summary>
    public const string UsernameSuffix = "-username";

    /// <summary>Fields that name a user. Their values are those of the first users; a rotation may put a second one's there.</summary>
    public IEnumerable<CredentialField> Usernames => Fields.Where(entry => entry.Value is not null && (entry.Key == Username || entry.Key.EndsWith(UsernameSuffix, StringComparison.Ordinal)));
}

/// <summary>How values stand in a text that is made of them.</summary>
public enum CredentialQuoting
{
    /// <summary>As they are.</summary>
    None,

    /// <summary>As a part of a URI (RFC 3986, percent-encoded).</summary>
    Uri,

    /// <summary>Inside double quotes in JSON, or in YAML, which takes the same.</summary>
    Json,

    /// <summary>Inside double quotes that are doubled where they are meant (PgBouncer, "Authentication file format").</summary>
    Doubled,
}

/// <summary>One key of a credential Secret.</summary>
/// <param name="Key">Key in the Secret.</param>
/// <param name="Value">A fixed value, in which <c>{KEY}</c> stands for the value of another key, such as <c>{password}</c>; null for a generated password.</param>
/// <param name="Issued">Made by the server, e.g. a token: absent until a command puts it there by <see cref="EngineTarget.Keep"/>.</param>
/// <param name="Quoting">How values of other keys stand in it.</param>
public sealed record CredentialField(string Key, string? Value = null, bool Issued = false, CredentialQuoting Quoting = CredentialQuoting.None);

/// <summary>Whom to probe, and with what.</summary>
/// <param name="Members">Live pods of the engine.</param>
/// <param name="Secrets">Decoded credential Secrets by name, then key. Never logged.</param>
/// <param name="Keep">Puts what a server issued into a credential Secret; only while a command is carried out.</param>
/// <param name="Before">What the probe before this one found, or null.</param>
/// <param name="Said">Commands that were carried out since, or failed.</param>
/// <param name="Accepted">Logins that servers shall accept while a password changes, by Secret; of other Secrets, just the one in it.</param>
/// <param name="Doors">Ready pods of <see cref="IEngineCluster.Doors"/>, through which clients come to the members.</param>
public sealed record EngineTarget(
    IReadOnlyList<MemberPod> Members,
    IReadOnlyDictionary<string, IReadOnlyDictionary<string, string>> Secrets,
    KeepIssued? Keep = null,
    EngineHealth? Before = null,
    IReadOnlyList<EngineCommand>? Said = null,
    IReadOnlyDictionary<string, IReadOnlyList<Login>>? Accepted = null,
    IReadOnlyList<MemberPod>? Doors = null)
{
    /// <summary>A random password that is kept nowhere, for a user whose password somebody else sets; only while a command is carried out.</summary>
    public Func<string> NewPassword { get; init; } = static () => throw new InvalidOperationException("only a command makes passwords");

    /// <summary>Logins that servers shall accept of a Secret's user.</summary>
    /// <param name="secret">The Secret.</param>
    /// <param name="username">The user, where the Secret names none.</param>
    public IReadOnlyList<Login> Logins(string secret, string username) =>
        Accepted?.GetValueOrDefault(secret) ?? [new(Secrets.GetValueOrDefault(secret)?.GetValueOrDefault("username") ?? username, Credential(secret, "password"))];

    /// <summary>Logins that servers shall accept of a role.</summary>
    public IReadOnlyList<Login> Logins(RotatingRole role)
    {
        ArgumentNullException.ThrowIfNull(role);
        return Accepted?.GetValueOrDefault(role.Id) ?? [Login(role)];
    }

    /// <summary>The login in a role's Secret: at every moment servers accept it.</summary>
    public Login Login(RotatingRole role)
    {
        ArgumentNullException.ThrowIfNull(role);
        return new(role.Known(Secrets.GetValueOrDefault(role.SecretName)?.GetValueOrDefault(role.UsernameKey)), Credential(role.SecretName, role.Key));
    }

    /// <summary>
    /// Logins by which the operator itself may come in, the one in the Secret first: servers on other volumes may know the role's other
    /// user by that password, and servers whose Secret was written by hand amid a change know what it was before.
    /// </summary>
    public IReadOnlyList<Login> Ways(RotatingRole role)
    {
        ArgumentNullException.ThrowIfNull(role);
        List<Login> known = [Login(role), .. Logins(role)];
        return [.. known.Concat(known.SelectMany(login => role.Usernames.Select(name => login with { Username = name }))).Distinct()];
    }

    /// <summary>The value of a key of a credential Secret; throws when it is absent, naming Secret and key only.</summary>
    public string Credential(string secret, string key) =>
        Secrets.TryGetValue(secret, out var fields) && fields.TryGetValue(key, out var value)
            ? value
            : throw new InvalidOperationException($"Secret {secret} has no key {key}");

    /// <summary>Whom to believe that it is a member: the roots in a certificate's Secret.</summary>
    public ServerTrust Trust(string certificateSecret) => ServerTrust.Of(Credential(certificateSecret, CertificateRequest.Trust));
}

/// <summary>Writes one issued value into a credential Secret.</summary>
/// <param name="secret">Name of the Secret.</param>
/// <param name="key">Key of a <see cref="CredentialField"/> that is <see cref="CredentialField.Issued"/>.</param>
/// <param name="value">The value. Never logged.</param>
/// <param name="cancellationToken">Stops writing.</param>
public delegate Task KeepIssued(string secret, string key, string value, CancellationToken cancellationToken);

/// <summary>A pod of an engine.</summary>
/// <param name="Name">Pod name.</param>
/// <param name="Ordinal">Number in the StatefulSet.</param>
/// <param name="Address">Pod IP, or null while it has none.</param>
/// <param name="Ready">Kubernetes' readiness.</param>
/// <param name="Role">Value of the role label, or null.</param>
/// <param name="Uid">UID of the pod.</param>
/// <param name="Revision">Name of the pod template it was made from (label <c>controller-revision-hash</c>), or null.</param>
/// <param name="Ending">Whether its deletion was asked for.</param>
/// <param name="Encrypted">Whether it mounts its engine's certificate, and so speaks TLS: a pod of an older stack version does not.</param>
public sealed record MemberPod(string Name, int Ordinal, string? Address, bool Ready, string? Role, string? Uid = null, string? Revision = null, bool Ending = false, bool Encrypted = false);

/// <summary>One thing to say to the servers.</summary>
/// <param name="Name">What, e.g. <c>Switchover</c>.</param>
/// <param name="Subject">To whom or about what.</param>
/// <param name="Reason">Why, for the event.</param>
public sealed record EngineCommand(string Name, string Subject, string Reason)
{
    /// <summary>Has the pod <see cref="Subject"/> read its certificate again; harmless when it did already.</summary>
    public const string ReloadCertificate = "ReloadCertificate";

    /// <summary>Has what runs in the pod <see cref="Subject"/> and reads its certificate only at its start begin anew.</summary>
    public const string InterruptForCertificate = "InterruptForCertificate";
}
