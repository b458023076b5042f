using System.Security.Cryptography;
using System.Text;
using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Rendering;

/// <summary>What all database pods share: restricted security, spreading, scratch volumes, probes.</summary>
public static class PodDefaults
{
    /// <summary>uid and gid of the servers in all images.</summary>
    public const long ServerUser = 999;

    /// <summary>Pod Security "restricted" for the pod.</summary>
    public static PodSecurityContext PodSecurity { get; } = new(
        RunAsNonRoot: true,
        RunAsUser: ServerUser,
        RunAsGroup: ServerUser,
        FsGroup: ServerUser,
        FsGroupChangePolicy: "OnRootMismatch",
        SeccompProfile: new("RuntimeDefault"));

    /// <summary>Pod Security "restricted" for every container, with a read-only root.</summary>
    public static SecurityContext ContainerSecurity { get; } = new(
        AllowPrivilegeEscalation: false,
        ReadOnlyRootFilesystem: true,
        RunAsNonRoot: true,
        Capabilities: new(Drop: ["ALL"]),
        SeccompProfile: new("RuntimeDefault"));

    /// <summary>The StatefulSet's own order knows no primary: the operator restarts members, see <see cref="RollingChange"/>.</summary>
    public static StatefulSetUpdateStrategy UpdateStrategy { get; } = new("OnDelete");

    /// <summary>Members prefer different nodes in Staging and require them in Production.</summary>
    public static AntiAffinityRule AntiAffinityOf(Tier tier) => tier switch
    {
        Tier.Production => AntiAffinityRule.Required,
        Tier.Staging => AntiAffinityRule.Preferred,
        _ => AntiAffinityRule.None,
    };

    /// <summary>Keeps members on different nodes.</summary>
    public static Affinity? Spread(AntiAffinityRule rule, IReadOnlyDictionary<string, string> selector)
    {
        var term = new PodAffinityTerm(new(MatchLabels: selector), "kubernetes.io/hostname");
        return rule switch
        {
            AntiAffinityRule.Required => new(new(RequiredDuringSchedulingIgnoredDuringExecution: [term])),
            AntiAffinityRule.Preferred => new(new(PreferredDuringSchedulingIgnoredDuringExecution: [new(100, term)])),
            _ => null,
        };
    }

    /// <summary>Spreading over zones where nodes have them; never blocks scheduling.</summary>
    public static IReadOnlyList<TopologySpreadConstraint>? ZoneSpread(Tier tier, IReadOnlyDictionary<string, string> selector) =>
        tier == Tier.Development ? null : [new(1, "topology.kubernetes.io/zone", "ScheduleAnyway", new(MatchLabels: selector))];

    /// <summary>A scratch volume.</summary>
    public static Volume Scratch(string name, string? medium = null, string? limit = null) => new(name, EmptyDir: new(medium, limit));

    /// <summary>An environment variable from the pod's own fields.</summary>
    public static EnvVar FromField(string name, string path) => new(name, ValueFrom: new(FieldRef: new(path, "v1")));

    /// <summary>An environment variable from a Secret.</summary>
    public static EnvVar FromSecret(string name, string secret, string key) => new(name, ValueFrom: new(SecretKeyRef: new(secret, key)));

    /// <summary>Equal requests and limits of memory, a request of CPU: guaranteed memory, CPU that can burst.</summary>
    public static ResourceRequirements Resources(ResourceSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return new(
            Requests: new Dictionary<string, string> { ["cpu"] = settings.Cpu!, ["memory"] = settings.Memory! },
            Limits: new Dictionary<string, string> { ["memory"] = settings.Memory! });
    }

    /// <summary>A short stable hash of configuration: changes restart pods, nothing else does.</summary>
    public static string Hash(params IEnumerable<string> parts) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', parts))))[..16];

    /// <summary>The claim template of a member's data.</summary>
    public static PersistentVolumeClaim DataClaim(EngineNames names, StorageSettings storage)
    {
        ArgumentNullException.ThrowIfNull(names);
        ArgumentNullException.ThrowIfNull(storage);
        return new(
            new(Name: "data", Labels: names.ObjectLabels),
            new(AccessModes: ["ReadWriteOnce"], StorageClassName: storage.Class, Resources: new(Requests: new Dictionary<string, string> { ["storage"] = storage.Size! })));
    }

    /// <summary>A PodDisruptionBudget of one, in whichever version the server serves.</summary>
    public static Manifest DisruptionBudget(EngineNames names)
    {
        ArgumentNullException.ThrowIfNull(names);
        var type = names.Stack.Capabilities.PolicyV1 ? KubeTypes.PodDisruptionBudgets : KubeTypes.PodDisruptionBudgetsBeta;
        return Manifest.Of(type, new(names.Meta(names.Cluster), new(new(MatchLabels: names.Selector), MaxUnavailable: 1)));
    }
}
