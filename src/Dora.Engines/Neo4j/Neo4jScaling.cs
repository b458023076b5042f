using Dora.Engines.Rendering;

namespace Dora.Engines.Neo4j;

/// <summary>
/// Scaling in one member at a time. A pod goes only after the cluster has moved its databases away and dropped its server: a
/// pod that merely stops would leave copies short and a server that is waited for.
/// </summary>
internal static class Neo4jScaling
{
    /// <summary>What a member's detail says once its server was dropped.</summary>
    public const string Retired = "is dropped from the cluster; its pod goes";

    public static int Replicas(Neo4jPlan plan, EngineObservation observed)
    {
        var live = observed.Workload?.Spec?.Replicas ?? plan.Members;
        if (live <= plan.Members)
            return plan.Members;
        var leaving = plan.Names.Pod(live - 1);
        return observed.Health?.Members.Any(member => member.Pod == leaving && member.Detail == Retired) == true ? live - 1 : live;
    }

    /// <summary>Whether a member is beyond the wanted ones.</summary>
    public static bool Leaves(Neo4jPlan plan, string pod) => ScaleIn.Ordinal(pod) >= plan.Members;
}
