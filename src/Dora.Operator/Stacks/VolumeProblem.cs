namespace Dora.Operator.Stacks;

/// <summary>Volumes of an engine that are not as large as asked.</summary>
/// <param name="Engine">The engine.</param>
/// <param name="Claims">Their claims.</param>
/// <param name="Reason">CamelCase reason of the engine's condition.</param>
/// <param name="Detail">What holds them up, and what to do.</param>
/// <param name="Lasting">Whether only a person can go on.</param>
public sealed record VolumeProblem(string Engine, IReadOnlyList<string> Claims, string Reason, string Detail, bool Lasting)
{
    /// <summary>They cannot grow as things are.</summary>
    public const string Refused = "VolumeExpansionRefused";

    /// <summary>The storage driver could not make them larger.</summary>
    public const string Failed = "VolumeResizeFailed";

    /// <summary>They are about to be larger.</summary>
    public const string Growing = "VolumesGrowing";

    private const string Instead = "or create a new stack with larger volumes and restore into it";

    /// <summary>For people.</summary>
    public string Message => $"{string.Join(", ", Claims)}: {Detail}";

    /// <summary>The class says that its volumes stay as they are.</summary>
    public static string FixedClass(string name) =>
        $"StorageClass {name} does not let volumes grow; set its allowVolumeExpansion to true if its driver can, {Instead}";

    /// <summary>The API server says that the volume stays as it is.</summary>
    public static string RefusedBecause(string? @class, string words) =>
        $"the API server refuses to grow it ({words}); {(@class is null ? "it has no StorageClass" : $"see allowVolumeExpansion of StorageClass {@class}")} and the namespace's quotas, {Instead}";

    /// <summary>Problems that differ only in the claim, as one each.</summary>
    public static IReadOnlyList<VolumeProblem> Grouped(IEnumerable<VolumeProblem> problems) =>
    [
        .. problems.GroupBy(problem => (problem.Engine, problem.Reason, problem.Detail, problem.Lasting))
            .Select(same => same.First() with { Claims = [.. same.SelectMany(problem => problem.Claims).Order(StringComparer.Ordinal)] })
            .OrderByDescending(problem => problem.Lasting),
    ];
}
