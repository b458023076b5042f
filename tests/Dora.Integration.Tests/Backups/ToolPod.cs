using Dora.Agent.Backups;
using Dora.Engines.Backups;
using Xunit;

namespace Dora.Integration.Tests.Backups;

/// <summary>A tool's container as its engine describes it: these files and variables, beside the agent.</summary>
internal static class ToolPod
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Backs up; answers the agent's exit code.</summary>
    public static Task<int> BackupAsync(AgentRun run, ToolContainer tool, IReadOnlyDictionary<string, IReadOnlyDictionary<string, string>> secrets, params (string Name, string Value)[] differing) =>
        RunAsync(run, BackupCommands.Backup(), tool, secrets, differing);

    /// <summary>Restores; answers the agent's exit code.</summary>
    public static Task<int> RestoreAsync(AgentRun run, ToolContainer tool, IReadOnlyDictionary<string, IReadOnlyDictionary<string, string>> secrets, params (string Name, string Value)[] differing) =>
        RunAsync(run, BackupCommands.Restore(), tool, secrets, differing);

    /// <summary>Starts the tool alone.</summary>
    /// <param name="run">Its stage.</param>
    /// <param name="tool">What it is.</param>
    /// <param name="secrets">Secrets by name.</param>
    /// <param name="differing">What is not here as it is in a pod: addresses, folders.</param>
    public static ChildProcess Start(AgentRun run, ToolContainer tool, IReadOnlyDictionary<string, IReadOnlyDictionary<string, string>> secrets, params (string Name, string Value)[] differing)
    {
        var scripts = Path.Combine(run.Stage, "..", "scripts");
        Directory.CreateDirectory(scripts);
        foreach (var (name, text) in tool.Files)
            File.WriteAllText(Path.Combine(scripts, name), text);
        var variables = tool.Environment.ToDictionary(variable => variable.Name, variable => variable.ValueFrom?.SecretKeyRef is { } secret ? secrets[secret.Name][secret.Key] : variable.Value!);
        foreach (var (name, value) in differing)
            variables[name] = value;
        variables["CHECKS"] = run.Checks;
        return run.Tool(Path.GetFullPath(Path.Combine(scripts, tool.Script)), [.. variables.Select(variable => (variable.Key, variable.Value))]);
    }

    private static async Task<int> RunAsync(
        AgentRun run, System.CommandLine.Command command, ToolContainer tool, IReadOnlyDictionary<string, IReadOnlyDictionary<string, string>> secrets, (string Name, string Value)[] differing)
    {
        await run.PrepareAsync(Token);
        await using var process = Start(run, tool, secrets, differing);
        var code = await run.AgentAsync(command, Token);
        await process.EndedAsync(Token);
        return code;
    }
}
