using System.Text.RegularExpressions;

namespace Dora.Testing.Vault;

/// <summary>A policy: the subset of HCL that paths with capabilities need. What no path allows is denied.</summary>
public sealed partial class VaultPolicy
{
    private readonly IReadOnlyList<(string Path, HashSet<string> Capabilities)> _rules;

    private VaultPolicy(IReadOnlyList<(string Path, HashSet<string> Capabilities)> rules) => _rules = rules;

    /// <summary>Reads a policy.</summary>
    /// <exception cref="FormatException">There is something else in it.</exception>
    public static VaultPolicy Parse(string hcl)
    {
        var text = Comment().Replace(hcl, "");
        var rules = new List<(string, HashSet<string>)>();
        foreach (Match match in Rule().Matches(text))
        {
            var capabilities = match.Groups["capabilities"].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(word => word.Trim('"'));
            rules.Add((match.Groups["path"].Value, capabilities.ToHashSet(StringComparer.Ordinal)));
        }

        return Rule().Replace(text, "").Trim() is { Length: > 0 } rest ? throw new FormatException($"failed to parse policy: {rest}") : new(rules);
    }

    /// <summary>Whether these policies together allow it: of all paths that fit, the most exact one counts.</summary>
    public static bool Allows(IEnumerable<VaultPolicy> policies, string path, string capability)
    {
        var fitting = policies.SelectMany(policy => policy._rules).Where(rule => Fits(rule.Path, path)).ToList();
        if (fitting.Count == 0)
            return false;
        // The order that Vault documents: the first wildcard as late as possible, no * at the end, few +, long.
        var best = fitting.Select(rule => rule.Path).OrderByDescending(FirstWildcard).ThenBy(rule => rule.EndsWith('*')).ThenBy(rule => rule.Split('/').Count(part => part == "+")).ThenByDescending(rule => rule.Length).First();
        var capabilities = fitting.Where(rule => rule.Path == best).SelectMany(rule => rule.Capabilities).ToHashSet(StringComparer.Ordinal);
        return !capabilities.Contains("deny") && capabilities.Contains(capability);
    }

    private static int FirstWildcard(string rule) => rule.IndexOfAny(['+', '*']) is >= 0 and var index ? index : int.MaxValue;

    private static bool Fits(string rule, string path)
    {
        var pattern = "^" + Regex.Escape(rule.TrimEnd('*')).Replace("\\+", "[^/]+", StringComparison.Ordinal) + (rule.EndsWith('*') ? "" : "$");
        return Regex.IsMatch(path, pattern, RegexOptions.None, TimeSpan.FromSeconds(1));
    }

    [GeneratedRegex("""path\s+"(?<path>[^"]+)"\s*\{\s*capabilities\s*=\s*\[(?<capabilities>[^\]]*)\]\s*\}""", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Rule();

    [GeneratedRegex("#[^\n]*", RegexOptions.None, 1000)]
    private static partial Regex Comment();
}
