namespace Dora.Engines.Backups;

/// <summary>The scripts of tools, with what all of them share.</summary>
internal static class BackupScripts
{
    private const string Shared = "tool.sh";

    /// <summary>Files of a <see cref="ToolContainer"/>.</summary>
    /// <param name="engine">Folder of the engine.</param>
    /// <param name="names">Its scripts.</param>
    public static IReadOnlyDictionary<string, string> Of(string engine, params IEnumerable<string> names) =>
        names.ToDictionary(name => name, name => Read(engine, name), StringComparer.Ordinal).Append(new(Shared, Read("Backups", Shared))).ToDictionary(StringComparer.Ordinal);

    private static string Read(string folder, string name)
    {
        using var stream = typeof(BackupScripts).Assembly.GetManifestResourceStream($"{folder}/{name}")
            ?? throw new InvalidOperationException($"script {name} is not embedded");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
