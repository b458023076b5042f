using System.Globalization;

namespace Dora.Engines.Redis;

/// <summary>What the operator says to a cluster. Each command asks the members again first: they may have moved on since the probe.</summary>
internal static class ClusterCommands
{
    /// <summary>Decides from what was last observed; pure.</summary>
    public static IReadOnlyList<EngineCommand> Decide(RedisPlan plan, EngineObservation observed)
    {
        if (observed.Health is not { } health)
            return [];
        if (Takeover(plan, observed, health) is { } takeover)
            return [takeover];
        return [.. health.Needs
            .Where(need => !RedisUsers.Is(need) && !RedisLive.Is(need))
            .Select(need => need.Split('/', 2))
            // Slots that were served once and have no owner now are lost data, not a new cluster.
            .Where(need => need.Length == 2 && !(need[0] == ClusterSteps.AssignSlots && observed.Initialized))
            .Select(need => new EngineCommand(need[0], need[1], health.Message))];
    }

    /// <summary>
    /// Pods to ask of the StatefulSet: those above what is wanted go, from the highest down, once they have left the cluster.
    /// </summary>
    public static int Replicas(RedisPlan plan, EngineObservation observed)
    {
        var replicas = observed.Workload?.Spec?.Replicas ?? plan.Instances;
        if (observed.Health is not { Verdict: EngineVerdict.Healthy } health)
            return Math.Max(replicas, plan.Instances);
        while (replicas > plan.Instances && health.Members.Any(member => member.Pod == plan.Names.Pod(replicas - 1) && member.Role == MemberRole.Unknown))
            replicas--;
        return Math.Max(replicas, plan.Instances);
    }

    public static async Task ExecuteAsync(RedisPlan plan, EngineCommand command, EngineTarget target, CancellationToken cancellationToken)
    {
        var view = await ClusterProbe.ViewAsync(plan, target, cancellationToken).ConfigureAwait(false);
        var admin = new ClusterAdmin(plan, target);
        await using var closing = admin.ConfigureAwait(false);
        if (command.Name == ClusterSteps.Failover)
        {
            await FailoverAsync(view, admin, command.Subject, cancellationToken).ConfigureAwait(false);
            return;
        }

        if (ClusterSteps.Next(plan, view).FirstOrDefault(step => step.Name == command.Name && step.Subject == command.Subject) is not { } step)
            return;
        await (step.Name switch
        {
            ClusterSteps.MeetMembers => MeetAsync(view, admin, cancellationToken),
            ClusterSteps.ForgetNode => ForgetAsync(view, admin, step.Subject, cancellationToken),
            ClusterSteps.FinishSlots => ClusterSlots.FinishAsync(view, admin, cancellationToken),
            ClusterSteps.AssignSlots => AssignAsync(plan, view, admin, cancellationToken),
            ClusterSteps.Replicate => admin.SayAsync(view.Pod(step.Subject)!, cancellationToken, "CLUSTER", "REPLICATE", view.Pod(step.To!)!.Id),
            ClusterSteps.MoveSlots => ClusterSlots.MoveAsync(view, ClusterLayout.Of(plan, view).Moves(), admin, cancellationToken),
            ClusterSteps.Free or ClusterSteps.Leave => LeaveAsync(view, admin, step.Subject, cancellationToken),
            _ => throw new ArgumentException($"Redis knows no command {command.Name}", nameof(command)),
        }).ConfigureAwait(false);
    }

    // Several members are masters, and any of them may be the next to restart: its replica takes over first.
    private static EngineCommand? Takeover(RedisPlan plan, EngineObservation observed, EngineHealth health)
    {
        if (plan.ReplicasPerMaster == 0 || observed.Rolling is not { Step: RollingStep.Restart or RollingStep.MovePrimary, Pod: { } pod } rolling)
            return null;
        return health.Members.Any(member => member is { Role: MemberRole.Primary, Serving: true } && member.Pod == pod.Name)
            ? new(ClusterSteps.Failover, pod.Name, $"{pod.Name} takes writes and restarts next: {rolling.Reason}")
            : null;
    }

    private static async Task MeetAsync(ClusterView view, ClusterAdmin admin, CancellationToken cancellationToken)
    {
        foreach (var blank in view.Party.Where(member => member.Answer is { Self.Epoch: 0, Others.Count: 0 }))
        {
            // Different epochs from the start: two masters of one epoch would have to settle first who gives way.
            await admin.TryAsync(blank, cancellationToken, "CLUSTER", "SET-CONFIG-EPOCH", (blank.Pod.Ordinal + 1).ToString(CultureInfo.InvariantCulture)).ConfigureAwait(false);
        }

        foreach (var (one, other) in ClusterSteps.Meetings(view))
            await admin.SayAsync(one, cancellationToken, "CLUSTER", "MEET", other.Pod.Address!, RedisPlan.Port.ToString(CultureInfo.InvariantCulture)).ConfigureAwait(false);
    }

    private static async Task ForgetAsync(ClusterView view, ClusterAdmin admin, string id, CancellationToken cancellationToken)
    {
        // Gossip brings back within a minute whom somebody still knows, so all are told at once.
        foreach (var member in view.Answering.Where(member => member.Answer!.Others.Any(other => other.Id == id)))
            await admin.TryAsync(member, cancellationToken, "CLUSTER", "FORGET", id).ConfigureAwait(false);
    }

    private static async Task AssignAsync(RedisPlan plan, ClusterView view, ClusterAdmin admin, CancellationToken cancellationToken)
    {
        var unserved = ClusterSteps.Unserved(view);
        for (var i = 0; i < plan.Masters; i++)
        {
            var master = view.Answering.First(member => member.Pod.Ordinal == i);
            var ranges = SlotRange.Join(unserved.Where(slot => slot >= i * SlotRange.All / plan.Masters && slot < (i + 1) * SlotRange.All / plan.Masters));
            if (ranges.Count > 0)
                await admin.SayAsync(master, cancellationToken, ["CLUSTER", "ADDSLOTSRANGE", .. ranges.SelectMany(range => new[] { Text(range.First), Text(range.Last) })]).ConfigureAwait(false);
        }
    }

    private static async Task FailoverAsync(ClusterView view, ClusterAdmin admin, string pod, CancellationToken cancellationToken)
    {
        if (view.Pod(pod) is not { Master: true } master)
            return;
        var replica = view.Followers(master).Where(member => member.Answer!.Info.LinkUp).OrderByDescending(view.Stays).ThenByDescending(member => member.Answer!.Info.Offset).FirstOrDefault()
            ?? throw new InvalidOperationException($"no replica of {pod} follows: nobody can take over");
        // The master holds back writes until the replica has all of them (Redis documentation, "CLUSTER FAILOVER"): nothing is lost.
        await admin.SayAsync(replica, cancellationToken, "CLUSTER", "FAILOVER").ConfigureAwait(false);
        for (var tries = 0; tries < 50; tries++)
        {
            if ((await admin.SayAsync(master, cancellationToken, "ROLE").ConfigureAwait(false)).Items is [{ Text: "slave" }, ..])
                return;
            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, cancellationToken).ConfigureAwait(false);
        }

        throw new TimeoutException($"{replica.Pod.Name} did not take over from {pod} within 10 s");
    }

    // A reset is refused by a master that holds keys. It forgets the others first: otherwise its gossip would bring it back.
    private static async Task LeaveAsync(ClusterView view, ClusterAdmin admin, string pod, CancellationToken cancellationToken)
    {
        var member = view.Pod(pod)!;
        await admin.SayAsync(member, cancellationToken, "CLUSTER", "RESET", "SOFT").ConfigureAwait(false);
        await ForgetAsync(view, admin, member.Id, cancellationToken).ConfigureAwait(false);
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
