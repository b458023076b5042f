using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Integration.Tests.Backups;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;

namespace Dora.EndToEnd.Tests;

/// <summary>Real pods back up into a real object store beside the cluster, and restore from it.</summary>
[Collection(SharedStackTests.Name)]
public sealed class BackupTests(Cluster cluster) : IAsyncLifetime
{
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(4);
    private ObjectStoreServer _store = null!;
    private readonly string _service = $"store-{Guid.NewGuid():N}"[..12];
    private readonly List<string> _runs = [];
    private string _bucket = "";
    private string _endpoint = "";

    public async ValueTask InitializeAsync()
    {
        var (address, host) = (await cluster.NodeAddressAsync(), $"{_service}.{cluster.Namespace}.svc");
        _store = new(address, host);
        await _store.InitializeAsync();
        _bucket = await _store.BucketAsync();
        // A Service without pods leads out of the cluster: certificates are known by names.
        var port = _store.Endpoint.Port;
        await CreateAsync(KubeTypes.Services.Resource, new() { ["spec"] = new JsonObject { ["ports"] = new JsonArray(new JsonObject { ["port"] = port, ["protocol"] = "TCP" }) } });
        await CreateAsync(new("", "v1", "endpoints", "Endpoints"), new()
        {
            ["subsets"] = new JsonArray(new JsonObject { ["addresses"] = new JsonArray(new JsonObject { ["ip"] = address }), ["ports"] = new JsonArray(new JsonObject { ["port"] = port, ["protocol"] = "TCP" }) }),
        });
        _endpoint = $"https://{host}:{port}";
    }

    private Task CreateAsync(KubeResource kind, JsonObject body)
    {
        body["apiVersion"] = kind.ApiVersion;
        body["kind"] = kind.Kind;
        body["metadata"] = new JsonObject { ["name"] = _service, ["namespace"] = cluster.Namespace };
        return cluster.Client.ApplyAsync(new(kind, cluster.Namespace, _service, body), new(), TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync() => await _store.DisposeAsync();

    [Fact]
    public async Task Redis_is_backed_up_under_load_drilled_and_restored_over_lost_data_and_into_a_new_stack()
    {
        await PrepareAsync("cache", "{redis: {mode: Sentinel, instances: 3}}");
        await cluster.ReadyAsync("cache");
        var application = await RedisApplication.ConnectAsync(cluster, "cache");
        await using var before = application.Write("before");
        await before.MoreAsync(50, _patience);
        await before.StopAsync();

        ComplianceBackup backup;
        await using (var load = application.Write("load"))
        {
            await load.MoreAsync(5, _patience);
            backup = await BackUpAsync("cache", "redis", "first");
        }

        Assert.Equal("redis-rdb", backup.Status!.Content);
        Assert.True(int.Parse(backup.Status.Facts!["count:keys"]) >= 55, backup.Status.Facts["count:keys"]);
        Assert.NotNull(backup.Status.ManifestSha256);

        var drill = await RestoreAsync("cache", "redis", "drill", "{mode: Drill}");
        Assert.Equal((RestorePhase.Succeeded, "Verified"), (drill.Status!.Phase, drill.Status.Comparison));
        Assert.NotNull((await cluster.GetAsync(BackupResource.Type, "first")).Status!.VerifiedAt);

        await using (var after = application.Write("after"))
            await after.MoreAsync(5, _patience);
        // The operator dies in the middle of it, and the next one goes on.
        var restoring = RestoreAsync("cache", "redis", "in-place", "{mode: InPlace, confirm: cache}");
        await cluster.UntilAsync(RestoreResource.Type, "in-place", now => now.Status?.Phase is RestorePhase.Stopping or RestorePhase.Restoring, _patience, "in the middle");
        await cluster.KillOperatorAsync();
        var restore = await restoring;
        Assert.Equal((RestorePhase.Succeeded, "Verified"), (restore.Status!.Phase, restore.Status.Comparison));
        await cluster.ReadyAsync("cache");
        application = await RedisApplication.ConnectAsync(cluster, "cache");
        Assert.Superset(before.Acknowledged.ToHashSet(), await application.ReadAsync("before"));
        Assert.Empty(await application.ReadAsync("after"));

        var copied = await RestoreAsync("cache", "redis", "aside", "{mode: NewStack, stack: cache-copy}");
        Assert.Equal(RestorePhase.Succeeded, copied.Status!.Phase);
        Assert.Superset(before.Acknowledged.ToHashSet(), await (await RedisApplication.ConnectAsync(cluster, "cache-copy")).ReadAsync("before"));
        await cluster.DeleteStackAsync("cache-copy");

        // One byte of the stored data changes: no drill passes any more, and no restore touches what serves.
        await _store.FlipAsync(_bucket, $"eu/{cluster.Namespace}/cache/redis/{backup.Status.Id}/data-00001", TestContext.Current.CancellationToken);
        var failed = await RestoreAsync("cache", "redis", "drill-broken", "{mode: Drill}");
        Assert.Equal((RestorePhase.Failed, "BackupBroken"), (failed.Status!.Phase, failed.Status.Reason));
        failed = await RestoreAsync("cache", "redis", "in-place-broken", "{mode: InPlace, confirm: cache}");
        Assert.Equal((RestorePhase.Failed, "BackupBroken"), (failed.Status!.Phase, failed.Status.Reason));
        Assert.Contains("nothing was touched", failed.Status.Message, StringComparison.Ordinal);
        await cluster.ReadyAsync("cache");
        Assert.Superset(before.Acknowledged.ToHashSet(), await application.ReadAsync("before"));
        await DeleteAsync("cache");
    }

    [Fact]
    public async Task PostgreSQL_is_restored_to_a_point_between_two_known_rows_and_a_drill_reads_it_as_a_server_would()
    {
        await PrepareAsync("ledger", "{postgres: {instances: 3}}", "drills: {cron: '0 4 1 1 *', checks: [{name: rows, engine: postgres, query: \"SELECT count(*) >= 20 FROM written WHERE run = 'before'\", expect: t}]}");
        await cluster.ReadyAsync("ledger", _patience);
        var application = await PostgresApplication.ConnectAsync(cluster, "ledger");
        await using var before = application.Write("before");
        await before.MoreAsync(20, _patience);
        await before.StopAsync();
        var backup = await BackUpAsync("ledger", "postgres", "base");
        Assert.Equal("postgres-pgbackrest", backup.Status!.Content);

        var drill = await RestoreAsync("ledger", "postgres", "ledger-drill", "{mode: Drill}");
        Assert.True(drill.Status!.Phase == RestorePhase.Succeeded, $"{drill.Status.Reason}: {drill.Status.Message}");
        Assert.Equal("passed", drill.Status.Facts!["check:rows"]);

        await using (var between = application.Write("between"))
            await between.MoreAsync(5, _patience);
        var written = (await application.ReadAsync("between")).Count;
        var point = await application.NowAsync();
        await using (var after = application.Write("after"))
            await after.MoreAsync(5, _patience);
        // What comes after the point is in the archive once another backup has ended.
        await BackUpAsync("ledger", "postgres", "second", "Incremental");

        var restore = await RestoreAsync("ledger", "postgres", "to-the-point", "{mode: InPlace, confirm: ledger}", $"{{pointInTime: '{point.UtcDateTime:O}'}}");
        Assert.True(restore.Status!.Phase == RestorePhase.Succeeded, $"{restore.Status.Reason}: {restore.Status.Message}");
        await cluster.ReadyAsync("ledger", _patience);
        Assert.Equal(before.Acknowledged.ToHashSet(), await application.ReadAsync("before"));
        Assert.Equal(written, (await application.ReadAsync("between")).Count);
        Assert.Empty(await application.ReadAsync("after"));

        // It goes on from there, and is backed up as before.
        await using (var again = application.Write("again"))
            await again.MoreAsync(5, _patience);
        await BackUpAsync("ledger", "postgres", "third");
        await DeleteAsync("ledger");
    }

    [Fact]
    public async Task InfluxDB_gets_its_points_back()
    {
        await PrepareAsync("sensors", "{influxdb: {version: '1.6', databases: [{name: metrics}], users: [{name: telegraf, grants: [{database: metrics, access: ReadWrite}]}]}}");
        await cluster.ReadyAsync("sensors");
        var telegraf = await InfluxUser.OfAsync(cluster, "sensors", "telegraf");
        await Writer.UntilDoneAsync(async _ => Assert.Equal(HttpStatusCode.NoContent, await telegraf.WriteAsync("cpu value=41 1000\ncpu value=42 2000")));
        await BackUpAsync("sensors", "influxdb", "points");
        Assert.Equal(HttpStatusCode.NoContent, await telegraf.WriteAsync("cpu value=43 3000"));

        var restore = await RestoreAsync("sensors", "influxdb", "points-again", "{mode: InPlace, confirm: sensors}");
        Assert.True(restore.Status!.Phase == RestorePhase.Succeeded, $"{restore.Status.Reason}: {restore.Status.Message}");
        Assert.Equal("Verified", restore.Status.Comparison);
        await cluster.ReadyAsync("sensors");
        await Writer.UntilDoneAsync(async _ => Assert.Contains(",42]", await telegraf.ReadAsync(), StringComparison.Ordinal));
        Assert.DoesNotContain(",43]", await telegraf.ReadAsync(), StringComparison.Ordinal);
        await DeleteAsync("sensors");
    }

    private async Task PrepareAsync(string stack, string engines, string more = "")
    {
        await SecretAsync($"{stack}-store", ("accessKeyId", _store.Owner.AccessKeyId), ("secretAccessKey", _store.Owner.SecretAccessKey));
        await SecretAsync($"{stack}-keys", ("current", Convert.ToBase64String(RandomNumberGenerator.GetBytes(32))), ("pgbackrest", Convert.ToBase64String(RandomNumberGenerator.GetBytes(32))));
        await cluster.Client.CreateAsync(KubeTypes.ConfigMaps, new(new(Name: $"{stack}-store-ca", Namespace: cluster.Namespace), new Dictionary<string, string> { ["ca.crt"] = _store.Authority }), TestContext.Current.CancellationToken);
        await cluster.ApplyAsync(stack, $$"""
            tier: Development
            engines: {{engines}}
            deletionPolicy: Delete
            backup:
              destination: {endpoint: "{{_endpoint}}", bucket: {{_bucket}}, prefix: eu, credentialsSecret: {{stack}}-store, caConfigMap: {{stack}}-store-ca}
              encryption: {keySecret: {{stack}}-keys}
              {{more}}
            """);
    }

    // Records outlive their stack, and the pods of their runs go with them.
    private async Task DeleteAsync(string stack)
    {
        foreach (var kind in (KubeResource[])[BackupResource.Type.Resource, RestoreResource.Type.Resource])
        {
            foreach (var name in _runs)
            {
                try
                {
                    await cluster.Client.DeleteAsync(kind, cluster.Namespace, name, new(Propagation: DeletePropagation.Background), TestContext.Current.CancellationToken);
                }
                catch (KubeNotFoundException)
                {
                    // One of the other kind.
                }
            }
        }

        await cluster.DeleteStackAsync(stack);
    }

    private Task SecretAsync(string name, params (string Key, string Value)[] fields) => cluster.Client.CreateAsync(
        KubeTypes.Secrets,
        new Secret(new(Name: name, Namespace: cluster.Namespace), fields.ToDictionary(field => field.Key, field => Convert.ToBase64String(Encoding.UTF8.GetBytes(field.Value))), Type: "Opaque"),
        TestContext.Current.CancellationToken);

    private async Task<ComplianceBackup> BackUpAsync(string stack, string engine, string name, string type = "Full")
    {
        await ApplyAsync(BackupResource.Type.Resource, name, $"{{stack: {stack}, engine: {engine}, type: {type}}}");
        var backup = await cluster.UntilAsync(BackupResource.Type, name, now => now.Status?.Phase is RunPhase.Succeeded or RunPhase.Failed, _patience, "over");
        Assert.True(backup.Status!.Phase == RunPhase.Succeeded, $"{backup.Status.Reason}: {backup.Status.Message}");
        return backup;
    }

    private async Task<ComplianceRestore> RestoreAsync(string stack, string engine, string name, string target, string source = "{}")
    {
        await ApplyAsync(RestoreResource.Type.Resource, name, $"{{stack: {stack}, engine: {engine}, source: {source}, target: {target}}}");
        var restore = await cluster.UntilAsync(RestoreResource.Type, name, now => now.Status?.Phase is RestorePhase.Succeeded or RestorePhase.Failed, TimeSpan.FromMinutes(6), "over");
        TestContext.Current.SendDiagnosticMessage($"{name}: {restore.Status!.Phase} {restore.Status.Reason} {restore.Status.Message} RTO {restore.Status.MeasuredRto} RPO {restore.Status.MeasuredRpo}");
        return restore;
    }

    private Task ApplyAsync(KubeResource kind, string name, string spec)
    {
        _runs.Add(name);
        var body = new JsonObject
        {
            ["apiVersion"] = kind.ApiVersion,
            ["kind"] = kind.Kind,
            ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = cluster.Namespace },
            ["spec"] = KubeYaml.Read(spec),
        };
        return cluster.Client.ApplyAsync(new(kind, cluster.Namespace, name, body), new(), TestContext.Current.CancellationToken);
    }
}
