using System.Text.RegularExpressions;
using Dora.Testing.ApiServer.Storage;

namespace Dora.Testing.ApiServer.Http;

/// <summary>A label selector and a field selector.</summary>
internal sealed partial class Selector
{
    private readonly List<Func<StoredObject, bool>> conditions = [];

    public bool IsEverything => conditions.Count == 0;

    /// <exception cref="StatusError">400 for what cannot be parsed.</exception>
    public static Selector Parse(string? labels, string? fields, string plural)
    {
        var selector = new Selector();
        foreach (var requirement in Commas().Split(labels ?? "").Select(text => text.Trim()).Where(text => text.Length > 0))
            selector.conditions.Add(LabelCondition(requirement));
        foreach (var requirement in (fields ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
            selector.conditions.Add(FieldCondition(requirement, plural));
        return selector;
    }

    public bool Matches(StoredObject candidate) => conditions.TrueForAll(condition => condition(candidate));

    private static Func<StoredObject, bool> LabelCondition(string text)
    {
        if (Requirement().Match(text) is not { Success: true } match)
            throw StatusError.BadRequest($"unable to parse requirement: {text}");
        var key = match.Groups["key"].Value;
        var values = match.Groups["values"].Value.Split(',').Select(value => value.Trim()).ToHashSet();
        bool Has(StoredObject one) => one.Labels.TryGetValue(key, out var value) && values.Contains(value);
        return (match.Groups["op"].Value, match.Groups["not"].Success) switch
        {
            ("", true) => one => !one.Labels.ContainsKey(key),
            ("", false) => one => one.Labels.ContainsKey(key),
            ("=" or "==" or "in", false) => Has,
            ("!=" or "notin", false) => one => !Has(one),
            _ => throw StatusError.BadRequest($"unable to parse requirement: {text}"),
        };
    }

    private static Func<StoredObject, bool> FieldCondition(string text, string plural)
    {
        var match = FieldRequirement().Match(text);
        var (field, wanted, negated) = (match.Groups["key"].Value, match.Groups["value"].Value, match.Groups["op"].Value == "!=");
        Func<StoredObject, string?> get = (field, plural) switch
        {
            ("metadata.name", _) => one => one.Name,
            ("metadata.namespace", _) => one => one.Namespace,
            ("spec.nodeName", "pods") => one => (string?)one.ToJson()["spec"]?["nodeName"],
            ("status.phase", "pods" or "namespaces") => one => (string?)one.ToJson()["status"]?["phase"],
            ("type", "secrets") => one => (string?)one.ToJson()["type"],
            _ => throw StatusError.BadRequest($"\"{(match.Success ? field : text)}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""),
        };
        return one => (get(one) == wanted) != negated;
    }

    [GeneratedRegex(@",(?![^(]*\))", RegexOptions.None, 1000)]
    private static partial Regex Commas();

    [GeneratedRegex(@"^(?<not>!\s*)?(?<key>[A-Za-z0-9][-A-Za-z0-9_./]*)\s*((?<op>==|=|!=)\s*(?<values>[-A-Za-z0-9_.]*)|(?<op>in|notin)\s*\((?<values>[^)]*)\))?$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Requirement();

    [GeneratedRegex("^(?<key>[^=!]+)(?<op>==|=|!=)(?<value>.*)$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex FieldRequirement();
}
