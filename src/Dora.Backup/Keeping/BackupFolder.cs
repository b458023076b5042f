using System.Globalization;
using Dora.Backup.Sets;
using Dora.Backup.Store;

namespace Dora.Backup.Keeping;

/// <summary>The folder of one backup.</summary>
/// <param name="Id">The backup's ID.</param>
/// <param name="Complete">Whether its manifest is there; without it, it is what is left of a run.</param>
/// <param name="Verified">Whether it was once read whole.</param>
/// <param name="Modified">When anything in it was last written.</param>
public sealed record BackupFolder(string Id, bool Complete, bool Verified, DateTimeOffset Modified)
{
    /// <summary>When it was begun, as the ID tells.</summary>
    public DateTimeOffset At => TryTime(Id) ?? DateTimeOffset.MaxValue;

    /// <summary>
    /// The folders of one engine, in the order of their IDs. Of each this much is kept in memory, whatever lies in it. What does not look like one of ours is
    /// left alone: it is not in the answer.
    /// </summary>
    /// <param name="listing">All versions of all objects; a marker of deletion is one too.</param>
    /// <param name="engineFolder">Where the folders are.</param>
    public static async Task<IReadOnlyList<BackupFolder>> OfAsync(IAsyncEnumerable<ObjectVersion> listing, string engineFolder)
    {
        ArgumentNullException.ThrowIfNull(listing);
        var folders = new SortedDictionary<string, BackupFolder>(StringComparer.Ordinal);
        await foreach (var stored in listing.ConfigureAwait(false))
        {
            if (IdOf(stored, engineFolder) is not { } id)
                continue;
            var before = folders.GetValueOrDefault(id) ?? new(id, false, false, stored.Modified);
            var (there, file) = (stored is { Latest: true, Marker: false }, stored.Name[(engineFolder.Length + id.Length + 1)..]);
            folders[id] = before with
            {
                Complete = before.Complete || (there && file == BackupPlace.ManifestFile),
                Verified = before.Verified || (there && file == BackupPlace.VerifiedFile),
                Modified = stored.Modified > before.Modified ? stored.Modified : before.Modified,
            };
        }

        return [.. folders.Values];
    }

    /// <summary>ID of the backup in whose folder an object lies; null: in none.</summary>
    public static string? IdOf(ObjectVersion stored, string engineFolder)
    {
        ArgumentNullException.ThrowIfNull(stored);
        ArgumentNullException.ThrowIfNull(engineFolder);
        return stored.Name.StartsWith(engineFolder, StringComparison.Ordinal) && stored.Name[engineFolder.Length..].Split('/') is [var id, _] && TryTime(id) is not null ? id : null;
    }

    private static DateTimeOffset? TryTime(string id) =>
        id.Length > 17 && id[16] == '-' && DateTimeOffset.TryParseExact(id[..16], "yyyyMMdd't'HHmmss'z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;
}
