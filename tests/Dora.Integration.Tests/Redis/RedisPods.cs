using System.Collections.Concurrent;
using System.Globalization;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Redis;
using Dora.Engines.Rendering;
using Xunit;

namespace Dora.Integration.Tests.Redis;

/// <summary>One such cluster for all of its tests, one after the other.</summary>
[CollectionDefinition(RedisPods.Collection)]
public sealed class RedisPodsTests : ICollectionFixture<RedisPods>;

/// <summary>
/// Three members of a Redis cluster with Sentinels, from Debian's packages, started by the scripts and configuration that their
/// pods get. Each runs in a root directory and mount namespace of its own, on a loopback address of its own; the names of the
/// members stand in an <c>/etc/hosts</c> that only they see.
/// </summary>
public sealed class RedisPods : IAsyncLifetime
{
    public const string Collection = "Redis with Sentinels";
    public const int Members = 3;
    public const string AdminPassword = "admin-Jx3k9Qw7Lm2p";
    public const string ReplicaPassword = "replica-Vb6t1Zr8Yh4s";
    public const string SentinelPassword = "sentinel-Nf5d0Gc2Xa9u";
    public const string AppPassword = "app-Tk7w4Me1Ro6i";

    private readonly string folder = Path.Combine(Path.GetTempPath(), $"dora-redis-{System.Environment.ProcessId}");
    private readonly ConcurrentDictionary<(int Ordinal, string Container), ChildProcess> running = [];
    private readonly CancellationTokenSource ending = new();
    private IReadOnlyDictionary<string, string> certificate = new Dictionary<string, string>();
    private IReadOnlyDictionary<string, string> passwords = new Dictionary<string, string> { ["admin-password"] = AdminPassword, ["replica-password"] = ReplicaPassword, ["sentinel-password"] = SentinelPassword };
    private Task probing = Task.CompletedTask;

    internal RedisPlan Plan { get; private set; } = RedisPlan.Of(
        new EngineNames(new StackContext("compliance", "payments", "", Tier.Development, StackVersions.Newest, DeletionPolicy.Retain, new(), new(), Tls: new()), "redis"),
        new(Mode: RedisMode.Sentinel));

    public EngineTarget Target => new(
        [.. Enumerable.Range(0, Members).Select(ordinal => new MemberPod(Plan.Names.Pod(ordinal), ordinal, Address(ordinal), true, null))],
        new Dictionary<string, IReadOnlyDictionary<string, string>>
        {
            [Plan.Names.InternalSecret] = passwords,
            [Plan.Names.CertificateSecret] = certificate,
        });

    public static string Address(int ordinal) => string.Create(CultureInfo.InvariantCulture, $"127.{1 + (System.Environment.ProcessId % 250)}.81.{ordinal + 1}");

    /// <summary>Connects to the server or Sentinel of a member.</summary>
    internal Task<RespClient> ConnectAsync(int ordinal, int port, string user, string password) =>
        RedisAuthority.ConnectAsync(Plan, Target.Members[ordinal], port, user, password, TestContext.Current.CancellationToken);

    /// <summary>Puts a new certificate where the members have it mounted, as the kubelet does some time after its Secret changed.</summary>
    public void RenewCertificate()
    {
        certificate = RedisAuthority.Issue(Plan);
        foreach (var ordinal in Enumerable.Range(0, Members))
            Write(ordinal, "tls", certificate);
    }

    /// <summary>The Secret of the servers' own users changes: at once for the operator, and where the members have it mounted.</summary>
    public void ChangePassword(string key, string password)
    {
        passwords = new Dictionary<string, string>(passwords) { [key] = password };
        foreach (var ordinal in Enumerable.Range(0, Members))
            Write(ordinal, "secret", passwords);
    }

    /// <summary>Starts what does not run, as the kubelet would, and probes until the engine is healthy and takes writes.</summary>
    public async Task<EngineHealth> HealthyAsync()
    {
        foreach (var ordinal in Enumerable.Range(0, Members))
            Start(ordinal);
        await HealthAsync(health => health.Verdict == EngineVerdict.Healthy);
        await ChildProcess.UntilAsync(
            () => Task.FromResult(Enumerable.Range(0, Members).Count(ordinal => File.Exists(Path.Combine(Root(ordinal), "run/redis/closed")))), closed => closed == 0, TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        return await HealthAsync(health => health.Verdict == EngineVerdict.Healthy);
    }

    /// <summary>Probes until the answer is as wanted. Sentinels find each other and the replicas within about 12 s.</summary>
    public async Task<EngineHealth> HealthAsync(Func<EngineHealth, bool> wanted)
    {
        try
        {
            return await ChildProcess.UntilAsync(() => RedisProbe.RunAsync(Plan, Target, TestContext.Current.CancellationToken), wanted, TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        }
        catch (TimeoutException exception)
        {
            var output = running.Select(entry => $"--- {entry.Key.Container} {entry.Key.Ordinal}:\n{entry.Value.Output}");
            throw new TimeoutException($"{exception.Message}\n{string.Join('\n', output)}", exception);
        }
    }

    public async ValueTask InitializeAsync()
    {
        foreach (var ordinal in Enumerable.Range(0, Members))
            Prepare(ordinal);
        RenewCertificate();
        probing = ProbeAsync();
        await HealthyAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await ending.CancelAsync();
        await probing;
        ending.Dispose();
        foreach (var ordinal in Enumerable.Range(0, Members))
            await StopAsync(ordinal);
        Directory.Delete(folder, recursive: true);
    }

    private void Start(int ordinal)
    {
        foreach (var container in (string[])["redis", "sentinel"])
        {
            if (!running.ContainsKey((ordinal, container)))
                running[(ordinal, container)] = Run(ordinal, container, $"start-{container}.sh");
        }
    }

    private ChildProcess Run(int ordinal, string container, string script) => PodRoot.Start(Root(ordinal), $"/config/{script}", Environment(ordinal, container));

    // As the kubelet asks, over and over: readiness is also what opens a server for writes.
    private async Task ProbeAsync()
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        try
        {
            while (await timer.WaitForNextTickAsync(ending.Token))
            {
                foreach (var ordinal in running.Keys.Where(key => key.Container == "redis").Select(key => key.Ordinal).ToList())
                {
                    await using var probe = Run(ordinal, "redis", "ready.sh");
                    await probe.EndedAsync(ending.Token);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The fixture ends.
        }
    }

    /// <summary>Ends the containers of a member at once.</summary>
    public async Task StopAsync(int ordinal, params string[] containers)
    {
        foreach (var container in containers.Length == 0 ? ["redis", "sentinel"] : containers)
        {
            if (running.TryRemove((ordinal, container), out var process))
                await process.DisposeAsync();
        }
    }

    /// <summary>Waits until a container has ended by itself; <see cref="HealthyAsync"/> starts it again.</summary>
    public async Task EndedAsync(int ordinal, string container)
    {
        await running[(ordinal, container)].EndedAsync(TestContext.Current.CancellationToken);
        await StopAsync(ordinal, container);
    }

    /// <summary>Holds a container still, or lets it go on: it keeps its connections and answers nobody.</summary>
    public Task SignalAsync(int ordinal, string container, string signal) => running[(ordinal, container)].SignalAsync(signal);

    /// <summary>Starts a member's containers that do not run.</summary>
    public void Restart(int ordinal) => Start(ordinal);

    /// <summary>Asks a member's readiness once, as the kubelet does.</summary>
    public async Task<int> ReadinessAsync(int ordinal)
    {
        await using var probe = Run(ordinal, "redis", "ready.sh");
        await probe.EndedAsync(TestContext.Current.CancellationToken);
        return probe.ExitCode;
    }

    /// <summary>Whether a member takes no writes yet.</summary>
    public bool Closed(int ordinal) => File.Exists(ClosedFile(ordinal));

    /// <summary>As a server is closed that has just started.</summary>
    public void Close(int ordinal) => File.WriteAllBytes(ClosedFile(ordinal), []);

    /// <summary>How often the Sentinels that run now have said this.</summary>
    public int Mentions(string text) => running.Where(entry => entry.Key.Container == "sentinel").Sum(entry => entry.Value.Output.Split(text).Length - 1);

    /// <summary>What the operator tells the pods in ConfigMap "memory".</summary>
    internal void Remember(EngineObservation observed)
    {
        foreach (var ordinal in Enumerable.Range(0, Members))
            Write(ordinal, "memory", RedisConfig.Memory(Plan, observed));
    }

    /// <summary>Asks for another configuration; the mounted files change, and what runs goes on.</summary>
    internal void Configure(RedisPlan plan)
    {
        Plan = plan;
        foreach (var ordinal in Enumerable.Range(0, Members))
            WriteConfig(ordinal);
    }

    // Pods have an address each; here the servers share a machine.
    private void WriteConfig(int ordinal) =>
        Write(ordinal, "config", RedisConfig.Render(Plan).ToDictionary(file => file.Key, file => file.Key.EndsWith(".conf", StringComparison.Ordinal) ? $"{file.Value}bind {Address(ordinal)}\n" : file.Value.Replace("127.0.0.1", Address(ordinal), StringComparison.Ordinal)));

    private void Prepare(int ordinal)
    {
        PodRoot.Prepare(Root(ordinal), Enumerable.Range(0, Members).Select(other => $"{Address(other)} {Plan.Names.MemberHost(other)}\n"));
        WriteConfig(ordinal);
        Write(ordinal, "secret", passwords);
        Write(ordinal, "secret-app", new Dictionary<string, string> { ["app-password"] = AppPassword });
        Write(ordinal, "memory", RedisConfig.Memory(Plan, EngineObservation.None));
    }

    // What the container's specification says.
    private Dictionary<string, string> Environment(int ordinal, string container)
    {
        var pod = RedisStatefulSet.Render(Plan, Members).Body["spec"]!["template"]!["spec"]!;
        var variables = pod["containers"]!.AsArray().Single(candidate => (string?)candidate!["name"] == container)!["env"]!.AsArray();
        var environment = variables.Where(variable => variable!["value"] is not null).ToDictionary(variable => (string)variable!["name"]!, variable => (string)variable!["value"]!);
        environment["POD_NAME"] = Plan.Names.Pod(ordinal);
        environment["PATH"] = "/usr/bin:/bin";
        return environment;
    }

    private void Write(int ordinal, string volume, IReadOnlyDictionary<string, string> files) => PodRoot.Write(Root(ordinal), volume, files);

    private string ClosedFile(int ordinal) => Path.Combine(Root(ordinal), "run/redis/closed");

    private string Root(int ordinal) => Path.Combine(folder, ordinal.ToString(CultureInfo.InvariantCulture));
}
