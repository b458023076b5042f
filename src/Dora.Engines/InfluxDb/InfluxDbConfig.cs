using System.Globalization;
using System.Text.Json.Nodes;
using Dora.Kubernetes.Model;

namespace Dora.Engines.InfluxDb;

/// <summary>Files of the ConfigMaps that InfluxDB pods mount. Passwords and tokens are mounted from a Secret and never stand here.</summary>
internal static class InfluxDbConfig
{
    public const string DataPath = "/var/lib/influxdb";

    /// <summary>Scripts and static configuration: a change of these restarts the pods.</summary>
    public static IReadOnlyDictionary<string, string> Render(InfluxDbPlan plan)
    {
        var generation = plan.IsV2 ? "v2" : "v1";
        // They log in, as those whom the Secret names.
        var named = plan.Names.Release.NamedAdministrators ? "" : "-2026.11";
        var files = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["start.sh"] = Script("start.sh"),
            ["bootstrap.sh"] = Script($"{generation}-bootstrap{named}.sh"),
            ["ready.sh"] = InfluxDbTls.Probing(plan, Script($"{generation}-ready{(plan.IsV2 ? "" : named)}.sh")),
            ["alive.sh"] = InfluxDbTls.Probing(plan, Script($"{generation}-alive{(plan.IsV2 ? "" : named)}.sh")),
        };
        if (plan.IsV2)
            files["config.yaml"] = KubeYaml.Write(V2(plan));
        else
            files["influxdb.conf"] = V1(plan);
        return files;
    }

    /// <summary>Whether there ever was data: an empty volume is then a loss, not a beginning. Changes of this restart nothing.</summary>
    public static IReadOnlyDictionary<string, string> Memory(EngineObservation observed) =>
        new Dictionary<string, string> { ["initialized"] = observed.Initialized ? "true" : "false" };

    // InfluxDB 1.8 documentation, "Configure InfluxDB OSS"; all keys exist in 1.6.
    private static string V1(InfluxDbPlan plan) => string.Create(CultureInfo.InvariantCulture, $"""
        reporting-disabled = true
        # Backup and restore are served here without any password: only to this pod.
        bind-address = "127.0.0.1:8088"

        [meta]
        dir = "{DataPath}/meta"

        [data]
        dir = "{DataPath}/data"
        wal-dir = "{DataPath}/wal"
        index-version = "tsi1"
        cache-max-memory-size = {plan.CacheBytes}
        cache-snapshot-memory-size = {plan.CacheBytes / 4}
        # A query's text may hold what is personal.
        query-log-enabled = false

        [coordinator]
        query-timeout = "5m"

        [http]
        bind-address = ":{InfluxDbPlan.HttpPort}"
        auth-enabled = true
        pprof-enabled = false
        log-enabled = false
        write-tracing = false
        max-body-size = 26214400

        [logging]
        format = "json"
        suppress-logo = true

        """);

    // InfluxDB 2.7 documentation, "InfluxDB configuration options".
    private static JsonObject V2(InfluxDbPlan plan) => new()
    {
        ["bolt-path"] = $"{DataPath}/influxd.bolt",
        ["sqlite-path"] = $"{DataPath}/influxd.sqlite",
        ["engine-path"] = $"{DataPath}/engine",
        ["http-bind-address"] = string.Create(CultureInfo.InvariantCulture, $":{InfluxDbPlan.HttpPort}"),
        ["reporting-disabled"] = true,
        ["ui-disabled"] = true,
        ["pprof-disabled"] = true,
        ["log-level"] = "info",
        ["storage-cache-max-memory-size"] = plan.CacheBytes,
        ["storage-cache-snapshot-memory-size"] = plan.CacheBytes / 4,
    };

    private static string Script(string name)
    {
        using var stream = typeof(InfluxDbConfig).Assembly.GetManifestResourceStream($"InfluxDb/{name}")
            ?? throw new InvalidOperationException($"script {name} is not embedded");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
