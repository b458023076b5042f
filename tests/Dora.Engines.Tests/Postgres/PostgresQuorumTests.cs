using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines.Postgres;

namespace Dora.Engines.Tests.Postgres;

public sealed class PostgresQuorumTests
{
    // As Patroni 4 answers GET /patroni (its documentation, "REST API", and patroni/api.py).
    private const string Leader = """
        {"state":"running","postmaster_start_time":"2026-11-21 11:05:06+00:00","role":"primary","server_version":170002,"xlog":{"location":67108960},"timeline":3,
         "replication":[{"usename":"standby","application_name":"payments-postgres-1","client_addr":"10.0.0.1","state":"streaming","sync_state":"quorum","sync_priority":1},
                        {"usename":"standby","application_name":"payments-postgres-2","client_addr":"10.0.0.2","state":"streaming","sync_state":"quorum","sync_priority":1}],
         "dcs_last_seen":1795258800,"database_system_identifier":"7268616322854375442","patroni":{"version":"4.0.4","scope":"payments-postgres","name":"payments-postgres-0"}}
        """;

    private const string Replica = """
        {"state":"running","role":"replica","server_version":170002,"xlog":{"received_location":67108960,"replayed_location":67108960,"replayed_timestamp":null,"paused":false},
         "quorum_standby":true,"timeline":3,"latest_end_lsn":67108960,"replication_state":"streaming","patroni":{"version":"4.0.4","scope":"payments-postgres"}}
        """;

    [Fact]
    public void With_Patroni_4_any_quorum_standby_will_do()
    {
        var health = Judge(Leader, Replica, Replica);
        Assert.Equal((EngineVerdict.Healthy, new Version(4, 0, 4)), (health.Verdict, health.Agent));
        Assert.Equal([false, true, true], health.Members.Select(member => member.Synchronous));
    }

    [Fact]
    public void It_is_not_healthy_before_commits_wait_for_a_quorum() =>
        Assert.Equal("commits do not wait for a quorum yet", Judge(Leader.Replace("\"quorum\"", "\"sync\"", StringComparison.Ordinal), Replica, Replica).Message);

    [Fact]
    public void Patroni_4_is_told_and_one_older_member_keeps_it_back()
    {
        var live = PatroniConfig.Dynamic(Plan(PostgresSynchronous.Enabled));
        Assert.Equal([PostgresCommands.Configuration], Judge(live, Leader, Replica, Replica).Needs);
        Assert.Equal("quorum", (string?)PatroniConfig.Patch(Plan(), live)["synchronous_mode"]);

        var mixed = Judge(live, Leader, Replica, Replica.Replace("4.0.4", "3.3.6", StringComparison.Ordinal));
        Assert.Empty(mixed.Needs);
        Assert.Equal("the members run Patroni 3.3.6, which knows no quorum and would take the word for 'off'", mixed.Message);
    }

    [Fact]
    public void A_new_cluster_begins_synchronous_because_nobody_knows_Patronis_version_yet()
    {
        Assert.Contains("synchronous_mode: true", PatroniConfig.Render(Plan()), StringComparison.Ordinal);
        Assert.Equal(PatroniConfig.NeedsRestart(Plan()), PatroniConfig.NeedsRestart(Plan(PostgresSynchronous.Enabled)));
        Assert.Empty(Judge(PatroniConfig.Dynamic(Plan(PostgresSynchronous.Enabled)), Leader.Replace("4.0.4", "", StringComparison.Ordinal), Replica.Replace("4.0.4", "", StringComparison.Ordinal)).Needs);
    }

    [Fact]
    public void What_the_image_cannot_is_refused_with_the_reason_and_a_way_out()
    {
        var cluster = Engines.Bind("postgres", "{synchronous: Quorum}", Tier.Production);
        Assert.Empty(cluster.Validate(EngineObservation.None));
        Assert.Empty(cluster.Validate(Seen(new(4, 0, 4))));
        var violation = Assert.Single(cluster.Validate(Seen(new(3, 0, 2))));
        Assert.Equal(("spec.engines.postgres.synchronous", "UnsupportedByImage"), (violation.Field, violation.Reason));
        Assert.Contains("Patroni 3.0.2", violation.Problem, StringComparison.Ordinal);
        Assert.Contains("Enabled", violation.Fix, StringComparison.Ordinal);
        Assert.Empty(Engines.Bind("postgres", "{synchronous: Enabled}").Validate(Seen(new(3, 0, 2))));

        static EngineObservation Seen(Version patroni) => new(Health: new(EngineVerdict.Healthy, [], "payments-postgres-0", "15.18", "", [], patroni));
    }

    private static EngineHealth Judge(params string[] answers) => Judge(null, answers);

    private static EngineHealth Judge(JsonObject? live, params string[] answers) => PostgresProbe.Judge(
        Plan(),
        [.. answers.Select((answer, ordinal) => new PostgresAnswer(Engines.Pod(ordinal, "postgres"), PatroniMember.Parse(JsonNode.Parse(answer)), null))],
        new(1, true, null),
        live);

    private static PostgresPlan Plan(PostgresSynchronous synchronous = PostgresSynchronous.Quorum) => PostgresPlan.Of(new(Engines.Stack(Tier.Staging), "postgres"), new(Synchronous: synchronous));
}
