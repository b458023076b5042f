using System.Security.Cryptography;
using Npgsql;

namespace Dora.Engines.Postgres;

/// <summary>
/// Users of the servers themselves and of the operator, of whom two take turns as well. Patroni comes to its own server as the user
/// postgres by the local socket, without a password: that one can never be barred, only left without a password for others to guess.
/// </summary>
internal static class PostgresOwnLogins
{
    public const string SuperuserKey = "superuser-password";
    public const string ReplicationKey = "replication-password";
    public const string RewindKey = "rewind-password";
    public const string RestKey = "restapi-password";

    /// <summary>Key of the internal Secret, and file beside <c>patroni.yml</c>: who Patroni is, to its server, to other members and to who asks it.</summary>
    public const string File = "passwords.yml";

    // What only the operator uses; it keeps what it read for five minutes.
    private static readonly TimeSpan Kept = TimeSpan.FromMinutes(10);

    /// <summary>Functions by which pg_rewind reads files (PostgreSQL documentation, "pg_rewind").</summary>
    private static readonly string[] _rewind = ["pg_ls_dir(text, boolean, boolean)", "pg_stat_file(text, boolean)", "pg_read_binary_file(text)", "pg_read_binary_file(text, bigint, bigint, boolean)"];

    /// <summary>As whom the operator comes. It is the last one: it is the way to tell of the others.</summary>
    public static RotatingRole Superuser(PostgresPlan plan) => Role(plan, PostgresPlan.Superuser, SuperuserKey) with { LeastOverlap = Kept };

    /// <summary>As whom replicas come to their primary.</summary>
    public static RotatingRole Replication(PostgresPlan plan) => Role(plan, PostgresPlan.ReplicationUser, ReplicationKey) with { LeastOverlap = PostgresLogins.Mounted };

    /// <summary>As whom a member that was primary reads what became of its timeline.</summary>
    public static RotatingRole Rewind(PostgresPlan plan) => Role(plan, PostgresPlan.RewindUser, RewindKey) with { LeastOverlap = PostgresLogins.Mounted };

    /// <summary>As whom the operator comes to Patroni, which has no second user for it.</summary>
    public static RotatingRole Rest(PostgresPlan plan) => new(plan.Names.InternalSecret, PostgresPlan.RestUser, Key: RestKey) { LeastOverlap = PostgresLogins.Mounted, TakenFromSecret = true };

    /// <summary>All that can change in this version of the stack.</summary>
    public static IReadOnlyList<RotatingRole> Of(PostgresPlan plan) => plan.Names.Release.ReadsPasswords ? [Replication(plan), Rewind(plan), Rest(plan), Superuser(plan)] : [Superuser(plan)];

    /// <summary>Whether a role is one of these.</summary>
    public static bool Is(RotatingRole role) => role.Key != RotatingRole.Password;

    /// <summary>Keys of the internal Secret.</summary>
    public static IReadOnlyList<CredentialField> Fields(PostgresPlan plan) =>
    [
        new(SuperuserKey), new(ReplicationKey), new(RewindKey), new(RestKey),
        .. Of(plan).Where(role => role.Second is not null).Select(role => new CredentialField(role.UsernameKey, role.Username)),
        .. plan.Names.Release.ReadsPasswords ? [new CredentialField(File, Text, Quoting: CredentialQuoting.Json)] : Array.Empty<CredentialField>(),
    ];

    /// <summary>Rules by which servers let replicas in.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="kind"><c>host</c> or <c>hostssl</c>.</param>
    public static string HostRule(PostgresPlan plan, string kind) =>
        $"{kind} replication {(plan.Names.Release.ReadsPasswords ? string.Join(',', Replication(plan).Usernames) : PostgresPlan.ReplicationUser)} all scram-sha-256";

    // Patroni makes its first server with these, and comes to it as the first superuser, whatever the operator's is called.
    private const string Text =
        $$"""
        restapi:
          authentication:
            username: {{PostgresPlan.RestUser}}
            password: "{{{RestKey}}}"
        postgresql:
          authentication:
            superuser:
              username: {{PostgresPlan.Superuser}}
              password: "{{{SuperuserKey}}}"
            replication:
              username: "{replication-username}"
              password: "{{{ReplicationKey}}}"
            rewind:
              username: "{rewind-username}"
              password: "{{{RewindKey}}}"

        """;

    /// <summary>The login that opens a server: the one in the Secret, or else the first that does of those by which the operator may come in.</summary>
    public static async Task<Login> EntryAsync(PostgresPlan plan, EngineTarget target, Func<Login, NpgsqlDataSource> open, CancellationToken cancellationToken)
    {
        var ways = target.Ways(Superuser(plan));
        foreach (var login in ways)
        {
            await using var source = open(login);
            var answer = await PostgresLogins.LogInAsync(source, cancellationToken).ConfigureAwait(false);
            if (answer != LoginAnswer.Refused)
                return answer == LoginAnswer.Accepted ? login : ways[0];
        }

        return ways[0];
    }

    /// <summary>Findings of a server that refuses the login in the Secret, and took another one: whatever else it needs comes after that.</summary>
    public static EngineHealth Enter(EngineHealth health) => health with
    {
        Verdict = health.Verdict == EngineVerdict.Healthy ? EngineVerdict.Degraded : health.Verdict,
        Message = "the operator's user is not as in its Secret yet",
        Needs = [$"{PostgresNeeds.SetLogins}/{PostgresPlan.Superuser}"],
    };

    /// <summary>
    /// Whether all replicas come to their primary with a login. One that stands in their Secret by now they may not have read yet; one
    /// that does not they need not use.
    /// </summary>
    public static async Task<bool> FollowsAsync(PostgresPlan plan, Login login, EngineTarget target, CancellationToken cancellationToken)
    {
        var role = Replication(plan);
        if (login != target.Login(role))
            return true;
        try
        {
            await using var source = PostgresSql.Source(plan, target, PostgresCommands.Leader(target));
            await using var replicas = source.CreateCommand("SELECT count(*) FILTER (WHERE usename = $1 AND state = 'streaming') >= $2 AND count(*) FILTER (WHERE usename = ANY($3)) = 0 FROM pg_stat_replication");
            replicas.Parameters.Add(new NpgsqlParameter<string> { TypedValue = login.Username });
            replicas.Parameters.Add(new NpgsqlParameter<long> { TypedValue = target.Members.Count - 1 });
            replicas.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. role.Usernames.Where(name => name != login.Username)] });
            return (bool)(await replicas.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false))!;
        }
        catch (Exception exception) when (exception is NpgsqlException or InvalidOperationException or TimeoutException or IOException or CryptographicException)
        {
            return false;
        }
    }

    /// <summary>Statements after which a user may log in with a password.</summary>
    public static IEnumerable<string> Open(RotatingRole role, string username, string verifier)
    {
        var name = PostgresRoles.Quote(username);
        yield return $"DO $$ BEGIN CREATE ROLE {name} NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$";
        yield return $"ALTER ROLE {name} {(role.Username == PostgresPlan.Superuser ? "SUPERUSER" : role.Username == PostgresPlan.ReplicationUser ? "NOSUPERUSER REPLICATION" : "NOSUPERUSER")} LOGIN PASSWORD '{verifier}'";
        // What it makes belongs to the first, whichever of the two is in use.
        if (role.Username == PostgresPlan.Superuser && username != role.Username)
            yield return $"ALTER ROLE {name} SET role TO {PostgresRoles.Quote(role.Username)}";
        foreach (var function in role.Username == PostgresPlan.RewindUser ? _rewind : [])
            yield return $"GRANT EXECUTE ON FUNCTION pg_catalog.{function} TO {name}";
    }

    /// <summary>Statements after which no password opens a user's door.</summary>
    public static string Close(string username) => username == PostgresPlan.Superuser
        ? $"ALTER ROLE {PostgresRoles.Quote(username)} PASSWORD NULL"
        : $"ALTER ROLE {PostgresRoles.Quote(username)} NOSUPERUSER NOLOGIN PASSWORD NULL";

    private static RotatingRole Role(PostgresPlan plan, string username, string key) => new(plan.Names.InternalSecret, username, RotatingRole.SecondOf(username), key);
}
