namespace Dora.Integration.Tests.Redis;

/// <summary>A root directory and mount namespace of its own for each member, as a pod has; it goes with the process.</summary>
internal static class PodRoot
{
    // What the machine has, in that root.
    private const string Enter = """
        set -eu
        root=$1
        shift
        mount --bind /usr "$root/usr"
        mount --rbind /dev "$root/dev"
        mount --rbind /proc "$root/proc"
        mount --bind /etc "$root/etc"
        mount --bind "$root/hosts" "$root/etc/hosts"
        exec /usr/sbin/chroot "$root" "$@"
        """;

    /// <summary>Runs a script as a container would.</summary>
    public static ChildProcess Start(string root, string script, IReadOnlyDictionary<string, string> environment) =>
        new("unshare", ["--mount", "/bin/sh", "-c", Enter, "enter", root, "/bin/sh", script], environment);

    /// <summary>The directories, and the names of the members that only they see.</summary>
    public static void Prepare(string root, IEnumerable<string> hosts)
    {
        foreach (var name in (string[])["usr", "etc", "dev", "proc", "data", "tmp", "run/redis"])
            Directory.CreateDirectory(Path.Combine(root, name));
        foreach (var name in (string[])["bin", "lib", "lib64"])
        {
            if (!Path.Exists(Path.Combine(root, name)))
                File.CreateSymbolicLink(Path.Combine(root, name), $"usr/{name}");
        }

        File.WriteAllText(Path.Combine(root, "hosts"), $"127.0.0.1 localhost\n{string.Concat(hosts)}");
    }

    /// <summary>The files of a mounted volume.</summary>
    public static void Write(string root, string volume, IReadOnlyDictionary<string, string> files)
    {
        var path = Path.Combine(root, volume);
        Directory.CreateDirectory(path);
        foreach (var (name, text) in files)
            File.WriteAllText(Path.Combine(path, name), text);
    }
}
