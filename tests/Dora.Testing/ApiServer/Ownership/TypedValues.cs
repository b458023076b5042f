using System.Text.Json;
using System.Text.Json.Nodes;
using Dora.Testing.ApiServer.Schemas;

namespace Dora.Testing.ApiServer.Ownership;

/// <summary>A value that may be absent, which is not the same as null.</summary>
internal readonly record struct Slot(bool Present, JsonNode? Node)
{
    public static Slot Absent { get; }

    public static Slot Of(JsonNode? node) => new(true, node);

    public static Slot Field(JsonObject? map, string name) => map is not null && map.TryGetPropertyValue(name, out var node) ? Of(node) : Absent;

    public bool IsEmptyOrAbsent => !Present || Node is null or JsonObject { Count: 0 } or JsonArray { Count: 0 };
}

/// <summary>What differs between two values.</summary>
internal sealed record Comparison(FieldSet Added, FieldSet Modified, FieldSet Removed)
{
    public bool IsSame => Added.IsEmpty && Modified.IsEmpty && Removed.IsEmpty;
}

/// <summary>
/// The four walks over typed values that server-side apply is made of; the same rules as Kubernetes' structured-merge-diff (v4),
/// its corner cases included.
/// </summary>
internal static class TypedValues
{
    /// <summary>Both values together; where both have a leaf, that of <paramref name="right"/>.</summary>
    public static Slot Merge(TypeSchema type, Slot left, Slot right)
    {
        switch (ShapeOf(type, left, right))
        {
            case Shape.Map when !type.AtomicMap && !(left.IsEmptyOrAbsent && right.IsEmptyOrAbsent):
                return MergeMaps(type, left.Node as JsonObject, right.Node as JsonObject);
            case Shape.List when type.List != ListKind.Atomic && !(left.IsEmptyOrAbsent && right.IsEmptyOrAbsent):
                return MergeLists(type, left.Node as JsonArray, right.Node as JsonArray);
            default:
                var kept = right.Present ? right : left;
                return kept with { Node = kept.Node?.DeepClone() };
        }
    }

    public static Comparison Compare(TypeSchema type, JsonNode? left, JsonNode? right)
    {
        var result = new Comparison(new(), new(), new());
        Compare(type, Slot.Of(left), Slot.Of(right), [], result);
        return result;
    }

    /// <summary>Every leaf and every list element that a value mentions.</summary>
    public static FieldSet Fields(TypeSchema type, JsonNode? value)
    {
        var set = new FieldSet();
        CollectFields(type, value, [], set);
        return set;
    }

    /// <summary>The value without the given fields and elements; null when nothing is left of a map or list.</summary>
    public static JsonNode? Remove(TypeSchema type, JsonNode? value, FieldSet remove)
    {
        switch (type.ShapeOf(value))
        {
            case Shape.Map when value is JsonObject { Count: > 0 } map && !type.AtomicMap:
                var kept = map.Where(field => !remove.HasMember("f:" + field.Key)).Select(field => KeyValuePair.Create(
                    field.Key,
                    remove.Below("f:" + field.Key) is { } below ? Remove(type.Field(field.Key)!, field.Value, below) : field.Value?.DeepClone())).ToList();
                return kept.Count > 0 ? new JsonObject(kept) : null;
            case Shape.List when value is JsonArray { Count: > 0 } list && type.List != ListKind.Atomic:
                var items = list.Select((item, index) => (item, element: type.PathElement(index, item))).Where(pair => !remove.HasMember(pair.element))
                    .Select(pair => remove.Below(pair.element) is { } below ? Remove(type.Items, pair.item, below) : pair.item?.DeepClone()).ToArray();
                return items.Length > 0 ? new JsonArray(items) : null;
            case Shape.Scalar:
                return value?.DeepClone();
            default:
                return null;
        }
    }

    /// <summary>
    /// A set as it is to be read under the present schema: who owns a map or list as a whole, where the type is by element, owns all
    /// that is in it (<paramref name="live"/>), and the other way round.
    /// </summary>
    public static FieldSet Reconcile(TypeSchema type, FieldSet set, FieldSet live)
    {
        var result = new FieldSet();
        foreach (var element in set.Elements)
        {
            var (isMember, below) = (set.HasMember(element), set.Below(element));
            var child = element.StartsWith("f:", StringComparison.Ordinal) ? type.Field(element[2..]) : type.Items;
            if (child is null || (below is null && !(isMember && child.IsGranular)))
                result.Put(element, isMember, below);
            else if (child.IsAtomic)
                result.Put(element, isMember: true, below: null);
            else if (below is null)
                result.Put(element, isMember, live.Below(element));
            else
                result.Put(element, isMember, Reconcile(child, below, live.Below(element) ?? new()));
        }

        return result;
    }

    /// <summary>Fails on undeclared fields and wrong types.</summary>
    /// <exception cref="TypeMismatchException">Names the path.</exception>
    public static void Validate(TypeSchema type, JsonNode? value, string path = "")
    {
        switch (value)
        {
            case null:
                return;
            case JsonObject map when type.AllowsMap:
                foreach (var (name, field) in map)
                    Validate(type.Field(name) ?? throw new TypeMismatchException($"{path}.{name}: field not declared in schema"), field, $"{path}.{name}");
                return;
            case JsonArray list when type.AllowsList:
                ValidateItems(type, list, path);
                return;
            case JsonValue scalar when type.AllowsScalar:
                if (!Fits(type.Scalar, scalar))
                    throw new TypeMismatchException($"{path}: expected {(type.Scalar is "integer" or "number" ? "numeric (int or float)" : type.Scalar)}, got {scalar.ToJsonString()}");
                return;
            default:
                throw new TypeMismatchException($"{path}: expected {(type.AllowsMap ? "map" : type.AllowsList ? "list" : type.Scalar ?? "scalar")}, got {value.ToJsonString()}");
        }
    }

    private static void ValidateItems(TypeSchema type, JsonArray list, string path)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < list.Count; i++)
        {
            string element;
            try
            {
                element = type.PathElement(i, list[i]);
            }
            catch (TypeMismatchException error)
            {
                throw new TypeMismatchException($"{path}: element {i}: {error.Message}");
            }

            if (!seen.Add(element))
                throw new TypeMismatchException($"{path}: duplicate entries for key {FieldSet.Display([element])}");
            Validate(type.Items, list[i], path + FieldSet.Display([element]));
        }
    }

    private static bool Fits(string? scalar, JsonValue value) => (scalar, value.GetValueKind()) switch
    {
        (null, _) => true,
        ("string", JsonValueKind.String) => true,
        ("integer" or "number", JsonValueKind.Number) => true,
        ("boolean", JsonValueKind.True or JsonValueKind.False) => true,
        _ => false,
    };

    private static Shape ShapeOf(TypeSchema type, Slot left, Slot right) => type.ShapeOf(right is { Present: true, Node: not null } ? right.Node : left.Node);

    private static Slot MergeMaps(TypeSchema type, JsonObject? left, JsonObject? right)
    {
        var merged = new JsonObject();
        foreach (var name in (left ?? []).Select(field => field.Key).Union((right ?? []).Select(field => field.Key)))
        {
            if (Merge(type.Field(name) ?? TypeSchema.Deduced, Slot.Field(left, name), Slot.Field(right, name)) is { Present: true } field)
                merged[name] = field.Node;
        }

        return merged.Count > 0 ? Slot.Of(merged) : Slot.Absent;
    }

    private static Slot MergeLists(TypeSchema type, JsonArray? left, JsonArray? right)
    {
        var (mine, theirs) = (ByElement(type, left), ByElement(type, right));
        var merged = new JsonArray();
        foreach (var element in mine.Keys.Concat(theirs.Keys.Where(key => !mine.ContainsKey(key))))
        {
            if (Merge(type.Items, SlotOf(mine, element), SlotOf(theirs, element)) is { Present: true } item)
                merged.Add(item.Node);
        }

        return merged.Count > 0 ? Slot.Of(merged) : Slot.Absent;
    }

    private static OrderedDictionary<string, JsonNode?> ByElement(TypeSchema type, JsonArray? list)
    {
        var result = new OrderedDictionary<string, JsonNode?>(StringComparer.Ordinal);
        for (var i = 0; i < (list?.Count ?? 0); i++)
            result.TryAdd(type.PathElement(i, list![i]), list[i]);
        return result;
    }

    private static Slot SlotOf(OrderedDictionary<string, JsonNode?> items, string element) => items.TryGetValue(element, out var item) ? Slot.Of(item) : Slot.Absent;

    private static void Compare(TypeSchema type, Slot left, Slot right, List<string> path, Comparison result)
    {
        var shape = ShapeOf(type, left, right);
        var leaf = shape == Shape.Scalar
            || (shape == Shape.Map && type.AtomicMap)
            || (shape == Shape.List && type.List == ListKind.Atomic)
            || (left.IsEmptyOrAbsent && right.IsEmptyOrAbsent);
        if (!leaf && shape == Shape.Map)
        {
            var (mine, theirs) = (left.Node as JsonObject, right.Node as JsonObject);
            foreach (var name in (mine ?? []).Select(field => field.Key).Union((theirs ?? []).Select(field => field.Key)))
                Descend(type.Field(name) ?? TypeSchema.Deduced, Slot.Field(mine, name), Slot.Field(theirs, name), "f:" + name);
        }
        else if (!leaf)
        {
            var (mine, theirs) = (ByElement(type, left.Node as JsonArray), ByElement(type, right.Node as JsonArray));
            foreach (var element in mine.Keys.Union(theirs.Keys))
                Descend(type.Items, SlotOf(mine, element), SlotOf(theirs, element), element);
        }

        if (!left.Present)
            result.Added.Insert(path);
        else if (!right.Present)
            result.Removed.Insert(path);
        else if (leaf && !JsonNode.DeepEquals(left.Node, right.Node))
            result.Modified.Insert(path);

        void Descend(TypeSchema child, Slot a, Slot b, string element)
        {
            path.Add(element);
            Compare(child, a, b, path, result);
            path.RemoveAt(path.Count - 1);
        }
    }

    private static void CollectFields(TypeSchema type, JsonNode? value, List<string> path, FieldSet set)
    {
        switch (type.ShapeOf(value))
        {
            case Shape.Map when !type.AtomicMap:
                foreach (var (name, field) in value as JsonObject ?? [])
                {
                    path.Add("f:" + name);
                    CollectFields(type.Field(name) ?? TypeSchema.Deduced, field, path, set);
                    if (!type.Declares(name))
                        set.Insert(path);
                    path.RemoveAt(path.Count - 1);
                }

                break;
            case Shape.List when type.List != ListKind.Atomic:
                for (var i = 0; i < ((value as JsonArray)?.Count ?? 0); i++)
                {
                    path.Add(type.PathElement(i, value![i]));
                    CollectFields(type.Items, value[i], path, set);
                    set.Insert(path);
                    path.RemoveAt(path.Count - 1);
                }

                break;
            default:
                set.Insert(path);
                break;
        }
    }
}
