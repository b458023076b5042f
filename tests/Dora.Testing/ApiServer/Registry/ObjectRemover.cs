using System.Globalization;
using System.Text.Json.Nodes;
using Dora.Testing.ApiServer.Http;
using Dora.Testing.ApiServer.Schemas;
using Dora.Testing.ApiServer.Storage;

namespace Dora.Testing.ApiServer.Registry;

/// <summary>What a delete asks for.</summary>
/// <param name="Propagation">Foreground, Background (also when null) or Orphan.</param>
/// <param name="Uid">Only this very object.</param>
/// <param name="ResourceVersion">Only this very state.</param>
/// <param name="GracePeriodSeconds">For pods on a node.</param>
/// <param name="DryRun">Everything but doing it.</param>
internal sealed record DeleteOptions(
    string? Propagation = null, string? Uid = null, string? ResourceVersion = null, long? GracePeriodSeconds = null, bool DryRun = false);

/// <summary>Deletion: at once, or marked and waiting for finalizers, the kubelet, or the namespace's content.</summary>
internal sealed class ObjectRemover(ObjectStore store, KindCatalog kinds, ApiServerOptions options)
{
    public const string Foreground = "foregroundDeletion";
    public const string Orphan = "orphan";

    /// <returns>The object if it still waits for something, else null; and the last state.</returns>
    public (StoredObject? Waiting, StoredObject Last) Delete(ServedKind kind, string? ns, string name, DeleteOptions delete)
    {
        lock (store.Gate)
        {
            var live = store.Of(kind.Resource).Find(ns, name) ?? throw StatusError.NotFound(kind.Resource, name);
            CheckPreconditions(kind, live, delete);
            var body = live.ToJson();
            AddFinalizer(body, delete.Propagation);
            var grace = GraceOf(kind, body, delete);
            var waits = Envelope.MetadataOf(body)["finalizers"] is JsonArray { Count: > 0 } || grace > 0 || kind.Resource == KindCatalog.Namespaces;
            if (!waits)
            {
                if (!delete.DryRun)
                    Remove(kind, live);
                return (null, live);
            }

            if (live.IsDeleting && grace > 0)
                return (live, live);
            Mark(kind, body, grace);
            var marked = JsonNode.DeepEquals(live.ToJson(), body) ? live : delete.DryRun ? StoredObject.From(body) : store.Put(kind.Resource, body);
            return (marked, marked);
        }
    }

    /// <summary>Takes a finalizer away; the last one gone, the object goes too.</summary>
    public void RemoveFinalizer(ServedKind kind, StoredObject live, string finalizer)
    {
        lock (store.Gate)
        {
            if (store.Of(kind.Resource).Find(live.Namespace, live.Name) is not { } current || !current.Finalizers.Contains(finalizer))
                return;
            var left = current.Finalizers.Where(one => one != finalizer).ToArray();
            if (left.Length == 0 && current.IsDeleting)
            {
                Remove(kind, current);
                return;
            }

            var body = current.ToJson();
            Envelope.MetadataOf(body)["finalizers"] = new JsonArray([.. left.Select(one => JsonValue.Create(one))]);
            store.Put(kind.Resource, body);
        }
    }

    /// <summary>Removes at once, whatever it waited for.</summary>
    public void Remove(ServedKind kind, StoredObject live)
    {
        lock (store.Gate)
        {
            if (kind.Resource == KindCatalog.CustomResourceDefinitions)
                RemoveInstances(live.ToJson());
            store.Remove(kind.Resource, live);
        }
    }

    private void RemoveInstances(JsonObject definition)
    {
        foreach (var kind in kinds.Of(definition))
        {
            foreach (var instance in store.Of(kind.Resource).Objects.Values)
                store.Remove(kind.Resource, instance);
            kinds.Remove(kind.Resource.Group, kind.Resource.Version, kind.Resource.Plural);
        }
    }

    private static void CheckPreconditions(ServedKind kind, StoredObject live, DeleteOptions delete)
    {
        if (delete.Uid is { } uid && uid != live.Uid)
        {
            throw StatusError.Precondition(kind.Resource, live.Name,
                $"the UID in the precondition ({uid}) does not match the UID in record ({live.Uid}). The object might have been deleted and then recreated");
        }

        if (delete.ResourceVersion is { } version && version != live.ResourceVersion.ToString(CultureInfo.InvariantCulture))
        {
            throw StatusError.Precondition(kind.Resource, live.Name,
                $"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({live.ResourceVersion}). The object might have been modified");
        }
    }

    private static void AddFinalizer(JsonObject body, string? propagation)
    {
        var metadata = Envelope.MetadataOf(body);
        var finalizers = (metadata["finalizers"] as JsonArray ?? []).Select(one => (string)one!)
            .Where(one => propagation is null || one is not (Foreground or Orphan)).ToList();
        if (propagation == "Foreground")
            finalizers.Add(Foreground);
        else if (propagation == "Orphan")
            finalizers.Add(Orphan);
        if (finalizers.Count > 0)
            metadata["finalizers"] = new JsonArray([.. finalizers.Select(one => JsonValue.Create(one))]);
        else
            metadata.Remove("finalizers");
    }

    // A pod on a node is the kubelet's to end; one on no node goes at once.
    private static long GraceOf(ServedKind kind, JsonObject body, DeleteOptions delete) =>
        kind.Resource.Plural == "pods" && body["spec"]?["nodeName"] is not null
            ? delete.GracePeriodSeconds ?? (long?)body["spec"]!["terminationGracePeriodSeconds"] ?? 30
            : 0;

    private void Mark(ServedKind kind, JsonObject body, long grace)
    {
        var metadata = Envelope.MetadataOf(body);
        if (metadata["deletionTimestamp"] is null)
        {
            metadata["deletionTimestamp"] = options.Clock.GetUtcNow().UtcDateTime.AddSeconds(grace).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
            metadata["deletionGracePeriodSeconds"] = grace;
            if (metadata["generation"] is { } generation)
                metadata["generation"] = (long)generation + 1;
        }

        if (kind.Resource == KindCatalog.Namespaces)
            body["status"] = new JsonObject { ["phase"] = "Terminating" };
    }
}
