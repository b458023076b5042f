using System.Globalization;
using Dora.Backup.Sets;
using Dora.Backup.Store;

namespace Dora.Backup.Keeping;

/// <summary>What lies in the folder of one backup.</summary>
/// <param name="Id">The backup's ID.</param>
/// <param name="Complete">Whether its manifest is there; without it, it is what is left of a run.</param>
/// <param name="Verified">Whether it was once read whole.</param>
/// <param name="Objects">All versions of all objects; a marker of deletion is one too.</param>
public sealed record BackupFolder(string Id, bool Complete, bool Verified, IReadOnlyList<ObjectVersion> Objects)
{
    /// <summary>When it was begun, as the ID tells.</summary>
    public DateTimeOffset At => TryTime(Id) ?? DateTimeOffset.MaxValue;

    /// <summary>When anything in it was last written.</summary>
    public DateTimeOffset Modified => Objects.Max(stored => stored.Modified);

    /// <summary>The folders of one engine, in the order of their IDs. What does not look like one of ours is left alone: it is not in the answer.</summary>
    public static IReadOnlyList<BackupFolder> Of(IEnumerable<ObjectVersion> listing, string engineFolder) =>
    [
        .. listing
            .Where(stored => stored.Name.StartsWith(engineFolder, StringComparison.Ordinal))
            .Select(stored => (Stored: stored, Parts: stored.Name[engineFolder.Length..].Split('/')))
            .Where(pair => pair.Parts.Length == 2 && TryTime(pair.Parts[0]) is not null)
            .GroupBy(pair => pair.Parts[0], StringComparer.Ordinal)
            .OrderBy(group => group.Key, StringComparer.Ordinal)
            .Select(group => new BackupFolder(
                group.Key,
                group.Any(pair => pair.Parts[1] == BackupPlace.ManifestFile && pair.Stored.Latest && !pair.Stored.Marker),
                group.Any(pair => pair.Parts[1] == BackupPlace.VerifiedFile && pair.Stored.Latest && !pair.Stored.Marker),
                [.. group.Select(pair => pair.Stored)])),
    ];

    private static DateTimeOffset? TryTime(string id) =>
        id.Length > 17 && id[16] == '-' && DateTimeOffset.TryParseExact(id[..16], "yyyyMMdd't'HHmmss'z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;
}
