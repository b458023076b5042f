using Dora.Kubernetes.Model;

namespace Dora.Operator.Access;

/// <summary>One verb on one kind.</summary>
internal readonly record struct Right(string Group, string Resource, string Verb);

/// <summary>Lists of rules as sets of rights.</summary>
internal static class PolicyRules
{
    private static readonly string[] VerbOrder = ["get", "list", "watch", "create", "update", "patch", "delete"];

    /// <summary>Every right that the rules give.</summary>
    public static IEnumerable<Right> Rights(IEnumerable<PolicyRule> rules) =>
        from rule in rules
        from @group in rule.ApiGroups ?? []
        from resource in rule.Resources ?? []
        from verb in rule.Verbs
        select new Right(@group, resource, verb);

    /// <summary>The same rights in as few rules as read well: one for the kinds of a group that share their verbs.</summary>
    public static IReadOnlyList<PolicyRule> Compact(IEnumerable<PolicyRule> rules) =>
    [
        .. Rights(rules)
            .Distinct()
            .GroupBy(right => (right.Group, right.Resource), right => right.Verb)
            .GroupBy(kind => (kind.Key.Group, Verbs: string.Join(' ', kind.OrderBy(Order))), kind => kind.Key.Resource)
            .Select(shared => new PolicyRule(shared.Key.Verbs.Split(' '), [shared.Key.Group], [.. shared.Order(StringComparer.Ordinal)]))
            .OrderBy(rule => rule.ApiGroups![0], StringComparer.Ordinal)
            .ThenBy(rule => rule.Resources![0], StringComparer.Ordinal),
    ];

    private static int Order(string verb) =>
        Array.IndexOf(VerbOrder, verb) is >= 0 and var place ? place : throw new ArgumentException($"'{verb}' is no verb of the Kubernetes API", nameof(verb));
}
