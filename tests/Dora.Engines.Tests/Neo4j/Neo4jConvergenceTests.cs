using Dora.Testing.Http;
using Dora.Testing.Neo4j;

namespace Dora.Engines.Tests.Neo4j;

/// <summary>Probe and commands against scripted servers, pass by pass, as the operator does it.</summary>
public sealed class Neo4jConvergenceTests
{
    private const string Declared = """
        license: Commercial
        databases:
        - name: ledger
          constraints:
          - {name: account-id, label: Account, properties: [id]}
          indexes: []
        """;

    private const string Full = """
        license: Commercial
        databases:
        - name: ledger
          primaries: 3
          constraints:
          - {name: account_id, label: Account, properties: [id]}
          - {name: account_owner, label: Account, properties: [owner], type: Exists}
          - {name: transfer_key, relationship: TRANSFER, properties: [day, number], type: Key}
          indexes:
          - {name: account_opened, label: Account, properties: [opened]}
          - {name: account_note, label: Account, properties: [note, title], type: FullText}
        - name: cases
          primaries: 1
        roles:
        - name: auditor
          grants: [{database: ledger, access: Read}, {database: cases, access: Schema}]
        users:
        - {name: alice, roles: [auditor, reader]}
        - {name: bob}
        """;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_new_cluster_gets_its_password_its_databases_its_roles_and_its_users()
    {
        await using var servers = await Neo4jServers.StartAsync();
        var cluster = Neo4jStacks.Cluster(Full, servers);
        var (health, said) = await Neo4jStacks.SettleAsync(cluster, Neo4jStacks.Target(cluster, 3));

        Assert.Equal((EngineVerdict.Healthy, "", "payments-neo4j-0", "5.26.0"), (health.Verdict, health.Message, health.Primary, health.Version));
        Assert.Equal([MemberRole.Primary, MemberRole.Replica, MemberRole.Replica], health.Members.Select(member => member.Role));
        Assert.Equal("SetAdminPassword", said[0].Name);
        var ledger = servers.State.Databases["ledger"];
        Assert.Equal((3, 3, 1), (ledger.Primaries, ledger.Constraints.Count, servers.State.Databases["cases"].Primaries));
        Assert.Equal(["account_id", "account_note", "account_opened", "transfer_key"], ledger.Indexes.Where(index => index.Type != "LOOKUP").Select(index => index.Name).Order(StringComparer.Ordinal));
        Assert.Equal(["alice", "app", "bob", "monitor", "neo4j"], servers.State.Users.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(["auditor", "reader"], servers.State.Users["alice"].Roles.Order(StringComparer.Ordinal));
        Assert.Empty(servers.State.Users["monitor"].Roles);
        Assert.DoesNotContain(servers.State.Users.Values, user => user.ChangeRequired);
        Assert.Equal(
            ["access cases", "access ledger", "constraint cases", "index cases", "match cases", "match ledger", "token cases", "write cases"],
            servers.State.Roles["auditor"].Select(right => $"{right.Action} {right.Graph}").Distinct().Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task The_first_password_is_replaced_on_the_member_that_leads_whichever_it_is()
    {
        await using var servers = await Neo4jServers.StartAsync();
        servers.State.Servers.Reverse();
        var cluster = Neo4jStacks.Cluster("{license: Commercial}", servers);
        var (health, _) = await Neo4jStacks.SettleAsync(cluster, Neo4jStacks.Target(cluster, 3));
        Assert.Equal((EngineVerdict.Healthy, "payments-neo4j-2"), (health.Verdict, health.Primary));
        Assert.Equal(Neo4jStacks.AdminPassword, servers.State.Users["neo4j"].Password);
    }

    [Fact]
    public async Task What_is_settled_is_only_read()
    {
        await using var servers = await Neo4jServers.StartAsync();
        var cluster = Neo4jStacks.Cluster(Full, servers);
        var target = Neo4jStacks.Target(cluster, 3);
        await Neo4jStacks.SettleAsync(cluster, target);
        var before = servers.State.Bookmark;
        var health = await cluster.ProbeAsync(target, Token);
        Assert.Equal((EngineVerdict.Healthy, before), (health.Verdict, servers.State.Bookmark));
        Assert.Empty(cluster.Commands(new(Health: health)));
    }

    [Fact]
    public async Task Every_command_may_be_said_twice()
    {
        await using var servers = await Neo4jServers.StartAsync();
        var cluster = Neo4jStacks.Cluster(Full, servers);
        var target = Neo4jStacks.Target(cluster, 3);
        var (_, said) = await Neo4jStacks.SettleAsync(cluster, target);
        foreach (var command in said)
            await cluster.ExecuteAsync(command, target, Token);
        Assert.Equal(EngineVerdict.Healthy, (await cluster.ProbeAsync(target, Token)).Verdict);
    }

    [Fact]
    public async Task No_password_stands_in_a_statement_or_in_a_command()
    {
        await using var servers = await Neo4jServers.StartAsync();
        var cluster = Neo4jStacks.Cluster(Full, servers);
        var target = Neo4jStacks.Target(cluster, 3);
        var (health, said) = await Neo4jStacks.SettleAsync(cluster, target);
        var passwords = target.Secrets.Values.SelectMany(secret => secret).Where(field => field.Key.EndsWith("password", StringComparison.Ordinal)).Select(field => field.Value).ToList();
        Assert.Equal(6, passwords.Count);
        Assert.All(passwords, password =>
        {
            Assert.DoesNotContain(servers.Statements, statement => statement.Contains(password, StringComparison.Ordinal));
            Assert.DoesNotContain(said, command => $"{command}".Contains(password, StringComparison.Ordinal));
            Assert.DoesNotContain(password, $"{health} {string.Join(' ', health.Members)}", StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task A_community_server_gets_its_password_and_its_users_and_no_role()
    {
        await using var servers = await Neo4jServers.StartAsync(new(Edition: "community", Founders: 1));
        var cluster = Neo4jStacks.Cluster("{databases: [{name: neo4j, constraints: [{name: c, label: L, properties: [p]}]}], users: [{name: alice}]}", servers);
        var (health, said) = await Neo4jStacks.SettleAsync(cluster, Neo4jStacks.Target(cluster, 1));
        Assert.Equal((EngineVerdict.Healthy, "payments-neo4j-0"), (health.Verdict, health.Primary));
        Assert.Equal(["alice", "app", "neo4j"], servers.State.Users.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(["SetAdminPassword", "CreateConstraint", "CreateUser", "CreateUser"], said.Select(command => command.Name));
    }

    [Fact]
    public async Task A_password_of_somebody_else_is_named_and_never_guessed_twice()
    {
        await using var servers = await Neo4jServers.StartAsync(new(InitialPassword: "somebody-Elses1"));
        var cluster = Neo4jStacks.Cluster("{license: Commercial}", servers);
        var health = await cluster.ProbeAsync(Neo4jStacks.Target(cluster, 1), Token);
        Assert.Equal(EngineVerdict.Degraded, health.Verdict);
        Assert.Equal("payments-neo4j-0: refuses the operator's password; Secret payments-neo4j-internal does not belong to these volumes", health.Message);
        Assert.Equal(["neo4j", "neo4j.b", "neo4j"], servers.Requests.Select(request => request.User).OfType<string>());
        Assert.Empty(health.Needs);
    }

    [Fact]
    public async Task A_lost_Secret_of_a_user_is_mended_by_a_new_password()
    {
        await using var servers = await Neo4jServers.StartAsync();
        var cluster = Neo4jStacks.Cluster(Full, servers);
        var target = Neo4jStacks.Target(cluster, 3);
        await Neo4jStacks.SettleAsync(cluster, target);
        var secrets = target.Secrets.ToDictionary(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal);
        secrets["payments-neo4j-user-alice"] = new Dictionary<string, string> { ["password"] = "generated-Anew1" };
        var (health, said) = await Neo4jStacks.SettleAsync(cluster, target with { Secrets = secrets });
        Assert.Equal((EngineVerdict.Healthy, "generated-Anew1"), (health.Verdict, servers.State.Users["alice"].Password));
        Assert.Equal([("SetPassword", "alice")], said.Select(command => (command.Name, command.Subject)));
    }

    [Fact]
    public async Task Rights_that_leave_the_spec_are_taken_and_foreign_ones_are_left()
    {
        await using var servers = await Neo4jServers.StartAsync();
        var wide = Neo4jStacks.Cluster(Full, servers);
        var target = Neo4jStacks.Target(wide, 3);
        await Neo4jStacks.SettleAsync(wide, target);
        servers.State.Roles["auditor"].Add(("match", "property(salary)", "ledger", "NODE(Person)"));
        var narrow = Neo4jStacks.Cluster(Full.Replace(", {database: cases, access: Schema}", "", StringComparison.Ordinal).Replace("[auditor, reader]", "[auditor]", StringComparison.Ordinal), servers);
        var (health, _) = await Neo4jStacks.SettleAsync(narrow, target);
        Assert.Equal(EngineVerdict.Healthy, health.Verdict);
        Assert.DoesNotContain(servers.State.Roles["auditor"], right => right.Graph == "cases");
        Assert.Contains(servers.State.Roles["auditor"], right => right.Segment == "NODE(Person)");
        Assert.Equal(["auditor"], servers.State.Users["alice"].Roles);
    }

    [Fact]
    public async Task Servers_that_join_later_are_enabled_in_their_role()
    {
        await using var servers = await Neo4jServers.StartAsync();
        var three = Neo4jStacks.Cluster("{license: Commercial}", servers);
        await Neo4jStacks.SettleAsync(three, Neo4jStacks.Target(three, 3));
        servers.State.Join(3);
        servers.State.Join(4);
        var five = Neo4jStacks.Cluster("{license: Commercial, instances: 3, secondaries: 2, databases: [{name: ledger, secondaries: 2}]}", servers);
        var (health, said) = await Neo4jStacks.SettleAsync(five, Neo4jStacks.Target(five, 5));
        Assert.Equal(EngineVerdict.Healthy, health.Verdict);
        Assert.Equal(["payments-neo4j-3", "payments-neo4j-4"], said.Where(command => command.Name == "EnableServer").Select(command => command.Subject));
        Assert.Equal(["Enabled SECONDARY", "Enabled SECONDARY"], servers.State.Servers.Skip(3).Select(server => $"{server.State} {server.Mode}"));
        Assert.Equal(5, servers.State.Databases["ledger"].Copies.Count);
    }

    [Fact]
    public async Task Scaling_in_moves_databases_away_drops_the_server_and_only_then_the_pod()
    {
        await using var servers = await Neo4jServers.StartAsync(new(Founders: 5));
        const string databases = "databases: [{name: ledger, primaries: 3}]";
        var five = Neo4jStacks.Cluster($"{{license: Commercial, instances: 5, {databases}}}", servers);
        var target = Neo4jStacks.Target(five, 5);
        await Neo4jStacks.SettleAsync(five, target);
        servers.State.Databases["ledger"].Copies.Clear();
        foreach (var id in servers.State.Servers.Skip(2).Select(server => server.Id))
            servers.State.Databases["ledger"].Copies[id] = "primary";

        var three = Neo4jStacks.Cluster($"{{license: Commercial, instances: 3, {databases}}}", servers);
        var replicas = 5;
        var steps = new List<string>();
        for (var pass = 0; pass < 20 && replicas > 3; pass++)
        {
            var health = await three.ProbeAsync(target with { Members = [.. target.Members.Take(replicas)] }, Token);
            var observed = new EngineObservation(Health: health, Workload: new(new(Name: "x"), new("s", new(), new(new(), new([])), Replicas: replicas)));
            var commands = three.Commands(observed);
            steps.AddRange(commands.Select(command => $"{command.Name} {command.Subject}"));
            foreach (var command in commands)
                await three.ExecuteAsync(command, target, Token);
            var wanted = (int)three.Render(observed)[^1].Body["spec"]!["replicas"]!;
            if (wanted < replicas)
                steps.Add($"replicas {wanted}");
            replicas = wanted;
        }

        Assert.Equal(
            ["DeallocateServer payments-neo4j-4", "DropServer payments-neo4j-4", "replicas 4", "DeallocateServer payments-neo4j-3", "DropServer payments-neo4j-3", "replicas 3"],
            steps);
        Assert.Equal(3, servers.State.Databases["ledger"].Copies.Count);
        Assert.Contains(servers.Statements, statement => statement.StartsWith("DRYRUN DEALLOCATE", StringComparison.Ordinal));
        Assert.Equal(EngineVerdict.Healthy, (await three.ProbeAsync(target with { Members = [.. target.Members.Take(3)] }, Token)).Verdict);
    }

    [Fact]
    public async Task Nobody_leaves_while_a_member_that_stays_is_away()
    {
        await using var servers = await Neo4jServers.StartAsync(new(Founders: 5));
        var five = Neo4jStacks.Cluster("{license: Commercial, instances: 5}", servers);
        var target = Neo4jStacks.Target(five, 5);
        await Neo4jStacks.SettleAsync(five, target);
        servers.State.Servers[1].Up = false;
        var health = await Neo4jStacks.Cluster("{license: Commercial, instances: 3}", servers).ProbeAsync(target, Token);
        Assert.Equal(EngineVerdict.Degraded, health.Verdict);
        Assert.DoesNotContain(health.Needs, need => need.StartsWith("Deallocate", StringComparison.Ordinal) || need.StartsWith("Drop", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_a_majority_there_is_no_primary()
    {
        await using var servers = await Neo4jServers.StartAsync();
        var cluster = Neo4jStacks.Cluster("{license: Commercial}", servers);
        var target = Neo4jStacks.Target(cluster, 3);
        await Neo4jStacks.SettleAsync(cluster, target);
        servers.State.Servers[0].Up = servers.State.Servers[1].Up = false;
        var health = await cluster.ProbeAsync(target, Token);
        Assert.Equal((EngineVerdict.Degraded, null), (health.Verdict, health.Primary));
        servers.State.Servers[2].Up = false;
        Assert.Equal(EngineVerdict.Unreachable, (await cluster.ProbeAsync(target, Token)).Verdict);
    }

    [Fact]
    public async Task Another_constraint_under_a_declared_name_is_reported_and_not_replaced()
    {
        await using var servers = await Neo4jServers.StartAsync();
        var settings = Declared.Replace("account-id", "account_id", StringComparison.Ordinal);
        var cluster = Neo4jStacks.Cluster(settings, servers);
        var target = Neo4jStacks.Target(cluster, 3);
        await Neo4jStacks.SettleAsync(cluster, target);
        var other = Neo4jStacks.Cluster(settings.Replace("[id]", "[number]", StringComparison.Ordinal), servers);
        var health = await other.ProbeAsync(target, Token);
        Assert.Equal("database ledger: 'account_id' exists and is something else than declared; drop it, or declare another name", health.Message);
        Assert.Empty(other.Commands(new(Health: health)));
    }

    [Fact]
    public async Task A_member_that_speaks_another_protocol_is_a_finding_and_no_fault()
    {
        await using var servers = await Neo4jServers.StartAsync();
        var cluster = Neo4jStacks.Cluster("{license: Commercial}", servers);
        var target = Neo4jStacks.Target(cluster, 3);
        await Neo4jStacks.SettleAsync(cluster, target);
        servers.Script(1, Reply.Json("""{"neo4j_version":"5.26.0","neo4j_edition":"enterprise"}"""), Reply.Json(202, """{"data":{"fields":["name"],"values":[[7]]}}"""));
        var health = await cluster.ProbeAsync(target, Token);
        Assert.Equal(("payments-neo4j-1: answers what is not Neo4j's protocol", "payments-neo4j-0"), (health.Message, health.Primary));
    }

    [Fact]
    public async Task A_refused_command_says_why()
    {
        await using var servers = await Neo4jServers.StartAsync();
        var cluster = Neo4jStacks.Cluster("{license: Commercial, instances: 5, databases: [{name: ledger, primaries: 5}]}", servers);
        var target = Neo4jStacks.Target(cluster, 3);
        var password = new EngineCommand("SetAdminPassword", "neo4j", "");
        await cluster.ExecuteAsync(password, target, Token);
        var refusal = await Assert.ThrowsAnyAsync<Exception>(() => cluster.ExecuteAsync(new("CreateDatabase", "ledger", ""), target, Token));
        Assert.StartsWith("Neo.ClientError.Statement.ArgumentError: Could not place 5 primaries", refusal.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentException>(() => cluster.ExecuteAsync(new("Sing", "a song", ""), target, Token));
    }
}
