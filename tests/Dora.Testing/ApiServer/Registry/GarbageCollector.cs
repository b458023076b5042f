using System.Text.Json.Nodes;
using System.Threading.Channels;
using Dora.Kubernetes.Model;
using Dora.Testing.ApiServer.Schemas;
using Dora.Testing.ApiServer.Storage;

namespace Dora.Testing.ApiServer.Registry;

/// <summary>
/// The two controllers without which deletion means nothing: dependents follow their owners (background, foreground, orphan), and
/// the content of a namespace follows the namespace. Runs beside the server, as the real ones do.
/// </summary>
internal sealed class GarbageCollector(ObjectStore store, KindCatalog kinds, ObjectRemover remover)
{
    private readonly ChannelReader<StoreChange> changes = store.Listen();
    private long processed;
    private TaskCompletionSource progress = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await foreach (var change in changes.ReadAllAsync(cancellationToken))
        {
            Process(change);
            Volatile.Write(ref processed, change.Event.ResourceVersion);
            Interlocked.Exchange(ref progress, new(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
        }
    }

    /// <summary>Ends when everything has been collected that the writes so far have made garbage.</summary>
    public async Task SettleAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var next = Volatile.Read(ref progress).Task;
            if (Volatile.Read(ref processed) >= store.ResourceVersion || store.ResourceVersion == 1)
                return;
            await next.WaitAsync(cancellationToken);
        }
    }

    private void Process(StoreChange change)
    {
        var (resource, changed) = (change.Resource, change.Event.After);
        if (change.Event.Removed)
        {
            foreach (var (dependentResource, dependent) in Dependents(changed.Uid))
                Follow(dependentResource, dependent);
            foreach (var owner in changed.Owners)
                FinishForeground(owner.Uid);
            FinishNamespace(changed.Namespace);
            return;
        }

        if (changed.Owners.Count > 0)
            Follow(resource, changed);
        if (!changed.IsDeleting)
            return;
        if (resource == KindCatalog.Namespaces)
            EmptyNamespace(changed.Name);
        if (changed.Finalizers.Contains(ObjectRemover.Orphan))
            OrphanDependents(resource, changed);
        if (changed.Finalizers.Contains(ObjectRemover.Foreground))
            DeleteDependents(changed);
    }

    private IReadOnlyList<(KubeResource Resource, StoredObject Object)> Dependents(string uid)
    {
        lock (store.Gate)
            return store.DependentsOf(uid);
    }

    private StoredObject? OwnerOf(string uid)
    {
        lock (store.Gate)
            return store.ByUid(uid)?.Object;
    }

    // Deletes a dependent none of whose owners is left; forgets the owners that are gone if others remain.
    private void Follow(KubeResource resource, StoredObject dependent)
    {
        var gone = dependent.Owners.Where(owner => OwnerOf(owner.Uid) is not { } found || IsWaitingForDependents(found)).Select(owner => owner.Uid).ToHashSet();
        if (gone.Count == 0 || dependent.IsDeleting)
            return;
        if (gone.Count == dependent.Owners.Count)
            Delete(resource, dependent);
        else
            Disown(resource, dependent, gone);
    }

    private static bool IsWaitingForDependents(StoredObject owner) => owner.IsDeleting && owner.Finalizers.Contains(ObjectRemover.Foreground);

    private void DeleteDependents(StoredObject owner)
    {
        foreach (var (resource, dependent) in Dependents(owner.Uid))
            Follow(resource, dependent);
        FinishForeground(owner.Uid);
    }

    private void FinishForeground(string ownerUid)
    {
        lock (store.Gate)
        {
            if (store.ByUid(ownerUid) is not { } owner || !IsWaitingForDependents(owner.Object))
                return;
            if (!store.DependentsOf(ownerUid).Any(one => one.Object.Owners.Any(reference => reference.Uid == ownerUid && reference.Blocks)))
                remover.RemoveFinalizer(kinds.Get(owner.Resource), owner.Object, ObjectRemover.Foreground);
        }
    }

    private void OrphanDependents(KubeResource resource, StoredObject owner)
    {
        foreach (var (dependentResource, dependent) in Dependents(owner.Uid))
            Disown(dependentResource, dependent, [owner.Uid]);
        remover.RemoveFinalizer(kinds.Get(resource), owner, ObjectRemover.Orphan);
    }

    private void Disown(KubeResource resource, StoredObject dependent, HashSet<string> owners)
    {
        lock (store.Gate)
        {
            if (store.Of(resource).Find(dependent.Namespace, dependent.Name) is not { } current)
                return;
            var body = current.ToJson();
            var left = body["metadata"]!["ownerReferences"]!.AsArray().Where(owner => !owners.Contains((string)owner!["uid"]!)).Select(owner => owner!.DeepClone()).ToArray();
            if (left.Length == 0)
                body["metadata"]!.AsObject().Remove("ownerReferences");
            else
                body["metadata"]!["ownerReferences"] = new JsonArray(left);
            store.Put(resource, body);
        }
    }

    private void EmptyNamespace(string ns)
    {
        List<(KubeResource Resource, StoredObject Object)> content;
        lock (store.Gate)
            content = [.. store.InNamespace(ns).Where(one => !one.Object.IsDeleting)];
        foreach (var (resource, found) in content)
            Delete(resource, found);
        FinishNamespace(ns);
    }

    private void FinishNamespace(string? ns)
    {
        lock (store.Gate)
        {
            if (ns is null || store.Of(KindCatalog.Namespaces).Find(null, ns) is not { IsDeleting: true } found || found.Finalizers.Count > 0)
                return;
            if (!store.InNamespace(ns).Any())
                remover.Remove(kinds.Get(KindCatalog.Namespaces), found);
        }
    }

    private void Delete(KubeResource resource, StoredObject target)
    {
        lock (store.Gate)
        {
            if (store.Of(resource).Find(target.Namespace, target.Name)?.Uid == target.Uid)
                remover.Delete(kinds.Get(resource), target.Namespace, target.Name, new());
        }
    }
}
