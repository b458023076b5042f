namespace Dora.Api;

/// <summary>One thing in a spec that cannot be done.</summary>
/// <param name="Field">Path, e.g. <c>spec.engines.redis.instances</c>.</param>
/// <param name="Problem">What is wrong.</param>
/// <param name="Fix">What to do.</param>
/// <param name="Reason">CamelCase reason of the Stalled condition.</param>
public sealed record Violation(string Field, string Problem, string Fix, string Reason = "InvalidSpec")
{
    /// <inheritdoc/>
    public override string ToString() => $"{Field}: {Problem}; {Fix}";
}
