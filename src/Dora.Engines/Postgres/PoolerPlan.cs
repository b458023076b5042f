using System.Globalization;
using Dora.Api;
using Dora.Engines.Rendering;

namespace Dora.Engines.Postgres;

/// <summary>PgBouncer, completed by the tier's defaults.</summary>
/// <param name="Names">Its own names: its pods must not pass for members.</param>
/// <param name="Secret">Secret of the role by which it looks up who may log in.</param>
/// <param name="Instances">Pods.</param>
/// <param name="PoolSize">Connections to the server per pod and database.</param>
/// <param name="MaxClients">Clients per pod.</param>
internal sealed record PoolerPlan(EngineNames Names, string Secret, int Instances, int PoolSize, int MaxClients)
{
    private const string Root = "spec.engines.postgres.pooler";

    /// <summary>Connections that are left for the operator, monitoring, backups and the superuser.</summary>
    private const int Reserved = 20;

    public static PoolerPlan? Of(EngineNames names, PoolerSettings? settings)
    {
        if (settings is { Instances: 0 } || (settings is null && names.Stack.Tier != Tier.Production))
            return null;
        var wanted = settings ?? new();
        return new(new(names.Stack, $"{names.Engine}-pooler"), $"{names.Cluster}-pooler", wanted.Instances, wanted.PoolSize, wanted.MaxClients);
    }

    public static IEnumerable<Violation> Check(PostgresPlan plan)
    {
        if (plan.Pooler is not { } pooler)
            yield break;
        if (pooler.Instances is < 1 or > 9)
            yield return new($"{Root}.instances", $"{pooler.Instances} instances are not possible", "choose 0 to 9");
        if (pooler.MaxClients is < 1 or > 10000)
            yield return new($"{Root}.maxClients", $"{pooler.MaxClients} clients are not possible", "choose 1 to 10000");
        var connections = plan.Parameters.TryGetValue("max_connections", out var text) && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : PostgresParameters.PrimaryFirst["max_connections"];
        if (pooler.PoolSize < 1)
            yield return new($"{Root}.poolSize", $"{pooler.PoolSize} connections are not possible", "choose 1 or more");
        else if ((long)pooler.Instances * pooler.PoolSize * plan.Databases.Count > connections - Reserved)
            yield return new($"{Root}.poolSize", $"{pooler.Instances} pods x {pooler.PoolSize} connections x {plan.Databases.Count} databases are more than the server has for them ({connections}, of which {Reserved} are kept free)", "choose a smaller pool, or raise spec.engines.postgres.parameters.max_connections");
    }
}
