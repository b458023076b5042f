using Dora.Api;
using Dora.Engines;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Operator.Stacks;

/// <summary>
/// What to do to the claims of one engine, by deletion policy and by the template each was made from: own or disown them, grow
/// them, remove those whose members are gone. Pure.
/// </summary>
/// <param name="Steps">In order.</param>
/// <param name="Problems">Volumes that are not as large as asked.</param>
/// <param name="Unread">StorageClasses to read before it can be decided.</param>
internal sealed record ClaimPlan(IReadOnlyList<PlanStep> Steps, IReadOnlyList<VolumeProblem> Problems, IReadOnlyList<string> Unread)
{
    public static ClaimPlan Of(BoundEngine engine, IReadOnlyList<Manifest> desired, StackObservation observed)
    {
        var (steps, problems, unread) = (new List<PlanStep>(), new List<VolumeProblem>(), new List<string>());
        var owned = observed.Stack.Spec.DeletionPolicy == DeletionPolicy.Delete;
        var templates = Templates(engine, desired, observed).ToList();
        foreach (var claim in (engine.Observed.Claims ?? []).Where(claim => claim.Metadata.DeletionTimestamp is null))
        {
            var ours = claim.Metadata.OwnedBy(observed.Stack);
            if (ours != owned)
                steps.Add(new PlanStep.SetOwner(KubeTypes.PersistentVolumeClaims.Resource, claim.Metadata.Name!, owned));
            if (templates.Select(template => (Template: template, Ordinal: template.OrdinalOf(claim.Metadata.Name!))).FirstOrDefault(match => match.Ordinal is not null) is not { Template: { } template, Ordinal: { } ordinal })
                continue;
            if (ordinal < template.Wanted)
                Grow(engine.Engine.Name, claim, template.Size, observed, steps, problems, unread);
            else if (ordinal >= template.Members && owned && ours && MayGo(engine, template, ordinal, observed))
                steps.Add(new PlanStep.Prune(KubeTypes.PersistentVolumeClaims.Resource, claim.Metadata.Name!, claim.Metadata.Uid!));
        }

        return new(steps, VolumeProblem.Grouped(problems), [.. unread.Distinct()]);
    }

    private static IEnumerable<ClaimTemplate> Templates(BoundEngine engine, IReadOnlyList<Manifest> desired, StackObservation observed)
    {
        foreach (var manifest in desired.Where(manifest => manifest.Resource == KubeTypes.StatefulSets.Resource))
        {
            var spec = manifest.Body["spec"]!;
            var live = observed.Live.GetValueOrDefault(new(manifest.Resource, manifest.Name))?.Object as StatefulSet;
            // On the way in, one at a time, more is asked of the StatefulSet than of the stack.
            var replicas = (int?)spec["replicas"] ?? 1;
            var wanted = manifest.Name == engine.Cluster.WorkloadName ? engine.Cluster.Instances : replicas;
            int[] members = [wanted, replicas, live?.Spec?.Replicas ?? 0, live?.Status?.Replicas ?? 0];
            foreach (var template in spec["volumeClaimTemplates"]?.AsArray() ?? [])
                yield return new((string)template!["metadata"]!["name"]!, manifest.Name, (string)template["spec"]!["resources"]!["requests"]!["storage"]!, wanted, members.Max(), live);
        }
    }

    // A claim outlives its member until that is surely gone: its pod, and by the servers' own word its place in the cluster.
    private static bool MayGo(BoundEngine engine, ClaimTemplate template, int ordinal, StackObservation observed)
    {
        var pod = $"{template.Workload}-{ordinal}";
        return template.Live is { } live
            && live.Status?.ObservedGeneration == live.Metadata.Generation
            && !observed.Pending.ContainsKey(new(KubeTypes.StatefulSets.Resource, template.Workload))
            && !observed.Unreadable.ContainsKey(KubeTypes.StatefulSets.Resource)
            && !observed.Unreadable.ContainsKey(KubeTypes.Pods.Resource)
            && observed.Pods.All(other => other.Metadata.Name != pod)
            && engine.Observed.Health is { Verdict: EngineVerdict.Healthy } health
            && health.Members.All(member => member.Pod != pod);
    }

    private static void Grow(string engine, PersistentVolumeClaim claim, string size, StackObservation observed, List<PlanStep> steps, List<VolumeProblem> problems, List<string> unread)
    {
        // Before a volume is bound its claim cannot be changed; it is looked at again then.
        if (claim is not { Status.Phase: "Bound", Metadata.Name: { } name, Spec.Resources.Requests: { } requests } || !requests.TryGetValue("storage", out var asked))
            return;
        if (!(DesiredState.Quantity(asked) < DesiredState.Quantity(size)))
        {
            if (Resizing(claim, asked) is { } state)
                problems.Add(new(engine, [name], state.Reason, state.Detail, state.Lasting));
            return;
        }

        var @class = claim.Spec.StorageClassName is { Length: > 0 } given ? given : null;
        if (observed.Refusals.TryGetValue(name, out var refusal) && refusal.Size == size)
            problems.Add(new(engine, [name], VolumeProblem.Refused, VolumeProblem.RefusedBecause(@class, refusal.Detail), Lasting: true));
        else if (@class is not null && !observed.Classes.ContainsKey(@class))
            unread.Add(@class);
        else if (@class is not null && observed.Classes[@class] == ClassReading.Fixed)
            problems.Add(new(engine, [name], VolumeProblem.Refused, VolumeProblem.FixedClass(@class), Lasting: true));
        else
            steps.Add(new PlanStep.GrowClaim(name, size, @class));
    }

    // How far a volume is that was asked to grow (Kubernetes: "Expanding Persistent Volumes Claims", "Recovering from failure").
    private static (string Reason, string Detail, bool Lasting)? Resizing(PersistentVolumeClaim claim, string asked)
    {
        if (claim.Status?.Capacity?.GetValueOrDefault("storage") is not { } capacity || !(DesiredState.Quantity(capacity) < DesiredState.Quantity(asked)))
            return null;
        var state = claim.Status.AllocatedResourceStatuses?.GetValueOrDefault("storage");
        var conditions = (claim.Status.Conditions ?? []).Where(condition => condition.Status == Conditions.True).ToList();
        if (state is "ControllerResizeInfeasible" or "NodeResizeInfeasible" || conditions.Exists(condition => condition.Type is "ControllerResizeError" or "NodeResizeError"))
        {
            var words = conditions.Find(condition => condition.Type is "ControllerResizeError" or "NodeResizeError")?.Message ?? state;
            return (VolumeProblem.Failed, $"the storage driver could not make it larger than {capacity} ({words}); see `kubectl describe pvc`", state is "ControllerResizeInfeasible" or "NodeResizeInfeasible");
        }

        return conditions.Exists(condition => condition.Type == "FileSystemResizePending")
            ? (VolumeProblem.Growing, $"the volume has {asked}, its file system still {capacity}: it grows on the node, with some drivers only when the pod starts anew; if this stays, delete the pod", false)
            : (VolumeProblem.Growing, $"grows from {capacity} to {asked}", false);
    }

    /// <summary>A claim template of a StatefulSet.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="Workload">The StatefulSet.</param>
    /// <param name="Size">What claims made from it shall ask for.</param>
    /// <param name="Wanted">Members that the stack asks for.</param>
    /// <param name="Members">Ordinals below this are members, wanted or still there.</param>
    /// <param name="Live">The StatefulSet as it is, or null.</param>
    private sealed record ClaimTemplate(string Name, string Workload, string Size, int Wanted, int Members, StatefulSet? Live)
    {
        /// <summary>The ordinal of a claim that was made from this template, or null.</summary>
        public int? OrdinalOf(string claim) => ScaleIn.Ordinal(claim) is { } ordinal && claim == $"{Name}-{Workload}-{ordinal}" ? ordinal : null;
    }
}
