using System.CommandLine;
using System.Reflection;

namespace Dora.Agent;

/// <summary><c>dora-agent version</c>.</summary>
internal static class VersionCommand
{
    /// <summary>Version of this build.</summary>
    public static string Version { get; } =
        typeof(VersionCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0.0.0";

    public static Command Create()
    {
        var command = new Command("version", "Print the version.");
        command.SetAction(parse => parse.InvocationConfiguration.Output.WriteLine($"dora-agent {Version}"));
        return command;
    }
}
