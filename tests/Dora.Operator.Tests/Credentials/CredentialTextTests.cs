using Dora.Engines;
using Dora.Operator.Credentials;

namespace Dora.Operator.Tests.Credentials;

public sealed class CredentialTextTests
{
    [Fact]
    public void What_a_value_holds_is_never_replaced_itself() =>
        Assert.Equal("{b}-x", Fill("{a}-{b}", CredentialQuoting.None, ("a", "{b}"), ("b", "x")));

    [Fact]
    public void Braces_around_what_is_no_key_stay() =>
        Assert.Equal("{ {unknown} } {", Fill("{ {unknown} } {", CredentialQuoting.None, ("a", "x")));

    [Theory]
    [InlineData(CredentialQuoting.Uri, "p@ss/wörd", "p%40ss%2Fw%C3%B6rd")]
    [InlineData(CredentialQuoting.Json, "a\"b\\c\n", """a\u0022b\\c\n""")]
    [InlineData(CredentialQuoting.Doubled, "a\"b", "a\"\"b")]
    [InlineData(CredentialQuoting.None, "a\"b@", "a\"b@")]
    public void A_password_that_somebody_chose_does_not_break_the_text_around_it(CredentialQuoting quoting, string password, string expected) =>
        Assert.Equal($"<{expected}>", Fill("<{password}>", quoting, ("password", password)));

    [Theory]
    [InlineData("a\"b\\c: {replication-username} # d\n", "standby.b")]
    [InlineData("plain", "standby")]
    public void Patroni_reads_the_passwords_that_somebody_chose(string password, string replicator)
    {
        var field = EngineCatalogue.Find("postgres")!.Bind(new("compliance", "shop", "", Api.Tier.Development, Api.StackVersions.Newest, Api.DeletionPolicy.Retain, new(), new()), System.Text.Json.JsonDocument.Parse("{}").RootElement)
            .Credentials().SelectMany(request => request.Fields).Single(field => field.Key == "passwords.yml");
        var values = new[] { "superuser", "replication", "rewind", "restapi" }.ToDictionary(user => $"{user}-password", _ => password);
        (values["replication-username"], values["rewind-username"]) = (replicator, "rewind");
        var read = Kubernetes.Model.KubeYaml.Read(CredentialText.Fill(field, values))!;
        Assert.Equal(("operator", password), ((string?)read["restapi"]!["authentication"]!["username"], (string?)read["restapi"]!["authentication"]!["password"]));
        var users = read["postgresql"]!["authentication"]!;
        Assert.Equal(["postgres", replicator, "rewind"], new[] { "superuser", "replication", "rewind" }.Select(user => (string?)users[user]!["username"]));
        Assert.All(new[] { "superuser", "replication", "rewind" }, user => Assert.Equal(password, (string?)users[user]!["password"]));
    }

    [Fact]
    public void A_login_of_a_Secret_with_several_users_changes_its_own_keys_and_what_is_made_of_them()
    {
        var request = new CredentialRequest("internal", [new("admin-password"), new("other-password"), new("admin-username", "admin"), new("file", "{admin-username}:{admin-password}:{other-password}")]);
        var held = new Dictionary<string, string> { ["admin-password"] = "old", ["other-password"] = "kept" };
        var fields = CredentialStore.Fields(request, new("internal", "admin", "admin.b", "admin-password"), new("admin.b", "new"), held);
        Assert.Equal(new Dictionary<string, string> { ["admin-password"] = "new", ["admin-username"] = "admin.b", ["file"] = "admin.b:new:kept" }, fields);
    }

    [Fact]
    public void An_older_Secret_lacks_what_follows_from_it_and_no_password()
    {
        var request = new CredentialRequest("internal", [new("admin-password"), new("admin-username", "admin"), new("token", Issued: true)]);
        Assert.Equal(["admin-username"], CredentialRules.Lacking(request, new Dictionary<string, string> { ["admin-password"] = "held" }));
        Assert.Empty(CredentialRules.Lacking(request, new Dictionary<string, string> { ["admin-password"] = "held", ["admin-username"] = "admin.b" }));
        Assert.Empty(CredentialRules.Lacking(request, new Dictionary<string, string>()));
    }

    private static string Fill(string text, CredentialQuoting quoting, params (string Key, string Value)[] values) =>
        CredentialText.Fill(new("text", text, Quoting: quoting), values.ToDictionary(pair => pair.Key, pair => pair.Value));
}
