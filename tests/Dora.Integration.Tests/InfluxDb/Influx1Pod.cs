using System.Globalization;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.InfluxDb;
using Dora.Engines.InfluxDb.V1;
using Dora.Engines.Rendering;
using Dora.Testing.Http;
using Xunit;

namespace Dora.Integration.Tests.InfluxDb;

/// <summary>
/// An InfluxDB 1.x server of Debian's package, run as its pod runs it: the init container's script first, then the server's, with
/// the files, variables and volumes that the rendered StatefulSet gives them, in a root directory and mount namespace of its own.
/// </summary>
public sealed class Influx1Pod : IAsyncDisposable
{
    public const string AdminPassword = "admin-Jx3k9Qw7Lm2p";
    public const string MonitorPassword = "monitor-Vb6t1Zr8Yh";
    public const string JwtSecret = "jwt-Nf5d0Gc2Xa9uPq";
    public const string AppPassword = "app-Tk7w4Me1Ro6i";

    // What the machine has, in a root of its own that only /data, /tmp and the like can write; it goes with the process.
    private const string Enter = """
        set -eu
        root=$1
        shift
        mount --bind /usr "$root/usr"
        mount --rbind /dev "$root/dev"
        mount --rbind /proc "$root/proc"
        mount --bind /etc "$root/etc"
        exec /usr/sbin/chroot --userspec=999:999 --groups= "$root" "$@"
        """;

    private static readonly TestCertificates Authority = new();

    private static int _pods;

    private readonly string folder = Path.Combine(Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"dora-influxdb-{System.Environment.ProcessId}-{Interlocked.Increment(ref _pods)}"));
    private readonly string address = string.Create(CultureInfo.InvariantCulture, $"127.{1 + (System.Environment.ProcessId % 250)}.86.{_pods}");
    private ChildProcess? server;

    internal Influx1Pod(InfluxDbSettings? settings = null)
    {
        Plan = Bind(settings ?? new());
        foreach (var name in (string[])["usr", "etc", "dev", "proc", "tmp", $".{InfluxDbConfig.DataPath}"])
            Directory.CreateDirectory(Path.Combine(folder, name));
        foreach (var name in (string[])["bin", "lib", "lib64"])
            File.CreateSymbolicLink(Path.Combine(folder, name), $"usr/{name}");
        Write("config", InfluxDbConfig.Render(Plan));
        Write("memory", InfluxDbConfig.Memory(EngineObservation.None));
        Secrets[Plan.Names.CertificateSecret] = Authority.ServerFiles(InfluxDbTls.Certificate(Plan).DnsNames);
        Write("tls", Secrets[Plan.Names.CertificateSecret]);
    }

    internal InfluxDbPlan Plan { get; private set; }

    /// <summary>The Secrets, as the operator reads them.</summary>
    public Dictionary<string, IReadOnlyDictionary<string, string>> Secrets { get; } = new(StringComparer.Ordinal);

    /// <summary>All that both containers printed.</summary>
    public string Output { get; private set; } = "";

    internal EngineTarget Target
    {
        get
        {
            Secrets.TryAdd(Plan.Names.InternalSecret, new Dictionary<string, string> { ["admin-password"] = AdminPassword, ["monitor-password"] = MonitorPassword, ["jwt-secret"] = JwtSecret, ["admin-username"] = "admin", ["monitor-username"] = "monitor" });
            foreach (var user in Plan.Users)
                Secrets.TryAdd(user.Secret, new Dictionary<string, string> { ["password"] = user.Name == "app" ? AppPassword : $"{user.Name}-Hs6j2Kd8Wq" });
            return new([new(Plan.Names.Pod(0), 0, address, true, null)], Secrets) { NewPassword = () => "nobodys-Yp4n6Fj1Sx0z" };
        }
    }

    /// <summary>Other wishes for the same server.</summary>
    internal void Declare(InfluxDbSettings settings) => Plan = Bind(settings);

    /// <summary>What the operator tells the pod of the past.</summary>
    internal void Remember(EngineObservation observed) => Write("memory", InfluxDbConfig.Memory(observed));

    /// <summary>Its volume.</summary>
    public string Volume => Path.Combine(folder, $".{InfluxDbConfig.DataPath}");

    /// <summary>File with who signed its certificate.</summary>
    public string Trust => Path.Combine(folder, "tls", "ca.crt");

    /// <summary>Empties the volume.</summary>
    public void Lose()
    {
        Directory.Delete(Volume, recursive: true);
        Directory.CreateDirectory(Volume);
    }

    /// <summary>Runs the init container to its end; answers its exit code and what it printed.</summary>
    public async Task<(int Code, string Output)> BootstrapAsync()
    {
        Write("secret", Target.Secrets[Plan.Names.InternalSecret]);
        var result = await RunAsync("bootstrap", "/config/bootstrap.sh");
        Output += result.Output;
        return result;
    }

    /// <summary>Starts the pod and waits until its own readiness probe says yes.</summary>
    public async Task StartAsync()
    {
        var (code, output) = await BootstrapAsync();
        Assert.True(code == 0, output);
        // The server's container sees only what its mount selects.
        foreach (var key in Target.Secrets[Plan.Names.InternalSecret].Keys.Where(key => !IsMounted(key)))
            File.Delete(Path.Combine(folder, "secret", key));
        server = new("unshare", Arguments("/config/start.sh"), Environment("influxdb"));
        try
        {
            await ChildProcess.UntilAsync(() => RunAsync("influxdb", "/config/ready.sh"), answer => answer.Code == 0, TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        }
        catch (TimeoutException exception)
        {
            throw new TimeoutException($"{exception.Message}\n{Output}\n{server.Output}", exception);
        }
    }

    /// <summary>The kubelet writes into the server's container what its Secret holds now.</summary>
    public void Mount() => Write("secret", Target.Secrets[Plan.Names.InternalSecret].Where(pair => IsMounted(pair.Key)).ToDictionary(StringComparer.Ordinal));

    /// <summary>Runs a script in the server's container, as the kubelet runs a probe.</summary>
    public Task<(int Code, string Output)> RunAsync(string script) => RunAsync("influxdb", $"/config/{script}");

    /// <summary>Ends the server at once.</summary>
    public async Task StopAsync()
    {
        if (server is null)
            return;
        Output += server.Output;
        await server.DisposeAsync();
        server = null;
    }

    /// <summary>All that was printed so far.</summary>
    public string Log => Output + server?.Output;

    /// <summary>A probe as the operator makes it.</summary>
    public Task<EngineHealth> ProbeAsync() => V1Probe.RunAsync(Plan, Target, TestContext.Current.CancellationToken);

    /// <summary>Probes and says what is missing until nothing is.</summary>
    public async Task<EngineHealth> ConvergeAsync()
    {
        for (var pass = 0; pass < 6; pass++)
        {
            var health = await ProbeAsync();
            if (health.Needs.Count == 0)
                return health;
            foreach (var command in InfluxDbNeeds.Commands(new(Health: health)))
                await V1Commands.ExecuteAsync(Plan, command, Target, TestContext.Current.CancellationToken);
        }

        return await ProbeAsync();
    }

    /// <summary>A client as one user.</summary>
    internal V1Client Client(string user, string password) => new(InfluxHttp.To(Plan, Target, Target.Members[0], InfluxHttp.Basic(user, password)));

    internal InfluxHttp Http(System.Net.Http.Headers.AuthenticationHeaderValue? credentials) => InfluxHttp.To(Plan, Target, Target.Members[0], credentials);

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        Directory.Delete(folder, recursive: true);
    }

    private bool IsMounted(string key) => InfluxDbStatefulSet.Render(Plan, InfluxDbConfig.Render(Plan), 1).Body["spec"]!["template"]!["spec"]!["volumes"]!.AsArray()
        .Single(volume => (string?)volume!["name"] == "secret")!["secret"]!["items"]!.AsArray().Any(item => (string?)item!["key"] == key);

    private static InfluxDbPlan Bind(InfluxDbSettings settings) => InfluxDbPlan.Of(
        new EngineNames(new StackContext("compliance", "payments", "", Tier.Development, StackVersions.Newest, DeletionPolicy.Retain, new(), new(), Tls: new()), "influxdb"),
        settings with { Version = InfluxDbVersion.V16 });

    private async Task<(int Code, string Output)> RunAsync(string container, string script)
    {
        using var process = System.Diagnostics.Process.Start(StartInfo(container, script))!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, await output + await errors);
    }

    private System.Diagnostics.ProcessStartInfo StartInfo(string container, string script)
    {
        var start = new System.Diagnostics.ProcessStartInfo("unshare", Arguments(script)) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment.Clear();
        foreach (var (name, value) in Environment(container))
            start.Environment[name] = value;
        return start;
    }

    private string[] Arguments(string script) => ["--mount", "/bin/sh", "-c", Enter, "enter", folder, "/bin/sh", script];

    // What the container's specification says.
    private Dictionary<string, string> Environment(string container)
    {
        var pod = InfluxDbStatefulSet.Render(Plan, InfluxDbConfig.Render(Plan), 1).Body["spec"]!["template"]!["spec"]!;
        var variables = pod["containers"]!.AsArray().Concat(pod["initContainers"]!.AsArray()).Single(candidate => (string?)candidate!["name"] == container)!["env"]!.AsArray();
        var environment = variables.Where(variable => variable!["value"] is not null).ToDictionary(variable => (string)variable!["name"]!, variable => (string)variable!["value"]!);
        if (variables.Any(variable => (string?)variable!["name"] == "INFLUXDB_HTTP_SHARED_SECRET"))
            environment["INFLUXDB_HTTP_SHARED_SECRET"] = JwtSecret;
        environment["PATH"] = "/usr/bin:/bin";
        return environment;
    }

    private void Write(string volume, IReadOnlyDictionary<string, string> files)
    {
        var path = Path.Combine(folder, volume);
        Directory.CreateDirectory(path);
        // Pods have a network each; here the servers share a machine, and each keeps to an address of its own.
        foreach (var (name, text) in files)
            File.WriteAllText(Path.Combine(path, name), text.Replace("127.0.0.1", address, StringComparison.Ordinal).Replace("bind-address = \":8086\"", $"bind-address = \"{address}:8086\"", StringComparison.Ordinal));
        System.Diagnostics.Process.Start("chown", ["-R", "999:999", Path.Combine(folder, "tmp"), Path.Combine(folder, "var"), path]).WaitForExit();
    }
}
