using Dora.Engines;
using Dora.Engines.Postgres;
using Dora.Testing.Http;
using Npgsql;
using Xunit;

namespace Dora.Integration.Tests.Postgres;

/// <summary>A cluster on its way from a stack version without encryption: one member after the other, while a client writes.</summary>
public sealed class RealTlsUpgradeTests : IAsyncLifetime
{
    private readonly PatroniPods pods = new();
    private readonly TestCertificates authority = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => pods.InitializeAsync();

    public async ValueTask DisposeAsync()
    {
        await pods.DisposeAsync();
        authority.Dispose();
    }

    [Fact]
    public async Task Members_follow_each_other_with_and_without_TLS_until_all_have_it_and_nothing_written_is_lost()
    {
        var (old, first) = Roles();
        await ScalarAsync(old, "CREATE TABLE written (id bigint PRIMARY KEY)");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var acknowledged = WriteAsync(stop.Token);

        pods.Encrypt(new(), authority);
        await pods.StopAsync(first);
        await pods.MountAsync(first, mixed: true);
        pods.Start(first);
        var health = await pods.UntilAsync(health => health.Verdict == EngineVerdict.Healthy && Follows(old, first));
        Assert.True(health.PrimaryStays);
        Assert.Equal(0L, await ScalarAsync(old, "SELECT count(*) FROM pg_stat_ssl WHERE ssl"));

        // As its pod would go; and its container may start once more without TLS before that.
        await pods.StopAsync(old);
        await pods.UntilAsync(health => health.Primary == pods.Plan.Names.Pod(first));
        pods.Start(old);
        health = await pods.UntilAsync(health => health.Verdict == EngineVerdict.Healthy && Follows(first, old));
        Assert.False(health.PrimaryStays);
        Assert.Equal(1L, await ScalarAsync(first, "SELECT count(*) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE ssl"));

        await pods.StopAsync(old);
        await pods.MountAsync(old, mixed: true);
        pods.Start(old);
        health = await pods.UntilAsync(health => Follows(first, old) && health.Needs.Count == PatroniPods.Members);
        Assert.Equal(EngineVerdict.Degraded, health.Verdict);
        Assert.EndsWith("does not check the member that it follows yet", health.Message, StringComparison.Ordinal);

        // The kubelet brings the files that the operator has written meanwhile.
        await pods.MountAsync(first, mixed: false);
        await pods.MountAsync(old, mixed: false);
        await pods.UntilAsync(health => health.Verdict == EngineVerdict.Healthy && Follows(first, old));
        await ChildProcess.UntilAsync(async () => (string)(await ScalarAsync(old, "SHOW primary_conninfo"))!, text => text.Contains("sslmode=verify-full", StringComparison.Ordinal), TimeSpan.FromSeconds(60), Token);
        Assert.Equal(1L, await ScalarAsync(first, "SELECT count(*) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE ssl"));

        await stop.CancelAsync();
        var wanted = await acknowledged;
        Assert.NotEmpty(wanted);
        Assert.Equal((long)wanted.Count, await ScalarAsync(first, $"SELECT count(*) FROM written WHERE id = ANY(ARRAY[{string.Join(',', wanted)}])"));
    }

    private bool Follows(int primary, int replica) =>
        pods.Health!.Primary == pods.Plan.Names.Pod(primary) && pods.Health.Members.Single(member => member.Pod == pods.Plan.Names.Pod(replica)) is { Role: MemberRole.Replica, Serving: true };

    // A client that takes TLS where it is offered, as most drivers do unless told otherwise; returns what was acknowledged.
    private async Task<List<long>> WriteAsync(CancellationToken cancellationToken)
    {
        var acknowledged = new List<long>();
        for (var id = 1L; !cancellationToken.IsCancellationRequested; id++)
        {
            foreach (var ordinal in Enumerable.Range(0, PatroniPods.Members))
            {
                try
                {
                    await using var source = new NpgsqlSlimDataSourceBuilder($"Host={pods.Address(ordinal)};Username={PostgresPlan.Superuser};Password={PatroniPods.SuperuserPassword};Database=postgres;Pooling=false;SSL Mode=Prefer;Timeout=2;Command Timeout=2").EnableTransportSecurity().Build();
                    await using var command = source.CreateCommand($"INSERT INTO written VALUES ({id}) ON CONFLICT DO NOTHING");
                    await command.ExecuteNonQueryAsync(cancellationToken);
                    acknowledged.Add(id);
                    break;
                }
                catch (Exception exception) when (exception is NpgsqlException or OperationCanceledException)
                {
                    // A member that is away, or follows: the next one.
                }
            }

            await Task.Delay(20, Token);
        }

        return acknowledged;
    }

    private (int Primary, int Replica) Roles()
    {
        var primary = pods.Health!.Members.ToList().FindIndex(member => member.Pod == pods.Health.Primary);
        return (primary, 1 - primary);
    }

    private async Task<object?> ScalarAsync(int ordinal, string statement)
    {
        await using var source = pods.Source(ordinal);
        await using var command = source.CreateCommand(statement);
        return await command.ExecuteScalarAsync(Token);
    }
}
