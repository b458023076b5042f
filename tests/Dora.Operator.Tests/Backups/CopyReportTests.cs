using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Operator.Backups;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Backups;

public sealed class CopyReportTests
{
    private readonly BackupWorld _world = new(BackupWorld.Settings + """

        objectives: [{engine: redis, rpo: 24h}]
        copies: [{name: abroad, destination: {endpoint: "https://s3.elsewhere", bucket: copies, credentialsSecret: elsewhere}}]
        """);

    [Fact]
    public void Without_copies_nothing_is_said_of_them()
    {
        _world.Stack = BackupWorld.Read(BackupWorld.Settings);
        _world.Backups.Add(BackupWorld.Stored("first", _world.Now));
        Assert.Null(Condition());
        Assert.Null(BackupReport.Entries(Plan(), _world.Observation)!.Engines![0].Copies);
    }

    [Fact]
    public void The_newest_backup_in_every_place_is_what_is_asked_for()
    {
        _world.Backups.Add(Copied("first", -1));
        Assert.Equal((Conditions.True, CopyRules.Copied), (Condition()!.Status, Condition()!.Reason));
        var entry = Assert.Single(BackupReport.Entries(Plan(), _world.Observation)!.Engines![0].Copies!);
        Assert.Equal(new EngineCopy("abroad", "first", _world.Now.AddHours(-1)), entry);
    }

    [Fact]
    public void While_the_newest_is_being_copied_the_one_before_counts_until_it_is_too_old()
    {
        _world.Backups.AddRange([Copied("first", -20), BackupWorld.Stored("second", _world.Now)]);
        Assert.Equal(Conditions.True, Condition()!.Status);
        _world.Now = _world.Now.AddHours(5);
        Assert.Equal((Conditions.False, "CopyOverdue"), (Condition()!.Status, Condition()!.Reason));
    }

    [Fact]
    public void A_try_that_failed_is_told_at_once_and_while_it_is_tried_again()
    {
        var newest = BackupWorld.Stored("second", _world.Now);
        _world.Backups.AddRange([Copied("first", -1), newest with { Status = newest.Status! with { Copies = [new("abroad", Attempts: 2, Reason: CopyRules.Copying, Message: "StoreFull: make room")] } }]);
        Assert.Equal((Conditions.False, "CopyFailing"), (Condition()!.Status, Condition()!.Reason));
        Assert.Contains("second of redis is not in abroad: StoreFull: make room", Condition()!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_place_that_holds_nothing_yet_is_named()
    {
        _world.Backups.Add(BackupWorld.Stored("first", _world.Now));
        Assert.Equal((Conditions.False, "CopyMissing"), (Condition()!.Status, Condition()!.Reason));
    }

    private StackPlan Plan() => StackPlanner.Plan(_world.Observation);

    private Condition? Condition() => BackupReport.Judge(Plan(), BackupReport.Entries(Plan(), _world.Observation), _world.Observation, new Dictionary<string, Dora.Engines.EngineHealth>()).FirstOrDefault(condition => condition.Type == ConditionTypes.BackupCopied);

    private ComplianceBackup Copied(string name, int hours)
    {
        var stored = BackupWorld.Stored(name, _world.Now.AddHours(hours));
        return stored with { Status = stored.Status! with { Copies = [new("abroad", _world.Now, $"https://s3.elsewhere/copies/compliance/shop/redis/{stored.Status.Id}/", Reason: CopyRules.Copied)] } };
    }
}
