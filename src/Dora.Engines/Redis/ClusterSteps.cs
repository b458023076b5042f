namespace Dora.Engines.Redis;

/// <summary>One thing that brings a cluster nearer to what is asked.</summary>
/// <param name="Name">Name of the command.</param>
/// <param name="Subject">Pod or node that it is about.</param>
/// <param name="Reason">Why, for people.</param>
/// <param name="To">The pod that the subject shall follow, or null.</param>
internal sealed record ClusterStep(string Name, string Subject, string Reason, string? To = null)
{
    /// <summary>How a probe names it.</summary>
    public string Need => $"{Name}/{Subject}";
}

/// <summary>
/// What a cluster needs next; pure. Groups in the order of doing: as long as one group has something to do, the later ones wait,
/// since they would decide on what is about to change. Nothing is remembered in between, so a crash at any point loses nothing.
/// </summary>
internal static class ClusterSteps
{
    public const string MeetMembers = "MeetMembers";
    public const string ForgetNode = "ForgetNode";
    public const string FinishSlots = "FinishSlots";
    public const string AssignSlots = "AssignSlots";
    public const string Replicate = "Replicate";
    public const string Free = "FreeMember";
    public const string Failover = "Failover";
    public const string MoveSlots = "MoveSlots";
    public const string Leave = "LeaveCluster";

    public static IReadOnlyList<ClusterStep> Next(RedisPlan plan, ClusterView view)
    {
        if (view.Stranger is not null)
            return [];
        if (Meetings(view).Any())
            return [new(MeetMembers, plan.Names.Cluster, "members do not know each other, or not their present addresses")];
        if (!view.Complete)
            return [];
        if (Forgotten(view).ToList() is { Count: > 0 } gone)
            return gone;
        if (!view.Covered)
            return Unserved(view) is { Count: > 0 } && view.Answering.All(member => member.Answer!.Keys == 0) ? [new(AssignSlots, plan.Names.Cluster, "the cluster is new")] : [];
        if (view.Answering.Any(member => member.Answer!.Self.Open.Count > 0))
            return view.Party.Where(member => member.Master).All(Serving) ? [new(FinishSlots, plan.Names.Cluster, "slots were left between two members")] : [];
        var layout = ClusterLayout.Of(plan, view);
        if (Followers(layout).ToList() is { Count: > 0 } following)
            return following;
        if (!view.Party.All(Serving))
            return [];
        if (Leaders(view, layout).ToList() is { Count: > 0 } leading)
            return leading;
        if (layout.Moves().Count > 0)
            return [new(MoveSlots, plan.Names.Cluster, $"slots go to where {plan.Masters} masters share them evenly")];
        return [.. view.Answering.Where(member => !view.Stays(member) && view.Joined(member)).Select(member => new ClusterStep(Leave, member.Pod.Name, $"{member.Pod.Name} goes with the scale-in"))];
    }

    /// <summary>Who has to be told of whom: a node that restarts with another address reaches only those that kept theirs.</summary>
    public static IEnumerable<(ClusterMember One, ClusterMember Other)> Meetings(ClusterView view) =>
        from one in view.Party
        from other in view.Party
        where one != other && !one.Answer!.Others.Any(known => known.Ip == other.Pod.Address && (known.Id == other.Id || known.Handshake))
        select (one, other);

    /// <summary>Slots that nobody has, and nobody who is away had.</summary>
    public static IReadOnlyList<int> Unserved(ClusterView view)
    {
        var claimed = view.Answering
            .SelectMany(member => member.Answer!.Others)
            .Where(node => view.Find(node.Id) is null)
            .SelectMany(node => node.Slots)
            .SelectMany(range => range.Each())
            .ToHashSet();
        return [.. Enumerable.Range(0, SlotRange.All).Where(slot => view.Owners[slot] is null && !claimed.Contains(slot))];
    }

    // A member whose volume was lost comes back under another name; the old one would be waited for and counted for ever.
    private static IEnumerable<ClusterStep> Forgotten(ClusterView view) => view.Party
        .SelectMany(member => member.Answer!.Others)
        .GroupBy(node => node.Id, StringComparer.Ordinal)
        .Where(group => view.Find(group.Key) is null && group.Any(node => node.Failed) && group.All(node => !node.Handshake && node.SlotCount == 0 && view.Ours(node)))
        .Select(group => new ClusterStep(ForgetNode, group.Key, $"{RedisProbe.Pod(group.First().Host)} came back under another name, or is gone"));

    private static IEnumerable<ClusterStep> Followers(ClusterLayout layout)
    {
        if (layout.Missing > 0)
        {
            if (layout.Spare() is { } spare)
                yield return new(Free, spare.Pod.Name, "it shall become a master");
            yield break;
        }

        foreach (var (member, master) in layout.Assignments())
            yield return new(Replicate, member.Pod.Name, $"{master.Pod.Name} lacks replicas", master.Pod.Name);
    }

    private static IEnumerable<ClusterStep> Leaders(ClusterView view, ClusterLayout layout) => layout.Kept
        .Where(master => !view.Stays(master) && view.Followers(master).Any(view.Stays))
        .Select(master => new ClusterStep(Failover, master.Pod.Name, $"{master.Pod.Name} takes writes and goes with the scale-in"));

    // A member that was just met takes no keys for some seconds: it does not trust what it sees yet.
    private static bool Serving(ClusterMember member) => member.Answer!.StateOk && (member.Master || member.Answer.Info.LinkUp);
}
