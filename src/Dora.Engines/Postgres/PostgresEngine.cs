using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dora.Api;
using Dora.Engines.Backups;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Postgres;

/// <summary>PostgreSQL with Patroni.</summary>
public sealed class PostgresEngine : IEngine
{
    /// <inheritdoc/>
    public string Name => "postgres";

    /// <inheritdoc/>
    public string ConditionType => "PostgresReady";

    /// <inheritdoc/>
    public JsonTypeInfo SettingsType => PostgresJson.Wire.PostgresSettings;

    /// <inheritdoc/>
    public IReadOnlyList<PolicyRule> Grants => PatroniAccess.Rules;

    /// <inheritdoc/>
    public IEngineCluster Bind(StackContext stack, JsonElement settings) =>
        new PostgresCluster(stack, settings.Deserialize(PostgresJson.Wire.PostgresSettings) ?? new());
}

/// <summary>The PostgreSQL cluster of one stack.</summary>
public sealed class PostgresCluster : IEngineCluster
{
    private readonly EngineNames _names;
    private readonly PostgresPlan _plan;
    private readonly PostgresSettings _settings;

    internal PostgresCluster(StackContext stack, PostgresSettings settings)
    {
        _names = new(stack, "postgres");
        _settings = settings;
        _plan = PostgresPlan.Of(_names, settings);
    }

    /// <inheritdoc/>
    public int Instances => _plan.Instances;

    /// <inheritdoc/>
    public string Endpoint => $"{_names.Domain(_names.Cluster)}:{PostgresPlan.Port}";

    /// <inheritdoc/>
    public string WorkloadName => _names.Cluster;

    /// <inheritdoc/>
    public IReadOnlyList<string> RuntimeConfigMaps =>
        [$"{_names.Cluster}-config", $"{_names.Cluster}-leader", $"{_names.Cluster}-sync", $"{_names.Cluster}-failover"];

    /// <inheritdoc/>
    public bool MovesPrimary => true;

    /// <inheritdoc/>
    public bool OperatorLabelsRoles => false;

    /// <inheritdoc/>
    public IReadOnlyList<string> Companions => _plan.Pooler is { } pooler ? [pooler.Names.Cluster] : [];

    /// <inheritdoc/>
    public string? Doors => _plan.Pooler?.Names.Engine;

    /// <inheritdoc/>
    public IReadOnlyList<Violation> Validate(EngineObservation observed)
    {
        ArgumentNullException.ThrowIfNull(observed);
        const string path = "spec.engines.postgres";
        var violations = new List<Violation>();
        if (_plan.Instances is < 1 or > 9)
            violations.Add(new($"{path}.instances", $"{_plan.Instances} instances are not possible", "choose 1 to 9"));
        violations.AddRange(SettingsRules.Storage($"{path}.storage", _plan.Storage, observed));
        violations.AddRange(SettingsRules.Resources($"{path}.resources", _plan.Resources));
        violations.AddRange(PodRules.Check($"{path}.pods", _plan.Pods.Own));
        violations.AddRange(PostgresParameters.Check(_plan));
        violations.AddRange(PostgresDeclarationRules.Check(_settings));
        violations.AddRange(PoolerPlan.Check(_plan));
        violations.AddRange(PgBackRest.Check(_plan));
        if (!_names.Encrypted && observed.Members?.Any(member => member is { Encrypted: true, Ready: true }) == true)
            violations.Add(new("spec.stackVersion", $"members of PostgreSQL speak TLS only, and {_names.Stack.StackVersion} has none", "stay with the newer version", "EncryptedAlready"));
        if (observed.Health?.Agent is { } patroni && PostgresProbe.QuorumProblem(_plan, patroni) is { } unknown)
            violations.Add(new($"{path}.synchronous", unknown, "choose Enabled, or have members that run an image with Patroni 4 or later", "UnsupportedByImage"));
        if (observed.Status?.Version is { } running && running.Split('.')[0] != _plan.Version)
            violations.Add(new($"{path}.version", $"PostgreSQL {running} holds the data", "a major upgrade rewrites the data; create a new stack with the new version and restore into it", "ImmutableField"));
        return violations;
    }

    /// <inheritdoc/>
    public IReadOnlyList<CredentialRequest> Credentials() =>
    [
        new(_names.InternalSecret, PostgresOwnLogins.Fields(_plan)),
        new(_names.AppSecret,
        [
            new("password"),
            new("username", PostgresPlan.AppUser),
            new("host", _names.Domain(_names.Cluster)),
            new("port", PostgresPlan.Port.ToString(System.Globalization.CultureInfo.InvariantCulture)),
            new("database", PostgresPlan.AppDatabase),
            // Checking the server needs a file that only the client can name: it adds sslmode=verify-full and sslrootcert itself.
            new("uri", $"postgresql://{{username}}:{{password}}@{Endpoint}/{PostgresPlan.AppDatabase}{(_names.Encrypted ? "?sslmode=require" : "")}", Quoting: CredentialQuoting.Uri),
        ]),
        // Their passwords can be told to the server again.
        .. _plan.Roles.Where(role => role.Secret is not null).Select(role => new CredentialRequest(role.Secret!,
        [
            new("password"),
            new("username", role.Name),
            new("host", _names.Domain(_names.Cluster)),
            new("port", PostgresPlan.Port.ToString(System.Globalization.CultureInfo.InvariantCulture)),
            .. role.Name == PostgresPlan.PoolerUser ? PostgresPooler.Fields(_plan) : [],
        ], Renewable: true)),
    ];

    /// <inheritdoc/>
    public IReadOnlyList<VaultLogin> VaultLogins =>
    [
        .. (_settings.Roles ?? []).Select((role, index) => (role, index)).Where(entry => entry.role.Vault is not null).Select(entry => new VaultLogin(
            string.Create(System.Globalization.CultureInfo.InvariantCulture, $"spec.engines.postgres.roles[{entry.index}].vault"),
            entry.role.Vault!,
            entry.role.Vault!.StaticRole is null ? null : entry.role.Name,
            new($"{_names.Cluster}-vault-{entry.role.Name.Replace('_', '-')}",
            [
                new("password"),
                new("host", _names.Domain(_names.Cluster)),
                new("port", PostgresPlan.Port.ToString(System.Globalization.CultureInfo.InvariantCulture)),
            ]))),
    ];

    /// <inheritdoc/>
    public IReadOnlyList<CertificateRequest> Certificates => PostgresTls.Certificates(_plan);

    /// <inheritdoc/>
    public IReadOnlyList<TlsEndpoint> Endpoints => PostgresTls.Endpoints(_plan);

    /// <inheritdoc/>
    public bool FirstMemberAlone => true;

    /// <inheritdoc/>
    public IReadOnlyList<BackupTool> Backups => PostgresBackups.Of(_plan, [.. RuntimeConfigMaps.Select(name => (KubeTypes.ConfigMaps.Resource, name))]);

    /// <inheritdoc/>
    public IReadOnlyList<Manifest> Render(EngineObservation observed)
    {
        ArgumentNullException.ThrowIfNull(observed);
        var mixed = _names.Encrypted && observed.Members?.Any(member => !member.Encrypted) == true;
        List<Manifest> objects =
        [
            .. PatroniAccess.Render(_names),
            Config(_plan, mixed),
            // A container that starts anew in a pod of the older version.
            .. mixed ? [Config(Of(StackVersions.V202611), mixed: false)] : Array.Empty<Manifest>(),
            .. PgBackRest.Serves(_plan) ? [PgBackRest.Config(_plan)] : Array.Empty<Manifest>(),
            PostgresServices.Members(_names),
            PostgresServices.Primary(_names),
            PostgresServices.Replicas(_names),
        ];
        if (_names.Stack.Tier != Tier.Development)
            objects.Add(PodDefaults.DisruptionBudget(_names));
        objects.AddRange(PostgresServices.Access(_plan).Render(_names));
        if (_plan.Pooler is { } pooler)
            objects.AddRange(mixed ? PostgresPooler.Render(Unencrypted, Unencrypted.Pooler!) : PostgresPooler.Render(_plan, pooler));
        objects.Add(PostgresStatefulSet.Render(_plan, ScaleIn.Replicas(_plan.Instances, observed)));
        return objects;
    }

    /// <inheritdoc/>
    public Task<EngineHealth> ProbeAsync(EngineTarget target, CancellationToken cancellationToken) =>
        PostgresProbe.RunAsync(PostgresLogins.Resolve(_plan, target), target, cancellationToken);

    /// <inheritdoc/>
    public IReadOnlyList<EngineCommand> Commands(EngineObservation observed) => PostgresCommands.Decide(_plan, observed);

    /// <inheritdoc/>
    public Task ExecuteAsync(EngineCommand command, EngineTarget target, CancellationToken cancellationToken) =>
        PostgresCommands.ExecuteAsync(PostgresLogins.Resolve(_plan, target), command, target, cancellationToken);

    /// <inheritdoc/>
    public IReadOnlyList<RotatingRole> Rotating => PostgresLogins.Of(_plan);

    /// <inheritdoc/>
    public IReadOnlyList<StaticRole> Static => PostgresLogins.Static(_plan);

    /// <inheritdoc/>
    public async Task AcceptAsync(RotatingRole role, IReadOnlyList<Login> logins, EngineTarget target, CancellationToken cancellationToken)
    {
        // Members read their Secret's file by themselves.
        if (role.TakenFromSecret)
            return;
        await using var source = PostgresSql.Source(_plan, target, PostgresCommands.Leader(target));
        await PostgresLogins.AcceptAsync(_plan, role, logins, source, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<LoginFinding>> LogInAsync(RotatingRole role, Login login, EngineTarget target, CancellationToken cancellationToken) =>
        role.TakenFromSecret ? new PatroniClient(_plan, target).LogInAsync(login, cancellationToken) : PostgresLogins.LogInAsync(_plan, role, login, target, cancellationToken);

    // The pooler checks whom it connects to only when every member can show who it is.
    private PostgresPlan Unencrypted => Of(_names.Stack.StackVersion);

    private PostgresPlan Of(string version) => PostgresPlan.Of(_names with { Stack = _names.Stack with { Tls = null, StackVersion = version } }, _settings);

    private static Manifest Config(PostgresPlan plan, bool mixed)
    {
        var files = new Dictionary<string, string> { ["patroni.yml"] = PatroniConfig.Render(plan, mixed) };
        if (plan.Names.Encrypted)
            files["openssl.cnf"] = PatroniTls.OpenSsl(plan);
        return Manifest.Of(KubeTypes.ConfigMaps, new(plan.Names.Meta(PostgresStatefulSet.Config(plan.Names)), files));
    }
}
