using System.Text.Json.Nodes;

namespace Dora.Testing.ApiServer.Ownership;

/// <summary>
/// A set of field paths, as <c>managedFields[].fieldsV1</c> writes it: elements are <c>f:name</c>, <c>k:{…}</c> (an element of a list
/// map), <c>v:…</c> (an element of a set) and <c>i:0</c>. A path may be a member and have children.
/// </summary>
internal sealed class FieldSet
{
    private readonly SortedSet<string> members = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, FieldSet> children = new(StringComparer.Ordinal);

    public bool IsEmpty => members.Count == 0 && children.Values.All(child => child.IsEmpty);

    public static FieldSet FromJson(JsonObject? json)
    {
        var set = new FieldSet();
        foreach (var (element, below) in json ?? [])
        {
            if (element == ".")
                continue;
            var nested = below as JsonObject ?? [];
            if (nested.Count == 0 || nested.ContainsKey("."))
                set.members.Add(element);
            if (nested.Count > (nested.ContainsKey(".") ? 1 : 0))
                set.children[element] = FromJson(nested);
        }

        return set;
    }

    public JsonObject ToJson()
    {
        var json = new JsonObject();
        foreach (var element in Elements.Order(StringComparer.Ordinal))
        {
            var below = children.TryGetValue(element, out var child) ? child.ToJson() : [];
            if (members.Contains(element) && below.Count > 0)
                below.Insert(0, ".", new JsonObject());
            if (members.Contains(element) || below.Count > 0)
                json[element] = below;
        }

        return json;
    }

    public void Insert(IReadOnlyList<string> path)
    {
        if (path.Count == 0)
            return;
        var set = this;
        foreach (var element in path.SkipLast(1))
        {
            if (!set.children.TryGetValue(element, out var child))
                set.children[element] = child = new FieldSet();
            set = child;
        }

        set.members.Add(path[^1]);
    }

    /// <summary>Every first element of a path.</summary>
    public IEnumerable<string> Elements => members.Union(children.Keys);

    public void Put(string element, bool isMember, FieldSet? below)
    {
        if (isMember)
            members.Add(element);
        if (below is { IsEmpty: false })
            children[element] = below;
    }

    public bool HasMember(string element) => members.Contains(element);

    public FieldSet? Below(string element) => children.TryGetValue(element, out var child) && !child.IsEmpty ? child : null;

    public FieldSet Union(FieldSet other) => Combine(other, (mine, theirs) => mine || theirs);

    public FieldSet Intersection(FieldSet other) => Combine(other, (mine, theirs) => mine && theirs);

    public FieldSet Difference(FieldSet other) => Combine(other, (mine, theirs) => mine && !theirs);

    public bool SetEquals(FieldSet other) => Difference(other).IsEmpty && other.Difference(this).IsEmpty;

    /// <summary>Every member, parents before children.</summary>
    public IEnumerable<IReadOnlyList<string>> Paths()
    {
        foreach (var element in Elements.Order(StringComparer.Ordinal))
        {
            if (members.Contains(element))
                yield return [element];
            if (children.TryGetValue(element, out var child))
            {
                foreach (var path in child.Paths())
                    yield return [element, .. path];
            }
        }
    }

    /// <summary>A path as error messages write it: <c>.spec.containers[name="db"].image</c>.</summary>
    public static string Display(IEnumerable<string> path) => string.Concat(path.Select(element => element[0] switch
    {
        'f' => "." + element[2..],
        'k' => $"[{string.Join(",", JsonNode.Parse(element[2..])!.AsObject().Select(key => $"{key.Key}={key.Value!.ToJsonString()}"))}]",
        'v' => $"[={element[2..]}]",
        _ => $"[{element[2..]}]",
    }));

    private FieldSet Combine(FieldSet other, Func<bool, bool, bool> keep)
    {
        var result = new FieldSet();
        foreach (var element in members.Union(other.members))
        {
            if (keep(members.Contains(element), other.members.Contains(element)))
                result.members.Add(element);
        }

        foreach (var element in children.Keys.Union(other.children.Keys))
        {
            var child = (children.GetValueOrDefault(element) ?? new()).Combine(other.children.GetValueOrDefault(element) ?? new(), keep);
            if (!child.IsEmpty)
                result.children[element] = child;
        }

        return result;
    }
}
