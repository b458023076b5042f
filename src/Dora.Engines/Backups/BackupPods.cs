using System.Globalization;
using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Backups;

/// <summary>
/// The pods of backups and restores: <c>dora-agent</c>, and beside it the engine's tool where one works. Only the agent holds the keys and the
/// credentials of the store, only the tool those of the servers. No Service leads to them, and they ask the API server nothing.
/// </summary>
public static class BackupPods
{
    /// <summary>Label <see cref="Labels.Name"/> of pods that read from servers.</summary>
    public const string Role = "backup";

    /// <summary>The same of pods that reach no server: those that restore, try a restore, or work on the store alone.</summary>
    public const string AloneRole = "restore";

    /// <summary>Name of the container whose last message is the report.</summary>
    public const string Agent = "agent";

    /// <summary>Name of the engine's container.</summary>
    public const string Tool = "tool";

    /// <summary>Key of the order in the run's ConfigMap.</summary>
    public const string OrderFile = "order.json";

    /// <summary>Key of an object's labels: the run that a Job belongs to (its kind and UID are in the owner reference).</summary>
    public const string RunLabel = "dora-operator.io/run";

    private const string ScriptPrefix = "script.";
    private const string CheckPrefix = "check.";
    private const string Stage = "/stage";
    private const string AgentProgram = "/app/dora-agent";

    // A run in which nothing moves for so long is ended.
    private const int SilenceSeconds = 600;

    /// <summary>Selects those of a stack that servers let in.</summary>
    public static IReadOnlyDictionary<string, string> Selector(string stack) => Selector(stack, Role);

    /// <summary>
    /// Who reaches whom: nobody comes in; out go questions for names, what goes to the store, and from pods that copy, what goes to the servers.
    /// </summary>
    /// <param name="stack">The stack, with backups.</param>
    /// <param name="ports">Ports of the servers that copies are read from.</param>
    /// <param name="vault">Where Vault is, if it holds the key; or null.</param>
    public static IEnumerable<Manifest> Access(StackContext stack, IReadOnlyList<int> ports, string? vault = null)
    {
        ArgumentNullException.ThrowIfNull(stack);
        var names = new EngineNames(stack, Role);
        int[] abroad = [.. ((string?[])[stack.Backup!.Destination.Endpoint, .. (stack.Backup.Copies ?? []).Select(copy => copy.Destination.Endpoint), vault]).OfType<string>().Select(address => new Uri(address).Port).Distinct()];
        var alone = new NetworkAccess([], [], []) { Abroad = abroad };
        return (stack.Backup.Encryption.Vault is null ? Array.Empty<Manifest>() : [Manifest.Of(KubeTypes.ServiceAccounts, new(names.Meta(Account(stack)), AutomountServiceAccountToken: false))]).Concat(alone.Render(names, $"{stack.Name}-{AloneRole}", Selector(stack.Name, AloneRole))
            // A rule without a port would stand for all of them.
            .Concat((ports.Count == 0 ? alone : alone with { Serves = (new Dictionary<string, string> { [Labels.Stack] = stack.Name }, ports) }).Render(names, $"{stack.Name}-{Role}", Selector(stack.Name)))
            .Where(manifest => manifest.Resource == KubeTypes.NetworkPolicies.Resource));
    }

    private static string Account(StackContext stack) => $"{stack.Name}-{Role}";

    // The engine's own selector does not find them: it would take them for members.
    private static Dictionary<string, string> RunLabels(string stack, BackupRun run) => new(Selector(stack, run.Loads || run.Command is "backup" or "record" ? Role : AloneRole))
    {
        [Labels.ManagedBy] = Labels.ManagedByValue,
        [RunLabel] = run.Name,
    };

    private static Dictionary<string, string> Selector(string stack, string role) => new()
    {
        [Labels.Stack] = stack,
        [Labels.Name] = role,
    };

    /// <summary>What the run's pod mounts: order, scripts, checks.</summary>
    public static ConfigMap Files(StackContext stack, BackupRun run)
    {
        ArgumentNullException.ThrowIfNull(stack);
        ArgumentNullException.ThrowIfNull(run);
        var files = new Dictionary<string, string> { [OrderFile] = run.Order };
        foreach (var (name, text) in run.Tool?.Files ?? new Dictionary<string, string>())
            files[ScriptPrefix + name] = text;
        foreach (var (name, text) in CheckFiles(run))
            files[CheckPrefix + name] = text;
        return new(Meta(stack, run), files);
    }

    /// <summary>The Job.</summary>
    public static Job Render(StackContext stack, BackupRun run)
    {
        ArgumentNullException.ThrowIfNull(stack);
        ArgumentNullException.ThrowIfNull(run);
        var annotations = new Dictionary<string, string> { ["linkerd.io/inject"] = "disabled" };
        var labels = new Dictionary<string, string>(RunLabels(stack.Name, run)) { ["sidecar.istio.io/inject"] = "false" };
        return new(
            Meta(stack, run),
            new(
                new(new(Labels: labels, Annotations: annotations), Pod(stack, run)),
                BackoffLimit: 0,
                ActiveDeadlineSeconds: (long)run.Deadline.TotalSeconds,
                // The operator removes it; this is for the day on which there is none.
                TtlSecondsAfterFinished: 86_400));
    }

    private static ObjectMeta Meta(StackContext stack, BackupRun run) =>
        new(Name: run.Name, Namespace: stack.Namespace, Labels: RunLabels(stack.Name, run), OwnerReferences: [run.Owner]);

    private static PodSpec Pod(StackContext stack, BackupRun run) => PodPlan.Of(stack, null).Place(
        new(
            InitContainers: run.Tool is null ? null : [Init(stack)],
            Containers: run.Tool is { } tool ? [AgentContainer(stack, run), ToolContainer(stack, run, tool)] : [AgentContainer(stack, run)],
            Volumes: [.. Volumes(stack.Backup!, run)],
            ServiceAccountName: stack.Backup!.Encryption.Vault is null ? null : Account(stack),
            AutomountServiceAccountToken: false,
            EnableServiceLinks: false,
            TerminationGracePeriodSeconds: 10,
            SecurityContext: PodDefaults.PodSecurity,
            RestartPolicy: "Never"),
        Selector(stack.Name)) with
    {
        Affinity = null,
        TopologySpreadConstraints = null,
    };

    private static Container Init(StackContext stack) => Common(stack, "stage", stack.Images.Agent) with
    {
        Args = ["stage", "--stage", Stage],
        VolumeMounts = [new("stage", Stage)],
        Resources = PodDefaults.Resources(new("10m", "64Mi")),
    };

    private static Container AgentContainer(StackContext stack, BackupRun run)
    {
        var backup = stack.Backup!;
        string[] staged = run.Tool is null ? [] : ["--stage", Stage];
        string[] trusted = [.. StoreMount.Of(backup, run).SelectMany(store => store.Arguments)];
        string[] vault = backup.Encryption.Vault?.CaSecret is null || run.Target is not null ? [] : ["--vault-ca", "/vault-ca/ca.crt"];
        return Common(stack, Agent, stack.Images.Agent) with
        {
            Args = [run.Command, "--order", $"/order/{OrderFile}", .. staged, .. trusted, .. vault],
            VolumeMounts =
            [
                new("order", "/order", ReadOnly: true),
                .. StoreMount.Of(backup, run).SelectMany(store => store.Mounts),
                .. backup.Encryption.KeySecret is null || run.Target is not null ? Array.Empty<VolumeMount>() : [new("keys", "/var/run/dora/keys", ReadOnly: true)],
                .. backup.Encryption.Vault is null || run.Target is not null ? Array.Empty<VolumeMount>() : [new("vault", "/var/run/secrets/vault", ReadOnly: true)],
                .. vault.Length == 0 ? Array.Empty<VolumeMount>() : [new("vault-ca", "/vault-ca", ReadOnly: true)],
                .. run.Tool is null ? Array.Empty<VolumeMount>() : [new("stage", Stage)],
                new("agent-tmp", "/tmp"),
            ],
            Resources = PodDefaults.Resources(new("100m", "256Mi")),
            LivenessProbe = new(
                new([AgentProgram, "alive", "--seconds", SilenceSeconds.ToString(CultureInfo.InvariantCulture)]),
                InitialDelaySeconds: SilenceSeconds,
                PeriodSeconds: 60,
                TimeoutSeconds: 20,
                FailureThreshold: 2),
        };
    }

    private static Container ToolContainer(StackContext stack, BackupRun run, ToolContainer tool)
    {
        var checks = CheckFiles(run).Any();
        return Common(stack, Tool, tool.Image) with
        {
            Command = ["bash", $"{Backups.ToolContainer.Scripts}/{tool.Script}"],
            Env =
            [
                new("STAGE", Stage),
                .. run.Data is null ? Array.Empty<EnvVar>() : [new("DATA", BackupTool.Data)],
                .. run.Drill ? [new("DRILL", "1")] : Array.Empty<EnvVar>(),
                .. tool.Environment,
            ],
            VolumeMounts =
            [
                new("stage", Stage),
                new("scripts", Backups.ToolContainer.Scripts, ReadOnly: true),
                .. run.Data is null ? Array.Empty<VolumeMount>() : [new("data", BackupTool.Data)],
                .. checks ? [new("checks", "/checks", ReadOnly: true)] : Array.Empty<VolumeMount>(),
                new("tmp", "/tmp"),
                .. tool.Mounts,
            ],
            Resources = tool.Resources ?? PodDefaults.Resources(new("100m", "256Mi")),
        };
    }

    private static Container Common(StackContext stack, string name, string image) => new(
        Name: name,
        Image: image,
        ImagePullPolicy: stack.Images.PullPolicy,
        SecurityContext: PodDefaults.ContainerSecurity,
        TerminationMessagePolicy: "FallbackToLogsOnError");

    private static IEnumerable<Volume> Volumes(BackupSettings backup, BackupRun run)
    {
        yield return new("order", ConfigMap: new(run.Name, Items: [new(OrderFile, OrderFile)]));
        foreach (var volume in StoreMount.Of(backup, run).SelectMany(store => store.Volumes))
            yield return volume;
        // A copy is sealed as it is: it needs no key.
        if (backup.Encryption.KeySecret is { } keys && run.Target is null)
            yield return new("keys", Secret: new(keys, DefaultMode: 288));
        if (backup.Encryption.Vault is { } vault && run.Target is null)
        {
            // The one right of this account is to log in to Vault; the API server takes no token of this audience.
            yield return new("vault", Projected: new([new(ServiceAccountToken: new("token", 3600, "vault"))], DefaultMode: 288));
            if (vault.CaSecret is { } signed)
                yield return new("vault-ca", Secret: new(signed, DefaultMode: 288, Items: [new("ca.crt", "ca.crt")]));
        }

        yield return PodDefaults.Scratch("agent-tmp");
        if (run.Tool is not { } tool)
            yield break;
        yield return PodDefaults.Scratch("stage");
        yield return new("scripts", ConfigMap: new(run.Name, Items: [.. tool.Files.Keys.Order(StringComparer.Ordinal).Select(name => new KeyToPath(ScriptPrefix + name, name))]));
        if (CheckFiles(run).Select(file => new KeyToPath(CheckPrefix + file.Name, file.Name)).ToList() is { Count: > 0 } checks)
            yield return new("checks", ConfigMap: new(run.Name, Items: checks));
        yield return PodDefaults.Scratch("tmp");
        if (run.Data is { } data)
            yield return data with { Name = "data" };
        foreach (var volume in tool.Volumes)
            yield return volume;
    }

    private static IEnumerable<(string Name, string Text)> CheckFiles(BackupRun run) => run.Checks.SelectMany(check => ((string, string?)[])
        [
            ($"{check.Name}.query", check.Query),
            ($"{check.Name}.expect", check.Expect),
            ($"{check.Name}.database", check.Database),
        ]).Where(file => file.Item2 is not null).Select(file => (file.Item1, file.Item2!));
}

/// <summary>One pod of a backup or a restore.</summary>
/// <param name="Name">Name of its Job and of its ConfigMap.</param>
/// <param name="Owner">What it goes with.</param>
/// <param name="Command">Command of <c>dora-agent</c>.</param>
/// <param name="Order">What the agent is to do, as JSON.</param>
/// <param name="Deadline">How long it may take.</param>
public sealed record BackupRun(string Name, OwnerReference Owner, string Command, string Order, TimeSpan Deadline)
{
    /// <summary>The engine's tool, where one works.</summary>
    public ToolContainer? Tool { get; init; }

    /// <summary>The store that the agent works on; null: the stack's first.</summary>
    public BackupDestination? Store { get; init; }

    /// <summary>The store that is copied to, or null.</summary>
    public BackupDestination? Target { get; init; }

    /// <summary>The empty volume that data is laid down in, or null.</summary>
    public Volume? Data { get; init; }

    /// <summary>Whether it writes into servers that run.</summary>
    public bool Loads { get; init; }

    /// <summary>Whether a server is started on the data and looked at.</summary>
    public bool Drill { get; init; }

    /// <summary>Questions to the restored data.</summary>
    public IReadOnlyList<DrillCheck> Checks { get; init; } = [];
}
