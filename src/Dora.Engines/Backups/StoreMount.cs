using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Backups;

/// <summary>How the agent of a run gets at a store: its credentials and whom to believe, as files.</summary>
/// <param name="Name">Name of the volume and of the folder: the store that a run works on, or the one that it copies to.</param>
/// <param name="Authority">The same of whom to believe.</param>
/// <param name="Destination">The store.</param>
internal sealed record StoreMount(string Name, string Authority, BackupDestination Destination)
{
    private const int ReadableByGroup = 288;

    /// <summary>The stores of a run.</summary>
    public static IEnumerable<StoreMount> Of(BackupSettings backup, BackupRun run)
    {
        yield return new("store", "ca", run.Store ?? backup.Destination);
        if (run.Target is { } target)
            yield return new("target", "target-ca", target);
    }

    /// <summary>What the agent is told; the folders of credentials are its defaults.</summary>
    public IEnumerable<string> Arguments => Signed ? [$"--{Authority}", $"/{Authority}/ca.crt"] : [];

    /// <summary>Where it finds them.</summary>
    public IEnumerable<VolumeMount> Mounts =>
    [
        new(Name, $"/var/run/dora/{Name}", ReadOnly: true),
        .. Signed ? [new(Authority, $"/{Authority}", ReadOnly: true)] : Array.Empty<VolumeMount>(),
    ];

    /// <summary>Where they come from.</summary>
    public IEnumerable<Volume> Volumes
    {
        get
        {
            yield return new(Name, Secret: new(Destination.CredentialsSecret, DefaultMode: ReadableByGroup));
            if (Destination.CaSecret is { } secret)
                yield return new(Authority, Secret: new(secret, DefaultMode: ReadableByGroup, Items: [new("ca.crt", "ca.crt")]));
            else if (Destination.CaConfigMap is { } map)
                yield return new(Authority, ConfigMap: new(map, Items: [new("ca.crt", "ca.crt")]));
        }
    }

    private bool Signed => Destination.CaSecret is not null || Destination.CaConfigMap is not null;
}
