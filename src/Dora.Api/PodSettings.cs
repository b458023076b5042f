using System.ComponentModel;
using System.Text.Json.Serialization;
using Dora.Kubernetes.Schema;

namespace Dora.Api;

/// <summary>
/// Where pods run and from which image: for all engines in <c>spec.pods</c> (there without an image), for one in its own
/// <c>pods</c>. A field that an engine gives takes the place of the stack's.
/// </summary>
public sealed record PodSettings(
    [property: Description("Labels of the nodes that pods may run on."), MaxProperties(PodSettings.MostLabels), Pattern(LabelForms.ValuePattern), MaxLength(LabelForms.LongestValue), Cel(LabelForms.KeysRule, LabelForms.KeysMessage)]
    IReadOnlyDictionary<string, string>? NodeSelector = null,
    [property: Description("Taints of nodes that pods put up with."), MaxItems(PodSettings.MostTolerations)]
    IReadOnlyList<PodToleration>? Tolerations = null,
    [property: Description("PriorityClass of the pods; it must exist, else no pod is made."), Pattern(LabelForms.NamePattern), MaxLength(LabelForms.LongestName)]
    string? PriorityClassName = null,
    [property: Description("Whether members run on different nodes: Required, Preferred or None. Default by tier: None, Preferred, Required. Spreading over zones stays as the tier has it.")]
    AntiAffinityRule? AntiAffinity = null,
    [property: Description("Secrets of this namespace that open the registry."), MaxItems(PodSettings.MostPullSecrets), Pattern(LabelForms.NamePattern), MaxLength(LabelForms.LongestName)]
    IReadOnlyList<string>? ImagePullSecrets = null,
    [property: Description("The whole image, with a tag or digest, instead of the one that version gives: for mirrors and images of your own. The servers in it must be of the version that 'version' states; nothing changes it for them."), Pattern(PodSettings.ImagePattern), MaxLength(PodSettings.LongestImage)]
    string? Image = null)
{
    /// <summary>Labels of a node selector at most.</summary>
    public const int MostLabels = 16;

    /// <summary>Tolerations at most.</summary>
    public const int MostTolerations = 16;

    /// <summary>Pull secrets at most.</summary>
    public const int MostPullSecrets = 8;

    /// <summary>Longest image.</summary>
    public const int LongestImage = 512;

    /// <summary>A registry if any, a path, and a tag, a digest or both: without either it would be whatever is newest.</summary>
    public const string ImagePattern = "^([A-Za-z0-9][-A-Za-z0-9.]*(:[0-9]{1,5})?/)?[a-z0-9]+(([.]|_{1,2}|-+)[a-z0-9]+)*(/[a-z0-9]+(([.]|_{1,2}|-+)[a-z0-9]+)*)*(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127}(@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})$";

    /// <summary>Nothing is asked for.</summary>
    public static PodSettings None { get; } = new();
}

/// <summary>A taint that pods put up with, in Kubernetes' words.</summary>
[Cel("has(self.key) || (has(self.operator) && self.operator == 'Exists')", "operator must be Exists without a key: it then tolerates every taint")]
[Cel("!has(self.value) || !has(self.operator) || self.operator == 'Equal'", "operator Exists takes no value", FieldPath = ".value")]
[Cel("!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')", "tolerationSeconds needs effect NoExecute", FieldPath = ".tolerationSeconds")]
public sealed record PodToleration(
    [property: Description("Key of the taint; every one when absent."), Pattern(LabelForms.KeyPattern), MaxLength(LabelForms.LongestKey)]
    string? Key = null,
    [property: Description("Exists, or Equal: the value is the same. Default: Equal.")]
    TolerationOperator? Operator = null,
    [property: Description("Value of the taint."), Pattern(LabelForms.ValuePattern), MaxLength(LabelForms.LongestValue)]
    string? Value = null,
    [property: Description("NoSchedule, PreferNoSchedule or NoExecute; all when absent.")]
    TaintEffect? Effect = null,
    [property: Description("How long a pod stays on a node that is tainted with NoExecute; for ever when absent.")]
    long? TolerationSeconds = null);

/// <summary>How a taint is compared.</summary>
[JsonConverter(typeof(EnumNames<TolerationOperator>))]
public enum TolerationOperator
{
    /// <summary>Key and value are the same.</summary>
    Equal,

    /// <summary>The key is there.</summary>
    Exists,
}

/// <summary>What a taint does.</summary>
[JsonConverter(typeof(EnumNames<TaintEffect>))]
public enum TaintEffect
{
    /// <summary>No pod is placed there.</summary>
    NoSchedule,

    /// <summary>Others are preferred.</summary>
    PreferNoSchedule,

    /// <summary>Running pods leave too.</summary>
    NoExecute,
}

/// <summary>Whether members keep away from each other's nodes.</summary>
[JsonConverter(typeof(EnumNames<AntiAffinityRule>))]
public enum AntiAffinityRule
{
    /// <summary>They may share a node: the loss of one may take the majority.</summary>
    None,

    /// <summary>They share a node only where there is no other.</summary>
    Preferred,

    /// <summary>They never share a node; a member waits until there is one for it.</summary>
    Required,
}
