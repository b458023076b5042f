using Dora.Api;
using Dora.Engines.Postgres;
using Dora.Engines.Rendering;

namespace Dora.Engines.Tests.Postgres;

/// <summary>Users of the servers themselves.</summary>
public sealed class PostgresOwnLoginTests
{
    private const string Internal = "payments-postgres-internal";

    private static readonly RotatingRole _superuser = PostgresOwnLogins.Superuser(Plan());

    [Fact]
    public void Whoever_reads_names_and_passwords_from_files_can_change_while_servers_run()
    {
        var newest = Bind(StackVersions.Newest);
        Assert.Equal(
            ["payments-postgres-pooler", $"{Internal}.replication-password", $"{Internal}.rewind-password", $"{Internal}.restapi-password", $"{Internal}.superuser-password"],
            newest.Rotating.Where(role => role.LeastOverlap > default(TimeSpan)).Select(role => role.Id));
        Assert.Empty(newest.Static);
        Assert.All(newest.Rotating.Where(role => role.Second is not null), role => Assert.Equal($"{role.Username}.b", role.Second));
    }

    [Fact]
    public void In_pods_that_have_them_in_their_environment_only_the_operators_changes()
    {
        var first = Bind(StackVersions.V202611);
        Assert.Equal([$"{Internal}.superuser-password"], first.Rotating.Where(role => role.SecretName == Internal).Select(role => role.Id));
        Assert.DoesNotContain(first.Rotating, role => role.SecretName == "payments-postgres-pooler");
        Assert.Equal([Internal, "payments-postgres-pooler"], first.Static.Select(role => role.SecretName));
        Assert.DoesNotContain(first.Credentials().SelectMany(request => request.Fields), field => field.Key is PostgresOwnLogins.File or PostgresPooler.LookupUser or "replication-username");
    }

    [Fact]
    public void Only_Patronis_container_sees_the_file_of_passwords()
    {
        var settings = new BackupSettings(new("https://s3.example.com", "backups", "store"), new());
        var pod = Engines.Pods(Engines.Bind("postgres", "{}", Engines.Stack() with { Backup = settings }).Render(EngineObservation.None)).First();
        var volume = Assert.Single(pod.Volumes!, volume => volume.Projected?.Sources.Any(source => source.Secret?.Name == Internal) == true || volume.Secret?.SecretName == Internal);
        Assert.Equal(["postgres"], pod.Containers.Where(container => container.VolumeMounts!.Any(mount => mount.Name == volume.Name)).Select(container => container.Name));
    }

    [Fact]
    public void The_user_that_Patroni_comes_as_is_never_barred()
    {
        Assert.Equal("ALTER ROLE \"postgres\" PASSWORD NULL", PostgresOwnLogins.Close("postgres"));
        Assert.All(["postgres.b", "standby", "standby.b", "rewind.b"], name => Assert.Contains("NOLOGIN PASSWORD NULL", PostgresOwnLogins.Close(name), StringComparison.Ordinal));
    }

    [Fact]
    public void Each_may_do_what_it_is_for_and_no_more()
    {
        Assert.Contains("ALTER ROLE \"postgres.b\" SET role TO \"postgres\"", PostgresOwnLogins.Open(_superuser, "postgres.b", "v"));
        Assert.DoesNotContain(PostgresOwnLogins.Open(_superuser, "postgres", "v"), statement => statement.Contains("SET role", StringComparison.Ordinal));
        Assert.Contains("ALTER ROLE \"standby.b\" NOSUPERUSER REPLICATION LOGIN PASSWORD 'v'", PostgresOwnLogins.Open(PostgresOwnLogins.Replication(Plan()), "standby.b", "v"));
        Assert.Contains("ALTER ROLE \"rewind\" NOSUPERUSER LOGIN PASSWORD 'v'", PostgresOwnLogins.Open(PostgresOwnLogins.Rewind(Plan()), "rewind", "v"));
    }

    [Fact]
    public void A_user_that_the_server_lacks_is_made_and_one_that_Patroni_made_is_left_until_it_changes()
    {
        var state = new DeclaredState([Role("postgres", null), Role("standby", "Patroni's"), Role("rewind", "Patroni's")], [], []);
        Assert.Equal([], PostgresLogins.Needs(Plan(), state, Target("postgres", "now")));
        Assert.Equal(["SetLogins/postgres"], PostgresLogins.Needs(Plan(), state, Target("postgres.b", "now")));
        Assert.Equal([], PostgresLogins.Needs(Plan(), state, Target("postgres", "now", new Login("postgres", "now"))));
        Assert.Equal(["SetLogins/postgres"], PostgresLogins.Needs(Plan(), state, Target("postgres", "now", new("postgres", "now"), new("postgres.b", "next"))));
    }

    [Fact]
    public void Who_is_let_in_by_another_login_mends_that_before_all_else()
    {
        var health = PostgresOwnLogins.Enter(new(EngineVerdict.Healthy, [], "p", null, "", ["CreateAppDatabase", "SetRole/clerk"]));
        Assert.Equal((EngineVerdict.Degraded, "SetLogins/postgres"), (health.Verdict, Assert.Single(health.Needs)));
    }

    [Theory]
    [InlineData(StackVersions.V202611, "host replication standby all scram-sha-256")]
    [InlineData(StackVersions.Newest, "host replication standby,standby.b all scram-sha-256")]
    public void Servers_let_both_users_of_replication_in_where_they_take_turns(string version, string rule) =>
        Assert.Equal(rule, PostgresOwnLogins.HostRule(Plan(version), "host"));

    private static RoleState Role(string name, string? verifier) => new(name, true, -1, false, true, [], false, verifier);

    private static EngineTarget Target(string username, string password, params Login[] accepted) => new(
        [],
        new Dictionary<string, IReadOnlyDictionary<string, string>>
        {
            [Internal] = new Dictionary<string, string>
            {
                ["superuser-username"] = username,
                ["superuser-password"] = password,
                ["replication-password"] = "r",
                ["rewind-password"] = "w",
                ["restapi-password"] = "a",
            },
        },
        Accepted: accepted.Length == 0 ? null : new Dictionary<string, IReadOnlyList<Login>> { [_superuser.Id] = accepted });

    private static IEngineCluster Bind(string version) => Engines.Bind("postgres", "{pooler: {}}", version: version);

    private static PostgresPlan Plan(string version = StackVersions.Newest) => PostgresPlan.Of(new EngineNames(Engines.Stack(version: version), "postgres"), new());
}
