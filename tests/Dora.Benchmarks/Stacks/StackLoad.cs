using System.Text.Json;
using Dora.Api;

namespace Dora.Benchmarks.Stacks;

/// <summary>A kind of stack to make many of.</summary>
/// <param name="Title">What is in it.</param>
/// <param name="Namespace">Where the stacks live; the operator watches this one only.</param>
/// <param name="Tier">Their tier.</param>
/// <param name="Engines">Their engines.</param>
/// <param name="RequestsAboveObjects">Requests allowed beside one for each object.</param>
internal sealed record StackLoad(string Title, string Namespace, Tier Tier, IReadOnlyDictionary<string, JsonElement> Engines, int RequestsAboveObjects)
{
    /// <summary>The two that applications use most.</summary>
    public static StackLoad Two { get; } = new("two engines", "bench-two", Tier.Development, Parse("""{"postgres":{"instances":3},"redis":{"mode":"Sentinel","instances":3}}"""), 3);

    /// <summary>All, as in production.</summary>
    public static StackLoad Five { get; } = new(
        "five engines",
        "bench-five",
        Tier.Production,
        Parse("""{"postgres":{},"neo4j":{"license":"Commercial"},"mongodb":{},"influxdb":{},"redis":{}}"""),
        5);

    private static Dictionary<string, JsonElement> Parse(string engines)
    {
        using var document = JsonDocument.Parse(engines);
        return document.RootElement.EnumerateObject().ToDictionary(engine => engine.Name, engine => engine.Value.Clone(), StringComparer.Ordinal);
    }
}
