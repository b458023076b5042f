namespace Dora.Kubernetes.Model;

/// <summary>batch/v1 Job.</summary>
public sealed record Job(ObjectMeta Metadata, JobSpec? Spec = null, JobStatus? Status = null, string? ApiVersion = "batch/v1", string? Kind = "Job") : IKubeObject;

/// <summary>Desired state of a Job; its template cannot be changed.</summary>
public sealed record JobSpec(PodTemplateSpec Template, int? BackoffLimit = null, long? ActiveDeadlineSeconds = null, int? TtlSecondsAfterFinished = null);

/// <summary>Observed state of a Job.</summary>
public sealed record JobStatus(IReadOnlyList<JobCondition>? Conditions = null, int? Active = null, int? Succeeded = null, int? Failed = null);

/// <summary>A condition of a Job: Complete, Failed or Suspended.</summary>
public sealed record JobCondition(string Type, string Status, string? Reason = null, string? Message = null, DateTimeOffset? LastTransitionTime = null);
