using Dora.Kubernetes.Model;

namespace Dora.Api;

/// <summary>Condition types of a stack. Ready, Reconciling and Stalled follow kstatus.</summary>
public static class ConditionTypes
{
    /// <summary>Serves as asked.</summary>
    public const string Ready = "Ready";

    /// <summary>True while the operator works towards the spec.</summary>
    public const string Reconciling = "Reconciling";

    /// <summary>True when only a person can go on.</summary>
    public const string Stalled = "Stalled";

    /// <summary>All controls hold.</summary>
    public const string Compliant = "Compliant";

    /// <summary>The API server refuses to delete the stack; there only while <c>spec.deletionProtection</c> is true.</summary>
    public const string DeletionProtected = "DeletionProtected";

    /// <summary>The data of every member that tells has room in its volume.</summary>
    public const string VolumesSufficient = "VolumesSufficient";

    /// <summary>Every port of every server speaks TLS and nothing else, as measured.</summary>
    public const string EncryptedInTransit = "EncryptedInTransit";

    /// <summary>Nobody reaches the servers but who may, as a pod tried that nothing lets in.</summary>
    public const string NetworkSegmented = "NetworkSegmented";

    /// <summary>Every certificate of the servers is there and valid; there only while engines have certificates.</summary>
    public const string CertificatesCurrent = "CertificatesCurrent";

    /// <summary>Servers and Secrets hold the passwords that Vault holds; there only with <c>spec.credentials.source: Vault</c>.</summary>
    public const string CredentialsCurrent = "CredentialsCurrent";

    /// <summary>The newest backup of every engine is as young as its objective asks; this and the next ones there only with <c>spec.backup</c>.</summary>
    public const string BackupFresh = "BackupFresh";

    /// <summary>The log of every engine that archives one reaches the store, so that any point in time can be restored; there only where one does.</summary>
    public const string LogArchived = "LogArchived";

    /// <summary>The last drill of every engine restored what had been backed up.</summary>
    public const string RestoreVerified = "RestoreVerified";

    /// <summary>Restores are as quick, and lose as little, as the objectives ask, as measured.</summary>
    public const string RecoveryObjectivesMet = "RecoveryObjectivesMet";

    /// <summary>Every place of <c>spec.backup.copies</c> holds the newest backup of every engine; there only with copies.</summary>
    public const string BackupCopied = "BackupCopied";

    /// <summary>Nobody removes backups before their day.</summary>
    public const string BackupProtected = "BackupProtected";

    /// <summary>Restores are tried apart from the system whose data they restore.</summary>
    public const string RestoreSegregated = "RestoreSegregated";

    /// <summary>No password is older than it may be, and old ones are refused; there once a rotation was asked for.</summary>
    public const string CredentialsRotated = "CredentialsRotated";
}

/// <summary>The rules of conditions.</summary>
public static class Conditions
{
    /// <summary>True, False or Unknown.</summary>
    public const string True = "True";

    /// <inheritdoc cref="True"/>
    public const string False = "False";

    /// <inheritdoc cref="True"/>
    public const string Unknown = "Unknown";

    /// <summary>The condition of a type, or null.</summary>
    public static Condition? Find(this IReadOnlyList<Condition>? conditions, string type) =>
        conditions?.FirstOrDefault(condition => condition.Type == type);

    /// <summary>
    /// New conditions over old ones: <c>lastTransitionTime</c> is kept while <c>status</c> stays the same, so that an unchanged
    /// condition compares equal and costs no write.
    /// </summary>
    public static IReadOnlyList<Condition> Carry(IReadOnlyList<Condition>? old, IEnumerable<Condition> computed, long generation, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(computed);
        var whole = DateTimeOffset.FromUnixTimeSeconds(now.ToUnixTimeSeconds());
        return [.. computed.Select(condition =>
        {
            var before = old.Find(condition.Type);
            return condition with
            {
                ObservedGeneration = generation,
                LastTransitionTime = before?.Status == condition.Status ? before.LastTransitionTime ?? whole : whole,
            };
        })];
    }
}
