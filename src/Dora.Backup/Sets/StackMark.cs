using System.Text.Json;
using System.Text.Json.Serialization;
using Dora.Backup.Store;
using Dora.Backup.Streams;

namespace Dora.Backup.Sets;

/// <summary>Says in a bucket whose backups a folder holds, so that two stacks of one name, in two clusters, do not mix theirs.</summary>
/// <param name="Uid">UID of the stack.</param>
/// <param name="Since">When it began to write there.</param>
public sealed record StackMark(string Uid, DateTimeOffset Since)
{
    private const int LongestBytes = 4096;

    /// <summary>Its name below the store's prefix.</summary>
    public static string Name(string ns, string stack) => $"{ns}/{stack}/stack.json";

    /// <summary>Claims the folder of a stack; nothing is written when it is this stack's already.</summary>
    /// <param name="store">The store.</param>
    /// <param name="origin">Whose it shall be.</param>
    /// <param name="clock">For when.</param>
    /// <param name="cancellationToken">Stops asking.</param>
    /// <exception cref="StoreException">It is another stack's (<see cref="StoreProblem.Exists"/>), or the store cannot be asked.</exception>
    public static async Task ClaimAsync(ObjectStore store, BackupOrigin origin, TimeProvider clock, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(origin);
        var name = Name(origin.Namespace, origin.Stack);
        if (await ReadAsync(store, name, cancellationToken).ConfigureAwait(false) is not { } mark)
        {
            await WriteAsync(store, name, new(origin.Uid, clock.GetUtcNow()), cancellationToken).ConfigureAwait(false);
            // Two at once: not every store heeds If-None-Match, but one of the two is what stays.
            mark = await ReadAsync(store, name, cancellationToken).ConfigureAwait(false) ?? throw new StoreException(StoreProblem.NotFound, $"the store {store.Location} does not give back {name}, which it just took");
        }

        if (mark.Uid != origin.Uid)
            throw new StoreException(StoreProblem.Exists, $"{store.Location} holds backups of another stack named {origin.Namespace}/{origin.Stack} (UID {mark.Uid}, since {mark.Since:yyyy-MM-dd}): give this one another prefix");
    }

    /// <summary>The mark of a folder; null when nobody claimed it.</summary>
    public static async Task<StackMark?> ReadAsync(ObjectStore store, string name, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(store);
        try
        {
            return JsonSerializer.Deserialize(await store.GetAsync(name, LongestBytes, cancellationToken).ConfigureAwait(false), MarkJson.Default.StackMark);
        }
        catch (StoreException exception) when (exception.Problem == StoreProblem.NotFound)
        {
            return null;
        }
        catch (JsonException exception)
        {
            throw new SealBrokenException($"{name} at {store.Location} is not what we wrote", exception);
        }
    }

    private static async Task WriteAsync(ObjectStore store, string name, StackMark mark, CancellationToken cancellationToken)
    {
        try
        {
            await store.PutAsync(name, JsonSerializer.SerializeToUtf8Bytes(mark, MarkJson.Default.StackMark), cancellationToken).ConfigureAwait(false);
        }
        catch (StoreException exception) when (exception.Problem == StoreProblem.Exists)
        {
            // Somebody was first; who, is read next.
        }
    }
}

/// <summary>The contract of marks.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(StackMark))]
internal sealed partial class MarkJson : JsonSerializerContext;
