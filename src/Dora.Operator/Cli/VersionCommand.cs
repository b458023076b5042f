using System.CommandLine;
using System.Reflection;
using Dora.Api;

namespace Dora.Operator.Cli;

/// <summary><c>dora-operator version</c>.</summary>
internal static class VersionCommand
{
    /// <summary>Version of this build.</summary>
    public static string Version { get; } =
        typeof(VersionCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0.0.0";

    public static Command Create()
    {
        var command = new Command("version", "Print the version and the stack versions it knows.");
        command.SetAction(parse => parse.InvocationConfiguration.Output.WriteLine($"dora-operator {Version}, stack versions {string.Join(", ", StackVersions.All)}"));
        return command;
    }
}
