using System.Globalization;
using System.Text.RegularExpressions;
using Dora.Api;

namespace Dora.Engines.Rendering;

/// <summary>What in <see cref="PodSettings"/> cannot be done: the rules of the CRD said again for API servers that do not know CEL.</summary>
public static partial class PodRules
{
    /// <summary>Rules of <c>spec.pods</c>.</summary>
    public static IEnumerable<Violation> OfStack(PodSettings? pods)
    {
        if (pods?.Image is not null)
            yield return new("spec.pods.image", "every engine has an image of its own", "give it under spec.engines.<engine>.pods.image");
        foreach (var violation in Check("spec.pods", pods))
            yield return violation;
    }

    /// <summary>Rules of the <c>pods</c> of one engine.</summary>
    /// <param name="path">Path of the settings.</param>
    /// <param name="pods">The settings as the engine gives them, not yet over those of the stack.</param>
    public static IEnumerable<Violation> Check(string path, PodSettings? pods)
    {
        if (pods is null)
            yield break;
        foreach (var violation in Labels($"{path}.nodeSelector", pods.NodeSelector, PodSettings.MostLabels).Concat(Tolerations($"{path}.tolerations", pods.Tolerations ?? [])))
            yield return violation;
        if (pods.PriorityClassName is { } priority && !LabelForms.IsName(priority))
            yield return new($"{path}.priorityClassName", $"'{priority}' cannot name a PriorityClass", "write the name of one that exists, e.g. databases");
        if (pods.ImagePullSecrets is { Count: > PodSettings.MostPullSecrets } secrets)
            yield return TooMany($"{path}.imagePullSecrets", secrets.Count, PodSettings.MostPullSecrets);
        foreach (var secret in (pods.ImagePullSecrets ?? []).Where(secret => !LabelForms.IsName(secret)))
            yield return new($"{path}.imagePullSecrets", $"'{secret}' cannot name a Secret", "write the name of a Secret of this namespace");
        if (pods.Image is { } image && (image.Length > PodSettings.LongestImage || !Image().IsMatch(image)))
            yield return new($"{path}.image", $"'{image}' is not a whole image", "write registry/path:tag, or registry/path@sha256:digest");
    }

    /// <summary>Rules of a map of labels.</summary>
    internal static IEnumerable<Violation> Labels(string path, IReadOnlyDictionary<string, string>? labels, int most)
    {
        if (labels?.Count > most)
            yield return TooMany(path, labels.Count, most);
        foreach (var (key, value) in labels ?? new Dictionary<string, string>())
        {
            if (!LabelForms.IsKey(key))
                yield return new(path, $"'{key}' is not a label's key", "write e.g. disktype or topology.kubernetes.io/zone");
            else if (!LabelForms.IsValue(value))
                yield return new($"{path}.{key}", $"'{value}' is not a label's value", "use at most 63 letters, digits, '-', '_' and '.', letters or digits first and last");
        }
    }

    internal static Violation TooMany(string path, int count, int most) =>
        new(path, string.Create(CultureInfo.InvariantCulture, $"{count} entries are too many"), string.Create(CultureInfo.InvariantCulture, $"use at most {most}"));

    private static IEnumerable<Violation> Tolerations(string root, IReadOnlyList<PodToleration> tolerations)
    {
        if (tolerations.Count > PodSettings.MostTolerations)
            yield return TooMany(root, tolerations.Count, PodSettings.MostTolerations);
        foreach (var (index, toleration) in tolerations.Index())
        {
            var path = string.Create(CultureInfo.InvariantCulture, $"{root}[{index}]");
            foreach (var violation in toleration is null ? [new(path, "is empty", "remove it")] : Toleration(path, toleration))
                yield return violation;
        }
    }

    private static IEnumerable<Violation> Toleration(string path, PodToleration toleration)
    {
        if (toleration.Key is { } key && !LabelForms.IsKey(key))
            yield return new($"{path}.key", $"'{key}' is not a taint's key", "write e.g. dedicated or node.kubernetes.io/not-ready");
        if (toleration.Key is null && toleration.Operator != TolerationOperator.Exists)
            yield return new(path, "no key is given, and the operator is not Exists", "give a key, or set operator to Exists to tolerate every taint");
        if (toleration is { Value: not null, Operator: TolerationOperator.Exists })
            yield return new($"{path}.value", "operator Exists takes no value", "remove the value, or set operator to Equal");
        else if (toleration.Value is { } value && !LabelForms.IsValue(value))
            yield return new($"{path}.value", $"'{value}' is not a taint's value", "use at most 63 letters, digits, '-', '_' and '.', letters or digits first and last");
        if (toleration is { TolerationSeconds: not null, Effect: not TaintEffect.NoExecute })
            yield return new($"{path}.tolerationSeconds", "only NoExecute makes running pods leave", "set effect to NoExecute, or remove tolerationSeconds");
    }

    [GeneratedRegex(PodSettings.ImagePattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex Image();
}
