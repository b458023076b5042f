using System.Globalization;
using System.Text;
using Dora.Kubernetes.Model;

namespace Dora.Kubernetes.Client;

/// <summary>Paths and queries of the Kubernetes API.</summary>
public static class KubeRoute
{
    /// <summary><c>/api/v1</c> or <c>/apis/GROUP/VERSION</c>.</summary>
    public static string GroupVersion(KubeResource resource)
    {
        ArgumentNullException.ThrowIfNull(resource);
        return resource.Group.Length == 0 ? $"/api/{resource.Version}" : $"/apis/{resource.Group}/{resource.Version}";
    }

    /// <summary>The collection: of one namespace, or of all with <paramref name="ns"/> null, or of a cluster-scoped kind.</summary>
    /// <exception cref="ArgumentException">A namespace is given for a cluster-scoped kind.</exception>
    public static string Collection(KubeResource resource, string? ns)
    {
        ArgumentNullException.ThrowIfNull(resource);
        if (ns is null)
            return $"{GroupVersion(resource)}/{resource.Plural}";
        if (!resource.Namespaced)
            throw new ArgumentException($"{resource} is cluster-scoped, but namespace '{ns}' was given", nameof(ns));
        return $"{GroupVersion(resource)}/namespaces/{Segment(ns)}/{resource.Plural}";
    }

    /// <summary>One object, or a subresource of it.</summary>
    /// <exception cref="ArgumentException">Namespace or name are missing or do not fit the kind.</exception>
    public static string Object(KubeResource resource, string? ns, string name, string? subresource = null)
    {
        ArgumentNullException.ThrowIfNull(resource);
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (ns is null && resource.Namespaced)
            throw new ArgumentException($"{resource} is namespaced, but no namespace was given for '{name}'", nameof(ns));
        var collection = Collection(resource, ns);
        return subresource is null ? $"{collection}/{Segment(name)}" : $"{collection}/{Segment(name)}/{subresource}";
    }

    internal static string List(KubeResource resource, string? ns, ListOptions options) =>
        new QueryBuilder(Collection(resource, ns))
            .Add("labelSelector", options.LabelSelector)
            .Add("fieldSelector", options.FieldSelector)
            .Add("limit", options.Limit?.ToString(CultureInfo.InvariantCulture))
            .Add("continue", options.Continue)
            .Add("resourceVersion", options.ResourceVersion)
            .ToString();

    internal static string Watch(KubeResource resource, string? ns, WatchOptions options, int timeoutSeconds) =>
        new QueryBuilder(Collection(resource, ns))
            .Add("watch", "true")
            .Add("allowWatchBookmarks", "true")
            .Add("resourceVersion", options.ResourceVersion)
            .Add("labelSelector", options.LabelSelector)
            .Add("fieldSelector", options.FieldSelector)
            .Add("timeoutSeconds", timeoutSeconds.ToString(CultureInfo.InvariantCulture))
            .ToString();

    internal static string Apply(Manifest manifest, ApplyOptions options, string fieldManager) =>
        new QueryBuilder(Object(manifest.Resource, manifest.Namespace, manifest.Name, options.Subresource))
            .Add("fieldManager", options.FieldManager ?? fieldManager)
            .Add("force", options.Force ? "true" : "false")
            .Add("dryRun", options.DryRun ? "All" : null)
            .ToString();

    internal static string Written(string path, string fieldManager) =>
        new QueryBuilder(path).Add("fieldManager", fieldManager).ToString();

    // Names of Kubernetes objects are mostly DNS labels, but RBAC allows for example "system:x", and a name must never escape its segment.
    private static string Segment(string value)
    {
        if (value is "." or "..")
            throw new ArgumentException($"'{value}' is not a name", nameof(value));
        return Uri.EscapeDataString(value);
    }

    private readonly ref struct QueryBuilder(string path)
    {
        private readonly StringBuilder _text = new(path, 256);
        private readonly int _pathLength = path.Length;

        public QueryBuilder Add(string key, string? value)
        {
            if (value is not null)
                _text.Append(_text.Length == _pathLength ? '?' : '&').Append(key).Append('=').Append(Uri.EscapeDataString(value));
            return this;
        }

        public override string ToString() => _text.ToString();
    }
}
