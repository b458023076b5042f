using Dora.Api;

namespace Dora.Engines.Backups;

/// <summary>What tells the pods of backups and restores from others.</summary>
public static class BackupPods
{
    /// <summary>Label <see cref="Labels.Name"/> of the pods.</summary>
    public const string Role = "backup";

    /// <summary>Selects those of a stack: servers let them in, and nobody lets them in anywhere else.</summary>
    public static IReadOnlyDictionary<string, string> Selector(string stack) => new Dictionary<string, string>
    {
        [Labels.Stack] = stack,
        [Labels.Name] = Role,
    };
}
