using System.Globalization;
using Dora.Api;
using Dora.Engines.Backups;
using Dora.Engines.Rendering;

namespace Dora.Engines.MongoDb;

/// <summary>
/// Backups of MongoDB: a dump of all databases with the log of what changed meanwhile (MongoDB Database Tools documentation, <c>mongodump</c>), laid down as the
/// first member of the set; the others join it empty, one after the other.
/// </summary>
internal static class MongoDbBackup
{
    private const string Counting = "count-documents.awk";

    public static BackupTool Tool(MongoDbPlan plan) =>
        new("mongodb-archive", [BackupType.Full], request => Copy(plan, request), _ => LayDown(plan)) { Ports = [MongoDbPlan.DefaultPort] };

    private static ToolContainer Copy(MongoDbPlan plan, CopyRequest request) => new(
        plan.Pods.Image("mongodb", plan.Version),
        "backup-mongodb.sh",
        BackupScripts.Of("MongoDb", "backup-mongodb.sh", Counting),
        [
            new("HOST", request.Host),
            new("PORT", MongoDbPlan.DefaultPort.ToString(CultureInfo.InvariantCulture)),
            PodDefaults.FromSecret("MONGODB_USER", plan.Names.InternalSecret, "backup-username"),
            PodDefaults.FromSecret("MONGODB_PASSWORD", plan.Names.InternalSecret, "backup-password"),
            .. BackupTrust.Environment(plan.Names),
        ],
        BackupTrust.Volumes(plan.Names),
        BackupTrust.Mounts(plan.Names));

    private static ToolContainer LayDown(MongoDbPlan plan) => new(
        plan.Pods.Image("mongodb", plan.Version),
        "restore-mongodb.sh",
        BackupScripts.Of("MongoDb", "restore-mongodb.sh", "restore-mongodb.js", Counting),
        [
            // The shell keeps its history and logs under HOME.
            new("HOME", "/tmp"),
            new("REPLICA_SET", MongoDbPlan.ReplicaSet),
            new("MEMBER", plan.Host(plan.Names.Pod(0))),
            new("CACHE_GB", plan.CacheGigabytes.ToString("0.00", CultureInfo.InvariantCulture)),
            PodDefaults.FromSecret("ADMIN_USERNAME", plan.Names.InternalSecret, "admin-username"),
            PodDefaults.FromSecret("ADMIN_PASSWORD", plan.Names.InternalSecret, "admin-password"),
        ],
        [],
        [],
        PodDefaults.Resources(plan.Resources));
}
