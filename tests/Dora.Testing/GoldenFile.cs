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
    public static void Matches(string actual, string path)
    {
        var file = Path.Combine(RepositoryRoot, path);
        if (Environment.GetEnvironmentVariable("DORA_UPDATE_GOLDEN") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, actual);
            return;
        }

        Assert.True(File.Exists(file), $"{path} does not exist; run the test with DORA_UPDATE_GOLDEN=1 to write it");
        var expected = File.ReadAllText(file);
        if (actual != expected)
            Assert.Fail($"{path} differs; run the test with DORA_UPDATE_GOLDEN=1 and review the difference.\n{FirstDifference(expected, actual)}");
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
