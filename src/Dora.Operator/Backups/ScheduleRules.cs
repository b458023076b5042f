using System.Globalization;
using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Backups;

/// <summary>What schedules of a stack have to begin now, and when they run next.</summary>
/// <param name="Steps">Backups and drills to create.</param>
/// <param name="Status">One entry for each schedule and engine.</param>
internal sealed record SchedulePlan(IReadOnlyList<PlanStep> Steps, IReadOnlyList<ScheduleStatus> Status);

/// <summary>
/// When backups and drills are made. The next time of each is kept in the stack's status: what was missed while nobody looked is caught up once, and a
/// schedule that was changed counts from now on. Names say for which time a run was made: one that is made twice is the same. Pure.
/// </summary>
internal static class ScheduleRules
{
    /// <summary>Name under which drills are listed.</summary>
    public const string Drills = "drills";

    /// <summary>The plan.</summary>
    /// <param name="engines">Engines of the stack that can be backed up.</param>
    /// <param name="observed">What is known.</param>
    /// <param name="free">Whether anything is begun.</param>
    public static SchedulePlan Of(IReadOnlyList<string> engines, StackObservation observed, bool free)
    {
        if (observed.Stack.Spec.Backup is not { } backup)
            return new([], []);
        var (steps, status) = (new List<PlanStep>(), new List<ScheduleStatus>());
        foreach (var wanted in Wanted(backup, engines))
        {
            if (Schedule.Parse(wanted.Cron, wanted.TimeZone, out _) is not { } schedule)
                continue;
            var text = wanted.TimeZone is { } zone ? $"{wanted.Cron} {zone}" : wanted.Cron;
            var before = observed.Stack.Status?.Backups?.Schedules?.FirstOrDefault(entry => entry.Name == wanted.Name && entry.Engine == wanted.Engine && entry.Cron == text);
            var entry = before ?? new(wanted.Name, wanted.Engine, text, Next(schedule, wanted, observed, observed.Now));
            if (free && entry.NextRunTime is { } due && due <= observed.Now)
            {
                // One that still waits or runs is not joined by another.
                if (!IsOpen(wanted, observed))
                    steps.Add(new PlanStep.BeginRun(Run(wanted, observed.Stack, due)));
                entry = entry with { LastRunTime = due, NextRunTime = Next(schedule, wanted, observed, observed.Now) };
            }

            status.Add(entry);
        }

        return new(steps, status);
    }

    private static IEnumerable<WantedRun> Wanted(BackupSettings backup, IReadOnlyList<string> engines)
    {
        foreach (var schedule in backup.Schedules ?? [])
        {
            foreach (var engine in engines.Where(engine => schedule.Engines?.Contains(engine) != false))
                yield return new(schedule.Name, engine, schedule.Cron, schedule.TimeZone, Durations.Parse(schedule.Jitter) ?? TimeSpan.Zero, schedule.Deadline, schedule.Type);
        }

        if (backup.Drills is not { } drills)
            yield break;
        foreach (var engine in engines.Where(engine => drills.Engines?.Contains(engine) != false))
            yield return new(Drills, engine, drills.Cron, drills.TimeZone, Durations.Parse(drills.Jitter) ?? TimeSpan.Zero, drills.Deadline, null);
    }

    // Each stack, schedule and engine has a moment of its own, always the same.
    private static DateTimeOffset? Next(Schedule schedule, WantedRun wanted, StackObservation observed, DateTimeOffset now)
    {
        var share = Convert.ToUInt32(PodDefaults.Hash(observed.Stack.Metadata.Uid ?? "", wanted.Name, wanted.Engine)[..8], 16) / (double)uint.MaxValue;
        return schedule.Next(now) is { } next ? BackupRules.Whole(next + (wanted.Jitter * share)) : null;
    }

    private static bool IsOpen(WantedRun wanted, StackObservation observed) => wanted.Type is null
        ? observed.Restores.Any(restore => restore.Metadata.Label(Labels.Schedule) == Drills && restore.Spec.Engine == wanted.Engine && RunTurns.IsOpen(restore))
        : observed.Backups.Any(backup => backup.Metadata.Label(Labels.Schedule) == wanted.Name && backup.Spec.Engine == wanted.Engine && RunTurns.IsOpen(backup));

    private static IKubeObject Run(WantedRun wanted, ComplianceStack stack, DateTimeOffset due)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"{stack.Metadata.Name}-{wanted.Engine}-{wanted.Name}-{due.UtcDateTime:yyyyMMddHHmmss}");
        // Neither belongs to the stack: records outlive it.
        var meta = new ObjectMeta(Name: name, Namespace: stack.Metadata.Namespace, Labels: new Dictionary<string, string>
        {
            [Labels.Stack] = stack.Metadata.Name!,
            [Labels.Engine] = wanted.Engine,
            [Labels.Schedule] = wanted.Name,
            [Labels.ManagedBy] = Labels.ManagedByValue,
        });
        return wanted.Type is { } type
            ? new ComplianceBackup(meta, new(stack.Metadata.Name!, wanted.Engine, type, Deadline: wanted.Deadline))
            : new ComplianceRestore(meta, new(stack.Metadata.Name!, wanted.Engine, new(), new(RestoreMode.Drill), wanted.Deadline));
    }

    /// <summary>A schedule of one engine.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="Engine">The engine.</param>
    /// <param name="Cron">Five fields.</param>
    /// <param name="TimeZone">Its zone, or null.</param>
    /// <param name="Jitter">How much later at most.</param>
    /// <param name="Deadline">How long a run may take.</param>
    /// <param name="Type">What backup; null: a drill.</param>
    private sealed record WantedRun(string Name, string Engine, string Cron, string? TimeZone, TimeSpan Jitter, string Deadline, BackupType? Type);
}
