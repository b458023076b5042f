using Dora.Api;
using Dora.Engines.Rendering;

namespace Dora.Engines.Postgres;

/// <summary>Settings completed by the tier's defaults: what rendering, probing and commands work from.</summary>
internal sealed record PostgresPlan(
    EngineNames Names,
    string Version,
    int Instances,
    StorageSettings Storage,
    ResourceSettings Resources,
    PostgresSynchronous Synchronous,
    IReadOnlyDictionary<string, string> Parameters,
    IReadOnlyList<RolePlan> Roles,
    IReadOnlyList<DatabasePlan> Databases,
    PoolerPlan? Pooler,
    PodPlan Pods)
{
    public const int Port = 5432;
    public const int RestPort = 8008;
    public const string AppUser = "app";
    public const string AppDatabase = "app";
    public const string Superuser = "postgres";
    public const string ReplicationUser = "standby";
    public const string RewindUser = "rewind";
    public const string MonitorUser = "monitor";
    public const string BackupUser = "backup";
    public const string PoolerUser = "pooler";
    public const string PoolerLookup = "pooler_lookup";
    public const string RestUser = "operator";

    public static PostgresPlan Of(EngineNames names, PostgresSettings settings)
    {
        var (instances, size, cpu, memory) = names.Stack.Tier switch
        {
            Tier.Development => (1, "1Gi", "100m", "256Mi"),
            Tier.Staging => (3, "20Gi", "250m", "1Gi"),
            _ => (3, "100Gi", "1", "4Gi"),
        };
        var pooler = PoolerPlan.Of(names, settings.Pooler);
        return new(
            names,
            ((int)settings.Version).ToString(System.Globalization.CultureInfo.InvariantCulture),
            settings.Instances ?? instances,
            new(settings.Storage?.Size ?? size, settings.Storage?.Class),
            ResourceSettings.Complete(settings.Resources, cpu, memory),
            settings.Synchronous ?? (names.Stack.Tier == Tier.Production ? PostgresSynchronous.Enabled : PostgresSynchronous.Disabled),
            settings.Parameters ?? new Dictionary<string, string>(),
            [.. OwnRoles(names, pooler), .. (settings.Roles ?? []).Select(role => Declared(names, role))],
            [.. Declared(settings, pooler)],
            pooler,
            PodPlan.Of(names.Stack, settings.Pods));
    }

    /// <summary>Roles that log in, whatever name they use now, with their Secrets.</summary>
    public IReadOnlyList<RolePlan> Logins { get; } = [.. Roles.Where(role => role.Secret is not null)];

    /// <summary>Roles such that each comes after those whose rights it has.</summary>
    public IEnumerable<RolePlan> RolesInOrder => Roles.OrderBy(role => Depth(role, 0));

    private static IEnumerable<RolePlan> OwnRoles(EngineNames names, PoolerPlan? pooler) =>
    [
        // Bounded, so that a watcher gone wild leaves connections to the application.
        new(MonitorUser, true, 5, ["pg_monitor"], $"{names.Cluster}-monitor"),
        new(BackupUser, true, 5, ["pg_read_all_data"], $"{names.Cluster}-backup", ReadsAllRows: true),
        .. pooler is null ? [] : new RolePlan[] { new(PoolerUser, true, -1, [], pooler.Secret), new(PoolerLookup, false, -1, [], null) },
    ];

    // The pooler asks in each database who may log in; the application's is one of them.
    private static IEnumerable<DatabasePlan> Declared(PostgresSettings settings, PoolerPlan? pooler)
    {
        if (pooler is not null && settings.Databases?.Any(database => database.Name == AppDatabase) != true)
            yield return new(AppDatabase, AppUser, []);
        foreach (var database in settings.Databases ?? [])
            yield return new(database.Name, database.Owner, [.. (database.Extensions ?? []).Distinct()]);
    }

    private static RolePlan Declared(EngineNames names, PostgresRole role) => new(
        role.Name,
        role.Login && role.Vault?.DynamicRole is null,
        role.ConnectionLimit ?? -1,
        [.. (role.InRoles ?? []).Distinct()],
        role is { Login: true, Vault: null } ? $"{names.Cluster}-role-{role.Name.Replace('_', '-')}" : null,
        KeepsPassword: role.Vault?.StaticRole is not null);

    // Circles are refused by the rules; here they only must not go on for ever.
    private int Depth(RolePlan role, int depth) => depth > Roles.Count
        ? depth
        : Roles.Where(other => role.InRoles.Contains(other.Name)).Select(other => Depth(other, depth + 1)).DefaultIfEmpty(depth).Max();

    /// <summary>
    /// shared_buffers: a quarter of the memory limit, the PostgreSQL documentation's starting value (Resource Consumption).
    /// </summary>
    public string SharedBuffers => $"{Math.Max(32, (SettingsRules.Mebibytes(Resources.Memory) ?? 256) / 4)}MB";
}
