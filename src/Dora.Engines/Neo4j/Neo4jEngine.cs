using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dora.Api;
using Dora.Engines.Neo4j.QueryApi;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Neo4j;

/// <summary>Neo4j: one server, or a cluster of the Enterprise Edition.</summary>
public sealed class Neo4jEngine : IEngine
{
    /// <inheritdoc/>
    public string Name => "neo4j";

    /// <inheritdoc/>
    public string ConditionType => "Neo4jReady";

    /// <inheritdoc/>
    public JsonTypeInfo SettingsType => Neo4jJson.Wire.Neo4jSettings;

    /// <inheritdoc/>
    public IEngineCluster Bind(StackContext stack, JsonElement settings) =>
        new Neo4jCluster(stack, settings.Deserialize(Neo4jJson.Wire.Neo4jSettings) ?? new());
}

/// <summary>The Neo4j servers of one stack.</summary>
public sealed class Neo4jCluster : IEngineCluster
{
    private readonly EngineNames _names;
    private readonly Neo4jPlan _plan;
    private readonly QueryTransport? _transport;

    internal Neo4jCluster(StackContext stack, Neo4jSettings settings, QueryTransport? transport = null)
    {
        _names = new(stack, "neo4j");
        _plan = Neo4jPlan.Of(_names, settings);
        _transport = transport;
    }

    /// <inheritdoc/>
    public int Instances => _plan.Members;

    /// <inheritdoc/>
    public string Endpoint => $"{_names.Domain(_names.Cluster)}:{Neo4jPlan.BoltPort}";

    /// <inheritdoc/>
    public string WorkloadName => _names.Cluster;

    /// <inheritdoc/>
    public IReadOnlyList<int> Guarded => [Neo4jPlan.ClusterPort, Neo4jPlan.RaftPort, Neo4jPlan.RoutingPort];

    /// <inheritdoc/>
    public IReadOnlyList<string> RuntimeConfigMaps => [];

    /// <inheritdoc/>
    public bool MovesPrimary => false;

    /// <summary>Leaders differ from database to database; drivers find them by the routing table, not by a label.</summary>
    public bool OperatorLabelsRoles => false;

    /// <inheritdoc/>
    public IReadOnlyList<Violation> Validate(EngineObservation observed)
    {
        ArgumentNullException.ThrowIfNull(observed);
        return Neo4jRules.Check(_plan, observed);
    }

    /// <inheritdoc/>
    public IReadOnlyList<CredentialRequest> Credentials() =>
    [
        // Pods see the initial password only; the operator replaces it at the first contact, before anything is stored.
        new(_names.InternalSecret, [new("initial-password"), new("admin-password"), new("admin-username", Neo4jPlan.AdminUser)]),
        .. _plan.AllUsers.Select(entry => new CredentialRequest(entry.Secret, Access(entry.User.Name), Renewable: true)),
    ];

    /// <inheritdoc/>
    public IReadOnlyList<CertificateRequest> Certificates => _names.Encrypted ? [Neo4jTls.Certificate(_plan)] : [];

    /// <inheritdoc/>
    public bool MixesTransport => !_plan.Clustered;

    /// <inheritdoc/>
    public IReadOnlyList<TlsEndpoint> Endpoints => _names.Encrypted ? Neo4jTls.Endpoints(_plan) : [];

    /// <inheritdoc/>
    public IReadOnlyList<Manifest> Render(EngineObservation observed)
    {
        ArgumentNullException.ThrowIfNull(observed);
        var config = Neo4jConfig.Render(_plan);
        List<Manifest> objects =
        [
            Manifest.Of(KubeTypes.ServiceAccounts, new(_names.Meta(_names.Cluster), AutomountServiceAccountToken: false)),
            Manifest.Of(KubeTypes.ConfigMaps, new(_names.Meta($"{_names.Cluster}-config"), config)),
        ];
        if (_plan.Clustered)
            objects.Add(Manifest.Of(KubeTypes.ConfigMaps, new(_names.Meta($"{_names.Cluster}-memory"), Neo4jConfig.Memory(_plan, observed))));
        objects.Add(Neo4jServices.Members(_plan));
        objects.Add(Neo4jServices.Bolt(_plan));
        if (_names.Stack.Tier != Tier.Development)
            objects.Add(PodDefaults.DisruptionBudget(_names));
        objects.AddRange(Neo4jServices.Access(_plan).Render(_names));
        objects.Add(Neo4jStatefulSet.Render(_plan, config, Neo4jScaling.Replicas(_plan, observed)));
        return objects;
    }

    /// <inheritdoc/>
    public Task<EngineHealth> ProbeAsync(EngineTarget target, CancellationToken cancellationToken) =>
        Neo4jProbe.RunAsync(Neo4jLogins.Resolve(_plan, target), Transport(target), target, cancellationToken);

    /// <inheritdoc/>
    public IReadOnlyList<EngineCommand> Commands(EngineObservation observed) => Neo4jCommands.Decide(_plan, observed);

    /// <inheritdoc/>
    public Task ExecuteAsync(EngineCommand command, EngineTarget target, CancellationToken cancellationToken) =>
        Neo4jCommands.ExecuteAsync(Neo4jLogins.Resolve(_plan, target), Transport(target), command, target, cancellationToken);

    /// <inheritdoc/>
    public string? BackupProblem => _plan.Enterprise
        ? "members of Neo4j serve no backups: the port for them (6362) is shut, and a restored system database belongs on every member at once; use neo4j-admin by hand"
        : "the Community Edition can be dumped only while it is stopped, and nothing may stop it for that; use neo4j-admin by hand";

    /// <inheritdoc/>
    public IReadOnlyList<RotatingRole> Rotating => Neo4jLogins.Of(_plan);

    /// <inheritdoc/>
    public IReadOnlyList<StaticRole> Static => [new(_names.InternalSecret, "it is taken once, when a volume is new, and replaced before anything is stored: it opens nothing", "initial-password")];

    /// <inheritdoc/>
    public Task AcceptAsync(RotatingRole role, IReadOnlyList<Login> logins, EngineTarget target, CancellationToken cancellationToken) =>
        Neo4jLogins.AcceptAsync(_plan, Transport(target), role, logins, target, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<LoginFinding>> LogInAsync(RotatingRole role, Login login, EngineTarget target, CancellationToken cancellationToken) =>
        Neo4jLogins.LogInAsync(_plan, Transport(target), login, target, cancellationToken);

    private QueryTransport Transport(EngineTarget target)
    {
        ArgumentNullException.ThrowIfNull(target);
        return _transport ?? Neo4jTls.Transport(_plan, target);
    }

    // Drivers take name and password apart from the address, and refuse an address that holds them.
    private IReadOnlyList<CredentialField> Access(string user) =>
    [
        new("password"),
        new("username", user),
        new("host", _names.Domain(_names.Cluster)),
        new("port", Neo4jPlan.BoltPort.ToString(CultureInfo.InvariantCulture)),
        new("uri", _plan.Uri),
    ];
}
