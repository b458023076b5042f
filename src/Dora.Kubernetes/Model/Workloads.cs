namespace Dora.Kubernetes.Model;

/// <summary>apps/v1 StatefulSet.</summary>
public sealed record StatefulSet(ObjectMeta Metadata, StatefulSetSpec? Spec = null, StatefulSetStatus? Status = null, string? ApiVersion = "apps/v1", string? Kind = "StatefulSet") : IKubeObject;

/// <summary>Desired state of a StatefulSet.</summary>
public sealed record StatefulSetSpec(
    string ServiceName,
    LabelSelector Selector,
    PodTemplateSpec Template,
    int? Replicas = null,
    string? PodManagementPolicy = null,
    StatefulSetUpdateStrategy? UpdateStrategy = null,
    IReadOnlyList<PersistentVolumeClaim>? VolumeClaimTemplates = null,
    int? RevisionHistoryLimit = null);

/// <summary>RollingUpdate (with partition) or OnDelete.</summary>
public sealed record StatefulSetUpdateStrategy(string Type, RollingUpdateStatefulSet? RollingUpdate = null);

/// <summary>Only ordinals from the partition on are updated.</summary>
public sealed record RollingUpdateStatefulSet(int? Partition = null);

/// <summary>Observed state of a StatefulSet.</summary>
public sealed record StatefulSetStatus(
    long? ObservedGeneration = null,
    int? Replicas = null,
    int? ReadyReplicas = null,
    int? CurrentReplicas = null,
    int? UpdatedReplicas = null,
    string? CurrentRevision = null,
    string? UpdateRevision = null);

/// <summary>apps/v1 Deployment.</summary>
public sealed record Deployment(ObjectMeta Metadata, DeploymentSpec? Spec = null, DeploymentStatus? Status = null, string? ApiVersion = "apps/v1", string? Kind = "Deployment") : IKubeObject;

/// <summary>Desired state of a Deployment.</summary>
public sealed record DeploymentSpec(LabelSelector Selector, PodTemplateSpec Template, int? Replicas = null, DeploymentStrategy? Strategy = null, int? RevisionHistoryLimit = null);

/// <summary>Recreate or RollingUpdate.</summary>
public sealed record DeploymentStrategy(string Type, RollingUpdateDeployment? RollingUpdate = null);

/// <summary>Bounds of a rolling update.</summary>
public sealed record RollingUpdateDeployment(IntOrString? MaxUnavailable = null, IntOrString? MaxSurge = null);

/// <summary>Observed state of a Deployment.</summary>
public sealed record DeploymentStatus(long? ObservedGeneration = null, int? Replicas = null, int? ReadyReplicas = null, int? UpdatedReplicas = null, int? AvailableReplicas = null);

/// <summary>A claim for a volume.</summary>
public sealed record PersistentVolumeClaim(ObjectMeta Metadata, PersistentVolumeClaimSpec? Spec = null, PersistentVolumeClaimStatus? Status = null, string? ApiVersion = "v1", string? Kind = "PersistentVolumeClaim") : IKubeObject;

/// <summary>Desired state of a claim.</summary>
public sealed record PersistentVolumeClaimSpec(
    IReadOnlyList<string>? AccessModes = null,
    ResourceRequirements? Resources = null,
    string? StorageClassName = null,
    string? VolumeName = null,
    string? VolumeMode = null);

/// <summary>Observed state of a claim.</summary>
/// <param name="Phase">Pending, Bound or Lost.</param>
/// <param name="Capacity">What the volume really has.</param>
/// <param name="Conditions">How a resize goes.</param>
/// <param name="AllocatedResourceStatuses">How a resize goes, by resource (Kubernetes 1.28 on), e.g. ControllerResizeInfeasible.</param>
public sealed record PersistentVolumeClaimStatus(
    string? Phase = null,
    IReadOnlyDictionary<string, string>? Capacity = null,
    IReadOnlyList<PersistentVolumeClaimCondition>? Conditions = null,
    IReadOnlyDictionary<string, string>? AllocatedResourceStatuses = null);

/// <summary>Resizing, FileSystemResizePending, ControllerResizeError or NodeResizeError.</summary>
public sealed record PersistentVolumeClaimCondition(string Type, string Status, string? Reason = null, string? Message = null);

/// <summary>storage.k8s.io/v1 StorageClass.</summary>
public sealed record StorageClass(ObjectMeta Metadata, string? Provisioner = null, bool? AllowVolumeExpansion = null, string? ApiVersion = "storage.k8s.io/v1", string? Kind = "StorageClass") : IKubeObject;

/// <summary>PodDisruptionBudget: policy/v1 from Kubernetes 1.21 on, v1beta1 before; the fields used here are the same.</summary>
public sealed record PodDisruptionBudget(ObjectMeta Metadata, PodDisruptionBudgetSpec? Spec = null, string? ApiVersion = "policy/v1", string? Kind = "PodDisruptionBudget") : IKubeObject;

/// <summary>How many pods may be away by eviction.</summary>
public sealed record PodDisruptionBudgetSpec(LabelSelector Selector, IntOrString? MaxUnavailable = null, IntOrString? MinAvailable = null);
