using System.Text.Json.Nodes;
using Xunit;

namespace Dora.Testing.ApiServer.Contract;

/// <summary>Deletion, finalizers, garbage collection, namespaces.</summary>
public abstract class DeletionContract(IApiServerUnderTest server) : ApiServerContract(server)
{
    [Fact]
    public async Task A_deleted_object_is_gone_and_the_answer_says_so()
    {
        var created = (await Api.Post(ConfigMaps, ConfigMap("a"))).Must(201);

        var deleted = (await Api.Delete($"{ConfigMaps}/a")).Must(200);

        Assert.Equal("Success", (string?)deleted["status"]);
        Assert.Equal(created.Uid, (string?)deleted["details"]!["uid"]);
        (await Api.Get($"{ConfigMaps}/a")).Must(404);
        (await Api.Delete($"{ConfigMaps}/a")).Must(404);
    }

    [Theory]
    [InlineData("""{"preconditions":{"uid":"other"}}""", "the UID in the precondition (other) does not match")]
    [InlineData("""{"preconditions":{"resourceVersion":"1"}}""", "the ResourceVersion in the precondition (1) does not match")]
    public async Task A_failed_precondition_is_409_and_deletes_nothing(string options, string message)
    {
        (await Api.Post(ConfigMaps, ConfigMap("a"))).Must(201);

        var conflict = (await Api.Delete($"{ConfigMaps}/a", Json(options))).Must(409);

        Assert.Equal("Conflict", conflict.Reason);
        Assert.Contains(message, conflict.Message, StringComparison.Ordinal);
        (await Api.Get($"{ConfigMaps}/a")).Must(200);
    }

    [Fact]
    public async Task A_held_precondition_deletes()
    {
        var created = (await Api.Post(ConfigMaps, ConfigMap("a"))).Must(201);

        (await Api.Delete($"{ConfigMaps}/a", Json($$"""{"preconditions":{"uid":"{{created.Uid}}","resourceVersion":"{{created.Version}}"} }"""))).Must(200);

        (await Api.Get($"{ConfigMaps}/a")).Must(404);
    }

    [Theory]
    [InlineData("""{"propagationPolicy":"Nope"}""")]
    [InlineData("""{"propagationPolicy":"Foreground","orphanDependents":true}""")]
    public async Task Wrong_options_are_422(string options)
    {
        (await Api.Post(ConfigMaps, ConfigMap("a"))).Must(201);

        (await Api.Delete($"{ConfigMaps}/a", Json(options))).Must(422);
    }

    [Fact]
    public async Task A_dry_run_deletes_nothing()
    {
        (await Api.Post(ConfigMaps, ConfigMap("a"))).Must(201);

        (await Api.Delete($"{ConfigMaps}/a?dryRun=All")).Must(200);

        (await Api.Get($"{ConfigMaps}/a")).Must(200);
    }

    [Fact]
    public async Task A_finalizer_holds_the_object_until_it_is_taken_away()
    {
        (await Api.Post(ConfigMaps, ConfigMap("a", metadata: "\"finalizers\":[\"x.io/hold\"]"))).Must(201);

        var marked = (await Api.Delete($"{ConfigMaps}/a")).Must(200);
        var again = (await Api.Delete($"{ConfigMaps}/a")).Must(200);
        var edited = (await Api.Patch($"{ConfigMaps}/a", Json("""{"data":{"x":"1"}}"""))).Must(200);
        var refused = (await Api.Patch($"{ConfigMaps}/a", Json("""{"metadata":{"finalizers":["x.io/hold","x.io/more"]}}"""))).Must(422);
        (await Api.Patch($"{ConfigMaps}/a", Json("""{"metadata":{"finalizers":null}}"""))).Must(200);

        Assert.NotNull(marked["metadata"]!["deletionTimestamp"]);
        Assert.Equal(marked.Version, again.Version);
        Assert.Equal("1", (string?)edited["data"]!["x"]);
        Assert.Contains("no new finalizers can be added if the object is being deleted", refused.Message, StringComparison.Ordinal);
        (await Api.Get($"{ConfigMaps}/a")).Must(404);
    }

    [Fact]
    public async Task Marking_for_deletion_is_a_new_generation()
    {
        var body = StatefulSet("w");
        body["metadata"]!["finalizers"] = new JsonArray("x.io/hold");
        (await Api.Post(StatefulSets, body)).Must(201);

        Assert.Equal(2, (await Api.Delete($"{StatefulSets}/w")).Must(200).Generation);
        (await Api.Patch($"{StatefulSets}/w", Json("""{"metadata":{"finalizers":null}}"""))).Must(200);
    }

    [Fact]
    public async Task Dependents_follow_their_owner()
    {
        var owner = (await Api.Post(ConfigMaps, ConfigMap("owner"))).Must(201);
        (await Api.Post(ConfigMaps, OwnedBy("dependent", owner))).Must(201);

        (await Api.Delete($"{ConfigMaps}/owner")).Must(200);

        await Gone("dependent");
    }

    [Fact]
    public async Task Dependents_of_dependents_follow_too()
    {
        var owner = (await Api.Post(ConfigMaps, ConfigMap("owner"))).Must(201);
        var middle = (await Api.Post(ConfigMaps, OwnedBy("middle", owner))).Must(201);
        (await Api.Post(ConfigMaps, OwnedBy("leaf", middle))).Must(201);

        (await Api.Delete($"{ConfigMaps}/owner?propagationPolicy=Background")).Must(200);

        await Gone("leaf");
    }

    [Fact]
    public async Task Foreground_deletion_waits_for_the_dependents()
    {
        var owner = (await Api.Post(ConfigMaps, ConfigMap("owner"))).Must(201);
        var dependent = OwnedBy("dependent", owner);
        dependent["metadata"]!["finalizers"] = new JsonArray("x.io/hold");
        (await Api.Post(ConfigMaps, dependent)).Must(201);

        var marked = (await Api.Delete($"{ConfigMaps}/owner", Json("""{"propagationPolicy":"Foreground"}"""))).Must(200);
        Assert.Equal("""["foregroundDeletion"]""", marked["metadata"]!["finalizers"]!.ToJsonString());
        await Until(() => Api.Get($"{ConfigMaps}/dependent"), answer => answer.Must(200)["metadata"]!["deletionTimestamp"] is not null);
        (await Api.Get($"{ConfigMaps}/owner")).Must(200);
        (await Api.Patch($"{ConfigMaps}/dependent", Json("""{"metadata":{"finalizers":null}}"""))).Must(200);

        await Gone("owner");
    }

    [Fact]
    public async Task Orphans_stay_and_forget_their_owner()
    {
        var owner = (await Api.Post(ConfigMaps, ConfigMap("owner"))).Must(201);
        (await Api.Post(ConfigMaps, OwnedBy("dependent", owner))).Must(201);

        (await Api.Delete($"{ConfigMaps}/owner", Json("""{"propagationPolicy":"Orphan"}"""))).Must(200);

        await Gone("owner");
        Assert.Null((await Api.Get($"{ConfigMaps}/dependent")).Must(200)["metadata"]!["ownerReferences"]);
    }

    [Fact]
    public async Task One_remaining_owner_keeps_a_dependent()
    {
        var one = (await Api.Post(ConfigMaps, ConfigMap("one"))).Must(201);
        var two = (await Api.Post(ConfigMaps, ConfigMap("two"))).Must(201);
        var dependent = OwnedBy("dependent", one);
        dependent["metadata"]!["ownerReferences"]!.AsArray().Add(Reference(two));
        (await Api.Post(ConfigMaps, dependent)).Must(201);

        (await Api.Delete($"{ConfigMaps}/one")).Must(200);

        var left = await Until(() => Api.Get($"{ConfigMaps}/dependent"), answer => answer.Must(200)["metadata"]!["ownerReferences"]!.AsArray().Count == 1);
        Assert.Equal(two.Uid, (string?)left["metadata"]!["ownerReferences"]![0]!["uid"]);
    }

    [Fact]
    public async Task A_dependent_of_an_owner_that_never_was_is_collected()
    {
        var body = ConfigMap("dependent", metadata:
            """
            "ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"never","uid":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"}]
            """);
        (await Api.Post(ConfigMaps, body)).Must(201);

        await Gone("dependent");
    }

    [Fact]
    public async Task A_collection_is_deleted_by_label()
    {
        foreach (var name in (string[])["a", "b"])
            (await Api.Post(ConfigMaps, ConfigMap(name, metadata: $$"""
                "labels":{"name":"{{name}}"}
                """))).Must(201);

        (await Api.Delete($"{ConfigMaps}?labelSelector=name%3Da")).Must(200);

        (await Api.Get($"{ConfigMaps}/a")).Must(404);
        (await Api.Get($"{ConfigMaps}/b")).Must(200);
    }

    [Fact]
    public async Task A_terminating_namespace_takes_nothing_new_and_goes_with_its_content()
    {
        (await Api.Post(ConfigMaps, ConfigMap("a", metadata: "\"finalizers\":[\"x.io/hold\"]"))).Must(201);

        var marked = (await Api.Delete($"/api/v1/namespaces/{Namespace}")).Must(200);
        Assert.Equal("Terminating", (string?)marked["status"]!["phase"]);
        var refused = (await Api.Post(ConfigMaps, ConfigMap("b"))).Must(403);
        Assert.Equal("Forbidden", refused.Reason);
        Assert.Contains($"unable to create new content in namespace {Namespace} because it is being terminated", refused.Message, StringComparison.Ordinal);
        await Until(() => Api.Get($"{ConfigMaps}/a"), answer => answer.Must(200)["metadata"]!["deletionTimestamp"] is not null);
        (await Api.Patch($"{ConfigMaps}/a", Json("""{"metadata":{"finalizers":null}}"""))).Must(200);

        await Until(() => Api.Get($"/api/v1/namespaces/{Namespace}"), answer => answer.Code == 404);
    }

    private static JsonObject Reference(ApiAnswer owner) => Json(
        $$"""{"apiVersion":"v1","kind":"ConfigMap","name":"{{owner["metadata"]!["name"]}}","uid":"{{owner.Uid}}","blockOwnerDeletion":true}""");

    private static JsonObject OwnedBy(string name, ApiAnswer owner)
    {
        var body = ConfigMap(name);
        body["metadata"]!["ownerReferences"] = new JsonArray(Reference(owner));
        return body;
    }

    private Task Gone(string name) => Until(() => Api.Get($"{ConfigMaps}/{name}"), answer => answer.Code == 404);
}
