using System.Text.Json;
using Dora.Backup.Sets;

namespace Dora.Backup.Runs;

/// <summary>
/// How a run ended: the last message of its container, of which Kubernetes keeps 4,096 bytes. Success is reported only of what was read back.
/// </summary>
/// <param name="Succeeded">Whether it did what it was asked.</param>
/// <param name="Reason">CamelCase.</param>
/// <param name="Message">What is wrong and what to do; empty after a success.</param>
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
    IReadOnlyDictionary<string, string>? Facts = null)
{
    private const int LongestBytes = 4096;

    // A letter may take six bytes (\u00e4); the rest of a report has a few hundred.
    private const int LongestMessage = 500;

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
            manifest.Plain.Bytes,
            manifest.Plain.Sha256,
            manifest.Objects.Sum(stored => stored.Bytes),
            manifest.Objects.Count,
            sha256,
            version,
            manifest.Key.Id,
            manifest.Facts);
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
        var bytes = JsonSerializer.SerializeToUtf8Bytes(this, RunJson.Default.RunReport);
        if (bytes.Length <= LongestBytes)
            return bytes;
        // Facts stand in the manifest too; a message says the most at its beginning.
        return (this with { Facts = null, Message = Message.Length > LongestMessage ? Message[..LongestMessage] : Message }).Bytes();
    }

    private byte[] Bytes() => JsonSerializer.SerializeToUtf8Bytes(this, RunJson.Default.RunReport);
}
