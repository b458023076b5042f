namespace Dora.Backup.Runs;

/// <summary>Whether restored data is what was backed up.</summary>
public enum Comparison
{
    /// <summary>There was nothing to compare.</summary>
    NotCompared,

    /// <summary>All that was counted is the same.</summary>
    Verified,

    /// <summary>Something is not the same.</summary>
    Differs,
}

/// <summary>Facts that say what is in the data, as the copy had them and as a restore found them. Pure.</summary>
/// <param name="Comparison">In one word.</param>
/// <param name="Differences">What differs, one by one.</param>
public sealed record Fingerprint(Comparison Comparison, IReadOnlyList<string> Differences)
{
    /// <summary>What the names of counts begin with.</summary>
    public const string Count = "count:";

    /// <summary>What the names of digests begin with.</summary>
    public const string Digest = "digest:";

    /// <summary>What the names of answers to a drill's checks begin with.</summary>
    public const string Check = "check:";

    /// <summary>Value of a check that was answered as expected; any other value is a failure.</summary>
    public const string Passed = "passed";

    /// <summary>Compares all that the copy counted, if the restore counted anything.</summary>
    /// <param name="taken">Facts of the manifest.</param>
    /// <param name="found">Facts of the restored data.</param>
    public static Fingerprint Compare(IReadOnlyDictionary<string, string> taken, IReadOnlyDictionary<string, string> found)
    {
        ArgumentNullException.ThrowIfNull(taken);
        ArgumentNullException.ThrowIfNull(found);
        List<string> wanted = [.. taken.Keys.Where(IsPart).Order(StringComparer.Ordinal)];
        if (wanted.Count == 0 || !found.Keys.Any(IsPart))
            return new(Comparison.NotCompared, []);
        List<string> differences = [.. wanted.Where(name => found.GetValueOrDefault(name) != taken[name]).Select(name => $"{name} is {found.GetValueOrDefault(name, "missing")} and was {taken[name]}")];
        return new(differences.Count == 0 ? Comparison.Verified : Comparison.Differs, differences);
    }

    /// <summary>What is wrong with the answers to checks: one that was asked and not answered has failed too.</summary>
    /// <param name="asked">Names of the checks.</param>
    /// <param name="found">Facts of the restored data.</param>
    public static IReadOnlyList<string> FailedChecks(IEnumerable<string> asked, IReadOnlyDictionary<string, string> found)
    {
        ArgumentNullException.ThrowIfNull(found);
        return
        [
            .. asked.Select(name => Check + name).Concat(found.Keys.Where(name => name.StartsWith(Check, StringComparison.Ordinal)))
                .Distinct(StringComparer.Ordinal)
                .Order(StringComparer.Ordinal)
                .Where(name => found.GetValueOrDefault(name) != Passed)
                .Select(name => $"{name[Check.Length..]}: {found.GetValueOrDefault(name, "not answered")}"),
        ];
    }

    private static bool IsPart(string fact) => fact.StartsWith(Count, StringComparison.Ordinal) || fact.StartsWith(Digest, StringComparison.Ordinal);
}
