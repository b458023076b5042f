using Dora.Api;
using Dora.Engines.Rendering;

namespace Dora.Engines.Neo4j;

/// <summary>Settings completed by the tier's defaults: what rendering, probing and commands work from.</summary>
internal sealed record Neo4jPlan(
    EngineNames Names,
    string Version,
    Neo4jEdition Edition,
    Neo4jLicense? License,
    int Primaries,
    int Secondaries,
    StorageSettings Storage,
    ResourceSettings Resources,
    Neo4jMemory Memory,
    IReadOnlyList<Neo4jDatabase> Databases,
    IReadOnlyList<Neo4jRole> Roles,
    IReadOnlyList<Neo4jUser> Users,
    Neo4jLdap? Ldap,
    IReadOnlyDictionary<string, string> Parameters,
    PodPlan Pods)
{
    public const int BoltPort = 7687;
    public const int HttpPort = 7474;
    public const int HttpsPort = 7473;
    public const int ClusterPort = 6000;
    public const int RaftPort = 7000;
    public const int RoutingPort = 7688;
    public const int MetricsPort = 2004;

    /// <summary>The user that Neo4j creates at first start; only the operator knows its password.</summary>
    public const string AdminUser = "neo4j";
    public const string AppUser = "app";
    public const string MonitorUser = "monitor";
    public const string SystemDatabase = "system";
    public const string DefaultDatabase = "neo4j";

    /// <summary>Servers that must find each other before a new cluster is founded. Later members join, whatever this says.</summary>
    public const int Founders = 3;

    public static Neo4jPlan Of(EngineNames names, Neo4jSettings settings)
    {
        var development = names.Stack.Tier == Tier.Development;
        var (size, cpu, memory) = names.Stack.Tier switch
        {
            Tier.Development => ("2Gi", "250m", "2Gi"),
            Tier.Staging => ("20Gi", "500m", "4Gi"),
            _ => ("100Gi", "2", "16Gi"),
        };
        var edition = settings.Edition ?? (development || settings.License is null ? Neo4jEdition.Community : Neo4jEdition.Enterprise);
        var primaries = settings.Instances ?? (edition == Neo4jEdition.Enterprise && !development ? 3 : 1);
        var resources = ResourceSettings.Complete(settings.Resources, cpu, memory);
        return new(
            names,
            settings.Version switch { Neo4jVersion.V526 => "5.26", Neo4jVersion.V202511 => "2025.11", _ => throw new ArgumentOutOfRangeException(nameof(settings)) },
            edition,
            settings.License,
            primaries,
            settings.Secondaries ?? 0,
            new(settings.Storage?.Size ?? size, settings.Storage?.Class),
            resources,
            Neo4jMemory.Of(resources.Memory!, settings.Memory),
            settings.Databases ?? [],
            settings.Roles ?? [],
            settings.Users ?? [],
            settings.Ldap,
            settings.Parameters ?? new Dictionary<string, string>(),
            PodPlan.Of(names.Stack, settings.Pods));
    }

    /// <summary>All members.</summary>
    public int Members => Primaries + Secondaries;

    /// <summary>Whether the members form a cluster. One server is run standalone.</summary>
    public bool Clustered => Edition == Neo4jEdition.Enterprise && Primaries > 1;

    public bool Enterprise => Edition == Neo4jEdition.Enterprise;

    /// <summary>Copies of a database that can lead, unless it says otherwise: three survive the loss of one; more make commits slower.</summary>
    public int DefaultPrimaries => Math.Min(Primaries, 3);

    /// <summary>Secret of a declared user.</summary>
    public string UserSecret(string user) => $"{Names.Cluster}-user-{user}";

    public string MonitorSecret => $"{Names.Cluster}-monitor";

    /// <summary>Drivers are given any member and find the others by its routing table, so the scheme is the same for one server.</summary>
    public string Uri => $"{(Names.Encrypted ? "neo4j+s" : "neo4j")}://{Names.Domain(Names.Cluster)}:{BoltPort}";

    /// <summary>The database that applications use when they name none.</summary>
    public Neo4jDatabase Default => Databases.FirstOrDefault(database => database.Name == DefaultDatabase) ?? new(DefaultDatabase);

    /// <summary>Declared databases, the default one among them.</summary>
    public IEnumerable<Neo4jDatabase> AllDatabases => Databases.Any(database => database.Name == DefaultDatabase) ? Databases : Databases.Prepend(Default);

    /// <summary>
    /// Roles beside the built-in ones. Applications read and write every declared database; they change no schema.
    /// </summary>
    public IReadOnlyList<Neo4jRole> AllRoles => !Enterprise ? [] :
    [
        new(AppUser, [.. AllDatabases.Select(database => new Neo4jGrant(database.Name, Neo4jAccess.Write))]),
        .. Roles,
    ];

    /// <summary>
    /// Users beside the operator's own. Who monitors gets no role: what every user may see is enough. The Community Edition
    /// has no roles, so there such a user could do everything, and is left out. Backups log in nowhere.
    /// </summary>
    public IReadOnlyList<(Neo4jUser User, string Secret)> AllUsers =>
    [
        .. InTurn(new(AppUser, Enterprise ? [AppUser] : null), Names.AppSecret),
        .. Enterprise ? InTurn(new(MonitorUser), MonitorSecret) : [],
        .. Users.SelectMany(user => InTurn(user, UserSecret(user.Name))),
    ];

    /// <summary>Logins that servers shall accept, by role; of other roles, the user that is declared.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<Login>>? Logins { get; init; }

    /// <summary>The password that a user shall have.</summary>
    public string Password(string user, string secret, EngineTarget target) =>
        Logins?.GetValueOrDefault(secret)?.FirstOrDefault(login => login.Username == user)?.Password ?? target.Credential(secret, "password");

    // One or both of the two users that take turns.
    private IEnumerable<(Neo4jUser User, string Secret)> InTurn(Neo4jUser user, string secret) =>
        Logins?.GetValueOrDefault(secret) is { } logins ? logins.Select(login => (user with { Name = login.Username }, secret)) : [(user, secret)];

    /// <summary>Copies wanted of a database.</summary>
    public (int Primaries, int Secondaries) Topology(Neo4jDatabase database) => (database.Primaries ?? DefaultPrimaries, database.Secondaries ?? 0);
}
