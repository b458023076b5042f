using System.Text.Json;
using Dora.Api;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Network;

/// <summary>
/// Istio's PeerAuthentications of stacks, read only for stacks that ask for a mesh or did: a kind that most clusters do not serve is
/// not watched.
/// </summary>
public sealed class MeshView(KubeClient client)
{
    /// <summary>Puts the PeerAuthentications of a stack among its live objects; answers whether the API server serves any.</summary>
    /// <param name="stack">The stack.</param>
    /// <param name="live">Objects of the stack.</param>
    /// <param name="unreadable">Kinds that cannot be read, with the reason.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    public async Task<bool> ReadAsync(ComplianceStack stack, IDictionary<ObjectId, LiveObject> live, IDictionary<KubeResource, string> unreadable, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stack);
        ArgumentNullException.ThrowIfNull(live);
        ArgumentNullException.ThrowIfNull(unreadable);
        if (stack is { Spec.Network: null or { Mesh: NetworkMesh.None }, Status: null or { Network: null or { Mesh: null } } })
            return false;
        var (type, resource) = (KubeTypes.PeerAuthentications, KubeTypes.PeerAuthentications.Resource);
        try
        {
            if (!await client.ServesAsync(resource, cancellationToken).ConfigureAwait(false))
                return false;
            await foreach (var found in client.ListAsync(type, stack.Metadata.Namespace, new(LabelSelector: $"{Labels.ManagedSelector},{Labels.Stack}={stack.Metadata.Name}"), cancellationToken).ConfigureAwait(false))
                live[new(resource, found.Metadata.Name!)] = new(resource, found, () => JsonSerializer.SerializeToNode(found, type.Json)!.AsObject());
        }
        catch (KubeException exception)
        {
            unreadable[resource] = exception.Message;
        }

        return true;
    }
}
