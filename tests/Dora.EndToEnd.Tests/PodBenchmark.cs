using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.EndToEnd.Tests;

/// <summary>What is measured on real pods for <c>hack/bench.sh --pods N</c>; the numbers go into the file that <c>DORA_POD_REPORT</c> names.</summary>
[Collection(SharedStackTests.Name)]
public sealed class PodBenchmark(Cluster cluster)
{
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(2);
    private static readonly string[] _engines = ["postgres", "redis"];
    private readonly SharedStack _shared = cluster.Shared;

    private static int Rounds => int.TryParse(Environment.GetEnvironmentVariable("DORA_POD_ROUNDS"), NumberStyles.None, CultureInfo.InvariantCulture, out var rounds) ? rounds : 5;

    [Fact(Explicit = true)]
    public async Task Failovers_and_rotations_are_timed()
    {
        var report = new JsonObject { ["rounds"] = Rounds };
        foreach (var engine in _engines)
        {
            report[$"{engine}FrozenSeconds"] = await OutagesAsync(engine, primary => _shared.FrozenAsync(engine, primary));
            report[$"{engine}KilledSeconds"] = await OutagesAsync(engine, primary => cluster.SignalAsync(primary, "KILL"));
        }

        await RotateAsync(report);

        var file = Environment.GetEnvironmentVariable("DORA_POD_REPORT");
        Assert.False(string.IsNullOrEmpty(file), "DORA_POD_REPORT names no file; this is started by hack/bench.sh --pods N");
        await File.WriteAllTextAsync(file, report.ToJsonString(), TestContext.Current.CancellationToken);
    }

    // What a client sees that writes all the while.
    private async Task<JsonArray> OutagesAsync(string engine, Func<string, Task> fault)
    {
        var seconds = new JsonArray();
        for (var round = 0; round < Rounds; round++)
        {
            var primary = await _shared.PrimaryAsync(engine);
            var run = Guid.NewGuid().ToString("N");
            var (writer, read) = await WriteAsync(engine, run);
            await using var writing = writer;
            await writer.MoreAsync(50, _patience);
            await fault(primary);
            await writer.MoreAsync(50, _patience);
            await writer.StopAsync();
            await _shared.ReadyAsync();
            Assert.Empty(writer.Acknowledged.Except(await read(run)));
            seconds.Add(writer.Outage.TotalSeconds);
        }

        return seconds;
    }

    private async Task<(Writer Writer, Func<string, Task<HashSet<int>>> Read)> WriteAsync(string engine, string run)
    {
        if (engine == "redis")
        {
            var cache = await RedisApplication.ConnectAsync(cluster, SharedStack.Name);
            return (cache.Write(run), cache.ReadAsync);
        }

        var database = await PostgresApplication.ConnectAsync(cluster, SharedStack.Name);
        return (database.Write(run), database.ReadAsync);
    }

    // From the wish until consumers find the new password in their Secret; the overlap that follows is as long as the spec asks.
    private async Task RotateAsync(JsonObject report)
    {
        var before = new Dictionary<string, string>();
        foreach (var engine in _engines)
            before[engine] = (await cluster.GetAsync(KubeTypes.Secrets, Secret(engine))).Data!["password"];
        var began = Stopwatch.GetTimestamp();
        await cluster.AnnotateAsync(SharedStack.Name, Labels.RotateCredentials, Guid.NewGuid().ToString("N"));
        var turned = await Task.WhenAll(_engines.Select(async engine =>
        {
            await cluster.UntilAsync(KubeTypes.Secrets, Secret(engine), now => now.Data!["password"] != before[engine], TimeSpan.FromMinutes(10), "given a new password");
            return (engine, Seconds: Stopwatch.GetElapsedTime(began).TotalSeconds);
        }));
        foreach (var (engine, seconds) in turned)
            report[$"{engine}RotationSeconds"] = seconds;
    }

    private static string Secret(string engine) => $"{SharedStack.Name}-{engine}-app";
}
