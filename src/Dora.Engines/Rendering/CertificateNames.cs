namespace Dora.Engines.Rendering;

/// <summary>The names that a server's certificate carries.</summary>
internal static class CertificateNames
{
    /// <summary>
    /// Every Service in the forms that clients write, every member under the headless one, and localhost for what runs in the same pod.
    /// </summary>
    /// <param name="names">Whose servers.</param>
    /// <param name="services">Services; the first gives the subject.</param>
    public static IReadOnlyList<string> Of(EngineNames names, params IReadOnlyList<string> services)
    {
        var ns = names.Stack.Namespace;
        return
        [
            .. services.SelectMany(service => (string[])[$"{service}.{ns}.svc", $"{service}.{ns}.svc.cluster.local", $"{service}.{ns}", service]),
            $"*.{names.Domain(names.Members)}",
            $"*.{names.Domain(names.Members)}.cluster.local",
            "localhost",
        ];
    }
}
