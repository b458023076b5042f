using System.Globalization;
using Dora.Api;
using Dora.Engines.Rendering;

namespace Dora.Engines.InfluxDb;

/// <summary>Settings completed by the tier's defaults: what rendering, probing and commands work from.</summary>
internal sealed record InfluxDbPlan(
    EngineNames Names,
    string Version,
    int Instances,
    StorageSettings Storage,
    ResourceSettings Resources,
    string Organization,
    IReadOnlyList<DatabasePlan> Databases,
    IReadOnlyList<UserPlan> Users,
    IReadOnlyList<DownsamplingPlan> Downsampling,
    PodPlan Pods)
{
    public const int HttpPort = 8086;
    public const string AdminUser = "admin";
    public const string AppUser = "app";
    public const string AppDatabase = "app";
    public const string MonitorUser = "monitor";

    /// <summary>The retention policy that 1.x gives every database.</summary>
    public const string DefaultPolicy = "autogen";

    /// <summary>Users that the settings cannot declare.</summary>
    public static IReadOnlyList<string> ReservedUsers { get; } = [AdminUser, AppUser, MonitorUser, "backup", "replication"];

    /// <summary>Where servers listen; another port only for a server that runs on its own.</summary>
    public int Port { get; init; } = HttpPort;

    /// <summary>Where the first server finds the second; another address only for servers that run on their own.</summary>
    public string ReplicaUrl { get; init; } = string.Create(CultureInfo.InvariantCulture, $"{(Names.Encrypted ? "https" : "http")}://{Names.MemberHost(1)}:{HttpPort}");

    /// <summary>How clients begin an address.</summary>
    public string Scheme => Names.Encrypted ? "https" : "http";

    /// <summary>Whether it is InfluxDB 2.x.</summary>
    public bool IsV2 => Version[0] == '2';

    public static InfluxDbPlan Of(EngineNames names, InfluxDbSettings settings)
    {
        var (size, cpu, memory) = names.Stack.Tier switch
        {
            Tier.Development => ("1Gi", "50m", "256Mi"),
            Tier.Staging => ("20Gi", "250m", "1Gi"),
            _ => ("100Gi", "1", "4Gi"),
        };
        var version = settings.Version switch { InfluxDbVersion.V16 => "1.6", InfluxDbVersion.V27 => "2.7", _ => throw new ArgumentOutOfRangeException(nameof(settings)) };
        return new(
            names,
            version,
            settings.Instances ?? (names.Stack.Tier == Tier.Production && version[0] == '2' ? 2 : 1),
            new(settings.Storage?.Size ?? size, settings.Storage?.Class),
            ResourceSettings.Complete(settings.Resources, cpu, memory),
            settings.Organization ?? "dora",
            DatabasesOf(settings),
            UsersOf(names, settings, version[0] == '2'),
            [.. (settings.Downsampling ?? []).Select(DownsamplingOf)],
            PodPlan.Of(names.Stack, settings.Pods))
        {
            GivenUp = version[0] == '2' ? [] : [.. (settings.Users ?? []).Where(user => user.Vault is not null).SelectMany(GivenUpBy)],
        };
    }

    /// <summary>Users whose passwords are the operator's to keep.</summary>
    public IEnumerable<UserPlan> KeptUsers => Users.Where(user => !user.KeepsPassword);

    /// <summary>Users that the operator may have made before Vault took their place.</summary>
    public IReadOnlyList<string> GivenUp { get; init; } = [];

    /// <summary>Memory of a member in Mi.</summary>
    public long MemoryMebibytes => SettingsRules.Mebibytes(Resources.Memory) ?? 256;

    /// <summary>Bytes of points that wait in memory for the next write to disk: a quarter of the limit; queries need the rest.</summary>
    public long CacheBytes => MemoryMebibytes / 4 << 20;

    /// <summary>From here on the collector works harder, before the kernel ends the process; a tenth is for what Go does not count.</summary>
    public string CollectorLimit => string.Create(CultureInfo.InvariantCulture, $"{MemoryMebibytes * 9 / 10}MiB");

    private static List<DatabasePlan> DatabasesOf(InfluxDbSettings settings)
    {
        var declared = settings.Databases ?? [];
        IEnumerable<InfluxDbDatabase> all = declared.Any(database => database.Name == AppDatabase) ? declared : declared.Prepend(new(AppDatabase));
        return [.. all.Select(database => new DatabasePlan(
            database.Name,
            [
                PolicyPlan.Of(DefaultPolicy, database.Retention, database.ShardDuration, isDefault: true),
                .. (database.RetentionPolicies ?? []).Select(policy => PolicyPlan.Of(policy.Name, policy.Retention, policy.ShardDuration, isDefault: false)),
            ]))];
    }

    private static string[] GivenUpBy(InfluxDbUser user) => user.Vault!.DynamicRole is null ? [RotatingRole.SecondOf(user.Name)] : [user.Name, RotatingRole.SecondOf(user.Name)];

    private static List<UserPlan> UsersOf(EngineNames names, InfluxDbSettings settings, bool isV2) =>
    [
        new(AppUser, names.AppSecret, [AppDatabase], [AppDatabase]),
        .. (settings.Users ?? []).Where(user => isV2 || user.Vault?.DynamicRole is null).Select(user => new UserPlan(
            user.Name,
            $"{names.Cluster}-user-{user.Name}",
            [.. user.Grants.Where(grant => grant.Access != InfluxDbAccess.Write).Select(grant => grant.Database).Distinct()],
            [.. user.Grants.Where(grant => grant.Access != InfluxDbAccess.Read).Select(grant => grant.Database).Distinct()],
            KeepsPassword: !isV2 && user.Vault is not null)),
    ];

    private static DownsamplingPlan DownsamplingOf(InfluxDbDownsampling wanted) => new(
        wanted.Name,
        wanted.Source,
        wanted.SourcePolicy ?? DefaultPolicy,
        wanted.Target,
        wanted.TargetPolicy ?? DefaultPolicy,
        wanted.Measurement,
        InfluxDuration.Window(wanted.Every) ?? 0,
        wanted.Function.ToString().ToLowerInvariant());
}

/// <summary>A database or bucket; the first policy is the default one, and the only one of a bucket.</summary>
internal sealed record DatabasePlan(string Name, IReadOnlyList<PolicyPlan> Policies);

/// <summary>How long points are kept, in seconds; 0: for ever.</summary>
internal sealed record PolicyPlan(string Name, long Retention, long Shard, bool IsDefault)
{
    public static PolicyPlan Of(string name, string? retention, string? shard, bool isDefault)
    {
        var seconds = InfluxDuration.Retention(retention) ?? 0;
        return new(name, seconds, shard is null ? InfluxDuration.DefaultShard(seconds) : InfluxDuration.Retention(shard) ?? 0, isDefault);
    }
}

/// <summary>A user, the Secret that opens its door, and what it may do.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Secret">The Secret.</param>
/// <param name="Read">Databases that it reads.</param>
/// <param name="Write">Databases that it writes.</param>
/// <param name="KeepsPassword">Whether its password is somebody else's to set, and no Secret holds it.</param>
internal sealed record UserPlan(string Name, string Secret, IReadOnlyList<string> Read, IReadOnlyList<string> Write, bool KeepsPassword = false);

/// <summary>A coarser copy; window in seconds.</summary>
internal sealed record DownsamplingPlan(string Name, string Source, string SourcePolicy, string Target, string TargetPolicy, string? Measurement, long Window, string Function);
