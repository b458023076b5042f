using Dora.Engines.InfluxDb;
using Dora.Engines.MongoDb;
using Dora.Engines.Neo4j;
using Dora.Engines.Postgres;
using Dora.Engines.Redis;

namespace Dora.Engines;

/// <summary>The engines this operator knows. A new engine is a new folder and one line here.</summary>
public static class EngineCatalogue
{
    /// <summary>All engines, in the order in which they are reported.</summary>
    public static IReadOnlyList<IEngine> All { get; } =
    [
        new PostgresEngine(),
        new Neo4jEngine(),
        new MongoDbEngine(),
        new InfluxDbEngine(),
        new RedisEngine(),
    ];

    /// <summary>The engine of a key under <c>spec.engines</c>, or null.</summary>
    public static IEngine? Find(string name) => All.FirstOrDefault(engine => engine.Name == name);
}
