using System.Text.Json.Nodes;
using Dora.Kubernetes.Model;

namespace Dora.Operator.Access;

/// <summary>The operator's rights as Kubernetes objects.</summary>
internal static class AccessManifests
{
    private static readonly Dictionary<string, string> Labels = new()
    {
        [Api.Labels.Name] = OperatorAccess.Name,
        ["app.kubernetes.io/instance"] = OperatorAccess.Name,
    };

    /// <summary>For all namespaces: a ClusterRole for stacks, one for what belongs to no namespace, and a Role for the Lease beside the operator.</summary>
    public static IEnumerable<JsonNode> Roles() =>
    [
        Manifest.Of(KubeTypes.ClusterRoles, new(new(OperatorAccess.Name, Labels: Labels), OperatorAccess.Stacks)).Body,
        Manifest.Of(KubeTypes.ClusterRoles, new(new($"{OperatorAccess.Name}-cluster", Labels: Labels), OperatorAccess.Cluster)).Body,
        Manifest.Of(KubeTypes.Roles, new(new($"{OperatorAccess.Name}-lease", Labels: Labels), OperatorAccess.Lease)).Body,
    ];

    /// <summary>What refuses the deletion of protected stacks.</summary>
    public static IEnumerable<JsonNode> DeletionProtection()
    {
        foreach (var manifest in new[] { DeletionProtectionPolicy.Policy(), DeletionProtectionPolicy.Binding() })
        {
            manifest["metadata"]!["labels"] = new JsonObject(Labels.Select(label => KeyValuePair.Create(label.Key, (JsonNode?)label.Value)));
            yield return manifest;
        }
    }

    /// <summary>Just the rules, as a list.</summary>
    public static JsonNode Rules(IReadOnlyList<PolicyRule> rules) =>
        Manifest.Of(KubeTypes.Roles, new(new("rules"), rules)).Body["rules"]!.DeepClone();
}
