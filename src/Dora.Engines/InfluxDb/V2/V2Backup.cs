using System.Globalization;
using Dora.Api;
using Dora.Engines.Backups;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.InfluxDb.V2;

/// <summary>
/// Backups of 2.x (InfluxDB 2.7 documentation, <c>influx backup</c> and <c>influx restore --full</c>). Always of the first server: the second one has the
/// points, and users and tokens of its own.
/// </summary>
internal static class V2Backup
{
    public static BackupTool Tool(InfluxDbPlan plan) =>
        new("influxdb2-full", [BackupType.Full], _ => Copy(plan), _ => LayDown(plan)) { Ports = [InfluxDbPlan.HttpPort] };

    private static ToolContainer Copy(InfluxDbPlan plan) => Container(
        plan,
        "backup-influxdb2.sh",
        [
            new("INFLUX_HOST", string.Create(CultureInfo.InvariantCulture, $"{plan.Scheme}://{plan.Names.MemberHost(0)}:{InfluxDbPlan.HttpPort}")),
            // Go believes nobody else then (Go documentation, crypto/x509).
            .. BackupTrust.Environment(plan.Names).Select(variable => variable with { Name = "SSL_CERT_FILE" }),
        ]) with
    {
        Volumes = BackupTrust.Volumes(plan.Names),
        Mounts = BackupTrust.Mounts(plan.Names),
    };

    private static ToolContainer LayDown(InfluxDbPlan plan) => Container(
        plan,
        "restore-influxdb2.sh",
        [
            PodDefaults.FromSecret("ADMIN_USERNAME", plan.Names.InternalSecret, InfluxDbCredentials.AdminUsername),
            PodDefaults.FromSecret("ADMIN_PASSWORD", plan.Names.InternalSecret, InfluxDbCredentials.AdminPassword),
            new("INFLUX_ORG", plan.Organization),
            new("GOMEMLIMIT", plan.CollectorLimit),
            new("INFLUXD_STORAGE_CACHE_MAX_MEMORY_SIZE", plan.CacheBytes.ToString(CultureInfo.InvariantCulture)),
        ]) with
    {
        Resources = PodDefaults.Resources(plan.Resources),
    };

    // The client keeps its configuration under HOME.
    private static ToolContainer Container(InfluxDbPlan plan, string script, IEnumerable<EnvVar> environment) => new(
        plan.Pods.Image("influxdb", plan.Version),
        script,
        BackupScripts.Of("InfluxDb", script),
        [new("HOME", "/tmp"), PodDefaults.FromSecret("INFLUX_TOKEN", plan.Names.InternalSecret, InfluxDbCredentials.AdminToken), .. environment],
        [],
        []);
}
