using System.Globalization;
using Dora.Api;
using Dora.Backup.Runs;
using Dora.Backup.Sets;
using Dora.Engines.Backups;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Backups;

/// <summary>What is to be done so that the backups of the bucket are objects of the cluster.</summary>
/// <param name="Steps">Jobs that look, objects to make, and what to write into them.</param>
/// <param name="Searches">One entry for each engine that was looked for.</param>
/// <param name="Wanted">Objects of Jobs that are needed.</param>
internal sealed record FindPlan(IReadOnlyList<PlanStep> Steps, IReadOnlyList<BackupSearch> Searches, IReadOnlyList<ObjectId> Wanted);

/// <summary>
/// When the bucket is looked through, and what follows from each page of what was found. A page is over once all of it is in objects; how far the search
/// is stands in the stack's status, and what a Job found in its last message: an operator that ends after any line goes on from there. Pure.
/// </summary>
internal static class FindRules
{
    private const string Completed = "Completed";

    // An order is a file of a ConfigMap, which holds 1 MiB.
    private const int MostKnown = 20_000;

    private static readonly TimeSpan _deadline = TimeSpan.FromMinutes(10);

    // What failed may be mended, and nobody says so.
    private static readonly TimeSpan _afterFailure = TimeSpan.FromMinutes(15);

    /// <summary>The plan.</summary>
    /// <param name="engines">Engines of the stack that can be backed up.</param>
    /// <param name="observed">What is known.</param>
    /// <param name="free">Whether anything is begun.</param>
    public static FindPlan Of(IReadOnlyList<string> engines, StackObservation observed, bool free)
    {
        var before = observed.Stack.Status?.Backups?.Searches ?? [];
        if (observed.Stack.Spec.Backup is null || !free || observed.Unreadable.ContainsKey(KubeTypes.Jobs.Resource))
            return new([], before, []);
        var parts = engines.Select(engine => Of(engine, before.FirstOrDefault(entry => entry.Engine == engine), observed)).ToList();
        return new([.. parts.SelectMany(part => part.Steps)], [.. parts.Select(part => part.Search).OfType<BackupSearch>()], [.. parts.SelectMany(part => part.Wanted)]);
    }

    private static EnginePart Of(string engine, BackupSearch? before, StackObservation observed)
    {
        var stack = observed.Stack;
        var prefix = $"{stack.Metadata.Name}-find-{engine}-";
        var job = observed.Live.Values.Select(live => live.Object).OfType<Job>().FirstOrDefault(job => job.Metadata.Name!.StartsWith(prefix, StringComparison.Ordinal) && job.Metadata.OwnedBy(stack));
        var search = new Search(engine, RunOrders.Store(stack.Spec.Backup!.Destination).ToString(), Asked(stack.Metadata), before);
        if (job is null)
            return search.Due(observed) ? Begin(search, prefix, observed) : new([], before, []);
        if (job.Metadata.DeletionTimestamp is not null)
            return new([], before, []);
        var answered = search with { Asked = Asked(job.Metadata) };
        if (job.Metadata.Name != answered.Job(prefix))
            return new([new PlanStep.Discard(KubeTypes.Jobs.Resource, job.Metadata.Name!, job.Metadata.Uid!)], before, []);
        var files = new ObjectId(KubeTypes.ConfigMaps.Resource, job.Metadata.Name!);
        if (RunEnd.Of(job, observed.Pods) is not { } end)
            return new([], before, [files]);
        var steps = end is { Succeeded: true, Report.Found: { } page } ? Steps(answered, page, observed).ToList() : [];
        return steps.Count > 0 ? new(steps, before, [files]) : new([], answered.Ended(job.Metadata.Name!, end, observed.Now), [files]);
    }

    private static string? Asked(ObjectMeta meta) => meta.Annotation(Labels.FindBackups) is { Length: > 0 } asked ? asked[..Math.Min(asked.Length, 63)] : null;

    private static EnginePart Begin(Search search, string prefix, StackObservation observed)
    {
        var (stack, context) = (observed.Stack, StackPlanner.Context(observed.Stack, observed.Images, observed.Capabilities));
        var find = new FindOrder(
            [.. Mine(search.Engine, observed).Where(backup => backup.Status is { Phase: RunPhase.Succeeded, Id: not null }).Select(backup => backup.Status!.Id!).OrderDescending(StringComparer.Ordinal).Take(MostKnown)],
            [.. Unfilled(search.Engine, observed).Select(backup => backup.Spec.Found!.Id).Order(StringComparer.Ordinal)],
            search.Continues ? search.Before!.Next : null);
        var run = new BackupRun(search.Job(prefix), Ownership.Of(context), "find", (RunOrders.Of(stack, search.Engine, "find", "") with { Find = find }).Write(), _deadline);
        var job = BackupPods.Render(context, run);
        if (search.Asked is { } asked)
            job = job with { Metadata = job.Metadata with { Annotations = new Dictionary<string, string> { [Labels.FindBackups] = asked } } };
        return new([new PlanStep.RunSearch(BackupPods.Files(context, run), job)], search.Before, [new(KubeTypes.ConfigMaps.Resource, run.Name)]);
    }

    private static IEnumerable<PlanStep> Steps(Search search, FoundPage page, StackObservation observed)
    {
        foreach (var entry in page.Backups)
        {
            var known = Mine(search.Engine, observed).FirstOrDefault(backup => backup.Status?.Id == entry.Id || backup.Spec.Found?.Id == entry.Id);
            if (known is null && Object(search.Engine, entry, observed.Stack) is var made && observed.Backups.All(backup => backup.Metadata.Name != made.Metadata.Name))
                yield return new PlanStep.BeginRun(made);
            else if (known is { Spec.Found: not null, Status: null } or { Status: { Phase: RunPhase.Gone, Reason: Missing } })
                yield return new PlanStep.RecordBackup(known, Status(known, entry, observed.Stack));
        }

        foreach (var backup in Mine(search.Engine, observed).Where(backup => page.Gone.Contains(backup.Status?.Id ?? backup.Spec.Found?.Id)))
        {
            if (backup.Status is { Phase: RunPhase.Succeeded } || (backup.Status is null && backup.Spec.Found is not null))
                yield return new PlanStep.RecordBackup(backup, Lost(backup, Missing, $"{backup.Status?.Id ?? backup.Spec.Found!.Id} is not in {search.Where}, and no rule of spec.backup.keep is known to have removed it: find out who can write to the bucket, and restore from another backup", observed.Now));
        }
    }

    /// <summary>Reason of a backup that no keep rule removed, and that is in the bucket no more.</summary>
    public const string Missing = "Missing";

    /// <summary>The status of a backup whose data is gone.</summary>
    public static ComplianceBackupStatus Lost(ComplianceBackup backup, string reason, string message, DateTimeOffset now) => (backup.Status ?? new(ObservedGeneration: backup.Metadata.Generation, Id: backup.Spec.Found?.Id)) with
    {
        Phase = RunPhase.Gone,
        Reason = reason,
        Message = StackStatus.Cut(message),
        GoneAt = BackupRules.Whole(now),
    };

    // As a schedule makes them: they belong to nobody, and outlive the stack.
    private static ComplianceBackup Object(string engine, FoundEntry entry, ComplianceStack stack) => new(
        new(Name: $"{stack.Metadata.Name}-{engine}-{entry.Id}", Namespace: stack.Metadata.Namespace, Labels: new Dictionary<string, string>
        {
            [Labels.Stack] = stack.Metadata.Name!,
            [Labels.Engine] = engine,
            [Labels.ManagedBy] = Labels.ManagedByValue,
        }),
        Dumped(new(stack.Metadata.Name!, engine, Found: new(entry.Id)), entry.Facts));

    // What holds one database, or a part of one, never stands for all data.
    private static ComplianceBackupSpec Dumped(ComplianceBackupSpec spec, IReadOnlyDictionary<string, string>? facts) => facts?.GetValueOrDefault("database") is { Length: > 0 } database
        ? spec with { Type = BackupType.Dump, Database = database, Parts = Enum.TryParse<DumpParts>(facts.GetValueOrDefault("parts"), ignoreCase: true, out var parts) ? parts : DumpParts.All }
        : spec;

    private static ComplianceBackupStatus Status(ComplianceBackup backup, FoundEntry entry, ComplianceStack stack)
    {
        var place = new BackupPlace(stack.Metadata.Namespace ?? "default", stack.Metadata.Name!, backup.Spec.Engine, entry.Id);
        return (backup.Status ?? new()) with
        {
            Phase = RunPhase.Succeeded,
            ObservedGeneration = backup.Metadata.Generation,
            Id = entry.Id,
            StartedAt = BackupRules.Whole(entry.StartedAt),
            FinishedAt = BackupRules.Whole(entry.FinishedAt),
            Location = $"{RunOrders.Store(stack.Spec.Backup!.Destination)}/{place.Folder}",
            Content = entry.Content,
            Bytes = entry.Bytes,
            StoredBytes = entry.StoredBytes,
            Objects = entry.Objects,
            ManifestSha256 = entry.Manifest,
            KeyId = entry.KeyId,
            Facts = BackupRules.Facts(entry.Facts),
            VerifiedAt = entry.VerifiedAt is { } verified ? BackupRules.Whole(verified) : null,
            Reason = "Found",
            Message = null,
            GoneAt = null,
        };
    }

    private static IEnumerable<ComplianceBackup> Mine(string engine, StackObservation observed) => observed.Backups.Where(backup => backup.Spec.Engine == engine);

    private static IEnumerable<ComplianceBackup> Unfilled(string engine, StackObservation observed) => Mine(engine, observed).Where(backup => backup is { Spec.Found: not null, Status: null, Metadata.DeletionTimestamp: null });

    private sealed record EnginePart(IReadOnlyList<PlanStep> Steps, BackupSearch? Search, IReadOnlyList<ObjectId> Wanted);

    /// <summary>A search, and how far it was.</summary>
    private sealed record Search(string Engine, string Where, string? Asked, BackupSearch? Before)
    {
        public bool Continues => Before is { Next: not null } && Same;

        private bool Same => Before?.Where == Where && Before.Asked == Asked;

        public bool Due(StackObservation observed) =>
            !Same || (Before!.Reason == Completed ? Continues || Unfilled(Engine, observed).Any() : observed.Now >= Before.At + _afterFailure);

        // Another search is another name: what is created twice is refused.
        public string Job(string prefix) => prefix + PodDefaults.Hash(Where, Asked ?? "", Before?.Job ?? "", Before?.At.ToString("O", CultureInfo.InvariantCulture) ?? "")[..8];

        public BackupSearch Ended(string job, RunEnd end, DateTimeOffset now)
        {
            var entry = new BackupSearch(Engine, Where, BackupRules.Whole(now), job, end.Reason, Asked, Continues ? Before!.Next : null);
            if (end is not { Succeeded: true, Report.Found: { } page })
                return entry with { Reason = end.Reason == Completed ? "NoReport" : end.Reason, Message = StackStatus.Cut(end.Message) };
            var unreadable = page.Unreadable + (Continues ? Before!.Unreadable ?? 0 : 0);
            return entry with
            {
                Next = page.Next,
                Older = page.Older > 0 ? page.Older : null,
                Unreadable = unreadable > 0 ? unreadable : null,
                Owner = page.Owner,
                Message = page.Problem is { Length: > 0 } problem ? StackStatus.Cut(problem) : Continues ? Before!.Message : null,
            };
        }
    }
}
