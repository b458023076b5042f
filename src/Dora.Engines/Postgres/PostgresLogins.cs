using System.Security.Authentication;
using System.Security.Cryptography;
using Npgsql;

namespace Dora.Engines.Postgres;

/// <summary>
/// Two logins that take turns for one role. The second one is a member of the role and works as the role from its first statement
/// on, so that whatever it makes belongs to the role, whichever of the two is in use.
/// </summary>
internal static class PostgresLogins
{
    /// <summary>How long it takes at most until who reads a mounted file has read it again: the kubelet brings it within about two minutes.</summary>
    public static readonly TimeSpan Mounted = TimeSpan.FromMinutes(10);

    /// <summary>Roles of applications, of PgBouncer where it reads anew who it is, and of the servers themselves.</summary>
    public static IReadOnlyList<RotatingRole> Of(PostgresPlan plan) =>
    [
        Role(plan.Names.AppSecret, PostgresPlan.AppUser),
        .. plan.Logins.Where(role => role.Name != PostgresPlan.PoolerUser || plan.Names.Release.ReadsPasswords).Select(role => Role(role.Secret!, role.Name)),
        .. PostgresOwnLogins.Of(plan),
    ];

    public static IReadOnlyList<StaticRole> Static(PostgresPlan plan) => plan.Names.Release.ReadsPasswords ? [] :
    [
        new(plan.Names.InternalSecret, $"members of stack version {plan.Names.Stack.StackVersion} read the passwords of replication and of Patroni when they start; that of the superuser changes"),
        .. plan.Pooler is { } pooler ? [new StaticRole(pooler.Secret, $"the pooler of stack version {plan.Names.Stack.StackVersion} reads its own password when it starts")] : Array.Empty<StaticRole>(),
    ];

    /// <summary>The roles as they shall be while some of them log in by their second name, or no longer by their own.</summary>
    public static PostgresPlan Resolve(PostgresPlan plan, EngineTarget target) => plan with
    {
        Roles = [.. plan.Roles.Select(role => role.Secret is { } secret && target.Secrets.ContainsKey(secret) && target.Logins(secret, role.Name).All(login => login.Username != role.Name)
            ? role with { Login = false, Secret = null }
            : role)],
    };

    /// <summary>
    /// Second users that are not on the server as they should be, e.g. because the volumes are new and the Secrets are not; the
    /// application's user, whose password somebody may have changed there; and the servers' own while their passwords change: before,
    /// Patroni made these. Those of other roles are found by what is declared. Pure.
    /// </summary>
    public static IEnumerable<string> Needs(PostgresPlan plan, DeclaredState state, EngineTarget target) => Of(plan)
        .Where(role => !role.TakenFromSecret && target.Secrets.ContainsKey(role.SecretName))
        .Where(role => target.Logins(role).Any(login =>
            (login.Username == role.Second || role.SecretName == plan.Names.AppSecret || (PostgresOwnLogins.Is(role) && target.Accepted?.GetValueOrDefault(role.Id)?.Count > 1))
            && !state.Roles.Any(found => found.Name == login.Username && found.Login && PostgresSql.IsVerifierOf(login.Username, login.Password, found.Verifier))))
        .Select(role => $"{PostgresNeeds.SetLogins}/{role.Username}");

    /// <summary>Findings with what <see cref="Needs"/> lacks.</summary>
    public static EngineHealth Complete(PostgresPlan plan, EngineHealth health, DeclaredState state, EngineTarget target)
    {
        var needs = Needs(plan, state, target).ToList();
        return needs.Count == 0 ? health : health with
        {
            Verdict = health.Verdict == EngineVerdict.Healthy ? EngineVerdict.Degraded : health.Verdict,
            Message = health.Message.Length > 0 ? health.Message : $"not as in their Secrets yet: {string.Join(", ", needs)}",
            Needs = [.. health.Needs, .. needs],
        };
    }

    /// <summary>The primary takes these logins and no other of the role; what it takes, its replicas take a moment later.</summary>
    public static async Task AcceptAsync(PostgresPlan plan, RotatingRole role, IReadOnlyList<Login> logins, NpgsqlDataSource source, CancellationToken cancellationToken)
    {
        var limit = plan.Logins.FirstOrDefault(wanted => wanted.Name == role.Username)?.ConnectionLimit ?? -1;
        await using var connection = await source.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
        foreach (var username in role.Usernames)
        {
            foreach (var statement in logins.FirstOrDefault(login => login.Username == username) is { } login ? Open(role, login, limit) : Close(role, username))
            {
                await using var command = new NpgsqlCommand(statement, connection, transaction);
                await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
            }
        }

        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Logs in to every member, and through every pooler that speaks TLS: to others the operator has no way.</summary>
    public static async Task<IReadOnlyList<LoginFinding>> LogInAsync(PostgresPlan plan, RotatingRole role, Login login, EngineTarget target, CancellationToken cancellationToken)
    {
        // PgBouncer lets none of these in.
        var direct = PostgresOwnLogins.Is(role) || role.Username == PostgresPlan.PoolerUser;
        var poolers = (target.Doors ?? []).Where(door => door.Encrypted && plan.Pooler is not null && !direct).ToList();
        var findings = await MemberPoll.AskAsync<LoginFinding>([.. target.Members, .. poolers], async (pod, token) =>
        {
            if (pod.Address is null)
                return new(pod.Name, LoginAnswer.Unknown);
            await using var source = poolers.Contains(pod)
                ? PostgresSql.Source(plan, target, pod.Address, PostgresPooler.Port, PostgresPlan.AppDatabase, plan.Names.Domain(plan.Pooler!.Names.Cluster), login)
                : PostgresSql.Source(plan, target, pod, PostgresOwnLogins.Is(role) ? "postgres" : PostgresPlan.AppDatabase, login);
            return new(pod.Name, await LogInAsync(source, token).ConfigureAwait(false));
        }, TimeProvider.System, cancellationToken).ConfigureAwait(false);
        return role.Id == PostgresOwnLogins.Replication(plan).Id && findings.All(finding => finding.Answer == LoginAnswer.Accepted) && !await PostgresOwnLogins.FollowsAsync(plan, login, target, cancellationToken).ConfigureAwait(false)
            ? [.. findings.Select(finding => finding with { Answer = LoginAnswer.Unknown })]
            : findings;
    }

    /// <summary>What a server says to a login. Only "wrong password" is a refusal: a rule or a limit turns away the right one, too.</summary>
    public static async Task<LoginAnswer> LogInAsync(NpgsqlDataSource source, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await source.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
            return LoginAnswer.Accepted;
        }
        catch (PostgresException exception) when (IsRefusal(exception))
        {
            return LoginAnswer.Refused;
        }
        catch (Exception exception) when (exception is NpgsqlException or TimeoutException or IOException or InvalidOperationException or CryptographicException or AuthenticationException or OperationCanceledException)
        {
            return LoginAnswer.Unknown;
        }
    }

    // PgBouncer before 1.19 has one code for everything that it refuses.
    private static bool IsRefusal(PostgresException exception) => exception.SqlState == PostgresErrorCodes.InvalidPassword
        || (exception.SqlState == PostgresErrorCodes.ProtocolViolation && exception.MessageText is "SASL authentication failed" or "no such user");

    private static RotatingRole Role(string secret, string name) => new(secret, name, RotatingRole.SecondOf(name)) { LeastOverlap = name == PostgresPlan.PoolerUser ? Mounted : default };

    private static IEnumerable<string> Open(RotatingRole role, Login login, int limit)
    {
        var name = PostgresRoles.Quote(login.Username);
        var verifier = PostgresSql.ScramVerifier(login.Username, login.Password);
        if (PostgresOwnLogins.Is(role))
        {
            foreach (var statement in PostgresOwnLogins.Open(role, login.Username, verifier))
                yield return statement;
            yield break;
        }

        if (login.Username != role.Username)
        {
            yield return $"DO $$ BEGIN CREATE ROLE {name} NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$";
            yield return $"ALTER ROLE {name} NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS INHERIT";
            yield return $"GRANT {PostgresRoles.Quote(role.Username)} TO {name}";
            yield return $"ALTER ROLE {name} SET role TO {PostgresRoles.Quote(role.Username)}";
        }

        yield return $"ALTER ROLE {name} LOGIN CONNECTION LIMIT {limit} PASSWORD '{verifier}'";
    }

    // Without a password it cannot even be guessed; a role that does not exist cannot log in either.
    private static IEnumerable<string> Close(RotatingRole role, string username) =>
        [$"DO $$ BEGIN {(PostgresOwnLogins.Is(role) ? PostgresOwnLogins.Close(username) : $"ALTER ROLE {PostgresRoles.Quote(username)} NOLOGIN PASSWORD NULL")}; EXCEPTION WHEN undefined_object THEN NULL; END $$"];
}
