namespace Dora.Engines.Rendering;

/// <summary>When the operator asks an engine to move its primary: never by itself, always before that member's pod goes or part of it starts anew.</summary>
public static class PrimaryMove
{
    /// <summary>Why the primary has to be another member, for the event; null while it may stay.</summary>
    public static string? Reason(int wanted, EngineObservation observed)
    {
        ArgumentNullException.ThrowIfNull(observed);
        if (observed.Health?.Primary is not { } primary)
            return null;
        return ScaleIn.PrimaryGoesNext(wanted, observed) ? $"{primary} takes writes and goes with the scale-in"
            : observed.Rolling is { Step: RollingStep.MovePrimary } rolling ? rolling.Reason
            : observed.InterruptsPrimary ? $"{primary} takes writes, and part of its pod starts anew for a renewed certificate"
            : null;
    }
}
