using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Dora.Kubernetes.Model;

namespace Dora.Testing.ApiServer.Storage;

/// <summary>A change, and of which resource.</summary>
internal sealed record StoreChange(KubeResource Resource, StoreEvent Event);

/// <summary>All objects, with one resource version over all of them. Writers hold <see cref="Gate"/>; readers need no lock.</summary>
internal sealed class ObjectStore
{
    private readonly ConcurrentDictionary<KubeResource, ResourceStore> stores = [];
    private readonly Dictionary<string, (KubeResource Resource, string Key)> byUid = [];
    private readonly Dictionary<string, HashSet<(KubeResource Resource, string Key)>> byOwner = [];
    private ImmutableList<ChannelWriter<StoreChange>> listeners = [];
    private TaskCompletionSource next = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long resourceVersion = 1;

    public Lock Gate { get; } = new();

    public long ResourceVersion => Volatile.Read(ref resourceVersion);

    /// <summary>Ends with the next change of anything.</summary>
    public Task Next => Volatile.Read(ref next).Task;

    public ResourceStore Of(KubeResource resource) => stores.GetOrAdd(resource, _ => new ResourceStore());

    /// <summary>Stores a new version; sets its resource version.</summary>
    public StoredObject Put(KubeResource resource, JsonObject body)
    {
        var before = Of(resource).Find((string?)body["metadata"]!["namespace"], (string)body["metadata"]!["name"]!);
        return Append(resource, before, body, removed: false);
    }

    /// <summary>Removes an object. The last state that watchers see has a resource version of its own.</summary>
    public StoredObject Remove(KubeResource resource, StoredObject last) => Append(resource, last, last.ToJson(), removed: true);

    public (KubeResource Resource, StoredObject Object)? ByUid(string uid) =>
        byUid.TryGetValue(uid, out var at) && Of(at.Resource).Objects.TryGetValue(at.Key, out var found) ? (at.Resource, found) : null;

    public IReadOnlyList<(KubeResource Resource, StoredObject Object)> DependentsOf(string uid) => byOwner.TryGetValue(uid, out var keys)
        ? [.. keys.Select(at => (at.Resource, Object: Of(at.Resource).Objects.GetValueOrDefault(at.Key))).Where(one => one.Object is not null).Select(one => (one.Resource, one.Object!))]
        : [];

    public IEnumerable<(KubeResource Resource, StoredObject Object)> InNamespace(string ns) =>
        stores.SelectMany(store => store.Value.Objects.Values.Where(one => one.Namespace == ns).Select(one => (store.Key, one)));

    /// <summary>Forgets the history of every resource.</summary>
    public void Compact()
    {
        lock (Gate)
        {
            foreach (var store in stores.Values)
                store.Compact(resourceVersion);
        }
    }

    /// <summary>Every change from now on, for what runs beside the server.</summary>
    public ChannelReader<StoreChange> Listen()
    {
        var channel = Channel.CreateUnbounded<StoreChange>();
        lock (Gate)
            listeners = listeners.Add(channel.Writer);
        return channel.Reader;
    }

    private StoredObject Append(KubeResource resource, StoredObject? before, JsonObject body, bool removed)
    {
        var version = resourceVersion + 1;
        body["metadata"]!["resourceVersion"] = version.ToString(CultureInfo.InvariantCulture);
        var after = StoredObject.From(body);
        Index(resource, before, removed ? null : after);
        var change = new StoreEvent(version, before, after, removed);
        Of(resource).Append(change);
        Volatile.Write(ref resourceVersion, version);
        foreach (var listener in listeners)
            listener.TryWrite(new(resource, change));
        Interlocked.Exchange(ref next, new(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
        return after;
    }

    private void Index(KubeResource resource, StoredObject? before, StoredObject? after)
    {
        if (before is not null)
        {
            byUid.Remove(before.Uid);
            foreach (var owner in before.Owners)
                byOwner.GetValueOrDefault(owner.Uid)?.Remove((resource, before.Key));
        }

        if (after is null)
            return;
        byUid[after.Uid] = (resource, after.Key);
        foreach (var owner in after.Owners)
        {
            if (!byOwner.TryGetValue(owner.Uid, out var dependents))
                byOwner[owner.Uid] = dependents = [];
            dependents.Add((resource, after.Key));
        }
    }
}
