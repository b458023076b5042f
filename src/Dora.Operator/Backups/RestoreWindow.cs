using System.Globalization;
using System.Text.RegularExpressions;
using Dora.Api;
using Dora.Engines.Backups;

namespace Dora.Operator.Backups;

/// <summary>Which backup a restore begins with, and whether the point that it asks for can be reached from there, as far as is known without the store. Pure.</summary>
internal static partial class RestoreWindow
{
    /// <summary>What in the spec contradicts itself. The API server refuses it; an old one does not know rules.</summary>
    public static string? Contradiction(ComplianceRestoreSpec spec)
    {
        var source = spec.Source;
        return new[] { source.PointInTime is not null, source.Lsn is not null, source.RestorePoint is not null }.Count(given => given) > 1 ? $"spec.source: {RestoreSource.OnePoint}"
            : source is { Exclusive: true, PointInTime: null, Lsn: null } ? $"spec.source.exclusive: {RestoreSource.ExclusiveOfWhat}"
            : OfLog(source) && spec.Engine != "postgres" ? $"spec.source: {RestoreSource.OnlyPostgres}"
            : source.Lsn is { } lsn && Position(lsn) is null ? $"spec.source.lsn: '{lsn}' is no position in the log: give one such as 0/3000148"
            : source.RestorePoint is { } name && Name().Match(name).Length != name.Length ? "spec.source.restorePoint: give letters, digits, spaces and -_.:+ only"
            : (spec.Target.Mode == RestoreMode.Database) != (spec.Target.Database is not null) ? $"spec.target: {RestoreTarget.NamedDatabase}"
            : spec.Target.Mode == RestoreMode.Database && (spec.Engine != "postgres" || source.Backup is null) ? $"spec.target.mode: {RestoreTarget.DatabaseFromDump}"
            : null;
    }

    /// <summary>The backup, or null and why there is none.</summary>
    public static ComplianceBackup? Choose(RestoreObservation observed, out string problem)
    {
        var spec = observed.Restore.Spec;
        var usable = WithoutName(observed.Backups.Where(backup => RestorePlace.Holds(observed, backup) && backup.Spec.Engine == spec.Engine && RestorePlace.Has(observed, backup)).ToList());
        problem = "";
        if (spec.Source.Backup is { } name)
        {
            var named = observed.Backups.FirstOrDefault(backup => backup.Metadata.Name == name);
            problem = named is null ? $"there is no ComplianceBackup {name} of {spec.Stack} in this namespace" : $"ComplianceBackup {name} is {named.Status?.Phase.ToString() ?? "Pending"}, not Succeeded: {named.Status?.Message}";
            if (named is null || !RestorePlace.Holds(observed, named))
                return null;
            problem = $"ComplianceBackup {name} is not in copy {spec.Source.Copy}: its status.copies says why";
            return RestorePlace.Has(observed, named) ? named : null;
        }

        if (usable.Count == 0)
            problem = spec.Source.Copy is { } copy ? $"no backup of {spec.Engine} of {spec.Stack} is in copy {copy}" : $"no backup of {spec.Engine} of {spec.Stack} has succeeded: create a ComplianceBackup";
        else if (spec.Source.Lsn is { } lsn)
            problem = $"no backup of {spec.Engine} had ended at {lsn}: the oldest ended at {usable.Select(End).OfType<string>().MinBy(Position) ?? "no position that is known"}";
        else if (spec.Source.PointInTime is { } point)
            problem = $"no backup of {spec.Engine} was done by {point:O}: the oldest ended at {usable.Min(backup => backup.Status!.FinishedAt):O}";
        return usable.Where(backup => Before(backup, spec.Source)).MaxBy(backup => backup.Status!.StartedAt);
    }

    /// <summary>What is wrong with the point that is asked for, or null.</summary>
    public static string? Outside(RestoreObservation observed, ComplianceBackup backup, BackupTool tool)
    {
        var (spec, status) = (observed.Restore.Spec, backup.Status!);
        if (spec.Target.Mode != RestoreMode.Database && status.Facts?.GetValueOrDefault("parts") == "data")
            return $"{backup.Metadata.Name} holds rows alone, and no tables to put them in: name a backup of all of the database, or restore into a database that has its tables (mode Database)";
        if (OfLog(spec.Source) && !tool.LogPositions)
            return $"{backup.Metadata.Name} holds {status.Content}, which has no log: name a backup of type Full or Incremental";
        if (spec.Source.Lsn is { } lsn && End(backup) is { } stop && Position(lsn) < Position(stop))
            return $"{lsn} is outside of what can be restored from {backup.Metadata.Name}: {stop} to what was archived";
        return spec.Source.PointInTime is { } point ? Outside(observed, backup, tool, point) : null;
    }

    /// <summary>The time whose state was restored, as far as it is known.</summary>
    /// <param name="source">What was asked for.</param>
    /// <param name="backup">The backup, or null where it is gone.</param>
    /// <param name="found">Facts of the restored data.</param>
    public static DateTimeOffset? State(RestoreSource source, ComplianceBackup? backup, IReadOnlyDictionary<string, string>? found) =>
        source.PointInTime ?? (OfLog(source) ? Time(found?.GetValueOrDefault("until")) : backup?.Status?.StartedAt);

    /// <summary>A time among facts.</summary>
    public static DateTimeOffset? Time(string? fact) =>
        DateTimeOffset.TryParse(fact, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;

    // What was archived is known by the last probe, and by the last backup, which waits for the log that it needs. A copy has the log up to its last backup.
    private static string? Outside(RestoreObservation observed, ComplianceBackup backup, BackupTool tool, DateTimeOffset point)
    {
        var engine = observed.Restore.Spec.Engine;
        if (!tool.PointInTime)
            return $"backups of {engine} hold one moment each, and no log: name a backup instead of a time; {backup.Metadata.Name} is of {backup.Status!.StartedAt:u}";
        var (begin, end) = (backup.Status!.FinishedAt, observed.Backups.Where(other => other.Spec.Engine == engine && other.Status?.Phase == RunPhase.Succeeded && RestorePlace.Has(observed, other)).Max(other => other.Status!.FinishedAt));
        if (observed.Restore.Spec.Source.Copy is null && observed.From!.Health?.Archive?.Archived is { } archived && archived > end)
            end = archived;
        return point >= begin && point <= end ? null : $"{point:u} is outside of what can be restored from {backup.Metadata.Name}: {begin:u} to {end:u}";
    }

    /// <summary>
    /// Backups that may stand for all of an engine's data: where there are others, a dump, which holds one database, is only restored by name; one of parts always.
    /// </summary>
    public static List<ComplianceBackup> WithoutName(IReadOnlyList<ComplianceBackup> backups) =>
        backups.Where(backup => backup.Spec.Type != BackupType.Dump).ToList() is { Count: > 0 } whole ? whole : [.. backups.Where(backup => backup.Spec.Parts == DumpParts.All)];

    private static bool OfLog(RestoreSource source) => source is { Lsn: not null } or { RestorePoint: not null };

    private static bool Before(ComplianceBackup backup, RestoreSource source) =>
        source.Lsn is { } lsn ? End(backup) is { } stop && Position(stop) <= Position(lsn)
        : source.PointInTime is { } point ? backup.Status!.FinishedAt <= point
        : true;

    private static string? End(ComplianceBackup backup) => backup.Status!.Facts?.GetValueOrDefault("lsn-stop");

    private static ulong? Position(string lsn) => Lsn().Match(lsn) is { Success: true } match && match.Length == lsn.Length
        ? (Half(match.Groups["high"]) << 32) + Half(match.Groups["low"])
        : null;

    private static ulong Half(Group digits) => ulong.Parse(digits.ValueSpan, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    [GeneratedRegex("^(?<high>[0-9A-Fa-f]{1,8})/(?<low>[0-9A-Fa-f]{1,8})$", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 1_000)]
    private static partial Regex Lsn();

    [GeneratedRegex(RestoreSource.RestorePointPattern, RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 1_000)]
    private static partial Regex Name();
}
