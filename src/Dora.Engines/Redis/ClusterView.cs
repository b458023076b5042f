namespace Dora.Engines.Redis;

/// <summary>One member of a cluster by its own words.</summary>
/// <param name="Self">Its own line.</param>
/// <param name="Others">Whom it knows.</param>
/// <param name="StateOk">Whether it sees all slots served (<c>cluster_state:ok</c>).</param>
/// <param name="Keys">Keys that it holds.</param>
/// <param name="Info">How it replicates.</param>
internal sealed record ClusterAnswer(ClusterNode Self, IReadOnlyList<ClusterNode> Others, bool StateOk, long Keys, RedisInfo Info);

/// <summary>A pod, and what its server answered.</summary>
internal sealed record ClusterMember(MemberPod Pod, ClusterAnswer? Answer, string? Problem)
{
    public string Id => Answer!.Self.Id;

    public int Slots => Answer!.Self.SlotCount;

    public bool Master => Answer!.Self.Master;
}

/// <summary>What all members say together; pure.</summary>
internal sealed class ClusterView
{
    private readonly RedisPlan _plan;
    private readonly Dictionary<string, ClusterMember> _byId;

    public ClusterView(RedisPlan plan, IReadOnlyList<ClusterMember> members)
    {
        _plan = plan;
        Members = [.. members.OrderBy(member => member.Pod.Ordinal)];
        Answering = [.. Members.Where(member => member.Answer is not null)];
        _byId = Answering.GroupBy(member => member.Id, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.First(), StringComparer.Ordinal);
        Owners = FindOwners();
    }

    /// <summary>All pods by ordinal.</summary>
    public IReadOnlyList<ClusterMember> Members { get; }

    /// <summary>Those that answered.</summary>
    public IReadOnlyList<ClusterMember> Answering { get; }

    /// <summary>Who serves each slot, by its own words; of two the one of the higher epoch.</summary>
    public IReadOnlyList<ClusterMember?> Owners { get; }

    public bool Covered => Owners.All(owner => owner is not null);

    /// <summary>Masters that serve slots.</summary>
    public IReadOnlyList<ClusterMember> Shards => [.. Answering.Where(member => member.Master && member.Slots > 0)];

    /// <summary>Whether a pod is among those that the spec asks for.</summary>
    public bool Stays(ClusterMember member) => member.Pod.Ordinal < _plan.Instances;

    /// <summary>Whether a member knows another one of these pods.</summary>
    public bool Joined(ClusterMember member) => member.Answer!.Others.Any(other => _byId.ContainsKey(other.Id));

    /// <summary>Members that belong together: wanted ones, and those that have not left yet.</summary>
    public IReadOnlyList<ClusterMember> Party => [.. Answering.Where(member => Stays(member) || Joined(member))];

    public IEnumerable<ClusterMember> Followers(ClusterMember master) => Answering.Where(member => !member.Master && member.Answer!.Self.MasterId == master.Id);

    public ClusterMember? Find(string? id) => id is null ? null : _byId.GetValueOrDefault(id);

    public ClusterMember? Pod(string name) => Answering.FirstOrDefault(member => member.Pod.Name == name);

    /// <summary>Whether a node that is none of the answering pods was one of this engine.</summary>
    public bool Ours(ClusterNode node) =>
        node.Host.EndsWith($".{_plan.Names.Domain(_plan.Names.Members)}", StringComparison.Ordinal) && node.Host.StartsWith($"{_plan.Names.Cluster}-", StringComparison.Ordinal);

    /// <summary>Whether everybody has answered whom a decision could miss.</summary>
    public bool Complete =>
        Answering.Count(Stays) == _plan.Instances
        && Members.Where(member => member.Answer is null).All(silent => !Knows(_plan.Names.MemberHost(silent.Pod.Ordinal)));

    /// <summary>A member that holds what belongs to another cluster: it is left alone, and so is everything else, until a person decides.</summary>
    public ClusterMember? Stranger => Answering.FirstOrDefault(member => Stays(member) && Strange(member));

    private bool Strange(ClusterMember member)
    {
        var answer = member.Answer!;
        var known = answer.Others.Where(other => !other.Handshake).ToList();
        return known.Any(other => Find(other.Id) is null && !Ours(other))
            || (known.Count == 0 && !answer.Others.Any(other => other.Handshake) && (answer.Keys > 0 || answer.Self.SlotCount > 0));
    }

    private bool Knows(string host) => Answering.Any(member => member.Answer!.Others.Any(other => other.Host == host && !other.Handshake));

    private ClusterMember?[] FindOwners()
    {
        var owners = new ClusterMember?[SlotRange.All];
        foreach (var member in Answering.Where(member => member.Master).OrderBy(member => member.Answer!.Self.Epoch))
        {
            foreach (var slot in member.Answer!.Self.Slots.SelectMany(range => range.Each()))
                owners[slot] = member;
        }

        return owners;
    }
}
