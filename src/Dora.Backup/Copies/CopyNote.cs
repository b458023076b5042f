using System.Text.Json;
using System.Text.Json.Serialization;
using Dora.Backup.Sets;
using Dora.Backup.Store;
using Dora.Backup.Streams;

namespace Dora.Backup.Copies;

/// <summary>
/// Lies beside the manifest of a copy. The manifest is the same in every place, and names the versions that its objects have in the first one; in a copy they have
/// others. It is not sealed: who changes it has a reader find the wrong bytes, which is seen.
/// </summary>
/// <param name="CopiedAt">When all data was here.</param>
/// <param name="From">The place it was copied from.</param>
/// <param name="Versions">Version of each object here, by its file name; of a bucket that keeps none, nothing.</param>
public sealed record CopyNote(DateTimeOffset CopiedAt, string From, IReadOnlyDictionary<string, string> Versions)
{
    private const int LongestBytes = 1024 * 1024;

    /// <summary>The note beside a backup; null where it is no copy.</summary>
    /// <exception cref="SealBrokenException">It is not what we wrote.</exception>
    public static async Task<CopyNote?> ReadAsync(ObjectStore store, BackupPlace place, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(place);
        try
        {
            return JsonSerializer.Deserialize(await store.GetAsync(place.Copy, LongestBytes, cancellationToken).ConfigureAwait(false), CopyJson.Default.CopyNote);
        }
        catch (StoreException exception) when (exception.Problem is StoreProblem.NotFound or StoreProblem.Denied)
        {
            // To who may not list, a store does not say that something is missing: the manifest was read with the same right.
            return null;
        }
        catch (JsonException exception)
        {
            throw new SealBrokenException($"{place.Copy} at {store.Location} is not what we wrote", exception);
        }
    }

    /// <summary>The manifest, with its objects in the versions that they have here.</summary>
    public BackupManifest Here(BackupManifest manifest)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        return manifest with { Objects = [.. manifest.Objects.Select(stored => stored with { Version = Versions.GetValueOrDefault(FileName(stored.Name)) })] };
    }

    internal static CopyNote Of(ObjectStore source, IEnumerable<StoredObject> here, DateTimeOffset now) =>
        new(now, source.Location.ToString(), here.Where(stored => stored.Version is not null).ToDictionary(stored => FileName(stored.Name), stored => stored.Version!, StringComparer.Ordinal));

    internal byte[] Write() => JsonSerializer.SerializeToUtf8Bytes(this, CopyJson.Default.CopyNote);

    private static string FileName(string name) => name[(name.LastIndexOf('/') + 1)..];
}

/// <summary>The contract of such notes.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(CopyNote))]
internal sealed partial class CopyJson : JsonSerializerContext;
