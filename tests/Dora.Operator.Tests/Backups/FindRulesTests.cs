using Dora.Api;
using Dora.Backup.Runs;
using Dora.Kubernetes.Model;
using Dora.Operator.Backups;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Backups;

public sealed class FindRulesTests
{
    private const string One = "20261120t030000z-aaaaaa";
    private const string Two = "20261119t030000z-bbbbbb";

    private readonly FindWorld _world = new();

    [Fact]
    public void A_stack_that_never_looked_looks_once_and_costs_nothing_after()
    {
        _world.Settle();
        _world.End(new FoundPage([FindWorld.Entry(One)], []));
        _world.Settle();

        Assert.Null(_world.Job);
        Assert.Equal("Completed", _world.Search!.Reason);
        Assert.Equal(0, _world.Pass());
        Assert.Equal(0, _world.Pass());
    }

    [Fact]
    public void What_was_found_is_an_object_that_can_be_restored_and_runs_nothing()
    {
        _world.Settle();
        _world.End(new FoundPage([FindWorld.Entry(One, new(2026, 11, 20, 4, 0, 0, TimeSpan.Zero))], []));
        _world.Settle();

        var found = _world.Named(One);
        Assert.Equal($"shop-redis-{One}", found.Metadata.Name);
        Assert.Equal("shop", found.Metadata.Labels![Labels.Stack]);
        Assert.Equal((RunPhase.Succeeded, "Found", One, "redis-rdb"), (found.Status!.Phase, found.Status.Reason, found.Status.Id, found.Status.Content));
        Assert.Equal((1000, 400, "current"), (found.Status.Bytes, found.Status.StoredBytes, found.Status.KeyId));
        Assert.Equal($"https://s3.example/backups/eu/compliance/shop/redis/{One}/", found.Status.Location);
        Assert.Equal(["count:keys"], found.Status.Facts!.Keys);
        Assert.NotNull(found.Status.VerifiedAt);
        Assert.False(RunTurns.IsOpen(found with { Status = null }));
        Assert.Null(BackupRules.Decide(_world.World.Of(found)).Start);
    }

    [Fact]
    public void A_dump_of_one_database_does_not_stand_for_all_data()
    {
        _world.Settle();
        _world.End(new FoundPage([FindWorld.Entry(One) with { Facts = new Dictionary<string, string> { ["database"] = "orders", ["parts"] = "data" } }], []));
        _world.Settle();
        Assert.Equal((BackupType.Dump, "orders", DumpParts.Data), (_world.Named(One).Spec.Type, _world.Named(One).Spec.Database, _world.Named(One).Spec.Parts));
    }

    [Fact]
    public void What_is_an_object_already_is_told_to_the_Job_and_not_made_twice()
    {
        _world.World.Backups.Add(BackupWorld.Stored("mine", _world.World.Now.AddHours(-1)));
        var id = _world.World.Backups[0].Status!.Id!;
        _world.Settle();
        Assert.Equal([id], _world.Order.Known);

        _world.End(new FoundPage([FindWorld.Entry(id)], []));
        _world.Settle();
        Assert.Single(_world.World.Backups);
    }

    [Fact]
    public void A_search_goes_on_where_its_last_page_ended_and_counts_what_it_could_not_read()
    {
        _world.Settle();
        var first = _world.Job!.Metadata.Name;
        _world.End(new FoundPage([FindWorld.Entry(One)], [], Unreadable: 1, Problem: $"{One}: its manifest was changed", Next: One));
        _world.Settle();
        Assert.NotEqual(first, _world.Job!.Metadata.Name);
        Assert.Equal(One, _world.Order.Before);

        _world.End(new FoundPage([FindWorld.Entry(Two)], [], Older: 7, Unreadable: 2, Owner: "7b6f7c0e"));
        _world.Settle();
        Assert.Null(_world.Job);
        Assert.Equal((7, 3, "7b6f7c0e"), (_world.Search!.Older, _world.Search.Unreadable, _world.Search.Owner));
        Assert.Contains("was changed", _world.Search.Message, StringComparison.Ordinal);
        Assert.Equal(2, _world.World.Backups.Count);
    }

    [Fact]
    public void Any_new_value_of_the_annotation_has_it_look_again()
    {
        Found();
        _world.Ask("now");
        _world.Settle();
        Assert.Equal("now", _world.Job!.Metadata.Annotation(Labels.FindBackups));
        // Asked again meanwhile: that is another search.
        _world.Ask("and again");
        _world.End(new FoundPage([], []));
        _world.Settle();
        Assert.Equal("and again", _world.Job!.Metadata.Annotation(Labels.FindBackups));
        _world.End(new FoundPage([], []));
        _world.Settle();
        Assert.Equal((null, "and again"), (_world.Job, _world.Search!.Asked));
    }

    [Fact]
    public void Another_bucket_is_looked_through_from_its_beginning()
    {
        _world.Settle();
        _world.End(new FoundPage([FindWorld.Entry(One)], [], Next: One));
        _world.Pass();
        _world.World.Stack = BackupWorld.Read(BackupWorld.Settings.Replace("bucket: backups", "bucket: others", StringComparison.Ordinal)) with { Status = _world.World.Stack.Status };
        _world.Settle();

        Assert.Equal("others", _world.Run.Store.Bucket);
        Assert.Null(_world.Order.Before);
    }

    [Fact]
    public void What_failed_is_tried_again_after_a_while_and_says_why()
    {
        _world.Settle();
        _world.End(new FoundPage([FindWorld.Entry(One)], [], Next: One));
        _world.Settle();
        _world.End(new RunReport(false, "StoreUnreachable", "no answer"));
        _world.Settle();
        Assert.Equal((null, "StoreUnreachable", "no answer"), (_world.Job, _world.Search!.Reason, _world.Search.Message));

        _world.World.Now = _world.World.Now.AddMinutes(14);
        Assert.Equal(0, _world.Pass());
        _world.World.Now = _world.World.Now.AddMinutes(1);
        _world.Settle();
        Assert.Equal(One, _world.Order.Before);
    }

    [Fact]
    public void One_that_vanished_from_the_bucket_is_Gone_and_what_comes_back_is_there_again()
    {
        Found();
        _world.Ask("now");
        _world.Settle();
        _world.End(new FoundPage([], [One]));
        _world.Settle();
        var gone = _world.Named(One).Status!;
        Assert.Equal((RunPhase.Gone, "Missing"), (gone.Phase, gone.Reason));
        Assert.Equal("redis-rdb", gone.Content);

        _world.Ask("again");
        _world.Settle();
        Assert.Empty(_world.Order.Known);
        _world.End(new FoundPage([FindWorld.Entry(One)], []));
        _world.Settle();
        Assert.Equal((RunPhase.Succeeded, (DateTimeOffset?)null), (_world.Named(One).Status!.Phase, _world.Named(One).Status!.GoneAt));
    }

    [Fact]
    public void Somebody_may_ask_for_an_older_one_by_its_ID_and_is_told_when_there_is_none()
    {
        Found();
        foreach (var id in (string[])[Two, "20200101t000000z-cccccc"])
            _world.World.Backups.Add(BackupWorld.Backup($"wanted-{id[..8]}") with { Spec = new("shop", "redis", Found: new(id)) });
        _world.Settle();
        Assert.Equal(["20200101t000000z-cccccc", Two], _world.Order.Wanted);

        _world.End(new FoundPage([FindWorld.Entry(Two)], ["20200101t000000z-cccccc"]));
        _world.Settle();
        Assert.Equal((null, RunPhase.Succeeded), (_world.Job, _world.Named(Two).Status!.Phase));
        Assert.Equal((RunPhase.Gone, "Missing"), (_world.Named("20200101t000000z-cccccc").Status!.Phase, _world.Named("20200101t000000z-cccccc").Status!.Reason));
    }

    [Fact]
    public void While_the_stack_is_paused_or_wrong_nothing_begins_and_nothing_is_forgotten()
    {
        Found();
        _world.Ask("now");
        var plan = FindRules.Of(["redis"], _world.World.Observation, free: false);
        Assert.Empty(plan.Steps);
        Assert.Equal("Completed", Assert.Single(plan.Searches).Reason);
    }

    [Fact]
    public void The_stack_says_whose_folder_it_is_and_how_to_take_it_over()
    {
        _world.Settle();
        _world.End(new FoundPage([FindWorld.Entry(One)], [], Owner: "0ld"));
        _world.Settle();
        Assert.Contains("spec.backup.adopt: 0ld", Fresh().Message, StringComparison.Ordinal);
        Assert.Equal("StoreTaken", Fresh().Reason);

        _world.World.Stack = _world.World.Stack with { Spec = _world.World.Stack.Spec with { Backup = _world.World.Stack.Spec.Backup! with { Adopt = "0ld" } } };
        Assert.NotEqual("StoreTaken", Fresh().Reason);

        // Whoever was fenced reads it in a run that was refused.
        _world.World.Backups.Add(BackupWorld.Backup("late", new(RunPhase.Failed, FinishedAt: _world.World.Now, Reason: "StoreTaken", Message: "take its folder over with spec.backup.adopt: new")));
        Assert.Equal("StoreTaken", Fresh().Reason);
        Assert.Contains("adopt: new", Fresh().Message, StringComparison.Ordinal);
    }

    private Condition Fresh()
    {
        var plan = StackPlanner.Plan(_world.World.Observation);
        return BackupReport.Judge(plan, BackupReport.Entries(plan, _world.World.Observation), _world.World.Observation, new Dictionary<string, Dora.Engines.EngineHealth>()).First(condition => condition.Type == ConditionTypes.BackupFresh);
    }

    private void Found()
    {
        _world.Settle();
        _world.End(new FoundPage([FindWorld.Entry(One)], []));
        _world.Settle();
    }
}
