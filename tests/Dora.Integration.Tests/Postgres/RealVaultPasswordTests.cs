using System.Text;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Postgres;
using Dora.Integration.Tests.Rotation;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Dora.Operator.Cli;
using Dora.Operator.Credentials;
using Dora.Operator.Credentials.Rotation;
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

    private readonly ManualClock _clock = new(DateTimeOffset.UtcNow);
    private readonly PostgresPlan _plan = PostgresPlan.Of(PostgresServer.Names, new(Roles: [new("clerk")]));
    private readonly string _file = Path.GetTempFileName();
    private VaultServer _vaultServer = null!;
    private VaultSetup _setup = null!;
    private InMemoryApiServer _api = null!;
    private KubeClient _client = null!;
    private VaultCredentials _vault = null!;
    private CredentialStore _store = null!;
    private ComplianceStack _stack = null!;

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
        const string chosen = "chosen by a person: 'quoted' \" and long";
        await PassAsync();
        await PassAsync();
        await PassAsync();
        var old = Held();
        Assert.Equal(old.Password, (string?)(await _setup.ReadAsync($"{Folder}/{Clerk}"))!["password"]);
        Assert.True(await OpensAsync(old));

        await _setup.WriteAsync($"{Folder}/{Clerk}", new() { ["password"] = chosen });
        _clock.Advance(TimeSpan.FromSeconds(31));
        for (var pass = 0; pass < 12 && Held() == old; pass++)
            await PassAsync();
        Assert.Equal(new("clerk.b", chosen), Held());
        // Who has not read the Secret again is let in for the overlap.
        Assert.True(await OpensAsync(old));
        await PassAsync();
        _clock.Advance(TimeSpan.FromHours(1));
        for (var pass = 0; pass < 4; pass++)
            await PassAsync();
        Assert.False(await OpensAsync(old));
        Assert.Equal("clerk.b", (string?)(await _setup.ReadAsync($"{Folder}/{Clerk}"))!["username"]);
        Assert.DoesNotContain("chosen by a person", server.Log, StringComparison.Ordinal);
    }

    // One pass: Secrets and Vault as they are, what follows for Secrets, and what the server is told. What stands in the Secret opens.
    private async Task PassAsync()
    {
        var context = StackPlanner.Context(_stack, new(), new());
        var engine = EngineCatalogue.Find("postgres")!;
        List<VaultPlace> places = [.. engine.Bind(context, _stack.Spec.Engines["postgres"]).Credentials().Select(request => new VaultPlace("postgres", request))];
        var observed = StackObservation.Nowhere(_stack, new()) with
        {
            Vault = await _vault.ReadAsync(_stack, places, Token),
            Credentials = await _store.ReadAsync(_stack, [.. places.Select(place => place.Request.SecretName), RotationRecord.SecretName("payments", "postgres")], isNew: false, Token),
            Now = _clock.GetUtcNow(),
        };
        var plan = StackPlanner.Plan(observed);
        Assert.Empty(plan.Violations);
        var executor = new PlanExecutor(_client, _store, new(_client, _store, _clock), new(_clock), NullLogger<PlanExecutor>.Instance, _clock);
        var report = await executor.ExecuteAsync(observed, plan with { Steps = [.. plan.Steps.Where(step => step is PlanStep.CreateCredential)] }, Token);
        Assert.Empty(report.Failures);
        await _vault.SettledAsync(ObjectKey.Of(_stack));
        if (!places.TrueForAll(place => observed.Credentials[place.Request.SecretName] is SecretReading.Found))
            return;
        await TellAsync(EngineTargets.Of(plan.Engines[0], observed));
        BoundEngine real = new(engine, Servers(plan.Engines[0].Cluster), new(Health: new(EngineVerdict.Healthy, [new("payments-postgres-0", MemberRole.Primary, true)], null, null, "", []), Workload: new(new("payments"))));
        report = await executor.RotateAsync(report, observed, plan with { Engines = [real], Rotations = RotationPlan.Of([real], observed) }, Token);
        Assert.Empty(report.RotationFailures);
        Assert.True(await OpensAsync(Held()));
    }

    private RealLogins Servers(IEngineCluster inner)
    {
        var role = PostgresLogins.Of(_plan).Single(role => role.Username == "clerk");
        return new(
            role,
            async logins =>
            {
                await using var superuser = PostgresSql.Source(_plan, PostgresServer.Target(""), "127.0.0.1", server.Port);
                await PostgresLogins.AcceptAsync(_plan, role, logins, superuser, Token);
            },
            async login => [new("payments-postgres-0", await OpensAsync(login) ? LoginAnswer.Accepted : LoginAnswer.Refused)])
        { Inner = inner };
    }

    private async Task TellAsync(EngineTarget target)
    {
        var plan = PostgresLogins.Resolve(_plan, target);
        await server.EnsureAppDatabaseAsync(plan, target);
        foreach (var need in PostgresNeeds.Of(plan, await StateAsync(plan, target), role => PostgresNeeds.Password(role, target)))
        {
            var (name, subject) = PostgresNeeds.Split(need);
            await server.DeclareAsync(plan, name, subject, target);
        }
    }

    private async Task<DeclaredState> StateAsync(PostgresPlan plan, EngineTarget target)
    {
        await using var source = PostgresSql.Source(plan, target, "127.0.0.1", server.Port);
        return await PostgresRoles.StateAsync(plan, source, database => PostgresSql.Source(plan, target, "127.0.0.1", server.Port, database), Token);
    }

    private async Task<bool> OpensAsync(Login login)
    {
        try
        {
            var builder = new NpgsqlConnectionStringBuilder { Host = "127.0.0.1", Port = server.Port, Username = login.Username, Password = login.Password, Database = "postgres", Pooling = false, SslMode = SslMode.Disable };
            await using var connection = new NpgsqlConnection(builder.ConnectionString);
            await connection.OpenAsync(Token);
            return true;
        }
        catch (PostgresException exception) when (exception.SqlState == PostgresErrorCodes.InvalidPassword)
        {
            return false;
        }
    }

    private Login Held()
    {
        var data = _api.Find(KubeTypes.Secrets.Resource, "compliance", Clerk)!["data"]!;
        return new(Text("username"), Text("password"));

        string Text(string key) => Encoding.UTF8.GetString(Convert.FromBase64String((string)data[key]!));
    }
}
