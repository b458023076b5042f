using System.Text.Json;
using System.Text.Json.Serialization;
using Dora.Backup.Store;
using Dora.Backup.Streams;

namespace Dora.Backup.Sets;

/// <summary>Says in a bucket whose backups a folder holds, so that two stacks of one name, in two clusters, do not mix theirs.</summary>
/// <param name="Uid">UID of the stack.</param>
/// <param name="Since">When it began to write there.</param>
/// <param name="Former">Whose it was before, the last one last.</param>
public sealed record StackMark(string Uid, DateTimeOffset Since, IReadOnlyList<FormerOwner>? Former = null)
{
    private const int LongestBytes = 4096;

    // What a mark of the longest permitted size holds, with room to spare.
    private const int MostFormer = 16;

    /// <summary>Its name below the store's prefix.</summary>
    public static string Name(string ns, string stack) => $"{ns}/{stack}/stack.json";

    /// <summary>When this stack took the folder over from another one; null: it never did.</summary>
    public DateTimeOffset? TakenOver => Former?.LastOrDefault(former => former.By == Uid)?.Until;

    /// <summary>
    /// Claims the folder of a stack; nothing is written when it is this stack's already. A folder of another stack is taken over only from the one that
    /// is named, and only once: two stacks that name each other would take it in turns for ever.
    /// </summary>
    /// <param name="store">The store.</param>
    /// <param name="origin">Whose it shall be.</param>
    /// <param name="adopt">UID of the stack whose folder it may take over, or null.</param>
    /// <param name="clock">For when.</param>
    /// <param name="cancellationToken">Stops asking.</param>
    /// <returns>The mark as it is now.</returns>
    /// <exception cref="StoreException">It is another stack's (<see cref="StoreProblem.Taken"/>), or the store cannot be asked.</exception>
    /// <exception cref="SealBrokenException">What lies there cannot be read: it is never written over.</exception>
    public static async Task<StackMark> ClaimAsync(ObjectStore store, BackupOrigin origin, string? adopt, TimeProvider clock, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(origin);
        var name = Name(origin.Namespace, origin.Stack);
        var mark = await ReadAsync(store, name, cancellationToken).ConfigureAwait(false);
        if (mark?.Uid == origin.Uid)
            return mark;
        if (mark is not null && mark.Lost(origin.Uid, adopt) is { } lost)
            throw new StoreException(StoreProblem.Taken, $"spec.backup.adopt: this stack took {store.Location}/{origin.Namespace}/{origin.Stack} over from {adopt} before, and lost it to {mark.Uid} on {lost:yyyy-MM-dd}: if that stack is gone for good, name its UID; else give this one another spec.backup.destination.prefix");
        if (mark is not null && mark.Uid != adopt)
            throw new StoreException(StoreProblem.Taken, $"{store.Location} holds backups of another stack named {origin.Namespace}/{origin.Stack} (UID {mark.Uid}, since {mark.Since:yyyy-MM-dd}): if that stack is gone for good, take its folder over with spec.backup.adopt: {mark.Uid}; else give this one another spec.backup.destination.prefix");
        var now = clock.GetUtcNow();
        await WriteAsync(store, name, new(origin.Uid, now, mark is null ? null : [.. (mark.Former ?? []).TakeLast(MostFormer - 1), new(mark.Uid, mark.Since, now, origin.Uid)]), replace: mark is not null, cancellationToken).ConfigureAwait(false);
        // Two at once: not every store heeds If-None-Match, but one of the two is what stays.
        var stays = await ReadAsync(store, name, cancellationToken).ConfigureAwait(false) ?? throw new StoreException(StoreProblem.NotFound, $"the store {store.Location} does not give back {name}, which it just took");
        return stays.Uid == origin.Uid ? stays : throw new StoreException(StoreProblem.Taken, $"{store.Location} was just taken by another stack named {origin.Namespace}/{origin.Stack} (UID {stays.Uid}): give this one another spec.backup.destination.prefix");
    }

    /// <summary>Whether the folder of a stack is its own.</summary>
    public static async Task<bool> OwnsAsync(ObjectStore store, BackupOrigin origin, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(origin);
        return (await ReadAsync(store, Name(origin.Namespace, origin.Stack), cancellationToken).ConfigureAwait(false))?.Uid == origin.Uid;
    }

    /// <summary>The mark of a folder; null when nobody claimed it.</summary>
    public static async Task<StackMark?> ReadAsync(ObjectStore store, string name, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(store);
        try
        {
            return JsonSerializer.Deserialize(await store.GetAsync(name, LongestBytes, cancellationToken).ConfigureAwait(false), MarkJson.Default.StackMark) is { Uid.Length: > 0 } mark
                ? mark
                : throw new SealBrokenException($"{name} at {store.Location} names no stack");
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

    // When an adoption that was used was lost again; null: it was not.
    private DateTimeOffset? Lost(string uid, string? adopt) =>
        adopt is not null && Former?.Any(former => former.Uid == adopt && former.By == uid) == true ? Former.LastOrDefault(former => former.Uid == uid)?.Until : null;

    private static async Task WriteAsync(ObjectStore store, string name, StackMark mark, bool replace, CancellationToken cancellationToken)
    {
        try
        {
            await store.PutAsync(name, JsonSerializer.SerializeToUtf8Bytes(mark, MarkJson.Default.StackMark), cancellationToken, replace).ConfigureAwait(false);
        }
        catch (StoreException exception) when (exception.Problem == StoreProblem.Exists)
        {
            // Somebody was first; who, is read next.
        }
    }
}

/// <summary>A stack that wrote to a folder before another one took it over.</summary>
/// <param name="Uid">Its UID.</param>
/// <param name="Since">When it began.</param>
/// <param name="Until">When it was taken over.</param>
/// <param name="By">UID of who did.</param>
public sealed record FormerOwner(string Uid, DateTimeOffset Since, DateTimeOffset Until, string By);

/// <summary>The contract of marks.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(StackMark))]
internal sealed partial class MarkJson : JsonSerializerContext;
