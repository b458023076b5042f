namespace Dora.Testing.ApiServer.Http;

/// <summary>What a path of the Kubernetes API points at.</summary>
internal sealed record RequestTarget(string Group, string Version, string? Namespace, string Plural, string? Name, string? Subresource)
{
    /// <summary>Null when the path is no path of a resource.</summary>
    public static RequestTarget? Parse(string path)
    {
        var parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        var (group, version, rest) = parts switch
        {
            ["api", var core, .. var below] => ("", core, below),
            ["apis", var named, var v, .. var below] => (named, v, below),
            _ => ("", "", []),
        };
        if (rest is ["namespaces", var ns, var plural, .. var inNamespace] && plural is not ("status" or "finalize"))
            return Of(group, version, ns, [plural, .. inNamespace]);
        return rest.Length == 0 ? null : Of(group, version, null, rest);
    }

    private static RequestTarget? Of(string group, string version, string? ns, string[] rest) => rest switch
    {
        [var plural] => new(group, version, ns, plural, null, null),
        [var plural, var name] => new(group, version, ns, plural, name, null),
        [var plural, var name, var subresource] => new(group, version, ns, plural, name, subresource),
        _ => null,
    };
}
