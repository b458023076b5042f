using System.Globalization;
using Dora.Api;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Dora.Operator.Cli;
using Dora.Operator.Credentials;
using Dora.Operator.Credentials.Database;
using Dora.Operator.Stacks;
using Dora.Testing;
using Dora.Testing.Vault;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dora.Operator.Tests.Credentials.Database;

/// <summary>
/// A stack of whose engine a user <c>clerk</c> logs in by Vault: the operator's own client and plan with a scripted Vault under the policy of docs/,
/// pass by pass, its Secrets kept in memory.
/// </summary>
internal sealed class LoginWorld : IAsyncDisposable
{
    private readonly string _file = Path.GetTempFileName();
    private readonly KubeClient _client = new(new(new Uri("http://127.0.0.1:9")), new(), TimeProvider.System, NullLogger<KubeClient>.Instance);
    private VaultAccess _access = VaultAccess.None;
    private VaultClients? _clients;
    private DatabaseLoginSource? _logins;
    private int _version;

    private LoginWorld(VaultServer server, ManualClock clock, ComplianceStack stack, string engine) =>
        (Server, Clock, Stack, Setup, Secret) = (server, clock, stack, new(server.Address, server.RootToken), SecretOf(engine));

    /// <summary>Name of the login's Secret.</summary>
    public string Secret { get; }

    public VaultServer Server { get; }

    public ManualClock Clock { get; }

    public VaultSetup Setup { get; }

    public ComplianceStack Stack { get; set; }

    /// <summary>The login's Secret; null: missing.</summary>
    public SecretReading.Found? Login { get; set; }

    /// <summary>Whether writes reach the API server.</summary>
    public bool WritesArrive { get; set; } = true;

    public (string Status, string Reason, string Message) Condition { get; private set; }

    public StackPlan Plan { get; private set; } = null!;

    /// <summary>Questions about logins so far.</summary>
    public int Questions => Server.Calls.Count(call => call.Token != Server.RootToken && (call.Path.StartsWith("database/", StringComparison.Ordinal) || call.Path.StartsWith("sys/leases", StringComparison.Ordinal)));

    public static string SecretOf(string engine) => $"shop-{engine}-vault-clerk";

    public static ComplianceStack Read(string vault, string more = "", string credentials = "{source: Vault, vault: {address: 'https://vault:8200'}}", string engine = "postgres")
    {
        var clerk = $"{{name: clerk, vault: {vault}{more}}}";
        var settings = engine switch
        {
            "postgres" => $"{{roles: [{clerk}]}}",
            "influxdb" => $"{{version: '1.6', users: [{clerk}]}}",
            _ => $"{{users: [{clerk}]}}",
        };
        return StackFile.Read($"{{apiVersion: {StackResource.ApiVersion}, kind: {StackResource.Kind}, metadata: {{name: shop, namespace: compliance, uid: u, generation: 1}}, spec: {{tier: Development, credentials: {credentials}, engines: {{{engine}: {settings}}}}}}}")[0];
    }

    /// <param name="vault">The field <c>vault</c> of the user.</param>
    /// <param name="engine">Whose user.</param>
    /// <param name="more">More fields of the user.</param>
    public static async Task<LoginWorld> StartAsync(string vault, string engine = "postgres", string more = "")
    {
        var clock = new ManualClock();
        var server = await VaultServer.StartAsync(clock);
        var address = server.Address.ToString().TrimEnd('/');
        var world = new LoginWorld(server, clock, Read(vault, more, $"{{source: Vault, vault: {{address: '{address}', authMount: approle}}}}", engine), engine);
        await world.Setup.PostAsync("sys/mounts/database", """{"type":"database"}""");
        await world.Setup.PolicyAsync(await File.ReadAllTextAsync(Path.Combine(GoldenFile.RepositoryRoot, "docs/vault-policy.hcl")));
        var (id, secret) = await world.Setup.AppRoleAsync();
        await File.WriteAllTextAsync(world._file, secret);
        world._access = new([address], VaultAccess.AppRole, world._file, id);
        world.Restart();
        return world;
    }

    public Task DynamicAsync(int ttl = 3600, int longest = 14400) => Setup.PostAsync("database/roles/compliance.clerk", $$"""{"default_ttl":{{ttl}},"max_ttl":{{longest}}}""");

    public Task StaticAsync(string username = "clerk") => Setup.PostAsync("database/static-roles/compliance.clerk", $$"""{"username":"{{username}}","rotation_period":86400}""");

    /// <summary>Another process of the operator: nothing is known any more.</summary>
    public void Restart()
    {
        _logins?.Dispose();
        _clients?.Dispose();
        _clients = new(_client, _access, Clock);
        _logins = new(_clients, _ => { }, Clock, NullLogger<DatabaseLoginSource>.Instance);
    }

    public string? Field(string key) => Login?.Fields.GetValueOrDefault(key);

    /// <summary>Whether the lease of the login in the Secret is alive in Vault.</summary>
    public bool Alive => Field(LoginRules.Lease) is { } lease && Server.Leases.Contains(lease);

    /// <summary>A pass as the controller makes it, after the answers to what the one before asked; the steps that were done.</summary>
    public async Task<IReadOnlyList<PlanStep.WriteLogin>> PassAsync()
    {
        var observed = Observe();
        Plan = StackPlanner.Plan(observed);
        if (Plan.Questions.Count > 0)
        {
            await Clock.DrivingAsync(AskedAsync(observed));
            observed = Observe();
            Plan = StackPlanner.Plan(observed);
        }

        var steps = Plan.Steps.OfType<PlanStep.WriteLogin>().ToList();
        foreach (var step in steps.Where(_ => WritesArrive))
            Write(step);
        observed = Observe();
        var current = new Condition(ConditionTypes.CredentialsCurrent, Conditions.True, "Current", "");
        var condition = LoginRules.Condition(current, Plan, observed)!;
        Condition = (condition.Status, condition.Reason, condition.Message ?? "");
        return steps;
    }

    /// <summary>Passes, some seconds after each other, for so long.</summary>
    public async Task PassForAsync(TimeSpan time, int seconds = 10)
    {
        for (var end = Clock.Elapsed + time; Clock.Elapsed < end; Clock.Advance(TimeSpan.FromSeconds(seconds)))
            await PassAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _logins?.Dispose();
        _clients?.Dispose();
        _client.Dispose();
        Setup.Dispose();
        await Server.DisposeAsync();
        File.Delete(_file);
    }

    private StackObservation Observe()
    {
        var secrets = new Dictionary<string, SecretReading> { [Secret] = Login is null ? new SecretReading.Missing() : Login };
        return StackObservation.Nowhere(Stack, new()) with { Now = Clock.GetUtcNow(), Credentials = secrets, Logins = _logins!.Of(Stack, secrets) };
    }

    private async Task<bool> AskedAsync(StackObservation observed)
    {
        await _logins!.AskAsync(observed, Plan.Questions, TestContext.Current.CancellationToken);
        await _logins.SettledAsync(ObjectKey.Of(Stack));
        return true;
    }

    private void Write(PlanStep.WriteLogin step)
    {
        Assert.Equal(Login?.Meta.ResourceVersion, step.ResourceVersion);
        var fields = new Dictionary<string, string>(Login?.Fields ?? new Dictionary<string, string>());
        foreach (var (key, value) in step.Content.Fields)
        {
            if (value is null)
                fields.Remove(key);
            else
                fields[key] = value;
        }

        var labels = new Dictionary<string, string> { [Labels.Stack] = "shop", [Labels.ManagedBy] = Labels.ManagedByValue };
        Login = new(fields, Owned: true) { Meta = new(Secret, "compliance", Labels: labels, ResourceVersion: (++_version).ToString(CultureInfo.InvariantCulture)) };
    }
}
