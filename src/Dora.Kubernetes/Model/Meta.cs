using System.Text.Json.Serialization;
using Dora.Kubernetes.Schema;

namespace Dora.Kubernetes.Model;

/// <summary>Any Kubernetes object. List items arrive without apiVersion and kind.</summary>
public interface IKubeObject
{
    /// <summary>Group and version, e.g. <c>apps/v1</c>; null on items of a list.</summary>
    string? ApiVersion { get; }

    /// <summary>Kind, e.g. <c>StatefulSet</c>; null on items of a list.</summary>
    string? Kind { get; }

    /// <summary>Standard metadata.</summary>
    ObjectMeta Metadata { get; }
}

/// <summary>Standard object metadata; <c>managedFields</c> is deliberately absent: it is never cached and never sent.</summary>
public sealed record ObjectMeta(
    string? Name = null,
    string? Namespace = null,
    string? GenerateName = null,
    string? Uid = null,
    string? ResourceVersion = null,
    long? Generation = null,
    DateTimeOffset? CreationTimestamp = null,
    DateTimeOffset? DeletionTimestamp = null,
    IReadOnlyDictionary<string, string>? Labels = null,
    IReadOnlyDictionary<string, string>? Annotations = null,
    IReadOnlyList<OwnerReference>? OwnerReferences = null,
    IReadOnlyList<string>? Finalizers = null)
{
    /// <summary>The value of a label, or null.</summary>
    public string? Label(string key) => Labels is not null && Labels.TryGetValue(key, out var value) ? value : null;

    /// <summary>The value of an annotation, or null.</summary>
    public string? Annotation(string key) => Annotations is not null && Annotations.TryGetValue(key, out var value) ? value : null;

    /// <summary>The owner that controls this object, or null.</summary>
    [JsonIgnore]
    public OwnerReference? Controller => OwnerReferences?.FirstOrDefault(owner => owner.Controller == true);
}

/// <summary>A reference to an owner in the same namespace (or cluster-scoped).</summary>
public sealed record OwnerReference(
    string ApiVersion,
    string Kind,
    string Name,
    string Uid,
    bool? Controller = null,
    bool? BlockOwnerDeletion = null);

/// <summary>Metadata of a list: its resource version and the token of the next page.</summary>
public sealed record ListMeta(string? ResourceVersion = null, string? Continue = null, long? RemainingItemCount = null);

/// <summary>One page of a list.</summary>
public sealed record KubeList<T>(ListMeta Metadata, IReadOnlyList<T>? Items = null);

/// <summary>metav1.Status: the body of every error, and of an ERROR watch event.</summary>
public sealed record KubeStatus(
    string? Status = null,
    string? Message = null,
    string? Reason = null,
    int Code = 0,
    KubeStatusDetails? Details = null);

/// <summary>Details of a <see cref="KubeStatus"/>.</summary>
public sealed record KubeStatusDetails(
    string? Name = null,
    string? Group = null,
    string? Kind = null,
    int? RetryAfterSeconds = null,
    IReadOnlyList<KubeStatusCause>? Causes = null);

/// <summary>One cause of a <see cref="KubeStatus"/>, e.g. <c>FieldManagerConflict</c>.</summary>
public sealed record KubeStatusCause(string? Reason = null, string? Message = null, string? Field = null);

/// <summary>A label selector.</summary>
public sealed record LabelSelector(
    IReadOnlyDictionary<string, string>? MatchLabels = null,
    IReadOnlyList<LabelSelectorRequirement>? MatchExpressions = null);

/// <summary>One expression of a label selector; operator is In, NotIn, Exists or DoesNotExist.</summary>
public sealed record LabelSelectorRequirement(string Key, string Operator, IReadOnlyList<string>? Values = null);

/// <summary>metav1.Condition. <c>LastTransitionTime</c> moves only when <c>Status</c> does.</summary>
/// <param name="Type">CamelCase type.</param>
/// <param name="Status">True, False or Unknown.</param>
/// <param name="Reason">CamelCase, one word.</param>
/// <param name="Message">For people.</param>
/// <param name="LastTransitionTime">When <paramref name="Status"/> last changed; whole seconds.</param>
/// <param name="ObservedGeneration">The generation this was computed from.</param>
public sealed record Condition(
    [property: MaxLength(316)] string Type,
    [property: MaxLength(7)] string Status,
    [property: MaxLength(1024)] string Reason,
    [property: MaxLength(32768)] string Message = "",
    DateTimeOffset? LastTransitionTime = null,
    long? ObservedGeneration = null);

/// <summary>The address of a kind at the API server.</summary>
/// <param name="Group">API group; empty for the core group.</param>
/// <param name="Version">API version, e.g. <c>v1</c>.</param>
/// <param name="Plural">Resource name in paths, e.g. <c>statefulsets</c>.</param>
/// <param name="Kind">Kind, e.g. <c>StatefulSet</c>.</param>
/// <param name="Namespaced">Whether objects live in a namespace.</param>
public sealed record KubeResource(string Group, string Version, string Plural, string Kind, bool Namespaced = true)
{
    /// <summary>Group and version as written in an object.</summary>
    public string ApiVersion => Group.Length == 0 ? Version : $"{Group}/{Version}";

    /// <inheritdoc/>
    public override string ToString() => Group.Length == 0 ? Plural : $"{Plural}.{Group}";
}
