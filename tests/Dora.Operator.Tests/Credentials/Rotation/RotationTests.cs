using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Operator.Credentials.Rotation;
using Dora.Testing.ApiServer;
using FsCheck.Fluent;

namespace Dora.Operator.Tests.Credentials.Rotation;

/// <summary>What happens between a password and the next one, and that applications never hold one that is refused.</summary>
public sealed class RotationTests
{
    /// <summary>What may happen between two passes.</summary>
    private enum Event
    {
        Minutes,
        Hours,
        Ask,
        End,
        Silence,
        StartAnew,
        Sick,
        Conflict,
        LoseAnswer,
        Unavailable,
        LoseRecord,
        PutBack,
        TakeUp,
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_new_password_goes_step_by_step_from_the_operator_to_the_applications_and_the_old_one_is_refused(bool alternate)
    {
        await using var world = await RotationWorld.StartAsync(alternate);
        var old = world.Held();
        world.Ask("now");
        await world.SettleAsync();
        Assert.Equal([RotationPhase.Prepared, RotationPhase.Set, RotationPhase.Verified, RotationPhase.Flipped, RotationPhase.Overlapping, RotationPhase.Retired, RotationPhase.Proven], world.Phases);
        Assert.Equal(alternate ? "app.b" : "app", world.Held().Username);
        Assert.NotEqual(old.Password, world.Held().Password);
        Assert.EndsWith($"://{world.Held().Username}:{world.Held().Password}@shop-redis.default.svc:6379", world.Value(RotationWorld.Consumers, "uri"), StringComparison.Ordinal);
        Assert.All([0, 1, 2], member => Assert.Equal([world.Held()], world.Cluster.Of(member)));
        Assert.DoesNotContain(world.Held().Password, world.Value(RotationWorld.Records, RotationWorld.Consumers), StringComparison.Ordinal);
        Assert.Equal((Conditions.True, "Current"), (world.Condition!.Status, world.Condition.Reason));
        // The next one is the first user's again.
        world.Ask("again");
        await world.SettleAsync();
        Assert.Equal("app", world.Held().Username);
    }

    [Fact]
    public async Task A_change_that_is_over_costs_no_writes_until_the_next_is_due()
    {
        await using var world = await RotationWorld.StartAsync();
        world.Rotation(new("1d"));
        await world.PassAsync();
        Assert.Null(world.Record);
        world.Clock.Advance(TimeSpan.FromDays(1));
        await world.SettleAsync();
        var (status, writes) = (world.Stack.Status!.Rotations![0], world.Server.Requests.Writes.Count);
        world.Clock.Advance(TimeSpan.FromHours(20));
        await world.PassAsync();
        Assert.Equal(status, world.Stack.Status!.Rotations![0]);
        Assert.Equal(writes, world.Server.Requests.Writes.Count);
        Assert.Equal(status.RotatedAt + TimeSpan.FromDays(1), status.DueAt);
        world.Clock.Advance(TimeSpan.FromHours(4));
        await world.PassAsync();
        Assert.Equal(RotationPhase.Prepared, world.Record!.Phase);
    }

    [Fact]
    public async Task Killed_before_each_of_its_actions_the_operator_goes_on_where_it_was()
    {
        for (var action = 1; ; action++)
        {
            await using var world = await RotationWorld.StartAsync(alternate: action % 3 == 0, taken: action % 3 == 1);
            world.Cluster.EndAt = action;
            world.Ask("now");
            await world.SettleAsync();
            Assert.All([0, 1, 2], member => Assert.Equal([world.Held()], world.Cluster.Of(member)));
            // Where servers take it from the Secret there is less to do.
            if (world.Cluster.Actions < action && action % 3 != 1)
                return;
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Whatever_becomes_of_each_write_it_converges_and_applications_are_never_locked_out(int kind)
    {
        Fault fault = kind switch { 0 => new Fault.LoseAnswer(), 1 => new Fault.Reset(), _ => new Fault.Respond(409, Reason: "Conflict") };
        foreach (var verb in (string[])["create", "patch"])
        {
            for (var skip = 0; skip < (verb == "create" ? 1 : 7); skip++)
            {
                foreach (var taken in (bool[])[true, false])
                {
                    await using var world = await RotationWorld.StartAsync(alternate: skip % 2 == 0, taken);
                    world.Server.Faults.Add(new(verb, "secrets"), fault, skip, times: 1);
                    world.Ask("now");
                    await world.SettleAsync();
                    Assert.All([0, 1, 2], member => Assert.Equal([world.Held()], world.Cluster.Of(member)));
                }
            }
        }
    }

    [Fact]
    public async Task Where_servers_take_it_from_the_Secret_that_comes_first_and_it_is_over_when_none_knows_the_old_one()
    {
        await using var world = await RotationWorld.StartAsync(taken: true);
        var old = world.Held();
        world.Ask("now");
        await world.PassAsync();
        Assert.Equal(old, world.Held());
        await world.PassAsync();
        await world.PassAsync();
        Assert.NotEqual(old, world.Held());
        // However long it takes: the operator comes with both, and proves nothing.
        world.Cluster.TakeUp(0);
        for (var pass = 0; pass < 5; pass++)
        {
            world.Clock.Advance(TimeSpan.FromHours(1));
            await world.PassAsync();
        }

        Assert.Equal((RotationPhase.Overlapping, "RotationFailed"), (world.Record!.Phase, world.Condition!.Reason));
        Assert.Contains("shop-redis-1 (Refused), shop-redis-2 (Refused)", world.Condition.Message, StringComparison.Ordinal);
        Assert.Equal([world.Held(), old], RotationPlan.Accepted(world.Plan!.Engines[0], world.Observed!)[RotationWorld.Consumers]);
        await world.SettleAsync();
        Assert.Equal([RotationPhase.Prepared, RotationPhase.Flipped, RotationPhase.Overlapping, RotationPhase.Proven], world.Phases);
        Assert.All([0, 1, 2], member => Assert.Equal([world.Held()], world.Cluster.Of(member)));
    }

    [Fact]
    public async Task Servers_that_refuse_leave_the_password_in_use_and_the_condition_says_so()
    {
        await using var world = await RotationWorld.StartAsync();
        world.Cluster.Silent.Add(2);
        world.Ask("now");
        for (var pass = 0; pass < 5; pass++)
            await world.PassAsync();
        Assert.Equal("first", world.Held().Password);
        Assert.Equal("RotationFailed", world.Condition!.Reason);
        Assert.DoesNotContain("secret words", world.Condition.Message, StringComparison.Ordinal);
        world.Cluster.Silent.Clear();
        await world.SettleAsync();
        Assert.NotEqual("first", world.Held().Password);
    }

    [Fact]
    public async Task A_member_that_still_lets_the_old_password_in_is_told_on()
    {
        await using var world = await RotationWorld.StartAsync();
        world.Cluster.Stubborn.Add(1);
        world.Ask("now");
        for (var pass = 0; pass < 12; pass++)
        {
            await world.PassAsync();
            world.Clock.Advance(TimeSpan.FromMinutes(20));
        }

        Assert.Equal("OldCredentialAccepted", world.Condition!.Reason);
        Assert.Contains("shop-redis-1", world.Condition.Message, StringComparison.Ordinal);
        Assert.Equal(RotationPhase.Retired, world.Phases[^1]);
        world.Cluster.Stubborn.Clear();
        await world.SettleAsync();
        Assert.Equal("Current", world.Condition.Reason);
    }

    [Fact]
    public async Task A_silent_member_proves_nothing()
    {
        await using var world = await RotationWorld.StartAsync();
        world.Ask("now");
        while (world.Record?.Phase != RotationPhase.Retired)
        {
            await world.PassAsync();
            world.Clock.Advance(TimeSpan.FromMinutes(20));
        }

        world.Cluster.Silent.Add(0);
        await world.PassAsync();
        Assert.Equal((RotationPhase.Retired, "RotationFailed"), (world.Record!.Phase, world.Condition!.Reason));
    }

    [Fact]
    public async Task What_is_due_and_cannot_be_done_is_overdue()
    {
        await using var world = await RotationWorld.StartAsync();
        world.Serving = false;
        world.Rotation(new("1h", "1m"));
        world.Clock.Advance(TimeSpan.FromHours(2));
        await world.PassAsync();
        Assert.Equal((Conditions.False, "Overdue"), (world.Condition!.Status, world.Condition.Reason));
        Assert.Null(world.Record);
    }

    [Fact]
    public async Task What_is_due_by_its_age_begins_in_a_window_and_what_was_asked_for_begins_at_once()
    {
        await using var world = await RotationWorld.StartAsync();
        var opens = world.Clock.GetUtcNow().AddHours(30);
        world.Maintenance(new MaintenanceWindow(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{opens.Minute} {opens.Hour} {opens.Day} {opens.Month} *"), "2h"));
        world.Rotation(new("1d"));
        world.Clock.Advance(TimeSpan.FromHours(26));
        await world.PassAsync();
        Assert.Null(world.Record);
        Assert.Equal((Conditions.False, "WaitsForWindow"), (world.Condition!.Status, world.Condition.Reason));
        Assert.Contains(opens.ToString("yyyy-MM-dd HH:mm", System.Globalization.CultureInfo.InvariantCulture), world.Condition.Message, StringComparison.Ordinal);
        world.Ask("now");
        await world.SettleAsync();
        Assert.Equal("Current", world.Condition.Reason);

        // By its age again, inside the window; what has begun there is ended after it, too.
        await using var other = await RotationWorld.StartAsync();
        opens = other.Clock.GetUtcNow().AddHours(30);
        other.Maintenance(new MaintenanceWindow(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{opens.Minute} {opens.Hour} {opens.Day} {opens.Month} *"), "10m"));
        other.Rotation(new("1d"));
        other.Clock.Advance(TimeSpan.FromHours(30));
        await other.SettleAsync();
        Assert.NotEqual("first", other.Held().Password);
    }

    [Fact]
    public async Task In_any_order_of_ends_faults_and_time_it_converges_and_what_applications_hold_is_always_accepted()
    {
        var cases = Gen.Choose(0, 2).SelectMany(kind => Gen.Elements(Enum.GetValues<Event>()).ArrayOf(14), (kind, events) => (kind, events));
        foreach (var (kind, events) in Gen.Sample(cases, 60))
        {
            await using var world = await RotationWorld.StartAsync(alternate: kind == 0, taken: kind == 2);
            world.Ask("first");
            foreach (var what in events)
            {
                // What servers have not taken up nobody knows any more without a record: it is known where it stands.
                if (kind != 2 || what != Event.LoseRecord)
                    Happen(world, what);
                await world.PassAsync();
            }

            world.Serving = true;
            world.Cluster.Silent.Clear();
            world.Server.Faults.Clear();
            world.Ask("last");
            await world.SettleAsync();
            Assert.All([0, 1, 2], member => Assert.Equal([world.Held()], world.Cluster.Of(member)));
        }
    }

    private static void Happen(RotationWorld world, Event what)
    {
        switch (what)
        {
            case Event.Minutes:
                world.Clock.Advance(TimeSpan.FromMinutes(7));
                break;
            case Event.Hours:
                world.Clock.Advance(TimeSpan.FromHours(3));
                break;
            case Event.Ask:
                world.Ask($"{world.Clock.Elapsed}");
                break;
            case Event.End:
                world.Cluster.EndAt = world.Cluster.Actions + 2;
                break;
            case Event.Silence:
                if (!world.Cluster.Silent.Remove(1))
                    world.Cluster.Silent.Add(1);
                break;
            case Event.StartAnew:
                world.Cluster.StartAnew(2);
                break;
            case Event.Sick:
                world.Serving = !world.Serving;
                break;
            case Event.Conflict:
                world.Server.Faults.Add(new("patch", "secrets"), new Fault.Respond(409, Reason: "Conflict"), times: 1);
                break;
            case Event.LoseAnswer:
                world.Server.Faults.Add(new("patch", "secrets"), new Fault.LoseAnswer(), times: 1);
                break;
            case Event.Unavailable:
                world.Server.Faults.Add(new("get", "secrets"), new Fault.Reset(), times: 1);
                break;
            case Event.TakeUp:
                world.Cluster.TakeUp(1);
                break;
            case Event.LoseRecord when world.Server.Find(KubeTypes.Secrets.Resource, "default", RotationWorld.Records) is not null:
                world.Server.Delete(KubeTypes.Secrets.Resource, "default", RotationWorld.Records);
                world.Restart();
                break;
            // Only while all accept it: a Secret that holds what a server does not know is nobody's fault but the one's who wrote it.
            case Event.PutBack when world.Record is { Phase: RotationPhase.Overlapping, Old: { } old } && Enumerable.Range(0, 3).All(member => world.Cluster.Of(member).Contains(old)):
                world.Write(RotationWorld.Consumers, new() { ["username"] = old.Username, ["password"] = old.Password });
                break;
        }
    }
}
