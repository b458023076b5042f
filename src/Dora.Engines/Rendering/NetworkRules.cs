using System.Globalization;
using System.Net;
using Dora.Api;

namespace Dora.Engines.Rendering;

/// <summary>What in <see cref="NetworkSettings"/> cannot be done: the rules of the CRD said again for API servers that do not know CEL.</summary>
public static class NetworkRules
{
    private const string Root = "spec.network";

    /// <summary>Rules of <c>spec.network</c>.</summary>
    /// <param name="network">The settings.</param>
    /// <param name="stackVersion">What pods hold.</param>
    public static IEnumerable<Violation> Check(NetworkSettings? network, string stackVersion = StackVersions.Newest)
    {
        if (network is { Mesh: not NetworkMesh.None } && !StackRelease.Of(stackVersion).Encrypted)
            yield return new($"{Root}.mesh", $"servers of stackVersion {stackVersion} speak in the clear, which a mesh would refuse to the operator", $"raise spec.stackVersion to {StackVersions.Newest}, or remove the field");
        foreach (var violation in Each($"{Root}.clients", network?.Clients, Client)
            .Concat(Each($"{Root}.monitoring", network?.Monitoring, Client))
            .Concat(Each($"{Root}.egress", network?.Egress, Destination))
            .Concat(Each($"{Root}.apiServer", network?.ApiServer, Range))
            .Concat(Probe($"{Root}.probe", network?.Probe)))
            yield return violation;
    }

    private static IEnumerable<Violation> Probe(string path, NetworkProbe? probe)
    {
        if (probe is null)
            yield break;
        if (RotationSettings.Parse(probe.Interval) is null || probe.Interval.EndsWith('m'))
            yield return new($"{path}.interval", $"'{probe.Interval}' is no interval", "use hours, days or weeks, such as 1d");
        foreach (var violation in PodRules.Check(path, new(Image: probe.Image)))
            yield return violation;
    }

    private static IEnumerable<Violation> Each<T>(string path, IReadOnlyList<T>? items, Func<string, T, IEnumerable<Violation>> check)
    {
        if (items is null)
            yield break;
        if (items.Count > NetworkSettings.MostClients)
            yield return PodRules.TooMany(path, items.Count, NetworkSettings.MostClients);
        foreach (var (index, item) in items.Index())
        {
            foreach (var violation in check(string.Create(CultureInfo.InvariantCulture, $"{path}[{index}]"), item))
                yield return violation;
        }
    }

    private static IEnumerable<Violation> Destination(string path, NetworkDestination? destination)
    {
        foreach (var violation in Client(path, destination is null ? null : new(destination.NamespaceSelector, destination.PodSelector, destination.Cidr)))
            yield return violation;
        // A rule without a port would stand for all of them.
        if (destination is not null && (destination.Ports is not { Count: > 0 and <= 8 } || destination.Ports.Any(port => port is < 1 or > 65535)))
            yield return new($"{path}.ports", "are not one to eight ports", "name the ports, each from 1 to 65535");
    }

    // Bits behind the prefix would be a range other than the one that was written.
    private static IEnumerable<Violation> Range(string path, string? cidr)
    {
        if (!(IPNetwork.TryParse(cidr, out var range) && range.BaseAddress.Equals(IPAddress.Parse(cidr!.Split('/')[0]))))
            yield return new(path, $"'{cidr}' is not a range of addresses", "write the first address of the range and the length of its prefix, e.g. 10.20.0.0/16");
    }

    private static IEnumerable<Violation> Client(string path, NetworkClient? client)
    {
        if (client is null || (client.Cidr is not null) == (client.NamespaceSelector is not null || client.PodSelector is not null))
        {
            yield return new(path, "is not one peer", "give cidr alone, or namespaceSelector, podSelector or both");
            yield break;
        }

        foreach (var violation in (client.Cidr is null ? [] : Range($"{path}.cidr", client.Cidr)).Concat(Selector($"{path}.namespaceSelector", client.NamespaceSelector)).Concat(Selector($"{path}.podSelector", client.PodSelector)))
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
