using System.Collections.Concurrent;
using System.Text.Json;
using Dora.Api;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Dora.Operator.Stacks;

namespace Dora.Operator.Certificates;

/// <summary>
/// cert-manager's Certificates of stacks, read by name and only for stacks that have them: a kind that most clusters do not serve
/// is not watched.
/// </summary>
public sealed class CertManagerView(KubeClient client, WriteJournal journal, TimeProvider clock)
{
    // One that is being made is looked at in every pass; one that is ready is cert-manager's to renew.
    private static readonly TimeSpan Memory = TimeSpan.FromMinutes(5);

    private readonly ConcurrentDictionary<(ObjectKey Stack, string Name), (Certificate Certificate, long At)> _ready = new();

    /// <summary>Puts the Certificates of a stack among its live objects; answers whether the API server serves any.</summary>
    /// <param name="stack">The stack.</param>
    /// <param name="names">Names of the Secrets, and so of the Certificates.</param>
    /// <param name="live">Objects of the stack.</param>
    /// <param name="unreadable">Kinds that cannot be read, with the reason.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    public async Task<bool> ReadAsync(
        ComplianceStack stack, IReadOnlyList<string> names, IDictionary<ObjectId, LiveObject> live, IDictionary<KubeResource, string> unreadable, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stack);
        ArgumentNullException.ThrowIfNull(names);
        ArgumentNullException.ThrowIfNull(live);
        ArgumentNullException.ThrowIfNull(unreadable);
        var resource = KubeTypes.Certificates.Resource;
        try
        {
            if (!await client.ServesAsync(resource, cancellationToken).ConfigureAwait(false))
                return false;
            foreach (var name in names)
            {
                if (await FindAsync(stack, name, cancellationToken).ConfigureAwait(false) is { } certificate && certificate.Metadata.Label(Labels.Stack) == stack.Metadata.Name)
                    live[new(resource, name)] = new(resource, certificate, () => JsonSerializer.SerializeToNode(certificate, KubeTypes.Certificates.Json)!.AsObject());
            }
        }
        catch (KubeException exception)
        {
            unreadable[resource] = exception.Message;
        }

        return true;
    }

    private async Task<Certificate?> FindAsync(ComplianceStack stack, string name, CancellationToken cancellationToken)
    {
        var key = (ObjectKey.Of(stack), name);
        if (_ready.TryGetValue(key, out var kept)
            && clock.GetElapsedTime(kept.At) < Memory
            && kept.Certificate.Metadata.OwnedBy(stack)
            && journal.Pending(key.Item1, new(KubeTypes.Certificates.Resource, name), kept.Certificate.Metadata.ResourceVersion) is null)
            return kept.Certificate;
        _ready.TryRemove(key, out _);
        var certificate = await client.FindAsync(KubeTypes.Certificates, stack.Metadata.Namespace, name, cancellationToken).ConfigureAwait(false);
        if (certificate?.Status?.Conditions.Find("Ready")?.Status == Conditions.True)
            _ready[key] = (certificate, clock.GetTimestamp());
        return certificate;
    }
}
