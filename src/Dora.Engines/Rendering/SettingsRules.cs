using System.Text.RegularExpressions;
using Dora.Api;

namespace Dora.Engines.Rendering;

/// <summary>The rules that CEL states in the CRD, said again for API servers that do not know CEL.</summary>
public static partial class SettingsRules
{
    /// <summary>Size and class of volumes against their form and against what exists.</summary>
    public static IEnumerable<Violation> Storage(string path, StorageSettings wanted, EngineObservation observed)
    {
        ArgumentNullException.ThrowIfNull(wanted);
        ArgumentNullException.ThrowIfNull(observed);
        if (Mebibytes(wanted.Size) is not { } size)
        {
            yield return new($"{path}.size", $"'{wanted.Size}' is not a size", "write a whole number of Mi, Gi or Ti, e.g. 20Gi");
            yield break;
        }

        var template = observed.Workload?.Spec?.VolumeClaimTemplates?.FirstOrDefault(claim => claim.Metadata.Name == "data");
        var existing = (observed.Claims ?? []).Append(template).Max(claim => Mebibytes(claim?.Spec?.Resources?.Requests?.GetValueOrDefault("storage"))) ?? 0;
        if (size < existing)
            yield return new($"{path}.size", $"{wanted.Size} is smaller than the volumes that exist ({existing} Mi)", "volumes only grow; create a new stack with smaller volumes and restore into it", "StorageShrink");
        // A template says which class was asked for; claims only which one they were given.
        var classes = template is not null ? [template.Spec?.StorageClassName] : wanted.Class is null ? [] : (observed.Claims ?? []).Select(claim => claim.Spec?.StorageClassName).Distinct().ToList();
        foreach (var have in classes.Where(have => have != wanted.Class))
            yield return new($"{path}.class", have is null ? "volumes exist in the cluster's default class" : $"volumes exist in class '{have}'", "a volume does not move between classes: put this field back as it was, or create a new stack and restore into it", "ImmutableField");
    }

    /// <summary>Form of CPU and memory.</summary>
    public static IEnumerable<Violation> Resources(string path, ResourceSettings wanted)
    {
        ArgumentNullException.ThrowIfNull(wanted);
        if (!Cpu().IsMatch(wanted.Cpu!))
            yield return new($"{path}.cpu", $"'{wanted.Cpu}' is not an amount of CPU", "write e.g. 500m or 2");
        if (!Memory().IsMatch(wanted.Memory!))
            yield return new($"{path}.memory", $"'{wanted.Memory}' is not an amount of memory", "write a whole number of Mi or Gi, e.g. 2Gi");
    }

    /// <summary>A size in Mi, or null when it is not one.</summary>
    public static long? Mebibytes(string? size)
    {
        if (size is null || !Size().IsMatch(size))
            return null;
        var number = long.Parse(size[..^2], System.Globalization.CultureInfo.InvariantCulture);
        return size[^2] switch { 'T' => number * 1024 * 1024, 'G' => number * 1024, _ => number };
    }

    [GeneratedRegex(StorageSettings.SizePattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex Size();

    [GeneratedRegex(ResourceSettings.CpuPattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex Cpu();

    [GeneratedRegex(ResourceSettings.MemoryPattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex Memory();
}
