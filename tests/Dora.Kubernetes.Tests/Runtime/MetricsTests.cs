using System.Diagnostics.Metrics;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Dora.Kubernetes.Tests.Client;
using Dora.Testing;
using Dora.Testing.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dora.Kubernetes.Tests.Runtime;

/// <summary>Alone, because the instruments are shared by the whole process.</summary>
[Collection(ClockCollection.Name)]
public sealed class MetricsTests : IDisposable
{
    private readonly List<string> _seen = [];
    private readonly MeterListener _listener = new();

    public MetricsTests()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == KubeMetrics.MeterName)
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Note(instrument, $"{value}", tags));
        _listener.SetMeasurementEventCallback<double>((instrument, _, tags, _) => Note(instrument, "", tags));
        _listener.Start();
    }

    public void Dispose() => _listener.Dispose();

    private void Note(Instrument instrument, string value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var labels = string.Join(',', tags.ToArray().Select(tag => $"{tag.Key}={tag.Value}"));
        lock (_seen)
            _seen.Add($"{instrument.Name}{{{labels}}} {value}".TrimEnd());
    }

    private string[] Seen(string name)
    {
        lock (_seen)
            return [.. _seen.Where(line => line.StartsWith($"{name}{{", StringComparison.Ordinal))];
    }

    [Fact]
    public async Task Requests_are_counted_by_verb_resource_and_code()
    {
        await using var scripted = await ScriptedClient.StartAsync();
        scripted.Server
            .On("PATCH /apis/apps/v1/namespaces/ns/statefulsets/a", Reply.Status(409, "Conflict", "no"))
            .On("GET /api/v1/pods", Reply.Stream());
        await Assert.ThrowsAsync<KubeConflictException>(() => scripted.Client.ApplyAsync(new Manifest(KubeTypes.StatefulSets.Resource, "ns", "a", []), new(), default));
        await foreach (var _ in scripted.Client.WatchAsync(KubeTypes.Pods, null, new(), default))
        {
        }

        Assert.Equal(
            ["kube_client_requests{verb=patch,resource=statefulsets.apps,code=409} 1", "kube_client_requests{verb=watch,resource=pods,code=200} 1"],
            Seen("kube_client_requests"));
        Assert.Equal(["kube_client_request_duration_seconds{verb=patch,resource=statefulsets.apps}"], Seen("kube_client_request_duration_seconds"));
    }

    [Fact]
    public async Task Reconciles_are_counted_by_result_and_the_queue_shows_its_depth()
    {
        var clock = new ManualClock();
        using var queue = new WorkQueue<ObjectKey>("q", clock);
        using var stop = new CancellationTokenSource();
        queue.Add(new("ns", "good"));
        queue.Add(new("ns", "bad"));
        queue.Add(new("ns", "later"));
        var loop = new ControllerLoop(
            "c",
            queue,
            (key, _) => key.Name == "bad" ? throw new InvalidOperationException() : Task.FromResult(key.Name == "good" ? Reconciled.Done : Reconciled.After(TimeSpan.FromHours(1))),
            new(1),
            clock,
            NullLogger.Instance);
        var running = loop.RunAsync(stop.Token);
        await clock.AdvanceUntilAsync(() => Seen("reconcile_duration_seconds").Length >= 3, TimeSpan.Zero);
        await stop.CancelAsync();
        await running;
        Assert.Equal(
            ["reconcile_total{controller=c,result=done} 1", "reconcile_total{controller=c,result=error} 1", "reconcile_total{controller=c,result=requeue_after} 1"],
            Seen("reconcile_total"));
        Assert.Equal(["1", "2", "3", "2", "1", "0"], Seen("workqueue_depth").Select(line => line["workqueue_depth{name=q} ".Length..]));
    }
}
