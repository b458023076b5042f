namespace Dora.Kubernetes.Model;

/// <summary>A pod.</summary>
public sealed record Pod(ObjectMeta Metadata, PodSpec? Spec = null, PodStatus? Status = null, string? ApiVersion = "v1", string? Kind = "Pod") : IKubeObject;

/// <summary>A pod template.</summary>
public sealed record PodTemplateSpec(ObjectMeta Metadata, PodSpec Spec);

/// <summary>The part of a pod's specification that we set or read.</summary>
public sealed record PodSpec(
    IReadOnlyList<Container> Containers,
    IReadOnlyList<Container>? InitContainers = null,
    IReadOnlyList<Volume>? Volumes = null,
    string? ServiceAccountName = null,
    bool? AutomountServiceAccountToken = null,
    bool? EnableServiceLinks = null,
    long? TerminationGracePeriodSeconds = null,
    PodSecurityContext? SecurityContext = null,
    Affinity? Affinity = null,
    IReadOnlyList<TopologySpreadConstraint>? TopologySpreadConstraints = null,
    IReadOnlyDictionary<string, string>? NodeSelector = null,
    IReadOnlyList<Toleration>? Tolerations = null,
    string? PriorityClassName = null,
    IReadOnlyList<LocalObjectReference>? ImagePullSecrets = null,
    string? RestartPolicy = null,
    string? NodeName = null,
    string? Hostname = null,
    string? Subdomain = null,
    bool? ShareProcessNamespace = null);

/// <summary>A container.</summary>
public sealed record Container(
    string Name,
    string? Image = null,
    string? ImagePullPolicy = null,
    IReadOnlyList<string>? Command = null,
    IReadOnlyList<string>? Args = null,
    string? WorkingDir = null,
    IReadOnlyList<EnvVar>? Env = null,
    IReadOnlyList<ContainerPort>? Ports = null,
    ResourceRequirements? Resources = null,
    IReadOnlyList<VolumeMount>? VolumeMounts = null,
    Probe? StartupProbe = null,
    Probe? ReadinessProbe = null,
    Probe? LivenessProbe = null,
    Lifecycle? Lifecycle = null,
    SecurityContext? SecurityContext = null,
    string? TerminationMessagePolicy = null);

/// <summary>An environment variable.</summary>
public sealed record EnvVar(string Name, string? Value = null, EnvVarSource? ValueFrom = null);

/// <summary>Where an environment variable takes its value from.</summary>
public sealed record EnvVarSource(ObjectFieldSelector? FieldRef = null, KeySelector? SecretKeyRef = null, KeySelector? ConfigMapKeyRef = null);

/// <summary>A field of the pod, e.g. <c>metadata.name</c>.</summary>
public sealed record ObjectFieldSelector(string FieldPath, string? ApiVersion = null);

/// <summary>A key of a Secret or ConfigMap.</summary>
public sealed record KeySelector(string Name, string Key, bool? Optional = null);

/// <summary>A port of a container.</summary>
public sealed record ContainerPort(int Port, string? Name = null, string? Protocol = null)
{
    /// <summary>The port's number.</summary>
    [System.Text.Json.Serialization.JsonPropertyName("containerPort")]
    public int Port { get; init; } = Port;
}

/// <summary>Requests and limits, as quantities.</summary>
public sealed record ResourceRequirements(IReadOnlyDictionary<string, string>? Requests = null, IReadOnlyDictionary<string, string>? Limits = null);

/// <summary>A mount of a volume.</summary>
public sealed record VolumeMount(string Name, string MountPath, bool? ReadOnly = null, string? SubPath = null);

/// <summary>A probe; times in seconds.</summary>
public sealed record Probe(
    ExecAction? Exec = null,
    HttpGetAction? HttpGet = null,
    TcpSocketAction? TcpSocket = null,
    int? InitialDelaySeconds = null,
    int? PeriodSeconds = null,
    int? TimeoutSeconds = null,
    int? FailureThreshold = null,
    int? SuccessThreshold = null);

/// <summary>A command run in the container by the kubelet.</summary>
public sealed record ExecAction(IReadOnlyList<string> Command);

/// <summary>An HTTP request by the kubelet.</summary>
public sealed record HttpGetAction(string Path, IntOrString Port, string? Scheme = null);

/// <summary>A TCP connection by the kubelet.</summary>
public sealed record TcpSocketAction(IntOrString Port);

/// <summary>Hooks of a container.</summary>
public sealed record Lifecycle(LifecycleHandler? PreStop = null, LifecycleHandler? PostStart = null);

/// <summary>One hook.</summary>
public sealed record LifecycleHandler(ExecAction? Exec = null, HttpGetAction? HttpGet = null);

/// <summary>Security settings of a container.</summary>
public sealed record SecurityContext(
    bool? AllowPrivilegeEscalation = null,
    bool? ReadOnlyRootFilesystem = null,
    bool? RunAsNonRoot = null,
    bool? Privileged = null,
    long? RunAsUser = null,
    long? RunAsGroup = null,
    Capabilities? Capabilities = null,
    SeccompProfile? SeccompProfile = null);

/// <summary>Linux capabilities.</summary>
public sealed record Capabilities(IReadOnlyList<string>? Add = null, IReadOnlyList<string>? Drop = null);

/// <summary>A seccomp profile; type RuntimeDefault, Localhost or Unconfined.</summary>
public sealed record SeccompProfile(string Type);

/// <summary>Security settings of a pod.</summary>
public sealed record PodSecurityContext(
    bool? RunAsNonRoot = null,
    long? RunAsUser = null,
    long? RunAsGroup = null,
    long? FsGroup = null,
    string? FsGroupChangePolicy = null,
    SeccompProfile? SeccompProfile = null);

/// <summary>Scheduling affinities.</summary>
public sealed record Affinity(PodAntiAffinity? PodAntiAffinity = null);

/// <summary>Pods to keep away from.</summary>
public sealed record PodAntiAffinity(
    IReadOnlyList<PodAffinityTerm>? RequiredDuringSchedulingIgnoredDuringExecution = null,
    IReadOnlyList<WeightedPodAffinityTerm>? PreferredDuringSchedulingIgnoredDuringExecution = null);

/// <summary>Pods in the same topology domain.</summary>
public sealed record PodAffinityTerm(LabelSelector LabelSelector, string TopologyKey);

/// <summary>A preference with weight 1-100.</summary>
public sealed record WeightedPodAffinityTerm(int Weight, PodAffinityTerm PodAffinityTerm);

/// <summary>How pods spread over a topology.</summary>
public sealed record TopologySpreadConstraint(int MaxSkew, string TopologyKey, string WhenUnsatisfiable, LabelSelector LabelSelector);

/// <summary>A toleration of a taint.</summary>
public sealed record Toleration(string? Key = null, string? Operator = null, string? Value = null, string? Effect = null, long? TolerationSeconds = null);

/// <summary>The name of an object in the same namespace.</summary>
public sealed record LocalObjectReference(string Name);

/// <summary>A volume; exactly one source is set.</summary>
public sealed record Volume(
    string Name,
    EmptyDirVolume? EmptyDir = null,
    ConfigMapVolume? ConfigMap = null,
    SecretVolume? Secret = null,
    ProjectedVolume? Projected = null,
    ClaimVolume? PersistentVolumeClaim = null);

/// <summary>Scratch space; medium "" or Memory.</summary>
public sealed record EmptyDirVolume(string? Medium = null, string? SizeLimit = null);

/// <summary>Files from a ConfigMap; mode as decimal of the octal permission.</summary>
public sealed record ConfigMapVolume(string Name, int? DefaultMode = null, IReadOnlyList<KeyToPath>? Items = null, bool? Optional = null);

/// <summary>Files from a Secret; mode as decimal of the octal permission.</summary>
public sealed record SecretVolume(string SecretName, int? DefaultMode = null, IReadOnlyList<KeyToPath>? Items = null, bool? Optional = null);

/// <summary>Which key becomes which file.</summary>
public sealed record KeyToPath(string Key, string Path, int? Mode = null);

/// <summary>Several sources in one directory.</summary>
public sealed record ProjectedVolume(IReadOnlyList<VolumeProjection> Sources, int? DefaultMode = null);

/// <summary>One source of a projected volume.</summary>
public sealed record VolumeProjection(
    ConfigMapProjection? ConfigMap = null,
    ConfigMapProjection? Secret = null,
    ServiceAccountTokenProjection? ServiceAccountToken = null,
    DownwardApiProjection? DownwardAPI = null);

/// <summary>Keys of a ConfigMap or Secret.</summary>
public sealed record ConfigMapProjection(string Name, IReadOnlyList<KeyToPath>? Items = null, bool? Optional = null);

/// <summary>A service-account token that the kubelet renews; at least 600 s.</summary>
public sealed record ServiceAccountTokenProjection(string Path, long? ExpirationSeconds = null, string? Audience = null);

/// <summary>Fields of the pod as files.</summary>
public sealed record DownwardApiProjection(IReadOnlyList<DownwardApiFile> Items);

/// <summary>One field of the pod as a file.</summary>
public sealed record DownwardApiFile(string Path, ObjectFieldSelector FieldRef);

/// <summary>A claim in the pod's namespace.</summary>
public sealed record ClaimVolume(string ClaimName, bool? ReadOnly = null);

/// <summary>The observed state of a pod.</summary>
public sealed record PodStatus(
    string? Phase = null,
    string? PodIP = null,
    string? Reason = null,
    string? Message = null,
    IReadOnlyList<PodCondition>? Conditions = null,
    IReadOnlyList<ContainerStatus>? ContainerStatuses = null,
    IReadOnlyList<ContainerStatus>? InitContainerStatuses = null);

/// <summary>A condition of a pod: PodScheduled, Initialized, ContainersReady, Ready.</summary>
public sealed record PodCondition(string Type, string Status, string? Reason = null, string? Message = null, DateTimeOffset? LastTransitionTime = null);

/// <summary>The observed state of a container.</summary>
public sealed record ContainerStatus(string Name, bool Ready = false, int RestartCount = 0, ContainerState? State = null, ContainerState? LastState = null, string? Image = null);

/// <summary>Exactly one is set.</summary>
public sealed record ContainerState(ContainerStateWaiting? Waiting = null, ContainerStateRunning? Running = null, ContainerStateTerminated? Terminated = null);

/// <summary>Waiting, e.g. ImagePullBackOff.</summary>
public sealed record ContainerStateWaiting(string? Reason = null, string? Message = null);

/// <summary>Running since.</summary>
public sealed record ContainerStateRunning(DateTimeOffset? StartedAt = null);

/// <summary>Ended.</summary>
public sealed record ContainerStateTerminated(int ExitCode = 0, string? Reason = null, string? Message = null, DateTimeOffset? FinishedAt = null);
