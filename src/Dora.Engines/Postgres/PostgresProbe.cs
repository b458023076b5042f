using System.Text.Json.Nodes;

namespace Dora.Engines.Postgres;

/// <summary>Asks Patroni and PostgreSQL how they are.</summary>
internal static class PostgresProbe
{
    /// <summary>A replica further behind than this does not count as following (bytes).</summary>
    public const long LagLimit = 64 << 20;

    // One pool of connections for all clusters; members move, so addresses are not kept for long.
    private static readonly HttpClient Http = new(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(2), ConnectTimeout = MemberPoll.Patience, UseProxy = false }) { Timeout = TimeSpan.FromSeconds(30) };

    public static PatroniClient Client(PostgresPlan plan, EngineTarget target) =>
        new(Http, PostgresPlan.RestUser, target.Credential(plan.Names.InternalSecret, "restapi-password"));

    public static async Task<EngineHealth> RunAsync(PostgresPlan plan, EngineTarget target, CancellationToken cancellationToken)
    {
        var patroni = Client(plan, target);
        var answers = await MemberPoll.AskAsync(target.Members, (member, token) => AskAsync(patroni, member, token), TimeProvider.System, cancellationToken).ConfigureAwait(false);

        var leader = answers.FirstOrDefault(answer => answer.State is { Role: MemberRole.Primary, Running: true });
        var sql = leader.Member is null ? null : await PostgresQueries.AskAsync(plan, target, leader.Member.Address!, cancellationToken).ConfigureAwait(false);
        var configuration = leader.Member is null ? null : await patroni.ConfigurationAsync(leader.Member.Address!, cancellationToken).ConfigureAwait(false);
        return Judge(plan, answers, sql, configuration, role => role.Secret is null ? null : target.Credential(role.Secret, "password"));
    }

    /// <summary>From answers to a verdict; pure.</summary>
    public static EngineHealth Judge(PostgresPlan plan, IReadOnlyList<PostgresAnswer> answers, SqlFindings? sql, JsonObject? configuration, Func<RolePlan, string?>? password = null)
    {
        var leader = answers.FirstOrDefault(answer => answer.State is { Role: MemberRole.Primary, Running: true });
        var members = answers.Select(answer => Judge(answer, leader.State, sql)).ToList();
        if (leader.Member is null)
        {
            var verdict = answers.Any(answer => answer.State is not null) ? EngineVerdict.Degraded : EngineVerdict.Unreachable;
            return new(verdict, members, null, Version(answers), "no member is primary yet", []);
        }

        var needs = new List<string>();
        if (sql is { AppDatabase: false })
            needs.Add(PostgresCommands.AppDatabase);
        var refused = sql?.Parameters is { } facts ? ParameterFacts.Problem(plan.Parameters, facts, plan.Version) : null;
        var held = configuration is null || PatroniConfig.Holds(plan, configuration);
        if (!held && refused is null)
            needs.Add(PostgresCommands.Configuration);

        var problem = Problem(plan, members, leader.State!, sql) ?? refused;
        if (sql?.Declared is { } declared)
        {
            var missing = PostgresNeeds.Of(plan, declared, password ?? (_ => null));
            needs.AddRange(missing);
            problem ??= missing.Count > 0 ? $"not as declared yet: {string.Join(", ", missing.Take(3))}{(missing.Count > 3 ? ", …" : "")}" : PostgresNeeds.Problem(plan, declared);
        }

        if (held && Lowered(plan, sql))
        {
            if (problem is null && leader.State!.PendingRestart)
                needs.Add(PostgresCommands.RestartPrimary);
            // Until the primary has the smaller value a replica keeps the greater one, however often it restarts.
            members = [.. members.Select(member => member with { PendingRestart = false })];
        }

        return new(problem is null ? EngineVerdict.Healthy : EngineVerdict.Degraded, members, leader.Member.Name, Version(answers), problem ?? "", needs);
    }

    // Patroni's own values where the spec has none (Patroni documentation, "Dynamic Configuration Settings").
    private static bool Lowered(PostgresPlan plan, SqlFindings? sql) => sql?.Parameters?.Any(fact =>
        PostgresParameters.PrimaryFirst.TryGetValue(fact.Name, out var standard)
        && long.TryParse(fact.Setting, out var live)
        && live > (plan.Parameters.TryGetValue(fact.Name, out var text) && long.TryParse(text, out var wanted) ? wanted : standard)) == true;

    private static string? Problem(PostgresPlan plan, List<MemberHealth> members, PatroniMember leader, SqlFindings? sql)
    {
        if (sql is null or { Problem: not null })
            return sql?.Problem ?? "the primary does not answer SQL";
        if (!sql.AppDatabase)
            return $"database '{PostgresPlan.AppDatabase}' is not there yet";
        if (members.FirstOrDefault(member => !member.Serving) is { } behind)
            return $"{behind.Pod}: {behind.Detail}";
        if (members.Count < plan.Instances)
            return $"{members.Count} of {plan.Instances} members exist";
        return plan.Synchronous && plan.Instances > 1 && leader.SynchronousStandbys == 0 ? "no synchronous standby is connected" : null;
    }

    private static MemberHealth Judge(PostgresAnswer answer, PatroniMember? leader, SqlFindings? sql)
    {
        if (answer.State is not { } state)
            return new(answer.Member!.Name, MemberRole.Unknown, false, Detail: answer.Problem);
        if (state.Role == MemberRole.Primary)
            return new(answer.Member!.Name, state.Role, state.Running, 0, state.Timeline, sql?.Connections, state.Running ? null : $"is {state.State}", PendingRestart: state.PendingRestart);
        long? lag = leader?.Position is { } written && state.Position is { } replayed ? Math.Max(0, written - replayed) : null;
        var detail = !state.Running ? $"is {state.State}"
            : leader is not null && state.Timeline is { } timeline && leader.Timeline is { } current && timeline != current ? "follows an old timeline"
            : lag > LagLimit ? $"is more than {LagLimit >> 20} MiB behind"
            : null;
        return new(answer.Member!.Name, state.Role, detail is null, lag, state.Timeline, Detail: detail, Synchronous: state.Synchronous, PendingRestart: state.PendingRestart);
    }

    private static string? Version(IReadOnlyList<PostgresAnswer> answers) => answers.Select(answer => answer.State?.Version).FirstOrDefault(version => version is not null);

    /// <summary>Whether every value wanted is there; values are compared as text because Patroni keeps what it was given.</summary>
    public static bool Holds(JsonObject wanted, JsonObject actual) => wanted.All(pair => (pair.Value, actual[pair.Key]) switch
    {
        (JsonObject inner, JsonObject other) => Holds(inner, other),
        (JsonObject, _) => false,
        (var value, var other) => value?.ToString() == other?.ToString(),
    });

    private static async Task<PostgresAnswer> AskAsync(PatroniClient patroni, MemberPod member, CancellationToken cancellationToken)
    {
        if (member.Address is null)
            return new(member, null, "has no address yet");
        try
        {
            var (state, problem) = await patroni.StateAsync(member.Address, cancellationToken).ConfigureAwait(false);
            return new(member, state, problem);
        }
        catch (OperationCanceledException)
        {
            return new(member, null, "Patroni did not answer in time");
        }
    }
}

/// <summary>One member and what it said.</summary>
internal readonly record struct PostgresAnswer(MemberPod? Member, PatroniMember? State, string? Problem);
