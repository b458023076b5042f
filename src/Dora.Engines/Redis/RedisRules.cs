using System.Globalization;
using Dora.Api;

namespace Dora.Engines.Redis;

/// <summary>What in the settings of Redis cannot be done.</summary>
internal static class RedisRules
{
    public static IEnumerable<Violation> Cluster(string path, RedisPlan plan, RedisSettings settings)
    {
        if (plan.Mode != RedisMode.Cluster)
        {
            if (settings.Masters is not null || settings.ReplicasPerMaster is not null)
                yield return new($"{path}.masters", $"mode {plan.Mode} has no masters and replicasPerMaster", "remove them, or create a stack with mode Cluster");
            yield break;
        }

        if (settings.Instances is not null)
            yield return new($"{path}.instances", "mode Cluster counts masters and their replicas", "remove instances; set masters and replicasPerMaster");
        if (plan.Masters is < 3 or > 30)
            yield return new($"{path}.masters", string.Create(CultureInfo.InvariantCulture, $"{plan.Masters} masters cannot elect by majority, or are too many to know each other"), "choose 3 to 30; below 3, use mode Sentinel in a new stack");
        if (plan.ReplicasPerMaster is < 0 or > 3)
            yield return new($"{path}.replicasPerMaster", string.Create(CultureInfo.InvariantCulture, $"{plan.ReplicasPerMaster} replicas of each master are not possible"), "choose 0 to 3");
    }

    /// <summary>
    /// Members that speak TLS only and members that do not cannot replicate, nor vote, with each other; one alone has nobody to talk to.
    /// </summary>
    public static IEnumerable<Violation> Transport(RedisPlan plan, EngineObservation observed)
    {
        if (plan.Mode == RedisMode.Standalone || observed.Workload is not { } workload)
            yield break;
        var encrypted = workload.Metadata.Annotation(RedisStatefulSet.EncryptedAnnotation) == "true";
        if (encrypted != plan.Names.Encrypted)
        {
            yield return new(
                "spec.stackVersion",
                $"members of Redis in mode {plan.Mode} cannot change between plain and encrypted connections one by one, and the running ones are {(encrypted ? "encrypted" : "plain")}",
                $"go back to the version before, or restore into a new stack of version {plan.Names.Stack.StackVersion}",
                "ImmutableField");
        }
    }
}
