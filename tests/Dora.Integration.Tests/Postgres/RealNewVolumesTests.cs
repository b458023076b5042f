using Dora.Engines;
using Dora.Engines.Postgres;
using Xunit;

namespace Dora.Integration.Tests.Postgres;

/// <summary>Members on new volumes, with Secrets that are older and name second users: Patroni knows only the first superuser.</summary>
public sealed class RealNewVolumesTests : IAsyncLifetime
{
    private readonly PatroniPods pods = new();

    public async ValueTask InitializeAsync()
    {
        pods.Internal = new Dictionary<string, string>(pods.Internal) { ["superuser-username"] = "postgres.b", ["replication-username"] = "standby.b", ["rewind-username"] = "rewind.b" };
        await pods.InitializeAsync();
    }

    public ValueTask DisposeAsync() => pods.DisposeAsync();

    [Fact]
    public async Task The_operator_finds_its_way_in_and_mends_its_users()
    {
        Assert.Empty(pods.Health!.Needs);
        await using var source = pods.Source(pods.Health.Members.ToList().FindIndex(member => member.Pod == pods.Health.Primary));
        await using var command = source.CreateCommand("SELECT session_user || ' ' || current_user || ' ' || (SELECT string_agg(usename, ',') FROM pg_stat_replication) || ' ' || (SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_authid WHERE rolpassword IS NOT NULL AND rolname ~ '^(postgres|standby|rewind)')");
        Assert.Equal("postgres.b postgres standby.b postgres.b,rewind.b,standby.b", await command.ExecuteScalarAsync(TestContext.Current.CancellationToken));

        // As after a restore of what was backed up before: the first user has the password of the Secret, the second one that of another time.
        await PostgresRoles.RunAsync(source, $"ALTER ROLE postgres PASSWORD '{PatroniPods.SuperuserPassword}'; ALTER ROLE \"postgres.b\" PASSWORD 'of-another-time'", TestContext.Current.CancellationToken);
        await pods.PassAsync();
        Assert.Equal([$"{PostgresNeeds.SetLogins}/postgres"], pods.Health.Needs);
        await pods.UntilAsync(health => health is { Verdict: EngineVerdict.Healthy, Needs.Count: 0 });
        Assert.Equal("postgres.b", (string?)await source.CreateCommand("SELECT string_agg(rolname, ',') FROM pg_authid WHERE rolpassword IS NOT NULL AND rolname ~ '^postgres'").ExecuteScalarAsync(TestContext.Current.CancellationToken));
    }
}
