using Dora.Api;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Dora.Operator.Access;
using Dora.Operator.Backups;
using Dora.Operator.Certificates;
using Dora.Operator.Cli;
using Dora.Operator.Credentials;
using Dora.Operator.Credentials.Database;
using Dora.Operator.Stacks;
using Dora.Operator.Telemetry;
using Dora.Operator.Transport;
using Microsoft.Extensions.Logging;

namespace Dora.Operator;

/// <summary>The parts of the operator, put together and run until told to stop.</summary>
internal sealed partial class OperatorProcess : IDisposable
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(8);

    private readonly RunOptions _options;
    private readonly KubeClient _client;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly WorkQueue<ObjectKey> _queue;
    private readonly WorkQueue<ObjectKey> _backups;
    private readonly WorkQueue<ObjectKey> _restores;
    private readonly ClusterView _view;
    private readonly RunView _runs;
    private readonly EventRecorder _events;
    private readonly EngineAnnouncements _announcements;
    private readonly VaultCredentials _vault;
    private readonly VaultSignatures _signatures;
    private readonly DatabaseLoginSource _logins;
    private readonly CredentialStore _credentials;
    private readonly IReadOnlyList<ControllerLoop> _loops;
    private readonly OperatorMetrics _metrics;
    private readonly string _identity;
    private readonly string _namespace;

    private OperatorProcess(RunOptions options, KubeConfig config, KubeClient client, ClusterCapabilitiesView capabilities, TimeProvider clock, ILoggerFactory logs)
    {
        _options = options;
        _client = client;
        _clock = clock;
        _logger = logs.CreateLogger<OperatorProcess>();
        _identity = $"{Environment.MachineName}-{Guid.NewGuid():N}"[..Math.Min(Environment.MachineName.Length + 9, 63)];
        _namespace = options.LeaseNamespace ?? config.Namespace ?? "default";
        var backoff = new Backoff(TimeSpan.FromMilliseconds(200), TimeSpan.FromMinutes(2));
        _queue = new("stacks", clock, backoff);
        var journal = new WriteJournal(clock);
        _backups = new("backups", clock, backoff);
        _restores = new("restores", clock, backoff);
        _runs = new(client, options.Namespaces ?? [], _backups.Add, _restores.Add, _queue.Add, clock, logs.CreateLogger<RunView>());
        _view = new(client, options.Namespaces ?? [], capabilities, Changed, journal.Removed, clock, logs.CreateLogger<ClusterView>());
        _events = new(client, new("dora-operator.io/operator", _identity), clock, logs.CreateLogger<EventRecorder>());
        _announcements = new(_queue.Add, logs.CreateLogger<EngineAnnouncements>());
        var health = new HealthStore();
        var transport = new TransportStore(clock);
        _metrics = new(health, () => _view.Stacks);
        _vault = new(client, options.Vault ?? VaultAccess.None, _queue.Add, clock, logs.CreateLogger<VaultCredentials>());
        _signatures = new(_vault.Clients, _queue.Add, clock, logs.CreateLogger<VaultSignatures>());
        _logins = new(_vault.Clients, _queue.Add, clock, logs.CreateLogger<DatabaseLoginSource>());
        var credentials = _credentials = new CredentialStore(client, _vault, clock);
        var images = options.Images ?? new();
        var stacks = new StackController(
            client,
            new(_view, _runs, credentials, _vault, _signatures, _logins, new(client, journal, clock), new(client, clock), new(client), journal, health, transport, new(client, clock), images, capabilities.Capabilities, clock),
            new(client),
            _signatures,
            _logins,
            new(client, credentials, new(client, credentials, clock), journal, logs.CreateLogger<PlanExecutor>(), clock),
            new(clock, logs.CreateLogger<EngineProber>()),
            health,
            transport,
            journal,
            new(_events),
            _announcements,
            clock,
            logs.CreateLogger<StackController>());
        var runs = new RunCluster(client, _view, health, images, capabilities.Capabilities, logs.CreateLogger<RunCluster>());
        var backups = new BackupController(_runs, runs, _events, clock, logs.CreateLogger<BackupController>());
        var restores = new RestoreController(_runs, runs, _events, clock, logs.CreateLogger<RestoreController>());
        _loops =
        [
            new("stacks", _queue, stacks.ReconcileAsync, new(options.Workers, TimeSpan.FromSeconds(90)), clock, logs.CreateLogger<ControllerLoop>()),
            new("backups", _backups, backups.ReconcileAsync, new(), clock, logs.CreateLogger<ControllerLoop>()),
            new("restores", _restores, restores.ReconcileAsync, new(), clock, logs.CreateLogger<ControllerLoop>()),
        ];
    }

    /// <summary>Runs until cancelled; answers an exit code.</summary>
    public static async Task<int> RunAsync(RunOptions options, TimeProvider clock, ILoggerFactory logs, TextWriter error, CancellationToken cancellationToken)
    {
        var config = KubeConfig.Load(options.Kubeconfig, options.Context);
        using var client = new KubeClient(config, new(UserAgent: $"dora-operator/{VersionCommand.Version}"), clock, logs.CreateLogger<KubeClient>());
        ClusterCapabilitiesView capabilities;
        try
        {
            foreach (var kind in (KubeResource[])[StackResource.Type.Resource, BackupResource.Type.Resource, RestoreResource.Type.Resource])
            {
                if (await client.ServesAsync(kind, cancellationToken).ConfigureAwait(false))
                    continue;
                await error.WriteLineAsync($"{client.Server} does not serve {kind} {StackResource.ApiVersion}: install the CRDs first, `kubectl apply -f crds/`".AsMemory(), CancellationToken.None).ConfigureAwait(false);
                return ExitCodes.NotInstalled;
            }

            // Without this right the informers would wait for ever; any other one that is missing is reported in the stacks' status.
            foreach (var scope in options.Namespaces is { Count: > 0 } namespaces ? namespaces : (IReadOnlyList<string?>)[null])
            {
                await client.ListPageAsync(StackResource.Type, scope, new(Limit: 1), cancellationToken).ConfigureAwait(false);
                await client.ListPageAsync(BackupResource.Type, scope, new(Limit: 1), cancellationToken).ConfigureAwait(false);
                await client.ListPageAsync(RestoreResource.Type, scope, new(Limit: 1), cancellationToken).ConfigureAwait(false);
            }

            capabilities = await ClusterCapabilitiesView.DiscoverAsync(client, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCodes.Success;
        }
        catch (KubeException exception)
        {
            await error.WriteLineAsync(exception.Message.AsMemory(), CancellationToken.None).ConfigureAwait(false);
            return exception is KubeForbiddenException ? ExitCodes.Forbidden : ExitCodes.Unreachable;
        }

        using var process = new OperatorProcess(options, config, client, capabilities, clock, logs);
        using var metrics = new PrometheusText(KubeMetrics.MeterName, OperatorMetrics.MeterName);
        var server = await HealthServer.StartAsync(options.Listen, () => null, process.NotReady, metrics, cancellationToken).ConfigureAwait(false);
        await using (server.ConfigureAwait(false))
            await process.WorkAsync(cancellationToken).ConfigureAwait(false);
        return ExitCodes.Success;
    }

    private Task ReconcileAsync(CancellationToken cancellationToken) => Task.WhenAll(_loops.Select(loop => loop.RunAsync(cancellationToken)));

    private void Changed(ObjectKey stack)
    {
        _queue.Add(stack);
        _runs.StackChanged(stack, _view.Find(stack)?.Metadata.Generation);
    }

    private string? NotReady() => _view.Settled && _runs.Synced ? null : "waiting for the first list of every kind";

    private async Task WorkAsync(CancellationToken cancellationToken)
    {
        LogStart(_logger, VersionCommand.Version, _client.Server, _identity);
        var informers = Task.WhenAll(_view.RunAsync(cancellationToken), _runs.RunAsync(cancellationToken));
        var events = _events.RunAsync(cancellationToken);
        try
        {
            await _runs.SettleAsync(cancellationToken).ConfigureAwait(false);
            await _view.SettleAsync(_clock, cancellationToken).ConfigureAwait(false);
            if (_options.LeaderElect)
                await LeadAsync(cancellationToken).ConfigureAwait(false);
            else
                await ReconcileAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Told to stop.
        }

        await Task.WhenAll(informers, events).ConfigureAwait(false);
        using var grace = new CancellationTokenSource(Grace, _clock);
        try
        {
            await _events.FlushAsync(grace.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The rest of the events is lost; the next process says what matters.
        }

        LogStop(_logger);
    }

    // Informers stay warm while another process leads, so that taking over is quick.
    private async Task LeadAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            var lease = new LeaderLease(_client, new(_namespace, OperatorAccess.LeaseName, _identity), _clock, _logger);
            try
            {
                await lease.RunAsync(
                    async token =>
                    {
                        // Another process may have changed passwords meanwhile: servers must not be told the old ones again.
                        _credentials.ForgetAll();
                        _signatures.ForgetAll();
                        _logins.ForgetAll();
                        foreach (var stack in _view.Stacks)
                            _queue.Add(ObjectKey.Of(stack));
                        _runs.LookAtAll();
                        try
                        {
                            await ReconcileAsync(token).ConfigureAwait(false);
                        }
                        finally
                        {
                            _announcements.Clear();
                        }
                    },
                    cancellationToken).ConfigureAwait(false);
            }
            catch (LeadershipLostException exception)
            {
                LogLeadershipLost(_logger, exception.Message);
            }
        }
    }

    public void Dispose()
    {
        _announcements.Dispose();
        _signatures.Dispose();
        _logins.Dispose();
        _vault.Dispose();
        _metrics.Dispose();
        _events.Dispose();
        _queue.Dispose();
        _backups.Dispose();
        _restores.Dispose();
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "dora-operator {Version} at {Server} as {Identity}")]
    private static partial void LogStart(ILogger logger, string version, Uri server, string identity);

    [LoggerMessage(Level = LogLevel.Information, Message = "stopped")]
    private static partial void LogStop(ILogger logger);

    [LoggerMessage(Level = LogLevel.Warning, Message = "no longer the leader: {Problem}; standing for election again")]
    private static partial void LogLeadershipLost(ILogger logger, string problem);
}
