using System.Security.Authentication;
using Dora.Engines;
using Dora.Engines.Postgres;
using Dora.Testing.Http;
using Npgsql;
using Xunit;

namespace Dora.Integration.Tests.Postgres;

/// <summary>Who may speak to a real cluster, and how.</summary>
public sealed class RealTlsTests(EncryptedPods cluster) : IClassFixture<EncryptedPods>, IAsyncLifetime
{
    private readonly PatroniPods pods = cluster.Pods;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string> Ports { get; } = new("postgresql", "patroni");

    public async ValueTask InitializeAsync() => await pods.HealthyAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Theory]
    [InlineData("app", PatroniPods.AppPassword, "app")]
    [InlineData(PostgresPlan.Superuser, PatroniPods.SuperuserPassword, "postgres")]
    public async Task Nobody_logs_in_without_TLS(string user, string password, string database)
    {
        await using var plain = new NpgsqlSlimDataSourceBuilder($"Host={pods.Address(0)};Username={user};Password={password};Database={database};Pooling=false;SSL Mode=Disable;Timeout=5").Build();
        var refusal = await Assert.ThrowsAsync<PostgresException>(async () => await plain.OpenConnectionAsync(Token));
        Assert.Equal(PostgresErrorCodes.InvalidAuthorizationSpecification, refusal.SqlState);
    }

    [Theory, MemberData(nameof(Ports))]
    public async Task An_older_version_of_TLS_is_refused(string port)
    {
        var endpoint = Endpoint(port);
        await cluster.ServedAsync(0, endpoint, SslProtocols.Tls13);
        await Assert.ThrowsAnyAsync<Exception>(() => cluster.ServedAsync(0, endpoint, SslProtocols.Tls12));
    }

    [Fact]
    public async Task A_server_of_another_authority_is_not_believed()
    {
        using var stranger = new TestCertificates();
        var target = With(pods.Plan, stranger.AuthorityPem);
        var health = await PostgresProbe.RunAsync(pods.Plan, target, Token);
        Assert.Equal(EngineVerdict.Unreachable, health.Verdict);
        Assert.All(health.Members, member => Assert.Equal("its certificate is not the one expected, or it speaks no TLS", member.Detail));
        Assert.Equal("the primary's certificate is not the one expected", (await PostgresQueries.AskAsync(pods.Plan, target, target.Members[0], Token)).Problem);
    }

    [Fact]
    public async Task A_server_of_another_name_is_not_believed()
    {
        var other = pods.Plan with { Names = pods.Plan.Names with { Stack = pods.Plan.Names.Stack with { Namespace = "elsewhere" } } };
        var target = With(other, pods.Trust);
        Assert.Equal(EngineVerdict.Unreachable, (await PostgresProbe.RunAsync(other, target, Token)).Verdict);
        Assert.Equal("the primary's certificate is not the one expected", (await PostgresQueries.AskAsync(other, target, target.Members[0], Token)).Problem);
    }

    [Fact]
    public async Task A_replica_follows_by_TLS_and_checks_whom()
    {
        var (primary, replica) = cluster.Roles();
        // Another test may have cut it off a moment ago.
        Assert.Equal("TLSv1.3", await ChildProcess.UntilAsync(
            () => cluster.ScalarAsync(primary, "SELECT s.version FROM pg_stat_replication r JOIN pg_stat_ssl s USING (pid) WHERE s.ssl"), version => version is not null, TimeSpan.FromSeconds(30), Token));
        var follows = (string)(await cluster.ScalarAsync(replica, "SHOW primary_conninfo"))!;
        Assert.Contains("sslmode=verify-full", follows, StringComparison.Ordinal);
        Assert.Contains($"host={pods.Plan.Names.MemberHost(primary)}", follows, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_replica_does_not_follow_a_server_that_another_authority_vouches_for()
    {
        using var stranger = new TestCertificates("stranger");
        var (primary, replica) = cluster.Roles();
        var trust = pods.Trust;
        try
        {
            await pods.RenewAsync(primary, stranger);
            await ReloadAsync(primary);
            // The operator stops believing it as well; only who trusts the stranger sees its certificate.
            await ChildProcess.UntilAsync(() => ServesAsync(primary, stranger), served => served, TimeSpan.FromSeconds(30), Token);
            pods.Trust = stranger.AuthorityPem;
            await cluster.ScalarAsync(primary, "SELECT pg_terminate_backend(pid) FROM pg_stat_replication");
            await ChildProcess.UntilAsync(() => Task.FromResult(pods.Log(replica)), log => log.Contains("certificate verify failed", StringComparison.Ordinal), TimeSpan.FromSeconds(30), Token);
            Assert.Equal(0L, await cluster.ScalarAsync(primary, "SELECT count(*) FROM pg_stat_replication"));
        }
        finally
        {
            pods.Trust = trust;
            await pods.RenewAsync(primary, cluster.Authority);
            pods.Trust = stranger.AuthorityPem;
            await ReloadAsync(primary);
            pods.Trust = trust;
            await pods.HealthyAsync();
        }
    }

    [Fact]
    public async Task The_primary_moves_when_it_is_asked_over_TLS()
    {
        var (primary, replica) = cluster.Roles();
        await PostgresCommands.ExecuteAsync(pods.Plan, new(PostgresCommands.Switchover, pods.Plan.Names.Pod(replica), ""), pods.Target, Token);
        var health = await pods.UntilAsync(health => health.Verdict == EngineVerdict.Healthy && health.Primary == pods.Plan.Names.Pod(replica));
        Assert.Equal(MemberRole.Replica, health.Members[primary].Role);
    }

    [Fact]
    public async Task A_renewed_certificate_is_served_without_a_restart_and_connections_stay()
    {
        foreach (var ordinal in Enumerable.Range(0, PatroniPods.Members))
        {
            await using var source = pods.Source(ordinal);
            await using var connection = await source.OpenConnectionAsync(Token);
            var before = await Task.WhenAll(pods.Endpoints.Select(endpoint => cluster.ServedAsync(ordinal, endpoint)));
            await pods.RenewAsync(ordinal, cluster.Authority);
            await ReloadAsync(ordinal);
            var after = await ChildProcess.UntilAsync(() => RenewedAsync(ordinal), serials => serials.Distinct().Count() == 1 && !before.Contains(serials[0]), TimeSpan.FromSeconds(30), Token);
            Assert.Single(before.Distinct());
            Assert.NotEqual(before[0], after[0]);
            await using var command = new NpgsqlCommand("SELECT 1", connection);
            Assert.Equal(1, await command.ExecuteScalarAsync(Token));
        }
    }

    // Patroni closes its port for a moment.
    private async Task<string[]> RenewedAsync(int ordinal)
    {
        try
        {
            return await Task.WhenAll(pods.Endpoints.Select(endpoint => cluster.ServedAsync(ordinal, endpoint)));
        }
        catch (Exception exception) when (exception is System.Net.Sockets.SocketException or IOException)
        {
            return ["", "none"];
        }
    }

    private async Task<bool> ServesAsync(int ordinal, TestCertificates authority)
    {
        try
        {
            foreach (var endpoint in pods.Endpoints)
                await EncryptedPods.ServedAsync(pods.Address(ordinal), endpoint.Port, endpoint, pods.Plan.Names.MemberHost(ordinal), authority.AuthorityPem);
            return true;
        }
        catch (Exception exception) when (exception is System.Net.Sockets.SocketException or IOException or AuthenticationException)
        {
            return false;
        }
    }

    private Task ReloadAsync(int ordinal) => PostgresCommands.ExecuteAsync(pods.Plan, new(EngineCommand.ReloadCertificate, pods.Plan.Names.Pod(ordinal), ""), pods.Target, Token);

    private TlsEndpoint Endpoint(string name) => pods.Endpoints.Single(endpoint => endpoint.Name == name);

    private EngineTarget With(PostgresPlan plan, string trust) => pods.Target with
    {
        Secrets = new Dictionary<string, IReadOnlyDictionary<string, string>>(pods.Target.Secrets)
        {
            [plan.Names.CertificateSecret] = new Dictionary<string, string> { [CertificateRequest.Trust] = trust },
        },
    };
}
