using System.Globalization;

namespace Dora.Engines.Rendering;

/// <summary>
/// Scaling in one member at a time, and never the primary: a StatefulSet removes the highest ordinal, so the primary first
/// has to move below it.
/// </summary>
public static class ScaleIn
{
    /// <summary>Replicas to ask of the StatefulSet now on the way to <paramref name="wanted"/>.</summary>
    public static int Replicas(int wanted, EngineObservation observed)
    {
        ArgumentNullException.ThrowIfNull(observed);
        var live = observed.Workload?.Spec?.Replicas ?? wanted;
        if (live <= wanted)
            return wanted;
        var healthy = observed.Health is { Verdict: EngineVerdict.Healthy } && (observed.Workload?.Status?.ReadyReplicas ?? 0) == live;
        return !healthy || PrimaryGoesNext(wanted, observed) ? live : live - 1;
    }

    /// <summary>Whether the primary sits on the member that goes next.</summary>
    public static bool PrimaryGoesNext(int wanted, EngineObservation observed)
    {
        ArgumentNullException.ThrowIfNull(observed);
        var live = observed.Workload?.Spec?.Replicas ?? wanted;
        return live > wanted && Ordinal(observed.Health?.Primary) is { } ordinal && ordinal >= live - 1;
    }

    /// <summary>Ordinal at the end of a pod name, or null.</summary>
    public static int? Ordinal(string? pod)
    {
        var dash = pod?.LastIndexOf('-') ?? -1;
        return dash >= 0 && int.TryParse(pod.AsSpan(dash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var ordinal) ? ordinal : null;
    }
}
