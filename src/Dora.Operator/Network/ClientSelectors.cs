using System.Globalization;
using Dora.Api;

namespace Dora.Operator.Network;

/// <summary>Who is named in a stack's network settings, in the words in which an API server is asked. Pure.</summary>
internal static class ClientSelectors
{
    /// <summary>Entries that name pods, each with its path. What stands for all pods of the stack's own namespace always finds some.</summary>
    public static IEnumerable<NamedClient> Of(NetworkSettings? network) => network is null or { Policies: NetworkPolicyMode.Disabled }
        ? []
        : Each("clients", network.Clients).Concat(Each("monitoring", network.Monitoring));

    /// <summary>A selector as a query, e.g. <c>app=shop,tier in (a,b),!legacy</c>; null for one that finds everything.</summary>
    public static string? Text(NetworkSelector? selector)
    {
        string[] parts =
        [
            .. (selector?.MatchLabels ?? new Dictionary<string, string>()).OrderBy(label => label.Key, StringComparer.Ordinal).Select(label => $"{label.Key}={label.Value}"),
            .. (selector?.MatchExpressions ?? []).Where(requirement => requirement is not null).Select(Text),
        ];
        return parts.Length == 0 ? null : string.Join(',', parts);
    }

    private static IEnumerable<NamedClient> Each(string list, IReadOnlyList<NetworkClient>? clients) => (clients ?? []).Index()
        .Where(entry => entry.Item is { Cidr: null })
        .Select(entry => new NamedClient(
            string.Create(CultureInfo.InvariantCulture, $"spec.network.{list}[{entry.Index}]"),
            entry.Item.NamespaceSelector is not null,
            Text(entry.Item.NamespaceSelector),
            Text(entry.Item.PodSelector)))
        .Where(client => client.Namespaces is not null || client.Pods is not null);

    private static string Text(NetworkRequirement requirement) => requirement.Operator switch
    {
        SelectorOperator.In => $"{requirement.Key} in ({string.Join(',', requirement.Values ?? [])})",
        SelectorOperator.NotIn => $"{requirement.Key} notin ({string.Join(',', requirement.Values ?? [])})",
        SelectorOperator.Exists => requirement.Key,
        _ => $"!{requirement.Key}",
    };
}

/// <summary>Pods that may connect.</summary>
/// <param name="Path">Where they are named.</param>
/// <param name="Abroad">Whether they may be in other namespaces than the stack's.</param>
/// <param name="Namespaces">Labels of their namespaces; null for any.</param>
/// <param name="Pods">Their labels; null for any.</param>
internal sealed record NamedClient(string Path, bool Abroad, string? Namespaces, string? Pods);
