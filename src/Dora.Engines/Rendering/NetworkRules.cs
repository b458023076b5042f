using System.Globalization;
using System.Net;
using Dora.Api;

namespace Dora.Engines.Rendering;

/// <summary>What in <see cref="NetworkSettings"/> cannot be done: the rules of the CRD said again for API servers that do not know CEL.</summary>
public static class NetworkRules
{
    private const string Root = "spec.network.clients";

    /// <summary>Rules of <c>spec.network</c>.</summary>
    public static IEnumerable<Violation> Check(NetworkSettings? network)
    {
        var clients = network?.Clients ?? [];
        if (clients.Count > NetworkSettings.MostClients)
            yield return PodRules.TooMany(Root, clients.Count, NetworkSettings.MostClients);
        foreach (var (index, client) in clients.Index())
        {
            foreach (var violation in Client(string.Create(CultureInfo.InvariantCulture, $"{Root}[{index}]"), client))
                yield return violation;
        }
    }

    private static IEnumerable<Violation> Client(string path, NetworkClient? client)
    {
        if (client is null || (client.Cidr is not null) == (client.NamespaceSelector is not null || client.PodSelector is not null))
        {
            yield return new(path, "is not one client", "give cidr alone, or namespaceSelector, podSelector or both");
            yield break;
        }

        // Bits behind the prefix would be a range other than the one that was written.
        if (client.Cidr is { } cidr && !(IPNetwork.TryParse(cidr, out var range) && range.BaseAddress.Equals(IPAddress.Parse(cidr.Split('/')[0]))))
            yield return new($"{path}.cidr", $"'{cidr}' is not a range of addresses", "write the first address of the range and the length of its prefix, e.g. 10.20.0.0/16");
        foreach (var violation in Selector($"{path}.namespaceSelector", client.NamespaceSelector).Concat(Selector($"{path}.podSelector", client.PodSelector)))
            yield return violation;
    }

    private static IEnumerable<Violation> Selector(string path, NetworkSelector? selector)
    {
        foreach (var violation in PodRules.Labels($"{path}.matchLabels", selector?.MatchLabels, NetworkSelector.MostLabels))
            yield return violation;
        foreach (var (index, requirement) in (selector?.MatchExpressions ?? []).Index())
        {
            var place = string.Create(CultureInfo.InvariantCulture, $"{path}.matchExpressions[{index}]");
            if (requirement is null || !LabelForms.IsKey(requirement.Key))
                yield return new($"{place}.key", $"'{requirement?.Key}' is not a label's key", "write e.g. team or kubernetes.io/metadata.name");
            else if (requirement.Operator is SelectorOperator.In or SelectorOperator.NotIn ? requirement.Values is not { Count: > 0 } : requirement.Values is not null)
                yield return new($"{place}.values", $"{requirement.Operator} {(requirement.Values is null ? "needs values" : "does not go with these values")}", "give values with In and NotIn, and none with Exists and DoesNotExist");
            else if (requirement.Values?.FirstOrDefault(value => !LabelForms.IsValue(value)) is { } value)
                yield return new($"{place}.values", $"'{value}' is not a label's value", "use at most 63 letters, digits, '-', '_' and '.', letters or digits first and last");
        }
    }
}
