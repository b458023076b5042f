namespace Dora.Engines.Redis;

/// <summary>Which members are masters, which follow whom, and how the slots spread over them: from what is, to what is asked.</summary>
internal sealed class ClusterLayout
{
    // A master may be this far off an even share before slots move (redis-cli's own threshold for rebalancing): people move hot slots.
    private const double Tolerance = 0.02;

    private readonly RedisPlan _plan;
    private readonly ClusterView _view;
    private readonly Dictionary<ClusterMember, int> _staying;
    private readonly List<ClusterMember> _free;

    private ClusterLayout(RedisPlan plan, ClusterView view)
    {
        _plan = plan;
        _view = view;
        var shards = view.Shards;
        // Those go whose members leave anyway.
        Drained = [.. shards
            .OrderByDescending(master => view.Followers(master).Append(master).Count(member => !view.Stays(member)))
            .ThenByDescending(master => master.Pod.Ordinal)
            .Take(Math.Max(0, shards.Count - plan.Masters))];
        var kept = shards.Except(Drained).ToList();
        var idle = view.Answering.Where(member => view.Stays(member) && member.Master && member.Slots == 0).ToList();
        // One that already has followers was chosen before.
        var chosen = idle.OrderByDescending(member => view.Followers(member).Count()).ThenBy(member => member.Pod.Ordinal).Take(plan.Masters - kept.Count).ToList();
        Kept = [.. kept, .. chosen];
        Missing = plan.Masters - Kept.Count;
        var known = Kept.Concat(Drained).ToHashSet();
        _free = [.. view.Answering.Where(member => view.Stays(member) && !known.Contains(member) && (member.Master || view.Find(member.Answer!.Self.MasterId) is not { } master || !known.Contains(master)))];
        _staying = Kept.ToDictionary(master => master, master => view.Followers(master).Append(master).Count(view.Stays));
    }

    /// <summary>Masters that serve in the end.</summary>
    public IReadOnlyList<ClusterMember> Kept { get; }

    /// <summary>Masters whose slots go to the others.</summary>
    public IReadOnlyList<ClusterMember> Drained { get; }

    /// <summary>Masters for which no idle member exists.</summary>
    public int Missing { get; }

    public static ClusterLayout Of(RedisPlan plan, ClusterView view) => new(plan, view);

    /// <summary>A follower that its master can spare.</summary>
    public ClusterMember? Spare() => Kept
        .Where(master => _staying[master] > 1 + _plan.ReplicasPerMaster)
        .SelectMany(_view.Followers)
        .Where(_view.Stays)
        .OrderByDescending(member => member.Pod.Ordinal)
        .FirstOrDefault();

    /// <summary>Who shall follow whom next.</summary>
    public IReadOnlyList<(ClusterMember Member, ClusterMember Master)> Assignments()
    {
        var assignments = new List<(ClusterMember, ClusterMember)>();
        foreach (var member in _free)
        {
            var neediest = Kept.OrderBy(master => _staying[master]).ThenBy(master => master.Pod.Ordinal).First();
            _staying[neediest]++;
            assignments.Add((member, neediest));
        }

        if (assignments.Count == 0 && Kept.FirstOrDefault(master => _staying[master] < 1 + _plan.ReplicasPerMaster) is { } needy && Spare() is { } spare)
            assignments.Add((spare, needy));
        return assignments;
    }

    /// <summary>Every slot that has to move; none while the shares are even enough.</summary>
    public IReadOnlyList<(int Slot, ClusterMember From, ClusterMember To)> Moves()
    {
        var share = SlotRange.All / _plan.Masters;
        if (Drained.Count == 0 && Kept.All(master => Math.Abs(master.Slots - share) <= (share * Tolerance) + 1))
            return [];
        // Who has most keeps what does not divide: the fewest slots move.
        var targets = Kept
            .OrderByDescending(master => master.Slots)
            .Select((master, index) => (master, Target: share + (index < SlotRange.All % _plan.Masters ? 1 : 0)))
            .ToDictionary(pair => pair.master, pair => pair.Target);
        var takers = new Queue<ClusterMember>(Kept.SelectMany(master => Enumerable.Repeat(master, Math.Max(0, targets[master] - master.Slots))));
        var moves = new List<(int, ClusterMember, ClusterMember)>();
        foreach (var giver in Drained.Concat(Kept))
        {
            var surplus = giver.Slots - targets.GetValueOrDefault(giver);
            foreach (var slot in giver.Answer!.Self.Slots.SelectMany(range => range.Each()).Take(Math.Max(0, surplus)))
            {
                if (takers.TryDequeue(out var taker))
                    moves.Add((slot, giver, taker));
            }
        }

        return moves;
    }
}
