using Dora.Kubernetes.Model;

namespace Dora.Engines;

/// <summary>
/// How a change of the pod template goes through the members of an engine. Their StatefulSet only says what a new pod looks like
/// (update strategy OnDelete); the order is decided here: replicas first, one at a time, each healthy before the next, then the
/// primary moves away, then the old primary. A roll stops at the first member that does not come back.
/// </summary>
/// <param name="Outdated">Members that do not run what is asked yet.</param>
/// <param name="Step">What to do next.</param>
/// <param name="Reason">Why, for people.</param>
/// <param name="Pod">The member to restart, or the one that is waited for; null when none in particular.</param>
public sealed record RollingChange(IReadOnlyList<string> Outdated, RollingStep Step, string Reason = "", MemberPod? Pod = null)
{
    /// <summary>Every member runs what is asked.</summary>
    public static RollingChange None { get; } = new([], RollingStep.None);

    /// <summary>Decides from what is known; pure.</summary>
    /// <param name="wanted">Instances that the spec asks for.</param>
    /// <param name="workload">Name of the StatefulSet whose replicas are those instances.</param>
    /// <param name="workloads">Every StatefulSet of the engine: one may have others beside its members, such as an arbiter's.</param>
    /// <param name="members">Their pods.</param>
    /// <param name="health">The last probe, or null.</param>
    /// <param name="movesPrimary">Whether the engine can be asked to make another member primary.</param>
    /// <param name="together">Whether what runs and what is asked for cannot work together, so that none waits for another.</param>
    /// <param name="pending">Members that must restart for what no template shows, such as a renewed certificate.</param>
    public static RollingChange Of(int wanted, string workload, IReadOnlyList<StatefulSet> workloads, IReadOnlyList<MemberPod> members, EngineHealth? health, bool movesPrimary, IReadOnlySet<string>? pending = null, bool together = false)
    {
        ArgumentNullException.ThrowIfNull(workloads);
        ArgumentNullException.ThrowIfNull(members);
        // Until the StatefulSets' controller has seen the newest templates, nobody knows which pods are outdated.
        if (workloads.Count == 0 || workloads.Any(set => set.Status?.UpdateRevision is null || set.Status.ObservedGeneration != set.Metadata.Generation))
            return None;
        var revisions = members.ToDictionary(member => member.Name, member => workloads.FirstOrDefault(set => member.Name == $"{set.Metadata.Name}-{member.Ordinal}")?.Status!.UpdateRevision);
        var outdated = members
            .Where(member => (revisions[member.Name] is { } revision && member.Revision != revision) || PendingRestart(health, member) || pending?.Contains(member.Name) == true)
            .OrderByDescending(member => member.Ordinal)
            .ToList();
        if (outdated.Count == 0)
            return None;
        var names = outdated.Select(member => member.Name).ToList();
        if (together)
            return new(names, RollingStep.RestartAll, "all restart at once: members cannot change between plain and encrypted connections one by one");
        if (members.FirstOrDefault(member => member.Ending) is { } ending)
            return new(names, RollingStep.Wait, $"{ending.Name} is ending", ending);

        var down = outdated.Where(member => !member.Ready && member.Name != health?.Primary).ToList();
        var late = members.Except(outdated).FirstOrDefault(member => !member.Ready);
        // A member that is down anyway loses nothing by a restart, unless it is about to come back while another is away.
        if (down.Count > 0 && (late is null || health?.Primary is null))
            return new(names, RollingStep.Restart, "it is down, and shall come back as the spec asks now", down[0]);
        if (late is not null)
            return new(names, RollingStep.Wait, $"{late.Name} is not ready yet", late);
        // A primary that cannot be asked to move keeps members from being removed until it has restarted.
        if (members.Count < workloads.Sum(Replicas) || (health is not { PrimaryStays: true } && workloads.Any(set => set.Metadata.Name == workload && Replicas(set) != wanted)))
            return new(names, RollingStep.Wait, "members are being added or removed");
        if (health is not { Verdict: EngineVerdict.Healthy })
            return new(names, RollingStep.Wait, health?.Message is { Length: > 0 } problem ? problem : "the servers have not been asked yet");
        return Next(names, outdated, health, movesPrimary && members.Count > 1 && !health.PrimaryStays);
    }

    private static RollingChange Next(List<string> names, List<MemberPod> outdated, EngineHealth health, bool canMove)
    {
        const string why = "it shall run what the spec asks now";
        if (outdated.FirstOrDefault(member => member.Name != health.Primary) is { } replica)
            return new(names, RollingStep.Restart, why, replica);
        return canMove
            ? new(names, RollingStep.MovePrimary, $"{outdated[0].Name} takes writes and is the last to restart", outdated[0])
            : new(names, RollingStep.Restart, why, outdated[0]);
    }

    private static int Replicas(StatefulSet workload) => workload.Spec?.Replicas ?? 1;

    private static bool PendingRestart(EngineHealth? health, MemberPod member) =>
        health?.Members.Any(found => found.Pod == member.Name && found.PendingRestart) == true;
}

/// <summary>What a roll needs next.</summary>
public enum RollingStep
{
    /// <summary>Nothing: all is as asked.</summary>
    None,

    /// <summary>Time: a member is on its way.</summary>
    Wait,

    /// <summary>The restart of one member.</summary>
    Restart,

    /// <summary>The restart of all that are outdated, at once.</summary>
    RestartAll,

    /// <summary>The primary's work must go to another member.</summary>
    MovePrimary,
}
