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
    private static readonly TimeSpan _sentinelsRest = TimeSpan.FromSeconds(30);
    private static readonly string[] _engines = ["postgres", "redis"];
    private readonly SharedStack _shared = cluster.Shared;

    private const int BallastMebibytes = 2048;

    private static int Rounds => int.TryParse(Environment.GetEnvironmentVariable("DORA_POD_ROUNDS"), NumberStyles.None, CultureInfo.InvariantCulture, out var rounds) ? rounds : 5;

    [Fact(Explicit = true)]
    public async Task Failovers_rotations_and_a_backup_are_timed()
    {
        var file = Environment.GetEnvironmentVariable("DORA_POD_REPORT");
        Assert.False(string.IsNullOrEmpty(file), "DORA_POD_REPORT names no file; this is started by hack/bench.sh --pods N");
        var report = new JsonObject { ["rounds"] = Rounds };
        foreach (var engine in _engines)
        {
            report[$"{engine}FrozenSeconds"] = await OutagesAsync(engine, primary => _shared.FrozenAsync(engine, primary));
            report[$"{engine}KilledSeconds"] = await OutagesAsync(engine, primary => cluster.SignalAsync(primary, "KILL"));
        }

        await RotateAsync(report);
        await BackUpAsync(report);
        await File.WriteAllTextAsync(file, report.ToJsonString(), TestContext.Current.CancellationToken);
    }

    // What a client sees that writes all the while.
    private async Task<JsonArray> OutagesAsync(string engine, Func<string, Task> fault)
    {
        var seconds = new JsonArray();
        for (var round = 0; round < Rounds; round++)
        {
            // One that has failed over within twice the failover-timeout waits with the next: here one fault is measured, not a row of them.
            if (engine == "redis" && round > 0)
                await Task.Delay(_sentinelsRest, TimeProvider.System, TestContext.Current.CancellationToken);
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
            seconds.Add((JsonNode)writer.Outage.TotalSeconds);
            TestContext.Current.TestOutputHelper?.WriteLine($"{engine}: {writer.Outage.TotalSeconds:F1} s");
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
        {
            report[$"{engine}RotationSeconds"] = seconds;
            TestContext.Current.TestOutputHelper?.WriteLine($"{engine}, new password: {seconds:F1} s");
        }
    }

    // What a ComplianceBackup takes, beside what pgBackRest itself says that it took.
    private async Task BackUpAsync(JsonObject report)
    {
        await using var world = await BackupWorld.BesideAsync(cluster);
        await world.PrepareAsync("weighed", "{postgres: {instances: 1, storage: {size: 16Gi}}}");
        await cluster.ReadyAsync("weighed");
        // Nothing is archived before the first one.
        await world.BackUpAsync("weighed", "postgres", "weighed-first");
        var application = await PostgresApplication.ConnectAsync(cluster, "weighed");
        await application.RunAsync("CREATE TABLE ballast (text text); ALTER TABLE ballast ALTER text SET STORAGE EXTERNAL", TestContext.Current.CancellationToken);
        for (var mebibytes = 0; mebibytes < BallastMebibytes; mebibytes += 8)
            await application.RunAsync("INSERT INTO ballast SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 262144) number GROUP BY number / 8192", TestContext.Current.CancellationToken);
        await ArchivedAsync(application);
        var status = (await world.BackUpAsync("weighed", "postgres", "weighed-full")).Status!;
        report["backupMebibytes"] = BallastMebibytes;
        report["backupSeconds"] = (status.FinishedAt!.Value - status.StartedAt!.Value).TotalSeconds;
        report["pgBackRestSeconds"] = (Time("stopped") - Time("started")).TotalSeconds;
        await world.DeleteAsync("weighed");

        DateTimeOffset Time(string fact) => DateTimeOffset.Parse(status.Facts![fact], CultureInfo.InvariantCulture);
    }

    // A backup waits for what was written before it and is not archived yet: that is not what is compared. The segment that is being written follows within a minute.
    private static async Task ArchivedAsync(PostgresApplication application)
    {
        var newest = await application.AskAsync("SELECT pg_walfile_name(pg_current_wal_lsn())");
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(TimeSpan.FromMinutes(10));
        using var again = new PeriodicTimer(TimeSpan.FromSeconds(1));
        while (string.CompareOrdinal(await application.AskAsync("SELECT last_archived_wal FROM pg_stat_archiver"), newest) < 0)
            await again.WaitForNextTickAsync(patience.Token);
    }

    private static string Secret(string engine) => $"{SharedStack.Name}-{engine}-app";
}
