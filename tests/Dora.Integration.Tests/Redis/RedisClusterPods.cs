using System.Globalization;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Redis;
using Dora.Engines.Rendering;
using Xunit;

namespace Dora.Integration.Tests.Redis;

/// <summary>
/// The members of a Redis cluster, from Debian's packages, started by the scripts and configuration that their pods get, each on a
/// loopback address that changes with <see cref="MoveAsync"/>. The operator's passes are made by hand: probe, decide, execute.
/// </summary>
public sealed class RedisClusterPods : IAsyncLifetime
{
    public const string AdminPassword = "admin-Qp4x8Lz1Wn6d";
    public const string AppPassword = "app-Rb2m7Ty5Ks0h";

    /// <summary>Passwords of the servers' own users, by key of their Secret.</summary>
    private IReadOnlyDictionary<string, string> passwords = new Dictionary<string, string> { ["admin-password"] = AdminPassword, ["replica-password"] = "replica-Hd5y0Oi8Zx3q", ["migrate-password"] = "migrate-Uc9v3Ej6Fg1a" };

    private readonly string folder = Path.Combine(Path.GetTempPath(), $"dora-redis-cluster-{System.Environment.ProcessId}");
    private readonly IReadOnlyDictionary<string, string> certificate = RedisAuthority.Issue(Of(3, 1));
    private readonly Dictionary<int, ChildProcess> running = [];
    private int generation;
    private bool initialized;

    internal RedisPlan Plan { get; private set; } = Of(3, 1);

    /// <summary>Pods of the StatefulSet.</summary>
    public int Replicas { get; private set; } = 6;

    public EngineTarget Target => new(
        [.. Enumerable.Range(0, Replicas).Select(Member)],
        new Dictionary<string, IReadOnlyDictionary<string, string>>(Plan.Users.Select(user => KeyValuePair.Create<string, IReadOnlyDictionary<string, string>>(user.Secret, new Dictionary<string, string> { ["password"] = Password(user.Name) })))
        {
            [Plan.Names.InternalSecret] = passwords,
            [Plan.Names.CertificateSecret] = certificate,
        });

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public string Address(int ordinal) => string.Create(CultureInfo.InvariantCulture, $"127.{1 + (System.Environment.ProcessId % 250)}.{91 + generation}.{ordinal + 1}");

    /// <summary>What the Secret of a user holds.</summary>
    public static string Password(string user) => $"{user}-Ws8b3Pd6Vo1c";

    /// <summary>A pod, whether or not it runs.</summary>
    public MemberPod Member(int ordinal) => new(Plan.Names.Pod(ordinal), ordinal, Address(ordinal), true, null);

    /// <summary>Connects to a member.</summary>
    internal Task<RespClient> ConnectAsync(MemberPod member, string user, string password, CancellationToken cancellationToken) =>
        RedisAuthority.ConnectAsync(Plan, member, RedisPlan.Port, user, password, cancellationToken);

    /// <summary>Asks for another size; new pods come at once, old ones go only when <see cref="ClusterCommands.Replicas"/> says so.</summary>
    public void Scale(int masters, int replicasPerMaster)
    {
        Plan = Of(masters, replicasPerMaster);
        Replicas = Math.Max(Replicas, Plan.Instances);
        Start();
    }

    /// <summary>Asks for other parameters; members that start from now on have them in their files.</summary>
    internal void Configure(string policy, IReadOnlyDictionary<string, string> parameters) => Plan = Plan with { Policy = policy, Parameters = parameters };

    /// <summary>The Secret of the servers' own users changes: at once for the operator, and where the members have it mounted.</summary>
    public void ChangePassword(string key, string password)
    {
        passwords = new Dictionary<string, string>(passwords) { [key] = password };
        foreach (var ordinal in running.Keys)
            PodRoot.Write(Root(ordinal), "secret", passwords);
    }

    /// <summary>Starts what does not run, as the kubelet would.</summary>
    public void Start()
    {
        foreach (var ordinal in Enumerable.Range(0, Replicas).Where(ordinal => !running.ContainsKey(ordinal)))
        {
            Prepare(ordinal);
            running[ordinal] = PodRoot.Start(Root(ordinal), "/config/start-redis.sh", Environment(ordinal));
        }
    }

    /// <summary>One pass of the operator; what it does may be cut off. When what it finds is enough, it does nothing.</summary>
    public async Task<EngineHealth> PassAsync(CancellationToken cancellationToken, Func<EngineHealth, bool>? enough = null)
    {
        var health = await ProbeAsync(cancellationToken);
        initialized |= health.Primary is not null;
        if (enough?.Invoke(health) == true)
            return health;
        foreach (var command in ClusterCommands.Decide(Plan, Observed(health)))
            await ClusterCommands.ExecuteAsync(Plan, command, Target, cancellationToken);
        foreach (var command in RedisUsers.Decide(Observed(health)))
            await RedisUsers.ExecuteAsync(Plan, command, Target, cancellationToken);
        foreach (var command in RedisLive.Decide(Plan, Observed(health)))
            await RedisLive.ExecuteAsync(Plan, command, Target, cancellationToken);
        Replicas = ClusterCommands.Replicas(Plan, Observed(health));
        foreach (var ordinal in running.Keys.Where(ordinal => ordinal >= Replicas).ToList())
            await StopAsync(ordinal);
        return health;
    }

    /// <summary>What the operator finds.</summary>
    public async Task<EngineHealth> ProbeAsync(CancellationToken cancellationToken)
    {
        var health = await RedisUsers.CompleteAsync(Plan, Target, await ClusterProbe.RunAsync(Plan, Target, cancellationToken), cancellationToken);
        return await RedisLive.CompleteAsync(Plan, Target, health, cancellationToken);
    }

    /// <summary>Passes until the engine is healthy.</summary>
    public async Task<EngineHealth> HealthyAsync()
    {
        Start();
        return await HealthAsync(health => health.Verdict == EngineVerdict.Healthy && Replicas == Plan.Instances);
    }

    /// <summary>Passes until the answer is as wanted.</summary>
    public async Task<EngineHealth> HealthAsync(Func<EngineHealth, bool> wanted)
    {
        try
        {
            return await ChildProcess.UntilAsync(() => PassAsync(Token, wanted), wanted, TimeSpan.FromSeconds(90), Token);
        }
        catch (TimeoutException exception)
        {
            throw new TimeoutException($"{exception.Message}\n{string.Join('\n', running.Select(entry => $"--- {entry.Key}:\n{entry.Value.Output}"))}", exception);
        }
    }

    /// <summary>What the operator has seen.</summary>
    public EngineObservation Observed(EngineHealth? health) => new(
        new("redis", Initialized: initialized ? true : null),
        health,
        new(new(Name: Plan.Names.Cluster), new("s", new(), new(new(), new([])), Replicas: Replicas), new(ReadyReplicas: Replicas)));

    /// <summary>Ends a member at once.</summary>
    public async Task StopAsync(int ordinal)
    {
        if (running.Remove(ordinal, out var process))
            await process.DisposeAsync();
    }

    /// <summary>Ends all members; they come back with other addresses.</summary>
    public async Task MoveAsync()
    {
        foreach (var ordinal in running.Keys.ToList())
            await StopAsync(ordinal);
        generation++;
    }

    /// <summary>What a member's volume held is gone.</summary>
    public void LoseVolume(int ordinal) => Directory.Delete(Path.Combine(Root(ordinal), "data"), recursive: true);

    public async ValueTask InitializeAsync() => await HealthyAsync();

    public async ValueTask DisposeAsync()
    {
        foreach (var ordinal in running.Keys.ToList())
            await StopAsync(ordinal);
        Directory.Delete(folder, recursive: true);
    }

    private static RedisPlan Of(int masters, int replicasPerMaster) => RedisPlan.Of(
        new EngineNames(new StackContext("compliance", "payments", "", Tier.Development, StackVersions.Newest, DeletionPolicy.Retain, new(), new(), Tls: new()), "redis"),
        new(Mode: RedisMode.Cluster, Masters: masters, ReplicasPerMaster: replicasPerMaster, Users: [new("reports", ["report:*"], ["news.*"], ["read", "write", "pubsub"])]));

    private void Prepare(int ordinal)
    {
        var root = Root(ordinal);
        PodRoot.Prepare(root, Enumerable.Range(0, 12).Select(other => $"{Address(other)} {Plan.Names.MemberHost(other)}\n"));
        // Pods have an address each; here the servers share a machine.
        PodRoot.Write(root, "config", RedisConfig.Render(Plan).ToDictionary(file => file.Key, file => file.Key == "redis.conf" ? $"{file.Value}bind {Address(ordinal)}\n" : file.Value));
        PodRoot.Write(root, "tls", certificate);
        PodRoot.Write(root, "secret", passwords);
        PodRoot.Write(root, "secret-app", new Dictionary<string, string> { ["app-password"] = AppPassword });
        PodRoot.Write(root, "memory", RedisConfig.Memory(Plan, Observed(null)));
    }

    // What the container's specification says.
    private Dictionary<string, string> Environment(int ordinal)
    {
        var variables = RedisStatefulSet.Render(Plan, Replicas).Body["spec"]!["template"]!["spec"]!["containers"]![0]!["env"]!.AsArray();
        var environment = variables.Where(variable => variable!["value"] is not null).ToDictionary(variable => (string)variable!["name"]!, variable => (string)variable!["value"]!);
        environment["POD_NAME"] = Plan.Names.Pod(ordinal);
        environment["POD_IP"] = Address(ordinal);
        environment["PATH"] = "/usr/bin:/bin";
        return environment;
    }

    private string Root(int ordinal) => Path.Combine(folder, ordinal.ToString(CultureInfo.InvariantCulture));
}
