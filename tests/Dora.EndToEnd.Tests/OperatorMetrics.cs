using System.Globalization;
using System.Text.RegularExpressions;
using Dora.Kubernetes.Model;

namespace Dora.EndToEnd.Tests;

/// <summary>What the operator's /metrics say.</summary>
internal sealed partial record OperatorMetrics(double Reconciles, IReadOnlyList<string> Writes)
{
    /// <summary>Waits until the operator has reconciled several times without a write; answers its pods.</summary>
    public static async Task<IReadOnlyList<Pod>> QuietAsync(Cluster cluster)
    {
        List<Pod> pods = [];
        await foreach (var pod in cluster.Client.ListAsync(KubeTypes.Pods, Cluster.OperatorNamespace, new(LabelSelector: Cluster.OperatorSelector), TestContext.Current.CancellationToken))
            pods.Add(pod);
        var address = Assert.Single(pods).Status!.PodIP!;
        var calm = await UntilAsync(address, metrics => metrics.Reconciles > 0);
        await UntilAsync(address, metrics =>
        {
            if (!metrics.Writes.SequenceEqual(calm.Writes))
                calm = metrics;
            return metrics.Reconciles >= calm.Reconciles + 5;
        });
        return pods;
    }

    /// <summary>Waits until a new operator pod leads and has reconciled several times; its counters begin at zero.</summary>
    public static async Task<OperatorMetrics> AfterFullPassAsync(Cluster cluster, IReadOnlyList<Pod> old)
    {
        var uids = old.Select(pod => pod.Metadata.Uid).ToHashSet();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(TimeSpan.FromMinutes(2));
        await foreach (var change in cluster.Client.WatchAsync(KubeTypes.Pods, Cluster.OperatorNamespace, new(LabelSelector: Cluster.OperatorSelector), patience.Token))
        {
            if (change.Object is { } pod && !uids.Contains(pod.Metadata.Uid) && pod.Status?.Conditions?.Any(condition => condition is { Type: "Ready", Status: "True" }) == true)
                return await UntilAsync(pod.Status.PodIP!, metrics => metrics.Reconciles >= 5);
        }

        throw new InvalidOperationException("the watch ended");
    }

    private static async Task<OperatorMetrics> UntilAsync(string address, Func<OperatorMetrics, bool> wanted)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(TimeSpan.FromMinutes(4));
        using var http = new HttpClient();
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        while (true)
        {
            var metrics = Parse(await http.GetStringAsync($"http://{address}:8080/metrics", patience.Token));
            if (wanted(metrics))
                return metrics;
            await timer.WaitForNextTickAsync(patience.Token);
        }
    }

    // Leases are renewed and events written all the while; neither is a write to the stack or its objects.
    private static OperatorMetrics Parse(string text)
    {
        double reconciles = 0;
        var writes = new List<string>();
        foreach (var line in text.Split('\n'))
        {
            if (line.StartsWith("reconcile_total{", StringComparison.Ordinal))
                reconciles += double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture);
            else if (Request().Match(line) is { Success: true } request && request.Groups["verb"].Value is "create" or "update" or "patch" or "delete" && request.Groups["resource"].Value is not ("leases.coordination.k8s.io" or "events.events.k8s.io"))
                writes.Add(line);
        }

        return new(reconciles, writes);
    }

    [GeneratedRegex("^kube_client_requests_total\\{.*verb=\"(?<verb>[a-z]+)\".*resource=\"(?<resource>[^\"]+)\"", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Request();
}
