using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Rendering;

/// <summary>Where the pods of one engine run and from which image: the engine's own settings over those of the stack.</summary>
/// <param name="Stack">The stack.</param>
/// <param name="Own">What the engine itself gives.</param>
/// <param name="Settings">The settings, each field from the engine if it gives it, else from the stack.</param>
internal sealed record PodPlan(StackContext Stack, PodSettings Own, PodSettings Settings)
{
    public static PodPlan Of(StackContext stack, PodSettings? own)
    {
        var (mine, all) = (own ?? PodSettings.None, stack.Pods ?? PodSettings.None);
        return new(stack, mine, new(
            mine.NodeSelector ?? all.NodeSelector,
            mine.Tolerations ?? all.Tolerations,
            mine.PriorityClassName ?? all.PriorityClassName,
            mine.AntiAffinity ?? all.AntiAffinity,
            mine.ImagePullSecrets ?? all.ImagePullSecrets,
            mine.Image));
    }

    /// <summary>The image of an engine at a version.</summary>
    public string Image(string engine, string version) => Settings.Image ?? Stack.Images.Of(engine, version);

    /// <summary>The pod with everything that decides where it runs.</summary>
    /// <param name="pod">The pod.</param>
    /// <param name="selector">Labels of the pods that it keeps away from.</param>
    public PodSpec Place(PodSpec pod, IReadOnlyDictionary<string, string> selector) => pod with
    {
        Affinity = PodDefaults.Spread(Settings.AntiAffinity ?? PodDefaults.AntiAffinityOf(Stack.Tier), selector),
        TopologySpreadConstraints = PodDefaults.ZoneSpread(Stack.Tier, selector),
        NodeSelector = Settings.NodeSelector is { Count: > 0 } labels ? InOrder(labels) : null,
        Tolerations = Settings.Tolerations is { Count: > 0 } tolerations ? [.. tolerations.Where(toleration => toleration is not null).Select(Of)] : null,
        PriorityClassName = Settings.PriorityClassName,
        // A name given twice would be refused by server-side apply.
        ImagePullSecrets = Settings.ImagePullSecrets is { Count: > 0 } secrets ? [.. secrets.Distinct().Select(name => new LocalObjectReference(name))] : null,
    };

    // The hash of what is wanted must not depend on the order in which somebody wrote labels.
    private static Dictionary<string, string> InOrder(IReadOnlyDictionary<string, string> labels) =>
        labels.OrderBy(label => label.Key, StringComparer.Ordinal).ToDictionary();

    private static Toleration Of(PodToleration wanted) =>
        new(wanted.Key, wanted.Operator?.ToString(), wanted.Value, wanted.Effect?.ToString(), wanted.TolerationSeconds);
}
