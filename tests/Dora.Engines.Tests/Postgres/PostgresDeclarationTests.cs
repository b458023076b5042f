using Dora.Engines.Postgres;

namespace Dora.Engines.Tests.Postgres;

public sealed class PostgresDeclarationTests
{
    private static readonly string[] _available = ["pgcrypto", "hstore"];

    [Theory]
    [InlineData("roles: [{name: Clerk}]", "roles[0].name", "not allowed as a name")]
    [InlineData("roles: [{name: 'a\"; DROP'}]", "roles[0].name", "not allowed as a name")]
    [InlineData("roles: [{name: clerk_}]", "roles[0].name", "not allowed as a name")]
    [InlineData("roles: [{name: postgres}]", "roles[0].name", "taken")]
    [InlineData("roles: [{name: app}]", "roles[0].name", "taken")]
    [InlineData("roles: [{name: monitor}]", "roles[0].name", "taken")]
    [InlineData("roles: [{name: backup}]", "roles[0].name", "taken")]
    [InlineData("roles: [{name: pooler}]", "roles[0].name", "taken")]
    [InlineData("roles: [{name: standby}]", "roles[0].name", "taken")]
    [InlineData("roles: [{name: pg_clerk}]", "roles[0].name", "taken")]
    [InlineData("roles: [{name: clerk, connectionLimit: -1}]", "roles[0].connectionLimit", "not possible")]
    [InlineData("roles: [{name: clerk, inRoles: [staff]}]", "roles[0].inRoles[0]", "neither declared nor may be granted")]
    [InlineData("roles: [{name: clerk, inRoles: [postgres]}]", "roles[0].inRoles[0]", "neither declared nor may be granted")]
    [InlineData("roles: [{name: clerk, inRoles: [backup]}]", "roles[0].inRoles[0]", "neither declared nor may be granted")]
    [InlineData("roles: [{name: clerk, inRoles: [pg_execute_server_program]}]", "roles[0].inRoles[0]", "neither declared nor may be granted")]
    [InlineData("roles: [{name: clerk, inRoles: [pg_write_server_files]}]", "roles[0].inRoles[0]", "neither declared nor may be granted")]
    [InlineData("roles: [{name: clerk, inRoles: [clerk]}]", "roles[0].inRoles[0]", "itself")]
    [InlineData("databases: [{name: template1}]", "databases[0].name", "server's own")]
    [InlineData("databases: [{name: a-b}]", "databases[0].name", "not allowed as a name")]
    [InlineData("databases: [{name: ledger, owner: clerk}]", "databases[0].owner", "not declared")]
    [InlineData("{databases: [{name: app, owner: clerk}], roles: [{name: clerk}]}", "databases[0].owner", "belongs to role 'app'")]
    [InlineData("databases: [{name: ledger, extensions: [plpython3u]}]", "databases[0].extensions[0]", "reaches files")]
    [InlineData("databases: [{name: ledger, extensions: [file_fdw]}]", "databases[0].extensions[0]", "reaches files")]
    [InlineData("databases: [{name: ledger, extensions: ['a\"b']}]", "databases[0].extensions[0]", "not the name of an extension")]
    public void What_cannot_be_declared_names_the_field_and_the_fix(string settings, string field, string problem)
    {
        var violation = Assert.Single(Engines.Bind("postgres", settings).Validate(EngineObservation.None));
        Assert.Equal($"spec.engines.postgres.{field}", violation.Field);
        Assert.Contains(problem, violation.Problem, StringComparison.Ordinal);
        Assert.NotEmpty(violation.Fix);
    }

    [Theory]
    [InlineData("{roles: [{name: clerk}, {name: clerk}]}")]
    [InlineData("{databases: [{name: ledger}, {name: ledger}]}")]
    public void Twice_the_same_name_is_said_at_both(string settings) =>
        Assert.Equal(2, Engines.Bind("postgres", settings).Validate(EngineObservation.None).Count(violation => violation.Problem.Contains("declared twice", StringComparison.Ordinal)));

    [Fact]
    public void A_circle_of_memberships_is_refused() =>
        Assert.Equal(3, Engines.Bind("postgres", "roles: [{name: a, inRoles: [b]}, {name: b, inRoles: [c]}, {name: c, inRoles: [a]}]").Validate(EngineObservation.None).Count);

    [Fact]
    public void Each_role_that_logs_in_has_a_Secret_that_can_be_made_again_and_a_group_has_none()
    {
        var requests = Engines.Bind("postgres", "roles: [{name: night_clerk}, {name: staff, login: false}]").Credentials();
        Assert.Equal(
            ["payments-postgres-backup", "payments-postgres-monitor", "payments-postgres-role-night-clerk"],
            requests.Where(request => request.Renewable).Select(request => request.SecretName).Order());
    }

    [Fact]
    public void Roles_are_made_after_those_whose_rights_they_have()
    {
        var plan = Plan(new(Roles: [new("a", InRoles: ["b"]), new("b", InRoles: ["c", "app"]), new("c", Login: false)]));
        Assert.Equal(["c", "b", "a"], PostgresNeeds.Of(plan, new([], [], _available), _ => "password").Select(PostgresNeeds.Split).Where(need => need.Subject.Length == 1).Select(need => need.Subject));
    }

    [Fact]
    public void An_undeclared_role_loses_its_login_only_if_the_operator_made_it()
    {
        RoleState gone = new("clerk", true, -1, false, false, [], true, null), foreign = gone with { Name = "somebody", Declared = false };
        Assert.Equal(["EndLogin/clerk"], PostgresNeeds.Of(Plan(new()), new([.. Own(), gone, foreign], [], _available), Password));
        Assert.Empty(PostgresNeeds.Of(Plan(new()), new([.. Own(), gone with { Login = false }, foreign], [], _available), Password));
    }

    [Fact]
    public void A_role_with_more_rights_than_declared_is_brought_back()
    {
        var plan = Plan(new(Roles: [new("clerk", ConnectionLimit: 3)]));
        RoleState right = new("clerk", true, 3, false, false, [], true, PostgresSql.ScramVerifier("clerk", "password"));
        Assert.Empty(Needs(right));
        Assert.All(
            (RoleState[])[right with { Privileged = true }, right with { ReadsAllRows = true }, right with { InRoles = ["pg_read_all_data"] }, right with { ConnectionLimit = -1 }, right with { Login = false }, right with { Verifier = null }, right with { Verifier = PostgresSql.ScramVerifier("clerk", "other") }],
            wrong => Assert.Equal(["SetRole/clerk"], Needs(wrong)));

        IReadOnlyList<string> Needs(RoleState role) => PostgresNeeds.Of(plan, new([.. Own(), role], [], _available), Password);
    }

    [Fact]
    public void Extensions_come_after_their_database_and_one_that_the_image_lacks_is_named()
    {
        var plan = Plan(new(Databases: [new("ledger", Extensions: ["hstore", "postgis"])]));
        Assert.Equal(["SetDatabase/ledger"], PostgresNeeds.Of(plan, new(Own(), [], _available), Password));
        DeclaredState made = new(Own(), [new("ledger", "app", ["plpgsql"])], _available);
        Assert.Equal(["CreateExtension/ledger/hstore"], PostgresNeeds.Of(plan, made, Password));
        Assert.Equal("extension 'postgis' is not in the image of PostgreSQL 15", PostgresNeeds.Problem(plan, made));
    }

    [Fact]
    public void A_role_never_shows_its_verifier() =>
        Assert.DoesNotContain("SCRAM", new RoleState("clerk", true, -1, false, false, [], true, "SCRAM-SHA-256$4096:x").ToString(), StringComparison.Ordinal);

    private static string? Password(RolePlan role) => role.Secret is null ? null : "password";

    private static RoleState[] Own() =>
        [.. Plan(new()).Roles.Select(role => new RoleState(role.Name, role.Login, role.ConnectionLimit, role.ReadsAllRows, false, role.InRoles, true, PostgresSql.ScramVerifier(role.Name, "password")))];

    private static PostgresPlan Plan(PostgresSettings settings) => PostgresPlan.Of(new(Engines.Stack(), "postgres"), settings);
}
