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
            new(Physical, [BackupType.Full, BackupType.Incremental], request => Copy(plan, request), request => LayDown(plan, request))
            {
                Streams = false,
                Inspect = request => Inspect(plan, request),
                PointInTime = true,
                LogPositions = true,
                Forget = state,
                Ports = [PgBackRest.Port],
            },
        },
        new(Logical, [BackupType.Dump], request => Dump(plan, request), request => LoadDump(plan, request))
        {
            Load = request => Load(plan, request),
            Databases = [.. plan.Databases.Where(database => Login(plan, database.Owner) is not null).Select(database => database.Name).Append(PostgresPlan.AppDatabase).Distinct().Order(StringComparer.Ordinal)],
            Forget = state,
            Ports = [PostgresPlan.Port],
        },
    ];

    private static ToolContainer Copy(PostgresPlan plan, CopyRequest request) => Archived(Tool(plan, "backup-pgbackrest.sh", "run-pgbackrest.sh", "pgbackrest-info.py"), PgBackRest.RunConfig(plan)) with
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

    // It reads any member.
    private static ToolContainer Dump(PostgresPlan plan, CopyRequest request) => Connected(
        plan,
        Tool(plan, "backup-postgres.sh", "count-rows.awk"),
        Login(plan, PostgresPlan.BackupUser)!,
        request.Host,
        request.Database ?? PostgresPlan.AppDatabase,
        [new("PARTS", request.Parts switch { DumpParts.Schema => "schema", DumpParts.Data => "data", _ => "all" })]);

    private static ToolContainer Load(PostgresPlan plan, LoadRequest request)
    {
        var owner = plan.Databases.FirstOrDefault(database => database.Name == request.Database)?.Owner ?? PostgresPlan.AppUser;
        return Connected(
            plan,
            Tool(plan, "restore-postgres.sh", "count-rows.awk"),
            Login(plan, owner)!,
            request.Host,
            request.Database,
            [new("ROLE", owner), new("PARTS", request.Facts.GetValueOrDefault("parts", "all"))]);
    }

    // The server's certificate is believed by the stack's authority.
    private static ToolContainer Connected(PostgresPlan plan, ToolContainer tool, string secret, string host, string database, IReadOnlyList<EnvVar> more) => tool with
    {
        Environment =
        [
            new("PGHOST", host),
            new("PGPORT", Text(PostgresPlan.Port)),
            PodDefaults.FromSecret("PGUSER", secret, "username"),
            PodDefaults.FromSecret("PGPASSWORD", secret, "password"),
            new("PGDATABASE", database),
            new("PGSSLMODE", plan.Names.Encrypted ? "verify-full" : "prefer"),
            .. plan.Names.Encrypted ? [new("PGSSLROOTCERT", PostgresTls.Trust)] : Array.Empty<EnvVar>(),
            .. more,
        ],
        Volumes = plan.Names.Encrypted ? [new("tls", Secret: new(plan.Names.CertificateSecret, Items: [new(CertificateRequest.Trust, CertificateRequest.Trust)]))] : [],
        Mounts = plan.Names.Encrypted ? [PostgresTls.Mount] : [],
    };

    private static ToolContainer LoadDump(PostgresPlan plan, LayDownRequest request) => Tool(plan, "load-postgres.sh", "restore-postgres.sh", "local-postgres.sh", "count-rows.awk") with
    {
        Environment =
        [
            new("PGDATABASE", request.Facts.GetValueOrDefault("database", PostgresPlan.AppDatabase)),
            .. request.Drill ? [] : Passwords(plan),
        ],
    };

    // The Secret of a role; null where it does not log in.
    private static string? Login(PostgresPlan plan, string name) => name == PostgresPlan.AppUser ? plan.Names.AppSecret : plan.Roles.FirstOrDefault(role => role.Name == name)?.Secret;

    private static ToolContainer LayDown(PostgresPlan plan, LayDownRequest request) =>
        FromStore(plan, Tool(plan, "restore-pgbackrest.sh", "archive-pgbackrest.sh", "run-pgbackrest.sh", "local-postgres.sh", "pgbackrest-info.py"), [.. Target(request), .. request.FromCopy ? [new("FROM_COPY", "1")] : Array.Empty<EnvVar>(), .. request.Drill ? [] : Passwords(plan)]);

    private static ToolContainer Inspect(PostgresPlan plan, LayDownRequest request) =>
        FromStore(plan, Tool(plan, "verify-pgbackrest.sh", "archive-pgbackrest.sh", "run-pgbackrest.sh", "pgbackrest-info.py", "unzstd.py"), [.. Target(request)]);

    private static ToolContainer FromStore(PostgresPlan plan, ToolContainer tool, IReadOnlyList<EnvVar> environment) => Archived(tool, PgBackRest.RestoreConfig(plan)) with
    {
        Environment = environment,
        Volumes = [.. PgBackRest.StoreVolumes(plan)],
        Mounts = [.. PgBackRest.StoreMounts(plan)],
    };

    // Up to where the log is followed.
    private static IEnumerable<EnvVar> Target(LayDownRequest request)
    {
        (string Type, string Value)? target =
            request.PointInTime is { } point ? ("time", point.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture))
            : request.Lsn is { } lsn ? ("lsn", lsn)
            : request.RestorePoint is { } name ? ("name", name)
            : null;
        if (target is not var (type, value))
            yield break;
        yield return new("TARGET_TYPE", type);
        yield return new("TARGET", value);
        if (request.Exclusive)
            yield return new("TARGET_EXCLUSIVE", "1");
    }

    private static ToolContainer Archived(ToolContainer tool, string config) => tool with
    {
        Files = new Dictionary<string, string>(tool.Files) { [PgBackRest.ConfigFile] = config, [PgBackRest.Wrapper] = EmbeddedFile.Read($"Postgres/{PgBackRest.Wrapper}") },
    };

    private static ToolContainer Tool(PostgresPlan plan, string script, params IEnumerable<string> others) => new(
        plan.Pods.Image("postgres", plan.Version),
        script,
        others.Prepend(script).Append("outcome.sh").ToDictionary(name => name, name => EmbeddedFile.Read($"Postgres/{name}"), StringComparer.Ordinal),
        [],
        [],
        [],
        // It compresses, and a server of its own recovers with 128 MiB of buffers.
        PodDefaults.Resources(new("250m", "512Mi")));

    private static EnvVar[] Passwords(PostgresPlan plan) =>
    [
        PodDefaults.FromSecret("SUPERUSER_PASSWORD", plan.Names.InternalSecret, PostgresOwnLogins.SuperuserKey),
        .. Names(plan, PostgresOwnLogins.Replication(plan), "REPLICATION_USERNAME"),
        PodDefaults.FromSecret("REPLICATION_PASSWORD", plan.Names.InternalSecret, PostgresOwnLogins.ReplicationKey),
        .. Names(plan, PostgresOwnLogins.Rewind(plan), "REWIND_USERNAME"),
        PodDefaults.FromSecret("REWIND_PASSWORD", plan.Names.InternalSecret, PostgresOwnLogins.RewindKey),
        PodDefaults.FromSecret("APP_USERNAME", plan.Names.AppSecret, "username"),
        PodDefaults.FromSecret("APP_PASSWORD", plan.Names.AppSecret, "password"),
    ];

    // Where two take turns; else it is the first.
    private static EnvVar[] Names(PostgresPlan plan, RotatingRole role, string variable) =>
        plan.Names.Release.ReadsPasswords ? [PodDefaults.FromSecret(variable, role.SecretName, role.UsernameKey)] : [];

    // Long enough for each rule: a chain of increments goes as a whole, so that more stays than the rules ask for.
    private static int Days(BackupKeep keep) => new[] { (keep.Hourly + 23) / 24, keep.Daily, keep.Weekly * 7, keep.Monthly * 31, keep.Yearly * 366 }.Max();

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
