using System.Globalization;
using System.Text.Json.Nodes;
using Dora.Testing.ApiServer.Http;
using Dora.Testing.ApiServer.Ownership;
using Dora.Testing.ApiServer.Schemas;
using Dora.Testing.ApiServer.Storage;

namespace Dora.Testing.ApiServer.Registry;

/// <summary>How a write is to be done.</summary>
/// <param name="Manager">The field manager.</param>
/// <param name="Subresource">Null or <c>status</c>.</param>
/// <param name="DryRun">Everything but storing.</param>
internal sealed record WriteOptions(string Manager, string? Subresource = null, bool DryRun = false)
{
    public FieldManager ManagerFor(ServedKind kind, string operation) => new(Manager, operation, kind.Resource.ApiVersion, Subresource);
}

/// <summary>Create, replace, patch and apply, each as kube-apiserver does it.</summary>
internal sealed class ObjectWriter(ObjectStore store, KindCatalog kinds, ApiServerOptions options)
{
    public StoredObject Create(ServedKind kind, string? ns, JsonObject body, WriteOptions write)
    {
        Envelope.CheckType(kind, body);
        Envelope.CheckIdentity(kind, ns, urlName: null, body);
        if ((string?)Envelope.MetadataOf(body)["resourceVersion"] is { Length: > 0 })
            throw StatusError.Internal("resourceVersion should not be set on objects to be created");
        Envelope.MetadataOf(body).Remove("managedFields");
        lock (store.Gate)
            return CreateNew(kind, ns, body, new FieldOwnership(), write, ownsByUpdate: true);
    }

    public StoredObject Replace(ServedKind kind, string? ns, string name, JsonObject body, WriteOptions write)
    {
        Envelope.CheckType(kind, body);
        Envelope.CheckIdentity(kind, ns, name, body);
        lock (store.Gate)
        {
            var live = Find(kind, ns, name);
            Envelope.CheckVersion(kind, live, body, isReplace: true);
            return Change(kind, live, write, FieldManager.ByUpdate, (_, _) => body);
        }
    }

    /// <param name="kind">The kind.</param>
    /// <param name="ns">The namespace.</param>
    /// <param name="name">The name.</param>
    /// <param name="patch">Live object (a copy) -> patched object.</param>
    /// <param name="write">How.</param>
    public StoredObject Patch(ServedKind kind, string? ns, string name, Func<JsonObject, JsonObject> patch, WriteOptions write)
    {
        lock (store.Gate)
        {
            var live = Find(kind, ns, name);
            return Change(kind, live, write, FieldManager.ByUpdate, (body, _) =>
            {
                var patched = patch(body);
                Envelope.CheckType(kind, patched);
                Envelope.CheckIdentity(kind, ns, name, patched);
                Envelope.CheckVersion(kind, live, patched, isReplace: false);
                return patched;
            });
        }
    }

    public (StoredObject Object, bool Created) Apply(ServedKind kind, string? ns, string name, JsonObject config, bool force, WriteOptions write)
    {
        var given = (string?)config["apiVersion"] ?? "";
        if (given != kind.Resource.ApiVersion)
            throw StatusError.BadRequest($"Incorrect version specified in apply patch. Specified patch version: {given}, expected: {kind.Resource.ApiVersion}");
        Envelope.CheckType(kind, config);
        Envelope.CheckIdentity(kind, ns, name, config);
        if (Envelope.MetadataOf(config).ContainsKey("managedFields"))
            throw StatusError.BadRequest("metadata.managedFields must be nil");
        CheckTyped(kind, config);
        DropWhatTheEndpointDoesNotWrite(kind, config, write.Subresource);
        lock (store.Gate)
        {
            var live = store.Of(kind.Resource).Find(ns, name);
            if (live is not null)
            {
                Envelope.CheckVersion(kind, live, config, isReplace: false);
                return (Change(kind, live, write, FieldManager.ByApply, (body, ownership) => Merge(kind, body, config, ownership, force, write)), false);
            }

            if (write.Subresource is not null)
                throw StatusError.NotFound(kind.Resource, name);
            if ((string?)Envelope.MetadataOf(config)["uid"] is { } uid)
                throw StatusError.Conflict(kind.Resource, name, $"uid mismatch: the provided object specified uid {uid}, and no existing object was found");
            var fresh = new FieldOwnership();
            return (CreateNew(kind, ns, Merge(kind, [], config, fresh, force, write), fresh, write, ownsByUpdate: false), true);
        }
    }

    private StoredObject Find(ServedKind kind, string? ns, string name) =>
        store.Of(kind.Resource).Find(ns, name) ?? throw StatusError.NotFound(kind.Resource, name);

    private static void CheckTyped(ServedKind kind, JsonObject config)
    {
        try
        {
            TypedValues.Validate(kind.Type, config);
        }
        catch (TypeMismatchException error)
        {
            throw StatusError.Internal($"failed to create typed patch object: {error.Message}");
        }
    }

    // Fields that an endpoint resets anyway are not taken into possession through it.
    private static void DropWhatTheEndpointDoesNotWrite(ServedKind kind, JsonObject config, string? subresource)
    {
        if (subresource == "status")
        {
            foreach (var field in config.Select(field => field.Key).Where(field => field is not ("apiVersion" or "kind" or "metadata" or "status")).ToList())
                config.Remove(field);
        }
        else if (kind.HasStatus)
        {
            config.Remove("status");
        }
    }

    private JsonObject Merge(ServedKind kind, JsonObject live, JsonObject config, FieldOwnership ownership, bool force, WriteOptions write)
    {
        try
        {
            return ownership.Apply(kind.Type, live, config, write.ManagerFor(kind, FieldManager.ByApply), force, Now());
        }
        catch (FieldConflictException error)
        {
            throw StatusError.ApplyConflict([.. error.Conflicts.Select(one => (one.Manager.Display, FieldSet.Display(one.Path)))]);
        }
    }

    private StoredObject CreateNew(ServedKind kind, string? ns, JsonObject body, FieldOwnership ownership, WriteOptions write, bool ownsByUpdate)
    {
        var resource = kind.Resource;
        Envelope.DropServerFields(body);
        Envelope.NameNew(resource, body);
        var name = (string)body["metadata"]!["name"]!;
        CheckNamespace(kind, ns, name);
        if (kind.HasStatus)
            body.Remove("status");
        ObjectPreparation.Normalize(kind, body);
        ObjectPreparation.Validate(kind, live: null, body, []);
        if (ownsByUpdate)
            ownership.Update(kind.Type, [], body, write.ManagerFor(kind, FieldManager.ByUpdate), isCreate: true, Now());
        if (store.Of(resource).Find(ns, name) is not null)
            throw StatusError.AlreadyExists(resource, name);

        var metadata = Envelope.MetadataOf(body);
        metadata["uid"] = Guid.NewGuid().ToString();
        metadata["creationTimestamp"] = Now();
        if (kind.HasGeneration)
            metadata["generation"] = 1;
        ownership.PutInto(body);
        CompleteNew(kind, body);
        if (write.DryRun)
            return StoredObject.From(body);
        var stored = store.Put(resource, body);
        if (resource == KindCatalog.CustomResourceDefinitions)
            Serve(body);
        return stored;
    }

    // A custom kind has no history from before its definition: an earlier resource version is too old for it.
    private void Serve(JsonObject definition)
    {
        kinds.Register(definition);
        foreach (var kind in kinds.Of(definition).Where(kind => store.Of(kind.Resource).CompactedTo == 0))
            store.Of(kind.Resource).Compact(store.ResourceVersion);
    }

    private void CompleteNew(ServedKind kind, JsonObject body)
    {
        if (kind.Resource == KindCatalog.CustomResourceDefinitions)
            ObjectPreparation.Establish(body, options.Clock.GetUtcNow());
        if (kind.Resource.Plural == "statefulsets")
            body["status"] = new JsonObject { ["replicas"] = 0 };
        if (kind.Resource.Plural == "services" && body["spec"]!["clusterIP"] is null && (string?)body["spec"]!["type"] != "ExternalName")
            body["spec"]!["clusterIP"] = $"10.0.{store.ResourceVersion / 250 % 250}.{(store.ResourceVersion % 250) + 2}";
        if (kind.Resource.Plural == "services" && (string?)body["spec"]!["clusterIP"] is { } address)
            body["spec"]!["clusterIPs"] = new JsonArray(address);
    }

    private void CheckNamespace(ServedKind kind, string? ns, string name)
    {
        if (ns is null)
            return;
        var found = store.Of(KindCatalog.Namespaces).Find(null, ns);
        if (found is null && options.NamespacesExistByThemselves)
            Create(kinds.Get(KindCatalog.Namespaces), null, new JsonObject { ["metadata"] = new JsonObject { ["name"] = ns } }, new("kube-apiserver"));
        else if (found is null)
            throw StatusError.NotFound(KindCatalog.Namespaces, ns);
        else if (found.IsDeleting)
            throw StatusError.Forbidden(kind.Resource, name, $"unable to create new content in namespace {ns} because it is being terminated");
    }

    private StoredObject Change(
        ServedKind kind, StoredObject live, WriteOptions write, string operation, Func<JsonObject, FieldOwnership, JsonObject> change)
    {
        var before = live.ToJson();
        var ownership = FieldOwnership.TakeFrom(before);
        var body = change(before.DeepClone().AsObject(), ownership);
        Envelope.MetadataOf(body).Remove("managedFields");
        Envelope.RestoreServerFields(before, body);
        KeepWhatTheEndpointDoesNotWrite(kind, before, body, write.Subresource);
        ObjectPreparation.Normalize(kind, body);
        ObjectPreparation.Validate(kind, before, body, Envelope.CheckFinalizers(live, body));
        if (operation == FieldManager.ByUpdate)
            ownership.Update(kind.Type, before, body, write.ManagerFor(kind, operation), isCreate: false, Now());
        if (ObjectPreparation.IsNewGeneration(kind, before, body))
            Envelope.MetadataOf(body)["generation"] = ((long?)Envelope.MetadataOf(before)["generation"] ?? 0) + 1;
        ownership.PutInto(body);

        if (JsonNode.DeepEquals(live.ToJson(), body))
            return live;
        if (write.DryRun)
            return StoredObject.From(body);
        if (live.IsDeleting && (Envelope.MetadataOf(body)["finalizers"] as JsonArray ?? []).Count == 0)
        {
            store.Remove(kind.Resource, StoredObject.From(body));
            return StoredObject.From(body);
        }

        var stored = store.Put(kind.Resource, body);
        if (kind.Resource == KindCatalog.CustomResourceDefinitions)
            Serve(body);
        return stored;
    }

    private static void KeepWhatTheEndpointDoesNotWrite(ServedKind kind, JsonObject live, JsonObject body, string? subresource)
    {
        void Keep(string field)
        {
            if (live[field] is { } value)
                body[field] = value.DeepClone();
            else
                body.Remove(field);
        }

        if (subresource == "status")
        {
            foreach (var field in live.Select(field => field.Key).Union(body.Select(field => field.Key)).ToList())
            {
                if (field != "status" && (field != "metadata" || kind.IsCustom))
                    Keep(field);
            }
        }
        else if (kind.HasStatus)
        {
            Keep("status");
        }
    }

    private string Now() => options.Clock.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
