namespace Dora.Engines.Rendering;

/// <summary>Files of the engines' <c>scripts</c> folders, which are part of this assembly.</summary>
internal static class EmbeddedFile
{
    /// <summary>The text of a file, by its folder and name, such as <c>Postgres/pgbackrest.sh</c>.</summary>
    public static string Read(string name)
    {
        using var stream = typeof(EmbeddedFile).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"{name} is not embedded");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
