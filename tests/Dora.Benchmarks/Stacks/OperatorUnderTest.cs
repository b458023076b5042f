using System.Globalization;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Dora.Benchmarks.Measuring;

namespace Dora.Benchmarks.Stacks;

/// <summary>The published operator in a process of its own, and what its <c>/metrics</c> say.</summary>
internal sealed partial class OperatorUnderTest : IAsyncDisposable
{
    private readonly Bench _bench;
    private readonly HttpClient _http;

    private OperatorUnderTest(Bench bench, SubjectProcess process, HttpClient http) => (_bench, Process, _http) = (bench, process, http);

    public SubjectProcess Process { get; }

    /// <summary>Starts it; returns when it is ready.</summary>
    public static async Task<OperatorUnderTest> StartAsync(Bench bench, string name, string program, string ns, CancellationToken cancellationToken, params string[] more)
    {
        var address = $"127.0.0.1:{FreePort().ToString(CultureInfo.InvariantCulture)}";
        var process = bench.StartOurs(name, program, ["run", "--kubeconfig", bench.Kubeconfig, "--leader-elect=false", "--namespace", ns, "--listen", address, "--log-format", "text", .. more]);
        var subject = new OperatorUnderTest(bench, process, new() { BaseAddress = new($"http://{address}"), Timeout = TimeSpan.FromSeconds(10) });
        try
        {
            while (!await subject.ReadyAsync(cancellationToken))
                await bench.PauseAsync(0.1, cancellationToken);
        }
        catch
        {
            await subject.DisposeAsync();
            throw;
        }

        return subject;
    }

    /// <summary>Requests since its start, and passes over stacks.</summary>
    public async Task<OperatorCounters> CountersAsync(CancellationToken cancellationToken)
    {
        Process.RequireRunning();
        var text = await _http.GetStringAsync(new Uri("/metrics", UriKind.Relative), cancellationToken);
        long reads = 0, writes = 0, refused = 0;
        foreach (Match match in Request().Matches(text))
        {
            var (verb, resource, code) = (match.Groups["verb"].Value, match.Groups["resource"].Value, match.Groups["code"].Value);
            // Lists and watches are the informers'; a path instead of a resource is discovery.
            if (verb is "list" or "watch" || resource.StartsWith('/'))
                continue;
            var number = long.Parse(match.Groups["number"].Value, CultureInfo.InvariantCulture);
            if (verb == "get")
                reads += number;
            else
                writes += number;
            if (!code.StartsWith('2'))
                refused += number;
        }

        var passes = Pass().Matches(text).Sum(match => long.Parse(match.Groups["number"].Value, CultureInfo.InvariantCulture));
        return new(reads, writes, refused, passes);
    }

    /// <summary>Its informers, queue and passes, for the report of a failure.</summary>
    public async Task<string> StateAsync(CancellationToken cancellationToken)
    {
        Process.RequireRunning();
        var text = await _http.GetStringAsync(new Uri("/metrics", UriKind.Relative), cancellationToken);
        return string.Join('\n', text.Split('\n').Where(line => line.StartsWith("informer_", StringComparison.Ordinal) || line.StartsWith("workqueue_", StringComparison.Ordinal) || line.StartsWith("reconcile_total", StringComparison.Ordinal)));
    }

    /// <summary>
    /// Ends when each stack had its passes since then and nothing but that happened for a while: longer than the operator waits
    /// between two looks at a stack that is not ready.
    /// </summary>
    /// <returns>The counters, and when the last request of a pass was seen (after <paramref name="began"/>).</returns>
    public async Task<(OperatorCounters Counters, TimeSpan LastRequest)> SettleAsync(OperatorCounters since, int passes, long began, CancellationToken cancellationToken)
    {
        var calm = TimeSpan.FromSeconds(8);
        var limit = TimeSpan.FromMinutes(10);
        var last = since;
        var lastRequest = TimeSpan.Zero;
        while (true)
        {
            await _bench.PauseAsync(0.25, cancellationToken);
            var now = await CountersAsync(cancellationToken);
            var elapsed = _bench.Clock.GetElapsedTime(began);
            if (now.Requests != last.Requests)
                (last, lastRequest) = (now, elapsed);
            if (now.Passes - since.Passes >= passes && elapsed - lastRequest >= calm)
                return (now, lastRequest);
            if (elapsed > limit)
                throw new TimeoutException($"the operator still sends requests after {limit.TotalMinutes} minutes ({now})");
        }
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await Process.DisposeAsync();
    }

    private async Task<bool> ReadyAsync(CancellationToken cancellationToken)
    {
        Process.RequireRunning();
        try
        {
            using var answer = await _http.GetAsync(new Uri("/readyz", UriKind.Relative), cancellationToken);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
    }

    [GeneratedRegex("""^kube_client_requests_total\{verb="(?<verb>[^"]*)",resource="(?<resource>[^"]*)",code="(?<code>[^"]*)"\} (?<number>\d+)$""", RegexOptions.Multiline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Request();

    [GeneratedRegex("""^reconcile_total\{[^}]*\} (?<number>\d+)$""", RegexOptions.Multiline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Pass();
}

/// <summary>What the operator has done since its start.</summary>
/// <param name="Reads">GETs of single objects.</param>
/// <param name="Writes">Creates, updates, applies, patches and deletes, events among them.</param>
/// <param name="Refused">Those of both that were not answered by 2xx.</param>
/// <param name="Passes">Passes over stacks.</param>
internal sealed record OperatorCounters(long Reads, long Writes, long Refused, long Passes)
{
    public long Requests => Reads + Writes;
}
