using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Backups;

/// <summary>What the pod of a copy mounts to believe the servers that it reads: whom they trust, and no key.</summary>
internal static class BackupTrust
{
    private const string Name = "tls";
    private const int ReadableByGroup = 288;

    /// <summary>None where servers speak in the clear.</summary>
    public static IReadOnlyList<Volume> Volumes(EngineNames names) => !names.Encrypted ? [] :
        [new(Name, Secret: new(names.CertificateSecret, DefaultMode: ReadableByGroup, Items: [new(CertificateRequest.Trust, CertificateRequest.Trust)]))];

    /// <summary>Where.</summary>
    public static IReadOnlyList<VolumeMount> Mounts(EngineNames names) => names.Encrypted ? [new(Name, $"/{Name}", ReadOnly: true)] : [];

    /// <summary>The variable that names the file.</summary>
    public static IEnumerable<EnvVar> Environment(EngineNames names) => names.Encrypted ? [new("TLS_CA", $"/{Name}/{CertificateRequest.Trust}")] : [];
}
