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
}
