namespace Dora.Engines;

/// <summary>How an engine is, by its members' own words.</summary>
/// <param name="Verdict">In one word.</param>
/// <param name="Members">Each member that was asked.</param>
/// <param name="Primary">Pod that takes writes by the engine's own election, or null.</param>
/// <param name="Version">Server version, or null.</param>
/// <param name="Message">What is missing for Healthy; stable text without counters that move.</param>
/// <param name="Needs">Names of commands that would bring it nearer to what is wanted.</param>
/// <param name="Agent">Lowest version of what runs the servers, such as Patroni, where there is such a thing; or null.</param>
/// <param name="PrimaryStays">Whether the primary cannot be asked to move: it restarts where it is, and the others elect.</param>
public sealed record EngineHealth(
    EngineVerdict Verdict,
    IReadOnlyList<MemberHealth> Members,
    string? Primary,
    string? Version,
    string Message,
    IReadOnlyList<string> Needs,
    Version? Agent = null,
    bool PrimaryStays = false)
{
    /// <summary>How the archiving of the log goes; null where nothing is archived, or the primary did not say.</summary>
    public ArchiveHealth? Archive { get; init; }
}

/// <summary>How the archiving of an engine's log goes: what was archived can be restored to any point in time.</summary>
/// <param name="Archived">When a file of the log was last archived; null: none ever was.</param>
/// <param name="Failing">Since when none is archived though one waits, as far as is known; null: all is well.</param>
/// <param name="Problem">What is wrong and what to do, stable text; null when nothing is.</param>
public sealed record ArchiveHealth(DateTimeOffset? Archived, DateTimeOffset? Failing = null, string? Problem = null);

/// <summary>An engine in one word.</summary>
public enum EngineVerdict
{
    /// <summary>Nothing answers.</summary>
    Unreachable,

    /// <summary>Answers, but takes no writes or lacks members.</summary>
    Degraded,

    /// <summary>All members serve and follow.</summary>
    Healthy,
}

/// <summary>One member by its own words.</summary>
/// <param name="Pod">Pod name.</param>
/// <param name="Role">Its role.</param>
/// <param name="Serving">Whether it does its role's work.</param>
/// <param name="LagBytes">Bytes behind the primary, or null.</param>
/// <param name="Timeline">PostgreSQL's timeline, or null.</param>
/// <param name="Connections">Client connections, or null.</param>
/// <param name="Detail">What is wrong, or null.</param>
/// <param name="Synchronous">Whether the primary waits for it at commit.</param>
/// <param name="PendingRestart">Whether it has settings that it takes up only when it restarts.</param>
/// <param name="LagSeconds">Seconds behind the primary, where the engine counts in time and not in bytes, or null.</param>
/// <param name="Repair">What is known of a member that cannot follow by itself, from one probe to the next; or null.</param>
public sealed record MemberHealth(
    string Pod,
    MemberRole Role,
    bool Serving,
    long? LagBytes = null,
    int? Timeline = null,
    int? Connections = null,
    string? Detail = null,
    bool Synchronous = false,
    bool PendingRestart = false,
    double? LagSeconds = null,
    MemberRepair? Repair = null)
{
    /// <summary>How full the volume of its data is; null where the server does not tell.</summary>
    public VolumeUse? Volume { get; init; }
}

/// <summary>How full a volume is, by the word of the server that writes there: nothing else of the operator's looks into volumes.</summary>
/// <param name="UsedBytes">Bytes that its data takes, the log included, as far as the server counts them.</param>
/// <param name="TotalBytes">Size of the file system, where the server looks at it; null: the claim's is to be taken.</param>
public sealed record VolumeUse(long UsedBytes, long? TotalBytes = null);

/// <summary>A member that cannot follow by itself, and what was tried.</summary>
/// <param name="Since">Since when, as far as this operator has seen; null: it follows, or is on its way.</param>
/// <param name="Attempts">How often it was told to start anew.</param>
/// <param name="Last">When it was told last.</param>
public sealed record MemberRepair(DateTimeOffset? Since, int Attempts = 0, DateTimeOffset? Last = null);

/// <summary>Role of a member.</summary>
public enum MemberRole
{
    /// <summary>Did not say.</summary>
    Unknown,

    /// <summary>Takes writes.</summary>
    Primary,

    /// <summary>Follows.</summary>
    Replica,

    /// <summary>Votes and holds no data; no Service leads to it.</summary>
    Arbiter,
}
