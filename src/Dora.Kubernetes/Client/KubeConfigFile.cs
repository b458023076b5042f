using System.Text;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Dora.Kubernetes.Client;

/// <summary>Reads kubeconfig files through YAML nodes, so that nothing is found by reflection and trimming is safe.</summary>
internal static class KubeConfigFile
{
    /// <summary>Reads the files in order; the first to name a context, cluster or user wins.</summary>
    public static KubeConfig Load(IReadOnlyList<string> paths, string? contextName, bool mustExist)
    {
        var files = new List<Source>();
        foreach (var path in paths)
        {
            if (mustExist || File.Exists(path))
                files.Add(new(Path.GetFullPath(path), Read(path)));
        }

        if (files.Count == 0)
            throw new KubeConfigException($"No kubeconfig at {string.Join(" or ", paths)} (from KUBECONFIG).");
        contextName ??= files.Select(file => Text(file.Root, "current-context")).FirstOrDefault(name => name is { Length: > 0 })
            ?? throw new KubeConfigException($"{files[0].Path} has no current-context: choose one with --context or 'kubectl config use-context'.");
        var (context, _) = Entry(files, "contexts", "context", contextName);
        var clusterName = Text(context, "cluster") ?? throw new KubeConfigException($"Context {contextName} of {files[0].Path} names no cluster.");
        var (cluster, clusterFile) = Entry(files, "clusters", "cluster", clusterName);
        return new(
            ServerAddress(cluster, clusterName),
            Text(context, "namespace"),
            Pem(cluster, "certificate-authority", clusterFile),
            Text(cluster, "tls-server-name"),
            Flag(cluster, "insecure-skip-tls-verify"),
            Text(cluster, "proxy-url") is { Length: > 0 } proxy ? Address(proxy, $"proxy-url of cluster {clusterName}") : null,
            Text(context, "user") is { Length: > 0 } user ? Credentials(files, user) : null);
    }

    private static KubeCredentials Credentials(List<Source> files, string name)
    {
        var (user, file) = Entry(files, "users", "user", name);
        return new(
            Pem(user, "client-certificate", file),
            Pem(user, "client-key", file),
            Text(user, "token"),
            Text(user, "tokenFile") is { Length: > 0 } tokenFile ? file.Resolve(tokenFile) : null,
            Child(user, "exec") is YamlMappingNode exec ? Plugin(exec, name, file) : null,
            Text(user, "username"),
            Text(user, "password"));
    }

    private static ExecPlugin Plugin(YamlMappingNode exec, string user, Source file)
    {
        var command = Text(exec, "command") ?? throw new KubeConfigException($"exec of user {user} in {file.Path} has no command.");
        var args = Child(exec, "args") is YamlSequenceNode list
            ? list.Children.OfType<YamlScalarNode>().Select(arg => arg.Value ?? "").ToList()
            : [];
        var env = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in (Child(exec, "env") as YamlSequenceNode)?.Children.OfType<YamlMappingNode>() ?? [])
        {
            if (Text(pair, "name") is { } key)
                env[key] = Text(pair, "value") ?? "";
        }

        return new(
            Text(exec, "apiVersion") ?? "client.authentication.k8s.io/v1",
            command.Contains('/', StringComparison.Ordinal) ? file.Resolve(command) : command,
            args,
            env,
            Flag(exec, "provideClusterInfo"),
            Text(exec, "installHint"));
    }

    private static Uri ServerAddress(YamlMappingNode cluster, string name) =>
        Address(Text(cluster, "server") ?? throw new KubeConfigException($"Cluster {name} has no server."), $"server of cluster {name}");

    private static Uri Address(string text, string what) =>
        Uri.TryCreate(text, UriKind.Absolute, out var uri)
            ? uri
            : throw new KubeConfigException($"The {what} is not an address: '{text}'. Expected something like https://host:6443.");

    private static (YamlMappingNode Entry, Source File) Entry(List<Source> files, string list, string key, string name)
    {
        foreach (var file in files)
        {
            foreach (var item in (Child(file.Root, list) as YamlSequenceNode)?.Children.OfType<YamlMappingNode>() ?? [])
            {
                if (string.Equals(Text(item, "name"), name, StringComparison.Ordinal) && Child(item, key) is YamlMappingNode entry)
                    return (entry, file);
            }
        }

        throw new KubeConfigException($"No {key} named '{name}' in {string.Join(", ", files.Select(file => file.Path))}.");
    }

    /// <summary>PEM text of <c>KEY-data</c> (base64) or of the file that <c>KEY</c> names.</summary>
    private static string? Pem(YamlMappingNode node, string key, Source file)
    {
        if (Text(node, $"{key}-data") is { Length: > 0 } data)
        {
            try
            {
                return Encoding.UTF8.GetString(Convert.FromBase64String(data));
            }
            catch (FormatException fault)
            {
                throw new KubeConfigException($"{key}-data in {file.Path} is not base64.", fault);
            }
        }

        return Text(node, key) is { Length: > 0 } path ? ReadText(file.Resolve(path)) : null;
    }

    private static YamlMappingNode Read(string path)
    {
        try
        {
            var yaml = new YamlStream();
            yaml.Load(new StringReader(ReadText(path)));
            return yaml.Documents.Count > 0 && yaml.Documents[0].RootNode is YamlMappingNode root
                ? root
                : throw new KubeConfigException($"{path} is not a kubeconfig: it holds no YAML mapping.");
        }
        catch (YamlException fault)
        {
            throw new KubeConfigException($"{path} is not YAML: line {fault.Start.Line}, column {fault.Start.Column}.", fault);
        }
    }

    private static string ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new KubeConfigException($"Cannot read {path}: {fault.Message}", fault);
        }
    }

    private static YamlNode? Child(YamlMappingNode node, string key) =>
        node.Children.TryGetValue(new YamlScalarNode(key), out var child) ? child : null;

    private static string? Text(YamlMappingNode node, string key) =>
        Child(node, key) is YamlScalarNode { Value: { } value } scalar && !(scalar.Style == ScalarStyle.Plain && value is "null" or "~") ? value : null;

    private static bool Flag(YamlMappingNode node, string key) =>
        string.Equals(Text(node, key), "true", StringComparison.OrdinalIgnoreCase);

    private sealed record Source(string Path, YamlMappingNode Root)
    {
        public string Resolve(string relative) =>
            System.IO.Path.GetFullPath(relative, System.IO.Path.GetDirectoryName(Path) ?? "/");
    }
}
