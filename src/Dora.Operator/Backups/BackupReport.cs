using Dora.Api;
using Dora.Backup.Runs;
using Dora.Engines;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Backups;

/// <summary>
/// What is known of a stack's backups, and the conditions that follow (DORA, Regulation (EU) 2022/2554, articles 9, 11 and 12). Pure; messages hold no ages
/// that grow, so that a converged stack costs no writes.
/// </summary>
internal static class BackupReport
{
    /// <summary>Entries of the status; null where the stack has no backups.</summary>
    public static BackupsStatus? Entries(StackPlan plan, StackObservation observed) => observed.Stack.Spec.Backup is null
        ? null
        : new([.. plan.Engines.Select(engine => Entry(engine.Engine.Name, observed))], plan.Schedules.Count > 0 ? plan.Schedules : null, plan.Searches.Count > 0 ? plan.Searches : null);

    /// <summary>The conditions; none where the stack has no backups.</summary>
    public static IEnumerable<Condition> Judge(StackPlan plan, BackupsStatus? entries, StackObservation observed, IReadOnlyDictionary<string, EngineHealth> health)
    {
        if (observed.Stack.Spec.Backup is not { } backup || entries is null)
            yield break;
        var engines = plan.Engines.Select(engine => new EngineView(engine.Engine.Name, engine.Cluster, entries.Engines!.First(entry => entry.Engine == engine.Engine.Name))).ToList();
        yield return Summary(ConditionTypes.BackupFresh, "WithinRPO", engines.Select(engine => Fresh(engine, backup, observed)), "the newest backup of every engine is as young as asked");
        if (plan.Engines.Select(engine => (engine.Engine.Name, Archive: health.GetValueOrDefault(engine.Engine.Name)?.Archive)).Where(engine => engine.Archive is not null).ToList() is { Count: > 0 } archiving)
            yield return Summary(ConditionTypes.LogArchived, "Archiving", archiving.Select(engine => engine.Archive is { Failing: { } since, Problem: var problem } ? new BackupFinding("ArchiveFailing", $"{engine.Name}: since {since:u}: {problem}") : null), "what the servers write reaches the store");
        yield return Summary(ConditionTypes.RestoreVerified, "DrillPassed", engines.Where(Covered).Select(engine => Verified(engine, backup, observed)), "the last drill of every engine restored what had been backed up");
        if (backup.Objectives is { Count: > 0 } objectives)
            yield return Summary(ConditionTypes.RecoveryObjectivesMet, "ObjectivesMet", objectives.SelectMany(objective => Objectives(objective, engines, observed)), "restores were as quick and lost as little as asked");
        if (backup.Copies is { Count: > 0 })
            yield return Summary(ConditionTypes.BackupCopied, CopyRules.Copied, engines.Where(Covered).SelectMany(engine => CopyReport.Findings(engine.Entry, Limit(engine.Name, backup, observed), observed.Backups, observed.Now)), "every place of spec.backup.copies holds the newest backup of every engine");
        yield return Protected(backup, observed);
        yield return new(ConditionTypes.RestoreSegregated, Conditions.False, "LogicalOnly", "drills run in pods of their own that reach no server, and in the same cluster: restore into a cluster of your own from the same bucket to be segregated physically");
    }

    /// <summary>The moment that the last backup of every engine covers; null where one has none.</summary>
    public static DateTimeOffset? LastBackup(BackupsStatus? entries) =>
        entries?.Engines is { Count: > 0 } engines && engines.All(engine => engine.BackupAt is not null) ? engines.Min(engine => engine.BackupAt) : null;

    /// <summary>When the last drill passed.</summary>
    public static DateTimeOffset? LastDrill(BackupsStatus? entries) => entries?.Engines?.Where(engine => engine.DrillPassed == true).Max(engine => engine.DrillAt);

    private static EngineBackups Entry(string engine, StackObservation observed)
    {
        var stack = observed.Stack.Metadata.Name;
        var done = RestoreWindow.WithoutName([.. observed.Backups.Where(backup => backup.Spec.Engine == engine && backup.Status is { Phase: RunPhase.Succeeded })]);
        var newest = done.MaxBy(backup => backup.Status!.StartedAt);
        var window = done.Where(backup => backup.Status!.Facts?.ContainsKey("window-from") == true).MaxBy(backup => backup.Status!.StartedAt)?.Status!.Facts;
        var drill = observed.Restores
            .Where(restore => restore.Spec.Engine == engine && restore.Spec.Stack == stack && restore.Spec.Target.Mode == RestoreMode.Drill && restore.Status?.Phase is RestorePhase.Succeeded or RestorePhase.Failed)
            .MaxBy(restore => restore.Status!.FinishedAt);
        return new(
            engine,
            newest?.Metadata.Name,
            newest?.Status?.StartedAt,
            done.Max(backup => backup.Status!.VerifiedAt),
            drill?.Metadata.Name,
            drill?.Status?.FinishedAt,
            drill is null ? null : drill.Status!.Phase == RestorePhase.Succeeded,
            drill?.Status?.MeasuredRto,
            RestoreWindow.Time(window?["window-from"]),
            window?.GetValueOrDefault("window-from-lsn"),
            CopyReport.Entries(observed.Stack.Spec.Backup!, done));
    }

    private static bool Covered(EngineView engine) => engine.Cluster.Backups.Count > 0;

    private static BackupFinding? Fresh(EngineView engine, BackupSettings backup, StackObservation observed)
    {
        if (!Covered(engine))
            return new("StoreUncovered", $"{engine.Name} has no backups: {engine.Cluster.BackupProblem ?? "there is no tool for it as it is set up"}");
        if (Taken(engine.Name, backup, observed) is { } taken)
            return taken;
        var limit = Limit(engine.Name, backup, observed);
        if (engine.Entry.BackupAt is not { } at)
            return limit is null ? new("StoreUncovered", $"{engine.Name} has no schedule, and no backup") : new("BackupOverdue", $"{engine.Name} has no backup yet");
        if (limit is { } most && observed.Now - at > most)
            return new("BackupOverdue", $"the newest backup of {engine.Name} is of {at:u}, older than {Durations.Format(most)}{Why(engine.Name, observed)}");
        return null;
    }

    private static TimeSpan? Limit(string engine, BackupSettings backup, StackObservation observed) =>
        Durations.Parse(backup.Objectives?.FirstOrDefault(objective => objective.Engine == engine)?.Rpo) ?? Usual(engine, backup, observed.Now);

    // The folder is another stack's: the last search saw that, or the last run was refused.
    private static BackupFinding? Taken(string engine, BackupSettings backup, StackObservation observed)
    {
        var (self, adopt) = (observed.Stack.Metadata.Uid, backup.Adopt);
        var last = observed.Backups.Where(one => one.Spec is { Found: null } && one.Spec.Engine == engine && one.Status?.FinishedAt is not null).MaxBy(one => one.Status!.FinishedAt);
        if (last?.Status is { Phase: RunPhase.Failed, Reason: RunReport.FolderTaken } failed)
            return new(RunReport.FolderTaken, $"{engine}: {failed.Message}");
        // What was stored since is proof enough.
        return last?.Status?.Phase != RunPhase.Succeeded && observed.Stack.Status?.Backups?.Searches?.FirstOrDefault(search => search.Engine == engine) is { Owner: { } owner, Where: var where } && owner != self && owner != adopt
            ? new(RunReport.FolderTaken, $"{where} holds backups of {engine} of another stack of this name (UID {owner}): if that stack is gone for good, take its folder over with spec.backup.adopt: {owner}; else give this one another spec.backup.destination.prefix")
            : null;
    }

    // Without an objective: two turns of its most frequent schedule.
    private static TimeSpan? Usual(string engine, BackupSettings backup, DateTimeOffset now)
    {
        TimeSpan? least = null;
        foreach (var wanted in (backup.Schedules ?? []).Where(schedule => schedule.Engines?.Contains(engine) != false))
        {
            if (Schedule.Parse(wanted.Cron, wanted.TimeZone, out _) is { } schedule && schedule.Next(now) is { } next && schedule.Next(next) is { } after && (least is null || (after - next) * 2 < least))
                least = (after - next) * 2;
        }

        return least;
    }

    private static string Why(string engine, StackObservation observed) => observed.Backups
        .Where(backup => backup.Spec.Engine == engine && backup.Status is { Phase: RunPhase.Failed })
        .MaxBy(backup => backup.Status!.FinishedAt) is { Status: { } failed } last ? $"; {last.Metadata.Name} failed: {failed.Reason}: {failed.Message}" : "";

    private static BackupFinding? Verified(EngineView engine, BackupSettings backup, StackObservation observed)
    {
        if (backup.Drills is not { } drills || drills.Engines?.Contains(engine.Name) == false)
            return new("DrillOverdue", $"no drills of {engine.Name} are asked for: give spec.backup.drills");
        if (engine.Entry.DrillAt is not { } at)
            return new("DrillOverdue", $"{engine.Name} was not drilled yet");
        if (engine.Entry.DrillPassed != true)
        {
            var failed = observed.Restores.First(restore => restore.Metadata.Name == engine.Entry.Drill).Status!;
            return new(failed.Reason switch { "FingerprintDiffers" => "CountMismatch", "BackupBroken" => "ChecksumMismatch", _ => "DrillErrored" }, $"drill {engine.Entry.Drill} of {engine.Name} failed: {failed.Reason}: {failed.Message}");
        }

        return Schedule.Parse(drills.Cron, drills.TimeZone, out _) is { } schedule && schedule.Next(at) is { } next && schedule.Next(next) is { } due && observed.Now > due
            ? new("DrillOverdue", $"the last drill of {engine.Name} ended at {at:u}, and the one of {next:u} is missing")
            : null;
    }

    private static IEnumerable<BackupFinding?> Objectives(BackupObjective objective, List<EngineView> engines, StackObservation observed)
    {
        if (engines.Find(engine => engine.Name == objective.Engine) is not { } engine)
            yield break;
        if (Durations.Parse(objective.Rpo) is { } rpo)
        {
            yield return engine.Entry.BackupAt is not { } at ? new("NotMeasured", $"{engine.Name} has no backup yet")
                : observed.Now - at > rpo ? new("RPOExceeded", $"what {engine.Name} would lose now is more than {objective.Rpo}: its newest backup is of {at:u}") : null;
        }

        if (Durations.Parse(objective.Rto) is { } rto)
        {
            yield return engine.Entry.MeasuredRto is not { } measured || engine.Entry.DrillPassed != true ? new("NotMeasured", $"no drill of {engine.Name} has shown how long a restore takes")
                : Durations.Parse(measured) > rto ? new("RTOExceeded", $"drill {engine.Entry.Drill} of {engine.Name} took {measured}, more than {objective.Rto}") : null;
        }
    }

    private static Condition Protected(BackupSettings backup, StackObservation observed)
    {
        // Of each engine the newest try; they write to the same bucket, and with the same credential.
        var tried = observed.Backups.Where(one => one.Status?.Protection is not null).MaxBy(one => one.Status!.FinishedAt)?.Status;
        if (tried is null)
            return new(ConditionTypes.BackupProtected, Conditions.Unknown, "LockUnreadable", "it is tried after the next backup whether who writes backups can remove them");
        if (tried.ProtectionFacts is not { } facts)
            return new(ConditionTypes.BackupProtected, Conditions.Unknown, "LockUnreadable", tried.Protection!);
        if (facts.GetValueOrDefault("delete") != "denied")
            return new(ConditionTypes.BackupProtected, Conditions.False, "DeleteAllowed", tried.Protection!);
        if (tried.Protection != BackupChores.Protected)
            return new(ConditionTypes.BackupProtected, Conditions.False, backup.Destination.Lock?.Mode == BackupLockMode.Compliance ? "LockUnreadable" : "GovernanceOnly", tried.Protection!);
        return backup.Destination.Lock?.Mode == BackupLockMode.Compliance
            ? new(ConditionTypes.BackupProtected, Conditions.True, "LockCompliance", $"nobody removes a backup for {backup.Destination.Lock.Days} days: the lock was read back, and removing was tried and refused")
            : new(ConditionTypes.BackupProtected, Conditions.False, "GovernanceOnly", "who is specially permitted removes backups before their day: use mode Compliance");
    }

    private static Condition Summary(string type, string good, IEnumerable<BackupFinding?> findings, string fine)
    {
        var bad = findings.OfType<BackupFinding>().ToList();
        return bad.Count == 0
            ? new(type, Conditions.True, good, fine)
            : new(type, Conditions.False, bad[0].Reason, StackStatus.Cut(string.Join(" | ", bad.Select(finding => finding.Message))));
    }

    private sealed record EngineView(string Name, IEngineCluster Cluster, EngineBackups Entry);
}

/// <summary>What keeps a condition from being true.</summary>
/// <param name="Reason">CamelCase.</param>
/// <param name="Message">The same in words.</param>
internal sealed record BackupFinding(string Reason, string Message);
