using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines.Postgres;
using Dora.Engines.Rendering;

namespace Dora.Engines.Tests.Postgres;

public sealed class PostgresParametersTests
{
    private static readonly ParameterFacts[] _facts =
    [
        new("work_mem", "integer", "kB", "64", "2147483647", null, "user", "4096"),
        new("shared_buffers", "integer", "8kB", "16", "1073741823", null, "postmaster", "16384"),
        new("statement_timeout", "integer", "ms", "0", "2147483647", null, "user", "0"),
        new("autovacuum_work_mem", "integer", "kB", "-1", "2147483647", null, "sighup", "-1"),
        new("random_page_cost", "real", null, "0", "1.79769e+308", null, "user", "4"),
        new("jit", "bool", null, null, null, null, "user", "on"),
        new("log_statement", "enum", null, null, null, ["none", "ddl", "mod", "all"], "superuser", "none"),
        new("block_size", "integer", null, "8192", "8192", null, "internal", "8192"),
        new("search_path", "string", null, null, null, null, "user", ""),
    ];

    [Theory]
    [InlineData("port", "5433", "decide where the server listens")]
    [InlineData("listen_addresses", "*", "decide where the server listens")]
    [InlineData("data_directory", "/elsewhere", "keeps its files")]
    [InlineData("hba_file", "/tmp/hba", "keeps its files")]
    [InlineData("archive_mode", "off", "belongs to the operator's backups")]
    [InlineData("archive_command", "true", "belongs to the operator's backups")]
    [InlineData("archive_library", "x", "belongs to the operator's backups")]
    [InlineData("recovery_target_time", "now", "restores")]
    [InlineData("primary_conninfo", "host=a", "belongs to Patroni")]
    [InlineData("restore_command", "cp", "belongs to Patroni")]
    [InlineData("synchronous_standby_names", "*", "spec.engines.postgres.synchronous")]
    [InlineData("synchronous_commit", "off", "spec.engines.postgres.synchronous")]
    [InlineData("fsync", "off", "destroy data")]
    [InlineData("full_page_writes", "off", "destroy data")]
    [InlineData("ssl", "off", "TLS")]
    [InlineData("ssl_ciphers", "NULL", "TLS")]
    [InlineData("shared_preload_libraries", "evil", "inside the server")]
    [InlineData("session_preload_libraries", "evil", "inside the server")]
    [InlineData("unix_socket_directories", "/tmp", "where Patroni looks")]
    [InlineData("unix_socket_permissions", "0777", "where Patroni looks")]
    [InlineData("password_encryption", "md5", "SCRAM")]
    [InlineData("zero_damaged_pages", "on", "damaged")]
    [InlineData("allow_system_table_mods", "on", "system's own tables")]
    [InlineData("logging_collector", "on", "own output")]
    [InlineData("log_connections", "off", "evidence")]
    [InlineData("autovacuum", "off", "transaction numbers")]
    [InlineData("wal_level", "minimal", "no member can follow")]
    [InlineData("max_connections", "24", "Patroni would not take it")]
    [InlineData("max_connections", "200MB", "Patroni would not take it")]
    [InlineData("max_connections", "262144", "Patroni would not take it")]
    [InlineData("max_wal_senders", "2", "Patroni would not take it")]
    [InlineData("max_worker_processes", "-1", "Patroni would not take it")]
    [InlineData("shared_buffers", "800MB", "75 % of the memory limit 1Gi")]
    [InlineData("shared_buffers", "1GB", "75 % of the memory limit 1Gi")]
    [InlineData("work_mem", "", "empty")]
    [InlineData("search_path", "a\nb", "control characters")]
    [InlineData("Work_Mem", "4MB", "not the name of a parameter")]
    [InlineData("work mem", "4MB", "not the name of a parameter")]
    [InlineData("work_mem'; DROP", "4MB", "not the name of a parameter")]
    [InlineData("a.b.c", "4MB", "not the name of a parameter")]
    [InlineData("dora.parameters", "x", "what the members have loaded")]
    public void A_parameter_that_may_not_be_set_names_its_field_the_reason_and_the_fix(string name, string value, string reason)
    {
        var violation = Assert.Single(PostgresParameters.Check(Plan((name, value), ("jit", "off"))));
        Assert.Equal(($"spec.engines.postgres.parameters.{name}", "ParameterRefused"), (violation.Field, violation.Reason));
        Assert.Contains(reason, violation.ToString(), StringComparison.Ordinal);
        Assert.NotEmpty(violation.Fix);
    }

    [Theory]
    [InlineData("max_connections", "25")]
    [InlineData("max_prepared_transactions", "0")]
    [InlineData("wal_level", "logical")]
    [InlineData("shared_buffers", "700MB")]
    [InlineData("pg_stat_statements.max", "100")]
    [InlineData("autovacuum_naptime", "10s")]
    [InlineData("log_min_duration_statement", "250ms")]
    public void Others_may_be_set(string name, string value) => Assert.Empty(PostgresParameters.Check(Plan((name, value))));

    [Fact]
    public void Refused_ones_are_reported_one_by_one() =>
        Assert.Equal(["fsync", "port", "ssl"], PostgresParameters.Check(Plan(("ssl", "on"), ("fsync", "off"), ("port", "1"), ("jit", "off"))).Select(violation => violation.Field.Split('.')[^1]));

    [Fact]
    public void More_than_the_bound_is_refused()
    {
        var plan = Plan([.. Enumerable.Range(0, PostgresSettings.MostParameters + 1).Select(number => ($"a.b{number}", "1"))]);
        Assert.Equal("spec.engines.postgres.parameters", Assert.Single(PostgresParameters.Check(plan)).Field);
    }

    [Theory]
    [InlineData("work_mem", "64", null)]
    [InlineData("work_mem", "63", "is not between 64 and 2147483647 (kB)")]
    [InlineData("work_mem", "64kB", null)]
    [InlineData("work_mem", "1B", "is not between")]
    [InlineData("work_mem", "3000GB", "is not between")]
    [InlineData("work_mem", "64ms", "is not a number with a unit such as kB, MB or GB")]
    [InlineData("work_mem", "64 MB", null)]
    [InlineData("work_mem", "64mb", "is not a number with a unit")]
    [InlineData("shared_buffers", "16", null)]
    [InlineData("shared_buffers", "15", "is not between")]
    [InlineData("shared_buffers", "128kB", null)]
    [InlineData("shared_buffers", "127kB", "is not between")]
    [InlineData("statement_timeout", "1.5min", null)]
    [InlineData("statement_timeout", "60d", "is not between")]
    [InlineData("statement_timeout", "2MB", "such as ms, s or min")]
    [InlineData("autovacuum_work_mem", "-1", null)]
    [InlineData("autovacuum_work_mem", "-2", "is not between")]
    [InlineData("random_page_cost", "1.1", null)]
    [InlineData("random_page_cost", "-0.1", "is not between")]
    [InlineData("random_page_cost", "low", "is not a number")]
    [InlineData("random_page_cost", "", "is not a number")]
    [InlineData("jit", "OFF", null)]
    [InlineData("jit", "maybe", "is neither on nor off")]
    [InlineData("log_statement", "DDL", null)]
    [InlineData("log_statement", "some", "is none of none, ddl, mod, all")]
    [InlineData("block_size", "8192", "cannot be set")]
    [InlineData("search_path", "anything, goes", null)]
    [InlineData("no_such_thing", "1", "PostgreSQL 15 has no such parameter")]
    [InlineData("my_extension.thing", "1", null)]
    public void The_servers_own_word_decides_on_a_value(string name, string value, string? problem)
    {
        var found = ParameterFacts.Problem(new Dictionary<string, string> { [name] = value }, _facts, "15");
        if (problem is null)
            Assert.Null(found);
        else
            Assert.Contains(problem, found, StringComparison.Ordinal);
    }

    [Fact]
    public void A_value_that_the_server_would_not_take_keeps_the_whole_change_back_and_is_named()
    {
        var health = Judge(Plan(("work_mem", "1B")), PatroniConfig.Dynamic(Plan()), [_facts[0]], false);
        Assert.Empty(health.Needs);
        Assert.StartsWith("parameter 'work_mem' is not applied: '1B' is not between", health.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_parameter_that_is_set_is_asked_for_and_one_that_is_removed_goes_back_to_its_default()
    {
        var (before, after) = (Plan(("work_mem", "8MB"), ("shared_buffers", "64MB")), Plan(("jit", "off")));
        var live = PatroniConfig.Dynamic(before);
        Assert.Empty(Judge(before, live, _facts, false).Needs);
        Assert.Equal([PostgresCommands.Configuration], Judge(after, live, _facts, false).Needs);

        var patch = PatroniConfig.Patch(after, live)["postgresql"]!["parameters"]!.AsObject();
        Assert.True(patch.ContainsKey("work_mem"));
        Assert.Null(patch["work_mem"]);
        Assert.Equal("256MB", (string?)patch["shared_buffers"]);
        Assert.Equal("off", (string?)patch["jit"]);
    }

    [Fact]
    public void Parameters_change_no_pod_template_and_only_safe_ones_stand_in_the_bootstrap()
    {
        var plan = Plan(("max_connections", "300"), ("work_mem", "1B"));
        Assert.Equal(PatroniConfig.NeedsRestart(Plan()), PatroniConfig.NeedsRestart(plan));
        Assert.Contains("max_connections: \"300\"", PatroniConfig.Render(plan), StringComparison.Ordinal);
        Assert.DoesNotContain("work_mem", PatroniConfig.Render(plan), StringComparison.Ordinal);
    }

    [Fact]
    public void A_configuration_that_is_not_sent_yet_or_not_loaded_by_every_member_is_not_healthy()
    {
        var plan = Plan(("work_mem", "8MB"));
        Assert.Equal("the configuration that the members share is not as asked yet", Judge(plan, PatroniConfig.Dynamic(Plan()), _facts, false).Message);

        var live = PatroniConfig.Dynamic(plan);
        var (mark, old) = (PatroniConfig.Mark(live), PatroniConfig.Mark(PatroniConfig.Dynamic(Plan())));
        Assert.NotEqual(old, mark);
        Assert.Equal("payments-postgres-1: the parameters are being applied", Judge(plan, live, _facts, false, mark, old).Message);
        Assert.Equal("payments-postgres-0: the parameters are being applied", Judge(plan, live, _facts, false, null, mark).Message);
        Assert.Equal(EngineVerdict.Healthy, Judge(plan, live, _facts, false, mark, mark).Verdict);
    }

    [Fact]
    public void A_member_that_does_not_take_up_the_parameters_by_itself_is_told_to_and_not_in_each_probe()
    {
        var plan = Plan(("work_mem", "8MB"));
        var live = PatroniConfig.Dynamic(plan);
        var (mark, old) = (PatroniConfig.Mark(live), PatroniConfig.Mark(PatroniConfig.Dynamic(Plan())));
        var late = Judge(plan, live, _facts, false, old, mark);
        var loaded = new Dictionary<string, LoadedMarks> { ["payments-postgres-0"] = new(old, null), ["payments-postgres-1"] = new(mark, null) };
        var target = new EngineTarget([], new Dictionary<string, IReadOnlyDictionary<string, string>>());
        Assert.Null(PostgresProbe.Late(late, live, loaded, target));
        Assert.Equal("payments-postgres-0", PostgresProbe.Late(late, live, loaded, target with { Before = late }));
        Assert.Null(PostgresProbe.Late(late, live, loaded, target with { Before = late, Said = [new(PostgresCommands.Reload, "payments-postgres-0", "")] }));
        Assert.Null(PostgresProbe.Late(Judge(plan, live, _facts, false, mark, mark), live, loaded.ToDictionary(one => one.Key, _ => new LoadedMarks(mark, null)), target with { Before = late }));

        var observed = new EngineObservation(Health: late with { Needs = [$"{PostgresCommands.Reload}/payments-postgres-0"] });
        Assert.Equal([new(PostgresCommands.Reload, "payments-postgres-0", "payments-postgres-0 has not taken up the parameters that the members share")], PostgresCommands.Decide(plan, observed));
    }

    [Fact]
    public void Members_that_wait_for_a_restart_say_so()
    {
        var plan = Plan(("shared_buffers", "64MB"));
        Assert.All(Judge(plan, PatroniConfig.Dynamic(plan), _facts, true).Members, member => Assert.True(member.PendingRestart));
    }

    [Fact]
    public void A_lowered_parameter_restarts_the_primary_first_and_in_place()
    {
        var plan = Plan(("max_connections", "50"));
        ParameterFacts live = new("max_connections", "integer", null, "1", "262143", null, "postmaster", "100");
        var health = Judge(plan, PatroniConfig.Dynamic(plan), [live], true);
        Assert.Equal([PostgresCommands.RestartPrimary], health.Needs);
        Assert.All(health.Members, member => Assert.False(member.PendingRestart));

        var restarted = Judge(plan, PatroniConfig.Dynamic(plan), [live with { Setting = "50" }], true);
        Assert.Empty(restarted.Needs);
        Assert.All(restarted.Members, member => Assert.True(member.PendingRestart));
    }

    [Fact]
    public void A_lowered_parameter_that_is_no_longer_set_means_its_default()
    {
        ParameterFacts live = new("max_connections", "integer", null, "1", "262143", null, "postmaster", "300");
        Assert.Equal([PostgresCommands.RestartPrimary], Judge(Plan(), PatroniConfig.Dynamic(Plan()), [live], true).Needs);
        Assert.Empty(Judge(Plan(), PatroniConfig.Dynamic(Plan()), [live with { Setting = "100" }], true).Needs);
    }

    private static EngineHealth Judge(PostgresPlan plan, JsonObject live, IReadOnlyList<ParameterFacts> facts, bool pending, params string?[] marks)
    {
        string[] answers =
        [
            $$"""{"state":"running","role":"master","server_version":150018,"xlog":{"location":10},"timeline":1,"pending_restart":{{(pending ? "true" : "false")}}}""",
            $$"""{"state":"running","role":"replica","server_version":150018,"xlog":{"replayed_location":10},"timeline":1,"pending_restart":{{(pending ? "true" : "false")}}}""",
        ];
        return PostgresProbe.Judge(
            plan,
            [.. answers.Select((answer, ordinal) => new PostgresAnswer(Engines.Pod(ordinal, "postgres"), PatroniMember.Parse(JsonNode.Parse(answer)), null))],
            new(1, true, null, facts),
            live,
            loaded: marks.Length == 0 ? null : marks.Select((mark, ordinal) => (Engines.Pod(ordinal, "postgres").Name, mark)).ToDictionary(pair => pair.Name, pair => new LoadedMarks(pair.mark, null)));
    }

    private static PostgresPlan Plan(params (string Name, string Value)[] parameters) => PostgresPlan.Of(
        new EngineNames(Engines.Stack(Tier.Staging), "postgres"),
        new(Instances: 2, Parameters: parameters.ToDictionary(pair => pair.Name, pair => pair.Value)));
}
