using Dora.Api;
using Dora.Engines;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Operator.Certificates;

/// <summary>The ConfigMap from which applications take whom to believe: roots only, and nothing secret.</summary>
internal static class TrustMap
{
    /// <summary>Its name.</summary>
    public static string Name(string stack) => $"{stack}-trust";

    /// <summary>The map for a bundle.</summary>
    public static Manifest Of(StackContext stack, string bundle) => Manifest.Of(KubeTypes.ConfigMaps, new(
        new(
            Name(stack.Name),
            stack.Namespace,
            Labels: new Dictionary<string, string> { [Labels.Stack] = stack.Name, [Labels.ManagedBy] = Labels.ManagedByValue },
            OwnerReferences: stack.Uid.Length == 0 ? null : [Ownership.Of(stack)]),
        new Dictionary<string, string> { [CertificateRequest.Trust] = bundle }));
}
