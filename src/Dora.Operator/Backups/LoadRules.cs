using Dora.Api;
using Dora.Engines.Backups;
using Dora.Engines.Rendering;

namespace Dora.Operator.Backups;

/// <summary>Restores into one database of servers that run: they stop for nothing, and what is in it already is never written over. Pure.</summary>
internal static class LoadRules
{
    /// <summary>Why it cannot be, or null; of other restores always null.</summary>
    public static (string Reason, string Message)? Refusal(ComplianceRestoreSpec spec, ComplianceBackup backup, BackupTool tool) =>
        spec.Target.Mode != RestoreMode.Database ? null
        : tool.Load is null ? ("NotSupported", $"{backup.Metadata.Name} holds all databases, which are only restored together: name a backup of type Dump")
        : !tool.Databases.Contains(spec.Target.Database!) ? ("UnknownDatabase", $"ComplianceStack {spec.Stack} declares no database '{spec.Target.Database}' whose owner has a password: declare it in spec.engines.{spec.Engine}.databases, or choose {Choices(tool)}")
        : null;

    /// <summary>The tool's container: it writes to the member that leads.</summary>
    public static ToolContainer Container(RestoreObservation observed, ComplianceBackup backup, BackupTool tool)
    {
        var names = new EngineNames(observed.To!.Context, observed.Restore.Spec.Engine);
        var ordinal = ScaleIn.Ordinal(observed.To.Health?.Primary) ?? 0;
        return tool.Load!(new(names.MemberHost(ordinal), observed.Restore.Spec.Target.Database!, backup.Status!.Facts ?? new Dictionary<string, string>()));
    }

    private static string Choices(BackupTool tool) => tool.Databases is { Count: > 0 } databases ? string.Join(", ", databases) : "another target";
}
