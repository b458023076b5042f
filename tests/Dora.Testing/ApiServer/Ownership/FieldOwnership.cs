using System.Text.Json.Nodes;
using Dora.Testing.ApiServer.Schemas;

namespace Dora.Testing.ApiServer.Ownership;

/// <summary>Who manages fields: a name, and whether by apply or by other writes.</summary>
internal sealed record FieldManager(string Name, string Operation, string ApiVersion, string? Subresource = null)
{
    public const string ByApply = "Apply";
    public const string ByUpdate = "Update";

    /// <summary>As conflict messages name it.</summary>
    public string Display => Operation == ByApply ? $"\"{Name}\"" : $"\"{Name}\" using {ApiVersion}";
}

/// <summary>Fields that others manage, and with a different value.</summary>
internal sealed class FieldConflictException(IReadOnlyList<(FieldManager Manager, IReadOnlyList<string> Path)> conflicts) : Exception
{
    public IReadOnlyList<(FieldManager Manager, IReadOnlyList<string> Path)> Conflicts => conflicts;
}

/// <summary>
/// The managers of one object's fields and the two ways that change them; the algorithm of Kubernetes' structured-merge-diff and
/// field manager (1.20).
/// </summary>
internal sealed class FieldOwnership
{
    // Of no one: everybody has to send them, or the server sets them.
    private static readonly FieldSet Unowned = FieldSet.FromJson(JsonNode.Parse(
        """
        {"f:apiVersion":{},"f:kind":{},"f:metadata":{".":{},"f:name":{},"f:namespace":{},"f:creationTimestamp":{},"f:selfLink":{},
        "f:uid":{},"f:clusterName":{},"f:generation":{},"f:managedFields":{},"f:resourceVersion":{}}}
        """)!.AsObject());

    private readonly Dictionary<FieldManager, FieldSet> owned = [];
    private readonly Dictionary<FieldManager, string> times = [];

    /// <summary>Takes the managers out of an object's metadata.</summary>
    public static FieldOwnership TakeFrom(JsonObject body)
    {
        var ownership = new FieldOwnership();
        var metadata = body["metadata"] as JsonObject ?? [];
        foreach (var entry in metadata["managedFields"] as JsonArray ?? [])
        {
            var manager = new FieldManager((string)entry!["manager"]!, (string)entry["operation"]!, (string)entry["apiVersion"]!, (string?)entry["subresource"]);
            ownership.owned[manager] = FieldSet.FromJson(entry["fieldsV1"] as JsonObject);
            ownership.times[manager] = (string?)entry["time"] ?? "";
        }

        metadata.Remove("managedFields");
        return ownership;
    }

    /// <summary>Writes the managers into an object's metadata.</summary>
    public void PutInto(JsonObject body)
    {
        var entries = owned.Keys.OrderBy(manager => manager.Operation, StringComparer.Ordinal).ThenBy(manager => times[manager], StringComparer.Ordinal)
            .ThenBy(manager => manager.Name, StringComparer.Ordinal).Select(Entry).ToArray<JsonNode>();
        var metadata = body["metadata"]!.AsObject();
        metadata.Remove("managedFields");
        if (entries.Length > 0)
            metadata["managedFields"] = new JsonArray(entries);
    }

    /// <summary>Records a write that was not an apply: what it changed is now its own.</summary>
    public void Update(TypeSchema type, JsonObject live, JsonObject changed, FieldManager manager, bool isCreate, string now)
    {
        // Objects that nobody applied and whose writers were never recorded stay unrecorded.
        if (owned.Count == 0 && !isCreate)
            return;
        Reconcile(type, live);
        var former = owned.GetValueOrDefault(manager);
        var comparison = TypedValues.Compare(type, live, changed);
        Release(comparison, keep: null, Conflicts(comparison, except: null));
        var taken = comparison.Modified.Union(comparison.Added).Difference(comparison.Removed).Difference(Unowned);
        if (taken.IsEmpty)
            return;
        var next = owned.TryGetValue(manager, out var left) ? left.Union(taken) : taken;
        owned[manager] = next;
        if (former is null || !former.SetEquals(next))
            times[manager] = now;
    }

    /// <summary>Merges an applied configuration into the live object.</summary>
    /// <returns>The merged object; the live one itself when nothing changes.</returns>
    /// <exception cref="FieldConflictException">Others manage fields with other values, and <paramref name="force"/> is false.</exception>
    public JsonObject Apply(TypeSchema type, JsonObject live, JsonObject config, FieldManager manager, bool force, string now)
    {
        if (owned.Count == 0 && live.Count > 0)
            Update(type, [], live, new("before-first-apply", FieldManager.ByUpdate, manager.ApiVersion), isCreate: true, now);
        var formerly = new Dictionary<FieldManager, FieldSet>(owned);
        Reconcile(type, live);
        var last = owned.GetValueOrDefault(manager);
        var merged = TypedValues.Merge(type, Slot.Of(live), Slot.Of(config)).Node!.AsObject();
        owned[manager] = TypedValues.Fields(type, config);
        merged = Prune(type, merged, last);

        var comparison = TypedValues.Compare(type, live, merged);
        var conflicts = Conflicts(comparison, except: manager);
        if (conflicts.Count > 0 && !force)
            throw new FieldConflictException([.. conflicts.SelectMany(one => one.Value.Paths().Select(path => (one.Key, path)))]);
        Release(comparison, keep: manager, conflicts);
        owned[manager] = owned[manager].Difference(Unowned);
        if (owned[manager].IsEmpty)
            owned.Remove(manager);

        var changedOwners = formerly.Count != owned.Count || formerly.Any(one => !owned.TryGetValue(one.Key, out var set) || !set.SetEquals(one.Value));
        if (!comparison.IsSame || changedOwners)
            times[manager] = now;
        return comparison.IsSame ? live : merged;
    }

    private JsonObject Entry(FieldManager manager)
    {
        var entry = new JsonObject
        {
            ["manager"] = manager.Name,
            ["operation"] = manager.Operation,
            ["apiVersion"] = manager.ApiVersion,
            ["time"] = times[manager],
            ["fieldsType"] = "FieldsV1",
            ["fieldsV1"] = owned[manager].ToJson(),
        };
        if (manager.Subresource is not null)
            entry["subresource"] = manager.Subresource;
        return entry;
    }

    private void Reconcile(TypeSchema type, JsonObject live)
    {
        var fields = TypedValues.Fields(type, live);
        foreach (var (manager, set) in owned.ToList())
            owned[manager] = TypedValues.Reconcile(type, set, fields);
    }

    // Removes what this manager applied last time and no longer does, unless someone else manages it.
    private JsonObject Prune(TypeSchema type, JsonObject merged, FieldSet? last)
    {
        if (last is null || last.IsEmpty)
            return merged;
        var managed = owned.Values.Aggregate((all, one) => all.Union(one));
        var all = TypedValues.Fields(type, merged);
        var pruned = TypedValues.Remove(type, merged, last);
        pruned = TypedValues.Remove(type, merged, all.Difference(TypedValues.Fields(type, pruned).Union(managed)));
        var gone = all.Difference(TypedValues.Fields(type, pruned)).Intersection(last);
        return TypedValues.Remove(type, merged, gone) as JsonObject ?? [];
    }

    private Dictionary<FieldManager, FieldSet> Conflicts(Comparison comparison, FieldManager? except)
    {
        var changed = comparison.Modified.Union(comparison.Added);
        return owned.Where(one => one.Key != except).Select(one => (one.Key, Set: one.Value.Intersection(changed)))
            .Where(one => !one.Set.IsEmpty).ToDictionary(one => one.Key, one => one.Set);
    }

    private void Release(Comparison comparison, FieldManager? keep, Dictionary<FieldManager, FieldSet> conflicts)
    {
        foreach (var (manager, set) in owned.Where(one => one.Key != keep).ToList())
        {
            var left = set.Difference(comparison.Removed);
            if (conflicts.TryGetValue(manager, out var lost))
                left = left.Difference(lost);
            if (left.IsEmpty)
                owned.Remove(manager);
            else
                owned[manager] = left;
        }
    }
}
