namespace Dora.Agent.Backups;

/// <summary>How the engine's tool ended: lines of <c>name=value</c>, of which <c>exit</c> is its exit code, <c>error</c> its last words, <c>reason</c> why in one word, and the rest are facts of the data.</summary>
internal static class ToolOutcome
{
    private const int MostFacts = 64;
    private const int LongestFact = 256;

    /// <summary>The facts.</summary>
    /// <exception cref="ToolFailedException">It failed, or what it says is not understood: that is no success.</exception>
    public static IReadOnlyDictionary<string, string> Parse(string text)
    {
        var facts = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.IndexOf('=', StringComparison.Ordinal) is not (> 0 and var at))
                throw new ToolFailedException($"the engine's tool says '{Cut(line)}', which is not understood");
            facts[line[..at]] = Cut(line[(at + 1)..]);
        }

        if (!facts.Remove("exit", out var code))
            throw new ToolFailedException("the engine's tool does not say how it ended");
        var failed = facts.Remove("error", out var error) || code != "0";
        if (failed)
            throw new ToolFailedException($"the engine's tool ended with {code}{(error is { Length: > 0 } ? $": {error}" : "")}") { Reason = Known(facts.GetValueOrDefault("reason")) };
        return facts.Count <= MostFacts ? facts : throw new ToolFailedException($"the engine's tool gives {facts.Count} facts, and at most {MostFacts} are taken");
    }

    // What a tool may say of a failure beyond that it failed: that the store's content is at fault, or what was asked for.
    private static string Known(string? reason) => reason is "BackupBroken" or "OutsideWindow" ? reason : "ToolFailed";

    private static string Cut(string text) => text.Length > LongestFact ? text[..LongestFact] : text;
}

/// <summary>The engine's tool did not do its part.</summary>
internal sealed class ToolFailedException(string message) : Exception(message)
{
    /// <summary>Why, in one word.</summary>
    public string Reason { get; init; } = "ToolFailed";
}
