using System.Text.Json.Nodes;
using Dora.Kubernetes.Model;

namespace Dora.Testing.ApiServer.Schemas;

/// <summary>A kind that the server serves.</summary>
/// <param name="Resource">Where it is served.</param>
/// <param name="Type">How its objects merge.</param>
/// <param name="HasStatus">Whether status is written by a subresource only.</param>
/// <param name="CustomSchema">The structural schema of a custom resource, without apiVersion, kind and metadata.</param>
internal sealed record ServedKind(KubeResource Resource, TypeSchema Type, bool HasStatus, JsonObject? CustomSchema = null)
{
    private static readonly HashSet<string> WithGeneration =
        ["statefulsets", "deployments", "replicasets", "poddisruptionbudgets", "networkpolicies", "customresourcedefinitions"];

    /// <summary>For discovery.</summary>
    public string Singular { get; init; } = "";

    /// <summary>For discovery.</summary>
    public IReadOnlyList<string> ShortNames { get; init; } = [];

    /// <summary>For discovery.</summary>
    public IReadOnlyList<string> Categories { get; init; } = [];

    public bool IsCustom => CustomSchema is not null;

    /// <summary>Whether a PUT may leave out the resource version.</summary>
    public bool AllowsUnconditionalUpdate => !IsCustom && Resource.Plural is not ("customresourcedefinitions" or "leases" or "poddisruptionbudgets" or "events");

    public bool HasGeneration => IsCustom || WithGeneration.Contains(Resource.Plural);
}
