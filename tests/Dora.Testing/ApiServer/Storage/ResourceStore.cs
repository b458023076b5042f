using System.Collections.Immutable;

namespace Dora.Testing.ApiServer.Storage;

/// <summary>A change of one object. <c>Before</c> is null for a new object; of a removed one <c>After</c> is its last state, with a resource version of its own.</summary>
internal sealed record StoreEvent(long ResourceVersion, StoredObject? Before, StoredObject After, bool Removed);

/// <summary>
/// The objects of one resource and the log of their changes. Watchers read the one log, each from its own position; any state that
/// has not been compacted away can be had back by undoing the log.
/// </summary>
internal sealed class ResourceStore
{
    private readonly Lock gate = new();
    private readonly List<StoreEvent> log = [];
    private ImmutableSortedDictionary<string, StoredObject> objects = ImmutableSortedDictionary.Create<string, StoredObject>(StringComparer.Ordinal);
    private TaskCompletionSource changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long compacted;
    private long lastForgotten;

    public ImmutableSortedDictionary<string, StoredObject> Objects => Volatile.Read(ref objects);

    /// <summary>Changes up to this resource version can no longer be had.</summary>
    public long CompactedTo => Volatile.Read(ref compacted);

    public StoredObject? Find(string? ns, string name) => Objects.GetValueOrDefault(StoredObject.KeyOf(ns, name));

    public void Append(StoreEvent change)
    {
        TaskCompletionSource wake;
        lock (gate)
        {
            log.Add(change);
            Volatile.Write(ref objects, change.Removed ? objects.Remove(change.After.Key) : objects.SetItem(change.After.Key, change.After));
            (wake, changed) = (changed, new(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        wake.SetResult();
    }

    /// <summary>Forgets the log up to a resource version, and wakes watchers so that those left behind notice.</summary>
    public void Compact(long resourceVersion)
    {
        TaskCompletionSource wake;
        lock (gate)
        {
            var kept = FirstAfter(resourceVersion);
            if (kept > 0)
                lastForgotten = log[kept - 1].ResourceVersion;
            log.RemoveRange(0, kept);
            Volatile.Write(ref compacted, resourceVersion);
            (wake, changed) = (changed, new(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        wake.SetResult();
    }

    /// <summary>The objects as they were at a resource version, or null when that is compacted.</summary>
    public ImmutableSortedDictionary<string, StoredObject>? At(long resourceVersion)
    {
        lock (gate)
        {
            if (resourceVersion < compacted)
                return null;
            var state = objects.ToBuilder();
            for (var i = log.Count - 1; i >= 0 && log[i].ResourceVersion > resourceVersion; i--)
            {
                if (log[i].Before is { } before)
                    state[before.Key] = before;
                else
                    state.Remove(log[i].After.Key);
            }

            return state.ToImmutable();
        }
    }

    /// <summary>Changes after a resource version, and a task that ends with the next one; null when some of them are forgotten.</summary>
    public (IReadOnlyList<StoreEvent> Changes, Task Next)? After(long resourceVersion)
    {
        lock (gate)
        {
            if (resourceVersion < lastForgotten)
                return null;
            var from = FirstAfter(resourceVersion);
            return (from == log.Count ? [] : log.GetRange(from, log.Count - from), changed.Task);
        }
    }

    private int FirstAfter(long resourceVersion)
    {
        var (low, high) = (0, log.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (log[middle].ResourceVersion <= resourceVersion)
                low = middle + 1;
            else
                high = middle;
        }

        return low;
    }
}
