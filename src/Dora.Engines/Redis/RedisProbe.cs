namespace Dora.Engines.Redis;

/// <summary>Asks every server and every Sentinel how they are.</summary>
internal static class RedisProbe
{
    /// <summary>A replica further behind than this does not count as following (bytes).</summary>
    public const long LagLimit = 16 << 20;

    public static async Task<EngineHealth> RunAsync(RedisPlan plan, EngineTarget target, CancellationToken cancellationToken)
    {
        var admin = RedisAdmin.Of(plan, target);
        var answers = await MemberPoll.AskAsync(target.Members, (member, token) => AskAsync(admin, member, token), TimeProvider.System, cancellationToken).ConfigureAwait(false);
        return Judge(plan, answers);
    }

    /// <summary>From answers to a verdict; pure.</summary>
    public static EngineHealth Judge(RedisPlan plan, IReadOnlyList<RedisAnswer> answers)
    {
        var primary = Primary(plan, answers);
        var offset = answers.FirstOrDefault(answer => answer.Member.Name == primary).Info?.Offset;
        var members = answers.Select(answer => Judge(answer, primary, offset)).ToList();
        var version = answers.Select(answer => answer.Info?.Version).FirstOrDefault(value => value is not null);
        if (primary is null)
        {
            var verdict = answers.Any(answer => answer.Info is not null) ? EngineVerdict.Degraded : EngineVerdict.Unreachable;
            var refused = answers.FirstOrDefault(answer => answer.Problem is not null).Problem;
            return new(verdict, members, null, version, refused ?? "no member is master yet", []);
        }

        var sentinels = answers.Select(answer => answer.Sentinel).ToList();
        List<string> needs = plan.Mode == RedisMode.Sentinel && NextStale(plan, sentinels) is not null ? [RedisCommands.RefreshSentinels] : [];
        needs.AddRange(answers.Where(answer => Astray(answer, primary)).Select(answer => $"{RedisCommands.FollowMaster} {answer.Member.Name}"));
        var problem = Problem(plan, answers, members);
        return new(problem is null ? EngineVerdict.Healthy : EngineVerdict.Degraded, members, primary, version, problem ?? "", needs);
    }

    /// <summary>
    /// The master: with Sentinels, the one that those of the newest epoch name, if it agrees and a majority of them answers; a server
    /// that merely believes to be master after an outage does not count. An epoch is won by a majority's votes, and the others
    /// take it over within 2 s (Redis documentation, "Sentinel: configuration epochs"); clients need not wait for that.
    /// </summary>
    private static string? Primary(RedisPlan plan, IReadOnlyList<RedisAnswer> answers)
    {
        if (plan.Mode == RedisMode.Standalone)
            return answers.FirstOrDefault(answer => answer.Info is { Role: MemberRole.Primary, Loading: false }).Member?.Name;
        var naming = answers.Where(answer => answer.Sentinel?.Master is not null).Select(answer => answer.Sentinel!).ToList();
        if (naming.Count < plan.Quorum)
            return null;
        var newest = naming.Max(sentinel => sentinel.Epoch);
        var named = naming
            .Where(sentinel => sentinel.Epoch == newest)
            .GroupBy(sentinel => Pod(sentinel.Master), StringComparer.Ordinal)
            .OrderByDescending(group => group.Count())
            .First().Key;
        var master = answers.FirstOrDefault(answer => answer.Member.Name == named);
        return master.Info is { Role: MemberRole.Primary, Loading: false } ? named : null;
    }

    /// <summary>The pod of a host name that members announce.</summary>
    public static string? Pod(string? host) => host?.Split('.')[0];

    private static string? Problem(RedisPlan plan, IReadOnlyList<RedisAnswer> answers, List<MemberHealth> members)
    {
        if (members.FirstOrDefault(member => !member.Serving) is { } behind)
            return $"{behind.Pod}: {behind.Detail}";
        if (members.Count < plan.Instances)
            return $"{members.Count} of {plan.Instances} members exist";
        if (plan.Mode == RedisMode.Standalone)
            return null;
        if (answers.FirstOrDefault(answer => answer.Sentinel is null) is { Member: { } mute })
            return $"{mute.Name}: the Sentinel does not answer";
        // The other replicas are still sent to the new master; a second fault now would take the Sentinels a minute.
        if (answers.FirstOrDefault(answer => answer.Sentinel!.FailingOver) is { Member: { } leader })
            return $"{leader.Name}: the Sentinel is still failing over";
        if (answers.Count(answer => answer.Sentinel!.Replicas >= plan.Instances - 1) < plan.Quorum)
            return "the Sentinels do not know the replicas yet: no failover is possible";
        return answers.FirstOrDefault(answer => answer.Sentinel is { Quorum: false }) is { Member: { } alone }
            ? $"{alone.Name}: the Sentinel sees no quorum"
            : null;
    }

    /// <summary>
    /// Whether a replica follows somebody else than the master. Sentinels learn of replicas from the master every 10 s: one that
    /// they did not know yet when they failed over is left behind, and nobody else takes it along.
    /// </summary>
    private static bool Astray(RedisAnswer answer, string primary) =>
        answer.Member.Name != primary && answer.Info is { Role: MemberRole.Replica, MasterHost: { } host } && Pod(host) != primary;

    /// <summary>
    /// The position of the first Sentinel that knows more members than there are, or another quorum; null when there is none, or while any of them
    /// does not answer or does not know all others: two that have forgotten the rest at the same time could not elect.
    /// </summary>
    public static int? NextStale(RedisPlan plan, IReadOnlyList<SentinelAnswer?> sentinels)
    {
        var others = plan.Instances - 1;
        if (sentinels.Any(sentinel => sentinel is null || sentinel.OtherSentinels < others || sentinel.Replicas < others))
            return null;
        var stale = sentinels.ToList().FindIndex(sentinel => sentinel!.ConfiguredQuorum != plan.Quorum || CountsTheGone(plan, sentinel));
        return stale < 0 ? null : stale;
    }

    /// <summary>Whether a Sentinel counts members that are gone, which only a reset makes it forget.</summary>
    public static bool CountsTheGone(RedisPlan plan, SentinelAnswer sentinel) =>
        sentinel.OtherSentinels > plan.Instances - 1 || sentinel.Replicas > plan.Instances - 1;

    private static MemberHealth Judge(RedisAnswer answer, string? primary, long? offset)
    {
        var name = answer.Member.Name;
        if (answer.Info is not { } info)
            return new(name, MemberRole.Unknown, false, Detail: answer.Problem);
        if (name == primary)
            return new(name, MemberRole.Primary, info.Unwritten is null, 0, Connections: info.Clients, Detail: info.Unwritten) { Volume = new(info.DataBytes) };
        long? lag = offset is { } written ? Math.Max(0, written - info.Offset) : null;
        var detail = info.Loading ? "is loading its data"
            : info.Role != MemberRole.Replica ? "does not follow the master yet"
            : primary is not null && Astray(answer, primary) ? $"follows {info.MasterHost} instead of the master"
            : !info.LinkUp ? "has no link to the master"
            : lag > LagLimit ? $"is more than {LagLimit >> 20} MiB behind"
            : info.Unwritten;
        return new(name, MemberRole.Replica, detail is null, lag, Connections: info.Clients, Detail: detail) { Volume = new(info.DataBytes) };
    }

    private static async Task<RedisAnswer> AskAsync(RedisAdmin admin, MemberPod member, CancellationToken cancellationToken)
    {
        if (member.Address is null)
            return new(member, null, null, "has no address yet");
        var (info, problem) = await admin.TryAsync(member, RedisPlan.Port, ServerAsync, cancellationToken).ConfigureAwait(false);
        if (admin.Plan.Mode == RedisMode.Standalone)
            return new(member, info, null, problem);
        var (sentinel, _) = await admin.TryAsync(member, RedisPlan.SentinelPort, SentinelAsync, cancellationToken).ConfigureAwait(false);
        return new(member, info, sentinel, problem);
    }

    private static async Task<RedisInfo> ServerAsync(RespClient client, CancellationToken cancellationToken)
    {
        var reply = await client.SendAsync(cancellationToken, "INFO").ConfigureAwait(false);
        return RedisInfo.Parse(reply.Text ?? "");
    }

    public static async Task<SentinelAnswer> SentinelAsync(RespClient client, CancellationToken cancellationToken)
    {
        var reply = await client.SendAsync(cancellationToken, "SENTINEL", "MASTER", RedisPlan.MasterName).ConfigureAwait(false);
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; reply.Items is { } items && i + 1 < items.Count; i += 2)
            fields[items[i].Text ?? ""] = items[i + 1].Text ?? "";
        var quorum = await HasQuorumAsync(client, cancellationToken).ConfigureAwait(false);
        // While it reconfigures the other replicas, a Sentinel still lists the old master but already names the promoted one.
        var named = await client.SendAsync(cancellationToken, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", RedisPlan.MasterName).ConfigureAwait(false);
        return new(
            named.Items is [var host, ..] ? host.Text : null, quorum, Number(fields, "quorum"), Number(fields, "num-other-sentinels"), Number(fields, "num-slaves"), Number(fields, "config-epoch"),
            fields.GetValueOrDefault("flags")?.Contains("failover_in_progress", StringComparison.Ordinal) == true);
    }

    private static async Task<bool> HasQuorumAsync(RespClient client, CancellationToken cancellationToken)
    {
        try
        {
            await client.SendAsync(cancellationToken, "SENTINEL", "CKQUORUM", RedisPlan.MasterName).ConfigureAwait(false);
            return true;
        }
        catch (RespException exception) when (exception.Code is "NOQUORUM" or "NOAUTH" or "NOGOODSLAVE")
        {
            return false;
        }
    }

    private static int Number(Dictionary<string, string> fields, string key) =>
        int.TryParse(fields.GetValueOrDefault(key), System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var number) ? number : 0;
}

/// <summary>One member and what its server and Sentinel said.</summary>
internal readonly record struct RedisAnswer(MemberPod Member, RedisInfo? Info, SentinelAnswer? Sentinel, string? Problem);

/// <summary>What a Sentinel said.</summary>
/// <param name="Master">Name of the master.</param>
/// <param name="Quorum">Whether it sees enough others for a failover.</param>
/// <param name="ConfiguredQuorum">Its quorum setting.</param>
/// <param name="OtherSentinels">Others it knows, gone ones included.</param>
/// <param name="Replicas">Replicas it knows, gone ones included.</param>
/// <param name="Epoch">Epoch of the configuration it holds; a higher one was decided later.</param>
/// <param name="FailingOver">Whether it leads a failover that has not ended.</param>
internal sealed record SentinelAnswer(string? Master, bool Quorum, int ConfiguredQuorum, int OtherSentinels, int Replicas, int Epoch = 0, bool FailingOver = false);
