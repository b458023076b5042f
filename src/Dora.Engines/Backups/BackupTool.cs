using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Backups;

/// <summary>
/// One way to copy the data of an engine out of its servers, and to lay it down in an empty volume. It says what runs beside
/// <c>dora-agent</c> in the pod of a run; the operator adds the rest. Pure.
/// </summary>
/// <param name="Content">What form the data has, as manifests name it, e.g. <c>redis-rdb</c>: what one tool wrote another of the same content lays down.</param>
/// <param name="Types">What backups it makes.</param>
/// <param name="Copy">Reads from a member that serves, writes into the pipe.</param>
/// <param name="LayDown">
/// Reads from the pipe, writes into the empty volume at <see cref="Data"/> what a member starts with. In a drill (<c>DRILL=1</c>) it then starts
/// a server on that volume which nobody outside the pod reaches, runs the engine's own checker, and answers with the same facts as the copy.
/// </param>
public sealed record BackupTool(string Content, IReadOnlyList<BackupType> Types, Func<CopyRequest, ToolContainer> Copy, Func<LayDownRequest, ToolContainer> LayDown)
{
    /// <summary>Where the empty volume is mounted. A member's own volume is mounted there as a whole.</summary>
    public const string Data = "/data";

    /// <summary>Whether the data goes through the agent; false: the tool stores it by itself, and the agent only writes the manifest.</summary>
    public bool Streams { get; init; } = true;

    /// <summary>
    /// Reads all that <see cref="LayDown"/> would read of what the tool stored by itself, and lays nothing down: before servers are stopped for a restore.
    /// Null where the agent reads it.
    /// </summary>
    public Func<LayDownRequest, ToolContainer>? Inspect { get; init; }

    /// <summary>Reads from the pipe into an empty database of servers that run; null where the data cannot be taken apart.</summary>
    public Func<LoadRequest, ToolContainer>? Load { get; init; }

    /// <summary>The databases that this can be asked for.</summary>
    public IReadOnlyList<string> Databases { get; init; } = [];

    /// <summary>Whether any time between the backup's end and the end of the log can be restored.</summary>
    public bool PointInTime { get; init; }

    /// <summary>The same of positions in the log, and of names that were given to them.</summary>
    public bool LogPositions { get; init; }

    /// <summary>Ports of the servers that a copy is read from.</summary>
    public IReadOnlyList<int> Ports { get; init; } = [];

    /// <summary>State of the servers outside of their volumes, such as an election's: it goes while they are stopped for a restore.</summary>
    public IReadOnlyList<(KubeResource Resource, string Name)> Forget { get; init; } = [];
}

/// <summary>What a copy is asked for.</summary>
/// <param name="Host">DNS name of the member that is read.</param>
/// <param name="Type">How much.</param>
/// <param name="Database">Only this database, where the tool can; null: all.</param>
/// <param name="Parts">What of it, where the tool can.</param>
public sealed record CopyRequest(string Host, BackupType Type, string? Database = null, DumpParts Parts = DumpParts.All);

/// <summary>What is laid down.</summary>
/// <param name="Drill">Whether a server is started on it in the pod, and checked.</param>
/// <param name="Facts">What the manifest of the backup says of the data.</param>
/// <param name="PointInTime">The state at this time instead of the newest, where the tool can.</param>
/// <param name="Checks">Questions to the restored data, of this engine; each in a file of /checks.</param>
public sealed record LayDownRequest(bool Drill, IReadOnlyDictionary<string, string> Facts, DateTimeOffset? PointInTime = null, IReadOnlyList<DrillCheck>? Checks = null)
{
    /// <summary>The state at this position of the log instead.</summary>
    public string? Lsn { get; init; }

    /// <summary>The state at the position of the log that has this name instead.</summary>
    public string? RestorePoint { get; init; }

    /// <summary>Whether what was committed at just that time or position is left out.</summary>
    public bool Exclusive { get; init; }

    /// <summary>Whether a copy is read, and not the place that the servers write to.</summary>
    public bool FromCopy { get; init; }
}

/// <summary>What is loaded into servers that run.</summary>
/// <param name="Host">DNS name of the member that takes writes.</param>
/// <param name="Database">One of <see cref="BackupTool.Databases"/>.</param>
/// <param name="Facts">What the manifest of the backup says of the data.</param>
public sealed record LoadRequest(string Host, string Database, IReadOnlyDictionary<string, string> Facts);

/// <summary>
/// The tool's container: a script of the engine in the engine's image. The operator adds the stage (<c>STAGE=/stage</c>), the scripts at
/// <see cref="Scripts"/>, scratch space at /tmp, <c>DRILL</c>, security and names.
/// </summary>
/// <param name="Image">The engine's image.</param>
/// <param name="Script">File that bash runs.</param>
/// <param name="Files">All files at <see cref="Scripts"/>, the script among them.</param>
/// <param name="Environment">What the script is told: secrets by reference only.</param>
/// <param name="Volumes">Volumes beside the operator's own, such as the servers' certificates.</param>
/// <param name="Mounts">Where.</param>
/// <param name="Resources">What it needs, or null for little.</param>
public sealed record ToolContainer(
    string Image,
    string Script,
    IReadOnlyDictionary<string, string> Files,
    IReadOnlyList<EnvVar> Environment,
    IReadOnlyList<Volume> Volumes,
    IReadOnlyList<VolumeMount> Mounts,
    ResourceRequirements? Resources = null)
{
    /// <summary>Where the files are mounted.</summary>
    public const string Scripts = "/scripts";
}
