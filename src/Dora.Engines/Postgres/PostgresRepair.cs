namespace Dora.Engines.Postgres;

/// <summary>
/// Replicas that cannot follow by themselves. Patroni starts what crashed, and rewinds what diverged; but it never throws data away
/// unasked, so a replica whose data is damaged, whose rewind failed, or whose next WAL the primary no longer has, stays behind for
/// ever. Such a one is told to copy the primary anew: never the primary, one at a time, after a while, and not for ever. Pure.
/// </summary>
internal static class PostgresRepair
{
    public const string Reinitialize = "ReinitializeReplica";

    public const int MostAttempts = 3;

    /// <summary>For so long it may yet recover by itself: Patroni tries again every few seconds.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    /// <summary>What was tried longer ago than this on a member that serves has nothing to do with its next trouble.</summary>
    public static readonly TimeSpan Memory = TimeSpan.FromHours(1);

    /// <summary>A probe's findings, completed by what is known of replicas that cannot follow, and by what shall be said to one of them.</summary>
    public static EngineHealth Complete(EngineHealth health, IReadOnlyList<PostgresAnswer> answers, SqlFindings? sql, bool paused, EngineTarget target, DateTimeOffset now)
    {
        // Whether a replica can follow shows only beside a primary that serves; what is known is kept meanwhile.
        var leader = answers.FirstOrDefault(answer => answer.Member?.Name == health.Primary && answer.State is { Role: MemberRole.Primary, Running: true });
        if (leader.State is null || sql is not { Problem: null })
            return health with { Members = [.. health.Members.Select(member => member with { Repair = Before(member.Pod, target, now) })] };
        var stuck = answers.ToDictionary(answer => answer.Member!.Name, answer => answer.Member!.Name == health.Primary ? null : Problem(answer, leader.State, sql), StringComparer.Ordinal);
        var copying = answers.Where(answer => answer.State?.State == "creating replica").Select(answer => answer.Member!.Name).ToHashSet(StringComparer.Ordinal);
        var members = health.Members.Select(member => member with
        {
            Repair = Next(member, stuck[member.Pod] is not null, copying.Contains(member.Pod), target, now),
            Serving = member.Serving && stuck[member.Pod] is null,
            Detail = stuck[member.Pod] ?? member.Detail,
        }).ToList();
        if (members.FirstOrDefault(member => member.Repair?.Since is not null) is not { } first)
            return health with { Members = members };

        var spent = members.FirstOrDefault(member => member.Repair is { Since: not null, Attempts: >= MostAttempts });
        var message = spent is not null
            ? $"{spent.Pod}: {spent.Detail}, and copying the primary anew has not helped {MostAttempts} times; see its log, or delete its volume and pod"
            : $"{first.Pod}: {first.Detail}";
        // Until a copy is complete, another replica may be the only one that could take over.
        var due = paused || copying.Count > 0 || members.Any(member => !member.Serving && now - member.Repair?.Last < Patience)
            ? null
            : members.FirstOrDefault(member => stuck[member.Pod] is not null && member.Repair is { Since: { } since, Attempts: < MostAttempts } && now - since >= Patience);
        return health with
        {
            Members = members,
            Verdict = EngineVerdict.Degraded,
            Message = spent is not null || health.Message.Length == 0 || health.Message.StartsWith($"{first.Pod}: ", StringComparison.Ordinal) ? message : health.Message,
            Needs = due is null ? health.Needs : [.. health.Needs, $"{Reinitialize}/{due.Pod}"],
        };
    }

    /// <summary>Why a replica cannot follow by itself, or null. A connection that fails is no reason: a copy would need it too.</summary>
    private static string? Problem(PostgresAnswer answer, PatroniMember leader, SqlFindings sql)
    {
        if (answer is not { Member: { Ending: false }, State: { } state } || (state.Role == MemberRole.Primary && state.Running))
            return null;
        if (state.State is "start failed" or "crashed" or "stopped")
            return state.State == "stopped" ? "is stopped" : "cannot start";
        if (!state.Running || leader.Followers?.Contains(answer.Member.Name) == true)
            return null;
        if (state.Received < sql.OldestWal)
            return "needs WAL that the primary no longer has";
        return state.Timeline < leader.Timeline ? "follows an old timeline" : null;
    }

    // One that is just starting once more, or does not answer, is no better for that.
    private static MemberRepair? Next(MemberHealth member, bool stuck, bool copying, EngineTarget target, DateTimeOffset now)
    {
        var before = Before(member.Pod, target, now) ?? new(null);
        if (stuck)
            return before with { Since = before.Since ?? now };
        if (member.Serving || copying)
            before = before with { Since = null };
        return before is { Since: null, Attempts: 0 } || (member.Serving && now - before.Last >= Memory) ? null : before;
    }

    // Telling it counts, whether it was taken or refused.
    private static MemberRepair? Before(string pod, EngineTarget target, DateTimeOffset now)
    {
        var before = target.Before?.Members.FirstOrDefault(member => member.Pod == pod)?.Repair;
        return target.Said?.Any(command => command.Name == Reinitialize && command.Subject == pod) == true ? new(null, (before?.Attempts ?? 0) + 1, now) : before;
    }
}
