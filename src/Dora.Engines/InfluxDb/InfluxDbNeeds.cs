namespace Dora.Engines.InfluxDb;

/// <summary>
/// Names of what is missing, <c>Name/subject</c>, by which a probe tells the next pass what to say; no subject holds a slash, but
/// several may follow each other.
/// </summary>
internal static class InfluxDbNeeds
{
    public const string CreateDatabase = "CreateDatabase";
    public const string AlterDatabase = "AlterDatabase";
    public const string CreatePolicy = "CreateRetentionPolicy";
    public const string AlterPolicy = "AlterRetentionPolicy";
    public const string SetContinuousQuery = "SetContinuousQuery";
    public const string CreateUser = "CreateUser";
    public const string RemoveContinuousQuery = "RemoveContinuousQuery";
    public const string RemoveTask = "RemoveTask";
    public const string RevokeToken = "RevokeToken";
    public const string DropUser = "DropUser";
    public const string SetPassword = "SetPassword";
    public const string SetGrants = "SetGrants";
    public const string CreateBucket = "CreateBucket";
    public const string UpdateBucket = "UpdateBucket";
    public const string IssueToken = "IssueToken";
    public const string SetTask = "SetTask";
    public const string ConnectReplica = "ConnectReplica";
    public const string SetReplication = "SetReplication";
    public const string RemoveReplication = "RemoveReplication";

    public static string Of(string name, params ReadOnlySpan<string> subject) => $"{name}/{string.Join('/', subject!)}";

    /// <summary>Commands from what was last found; pure.</summary>
    public static IReadOnlyList<EngineCommand> Commands(EngineObservation observed)
    {
        ArgumentNullException.ThrowIfNull(observed);
        return [.. (observed.Health?.Needs ?? []).Where(need => need.Contains('/', StringComparison.Ordinal)).Select(need =>
        {
            var (name, subject) = (need[..need.IndexOf('/', StringComparison.Ordinal)], need[(need.IndexOf('/', StringComparison.Ordinal) + 1)..]);
            return new EngineCommand(name, subject, Reason(name, subject));
        })];
    }

    /// <summary>What is missing, for people.</summary>
    public static string Describe(IReadOnlyList<string> needs) => string.Join(", ", needs.Take(3)) + (needs.Count > 3 ? ", …" : "");

    private static string Reason(string name, string subject) => name switch
    {
        CreateDatabase or CreateBucket or CreatePolicy or CreateUser => $"'{subject}' is declared and does not exist",
        AlterDatabase or AlterPolicy or UpdateBucket => $"'{subject}' keeps points for another time than declared",
        SetContinuousQuery or SetTask => $"downsampling '{subject}' is not as declared",
        DropUser => $"'{subject}' logged in before Vault gave its login",
        SetPassword => $"the server refuses the password that the Secret of '{subject}' holds",
        SetGrants => $"'{subject}' may do other things than declared",
        IssueToken => $"the Secret of '{subject}' holds no token that gives just the declared rights",
        ConnectReplica => $"the first server does not know its replica '{subject}'",
        SetReplication => $"'{subject}' is not replicated as declared",
        RemoveContinuousQuery or RemoveTask => $"downsampling '{subject}' is not declared any more",
        RevokeToken => $"'{subject}' is not declared any more, or may do nothing",
        _ => $"'{subject}' is replicated, and is not to be any more",
    };
}
