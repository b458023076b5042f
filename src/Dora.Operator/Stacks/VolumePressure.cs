using System.Globalization;
using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;

namespace Dora.Operator.Stacks;

/// <summary>
/// Whether the data of members still has room in their volumes, by their own word. A full volume stops a database, so people are told
/// before. Pure; the text changes only with a step, not with every byte.
/// </summary>
internal static class VolumePressure
{
    private const int Warning = 80;
    private const int Critical = 95;

    // A volume at the edge would otherwise be said full and not full by turns.
    private const int Relief = 5;

    /// <summary>The condition; null while no member ever told how much it holds.</summary>
    public static Condition? Judge(StackPlan plan, StackObservation observed, IReadOnlyDictionary<string, EngineHealth> health)
    {
        var before = observed.Stack.Status?.Conditions.Find(ConditionTypes.VolumesSufficient);
        var measured = plan.Engines.SelectMany(engine => Measure(engine, health.GetValueOrDefault(engine.Engine.Name))).ToList();
        if (measured.Count == 0)
            return before;
        var limit = before is { Status: Conditions.False } ? Warning - Relief : Warning;
        var full = measured.Where(volume => volume.Percent >= limit).ToList();
        // Who stopped telling may have stopped because of it.
        if (full.Count == 0 && before is { Status: Conditions.False } && plan.Engines.Any(engine => Silent(health.GetValueOrDefault(engine.Engine.Name))))
            return before;
        return full.Count == 0
            ? new(ConditionTypes.VolumesSufficient, Conditions.True, "RoomLeft", string.Create(CultureInfo.InvariantCulture, $"the data of no member that tells takes {Warning} % of its volume"))
            : new(ConditionTypes.VolumesSufficient, Conditions.False, "VolumePressure", StackStatus.Cut(string.Join(" | ", full.GroupBy(volume => (volume.Engine, Critical: volume.Percent >= Critical)).OrderByDescending(group => group.Key.Critical).Select(Words))));
    }

    private static bool Silent(EngineHealth? health) => health is null || health.Members.Any(member => member is { Serving: false, Volume: null });

    private static string Words(IGrouping<(string Engine, bool Critical), Measured> volumes) => string.Create(
        CultureInfo.InvariantCulture,
        $"{volumes.Key.Engine}: {string.Join(", ", volumes.Select(volume => $"{volume.Pod} ({volume.Size})"))}: data takes over {(volumes.Key.Critical ? Critical : Warning - Relief)} % of the volume{(volumes.Key.Critical ? ", writes are about to fail" : "")}; raise spec.engines.{volumes.Key.Engine}.storage.size, or remove data");

    private static IEnumerable<Measured> Measure(BoundEngine engine, EngineHealth? health)
    {
        foreach (var member in health?.Members ?? [])
        {
            if (member.Volume is not { } volume || Claim(engine, member.Pod) is not { } capacity || DesiredState.Quantity(capacity) is not > 0 and not null)
                continue;
            var total = volume.TotalBytes ?? DesiredState.Quantity(capacity)!.Value;
            yield return new(engine.Engine.Name, member.Pod, capacity, (int)Math.Min(100, volume.UsedBytes * 100 / total));
        }
    }

    // What the volume has, not what was asked for: it may still be growing.
    private static string? Claim(BoundEngine engine, string pod) =>
        engine.Observed.Claims?.FirstOrDefault(claim => claim.Metadata.Name?.EndsWith($"-{pod}", StringComparison.Ordinal) == true)?.Status?.Capacity?.GetValueOrDefault("storage");

    private sealed record Measured(string Engine, string Pod, string Size, int Percent);
}
