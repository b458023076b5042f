using System.Globalization;
using Dora.Api;
using Dora.Engines.Backups;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Postgres;

/// <summary>The ways to back PostgreSQL up: pgBackRest, which stores by itself and holds the log too, and dumps.</summary>
internal static class PostgresBackups
{
    public const string Physical = "postgres-pgbackrest";
    public const string Logical = "postgres-dump";

    public static IReadOnlyList<BackupTool> Of(PostgresPlan plan, IReadOnlyList<(KubeResource Resource, string Name)> state) => plan.Names.Stack.Backup is null ? [] :
    [
        .. !PgBackRest.Serves(plan) ? [] : new BackupTool[]
        {
            new(Physical, [BackupType.Full, BackupType.Incremental], request => Copy(plan, request), request => LayDown(plan, request)) { Streams = false, Forget = state },
        },
    ];

    private static ToolContainer Copy(PostgresPlan plan, CopyRequest request) => Tool(plan, "backup-pgbackrest.sh", PgBackRest.RunConfig(plan), "pgbackrest.sh", "run-pgbackrest.sh", "pgbackrest-info.py") with
    {
        Environment =
        [
            new("TYPE", request.Type == BackupType.Incremental ? "incr" : "full"),
            new("STANDBY", plan.Instances > 1 ? "1" : "0"),
            .. plan.Names.Stack.Backup!.Keep is { } keep ? [new("KEEP_LAST", Text(keep.Last)), new("KEEP_DAYS", Text(Days(keep)))] : Array.Empty<EnvVar>(),
        ],
        Volumes = [.. PgBackRest.StoreVolumes(plan), PgBackRest.ClientVolume(plan)],
        Mounts = [.. PgBackRest.StoreMounts(plan), PgBackRest.ClientMount],
    };

    private static ToolContainer LayDown(PostgresPlan plan, LayDownRequest request) => Tool(plan, "restore-pgbackrest.sh", PgBackRest.RestoreConfig(plan), "pgbackrest.sh", "run-pgbackrest.sh", "local-postgres.sh", "pgbackrest-info.py") with
    {
        Environment =
        [
            .. request.PointInTime is { } point ? [new("TARGET_TIME", point.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture))] : Array.Empty<EnvVar>(),
            .. request.Drill ? [] : Passwords(plan),
        ],
        Volumes = [.. PgBackRest.StoreVolumes(plan)],
        Mounts = [.. PgBackRest.StoreMounts(plan)],
    };

    private static ToolContainer Tool(PostgresPlan plan, string script, string config, params IEnumerable<string> others) => new(
        plan.Pods.Image("postgres", plan.Version),
        script,
        new Dictionary<string, string>(others.Prepend(script).Select(name => KeyValuePair.Create(name, EmbeddedFile.Read($"Postgres/{name}")))) { [PgBackRest.ConfigFile] = config },
        [],
        [],
        [],
        // It compresses, and a server of its own recovers with 128 MiB of buffers.
        PodDefaults.Resources(new("250m", "512Mi")));

    private static EnvVar[] Passwords(PostgresPlan plan) =>
    [
        PodDefaults.FromSecret("SUPERUSER_PASSWORD", plan.Names.InternalSecret, "superuser-password"),
        PodDefaults.FromSecret("REPLICATION_PASSWORD", plan.Names.InternalSecret, "replication-password"),
        PodDefaults.FromSecret("REWIND_PASSWORD", plan.Names.InternalSecret, "rewind-password"),
    ];

    // Long enough for each rule: a chain of increments goes as a whole, so that more stays than the rules ask for.
    private static int Days(BackupKeep keep) => new[] { (keep.Hourly + 23) / 24, keep.Daily, keep.Weekly * 7, keep.Monthly * 31, keep.Yearly * 366 }.Max();

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
