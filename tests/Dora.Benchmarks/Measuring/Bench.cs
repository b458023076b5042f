using System.Globalization;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dora.Benchmarks.Measuring;

/// <summary>What every benchmark needs: the API server, the clock, a place for logs, progress lines.</summary>
internal sealed class Bench(string kubeconfig, string logs, IReadOnlyList<string> environment, TimeProvider clock)
{
    private const int Parallel = 8;

    // Scripts and this program share one clock (hack/lib/log.sh).
    private readonly DateTimeOffset _began = long.TryParse(Environment.GetEnvironmentVariable("DORA_STARTED"), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
        ? DateTimeOffset.FromUnixTimeSeconds(seconds)
        : clock.GetUtcNow();

    public string Kubeconfig => kubeconfig;

    public TimeProvider Clock => clock;

    public KubeClient Connect() =>
        new(KubeConfig.Load(kubeconfig), new("dora-benchmarks", "dora-benchmarks"), clock, NullLogger<KubeClient>.Instance);

    public void Say(FormattableString text) => Console.Error.WriteLine(
        string.Create(CultureInfo.InvariantCulture, $"[{(clock.GetUtcNow() - _began).TotalSeconds,4:f0}s] ") + text.ToString(CultureInfo.InvariantCulture));

    /// <summary>Starts one of our programs, with the environment it has in its container.</summary>
    public SubjectProcess StartOurs(string name, string program, params string[] arguments) =>
        StartPeer(name, "/usr/bin/env", [.. environment, program, .. arguments]);

    /// <summary>Starts somebody else's program.</summary>
    public SubjectProcess StartPeer(string name, string program, params string[] arguments) =>
        SubjectProcess.Start(program, arguments, LogFile(name + ".log"), clock);

    /// <summary>Path of a file beside the logs.</summary>
    public string LogFile(string name) => Path.Combine(logs, name);

    public Task ForEachAsync<T>(IEnumerable<T> items, Func<T, CancellationToken, ValueTask> action, CancellationToken cancellationToken) =>
        System.Threading.Tasks.Parallel.ForEachAsync(items, new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = cancellationToken }, action);

    public Task PauseAsync(double seconds, CancellationToken cancellationToken) =>
        Task.Delay(TimeSpan.FromSeconds(seconds), clock, cancellationToken);

    public async Task EnsureNamespaceAsync(KubeClient client, string name, CancellationToken cancellationToken)
    {
        try
        {
            await client.CreateAsync(KubeTypes.Namespaces, new Namespace(new(name)), cancellationToken);
        }
        catch (KubeAlreadyExistsException)
        {
            // From an earlier run on the same API server.
        }
    }
}
