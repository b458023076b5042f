using System.Globalization;
using System.Text.Json;
using Dora.Backup.Sets;

namespace Dora.Backup.Runs;

/// <summary>
/// How a run ended: the last message of its container, of which Kubernetes keeps 4,096 bytes. Success is reported only of what was read back.
/// </summary>
/// <param name="Succeeded">Whether it did what it was asked.</param>
/// <param name="Reason">CamelCase.</param>
/// <param name="Message">What is wrong and what to do; empty when all is well.</param>
/// <param name="Id">The backup.</param>
/// <param name="StartedAt">When the data began to flow, of a backup: when it was made.</param>
/// <param name="FinishedAt">When all of it was stored.</param>
/// <param name="PlainBytes">Bytes as the engine gave them.</param>
/// <param name="PlainSha256">Their SHA-256.</param>
/// <param name="StoredBytes">Bytes in the store.</param>
/// <param name="Objects">How many objects hold them.</param>
/// <param name="Manifest">SHA-256 of the manifest.</param>
/// <param name="ManifestVersion">Its version in the store.</param>
/// <param name="KeyId">Which key sealed the data key.</param>
/// <param name="Facts">What the engine says of the data.</param>
/// <param name="Comparison">Of a restore: whether the data is what was backed up.</param>
/// <param name="Found">What a run found that looked for backups.</param>
/// <param name="Removed">IDs of the backups that a run removed; null where these are too many to be told.</param>
/// <param name="Stayed">Then, if these are few: IDs of those that stayed.</param>
public sealed record RunReport(
    bool Succeeded,
    string Reason,
    string Message,
    string? Id = null,
    DateTimeOffset? StartedAt = null,
    DateTimeOffset? FinishedAt = null,
    long? PlainBytes = null,
    string? PlainSha256 = null,
    long? StoredBytes = null,
    int? Objects = null,
    string? Manifest = null,
    string? ManifestVersion = null,
    string? KeyId = null,
    IReadOnlyDictionary<string, string>? Facts = null,
    Comparison? Comparison = null,
    FoundPage? Found = null,
    IReadOnlyList<string>? Removed = null,
    IReadOnlyList<string>? Stayed = null)
{
    private const int LongestBytes = 4096;

    // So many differences are told; more of them say nothing more.
    private const int MostTold = 5;

    // A letter may take six bytes (\u00e4); the rest of a report has a few hundred.
    private const int LongestMessage = 500;

    /// <summary>Reason of a run that was refused because the folder belongs to another stack.</summary>
    public const string FolderTaken = $"Store{nameof(Store.StoreProblem.Taken)}";

    /// <summary>How many IDs a report has room for.</summary>
    public const int MostIds = 100;

    /// <summary>Whether Kubernetes keeps it whole.</summary>
    public bool Fits() => Bytes().Length <= LongestBytes;

    /// <summary>Of a run that looked for backups.</summary>
    public static RunReport Of(FoundPage page) => new(true, "Completed", "", Found: page);

    /// <summary>Of a backup that is there.</summary>
    public static RunReport Of(BackupManifest manifest, string? sha256 = null, string? version = null)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        return new(
            true,
            "Completed",
            "",
            manifest.Id,
            manifest.StartedAt,
            manifest.FinishedAt,
            manifest.Recorded ? Number(manifest.Facts, BackupWriter.CountedBytes) : manifest.Plain.Bytes,
            manifest.Recorded ? null : manifest.Plain.Sha256,
            manifest.Recorded ? Number(manifest.Facts, BackupWriter.StoredBytes) : manifest.Objects.Sum(stored => stored.Bytes),
            manifest.Objects.Count,
            sha256,
            version,
            manifest.Key.Id,
            manifest.Facts);
    }

    /// <summary>Of data that was laid down: success only when it is what was backed up, and answers all checks as expected.</summary>
    /// <param name="manifest">What was backed up.</param>
    /// <param name="found">What the tool found in the restored data.</param>
    /// <param name="checks">Names of the checks that were asked.</param>
    public static RunReport Restored(BackupManifest manifest, IReadOnlyDictionary<string, string> found, IEnumerable<string> checks)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        var fingerprint = Fingerprint.Compare(manifest.Facts, found);
        var failed = Fingerprint.FailedChecks(checks, found);
        var report = Of(manifest) with { Facts = found, Comparison = fingerprint.Comparison };
        if (fingerprint.Differences.Count > 0)
            return report with { Succeeded = false, Reason = "FingerprintDiffers", Message = $"the restored data is not what was backed up: {Told(fingerprint.Differences)}: do not use it, and restore another backup" };
        return failed.Count > 0
            ? report with { Succeeded = false, Reason = "CheckFailed", Message = $"the restored data does not answer as expected: {Told(failed)}: see whether the check is right, else restore another backup" }
            : report;
    }

    /// <summary>Reads what a run left as its last message; null: it is no report.</summary>
    public static RunReport? Parse(string? message)
    {
        try
        {
            return string.IsNullOrWhiteSpace(message) ? null : JsonSerializer.Deserialize(message, RunJson.Default.RunReport);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>The report as bytes that Kubernetes keeps whole.</summary>
    public byte[] Write()
    {
        if (Fits())
            return Bytes();
        // Facts stand in the manifest too; a message says the most at its beginning.
        return (this with { Facts = null, Message = Message.Length > LongestMessage ? Message[..LongestMessage] : Message }).Bytes();
    }

    private static string Told(IReadOnlyList<string> all) =>
        string.Join("; ", all.Take(MostTold)) + (all.Count > MostTold ? string.Create(CultureInfo.InvariantCulture, $"; and {all.Count - MostTold} more") : "");

    private static long? Number(IReadOnlyDictionary<string, string> facts, string name) =>
        long.TryParse(facts.GetValueOrDefault(name), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private byte[] Bytes() => JsonSerializer.SerializeToUtf8Bytes(this, RunJson.Default.RunReport);
}
