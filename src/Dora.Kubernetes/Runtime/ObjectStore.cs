using Dora.Kubernetes.Model;

namespace Dora.Kubernetes.Runtime;

/// <summary>
/// The objects an informer knows, indexed by key, by owner and, if asked for, by one label. Written by the informer only;
/// read by anyone. A relist replaces everything in one step, so that no reader sees half of it.
/// </summary>
public sealed class ObjectStore<T>
    where T : class, IKubeObject
{
    private readonly Lock _lock = new();
    private readonly string? _indexLabel;
    private Contents _contents = new();
    private T[]? _all;

    /// <summary>An empty store.</summary>
    /// <param name="indexLabel">The label that <see cref="ByLabel"/> looks up; null for none.</param>
    public ObjectStore(string? indexLabel = null) => _indexLabel = indexLabel;

    /// <summary>Number of objects.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
                return _contents.Objects.Count;
        }
    }

    /// <summary>All objects as they are now.</summary>
    public IReadOnlyCollection<T> All
    {
        get
        {
            lock (_lock)
                return _all ??= [.. _contents.Objects.Values];
        }
    }

    /// <summary>The object, or null.</summary>
    public T? Find(ObjectKey key)
    {
        lock (_lock)
            return _contents.Objects.GetValueOrDefault(key);
    }

    /// <summary>The objects with an owner reference to this UID.</summary>
    public IReadOnlyList<T> ByOwner(string uid)
    {
        lock (_lock)
            return _contents.ByOwner.GetValueOrDefault(uid, []);
    }

    /// <summary>The objects whose index label has this value.</summary>
    /// <exception cref="InvalidOperationException">The store was made without an index label.</exception>
    public IReadOnlyList<T> ByLabel(string value)
    {
        if (_indexLabel is null)
            throw new InvalidOperationException("this store has no index label; see InformerOptions.IndexLabel");
        lock (_lock)
            return _contents.ByLabel.GetValueOrDefault(value, []);
    }

    /// <summary>Adds or replaces an object; returns the one that was there.</summary>
    internal T? Set(T value)
    {
        lock (_lock)
        {
            _all = null;
            return _contents.Set(ObjectKey.Of(value), value, _indexLabel);
        }
    }

    /// <summary>Removes an object; returns the one that was there.</summary>
    internal T? Remove(ObjectKey key)
    {
        lock (_lock)
        {
            _all = null;
            return _contents.Remove(key, _indexLabel);
        }
    }

    /// <summary>Replaces everything in one step; returns what that changed.</summary>
    internal List<ObjectChange<T>> Replace(List<T> objects)
    {
        var fresh = new Contents(objects.Count);
        foreach (var value in objects)
            fresh.Set(ObjectKey.Of(value), value, _indexLabel);
        Contents old;
        lock (_lock)
        {
            old = _contents;
            _contents = fresh;
            _all = null;
        }

        return Difference(old, fresh);
    }

    private static List<ObjectChange<T>> Difference(Contents old, Contents fresh)
    {
        var changes = new List<ObjectChange<T>>();
        foreach (var (key, before) in old.Objects)
        {
            // Another UID under the same key is another object: the old one was deleted unseen.
            if (!fresh.Objects.TryGetValue(key, out var now) || !string.Equals(now.Metadata.Uid, before.Metadata.Uid, StringComparison.Ordinal))
                changes.Add(new(before, null));
        }

        foreach (var (key, now) in fresh.Objects)
        {
            var before = old.Objects.GetValueOrDefault(key);
            if (before is null || !string.Equals(now.Metadata.Uid, before.Metadata.Uid, StringComparison.Ordinal))
                changes.Add(new(null, now));
            else if (!string.Equals(now.Metadata.ResourceVersion, before.Metadata.ResourceVersion, StringComparison.Ordinal))
                changes.Add(new(before, now));
        }

        return changes;
    }

    /// <summary>The buckets of the indexes are arrays that are never changed, so that readers get them as they are.</summary>
    private sealed class Contents(int capacity = 0)
    {
        public Dictionary<ObjectKey, T> Objects { get; } = new(capacity);

        public Dictionary<string, T[]> ByOwner { get; } = new(StringComparer.Ordinal);

        public Dictionary<string, T[]> ByLabel { get; } = new(StringComparer.Ordinal);

        public T? Set(ObjectKey key, T value, string? indexLabel)
        {
            var old = Remove(key, indexLabel);
            Objects[key] = value;
            foreach (var owner in value.Metadata.OwnerReferences ?? [])
                AddTo(ByOwner, owner.Uid, value);
            if (indexLabel is not null && value.Metadata.Label(indexLabel) is { } label)
                AddTo(ByLabel, label, value);
            return old;
        }

        public T? Remove(ObjectKey key, string? indexLabel)
        {
            if (!Objects.Remove(key, out var old))
                return null;
            foreach (var owner in old.Metadata.OwnerReferences ?? [])
                RemoveFrom(ByOwner, owner.Uid, old);
            if (indexLabel is not null && old.Metadata.Label(indexLabel) is { } label)
                RemoveFrom(ByLabel, label, old);
            return old;
        }

        private static void AddTo(Dictionary<string, T[]> index, string at, T value) =>
            index[at] = index.TryGetValue(at, out var bucket) ? [.. bucket, value] : [value];

        private static void RemoveFrom(Dictionary<string, T[]> index, string at, T value)
        {
            if (!index.TryGetValue(at, out var bucket))
                return;
            var rest = Array.FindAll(bucket, item => !ReferenceEquals(item, value));
            if (rest.Length == 0)
                index.Remove(at);
            else
                index[at] = rest;
        }
    }
}
