using System.Globalization;
using System.Text.RegularExpressions;

namespace Dora.Backup.Sets;

/// <summary>Where a backup is, below the prefix of its store: <c>NAMESPACE/STACK/ENGINE/ID/</c>.</summary>
/// <param name="Namespace">Namespace of the stack.</param>
/// <param name="Stack">Name of the stack.</param>
/// <param name="Engine">The engine.</param>
/// <param name="Id">See <see cref="NewId"/>.</param>
public sealed partial record BackupPlace(string Namespace, string Stack, string Engine, string Id)
{
    /// <summary>File name of the manifest.</summary>
    public const string ManifestFile = "manifest.json";

    /// <summary>File name of the note that the backup was once read whole.</summary>
    public const string VerifiedFile = "verified.json";

    /// <summary>File name of what only a copy has.</summary>
    public const string CopyFile = "copied.json";

    /// <summary>What the names of its objects begin with.</summary>
    public string Folder => $"{EngineFolder}{Id}/";

    /// <summary>What the names of the objects of all backups of its engine begin with.</summary>
    public string EngineFolder => $"{Namespace}/{Stack}/{Engine}/";

    /// <summary>
    /// What the folders of an engine's backups begin with: the first digit of their year. What an engine's tool keeps beside them, a hundred thousand files
    /// perhaps, is never listed.
    /// </summary>
    public static string Folders(string engineFolder) => engineFolder + "2";

    /// <summary>The place that the name of a folder tells; null for any other folder.</summary>
    public static BackupPlace? OfFolder(string name) => OfManifest(name + ManifestFile);

    /// <summary>Name of the manifest: a folder without it holds no backup.</summary>
    public string Manifest => Folder + ManifestFile;

    /// <summary>Name of the note that the backup was once read whole, and every byte of it found right.</summary>
    public string Verified => Folder + VerifiedFile;

    /// <summary>Name of the note that says that this is a copy, and in which versions its objects are here.</summary>
    public string Copy => Folder + CopyFile;

    /// <summary>Name of the object of its engine that shows whether who writes backups can remove them.</summary>
    public string Canary => EngineFolder + "canary";

    /// <summary>Name of one of the objects that hold its data.</summary>
    /// <param name="number">From 1.</param>
    public string Data(int number) => string.Create(CultureInfo.InvariantCulture, $"{Folder}data-{number:D5}");

    /// <summary>An ID: backups in the order of their IDs are in the order of their beginnings.</summary>
    /// <param name="begun">When it begins.</param>
    /// <param name="distinction">Lower case letters and digits that tell two of the same second apart.</param>
    public static string NewId(DateTimeOffset begun, string distinction) =>
        string.Create(CultureInfo.InvariantCulture, $"{begun.UtcDateTime:yyyyMMdd't'HHmmss'z'}-{distinction}");

    /// <summary>The place that a manifest's name tells; null for any other object.</summary>
    public static BackupPlace? OfManifest(string name) =>
        ManifestName().Match(name) is { Success: true } match ? new(match.Groups["namespace"].Value, match.Groups["stack"].Value, match.Groups["engine"].Value, match.Groups["id"].Value) : null;

    [GeneratedRegex("^(?<namespace>[a-z0-9-]+)/(?<stack>[a-z0-9.-]+)/(?<engine>[a-z0-9-]+)/(?<id>[0-9]{8}t[0-9]{6}z-[a-z0-9]+)/manifest[.]json$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex ManifestName();
}
