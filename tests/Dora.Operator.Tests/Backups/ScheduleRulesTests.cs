using Dora.Api;
using Dora.Operator.Backups;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Backups;

public sealed class ScheduleRulesTests
{
    private static readonly DateTimeOffset Night = new(2026, 11, 22, 2, 0, 0, TimeSpan.Zero);
    private readonly BackupWorld _world = new();

    [Fact]
    public void A_schedule_waits_for_its_next_time()
    {
        var plan = Plan();
        Assert.Empty(plan.Steps);
        Assert.Equal(Night, Entry("nightly").NextRunTime);
    }

    [Fact]
    public void When_the_time_comes_a_backup_is_made_whose_name_says_which_time()
    {
        _world.Settle();
        _world.Now = Night.AddSeconds(7);
        var backup = Assert.IsType<ComplianceBackup>(Assert.Single(Plan().Steps.OfType<PlanStep.BeginRun>()).Run);

        Assert.Equal("shop-redis-nightly-20261122020000", backup.Metadata.Name);
        Assert.Equal("nightly", backup.Metadata.Labels![Labels.Schedule]);
        // The record outlives the stack.
        Assert.Null(backup.Metadata.OwnerReferences);
        Assert.Equal((Night, Night.AddDays(1)), (Entry("nightly").LastRunTime, Entry("nightly").NextRunTime));
    }

    [Fact]
    public void What_was_missed_for_days_is_caught_up_once()
    {
        _world.Settle();
        _world.Now = Night.AddDays(3).AddHours(1);
        Assert.Single(Plan().Steps, step => step is PlanStep.BeginRun { Run: ComplianceBackup });
        _world.Settle();
        Assert.Empty(Plan().Steps);
        Assert.Equal(Night.AddDays(4), Entry("nightly").NextRunTime);
    }

    [Fact]
    public void One_that_still_runs_is_not_joined_by_another()
    {
        _world.Settle();
        _world.Now = Night.AddDays(1).AddMinutes(1);
        var first = Assert.IsType<ComplianceBackup>(Plan().Steps.OfType<PlanStep.BeginRun>().First().Run);
        _world.Backups.Add(first with { Status = new(RunPhase.Running) });
        _world.Settle();
        _world.Now = Night.AddDays(2).AddMinutes(1);
        Assert.DoesNotContain(Plan().Steps, step => step is PlanStep.BeginRun { Run: ComplianceBackup });

        _world.Backups[0] = first with { Status = new(RunPhase.Failed) };
        Assert.Contains(Plan().Steps, step => step is PlanStep.BeginRun { Run: ComplianceBackup });
    }

    [Fact]
    public void A_schedule_that_was_changed_counts_from_now_on()
    {
        _world.Settle();
        _world.Stack = BackupWorld.Read(BackupWorld.Settings + "\nschedules: [{name: nightly, cron: '0 2 * * *', timeZone: Europe/Berlin, jitter: 0s}]") with { Status = _world.Stack.Status };
        Assert.Equal(Night.AddHours(-1), Entry("nightly").NextRunTime);
    }

    [Fact]
    public void A_paused_stack_begins_nothing_and_catches_up_once_it_is_not()
    {
        _world.Settle();
        _world.Now = Night.AddDays(2);
        Assert.Empty(Plan(free: false).Steps);
        _world.Stack = _world.Stack with { Status = new(Backups: new(Schedules: Plan(free: false).Status)) };
        Assert.NotEmpty(Plan().Steps);
    }

    [Fact]
    public void Many_stacks_begin_at_different_moments_within_the_jitter()
    {
        _world.Stack = BackupWorld.Read(BackupWorld.Settings + "\nschedules: [{name: nightly, cron: '0 2 * * *', jitter: 30m}]");
        var times = Enumerable.Range(0, 50).Select(number =>
        {
            _world.Stack = _world.Stack with { Metadata = _world.Stack.Metadata with { Uid = $"uid-{number}" } };
            return Entry("nightly").NextRunTime!.Value;
        }).ToList();

        Assert.All(times, time => Assert.InRange(time, Night, Night.AddMinutes(30)));
        Assert.True(times.Distinct().Count() > 40);
    }

    [Fact]
    public void Drills_are_made_like_backups()
    {
        _world.Settle();
        _world.Now = new(2026, 11, 28, 4, 6, 0, TimeSpan.Zero);
        var drill = Assert.IsType<ComplianceRestore>(Plan().Steps.OfType<PlanStep.BeginRun>().Select(step => step.Run).Single(run => run is ComplianceRestore));
        Assert.Equal(RestoreMode.Drill, drill.Spec.Target.Mode);
    }

    [Theory]
    [InlineData("schedules: [{name: night, cron: '0 2 31 2 *'}]", "spec.backup.schedules[0].cron", "no month")]
    [InlineData("schedules: [{name: night, cron: '0 0 2 * * *'}]", "spec.backup.schedules[0].cron", "day of the week")]
    [InlineData("schedules: [{name: night, cron: '0 2 * * *', timeZone: Europe/Atlantis}]", "spec.backup.schedules[0].timeZone", "tz database|time zone")]
    [InlineData("schedules: [{name: night, cron: '0 2 * * *', engines: [mongodb]}]", "spec.backup.schedules[0].engines", "choose from redis")]
    [InlineData("schedules: [{name: drills, cron: '0 2 * * *'}]", "spec.backup.schedules[0].name", "another name")]
    [InlineData("schedules: [{name: night, cron: '0 2 * * *', deadline: 0h}]", "spec.backup.schedules[0].deadline", "no duration")]
    [InlineData("keep: {last: 0}", "spec.backup.keep", "keep nothing")]
    [InlineData("keep: {last: 1, timeZone: Nowhere}", "spec.backup.keep.timeZone", "time zone")]
    [InlineData("objectives: [{engine: neo4j, rpo: 1h}]", "spec.backup.objectives[0].engine", "no engine")]
    [InlineData("drills: {cron: '0 2 30 2 *'}", "spec.backup.drills.cron", "no month")]
    [InlineData("copies: [{name: a, destination: {endpoint: 'https://S3.example:443/', bucket: backups, prefix: eu, credentialsSecret: other}}]", "spec.backup.copies[0].destination", "of spec.backup.destination: nothing would be there twice")]
    [InlineData("copies: [{name: a, destination: {endpoint: 'https://s3.b', bucket: b00, credentialsSecret: c}}, {name: b, destination: {endpoint: 'https://s3.b', bucket: b00, credentialsSecret: d}}]", "spec.backup.copies[1].destination", "copies\\[0\\]")]
    [InlineData("copies: [{name: a, destination: {endpoint: 'http://s3.b', bucket: b00, credentialsSecret: c}}]", "spec.backup.copies[0].destination.endpoint", "copies\\[0\\].destination.insecure")]
    [InlineData("copies: [{name: a, destination: {endpoint: s3.b, bucket: b00, credentialsSecret: c}}]", "spec.backup.copies[0].destination.endpoint", "no address")]
    [InlineData("copies: [{name: a, destination: {endpoint: 'https://s3.b', bucket: b00, credentialsSecret: c}, keep: {last: 0}}]", "spec.backup.copies[0].keep", "keep nothing")]
    public void What_cannot_be_done_is_named_with_its_path(string settings, string field, string words)
    {
        _world.Stack = BackupWorld.Read(BackupWorld.Settings + "\n" + settings);
        var violation = Assert.Single(StackPlanner.Plan(_world.Observation).Violations);
        Assert.Equal(field, violation.Field);
        Assert.Matches(words, violation.ToString());
    }

    [Theory]
    [InlineData("{endpoint: 'http://s3.example', bucket: backups, credentialsSecret: store}", "spec.backup.destination.endpoint")]
    [InlineData("{endpoint: 's3.example', bucket: backups, credentialsSecret: store}", "spec.backup.destination.endpoint")]
    [InlineData("{endpoint: 'https://s3.example', bucket: backups, credentialsSecret: store, caSecret: a, caConfigMap: b}", "spec.backup.destination.caSecret")]
    public void A_destination_that_is_none_is_refused(string destination, string field)
    {
        _world.Stack = BackupWorld.Read($"destination: {destination}\nencryption: {{keySecret: keys}}");
        Assert.Equal(field, Assert.Single(StackPlanner.Plan(_world.Observation).Violations).Field);
    }

    private SchedulePlan Plan(bool free = true) => ScheduleRules.Of(["redis"], _world.Observation, free);

    private ScheduleStatus Entry(string name) => Plan().Status.Single(entry => entry.Name == name);
}
