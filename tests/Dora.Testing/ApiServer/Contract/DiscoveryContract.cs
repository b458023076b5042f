using Xunit;

namespace Dora.Testing.ApiServer.Contract;

/// <summary>What is served, and what is said of what is not.</summary>
public abstract class DiscoveryContract(IApiServerUnderTest server) : ApiServerContract(server)
{
    [Theory]
    [InlineData("/healthz")]
    [InlineData("/livez")]
    [InlineData("/readyz")]
    public async Task The_server_says_that_it_is_well(string path) => Assert.Equal("ok", (await Api.Get(path)).Must(200).Text);

    [Fact]
    public async Task The_version_is_told() => Assert.NotNull((await Api.Get("/version")).Must(200)["gitVersion"]);

    [Fact]
    public async Task The_core_group_has_one_version() => Assert.Equal("""["v1"]""", (await Api.Get("/api")).Must(200)["versions"]!.ToJsonString());

    [Fact]
    public async Task Groups_are_listed_with_their_versions()
    {
        var groups = (await Api.Get("/apis")).Must(200);
        var apps = groups["groups"]!.AsArray().Single(group => (string?)group!["name"] == "apps")!;

        Assert.Equal("APIGroupList", (string?)groups["kind"]);
        Assert.Equal("apps/v1", (string?)apps["preferredVersion"]!["groupVersion"]);
        Assert.Equal("apps", (string?)(await Api.Get("/apis/apps")).Must(200)["name"]);
    }

    [Theory]
    [InlineData("/api/v1", "configmaps", "ConfigMap", true, "cm")]
    [InlineData("/api/v1", "namespaces", "Namespace", false, "ns")]
    [InlineData("/apis/apps/v1", "statefulsets", "StatefulSet", true, "sts")]
    [InlineData("/apis/policy/v1beta1", "poddisruptionbudgets", "PodDisruptionBudget", true, "pdb")]
    public async Task A_version_lists_its_resources(string path, string name, string kind, bool namespaced, string shortName)
    {
        var resource = (await Api.Get(path)).Must(200)["resources"]!.AsArray().Single(one => (string?)one!["name"] == name)!;

        Assert.Equal((kind, namespaced), ((string?)resource["kind"], (bool)resource["namespaced"]!));
        Assert.Contains(resource["shortNames"]!.AsArray(), one => (string?)one == shortName);
        Assert.Contains(resource["verbs"]!.AsArray(), one => (string?)one == "watch");
    }

    [Fact]
    public async Task Subresources_are_listed_beside_their_resource() => Assert.Contains(
        (await Api.Get("/apis/apps/v1")).Must(200)["resources"]!.AsArray(),
        one => (string?)one!["name"] == "statefulsets/status");

    [Fact]
    public async Task An_unknown_group_is_plain_404()
    {
        var answer = (await Api.Get("/apis/nope.io/v1/things")).Must(404);

        Assert.Equal("404 page not found", answer.Text.Trim());
    }

    [Theory]
    [InlineData("/api/v1/nonsense")]
    [InlineData("/apis/apps/v1/namespaces/default/nonsense/x")]
    [InlineData("/api/v1/namespaces/default/configmaps/x/status")]
    public async Task An_unknown_resource_is_404_with_a_Status(string path)
    {
        var answer = (await Api.Get(path)).Must(404);

        Assert.Equal(("NotFound", "the server could not find the requested resource"), (answer.Reason, answer.Message));
    }

    [Fact]
    public async Task A_verb_that_makes_no_sense_is_405()
    {
        Assert.Equal("MethodNotAllowed", (await Api.Post($"{ConfigMaps}/a", ConfigMap("a"))).Must(405).Reason);
        (await Api.Put(ConfigMaps, ConfigMap("a"))).Must(405);
    }
}
