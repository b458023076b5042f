using Xunit;

namespace Dora.Testing.ApiServer.Contract;

/// <summary>What those hear who may not.</summary>
public abstract class AccessContract(IApiServerUnderTest server)
{
    private readonly RawClient withoutRights = new(server.WithoutRights);
    private readonly RawClient unknown = new(server.Unknown);

    [Theory]
    [InlineData("/api/v1/namespaces/default/configmaps", "", "configmaps is forbidden", "cannot list resource \"configmaps\" in API group \"\" in the namespace \"default\"")]
    [InlineData("/api/v1/namespaces/default/configmaps/a", "", "configmaps \"a\" is forbidden", "cannot get resource \"configmaps\" in API group \"\" in the namespace \"default\"")]
    [InlineData("/apis/apps/v1/statefulsets", "apps", "statefulsets.apps is forbidden", "cannot list resource \"statefulsets\" in API group \"apps\" at the cluster scope")]
    [InlineData("/apis/apps/v1/namespaces/default/statefulsets/a/status", "apps", "statefulsets.apps \"a\" is forbidden", "cannot get resource \"statefulsets/status\" in API group \"apps\" in the namespace \"default\"")]
    [InlineData("/apis/apps/v1/statefulsets?watch=true", "apps", "statefulsets.apps is forbidden", "cannot watch resource \"statefulsets\"")]
    public async Task A_refusal_names_user_verb_resource_and_place(string path, string group, string begin, string end)
    {
        var refused = (await withoutRights.Get(path)).Must(403);

        Assert.Equal("Forbidden", refused.Reason);
        Assert.StartsWith($"{begin}: User \"system:serviceaccount:", refused.Message, StringComparison.Ordinal);
        Assert.Contains(end, refused.Message, StringComparison.Ordinal);
        Assert.Equal(group, (string?)refused["details"]!["group"] ?? "");
    }

    [Fact]
    public async Task Writes_are_refused_too()
    {
        var body = System.Text.Json.Nodes.JsonNode.Parse("""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}""")!;

        Assert.Contains("cannot create resource", (await withoutRights.Post("/api/v1/namespaces/default/configmaps", body)).Must(403).Message, StringComparison.Ordinal);
        Assert.Contains("cannot patch resource", (await withoutRights.Apply("/api/v1/namespaces/default/configmaps/a", body)).Must(403).Message, StringComparison.Ordinal);
        Assert.Contains("cannot delete resource", (await withoutRights.Delete("/api/v1/namespaces/default/configmaps/a")).Must(403).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unknown_token_is_401()
    {
        var refused = (await unknown.Get("/api/v1/namespaces")).Must(401);

        Assert.Equal(("Unauthorized", "Unauthorized"), (refused.Reason, refused.Message));
    }
}
