using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.EndToEnd.Tests;

/// <summary>
/// Another authority takes the place of a stack's own on real pods, under clients that believe what the bundle says at the moment. It waits twice for the files of
/// pods, and so is explicit: <c>hack/e2e.sh -explicit on -class '*.AuthorityTests'</c>.
/// </summary>
public sealed class AuthorityTests(Cluster cluster)
{
    private const string Stack = "believed";

    // Twice three minutes in which files reach the pods, the pods' own pace, and a restart of InfluxDB.
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(20);

    [Fact(Explicit = true)]
    public async Task An_authority_takes_the_place_of_another_and_clients_that_read_the_bundle_write_all_the_while()
    {
        await cluster.ApplyAsync(Stack, "{tier: Development, engines: {postgres: {instances: 2}, redis: {}, influxdb: {version: '1.6'}}}");
        await cluster.ReadyAsync(Stack);
        var before = Assert.Single(Roots(await BundleAsync()));
        var (service, key) = ($"{Stack}-postgres", $"{Stack}-redis");
        var old = await cluster.ExpectAsync(Stack, service);
        var postgres = await PostgresApplication.ConnectAsync(cluster, Stack);
        var redis = await RedisApplication.ConnectAsync(cluster, Stack, replicas: 0);
        await using var rows = new Writer(async (number, token) =>
        {
            await postgres.Believing(await cluster.ExpectAsync(Stack, service)).RunAsync($"INSERT INTO written VALUES ('authority', {number})", token);
            return true;
        });
        await using var keys = new Writer(async (number, token) =>
        {
            var trust = await cluster.TrustAsync(Stack);
            await redis.Believing(() => trust(key)).RunAsync(token, "SET", $"authority:{number}", "written");
            return true;
        });
        await Task.WhenAll(rows.MoreAsync(20, _patience), keys.MoreAsync(20, _patience));

        await cluster.AnnotateAsync(Stack, Labels.RotateAuthority, "now");
        var both = await cluster.UntilAsync(KubeTypes.ConfigMaps, $"{Stack}-trust", map => Roots(map).Count == 2, _patience, "a bundle with both roots");
        Assert.Contains(before, Roots(both));
        var after = await cluster.UntilAsync(KubeTypes.ConfigMaps, $"{Stack}-trust", map => Roots(map) is [var only] && only != before, _patience, "a bundle with the new root alone");
        await cluster.UntilAsync(
            StackResource.Type,
            Stack,
            now => ((string[])[ConditionTypes.Ready, ConditionTypes.EncryptedInTransit, ConditionTypes.CertificatesCurrent]).All(type => now.Status?.Conditions.Find(type)?.Status == "True"),
            _patience,
            "Ready with current certificates, encrypted as measured");

        await Task.WhenAll(rows.MoreAsync(20, _patience), keys.MoreAsync(20, _patience));
        await Task.WhenAll(rows.StopAsync(), keys.StopAsync());
        TestContext.Current.TestOutputHelper?.WriteLine($"authority replaced: outage seen by the client: PostgreSQL {rows.Outage.TotalSeconds:F1} s, Redis {keys.Outage.TotalSeconds:F1} s");
        Assert.NotEqual(before, Assert.Single(Roots(after)));
        Assert.InRange(rows.Outage, TimeSpan.Zero, OutageLimit.Postgres);
        Assert.InRange(keys.Outage, TimeSpan.Zero, OutageLimit.Redis);
        var believing = postgres.Believing(await cluster.ExpectAsync(Stack, service));
        Assert.Empty(rows.Acknowledged.Except(await believing.ReadAsync("authority")));
        var stale = await Assert.ThrowsAnyAsync<Exception>(() => postgres.Believing(old).RunAsync("SELECT 1", TestContext.Current.CancellationToken));
        Assert.IsType<AuthenticationException>(stale.InnerException ?? stale);
        await cluster.DeleteStackAsync(Stack);
    }

    private Task<ConfigMap> BundleAsync() => cluster.GetAsync(KubeTypes.ConfigMaps, $"{Stack}-trust");

    private static List<string> Roots(ConfigMap bundle)
    {
        var roots = new X509Certificate2Collection();
        roots.ImportFromPem(bundle.Data!["ca.crt"]);
        return [.. roots.Select(root => root.Thumbprint)];
    }
}
