using System.Globalization;
using Dora.Api;
using Dora.Engines.Backups;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.InfluxDb.V1;

/// <summary>
/// Backups of 1.x, by queries over the port that everybody uses, with a password and TLS; why not by its own tool, whose port knows neither, says
/// docs/decisions/0016-influxdb1-backups.md. They are laid down by a server in the pod of the restore.
/// </summary>
internal static class V1Backup
{
    private static readonly string[] Reading = ["influxql.sh", "influx-form.awk", "influx-csv.awk", "influx-rows.awk"];

    public static BackupTool Tool(InfluxDbPlan plan) =>
        new("influxdb1-values", [BackupType.Full], request => Copy(plan, request), request => LayDown(plan, request)) { Ports = [InfluxDbPlan.HttpPort] };

    private static ToolContainer Copy(InfluxDbPlan plan, CopyRequest request) => Container(
        plan,
        "backup-influxdb1.sh",
        ["influx-points.awk"],
        [
            new("HOST", request.Host),
            new("PORT", InfluxDbPlan.HttpPort.ToString(CultureInfo.InvariantCulture)),
            PodDefaults.FromSecret("INFLUX_USERNAME", plan.Names.InternalSecret, InfluxDbCredentials.AdminUsername),
            PodDefaults.FromSecret("INFLUX_PASSWORD", plan.Names.InternalSecret, InfluxDbCredentials.AdminPassword),
            .. BackupTrust.Environment(plan.Names),
        ]) with
    {
        Volumes = BackupTrust.Volumes(plan.Names),
        Mounts = BackupTrust.Mounts(plan.Names),
    };

    private static ToolContainer LayDown(InfluxDbPlan plan, LayDownRequest request) => Container(
        plan,
        "restore-influxdb1.sh",
        ["influx-lines.awk", "influx-lay.sh", .. request.Checks is { Count: > 0 } ? ["influx-answer.awk"] : Array.Empty<string>()],
        [
            PodDefaults.FromSecret("ADMIN_USERNAME", plan.Names.InternalSecret, InfluxDbCredentials.AdminUsername),
            PodDefaults.FromSecret("ADMIN_PASSWORD", plan.Names.InternalSecret, InfluxDbCredentials.AdminPassword),
            new("GOMEMLIMIT", plan.CollectorLimit),
            new("INFLUXDB_DATA_CACHE_MAX_MEMORY_SIZE", plan.CacheBytes.ToString(CultureInfo.InvariantCulture)),
            new("INFLUXDB_DATA_CACHE_SNAPSHOT_MEMORY_SIZE", (plan.CacheBytes / 4).ToString(CultureInfo.InvariantCulture)),
        ]) with
    {
        Resources = PodDefaults.Resources(plan.Resources),
    };

    private static ToolContainer Container(InfluxDbPlan plan, string script, IEnumerable<string> others, IReadOnlyList<EnvVar> environment) =>
        new(plan.Pods.Image("influxdb", plan.Version), script, BackupScripts.Of("InfluxDb", [script, .. others, .. Reading]), environment, [], []);
}
