using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Dora.Operator.Certificates;
using Dora.Operator.Credentials;
using Dora.Operator.Credentials.Database;
using Dora.Operator.Credentials.Rotation;
using Dora.Operator.Stacks;
using Dora.Operator.Tests.Credentials.Rotation;
using Dora.Testing;
using Dora.Testing.Vault;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dora.Operator.Tests.Credentials;

/// <summary>
/// The stack <c>shop</c> with passwords from a scripted Vault: the operator's own parts on an in-memory API server, pass by pass,
/// on a clock of the test. The servers are tables of logins; what stands in a Secret opens each of them after every single change.
/// </summary>
internal sealed class VaultStack : IAsyncDisposable
{
    public const string Folder = "dora/compliance/shop/postgres";
    public const string Clerk = "shop-postgres-role-clerk";
    public const string Records = "shop-postgres-rotation";
    public const string Internal = "shop-postgres-internal";

    private static readonly ObjectKey _key = new(OperatorHost.Namespace, "shop");

    private readonly string _file = Path.GetTempFileName();
    private readonly OperatorHost _host;
    private readonly KubeClient _client;
    private readonly HealthStore _health = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _changed = new(0);
    private readonly ClusterView _view;
    private readonly Task _viewing;
    private StackObserver _observer = null!;
    private PlanExecutor _executor = null!;
    private VaultCredentials _vault = null!;
    private VaultSignatures _signatures = null!;
    private DatabaseLoginSource _logins = null!;

    private VaultStack(OperatorHost host, VaultServer server, ManualClock clock)
    {
        (_host, Server, Clock, Setup) = (host, server, clock, new(server.Address, server.RootToken));
        _client = new(new(host.Server.Address), new(), TimeProvider.System, NullLogger<KubeClient>.Instance);
        var journal = new WriteJournal(TimeProvider.System);
        _view = new(_client, [], new(KubeTypes.PodDisruptionBudgetsBeta), _ => _changed.Release(), journal.Removed, TimeProvider.System, NullLogger.Instance);
        _viewing = _view.RunAsync(_stop.Token);
        Restart(journal);
    }

    public VaultServer Server { get; }

    public ManualClock Clock { get; }

    public VaultSetup Setup { get; }

    /// <summary>The servers.</summary>
    public ScriptedLogins? Servers { get; private set; }

    /// <summary>Another value of the annotation that asks for new passwords; null: none.</summary>
    public string? Asked { get; set; }

    public ComplianceStackStatus? Status { get; private set; }

    public (string Status, string Reason) Condition => Status?.Conditions.Find(ConditionTypes.CredentialsCurrent) is { } found ? (found.Status, found.Reason) : ("", "");

    /// <summary>How far the change of a Secret's password is.</summary>
    public RotationPhase? Phase(string secret) => Status?.Rotations?.FirstOrDefault(rotation => rotation.SecretName == secret)?.Phase;

    public static string Spec(string settings = "", string source = "Vault", string address = "") =>
        source == "Vault"
            ? $"{{tier: Development, credentials: {{source: Vault, vault: {{address: '{address}', authMount: approle{settings}}}}}, engines: {{postgres: {{roles: [{{name: clerk}}]}}}}}}"
            : "{tier: Development, engines: {postgres: {roles: [{name: clerk}]}}}";

    public static async Task<VaultStack> StartAsync(string settings = "", string source = "Vault")
    {
        var clock = new ManualClock();
        var server = await VaultServer.StartAsync(clock);
        var host = await OperatorHost.StartAsync(start: false);
        host.Apply("shop", Spec(settings, source, server.Address.ToString().TrimEnd('/')));
        var stack = new VaultStack(host, server, clock);
        await stack.Setup.EnginesAsync();
        await stack.Setup.PolicyAsync(await File.ReadAllTextAsync(Path.Combine(GoldenFile.RepositoryRoot, "docs/vault-policy.hcl")));
        var (role, secret) = await stack.Setup.AppRoleAsync();
        await File.WriteAllTextAsync(stack._file, secret);
        stack.Access = new([server.Address.ToString()], VaultAccess.AppRole, stack._file, role);
        stack.Restart();
        await stack._view.SettleAsync(TimeProvider.System, TestContext.Current.CancellationToken);
        return stack;
    }

    public VaultAccess Access { get; set; } = VaultAccess.None;

    /// <summary>Another process of the operator: nothing is known any more.</summary>
    public void Restart(WriteJournal? journal = null)
    {
        journal ??= new(TimeProvider.System);
        _signatures?.Dispose();
        _logins?.Dispose();
        _vault?.Dispose();
        _vault = new(_client, Access, _ => { }, Clock, NullLogger<VaultCredentials>.Instance);
        _signatures = new(_vault.Clients, _ => { }, Clock, NullLogger<VaultSignatures>.Instance);
        _logins = new(_vault.Clients, _ => { }, Clock, NullLogger<DatabaseLoginSource>.Instance);
        var credentials = new CredentialStore(_client, _vault, Clock);
        _observer = new(_view, new(_client, [], _ => { }, _ => { }, _ => { }, TimeProvider.System, NullLogger.Instance), credentials, _vault, _signatures, _logins, new(_client, journal, TimeProvider.System), new(_client, TimeProvider.System), new(_client), journal, _health, new(TimeProvider.System), new(_client, TimeProvider.System), new(), new(PolicyV1: false), TimeProvider.System);
        _executor = new(_client, credentials, new(_client, credentials, TimeProvider.System), journal, NullLogger<PlanExecutor>.Instance, Clock);
    }

    public string Address => Server.Address.ToString().TrimEnd('/');

    public void PatchSpec(string spec) => _host.PatchSpec("shop", spec);

    /// <summary>Observe, plan, carry out, tell the database; and what the status would be.</summary>
    public async Task<(StackPlan Plan, ExecutionReport Report)> PassAsync()
    {
        var cancelled = TestContext.Current.CancellationToken;
        var observed = (await Clock.DrivingAsync(_observer.LoadAsync(_key, cancelled)))! with { Now = Clock.GetUtcNow() };
        var plan = StackPlanner.Plan(observed);
        var report = await Clock.DrivingAsync(_executor.ExecuteAsync(observed, plan, cancelled));
        plan = WithServers(plan, observed);
        report = await Clock.DrivingAsync(_executor.RotateAsync(report, observed, plan, cancelled));
        Status = StackStatus.Calculate(observed, plan, report, _health.Of(_key), Clock.GetUtcNow());
        await RememberAsync();
        await Clock.DrivingAsync(SettledAsync());
        return (plan, report);
    }

    /// <summary>Passes, 11 s after each other, until something holds.</summary>
    public async Task UntilAsync(Func<bool> wanted, int passes = 40)
    {
        for (var pass = 0; pass < passes; pass++)
        {
            await PassAsync();
            if (wanted())
                return;
            Clock.Advance(TimeSpan.FromSeconds(11));
        }

        Assert.Fail($"not after {passes} passes: {string.Join("; ", (Status?.Conditions ?? []).Select(condition => $"{condition.Type}={condition.Status} {condition.Reason} {condition.Message}"))}");
    }

    /// <summary>Until applications hold a password and the one before it is refused. The overlap is over at once; a sealed Vault is unsealed.</summary>
    public async Task UntilProvenAsync(string secret)
    {
        await UntilAsync(() => Reached(RotationPhase.Overlapping));
        Clock.Advance(TimeSpan.FromHours(1));
        await UntilAsync(() => Reached(RotationPhase.Proven));

        bool Reached(RotationPhase phase)
        {
            Server.Sealed = false;
            return Phase(secret) == phase;
        }
    }

    public Task UntilCurrentAsync() => UntilAsync(() => Condition == ("True", "Current"));

    public string? Secret(string name, string key = "password") =>
        (string?)_host.Find(KubeTypes.Secrets.Resource, name)?["data"]?[key] is { } value ? Encoding.UTF8.GetString(Convert.FromBase64String(value)) : null;

    public void DeleteSecret(string name) => _host.Server.Delete(KubeTypes.Secrets.Resource, OperatorHost.Namespace, name);

    /// <summary>A password as somebody writes it into a Secret.</summary>
    public void WriteSecret(string name, string password) =>
        _host.Server.Patch(KubeTypes.Secrets.Resource, OperatorHost.Namespace, name, new JsonObject { ["data"] = new JsonObject { ["password"] = Convert.ToBase64String(Encoding.UTF8.GetBytes(password)) } });

    /// <summary>As if nothing had ever been.</summary>
    public async Task ResetAsync()
    {
        if (_host.Find(KubeTypes.Secrets.Resource, Records) is not null)
            DeleteSecret(Records);
        foreach (var name in Secrets)
        {
            DeleteSecret(name);
            await Setup.DeleteAsync($"{Folder}/{name}", metadata: true);
        }

        Servers = null;
        Restart();
    }

    /// <summary>Secrets of passwords; certificates are no concern of Vault's KV engine.</summary>
    public IReadOnlyList<string> Secrets =>
    [
        .. _host.Server.All(KubeTypes.Secrets.Resource)
            .Select(secret => (string)secret["metadata"]!["name"]!)
            .Where(name => name is not ("shop-ca" or Records) && !name.EndsWith("-tls", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal),
    ];

    public async Task<string?> InVaultAsync(string name, string key = "password") => (string?)(await Setup.ReadAsync($"{Folder}/{name}"))?[key];

    /// <summary>Calls of Vault by the operator.</summary>
    public int Calls => Server.Calls.Count(call => call.Token != Server.RootToken);

    /// <summary>Every password is the same in Vault, in its Secret and in the database.</summary>
    public async Task AssertOnePasswordAsync()
    {
        if (_host.Find(KubeTypes.Secrets.Resource, Records) is not null)
            DeleteSecret(Records);
        foreach (var name in Secrets)
        {
            var inVault = await Setup.ReadAsync($"{Folder}/{name}");
            foreach (var (key, value) in inVault!)
                Assert.Equal((string?)value, Secret(name, key));
        }

        foreach (var role in Servers!.Rotating)
            Assert.All([0, 1, 2], member => Assert.Equal([Held(role)], Servers.Of(member, role.Id)));
    }

    private Login Held(RotatingRole role) => new(Secret(role.SecretName, role.UsernameKey) ?? role.Username, Secret(role.SecretName, role.Key)!);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _viewing.ContinueWith(_ => { }, TaskScheduler.Default);
        _signatures.Dispose();
        _logins.Dispose();
        _vault.Dispose();
        _client.Dispose();
        Setup.Dispose();
        await _host.DisposeAsync();
        await Server.DisposeAsync();
        _stop.Dispose();
        _changed.Dispose();
        File.Delete(_file);
    }

    // The tables take the place of PostgreSQL.
    private StackPlan WithServers(StackPlan plan, StackObservation observed)
    {
        if (plan.Engines is not [{ } engine])
            return plan;
        if (Servers is null && !engine.Cluster.Rotating.All(role => Secret(role.SecretName, role.Key) is not null))
            return plan;
        Servers ??= new(Held, engine.Cluster, engine.Cluster.Rotating) { Kept = role => RotationRecord.Read(Secret(Records, role.Id)) is { } record ? new[] { record.Old, record.Next }.OfType<Login>() : [] };
        foreach (var member in (int[])[0, 1, 2])
            Servers.TakeUp(member);
        var health = new EngineHealth(EngineVerdict.Healthy, [.. Enumerable.Range(0, 3).Select(number => new MemberHealth($"shop-postgres-{number}", MemberRole.Replica, true))], "shop-postgres-0", "15.1", "", []);
        _health.Set(_key, new Dictionary<string, EngineHealth> { [engine.Engine.Name] = health });
        BoundEngine scripted = new(engine.Engine, Servers, new(Health: health, Workload: new(new("shop-postgres"))));
        return plan with { Engines = [scripted], Rotations = RotationPlan.Of([scripted], observed) };
    }

    // What the next pass finds there: the annotation of whoever asks, and how far passwords were.
    private async Task RememberAsync()
    {
        Patch("metadata", new() { ["annotations"] = new JsonObject { [Labels.RotateCredentials] = Asked } }, null);
        if (Status?.Rotations is null)
            return;
        var written = Patch("status", JsonSerializer.SerializeToNode(new ComplianceStackStatus(Rotations: Status.Rotations), ApiJson.Wire.ComplianceStackStatus)!.AsObject(), "status");
        while (_view.Find(_key)?.Metadata.ResourceVersion != written)
            await _changed.WaitAsync(TestContext.Current.CancellationToken);

        string? Patch(string key, JsonObject value, string? subresource) =>
            (string?)_host.Server.Patch(StackResource.Type.Resource, OperatorHost.Namespace, "shop", JsonNode.Parse(new JsonObject { [key] = value }.ToJsonString())!.AsObject(), subresource)["metadata"]!["resourceVersion"];
    }

    private async Task<bool> SettledAsync()
    {
        await _vault.SettledAsync(_key);
        return true;
    }
}
