using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Kubernetes.Schema;

namespace Dora.Operator.Backups;

/// <summary>The CustomResourceDefinitions of <see cref="ComplianceBackup"/> and <see cref="ComplianceRestore"/>.</summary>
public static class BackupDefinitions
{
    /// <summary>Of backups.</summary>
    public static JsonObject Backup() => new CustomResourceDefinition(
        Singular: "compliancebackup",
        ShortNames: ["cbackup"],
        Categories: ["dora"],
        PrinterColumns:
        [
            new("STACK", ".spec.stack", Description: "The stack."),
            new("ENGINE", ".spec.engine", Description: "The engine."),
            new("PHASE", ".status.phase", Description: "How far it is."),
            new("FINISHED", ".status.finishedAt", "date", "When it was stored and read back."),
            new("VERIFIED", ".status.verifiedAt", "date", "When it was last restored and found right."),
            new("BYTES", ".status.storedBytes", "integer", "Bytes in the bucket.", Priority: 1),
            new("REASON", ".status.reason", Description: "Why it is in this phase.", Priority: 1),
            new("AGE", ".metadata.creationTimestamp", "date"),
        ]).Render(BackupResource.Type);

    /// <summary>Of restores.</summary>
    public static JsonObject Restore() => new CustomResourceDefinition(
        Singular: "compliancerestore",
        ShortNames: ["crestore"],
        Categories: ["dora"],
        PrinterColumns:
        [
            new("STACK", ".spec.stack", Description: "The stack."),
            new("ENGINE", ".spec.engine", Description: "The engine."),
            new("MODE", ".spec.target.mode", Description: "Where the data goes."),
            new("PHASE", ".status.phase", Description: "How far it is."),
            new("RTO", ".status.measuredRto", Description: "How long it took until the data served."),
            new("RPO", ".status.measuredRpo", Description: "How old the restored state was.", Priority: 1),
            new("REASON", ".status.reason", Description: "Why it is in this phase.", Priority: 1),
            new("AGE", ".metadata.creationTimestamp", "date"),
        ]).Render(RestoreResource.Type);
}
