using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines.Postgres;
using Dora.Engines.Rendering;

namespace Dora.Engines.Tests.Postgres;

public sealed class PostgresProbeTests
{
    private const string Leader3 = """{"state":"running","role":"master","server_version":150018,"xlog":{"location":67108960},"timeline":3,"replication":[{"usename":"standby","sync_state":"sync"}]}""";
    private const string Leader4 = """{"state":"running","role":"primary","server_version":170002,"xlog":{"location":67108960},"timeline":3,"replication":[{"usename":"standby","sync_state":"quorum"}]}""";
    private const string Replica3 = """{"state":"running","role":"replica","server_version":150018,"xlog":{"received_location":67108960,"replayed_location":67108000},"timeline":3,"sync_standby":true}""";
    private const string Replica4 = """{"state":"streaming","role":"quorum_standby","server_version":170002,"xlog":{"received_location":67108960,"replayed_location":67108000},"timeline":3}""";
    private static readonly SqlFindings _sql = new(4, true, null);

    [Theory]
    [InlineData(Leader3, Replica3, "15.18")]
    [InlineData(Leader4, Replica4, "17.2")]
    public void A_leader_and_followers_are_healthy_in_the_words_of_Patroni_3_and_4(string leader, string replica, string version)
    {
        var health = Judge(3, true, _sql, replica, leader, replica);
        Assert.Equal(EngineVerdict.Healthy, health.Verdict);
        Assert.Equal("payments-postgres-1", health.Primary);
        Assert.Equal(version, health.Version);
        Assert.Equal([960L, 0L, 960L], health.Members.Select(member => member.LagBytes!.Value));
        Assert.Equal(4, health.Members[1].Connections);
        Assert.All(health.Members, member => Assert.Equal(3, member.Timeline));
    }

    [Fact]
    public void Without_a_leader_nothing_is_primary()
    {
        var health = Judge(2, false, null, Replica3, Replica3);
        Assert.Equal((EngineVerdict.Degraded, null), (health.Verdict, health.Primary));
    }

    [Fact]
    public void Silence_is_unreachable_and_names_no_primary()
    {
        var health = PostgresProbe.Judge(Plan(1, false), [new(Engines.Pod(0, "postgres"), null, "Patroni does not answer")], null, null);
        Assert.Equal((EngineVerdict.Unreachable, null), (health.Verdict, health.Primary));
    }

    [Theory]
    [InlineData("""{"state":"starting","role":"replica"}""", "is starting")]
    [InlineData("""{"state":"running","role":"replica","timeline":2,"xlog":{"replayed_location":67108000}}""", "follows an old timeline")]
    [InlineData("""{"state":"running","role":"replica","timeline":3,"xlog":{"replayed_location":96}}""", null)]
    [InlineData("""{"state":"running","role":"replica","timeline":3,"xlog":{"replayed_location":95}}""", "is more than 64 MiB behind")]
    public void A_member_that_does_not_follow_degrades_and_is_named(string replica, string? detail)
    {
        var health = Judge(2, false, _sql, Leader3, replica);
        Assert.Equal(detail, health.Members[1].Detail);
        Assert.Equal(detail is null ? "" : $"payments-postgres-1: {detail}", health.Message);
    }

    [Fact]
    public void Synchronous_without_a_standby_is_degraded()
    {
        var lonely = Leader3.Replace("\"sync\"", "\"async\"", StringComparison.Ordinal);
        Assert.Equal("no synchronous standby is connected", Judge(2, true, _sql, lonely, Replica3).Message);
    }

    // A primary that died now would leave nobody whom Patroni promotes.
    [Fact]
    public void A_standby_that_Patroni_has_not_named_yet_is_degraded()
    {
        var unnamed = Replica3.Replace(",\"sync_standby\":true", "", StringComparison.Ordinal);
        var health = Judge(3, true, _sql, unnamed, Leader3, unnamed);
        Assert.Equal(EngineVerdict.Degraded, health.Verdict);
        Assert.Contains("no member may take over yet", health.Message, StringComparison.Ordinal);
        Assert.Equal(EngineVerdict.Healthy, Judge(3, true, _sql, unnamed, Leader3, Replica3).Verdict);
    }

    [Fact]
    public void A_missing_application_database_is_asked_for()
    {
        var health = Judge(1, false, new(0, false, null), Leader3);
        Assert.Equal([PostgresCommands.AppDatabase], health.Needs);
        Assert.Equal(EngineVerdict.Degraded, health.Verdict);
    }

    [Fact]
    public void Configuration_that_differs_is_asked_for_and_equal_one_is_not()
    {
        var plan = Plan(1, true);
        var current = PatroniConfig.Dynamic(plan);
        Assert.Empty(PostgresProbe.Judge(plan, Answers(Leader3), _sql, current).Needs);
        current["synchronous_mode"] = false;
        Assert.Equal([PostgresCommands.Configuration], PostgresProbe.Judge(plan, Answers(Leader3), _sql, current).Needs);
    }

    [Fact]
    public void What_Patroni_takes_over_REST_restarts_nothing()
    {
        Assert.Equal(PatroniConfig.NeedsRestart(Plan(3, false)), PatroniConfig.NeedsRestart(Plan(3, true)));
        Assert.NotEqual(PatroniConfig.Render(Plan(3, false)), PatroniConfig.Render(Plan(3, true)));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("\"text\"")]
    public void An_answer_that_is_no_object_is_refused(string body) =>
        Assert.Throws<FormatException>(() => PatroniMember.Parse(JsonNode.Parse(body)));

    [Fact]
    public void The_scale_in_moves_the_primary_to_the_synchronous_standby_first()
    {
        MemberHealth[] members =
        [
            new("payments-postgres-0", MemberRole.Replica, true, 0),
            new("payments-postgres-1", MemberRole.Replica, true, 100, Synchronous: true),
            new("payments-postgres-2", MemberRole.Primary, true, 0),
        ];
        var command = Assert.Single(PostgresCommands.Decide(Plan(1, true), Engines.Observed(3, "payments-postgres-2", members: members)));
        Assert.Equal((PostgresCommands.Switchover, "payments-postgres-1"), (command.Name, command.Subject));
    }

    [Fact]
    public void The_verifier_has_the_form_that_PostgreSQL_stores()
    {
        var verifier = PostgresSql.ScramVerifier("app", "correct horse");
        Assert.Matches(@"^SCRAM-SHA-256\$4096:[A-Za-z0-9+/=]{24}\$[A-Za-z0-9+/=]{44}:[A-Za-z0-9+/=]{44}$", verifier);
        Assert.Equal(verifier, PostgresSql.ScramVerifier("app", "correct horse"));
        Assert.NotEqual(verifier, PostgresSql.ScramVerifier("app", "correct horses"));
    }

    private static EngineHealth Judge(int instances, bool synchronous, SqlFindings? sql, params string[] answers) =>
        PostgresProbe.Judge(Plan(instances, synchronous), Answers(answers), sql, null);

    private static List<PostgresAnswer> Answers(params string[] answers) =>
        [.. answers.Select((answer, ordinal) => new PostgresAnswer(Engines.Pod(ordinal, "postgres"), PatroniMember.Parse(JsonNode.Parse(answer)), null))];

    private static PostgresPlan Plan(int instances, bool synchronous) => PostgresPlan.Of(
        new EngineNames(Engines.Stack(Tier.Staging), "postgres"),
        new(Instances: instances, Synchronous: synchronous ? PostgresSynchronous.Enabled : PostgresSynchronous.Disabled));
}
