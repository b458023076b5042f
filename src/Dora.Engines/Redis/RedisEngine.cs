using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dora.Api;
using Dora.Engines.Backups;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Redis;

/// <summary>Redis, standalone, with Sentinel, or as a cluster.</summary>
public sealed class RedisEngine : IEngine
{
    /// <inheritdoc/>
    public string Name => "redis";

    /// <inheritdoc/>
    public string ConditionType => "RedisReady";

    /// <inheritdoc/>
    public JsonTypeInfo SettingsType => RedisJson.Wire.RedisSettings;

    /// <inheritdoc/>
    public IEngineCluster Bind(StackContext stack, JsonElement settings) =>
        new RedisCluster(stack, settings.Deserialize(RedisJson.Wire.RedisSettings) ?? new());
}

/// <summary>The Redis servers of one stack.</summary>
public sealed class RedisCluster : IEngineCluster
{
    private readonly EngineNames _names;
    private readonly RedisPlan _plan;
    private readonly RedisSettings _settings;

    internal RedisCluster(StackContext stack, RedisSettings settings)
    {
        _names = new(stack, "redis");
        _settings = settings;
        _plan = RedisPlan.Of(_names, settings);
    }

    /// <inheritdoc/>
    public int Instances => _plan.Instances;

    /// <inheritdoc/>
    public string Endpoint => $"{_names.Domain(_names.Cluster)}:{RedisPlan.Port}";

    /// <inheritdoc/>
    public string WorkloadName => _names.Cluster;

    /// <inheritdoc/>
    public IReadOnlyList<string> RuntimeConfigMaps => [];

    /// <inheritdoc/>
    public bool MovesPrimary => _plan.Mode == RedisMode.Sentinel || _plan.ReplicasPerMaster > 0;

    /// <inheritdoc/>
    public bool OperatorLabelsRoles => _plan.Mode != RedisMode.Cluster;

    /// <inheritdoc/>
    public IReadOnlyList<Violation> Validate(EngineObservation observed)
    {
        ArgumentNullException.ThrowIfNull(observed);
        const string path = "spec.engines.redis";
        var violations = new List<Violation>();
        if (_plan.Mode == RedisMode.Standalone && _plan.Instances != 1)
            violations.Add(new($"{path}.instances", $"mode Standalone runs one server, not {_plan.Instances}", "set instances to 1, or mode to Sentinel"));
        if (_plan.Mode == RedisMode.Sentinel && (_plan.Instances is < 3 or > 9 || _plan.Instances % 2 == 0))
            violations.Add(new($"{path}.instances", $"{_plan.Instances} Sentinels cannot elect by majority", "choose 3, 5, 7 or 9"));
        violations.AddRange(RedisRules.Cluster(path, _plan, _settings));
        violations.AddRange(RedisUsers.Validate(path, _plan, _settings));
        violations.AddRange(RedisParameters.Check(path, _plan));
        if (observed.Workload?.Metadata.Annotation(RedisStatefulSet.ModeAnnotation) is { } mode && mode != _plan.Mode.ToString())
            violations.Add(new($"{path}.mode", $"the servers run in mode {mode}", "create a new stack and restore into it", "ImmutableField"));
        if (!MixesTransport)
            violations.AddRange(TransportChange.Check(_names, $"members of Redis in mode {_plan.Mode}", observed));
        violations.AddRange(SettingsRules.Storage($"{path}.storage", _plan.Storage, observed));
        violations.AddRange(SettingsRules.Resources($"{path}.resources", _plan.Resources));
        violations.AddRange(PodRules.Check($"{path}.pods", _plan.Pods.Own));
        return violations;
    }

    /// <inheritdoc/>
    public IReadOnlyList<CredentialRequest> Credentials() =>
    [
        new(_names.InternalSecret, [new("admin-password"), new("replica-password"), new(_plan.Mode == RedisMode.Cluster ? "migrate-password" : "sentinel-password")]),
        new(_names.AppSecret,
        [
            new("password"),
            new("username", RedisPlan.AppUser),
            new("host", _names.Domain(_names.Cluster)),
            new("port", RedisPlan.Port.ToString(CultureInfo.InvariantCulture)),
            new("uri", $"{(_names.Encrypted ? "rediss" : "redis")}://{{username}}:{{password}}@{Endpoint}", Quoting: CredentialQuoting.Uri),
        ]),
        .. RedisUsers.Credentials(_plan),
    ];

    /// <inheritdoc/>
    public IReadOnlyList<CertificateRequest> Certificates => _names.Encrypted ? [RedisTls.Certificate(_plan)] : [];

    /// <inheritdoc/>
    public bool MixesTransport => _plan.Mode == RedisMode.Standalone;

    /// <inheritdoc/>
    public IReadOnlyList<TlsEndpoint> Endpoints => _names.Encrypted ? RedisTls.Endpoints(_plan) : [];

    /// <inheritdoc/>
    public IReadOnlyList<Manifest> Render(EngineObservation observed)
    {
        ArgumentNullException.ThrowIfNull(observed);
        List<Manifest> objects =
        [
            Manifest.Of(KubeTypes.ServiceAccounts, new(_names.Meta(_names.Cluster), AutomountServiceAccountToken: false)),
            Manifest.Of(KubeTypes.ConfigMaps, new(_names.Meta($"{_names.Cluster}-config"), RedisConfig.Render(_plan))),
            Manifest.Of(KubeTypes.ConfigMaps, new(_names.Meta($"{_names.Cluster}-memory"), RedisConfig.Memory(_plan, observed))),
            RedisServices.Members(_names, _plan.Mode),
            _plan.Mode == RedisMode.Cluster ? RedisServices.Everyone(_names) : RedisServices.Primary(_names),
        ];
        if (_plan.Mode == RedisMode.Sentinel)
        {
            objects.Add(RedisServices.Sentinels(_names));
            objects.Add(RedisServices.Replicas(_names));
        }

        if (_names.Stack.Tier != Tier.Development)
            objects.Add(PodDefaults.DisruptionBudget(_names));
        objects.AddRange(RedisServices.Access(_plan.Mode).Render(_names));
        objects.Add(RedisStatefulSet.Render(_plan, _plan.Mode == RedisMode.Cluster ? ClusterCommands.Replicas(_plan, observed) : ScaleIn.Replicas(_plan.Instances, observed)));
        return objects;
    }

    /// <inheritdoc/>
    public async Task<EngineHealth> ProbeAsync(EngineTarget target, CancellationToken cancellationToken)
    {
        var health = await (_plan.Mode == RedisMode.Cluster ? ClusterProbe.RunAsync(_plan, target, cancellationToken) : RedisProbe.RunAsync(_plan, target, cancellationToken)).ConfigureAwait(false);
        // Who was silent a moment ago would only hold up what must be done about it: a Service waits for the new master's label.
        var silent = health.Members.Where(member => member.Role == MemberRole.Unknown).Select(member => member.Pod).ToHashSet(StringComparer.Ordinal);
        var answering = target with { Members = [.. target.Members.Where(member => !silent.Contains(member.Name))] };
        health = await RedisUsers.CompleteAsync(_plan, answering, health, cancellationToken).ConfigureAwait(false);
        return await RedisLive.CompleteAsync(_plan, answering, health, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public bool Announces => _plan.Mode == RedisMode.Sentinel;

    /// <inheritdoc/>
    public Task ListenAsync(MemberPod member, EngineTarget target, Action announced, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(target);
        return SentinelAnnouncements.ListenAsync(RedisAdmin.Of(_plan, target), member, announced, cancellationToken);
    }

    /// <inheritdoc/>
    public IReadOnlyList<EngineCommand> Commands(EngineObservation observed) =>
        [.. _plan.Mode == RedisMode.Cluster ? ClusterCommands.Decide(_plan, observed) : RedisCommands.Decide(_plan, observed), .. RedisUsers.Decide(observed), .. RedisLive.Decide(_plan, observed)];

    /// <inheritdoc/>
    public Task ExecuteAsync(EngineCommand command, EngineTarget target, CancellationToken cancellationToken) =>
        command?.Name is RedisUsers.SetUser or RedisUsers.RemoveUser ? RedisUsers.ExecuteAsync(_plan, command, target, cancellationToken)
        : command?.Name is RedisLive.SetParameters or RedisLive.SetMemory ? RedisLive.ExecuteAsync(_plan, command, target, cancellationToken)
        : command?.Name == EngineCommand.ReloadCertificate ? RedisTls.ReloadAsync(_plan, command.Subject, target, cancellationToken)
        : command?.Name == EngineCommand.InterruptForCertificate ? RedisTls.RestartSentinelAsync(_plan, command.Subject, target, cancellationToken)
        : _plan.Mode == RedisMode.Cluster ? ClusterCommands.ExecuteAsync(_plan, command!, target, cancellationToken)
        : RedisCommands.ExecuteAsync(_plan, command!, target, cancellationToken);

    /// <inheritdoc/>
    public IReadOnlyList<BackupTool> Backups => RedisBackup.Tools(_plan);

    /// <inheritdoc/>
    public string? BackupProblem => _plan.Mode == RedisMode.Cluster
        ? "the masters of a Redis cluster each hold other slots, and a backup holds what one of them has: use mode Sentinel for data that must be backed up"
        : null;

    /// <inheritdoc/>
    public IReadOnlyList<RotatingRole> Rotating => RedisLogins.Of(_plan);

    /// <inheritdoc/>
    public IReadOnlyList<VaultLogin> VaultLogins => [.. RedisUsers.VaultLogins("spec.engines.redis", _plan, _settings)];

    /// <inheritdoc/>
    public Task AcceptAsync(RotatingRole role, IReadOnlyList<Login> logins, EngineTarget target, CancellationToken cancellationToken) =>
        RedisLogins.AcceptAsync(_plan, role, logins, target, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<LoginFinding>> LogInAsync(RotatingRole role, Login login, EngineTarget target, CancellationToken cancellationToken) =>
        RedisLogins.LogInAsync(_plan, role, login, target, cancellationToken);
}
