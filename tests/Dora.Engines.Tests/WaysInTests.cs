namespace Dora.Engines.Tests;

/// <summary>By which logins the operator comes in where two administrators take turns.</summary>
public sealed class WaysInTests
{
    private static readonly RotatingRole _role = new("internal", "admin", RotatingRole.SecondOf("admin"), "admin-password");

    [Fact]
    public void The_login_in_the_Secret_is_the_first_way_and_the_other_user_by_the_same_password_the_next() =>
        Assert.Equal([new("admin.b", "held"), new("admin", "held")], Target("admin.b", "held").Ways(_role));

    [Fact]
    public void Amid_a_change_what_servers_shall_accept_is_a_way_too_and_each_way_is_tried_once()
    {
        var target = Target("admin", "by hand") with { Accepted = new Dictionary<string, IReadOnlyList<Login>> { [_role.Id] = [new("admin", "old"), new("admin.b", "new")] } };
        Assert.Equal(
            [new("admin", "by hand"), new("admin", "old"), new("admin.b", "new"), new("admin.b", "by hand"), new("admin.b", "old"), new("admin", "new")],
            target.Ways(_role));
    }

    [Fact]
    public void A_name_that_is_none_of_the_roles_is_not_a_way() =>
        Assert.Equal(["admin", "admin.b"], Target("somebody", "held").Ways(_role).Select(login => login.Username));

    private static EngineTarget Target(string username, string password) =>
        new([], new Dictionary<string, IReadOnlyDictionary<string, string>> { ["internal"] = new Dictionary<string, string> { ["admin-username"] = username, ["admin-password"] = password } });
}
