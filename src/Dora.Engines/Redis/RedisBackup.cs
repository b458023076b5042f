using System.Globalization;
using Dora.Api;
using Dora.Engines.Backups;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Redis;

/// <summary>
/// Redis' backups: what a replica gets when it begins to follow (RDB), laid down as the base of append-only files (Redis documentation,
/// "Redis persistence"). A cluster has no tool: its slots are on several masters, and one volume holds one of them.
/// </summary>
internal static class RedisBackup
{
    private const string Rdb = "redis-rdb";
    private const string Certificates = "tls";

    public static IReadOnlyList<BackupTool> Tools(RedisPlan plan) => plan.Mode == RedisMode.Cluster
        ? []
        : [new(Rdb, [BackupType.Full], request => Copy(plan, request), request => LayDown(plan, request))];

    private static ToolContainer Copy(RedisPlan plan, CopyRequest request)
    {
        var encrypted = plan.Names.Encrypted;
        return Tool(plan, "backup-redis.sh") with
        {
            Environment =
            [
                new("HOST", request.Host),
                new("PORT", RedisPlan.Port.ToString(CultureInfo.InvariantCulture)),
                new("REDISCLI_USER", RedisPlan.AdminUser),
                PodDefaults.FromSecret("REDISCLI_AUTH", plan.Names.InternalSecret, "admin-password"),
                .. encrypted ? [new("TLS_CA", $"{RedisTls.Folder}/{CertificateRequest.Trust}")] : Array.Empty<EnvVar>(),
            ],
            Volumes = encrypted ? [new(Certificates, Secret: new(plan.Names.CertificateSecret, DefaultMode: 288, Items: [new(CertificateRequest.Trust, CertificateRequest.Trust)]))] : [],
            Mounts = encrypted ? [new(Certificates, RedisTls.Folder, ReadOnly: true)] : [],
        };
    }

    // A server that looks at the data needs the memory that the members have.
    private static ToolContainer LayDown(RedisPlan plan, LayDownRequest request) => Tool(plan, "restore-redis.sh") with
    {
        Resources = request.Drill ? PodDefaults.Resources(plan.Resources) : null,
    };

    private static ToolContainer Tool(RedisPlan plan, string script) =>
        new(plan.Pods.Image("redis", plan.Version), script, new Dictionary<string, string> { [script] = RedisConfig.Script(script) }, [], [], []);
}
