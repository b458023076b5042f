using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Rendering;

/// <summary>The pod template of every workload: the engine's pod with the labels and annotations of the stack's version.</summary>
internal static class PodTemplates
{
    private const string DefaultContainer = "kubectl.kubernetes.io/default-container";

    /// <summary>A template.</summary>
    /// <param name="names">Whose labels the pods carry.</param>
    /// <param name="pod">The pod; its first container is the server.</param>
    /// <param name="config">Hash of the configuration that needs a restart when it changes.</param>
    /// <param name="version">Version of the server, or null where pods run something else beside it.</param>
    /// <param name="access">Who reaches the pods.</param>
    /// <param name="labels">Labels of the engine's own.</param>
    public static PodTemplateSpec Of(EngineNames names, PodSpec pod, string config, string? version, NetworkAccess access, params IEnumerable<KeyValuePair<string, string>> labels)
    {
        var release = names.Release;
        var all = new Dictionary<string, string>(names.ObjectLabels);
        foreach (var (key, value) in labels)
            all[key] = value;
        if (release.VersionLabel && version is not null)
            all[Labels.Version] = version;
        var annotations = new Dictionary<string, string> { [Labels.ConfigHash] = config };
        if (release.DefaultContainer)
            annotations[DefaultContainer] = pod.Containers[0].Name;
        foreach (var (key, value) in access.MeshAnnotations(names))
            annotations[key] = value;
        return new(new(Labels: all, Annotations: annotations), pod);
    }
}
