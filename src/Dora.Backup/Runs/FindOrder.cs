namespace Dora.Backup.Runs;

/// <summary>What a run that looks for backups is told. A report has room for a few: the next run goes on where this one ended.</summary>
/// <param name="Known">IDs of backups that are known already: of them only those are told that are not there any more.</param>
/// <param name="Wanted">IDs that are looked for, however old.</param>
/// <param name="Before">Only what is older than this ID; null: from the newest on.</param>
/// <param name="Newest">Of how many, the newest in the bucket, those that are not known are told.</param>
public sealed record FindOrder(IReadOnlyList<string> Known, IReadOnlyList<string>? Wanted = null, string? Before = null, int Newest = FindOrder.Most)
{
    /// <summary>Of more backups of one engine nobody keeps an overview.</summary>
    public const int Most = 200;
}

/// <summary>What was found, the newest first.</summary>
/// <param name="Backups">Backups that were not known, their seals checked.</param>
/// <param name="Gone">IDs of known or wanted backups that are not in the bucket.</param>
/// <param name="Older">How many others there are, too old to be told.</param>
/// <param name="Unreadable">How many manifests could not be read, or opened, or believed.</param>
/// <param name="Problem">Why the first of these could not.</param>
/// <param name="Next">ID before which the next run goes on; null: all is told.</param>
/// <param name="Owner">UID of the stack whose folder it is; null: nobody claimed it yet.</param>
public sealed record FoundPage(
    IReadOnlyList<FoundEntry> Backups,
    IReadOnlyList<string> Gone,
    int Older = 0,
    int Unreadable = 0,
    string? Problem = null,
    string? Next = null,
    string? Owner = null);

/// <summary>A backup that is there.</summary>
/// <param name="Id">Its ID.</param>
/// <param name="Content">What form the data has.</param>
/// <param name="StartedAt">When it was begun.</param>
/// <param name="FinishedAt">When all of it was stored.</param>
/// <param name="Objects">How many objects hold it.</param>
/// <param name="Manifest">SHA-256 of the manifest.</param>
/// <param name="KeyId">Which key sealed it.</param>
/// <param name="Bytes">Bytes as the engine gave them.</param>
/// <param name="StoredBytes">Bytes in the store.</param>
/// <param name="VerifiedAt">When all of it was last read and found right.</param>
/// <param name="Facts">What the engine says of the data; null where that is too much for a report.</param>
public sealed record FoundEntry(
    string Id,
    string Content,
    DateTimeOffset StartedAt,
    DateTimeOffset FinishedAt,
    int Objects,
    string Manifest,
    string KeyId,
    long? Bytes = null,
    long? StoredBytes = null,
    DateTimeOffset? VerifiedAt = null,
    IReadOnlyDictionary<string, string>? Facts = null);
