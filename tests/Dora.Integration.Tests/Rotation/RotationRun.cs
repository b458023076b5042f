using System.Text;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Operator.Cli;
using Dora.Operator.Credentials;
using Dora.Operator.Credentials.Rotation;
using Dora.Operator.Stacks;
using Dora.Testing;
using Dora.Testing.ApiServer;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dora.Integration.Tests.Rotation;

/// <summary>Has the password of one role of real servers changed, while an application logs in over and over with what its Secret holds.</summary>
internal sealed class RotationRun : IAsyncDisposable
{
    private readonly InMemoryApiServer _server;
    private readonly KubeClient _client;
    private readonly ManualClock _clock = new(DateTimeOffset.UtcNow);
    private readonly VaultCredentials _vault;
    private readonly RealLogins _servers;
    private readonly string _engine;
    private ComplianceStack _stack;
    private RotationPhase _phase;

    private readonly SemaphoreSlim _loggedIn = new(0);

    private RotationRun(InMemoryApiServer server, string engine, string settings, RealLogins servers)
    {
        (_server, _engine, _servers) = (server, engine, servers);
        _client = new(new(server.Address), new(), TimeProvider.System, NullLogger<KubeClient>.Instance);
        _vault = new(_client, VaultAccess.None, _ => { }, _clock, NullLogger<VaultCredentials>.Instance);
        _stack = StackFile.Read($"{{apiVersion: {StackResource.ApiVersion}, kind: {StackResource.Kind}, metadata: {{name: payments, namespace: compliance}}, spec: {{tier: Development, engines: {{{engine}: {settings}}}}}}}")[0];
    }

    /// <summary>Logins that succeeded; none may fail.</summary>
    public int Logins { get; private set; }

    /// <param name="engine">The engine.</param>
    /// <param name="servers">Its servers.</param>
    /// <param name="first">The login that they know.</param>
    /// <param name="settings">The engine's settings.</param>
    /// <param name="held">What else the Secret holds.</param>
    public static async Task<RotationRun> StartAsync(string engine, RealLogins servers, Login first, string settings = "{}", IReadOnlyDictionary<string, string>? held = null)
    {
        var run = new RotationRun(await InMemoryApiServer.StartAsync(new(NamespacesExistByThemselves: true)), engine, settings, servers);
        // What else is in the Secret stays as it is.
        servers.Inner = EngineCatalogue.Find(engine)!.Bind(StackPlanner.Context(run._stack, new(), new()), run._stack.Spec.Engines[engine]);
        var others = servers.Inner.Credentials().Where(request => request.SecretName == servers.Role.SecretName).SelectMany(VaultPlace.Keys).Where(key => key != servers.Role.Key);
        var data = new JsonObject((held ?? others.ToDictionary(key => key, key => $"other-{key}")).Select(field => KeyValuePair.Create(field.Key, (JsonNode?)Base64(field.Value)))) { [servers.Role.UsernameKey] = Base64(first.Username), [servers.Role.Key] = Base64(first.Password) };
        run._server.Create(KubeTypes.Secrets.Resource, "compliance", JsonNode.Parse(new JsonObject { ["apiVersion"] = "v1", ["kind"] = "Secret", ["metadata"] = new JsonObject { ["name"] = servers.Role.SecretName, ["namespace"] = "compliance" }, ["data"] = data }.ToJsonString())!.AsObject());
        return run;
    }

    /// <summary>What the application reads.</summary>
    public Login Held()
    {
        // Of one moment: a pod sees all keys of a Secret change together.
        var fields = Fields();
        return new(fields[_servers.Role.UsernameKey], fields[_servers.Role.Key]);
    }

    /// <summary>All of that Secret.</summary>
    public IReadOnlyDictionary<string, string> Fields() =>
        _server.Find(KubeTypes.Secrets.Resource, "compliance", _servers.Role.SecretName)!["data"]!.AsObject().ToDictionary(field => field.Key, field => Text(field.Value!), StringComparer.Ordinal);

    /// <summary>Logins that servers shall accept now, as the operator tells its probes.</summary>
    public IReadOnlyList<Login>? Accepted { get; private set; }

    /// <summary>What a probe is given now.</summary>
    public EngineTarget Over(EngineTarget target) => target with
    {
        Secrets = new Dictionary<string, IReadOnlyDictionary<string, string>>(target.Secrets) { [_servers.Role.SecretName] = new Dictionary<string, string>(target.Secrets.GetValueOrDefault(_servers.Role.SecretName) ?? new Dictionary<string, string>()) { [_servers.Role.UsernameKey] = Held().Username, [_servers.Role.Key] = Held().Password } },
        Accepted = Accepted is null ? null : new Dictionary<string, IReadOnlyList<Login>> { [_servers.Role.Id] = Accepted },
    };

    /// <summary>One whole change; answers the login before it.</summary>
    /// <param name="ask">A new value of the annotation.</param>
    /// <param name="logIn">Logs in as an application does; throws when refused.</param>
    /// <param name="between">What else happens after each step.</param>
    public async Task<Login> RotateAsync(string ask, Func<Login, Task> logIn, Func<RotationPhase, Task>? between = null)
    {
        var old = Held();
        _stack = _stack with { Metadata = _stack.Metadata with { Annotations = new Dictionary<string, string> { [Labels.RotateCredentials] = ask } } };
        using var over = new CancellationTokenSource();
        var application = WorkAsync(logIn, over.Token);
        var phase = _phase = RotationPhase.Idle;
        for (var pass = 0; pass < 30 && phase != RotationPhase.Proven; pass++)
        {
            // Another process each time: nothing is remembered but what is written.
            phase = _phase = await PassAsync();
            if (between is not null)
                await between(phase);
            if (phase != RotationPhase.Overlapping)
                continue;
            // Who had read the Secret before it changed has logged in by then: an overlap is longer than a login.
            while (_loggedIn.Wait(0, CancellationToken.None))
            {
            }

            await Task.WhenAny(application, Task.WhenAll(_loggedIn.WaitAsync(TestContext.Current.CancellationToken), _loggedIn.WaitAsync(TestContext.Current.CancellationToken)));
            _clock.Advance(TimeSpan.FromMinutes(20));
        }

        await over.CancelAsync();
        await application;
        Assert.Equal(RotationPhase.Proven, phase);
        Assert.All(await _servers.LogInAsync(_servers.Role, old, Target, TestContext.Current.CancellationToken), answer => Assert.Equal(LoginAnswer.Refused, answer.Answer));
        return old;
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        _vault.Dispose();
        _loggedIn.Dispose();
        await _server.DisposeAsync();
    }

    private static EngineTarget Target => new([], new Dictionary<string, IReadOnlyDictionary<string, string>>());

    private async Task WorkAsync(Func<Login, Task> logIn, CancellationToken over)
    {
        while (!over.IsCancellationRequested)
        {
            var held = Held();
            try
            {
                await logIn(held);
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"{held} is refused after {Logins} logins, at {_phase}", exception);
            }

            Logins++;
            _loggedIn.Release();
        }
    }

    private async Task<RotationPhase> PassAsync()
    {
        var credentials = new CredentialStore(_client, _vault, _clock);
        var executor = new PlanExecutor(_client, credentials, new(_client, credentials, _clock), new(_clock), NullLogger<PlanExecutor>.Instance, _clock);
        var (observed, engine) = await ObserveAsync(credentials);
        var plan = new StackPlan([], [], [engine]) { Rotations = RotationPlan.Of([engine], observed) };
        var report = await executor.RotateAsync(new([], []), observed, plan, TestContext.Current.CancellationToken);
        Assert.All(report.RotationFailures, failure => Assert.Fail(failure.Message));
        (observed, engine) = await ObserveAsync(new(_client, _vault, _clock));
        Accepted = RotationPlan.Accepted(engine, observed)?.GetValueOrDefault(_servers.Role.Id);
        return RotationPlan.Views(engine, observed)[0].Phase;
    }

    private async Task<(StackObservation Observed, BoundEngine Engine)> ObserveAsync(CredentialStore credentials)
    {
        string[] names = [_servers.Role.SecretName, RotationRecord.SecretName("payments", _engine)];
        var observed = StackObservation.Nowhere(_stack, new()) with { Now = _clock.GetUtcNow(), Credentials = await credentials.ReadAsync(_stack, names, isNew: false, TestContext.Current.CancellationToken) };
        var health = new EngineHealth(EngineVerdict.Healthy, [new("payments-0", MemberRole.Primary, true)], null, null, "", []);
        var engine = EngineCatalogue.Find(_engine)!;
        return (observed, new(engine, _servers, new(Health: health, Workload: new(new("payments")))));
    }

    private static string Text(JsonNode value) => Encoding.UTF8.GetString(Convert.FromBase64String((string)value!));

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
}

/// <summary>Real servers, of which only what concerns logins is asked.</summary>
/// <param name="Role">Whose password changes.</param>
/// <param name="Accept">Has them accept just these logins.</param>
/// <param name="LogIn">Logs in to all of them.</param>
internal sealed record RealLogins(RotatingRole Role, Func<IReadOnlyList<Login>, Task> Accept, Func<Login, Task<IReadOnlyList<LoginFinding>>> LogIn) : IEngineCluster
{
    public IEngineCluster? Inner { get; set; }

    public IReadOnlyList<RotatingRole> Rotating => [Role];

    public int Instances => 1;

    public string Endpoint => Inner!.Endpoint;

    public string WorkloadName => Inner!.WorkloadName;

    public IReadOnlyList<string> RuntimeConfigMaps => [];

    public bool OperatorLabelsRoles => false;

    public bool MovesPrimary => false;

    public IReadOnlyList<Violation> Validate(EngineObservation observed) => [];

    public IReadOnlyList<CredentialRequest> Credentials() => Inner!.Credentials();

    public IReadOnlyList<Manifest> Render(EngineObservation observed) => [];

    public Task<EngineHealth> ProbeAsync(EngineTarget target, CancellationToken cancellationToken) => throw new NotSupportedException();

    public IReadOnlyList<EngineCommand> Commands(EngineObservation observed) => [];

    public Task ExecuteAsync(EngineCommand command, EngineTarget target, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task AcceptAsync(RotatingRole role, IReadOnlyList<Login> logins, EngineTarget target, CancellationToken cancellationToken) => Accept(logins);

    public Task<IReadOnlyList<LoginFinding>> LogInAsync(RotatingRole role, Login login, EngineTarget target, CancellationToken cancellationToken) => LogIn(login);
}
