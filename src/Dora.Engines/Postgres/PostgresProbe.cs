using System.Text.Json.Nodes;

namespace Dora.Engines.Postgres;

/// <summary>Asks Patroni and PostgreSQL how they are.</summary>
internal static class PostgresProbe
{
    /// <summary>A replica further behind than this does not count as following (bytes).</summary>
    public const long LagLimit = 64 << 20;

    public static async Task<EngineHealth> RunAsync(PostgresPlan plan, EngineTarget target, CancellationToken cancellationToken)
    {
        var patroni = new PatroniClient(plan, target);
        var answers = await AskAllAsync(patroni, target, cancellationToken).ConfigureAwait(false);
        var leader = answers.FirstOrDefault(answer => answer.State is { Role: MemberRole.Primary, Running: true });
        var sql = leader.Member is null ? null : await PostgresQueries.AskAsync(plan, target, leader.Member, cancellationToken).ConfigureAwait(false);
        var configuration = leader.Member is null ? null : await patroni.ConfigurationAsync(leader.Member, cancellationToken).ConfigureAwait(false);
        var loaded = leader.Member is null ? null : await LoadedAsync(plan, target, answers, cancellationToken).ConfigureAwait(false);
        // Who shows now that it has loaded the parameters may have told before that it waits for no restart.
        if (loaded is not null && target.Before is not { Verdict: EngineVerdict.Healthy })
            answers = await AskAllAsync(patroni, target, cancellationToken).ConfigureAwait(false);
        var health = Judge(plan, answers, sql, configuration, role => PostgresNeeds.Password(role, target), loaded);
        if (Late(health, configuration, loaded, target) is { } late)
            health = health with { Needs = [.. health.Needs, $"{PostgresCommands.Reload}/{late}"] };
        health = health with { Archive = PostgresArchive.Judge(sql?.Archiver, target.Before?.Archive) };
        health = health with { Members = [.. health.Members.Select(member => loaded?.GetValueOrDefault(member.Pod).DataBytes is { } bytes ? member with { Volume = new(bytes) } : member)] };
        if (sql?.Declared is { } declared)
            health = PostgresLogins.Complete(plan, health, declared, target);
        if (sql?.Entry is not null)
            health = PostgresOwnLogins.Enter(health);
        var paused = (bool?)configuration?["pause"] == true;
        return PostgresRepair.Complete(health, answers, sql, paused, target, TimeProvider.System.GetUtcNow());
    }

    /// <summary>From answers to a verdict; pure.</summary>
    public static EngineHealth Judge(PostgresPlan plan, IReadOnlyList<PostgresAnswer> answers, SqlFindings? sql, JsonObject? configuration, Func<RolePlan, string?>? password = null, IReadOnlyDictionary<string, LoadedMarks>? loaded = null)
    {
        var leader = answers.FirstOrDefault(answer => answer.State is { Role: MemberRole.Primary, Running: true });
        var members = answers.Select(answer => Judge(answer, leader.State, sql)).ToList();
        if (leader.Member is null)
        {
            var verdict = answers.Any(answer => answer.State is not null) ? EngineVerdict.Degraded : EngineVerdict.Unreachable;
            return new(verdict, members, null, Version(answers), "no member is primary yet", [], Agent(answers));
        }

        var needs = new List<string>();
        if (sql is { AppDatabase: false })
            needs.Add(PostgresCommands.AppDatabase);
        var refused = sql?.Parameters is { } facts ? ParameterFacts.Problem(plan.Parameters, facts, plan.Version) : null;
        var held = configuration is null || PatroniConfig.Holds(plan, configuration);
        var unknown = QuorumProblem(plan, Agent(answers));
        if (!held && refused is null && unknown is null)
            needs.Add(PostgresCommands.Configuration);

        var problem = unknown ?? Problem(plan, members, leader.State!, sql) ?? refused ?? (held && Unloaded(members, configuration, loaded) is { } unloaded ? Applying(unloaded) : held ? null : "the configuration that the members share is not as asked yet");
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

        foreach (var pod in Unchecked(plan, answers, loaded))
        {
            needs.Add($"{EngineCommand.ReloadCertificate}/{pod}");
            problem ??= $"{pod} does not check the member that it follows yet";
        }

        return new(problem is null ? EngineVerdict.Healthy : EngineVerdict.Degraded, members, leader.Member.Name, Version(answers), problem ?? "", needs, Agent(answers), Stays(plan, leader.Member, answers));
    }

    // Their files changed when the last member had restarted; the kubelet brings them within a minute or two.
    private static IEnumerable<string> Unchecked(PostgresPlan plan, IReadOnlyList<PostgresAnswer> answers, IReadOnlyDictionary<string, LoadedMarks>? loaded) =>
        !plan.Names.Encrypted || answers.Any(answer => answer.Member is not { Encrypted: true })
            ? []
            : answers.Select(answer => answer.Member!.Name).Where(pod => loaded?.GetValueOrDefault(pod).Peers is { } mark && mark != PatroniTls.Checked);

    // A Patroni without certificates believes none that it is shown: it takes encrypted members for unreachable and hands over to nobody.
    private static bool Stays(PostgresPlan plan, MemberPod leader, IReadOnlyList<PostgresAnswer> answers) =>
        plan.Names.Encrypted && !leader.Encrypted && answers.Any(answer => answer.Member is { Encrypted: true });

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
        if (plan.Instances < 2 || plan.Synchronous == PostgresSynchronous.Disabled)
            return null;
        // After a promotion commits may wait for a standby that Patroni has not named in its own store yet: until then it promotes none.
        return leader.SynchronousStandbys == 0 ? "no synchronous standby is connected"
            : !members.Exists(member => member.Synchronous) ? "no member may take over yet: Patroni has not named a synchronous standby"
            : plan.Synchronous == PostgresSynchronous.Quorum && leader.QuorumStandbys == 0 ? "commits do not wait for a quorum yet"
            : null;
    }

    /// <summary>Why commits cannot wait for a quorum; null when they can, or need not.</summary>
    public static string? QuorumProblem(PostgresPlan plan, Version? patroni) =>
        plan.Synchronous != PostgresSynchronous.Quorum || patroni >= PatroniMember.KnowsQuorum ? null
        : patroni is null ? "Patroni does not tell its version, and not every one knows a quorum"
        : $"the members run Patroni {patroni}, which knows no quorum and would take the word for 'off'";

    // Patroni reloads each member on its own turn; a parameter that waits for a restart is known as such only then.
    private static string? Unloaded(IReadOnlyList<MemberHealth> members, JsonObject? configuration, IReadOnlyDictionary<string, LoadedMarks>? loaded) =>
        configuration is not null && loaded is not null ? members.FirstOrDefault(member => member.Serving && loaded.GetValueOrDefault(member.Pod).Parameters != PatroniConfig.Mark(configuration))?.Pod : null;

    private static string Applying(string pod) => $"{pod}: the parameters are being applied";

    /// <summary>
    /// A member that has not loaded the parameters since the probe before this one. A Patroni that hears of them in the moment in which
    /// it starts its server takes them for loaded, and never looks again by itself (seen with 3.0.2).
    /// </summary>
    internal static string? Late(EngineHealth health, JsonObject? configuration, IReadOnlyDictionary<string, LoadedMarks>? loaded, EngineTarget target) =>
        Unloaded(health.Members, configuration, loaded) is { } pod && health.Message == Applying(pod) && target.Before?.Message == health.Message
        && target.Said?.Any(command => command.Name == PostgresCommands.Reload) != true ? pod : null;

    private static Version? Agent(IReadOnlyList<PostgresAnswer> answers) => answers.Min(answer => answer.State?.Patroni);

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

    private static Task<IReadOnlyList<PostgresAnswer>> AskAllAsync(PatroniClient patroni, EngineTarget target, CancellationToken cancellationToken) =>
        MemberPoll.AskAsync(target.Members, (member, token) => AskAsync(patroni, member, token), TimeProvider.System, cancellationToken);

    private static async Task<IReadOnlyDictionary<string, LoadedMarks>> LoadedAsync(PostgresPlan plan, EngineTarget target, IReadOnlyList<PostgresAnswer> answers, CancellationToken cancellationToken)
    {
        List<MemberPod> running = [.. answers.Where(answer => answer.State is { Running: true }).Select(answer => answer.Member!)];
        var marks = await MemberPoll.AskAsync(running, async (member, token) => (member.Name, Marks: await PostgresQueries.MarksAsync(plan, target, member, token).ConfigureAwait(false)), TimeProvider.System, cancellationToken).ConfigureAwait(false);
        return marks.ToDictionary(mark => mark.Name, mark => mark.Marks, StringComparer.Ordinal);
    }

    private static async Task<PostgresAnswer> AskAsync(PatroniClient patroni, MemberPod member, CancellationToken cancellationToken)
    {
        if (member.Address is null)
            return new(member, null, "has no address yet");
        try
        {
            var (state, problem) = await patroni.StateAsync(member, cancellationToken).ConfigureAwait(false);
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
