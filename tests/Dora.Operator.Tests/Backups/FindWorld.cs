using Dora.Api;
using Dora.Backup.Runs;
using Dora.Engines.Backups;
using Dora.Kubernetes.Model;
using Dora.Operator.Backups;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Backups;

/// <summary>A stack whose bucket is looked through: passes of the planner, whose steps are carried out on records.</summary>
internal sealed class FindWorld
{
    private static int _uids;
    private readonly List<Pod> _pods = [];
    private ConfigMap? _files;

    public BackupWorld World { get; } = new(BackupWorld.Settings);

    public Job? Job { get; private set; }

    /// <summary>What the Job is told.</summary>
    public FindOrder Order => Run.Find!;

    public RunOrder Run => RunOrder.Parse(System.Text.Encoding.UTF8.GetBytes(_files!.Data![BackupPods.OrderFile]));

    public BackupSearch? Search => World.Stack.Status?.Backups?.Searches?.SingleOrDefault();

    public ComplianceBackup Named(string id) => World.Backups.Single(backup => backup.Spec.Found?.Id == id || backup.Status?.Id == id);

    public static FoundEntry Entry(string id, DateTimeOffset? verified = null) => new(
        id, "redis-rdb", new(2026, 11, 20, 3, 0, 0, TimeSpan.Zero), new(2026, 11, 20, 3, 1, 0, TimeSpan.Zero), 1, new('a', 64), "current", 1000, 400, verified, new Dictionary<string, string> { ["count:keys"] = "12", ["empty"] = "" });

    /// <summary>The same with a stack that differs.</summary>
    public void Ask(string value) => World.Stack = World.Stack with { Metadata = World.Stack.Metadata with { Annotations = new Dictionary<string, string> { [Labels.FindBackups] = value } } };

    /// <summary>One pass, carried out; how many steps it had, and whether it wrote the stack's status.</summary>
    public int Pass()
    {
        var plan = Plan();
        foreach (var step in plan.Steps)
            Do(step);
        foreach (var step in GoneRules.Steps(Observed()).ToList())
            Do(step);
        var news = !plan.Searches.SequenceEqual(World.Stack.Status?.Backups?.Searches ?? []);
        World.Stack = World.Stack with { Status = new(Backups: new(Searches: plan.Searches)) };
        return plan.Steps.Count + (news ? 1 : 0);
    }

    public FindPlan Plan() => FindRules.Of(["redis"], Observed(), free: true);

    /// <summary>Passes until nothing is left to do.</summary>
    public void Settle()
    {
        for (var passes = 0; Pass() > 0; passes++)
            Assert.True(passes < 20, "it goes on for ever");
    }

    /// <summary>The Job ends with this page.</summary>
    public void End(FoundPage page) => End(RunReport.Of(page));

    public void End(RunReport report)
    {
        var (_, pod) = BackupWorld.Ended(Job!.Metadata.Name!, System.Text.Encoding.UTF8.GetString(report.Write()));
        _pods.Add(pod with { Metadata = pod.Metadata with { OwnerReferences = [new("batch/v1", "Job", Job.Metadata.Name!, Job.Metadata.Uid!, Controller: true)] } });
    }

    private StackObservation Observed() => World.Observation with
    {
        Live = Job is null ? new Dictionary<ObjectId, LiveObject>() : new() { [new(KubeTypes.Jobs.Resource, Job.Metadata.Name!)] = new(KubeTypes.Jobs.Resource, Job, () => []) },
        Pods = _pods,
    };

    private void Do(PlanStep step)
    {
        switch (step)
        {
            case PlanStep.RunSearch search:
                Assert.Null(Job);
                Job = search.Job with { Metadata = search.Job.Metadata with { Uid = $"uid-{++_uids}" } };
                _files = search.Files;
                break;
            case PlanStep.Discard { Resource: var resource } done when resource == KubeTypes.Jobs.Resource:
                Assert.Equal(Job!.Metadata.Name, done.Name);
                Job = null;
                break;
            case PlanStep.Discard old:
                World.Backups.RemoveAll(backup => backup.Metadata.Name == old.Name);
                break;
            case PlanStep.BeginRun { Run: ComplianceBackup made }:
                Assert.DoesNotContain(World.Backups, backup => backup.Metadata.Name == made.Metadata.Name);
                World.Backups.Add(made with { Metadata = made.Metadata with { Uid = $"uid-{++_uids}", Generation = 1 } });
                break;
            case PlanStep.RecordBackup record:
                World.Backups[World.Backups.FindIndex(backup => backup.Metadata.Name == record.Backup.Metadata.Name)] = record.Backup with { Status = record.Status };
                break;
            default:
                throw new ArgumentException($"{step.GetType().Name} is no step of a search", nameof(step));
        }
    }
}
