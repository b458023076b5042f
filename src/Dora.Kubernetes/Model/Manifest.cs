using System.Text.Json;
using System.Text.Json.Nodes;

namespace Dora.Kubernetes.Model;

/// <summary>An object as it shall be: where it is served, its name, and the fields we own. Treated as immutable once made.</summary>
/// <param name="Resource">Where the kind is served.</param>
/// <param name="Namespace">Null for cluster-scoped kinds.</param>
/// <param name="Name">Object name.</param>
/// <param name="Body">The whole object, apiVersion and kind included.</param>
public sealed record Manifest(KubeResource Resource, string? Namespace, string Name, JsonObject Body)
{
    /// <summary>Renders a typed object for its kind; apiVersion and kind are taken from <paramref name="type"/>.</summary>
    public static Manifest Of<T>(KubeType<T> type, T value)
        where T : class, IKubeObject
    {
        ArgumentNullException.ThrowIfNull(type);
        ArgumentNullException.ThrowIfNull(value);
        var body = JsonSerializer.SerializeToNode(value, type.Json)!.AsObject();
        body.Remove("apiVersion");
        body.Remove("kind");
        body.Insert(0, "apiVersion", type.Resource.ApiVersion);
        body.Insert(1, "kind", type.Resource.Kind);
        return new(type.Resource, value.Metadata.Namespace, value.Metadata.Name ?? throw new ArgumentException("metadata.name is required", nameof(value)), body);
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Resource} {(Namespace is null ? Name : $"{Namespace}/{Name}")}";
}
