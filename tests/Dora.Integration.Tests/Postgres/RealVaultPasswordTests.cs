using System.Text;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Postgres;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Dora.Operator.Cli;
using Dora.Operator.Credentials;
using Dora.Operator.Stacks;
using Dora.Testing;
using Dora.Testing.ApiServer;
using Dora.Testing.Vault;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Xunit;

namespace Dora.Integration.Tests.Postgres;

/// <summary>A password changed in Vault, on a real PostgreSQL: first the server takes it, then the Secret has it.</summary>
public sealed class RealVaultPasswordTests(PostgresServer server) : IClassFixture<PostgresServer>, IAsyncLifetime
{
    private const string Clerk = "payments-postgres-role-clerk";
    private const string Folder = "dora/compliance/payments/postgres";

    private readonly ManualClock _clock = new();
    private readonly string _file = Path.GetTempFileName();
    private VaultServer _vaultServer = null!;
    private VaultSetup _setup = null!;
    private InMemoryApiServer _api = null!;
    private KubeClient _client = null!;
    private VaultCredentials _vault = null!;
    private CredentialStore _store = null!;
    private ComplianceStack _stack = null!;
    private EngineHealth? _health;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _vaultServer = await VaultServer.StartAsync(_clock);
        _setup = new(_vaultServer.Address, _vaultServer.RootToken);
        await _setup.EnginesAsync();
        await _setup.PolicyAsync(await File.ReadAllTextAsync(Path.Combine(GoldenFile.RepositoryRoot, "docs/vault-policy.hcl")));
        var (role, secret) = await _setup.AppRoleAsync();
        await File.WriteAllTextAsync(_file, secret);
        // The server is there already, with its superuser's password.
        await _setup.WriteAsync($"{Folder}/payments-postgres-internal", new() { ["superuser-password"] = PostgresServer.SuperuserPassword, ["replication-password"] = "r", ["rewind-password"] = "w", ["restapi-password"] = "a" });
        _api = await InMemoryApiServer.StartAsync(new(NamespacesExistByThemselves: true));
        _client = new(new(_api.Address), new(), TimeProvider.System, NullLogger<KubeClient>.Instance);
        var address = _vaultServer.Address.ToString().TrimEnd('/');
        _vault = new(_client, new([address], VaultAccess.AppRole, _file, role), _ => { }, _clock, NullLogger<VaultCredentials>.Instance);
        _store = new(_client, _vault, _clock);
        _stack = StackFile.Read($"{{apiVersion: {StackResource.ApiVersion}, kind: {StackResource.Kind}, metadata: {{name: payments, namespace: compliance, uid: u}}, spec: {{tier: Development, credentials: {{source: Vault, vault: {{address: '{address}', authMount: approle}}}}, engines: {{postgres: {{roles: [{{name: clerk}}]}}}}}}}}")[0];
    }

    public async ValueTask DisposeAsync()
    {
        _vault.Dispose();
        _client.Dispose();
        _setup.Dispose();
        await _api.DisposeAsync();
        await _vaultServer.DisposeAsync();
        File.Delete(_file);
    }

    [Fact]
    public async Task A_password_changed_in_Vault_opens_the_database_before_the_Secret_has_it_and_the_old_one_no_more()
    {
        await PassAsync();
        await PassAsync();
        await PassAsync();
        var old = Secret()!;
        Assert.Equal(old, (string?)(await _setup.ReadAsync($"{Folder}/{Clerk}"))!["password"]);
        Assert.True(await OpensAsync(old));

        await _setup.WriteAsync($"{Folder}/{Clerk}", new() { ["password"] = "chosen by a person: 'quoted' \" and long" });
        _clock.Advance(TimeSpan.FromSeconds(31));
        await PassAsync();
        await PassAsync();
        Assert.Equal(old, Secret());
        Assert.True(await OpensAsync("chosen by a person: 'quoted' \" and long"));
        Assert.False(await OpensAsync(old));

        await PassAsync();
        Assert.Equal("chosen by a person: 'quoted' \" and long", Secret());
        await PassAsync();
        Assert.DoesNotContain("chosen by a person", server.Log, StringComparison.Ordinal);
    }

    // One pass: Secrets and Vault as they are, what follows for Secrets, and what the server is told.
    private async Task PassAsync()
    {
        var context = StackPlanner.Context(_stack, new(), new());
        var engine = EngineCatalogue.Find("postgres")!;
        List<VaultPlace> places = [.. engine.Bind(context, _stack.Spec.Engines["postgres"]).Credentials().Select(request => new VaultPlace("postgres", request))];
        var observed = StackObservation.Nowhere(_stack, new()) with
        {
            Vault = await _vault.ReadAsync(_stack, places, Token),
            Credentials = await _store.ReadAsync(_stack, [.. places.Select(place => place.Request.SecretName)], isNew: false, Token),
            Health = _health is null ? new Dictionary<string, EngineHealth>() : new Dictionary<string, EngineHealth> { ["postgres"] = _health },
        };
        var plan = StackPlanner.Plan(observed);
        Assert.Empty(plan.Violations);
        var executor = new PlanExecutor(_client, _store, new(_client, _store, _clock), new(_clock), NullLogger<PlanExecutor>.Instance);
        var report = await executor.ExecuteAsync(observed, plan with { Steps = [.. plan.Steps.Where(step => step is PlanStep.CreateCredential or PlanStep.UpdateCredential)] }, Token);
        Assert.Empty(report.Failures);
        await _vault.SettledAsync(ObjectKey.Of(_stack));
        if (places.TrueForAll(place => observed.Credentials[place.Request.SecretName] is SecretReading.Found))
            await TellAsync(EngineTargets.Of(plan.Engines[0], observed));
    }

    private async Task TellAsync(EngineTarget target)
    {
        var plan = PostgresPlan.Of(PostgresServer.Names, new(Roles: [new("clerk")]));
        await server.EnsureAppDatabaseAsync(plan, target);
        foreach (var need in PostgresNeeds.Of(plan, await StateAsync(plan, target), role => PostgresNeeds.Password(role, target)))
        {
            var (name, subject) = PostgresNeeds.Split(need);
            await server.DeclareAsync(plan, name, subject, target);
        }

        _health = new(EngineVerdict.Healthy, [], "payments-postgres-0", "15", "", []) { Holds = PostgresNeeds.Held(plan, await StateAsync(plan, target), target) };
    }

    private async Task<DeclaredState> StateAsync(PostgresPlan plan, EngineTarget target)
    {
        await using var source = PostgresSql.Source(plan, target, "127.0.0.1", server.Port);
        return await PostgresRoles.StateAsync(plan, source, database => PostgresSql.Source(plan, target, "127.0.0.1", server.Port, database), Token);
    }

    private async Task<bool> OpensAsync(string password)
    {
        try
        {
            var builder = new NpgsqlConnectionStringBuilder { Host = "127.0.0.1", Port = server.Port, Username = "clerk", Password = password, Database = "postgres", Pooling = false, SslMode = SslMode.Disable };
            await using var connection = new NpgsqlConnection(builder.ConnectionString);
            await connection.OpenAsync(Token);
            return true;
        }
        catch (PostgresException exception) when (exception.SqlState == PostgresErrorCodes.InvalidPassword)
        {
            return false;
        }
    }

    private string? Secret() =>
        (string?)_api.Find(KubeTypes.Secrets.Resource, "compliance", Clerk)?["data"]?["password"] is { } value ? Encoding.UTF8.GetString(Convert.FromBase64String(value)) : null;
}
