using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;

namespace Dora.Operator.Stacks;

/// <summary>Reads StorageClasses by name, when a volume shall grow. They are cluster-wide: an operator of some namespaces may not.</summary>
public sealed class StorageClasses(KubeClient client)
{
    /// <summary>Whether volumes of these classes can grow.</summary>
    public async Task<IReadOnlyDictionary<string, ClassReading>> ReadAsync(IReadOnlyList<string> names, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(names);
        var readings = new Dictionary<string, ClassReading>(StringComparer.Ordinal);
        foreach (var name in names)
            readings[name] = await ReadAsync(name, cancellationToken).ConfigureAwait(false);
        return readings;
    }

    private async Task<ClassReading> ReadAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            return await client.FindAsync(KubeTypes.StorageClasses, null, name, cancellationToken).ConfigureAwait(false) switch
            {
                null => ClassReading.Unknown,
                { AllowVolumeExpansion: true } => ClassReading.Expandable,
                _ => ClassReading.Fixed,
            };
        }
        catch (KubeForbiddenException)
        {
            return ClassReading.Unknown;
        }
    }
}
