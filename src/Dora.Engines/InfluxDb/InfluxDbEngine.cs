using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dora.Api;
using Dora.Engines.Backups;
using Dora.Engines.InfluxDb.V1;
using Dora.Engines.InfluxDb.V2;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.InfluxDb;

/// <summary>InfluxDB 1.x (one server) or 2.x (one server, or two of which the second is fed by replication streams).</summary>
public sealed class InfluxDbEngine : IEngine
{
    /// <inheritdoc/>
    public string Name => "influxdb";

    /// <inheritdoc/>
    public string ConditionType => "InfluxDbReady";

    /// <inheritdoc/>
    public JsonTypeInfo SettingsType => InfluxDbJson.Wire.InfluxDbSettings;

    /// <inheritdoc/>
    public IEngineCluster Bind(StackContext stack, JsonElement settings) =>
        new InfluxDbCluster(stack, Whole(settings.Deserialize(InfluxDbJson.Wire.InfluxDbSettings) ?? new()));

    // The contract of a list does not forbid null; an API server does, a file that somebody plans with may hold it.
    private static InfluxDbSettings Whole(InfluxDbSettings settings)
    {
        Check(settings.Databases, "databases");
        Check(settings.Users, "users");
        Check(settings.Downsampling, "downsampling");
        foreach (var database in settings.Databases ?? [])
            Check(database.RetentionPolicies, "databases.retentionPolicies");
        foreach (var user in settings.Users ?? [])
            Check(user.Grants, "users.grants");
        return settings;

        static void Check<T>(IReadOnlyList<T>? list, string path)
        {
            if (list?.Any(item => item is null) == true)
                throw new JsonException("an element is null", $"$.{path}", null, null);
        }
    }
}

/// <summary>The InfluxDB servers of one stack.</summary>
public sealed class InfluxDbCluster : IEngineCluster
{
    private readonly EngineNames _names;
    private readonly InfluxDbSettings _settings;
    private readonly InfluxDbPlan _plan;

    internal InfluxDbCluster(StackContext stack, InfluxDbSettings settings)
    {
        _names = new(stack, "influxdb");
        _settings = settings;
        _plan = InfluxDbPlan.Of(_names, settings);
    }

    /// <inheritdoc/>
    public int Instances => _plan.Instances;

    /// <inheritdoc/>
    public string Endpoint => string.Create(CultureInfo.InvariantCulture, $"{_names.Domain(_names.Cluster)}:{InfluxDbPlan.HttpPort}");

    /// <inheritdoc/>
    public string WorkloadName => _names.Cluster;

    /// <summary>Who reaches 8088 of 1.x can copy all data, without a password.</summary>
    public IReadOnlyList<int> Guarded => _plan.IsV2 ? [] : [8088];

    /// <inheritdoc/>
    public IReadOnlyList<string> RuntimeConfigMaps => [];

    /// <inheritdoc/>
    public bool MovesPrimary => false;

    /// <inheritdoc/>
    public bool OperatorLabelsRoles => false;

    /// <inheritdoc/>
    public IReadOnlyList<Violation> Validate(EngineObservation observed)
    {
        ArgumentNullException.ThrowIfNull(observed);
        return [.. InfluxDbRules.Check(_plan, _settings, observed)];
    }

    /// <inheritdoc/>
    public IReadOnlyList<CredentialRequest> Credentials() => InfluxDbCredentials.Of(_plan);

    /// <inheritdoc/>
    public IReadOnlyList<CertificateRequest> Certificates => _names.Encrypted ? [InfluxDbTls.Certificate(_plan)] : [];

    /// <inheritdoc/>
    public IReadOnlyList<TlsEndpoint> Endpoints => _names.Encrypted ? [InfluxDbTls.Endpoint(_plan)] : [];

    /// <inheritdoc/>
    public IReadOnlyList<Manifest> Render(EngineObservation observed)
    {
        ArgumentNullException.ThrowIfNull(observed);
        var config = InfluxDbConfig.Render(_plan);
        List<Manifest> objects =
        [
            Manifest.Of(KubeTypes.ServiceAccounts, new(_names.Meta(_names.Cluster), AutomountServiceAccountToken: false)),
            Manifest.Of(KubeTypes.ConfigMaps, new(_names.Meta($"{_names.Cluster}-config"), config)),
            Manifest.Of(KubeTypes.ConfigMaps, new(_names.Meta($"{_names.Cluster}-memory"), InfluxDbConfig.Memory(observed))),
            InfluxDbServices.Members(_names),
            InfluxDbServices.Primary(_names),
        ];
        if (_plan.Instances > 1)
        {
            objects.Add(InfluxDbServices.Replica(_names));
            // Of a single server a budget of one protects nothing, and a budget of none would block every drain.
            if (_names.Stack.Tier != Tier.Development)
                objects.Add(PodDefaults.DisruptionBudget(_names));
        }

        objects.AddRange(InfluxDbServices.Access(_plan).Render(_names));
        objects.Add(InfluxDbStatefulSet.Render(_plan, config, ScaleIn.Replicas(_plan.Instances, observed)));
        return objects;
    }

    /// <inheritdoc/>
    public Task<EngineHealth> ProbeAsync(EngineTarget target, CancellationToken cancellationToken) =>
        _plan.IsV2 ? V2Probe.RunAsync(_plan, target, cancellationToken) : V1Probe.RunAsync(V1Logins.Resolve(_plan, target), target, cancellationToken);

    /// <inheritdoc/>
    public IReadOnlyList<EngineCommand> Commands(EngineObservation observed) => InfluxDbNeeds.Commands(observed);

    /// <inheritdoc/>
    public Task ExecuteAsync(EngineCommand command, EngineTarget target, CancellationToken cancellationToken) =>
        _plan.IsV2 ? V2Commands.ExecuteAsync(_plan, command, target, cancellationToken) : V1Commands.ExecuteAsync(V1Logins.Resolve(_plan, target), command, target, cancellationToken);

    /// <inheritdoc/>
    public IReadOnlyList<BackupTool> Backups => [_plan.IsV2 ? V2Backup.Tool(_plan) : V1Backup.Tool(_plan)];

    /// <inheritdoc/>
    public IReadOnlyList<RotatingRole> Rotating => _plan.IsV2 ? V2Logins.Of(_plan) : V1Logins.Of(_plan);

    /// <inheritdoc/>
    public IReadOnlyList<VaultLogin> VaultLogins => _plan.IsV2 ? [] :
    [
        .. (_settings.Users ?? []).Select((user, index) => (user, index)).Where(entry => entry.user.Vault is not null).Select(entry => new VaultLogin(
            string.Create(CultureInfo.InvariantCulture, $"spec.engines.influxdb.users[{entry.index}].vault"),
            entry.user.Vault!,
            entry.user.Vault!.StaticRole is null ? null : entry.user.Name,
            InfluxDbCredentials.Vault(_plan, entry.user.Name))),
    ];

    /// <inheritdoc/>
    public IReadOnlyList<StaticRole> Static =>
    [
        .. _plan.IsV2 ? V2Logins.Static(_plan) : V1Logins.Static(_plan),
        .. _plan.IsV2 ? _plan.Users.Select(user => new StaticRole(user.Secret, "the server issues this token; delete the Secret to have another one issued")) : [],
    ];

    /// <inheritdoc/>
    public Task AcceptAsync(RotatingRole role, IReadOnlyList<Login> logins, EngineTarget target, CancellationToken cancellationToken) =>
        _plan.IsV2 ? V2Logins.AcceptAsync(_plan, role, logins, target, cancellationToken) : V1Logins.AcceptAsync(_plan, role, logins, target, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<LoginFinding>> LogInAsync(RotatingRole role, Login login, EngineTarget target, CancellationToken cancellationToken) =>
        _plan.IsV2 ? V2Logins.LogInAsync(_plan, login, target, cancellationToken) : V1Logins.LogInAsync(_plan, login, target, cancellationToken);
}
