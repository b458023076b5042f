using System.Runtime.CompilerServices;
using Xunit;

namespace Dora.Testing;

/// <summary>
/// Text compared with a file kept in the repository. With <c>DORA_UPDATE_GOLDEN=1</c> the file is written instead; look at the
/// difference before committing it.
/// </summary>
public static class GoldenFile
{
    /// <summary>The repository's root: the nearest folder above the running test that holds the solution.</summary>
    public static string RepositoryRoot { get; } = FindRoot();

    /// <summary>Asserts that a text equals the golden file.</summary>
    /// <param name="actual">What the code under test produced.</param>
    /// <param name="path">The file, relative to the repository's root.</param>
    public static void Matches(string actual, string path) => Matches(
        actual, path, Environment.GetEnvironmentVariable("DORA_UPDATE_GOLDEN") == "1", "run the test with DORA_UPDATE_GOLDEN=1 to write it, and review the difference");

    /// <summary>
    /// Asserts that a text equals what a release held. <c>DORA_UPDATE_GOLDEN</c> does not touch these files: they are what users run.
    /// They are written once, when the version is released, with <c>DORA_FREEZE_VERSION</c> naming it.
    /// </summary>
    /// <param name="actual">What the code under test produced for that version.</param>
    /// <param name="version">The released version.</param>
    /// <param name="path">The file, relative to the repository's root.</param>
    public static void MatchesRelease(string actual, string version, string path) => Matches(
        actual,
        path,
        Environment.GetEnvironmentVariable("DORA_FREEZE_VERSION") == version,
        $"{version} is released, so the code has to go on rendering what this file holds: bind the change to a newer version");

    private static void Matches(string actual, string path, bool write, string advice)
    {
        var file = Path.Combine(RepositoryRoot, path);
        if (write)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, actual);
            return;
        }

        Assert.True(File.Exists(file), $"{path} does not exist; {advice}");
        var expected = File.ReadAllText(file);
        if (actual != expected)
            Assert.Fail($"{path} differs; {advice}.\n{FirstDifference(expected, actual)}");
    }

    private static string FirstDifference(string expected, string actual)
    {
        var (wanted, got) = (expected.Split('\n'), actual.Split('\n'));
        var line = wanted.Zip(got).TakeWhile(pair => pair.First == pair.Second).Count();
        string Line(string[] lines) => line < lines.Length ? lines[line] : "(end of text)";
        return $"line {line + 1}:\n  expected: {Line(wanted)}\n  actual:   {Line(got)}";
    }

    private static string FindRoot([CallerFilePath] string source = "")
    {
        foreach (var start in new[] { AppContext.BaseDirectory, Path.GetDirectoryName(source)! })
        {
            for (var folder = new DirectoryInfo(start); folder is not null; folder = folder.Parent)
            {
                if (File.Exists(Path.Combine(folder.FullName, "Dora.Operator.sln")))
                    return folder.FullName;
            }
        }

        throw new InvalidOperationException($"no Dora.Operator.sln above {AppContext.BaseDirectory}: run the tests from a checkout");
    }
}
