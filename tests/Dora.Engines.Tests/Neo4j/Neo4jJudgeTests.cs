using Dora.Engines.Neo4j;

namespace Dora.Engines.Tests.Neo4j;

public sealed class Neo4jJudgeTests
{
    private static readonly Neo4jPlan _plan = Neo4jStacks.Plan("{license: Commercial, databases: [{name: ledger, primaries: 1}]}");

    [Fact]
    public void A_cluster_where_all_follow_is_healthy_and_the_leader_of_the_default_database_takes_writes()
    {
        var health = Judge(View());
        Assert.Equal((EngineVerdict.Healthy, "payments-neo4j-1", "5.26.1"), (health.Verdict, health.Primary, health.Version));
        Assert.Equal([MemberRole.Replica, MemberRole.Primary, MemberRole.Replica], health.Members.Select(member => member.Role));
    }

    [Theory]
    [InlineData("system", "no member leads database system: the primaries have no majority")]
    [InlineData("neo4j", "no member leads database neo4j: most of its primaries are away, or it is not online")]
    [InlineData("ledger", "no member leads database ledger: most of its primaries are away, or it is not online")]
    public void A_database_without_a_leader_is_named(string database, string message) =>
        Assert.Equal(message, Judge([.. View().Select(copy => copy.Name == database ? copy with { Writer = false } : copy)]).Message);

    [Fact]
    public void The_leaders_view_counts_more_than_that_of_another_member()
    {
        var stale = Answer(0, [.. View().Where(copy => copy.Name != "ledger")]);
        Assert.Equal(EngineVerdict.Healthy, Neo4jJudge.Judge(_plan, [stale, Answer(1, View()), Answer(2, View())], Findings(), null).Verdict);
    }

    [Fact]
    public void A_database_that_nobody_has_is_to_be_created()
    {
        var health = Judge([.. View().Where(copy => copy.Name != "ledger")]);
        Assert.Equal("database ledger does not exist yet", health.Message);
        Assert.Contains("CreateDatabase/ledger", health.Needs);
    }

    [Fact]
    public void A_database_with_other_copies_than_declared_is_to_be_placed_anew() =>
        Assert.Equal(["SetTopology/ledger"], Judge([.. View().Select(copy => copy.Name == "ledger" ? copy with { RequestedPrimaries = 3 } : copy)]).Needs);

    [Fact]
    public void A_copy_that_is_missing_degrades() => Assert.Equal(
        "database neo4j has fewer than 3 primaries online",
        Judge([.. View().Where(copy => (copy.Name, copy.Pod) != ("neo4j", "payments-neo4j-2"))]).Message);

    [Theory]
    [InlineData(-10_001, "payments-neo4j-2: is more than 10000 transactions behind in database neo4j")]
    [InlineData(-10_000, "")]
    public void A_copy_far_behind_does_not_count_as_following(long lag, string message) =>
        Assert.Equal(message, Judge([.. View().Select(copy => (copy.Name, copy.Pod) == ("neo4j", "payments-neo4j-2") ? copy with { Lag = lag } : copy)]).Message);

    [Theory]
    [InlineData("Free", "Available", "payments-neo4j-2: has joined and is not enabled yet", "EnableServer/payments-neo4j-2")]
    [InlineData("Enabled", "Unavailable", "payments-neo4j-2: is unavailable to the other members", null)]
    [InlineData("Cordoned", "Available", "payments-neo4j-2: is cordoned: it takes no further databases", null)]
    public void A_server_that_the_cluster_does_not_use_degrades(string state, string available, string message, string? need)
    {
        var findings = Findings() with { Servers = [Server(0), Server(1), Server(2) with { State = state, Health = available }] };
        var health = Judge(View(), findings);
        Assert.Equal(message, health.Message);
        Assert.Equal(need is null ? [] : [need], health.Needs);
    }

    [Fact]
    public void A_member_on_the_volume_of_a_dropped_server_says_what_to_do() => Assert.Equal(
        "payments-neo4j-2: was dropped from the cluster earlier; delete the claim data-payments-neo4j-2 and then the pod, and it joins as a new server",
        Judge(View(), Findings() with { Servers = [Server(0), Server(1), Server(2) with { State = "Dropped" }] }).Message);

    [Fact]
    public void An_image_of_the_other_edition_is_named() => Assert.Equal(
        "payments-neo4j-0: runs the community edition; the image is not that of the Enterprise Edition",
        Neo4jJudge.Judge(_plan, [Answer(0, View()) with { Identity = new("5.26.1", "community") }, Answer(1, View()), Answer(2, View())], Findings(), null).Message);

    [Fact]
    public void A_member_that_has_not_joined_is_named() =>
        Assert.Equal("payments-neo4j-2: has not joined the cluster yet", Judge(View(), Findings() with { Servers = [Server(0), Server(1)] }).Message);

    [Fact]
    public void A_free_server_of_a_strange_name_is_not_let_in() =>
        Assert.Empty(Judge(View(), Findings() with { Servers = [Server(0), Server(1), Server(2), new("id", "other-neo4j-0", "Free", "Available")] }).Needs);

    [Fact]
    public void Without_findings_nothing_is_changed()
    {
        var health = Neo4jJudge.Judge(_plan, [Answer(0, View()), Answer(1, View()), Answer(2, View())], null, "one is not ready to answer");
        Assert.Equal((EngineVerdict.Degraded, "one is not ready to answer"), (health.Verdict, health.Message));
        Assert.Empty(health.Needs);
    }

    [Fact]
    public void While_the_first_password_stands_nothing_else_is_said()
    {
        var health = Neo4jJudge.Judge(_plan, [Answer(0, View()), new(Engines.Pod(1, "neo4j"), new("5.26.1", "enterprise"), true, null, "x")], Findings(), null);
        Assert.Equal(["SetAdminPassword"], health.Needs);
        Assert.Equal("SetAdminPassword", Assert.Single(Neo4jCommands.Decide(_plan, new(Health: health with { Needs = ["CreateUser/app", "SetAdminPassword"] }))).Name);
    }

    [Fact]
    public void Fewer_members_than_wanted_degrade() =>
        Assert.Equal("2 of 3 members exist", Neo4jJudge.Judge(_plan, [Answer(0, View()), Answer(1, View())], Findings(), null).Message);

    [Fact]
    public void What_left_the_spec_since_it_was_found_is_not_done()
    {
        var health = Judge(View()) with { Needs = ["CreateUser/carol", "CreateDatabase/old", "CreateIndex/ledger/x", "SetRights/old", "DropServer/payments-neo4j-2", "EnableServer/payments-neo4j-7", "Format/disk"] };
        Assert.Empty(Neo4jCommands.Decide(_plan, new(Health: health)));
    }

    [Fact]
    public void A_first_set_up_is_done_in_bounded_steps()
    {
        var plan = Neo4jStacks.Plan($"{{license: Commercial, users: [{string.Join(',', Enumerable.Range(0, 32).Select(i => $"{{name: user-{i}}}"))}]}}");
        var health = Judge(View()) with { Needs = [.. plan.Users.Select(user => $"CreateUser/{user.Name}")] };
        Assert.Equal(24, Neo4jCommands.Decide(plan, new(Health: health)).Count);
    }

    [Theory]
    [InlineData("payments-neo4j-1.payments-neo4j-members.compliance.svc:7687", "payments-neo4j-1")]
    [InlineData("localhost:7687", "localhost")]
    [InlineData("", "")]
    [InlineData(null, "")]
    public void Members_are_known_by_the_name_they_advertise(string? address, string pod) => Assert.Equal(pod, DatabaseCopy.PodOf(address));

    [Theory]
    [InlineData("a`b")]
    [InlineData("")]
    [InlineData("a\nb")]
    public void A_name_that_could_end_its_quotes_gets_into_no_statement(string name) => Assert.Throws<ArgumentException>(() => Cypher.Name(name));

    [Fact]
    public void A_server_id_that_could_end_its_quotes_gets_into_no_statement() =>
        Assert.ThrowsAny<Exception>(() => Cypher.DropServer("x' OR '1"));

    private static EngineHealth Judge(IReadOnlyList<DatabaseCopy> view, Neo4jFindings? findings = null) =>
        Neo4jJudge.Judge(_plan, [Answer(0, view), Answer(1, view), Answer(2, view)], findings ?? Findings(), null);

    private static Neo4jAnswer Answer(int ordinal, IReadOnlyList<DatabaseCopy> view) => new(Engines.Pod(ordinal, "neo4j"), new("5.26.1", "enterprise"), false, view, null);

    private static IReadOnlyList<DatabaseCopy> View() =>
    [
        .. Copies("system", null, 0, 1, 2),
        .. Copies("neo4j", 3, 0, 1, 2),
        .. Copies("ledger", 1, 1),
    ];

    private static IEnumerable<DatabaseCopy> Copies(string name, int? requested, params int[] ordinals) =>
        ordinals.Select(ordinal => new DatabaseCopy(name, $"payments-neo4j-{ordinal}", "primary", ordinal == 1, "online", "online", requested, requested is null ? null : 0, 0));

    private static ServerState Server(int ordinal) => new($"id-{ordinal}", $"payments-neo4j-{ordinal}", "Enabled", "Available");

    private static Neo4jFindings Findings() => new(
        [Server(0), Server(1), Server(2)],
        [new("app", ["app"]), new("monitor", [])],
        ["app"],
        [.. _plan.AllRoles.SelectMany(Neo4jPrivilege.Of)],
        new Dictionary<string, IReadOnlyList<SchemaRule>>(),
        new HashSet<string>());
}
