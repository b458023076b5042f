using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dora.Api;
using Dora.Engines.Backups;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.MongoDb;

/// <summary>MongoDB, as a replica set.</summary>
public sealed class MongoDbEngine : IEngine
{
    /// <inheritdoc/>
    public string Name => "mongodb";

    /// <inheritdoc/>
    public string ConditionType => "MongoDbReady";

    /// <inheritdoc/>
    public JsonTypeInfo SettingsType => MongoDbJson.Wire.MongoDbSettings;

    /// <inheritdoc/>
    public IEngineCluster Bind(StackContext stack, JsonElement settings)
    {
        RefuseNullItems(settings, "$");
        return new MongoDbCluster(stack, settings.Deserialize(MongoDbJson.Wire.MongoDbSettings) ?? new());
    }

    // The parser lets a null into any list. Below a validator they may stand.
    private static void RefuseNullItems(JsonElement value, string path)
    {
        if (value.ValueKind == JsonValueKind.Object)
        {
            foreach (var field in value.EnumerateObject().Where(field => field.Name != "validator"))
                RefuseNullItems(field.Value, $"{path}.{field.Name}");
        }
        else if (value.ValueKind == JsonValueKind.Array)
        {
            foreach (var (index, item) in value.EnumerateArray().Index())
            {
                if (item.ValueKind == JsonValueKind.Null)
                    throw new JsonException("a list holds nothing where an element must stand", $"{path}[{index}]", null, null);
                RefuseNullItems(item, $"{path}[{index}]");
            }
        }
    }
}

/// <summary>The replica set of one stack.</summary>
public sealed class MongoDbCluster : IEngineCluster
{
    private readonly EngineNames _names;
    private readonly MongoDbPlan _plan;

    internal MongoDbCluster(StackContext stack, MongoDbSettings settings)
    {
        _names = new(stack, "mongodb");
        _plan = MongoDbPlan.Of(_names, settings);
    }

    /// <inheritdoc/>
    public int Instances => _plan.Instances;

    /// <inheritdoc/>
    public string Endpoint => $"{_names.Domain(_names.Cluster)}:{MongoDbPlan.DefaultPort}";

    /// <inheritdoc/>
    public string WorkloadName => _names.Cluster;

    /// <inheritdoc/>
    public IReadOnlyList<string> RuntimeConfigMaps => [];

    /// <inheritdoc/>
    public bool MovesPrimary => true;

    /// <inheritdoc/>
    public bool OperatorLabelsRoles => true;

    /// <inheritdoc/>
    public IReadOnlyList<Violation> Validate(EngineObservation observed)
    {
        ArgumentNullException.ThrowIfNull(observed);
        return MongoDbRules.Check(_plan, observed);
    }

    /// <inheritdoc/>
    public IReadOnlyList<CredentialRequest> Credentials() =>
    [
        new(_names.InternalSecret, [new("keyfile"), .. MongoDbPlan.OwnUsers.Select(user => new CredentialField($"{user}-password")), .. MongoDbPlan.OwnUsers.Select(user => new CredentialField($"{user}{CredentialRequest.UsernameSuffix}", user))]),
        UserSecret(_names.AppSecret, MongoDbPlan.AppUser, MongoDbPlan.AppDatabase),
        .. _plan.KeptUsers.Select(user => UserSecret(_plan.UserSecret(user.Name), user.Name, DatabaseOf(user)) with { Renewable = true }),
    ];

    /// <inheritdoc/>
    public IReadOnlyList<VaultLogin> VaultLogins =>
    [
        .. _plan.Users.Where(user => user.Vault is not null).Select(user => new VaultLogin(
            $"spec.engines.mongodb.users[{user.Name}].vault",
            user.Vault!,
            user.Vault!.StaticRole is null ? null : user.Name,
            UserSecret($"{_names.Cluster}-vault-{user.Name}", user.Name, DatabaseOf(user)))),
    ];

    /// <inheritdoc/>
    public IReadOnlyList<CertificateRequest> Certificates => _names.Encrypted ? [MongoDbTls.Certificate(_plan)] : [];

    /// <inheritdoc/>
    public bool MixesTransport => _plan.Voters == 1;

    /// <inheritdoc/>
    public IReadOnlyList<TlsEndpoint> Endpoints => _names.Encrypted ? MongoDbTls.Endpoints(_plan) : [];

    /// <inheritdoc/>
    public IReadOnlyList<Manifest> Render(EngineObservation observed)
    {
        ArgumentNullException.ThrowIfNull(observed);
        var config = MongoDbConfig.Render(_plan);
        List<Manifest> objects =
        [
            Manifest.Of(KubeTypes.ServiceAccounts, new(_names.Meta(_names.Cluster), AutomountServiceAccountToken: false)),
            Manifest.Of(KubeTypes.ConfigMaps, new(_names.Meta($"{_names.Cluster}-config"), config)),
            Manifest.Of(KubeTypes.ConfigMaps, new(_names.Meta($"{_names.Cluster}-memory"), MongoDbConfig.Memory(_plan, observed))),
            MongoDbServices.Members(_names),
            MongoDbServices.Primary(_names),
            MongoDbServices.Replicas(_names),
        ];
        if (_names.Stack.Tier != Tier.Development)
            objects.Add(PodDefaults.DisruptionBudget(_names));
        objects.AddRange(MongoDbServices.Access.Render(_names));
        var arbiter = MongoDbScaleIn.KeepsArbiter(_plan, observed);
        objects.Add(MongoDbStatefulSet.Data(_plan, config, MongoDbScaleIn.Replicas(_plan, observed), arbiter));
        if (arbiter)
            objects.Add(MongoDbStatefulSet.Arbiter(_plan, config));
        return objects;
    }

    /// <inheritdoc/>
    public Task<EngineHealth> ProbeAsync(EngineTarget target, CancellationToken cancellationToken) =>
        MongoDbProbe.RunAsync(MongoDbLogins.Resolve(_plan, target), target, cancellationToken);

    /// <inheritdoc/>
    public IReadOnlyList<EngineCommand> Commands(EngineObservation observed) => MongoDbCommands.Decide(_plan, observed);

    /// <inheritdoc/>
    public Task ExecuteAsync(EngineCommand command, EngineTarget target, CancellationToken cancellationToken) =>
        MongoDbCommands.ExecuteAsync(MongoDbLogins.Resolve(_plan, target), command, target, cancellationToken);

    /// <inheritdoc/>
    public IReadOnlyList<BackupTool> Backups => [MongoDbBackup.Tool(_plan)];

    /// <inheritdoc/>
    public IReadOnlyList<RotatingRole> Rotating => MongoDbLogins.Of(_plan);

    /// <inheritdoc/>
    public IReadOnlyList<StaticRole> Static => MongoDbLogins.Static(_plan);

    /// <inheritdoc/>
    public Task AcceptAsync(RotatingRole role, IReadOnlyList<Login> logins, EngineTarget target, CancellationToken cancellationToken) =>
        MongoDbLogins.AcceptAsync(_plan, role, logins, target, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<LoginFinding>> LogInAsync(RotatingRole role, Login login, EngineTarget target, CancellationToken cancellationToken) =>
        MongoDbLogins.LogInAsync(_plan, login, target, cancellationToken);

    private static string DatabaseOf(MongoDbUser user) => user.Roles is [{ } grant, ..] ? grant.Database : "admin";

    // Drivers find the primary themselves: they are given every member, and the set's name.
    private CredentialRequest UserSecret(string secret, string user, string database)
    {
        var hosts = string.Join(',', Enumerable.Range(0, _plan.Instances).Select(ordinal => _plan.Host(_names.Pod(ordinal))));
        return new(secret,
        [
            new("password"),
            new("username", user),
            new("host", _names.Domain(_names.Cluster)),
            new("port", MongoDbPlan.DefaultPort.ToString(CultureInfo.InvariantCulture)),
            new("database", database),
            new("replica-set", MongoDbPlan.ReplicaSet),
            new("uri", $"mongodb://{{username}}:{{password}}@{hosts}/{database}?replicaSet={MongoDbPlan.ReplicaSet}&authSource=admin&authMechanism=SCRAM-SHA-256{(_names.Encrypted ? "&tls=true" : "")}", Quoting: CredentialQuoting.Uri),
        ]);
    }
}
