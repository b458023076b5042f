using System.Globalization;

namespace Dora.Engines.Redis;

/// <summary>Asks every member of a cluster how it is and whom it knows.</summary>
internal static class ClusterProbe
{
    public static async Task<EngineHealth> RunAsync(RedisPlan plan, EngineTarget target, CancellationToken cancellationToken) =>
        Judge(plan, await ViewAsync(plan, target, cancellationToken).ConfigureAwait(false));

    /// <summary>All members' answers.</summary>
    public static async Task<ClusterView> ViewAsync(RedisPlan plan, EngineTarget target, CancellationToken cancellationToken)
    {
        var admin = RedisAdmin.Of(plan, target);
        return new(plan, await MemberPoll.AskAsync(target.Members, (member, token) => AskAsync(admin, member, token), TimeProvider.System, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>From answers to a verdict; pure. Of several masters, the one of slot 0 stands for all: it is the last to restart.</summary>
    public static EngineHealth Judge(RedisPlan plan, ClusterView view)
    {
        var members = view.Members.Select(member => Judge(view, member)).ToList();
        var version = view.Answering.Select(member => member.Answer!.Info.Version).FirstOrDefault(value => value is not null);
        var serves = view.Covered && view.Owners.All(owner => owner!.Answer!.StateOk);
        var steps = ClusterSteps.Next(plan, view);
        var problem = Problem(plan, view, members, steps);
        var verdict = view.Answering.Count == 0 ? EngineVerdict.Unreachable : problem is null ? EngineVerdict.Healthy : EngineVerdict.Degraded;
        return new(verdict, members, serves ? view.Owners[0]!.Pod.Name : null, version, problem ?? "", [.. steps.Select(step => step.Need)]);
    }

    private static string? Problem(RedisPlan plan, ClusterView view, List<MemberHealth> members, IReadOnlyList<ClusterStep> steps)
    {
        if (view.Stranger is { } stranger)
            return $"{stranger.Pod.Name} holds data or members of another cluster: restore that one, or delete its volume and pod; nothing is changed until then";
        var staying = view.Members.Where(view.Stays).Select(member => member.Pod.Name).ToHashSet(StringComparer.Ordinal);
        if (members.FirstOrDefault(member => staying.Contains(member.Pod) && !member.Serving) is { } behind)
            return $"{behind.Pod}: {behind.Detail}";
        if (staying.Count < plan.Instances)
            return string.Create(CultureInfo.InvariantCulture, $"{staying.Count} of {plan.Instances} members exist");
        if (steps is [var step, ..])
            return step.Reason;
        if (!view.Covered)
            return string.Create(CultureInfo.InvariantCulture, $"slot {view.Owners.ToList().FindIndex(owner => owner is null)} and others are served by nobody");
        return view.Shards.FirstOrDefault(master => view.Followers(master).Count(view.Stays) < plan.ReplicasPerMaster) is { } alone
            ? $"{alone.Pod.Name} lacks replicas"
            : null;
    }

    private static MemberHealth Judge(ClusterView view, ClusterMember member)
    {
        if (member.Answer is not { Info: var info } answer)
            return new(member.Pod.Name, MemberRole.Unknown, false, Detail: member.Problem);
        if (!view.Joined(member))
            return new(member.Pod.Name, MemberRole.Unknown, false, Connections: info.Clients, Detail: view.Stays(member) ? "knows no other member yet" : "has left the cluster");
        var detail = !answer.StateOk ? "sees a cluster that is down" : info.Unwritten;
        var volume = new VolumeUse(info.DataBytes);
        if (answer.Self.Master)
            return new(member.Pod.Name, MemberRole.Primary, detail is null, 0, Connections: info.Clients, Detail: detail) { Volume = volume };
        var master = view.Find(answer.Self.MasterId);
        long? lag = master is null ? null : Math.Max(0, master.Answer!.Info.Offset - info.Offset);
        detail ??= !info.LinkUp ? "has no link to its master" : lag > RedisProbe.LagLimit ? $"is more than {RedisProbe.LagLimit >> 20} MiB behind" : null;
        return new(member.Pod.Name, MemberRole.Replica, detail is null, lag, Connections: info.Clients, Detail: detail) { Volume = volume };
    }

    private static async Task<ClusterMember> AskAsync(RedisAdmin admin, MemberPod member, CancellationToken cancellationToken)
    {
        if (member.Address is null)
            return new(member, null, "has no address yet");
        var (answer, problem) = await admin.TryAsync(member, RedisPlan.Port, AnswerAsync, cancellationToken).ConfigureAwait(false);
        return new(member, answer, problem);
    }

    private static async Task<ClusterAnswer> AnswerAsync(RespClient client, CancellationToken cancellationToken)
    {
        var info = await client.SendAsync(cancellationToken, "INFO").ConfigureAwait(false);
        var state = await client.SendAsync(cancellationToken, "CLUSTER", "INFO").ConfigureAwait(false);
        var nodes = ClusterNode.Parse((await client.SendAsync(cancellationToken, "CLUSTER", "NODES").ConfigureAwait(false)).Text ?? "");
        var keys = await client.SendAsync(cancellationToken, "DBSIZE").ConfigureAwait(false);
        return new(
            nodes.Single(node => node.Myself),
            [.. nodes.Where(node => !node.Myself)],
            (state.Text ?? "").Split("\r\n").Contains("cluster_state:ok"),
            long.TryParse(keys.Text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? count : throw new InvalidDataException("DBSIZE is no number"),
            RedisInfo.Parse(info.Text ?? ""));
    }
}
