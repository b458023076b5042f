using Dora.Engines.Rendering;

namespace Dora.Engines.MongoDb;

/// <summary>
/// Scaling in: the primary moves below the pods that go, the highest member leaves the replica set's configuration, and only then
/// its pod goes. A pod that went first would stay a member that counts for the majority and never votes.
/// </summary>
internal static class MongoDbScaleIn
{
    /// <summary>A need that no command meets: the probe saw by a committed configuration that this pod is no member.</summary>
    public const string PodMayGo = "PodMayGo";

    /// <summary>Replicas to ask of the StatefulSet now.</summary>
    public static int Replicas(MongoDbPlan plan, EngineObservation observed)
    {
        var live = observed.Workload?.Spec?.Replicas ?? plan.Instances;
        if (live <= plan.Instances)
            return plan.Instances;
        return observed.Health?.Needs.Contains($"{PodMayGo}/{plan.Names.Pod(live - 1)}") == true ? live - 1 : live;
    }

    /// <summary>
    /// Whether the arbiter's pod shall be. One that is not wanted any more stays until it has left the configuration; that it was
    /// there is remembered on the StatefulSet of the data members.
    /// </summary>
    public static bool KeepsArbiter(MongoDbPlan plan, EngineObservation observed) =>
        plan.Arbiter || (observed.Workload?.Metadata.Annotation(MongoDbStatefulSet.ArbiterAnnotation) == "true" && observed.Health?.Needs.Contains($"{PodMayGo}/{plan.ArbiterPod}") != true);

    /// <summary>Why the primary has to be another member, or null. It moves below all pods that go, not just below the next.</summary>
    public static string? PrimaryMove(MongoDbPlan plan, EngineObservation observed) =>
        ScaleIn.Ordinal(observed.Health?.Primary) is { } ordinal && ordinal >= plan.Instances
            ? $"{observed.Health!.Primary} takes writes and goes with the scale-in"
            : Rendering.PrimaryMove.Reason(plan.Instances, observed);
}
