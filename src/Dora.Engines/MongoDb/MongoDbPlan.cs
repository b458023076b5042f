using System.Globalization;
using Dora.Api;
using Dora.Engines.Rendering;

namespace Dora.Engines.MongoDb;

/// <summary>Settings completed by the tier's defaults: what rendering, probing and commands work from.</summary>
internal sealed record MongoDbPlan(
    EngineNames Names,
    string Version,
    int Instances,
    bool Arbiter,
    StorageSettings Storage,
    ResourceSettings Resources,
    IReadOnlyList<MongoDbDatabase> Databases,
    IReadOnlyList<MongoDbRole> Roles,
    IReadOnlyList<MongoDbUser> Users,
    PodPlan Pods)
{
    public const int DefaultPort = 27017;
    public const string ReplicaSet = "rs0";
    public const string AdminUser = "admin";
    public const string AppUser = "app";
    public const string MonitorUser = "monitor";
    public const string BackupUser = "backup";
    public const string AppDatabase = "app";

    /// <summary>Versions in the order in which data can be upgraded.</summary>
    public static IReadOnlyList<string> Versions { get; } = ["7.0", "8.0"];

    /// <summary>Wire version of the wanted version's servers; an arbiter tells no other.</summary>
    public int WireVersion => Version == "7.0" ? 21 : 25;

    /// <summary>Users whose passwords are in the internal Secret.</summary>
    public static IReadOnlyList<string> OwnUsers { get; } = [AdminUser, MonitorUser, BackupUser];

    /// <summary>Names of the users that the operator itself keeps.</summary>
    public static IReadOnlyList<string> ReservedUsers { get; } = [AdminUser, AppUser, MonitorUser, BackupUser];

    /// <summary>Logins that servers shall accept, by role; of other roles, the user that is declared.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<Login>>? Logins { get; init; }

    /// <summary>Port of every member; pods always listen on the default one, a server on its own need not.</summary>
    public int Port { get; init; } = DefaultPort;

    public static MongoDbPlan Of(EngineNames names, MongoDbSettings settings)
    {
        var (instances, size, cpu, memory) = names.Stack.Tier switch
        {
            Tier.Development => (1, "5Gi", "250m", "1Gi"),
            Tier.Staging => (3, "20Gi", "1", "4Gi"),
            _ => (3, "200Gi", "4", "16Gi"),
        };
        return new(
            names,
            settings.Version switch { MongoDbVersion.V7 => "7.0", MongoDbVersion.V8 => "8.0", _ => throw new ArgumentOutOfRangeException(nameof(settings)) },
            settings.Instances ?? (settings.Arbiter ? 2 : instances),
            settings.Arbiter,
            new(settings.Storage?.Size ?? size, settings.Storage?.Class),
            ResourceSettings.Complete(settings.Resources, cpu, memory),
            settings.Databases ?? [],
            settings.Roles ?? [],
            settings.Users ?? [],
            PodPlan.Of(names.Stack, settings.Pods));
    }

    /// <summary>
    /// StatefulSet of the arbiter. It is not a member of the data members' set, because it never becomes one of them, nor they it.
    /// Its name is short so that the longest stack name still fits into 52 characters.
    /// </summary>
    public string ArbiterWorkload => $"{Names.Cluster}-arb";

    /// <summary>Pod of the arbiter.</summary>
    public string ArbiterPod => $"{ArbiterWorkload}-0";

    /// <summary>Voting members.</summary>
    public int Voters => Instances + (Arbiter ? 1 : 0);

    /// <summary>Address of a pod as it stands in the replica set's configuration.</summary>
    public string Host(string pod) => string.Create(CultureInfo.InvariantCulture, $"{pod}.{Names.Domain(Names.Members)}:{DefaultPort}");

    /// <summary>Pod of an address in the replica set's configuration.</summary>
    public static string PodOf(string host) => host.Split('.', ':')[0];

    /// <summary>Pods that shall be members, data members first.</summary>
    public IEnumerable<string> WantedPods => Enumerable.Range(0, Instances).Select(Names.Pod).Concat(Arbiter ? [ArbiterPod] : []);

    /// <summary>
    /// Gigabytes of WiredTiger's cache: 45 % of the limit, at least the 0.25 the server accepts; the rest is for connections,
    /// sorting, and the file system's cache, which the server counts on. The server itself would take half of what it sees.
    /// </summary>
    public double CacheGigabytes => Math.Max(0.25, Math.Floor((SettingsRules.Mebibytes(Resources.Memory) ?? 1024) * 0.45 / 1024 * 100) / 100);

    /// <summary>
    /// What a write waits for unless its client says otherwise. Stated, never implied: the server refuses any reconfiguration that
    /// would change an implied one. With an arbiter and two data members a majority would be both of them.
    /// </summary>
    public string WriteConcern => Arbiter && Instances <= 2 ? "1" : "majority";

    /// <summary>Declared users whose passwords are the operator's to keep.</summary>
    public IEnumerable<MongoDbUser> KeptUsers => Users.Where(user => user.Vault is null);

    /// <summary>Secret of a declared user.</summary>
    public string UserSecret(string user) => $"{Names.Cluster}-user-{user}";
}
