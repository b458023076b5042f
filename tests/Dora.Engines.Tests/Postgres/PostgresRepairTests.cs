using System.Text.Json.Nodes;
using Dora.Engines.Postgres;

namespace Dora.Engines.Tests.Postgres;

public sealed class PostgresRepairTests
{
    private const string Leader = """{"state":"running","role":"master","timeline":3,"xlog":{"location":67108960},"replication":[{"application_name":"payments-postgres-2","state":"streaming","sync_state":"async"}]}""";
    private const string Lost = """{"state":"running","role":"replica","timeline":3,"xlog":{"received_location":100,"replayed_location":100}}""";
    private const string Astray = """{"state":"running","role":"replica","timeline":2,"xlog":{"received_location":67108960,"replayed_location":67108960}}""";
    private const string Fine = """{"state":"running","role":"replica","timeline":3,"xlog":{"received_location":67108960,"replayed_location":67108960}}""";
    private const string Broken = """{"state":"start failed","role":"replica"}""";
    private const string Copying = """{"state":"creating replica","role":"replica"}""";
    private static readonly DateTimeOffset _start = new(2026, 11, 21, 12, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan _later = PostgresRepair.Patience;
    private static readonly SqlFindings _sql = new(1, true, null, OldestWal: 16777216);

    [Theory]
    [InlineData(Broken, "cannot start")]
    [InlineData("""{"state":"crashed","role":"replica"}""", "cannot start")]
    [InlineData("""{"state":"stopped","role":"master"}""", "is stopped")]
    [InlineData(Lost, "needs WAL that the primary no longer has")]
    [InlineData(Astray, "follows an old timeline")]
    public void A_replica_that_cannot_follow_is_told_to_begin_anew_after_a_while(string replica, string detail)
    {
        var first = Probe(null, _start, Leader, replica, Fine);
        Assert.Equal((EngineVerdict.Degraded, $"payments-postgres-1: {detail}"), (first.Verdict, first.Message));
        Assert.Empty(first.Needs);
        Assert.Empty(Probe(first, _start + _later - TimeSpan.FromSeconds(1), Leader, replica, Fine).Needs);
        var due = Probe(first, _start + _later, Leader, replica, Fine);
        Assert.Equal(["ReinitializeReplica/payments-postgres-1"], due.Needs);
        var command = Assert.Single(PostgresCommands.Decide(Plan(), new(Health: due)));
        Assert.Equal(("ReinitializeReplica", "payments-postgres-1", $"payments-postgres-1 {detail}: it copies payments-postgres-0 anew"), (command.Name, command.Subject, command.Reason));
    }

    [Theory]
    [InlineData(Fine)]
    [InlineData("""{"state":"starting","role":"replica"}""")]
    [InlineData("""{"state":"stopping","role":"replica"}""")]
    [InlineData(Copying)]
    [InlineData("""{"state":"running","role":"replica","timeline":3,"xlog":{"received_location":16777216,"replayed_location":100}}""")]
    public void Others_are_left_alone_however_long_it_takes(string replica)
    {
        var health = Probe(null, _start, Leader, replica, Fine);
        Assert.Empty(Probe(health, _start + TimeSpan.FromDays(1), Leader, replica, Fine).Needs);
    }

    [Fact]
    public void One_that_streams_is_left_alone_on_whatever_timeline()
    {
        var health = Probe(null, _start, Leader, Fine, Astray);
        Assert.Empty(Probe(health, _start + _later, Leader, Fine, Astray).Needs);
    }

    [Fact]
    public void Trying_to_start_once_more_does_not_begin_the_wait_anew_and_following_does()
    {
        var health = Probe(null, _start, Leader, Broken, Fine);
        var starting = Probe(health, _start + TimeSpan.FromSeconds(30), Leader, """{"state":"starting","role":"replica"}""", Fine);
        Assert.NotEmpty(Probe(starting, _start + _later, Leader, Broken, Fine).Needs);
        var back = Probe(health, _start + TimeSpan.FromSeconds(30), Leader, Fine, Fine);
        Assert.Empty(Probe(back, _start + _later, Leader, Broken, Fine).Needs);
    }

    [Fact]
    public void Without_a_primary_that_serves_nobody_begins_anew_and_nothing_is_forgotten()
    {
        var health = Probe(null, _start, Leader, Broken, Fine);
        Assert.Empty(Probe(health, _start + _later, Broken, Broken, Fine).Needs);
        var mute = Probe(health, _start + _later, new(1, true, "the primary does not answer SQL"), false, null, Leader, Broken, Fine);
        Assert.Empty(mute.Needs);
        Assert.NotEmpty(Probe(mute, _start + _later, Leader, Broken, Fine).Needs);
        Assert.Equal(1, Probe(health, _start + _later, _sql, false, "payments-postgres-1", Broken, Broken, Fine).Members[1].Repair!.Attempts);
    }

    [Fact]
    public void While_Patroni_is_paused_nobody_begins_anew()
    {
        var health = Probe(null, _start, Leader, Broken, Fine);
        Assert.Empty(Probe(health, _start + _later, _sql, true, null, Leader, Broken, Fine).Needs);
    }

    [Fact]
    public void Only_one_begins_anew_at_a_time()
    {
        var health = Probe(null, _start, Leader, Broken, Broken);
        var due = Probe(health, _start + _later, Leader, Broken, Broken);
        Assert.Equal(["ReinitializeReplica/payments-postgres-1"], due.Needs);
        var told = Probe(due, _start + _later, _sql, false, "payments-postgres-1", Leader, """{"state":"stopping","role":"replica"}""", Broken);
        Assert.Empty(told.Needs);
        var copying = Probe(told, _start + _later + _later, Leader, Copying, Broken);
        Assert.Empty(copying.Needs);
        Assert.Equal(["ReinitializeReplica/payments-postgres-2"], Probe(copying, _start + _later + _later, Leader, Fine, Broken).Needs);
    }

    [Fact]
    public void It_is_tried_a_few_times_and_then_a_person_is_asked()
    {
        EngineHealth? health = null;
        var now = _start;
        var told = 0;
        for (var pass = 0; pass < 20; pass++, now += _later)
        {
            var due = health?.Needs.Count > 0;
            told += due ? 1 : 0;
            health = Probe(health, now, _sql, false, due ? "payments-postgres-1" : null, Leader, Broken, Fine);
        }

        Assert.Equal(PostgresRepair.MostAttempts, told);
        Assert.Equal("payments-postgres-1: cannot start, and copying the primary anew has not helped 3 times; see its log, or delete its volume and pod", health!.Message);
        var served = Probe(health, now, Leader, Fine, Fine);
        Assert.Equal(PostgresRepair.MostAttempts, served.Members[1].Repair!.Attempts);
        Assert.Null(Probe(served, now + PostgresRepair.Memory, Leader, Fine, Fine).Members[1].Repair);
    }

    private static EngineHealth Probe(EngineHealth? before, DateTimeOffset now, params string[] answers) => Probe(before, now, _sql, false, null, answers);

    private static EngineHealth Probe(EngineHealth? before, DateTimeOffset now, SqlFindings sql, bool paused, string? said, params string[] answers)
    {
        List<PostgresAnswer> members = [.. answers.Select((answer, ordinal) => new PostgresAnswer(Engines.Pod(ordinal, "postgres"), PatroniMember.Parse(JsonNode.Parse(answer)), null))];
        var target = new EngineTarget([], new Dictionary<string, IReadOnlyDictionary<string, string>>(), Before: before, Said: said is null ? [] : [new(PostgresRepair.Reinitialize, said, "")]);
        return PostgresRepair.Complete(PostgresProbe.Judge(Plan(), members, sql, null), members, sql, paused, target, now);
    }

    private static PostgresPlan Plan() => PostgresPlan.Of(new(Engines.Stack(), "postgres"), new(Instances: 3));
}
