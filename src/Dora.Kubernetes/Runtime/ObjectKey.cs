using Dora.Kubernetes.Model;

namespace Dora.Kubernetes.Runtime;

/// <summary>Namespace and name: what a reconcile is about.</summary>
/// <param name="Namespace">Null for cluster-scoped kinds.</param>
/// <param name="Name">Object name.</param>
public readonly record struct ObjectKey(string? Namespace, string Name)
{
    /// <summary>The key of an object.</summary>
    public static ObjectKey Of(IKubeObject value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return new(value.Metadata.Namespace, value.Metadata.Name ?? "");
    }

    /// <inheritdoc/>
    public override string ToString() => Namespace is null ? Name : $"{Namespace}/{Name}";
}

/// <summary>What an informer saw: <see cref="Old"/> is null for a new object, <see cref="New"/> for one that is gone.</summary>
public readonly record struct ObjectChange<T>(T? Old, T? New)
    where T : class, IKubeObject
{
    /// <summary>The object that is, or was.</summary>
    public T Object => New ?? Old ?? throw new InvalidOperationException("a change has an old or a new object");

    /// <summary>Its key.</summary>
    public ObjectKey Key => ObjectKey.Of(Object);
}
