using Xunit;

namespace Dora.Testing.ApiServer.Contract;

/// <summary>Server-side apply and field ownership.</summary>
public abstract class ApplyContract(IApiServerUnderTest server) : ApiServerContract(server)
{
    private const string SideCar = """{"name":"main","image":"i:1"},{"name":"side","image":"s:1"}""";

    [Fact]
    public async Task Apply_creates_and_then_changes_nothing()
    {
        var created = (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", "\"x\":\"1\""))).Must(201);
        var again = (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", "\"x\":\"1\""))).Must(200);

        Assert.Equal(created.Version, again.Version);
        Assert.Equal("""{"f:data":{"f:x":{}}}""", again.OwnedBy("one")!.ToJsonString());
    }

    [Fact]
    public async Task Another_value_for_an_owned_field_is_a_conflict_that_names_manager_and_field()
    {
        (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", "\"x\":\"1\",\"y\":\"1\""))).Must(201);

        var conflict = (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", "\"x\":\"2\",\"y\":\"1\""), "two")).Must(409);

        Assert.Equal(("Conflict", "Apply failed with 1 conflict: conflict with \"one\": .data.x"), (conflict.Reason, conflict.Message));
        Assert.Equal("""[{"reason":"FieldManagerConflict","message":"conflict with \u0022one\u0022","field":".data.x"}]""", conflict["details"]!["causes"]!.ToJsonString());
    }

    [Fact]
    public async Task Several_conflicts_are_all_named()
    {
        (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", "\"x\":\"1\",\"y\":\"1\""))).Must(201);

        var conflict = (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", "\"x\":\"2\",\"y\":\"2\""), "two")).Must(409);

        Assert.Equal([".data.x", ".data.y"], conflict["details"]!["causes"]!.AsArray().Select(cause => (string?)cause!["field"]).Order());
    }

    [Fact]
    public async Task Force_takes_the_field_over()
    {
        (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", "\"x\":\"1\",\"y\":\"1\""))).Must(201);

        var forced = (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", "\"x\":\"2\""), "two", force: true)).Must(200);

        Assert.Equal("2", (string?)forced["data"]!["x"]);
        Assert.Equal("""{"f:data":{"f:y":{}}}""", forced.OwnedBy("one")!.ToJsonString());
        Assert.Equal("""{"f:data":{"f:x":{}}}""", forced.OwnedBy("two")!.ToJsonString());
    }

    [Fact]
    public async Task The_same_value_is_shared_ownership_and_outlives_one_owner()
    {
        (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", "\"x\":\"1\",\"y\":\"1\""))).Must(201);
        (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", "\"x\":\"1\""), "two")).Must(200);

        var left = (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", "\"z\":\"1\""))).Must(200);

        Assert.Equal("""{"x":"1","z":"1"}""", left["data"]!.ToJsonString());
        Assert.Equal("""{"f:data":{"f:z":{}}}""", left.OwnedBy("one")!.ToJsonString());
        Assert.Equal("""{"f:data":{"f:x":{}}}""", left.OwnedBy("two")!.ToJsonString());
    }

    [Fact]
    public async Task A_field_no_longer_applied_is_removed()
    {
        (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", "\"x\":\"1\",\"y\":\"1\"", "\"labels\":{\"l\":\"1\"}"))).Must(201);

        var left = (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", "\"x\":\"1\""))).Must(200);

        Assert.Equal("""{"x":"1"}""", left["data"]!.ToJsonString());
        Assert.Null(left["metadata"]!["labels"]);
    }

    [Fact]
    public async Task A_manager_that_owns_nothing_more_is_forgotten()
    {
        (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", "\"x\":\"1\""))).Must(201);
        (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", "\"y\":\"1\""), "two")).Must(200);

        var left = (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a"))).Must(200);

        Assert.Equal("""{"y":"1"}""", left["data"]!.ToJsonString());
        Assert.Null(left.OwnedBy("one"));
    }

    [Fact]
    public async Task An_update_takes_what_it_changes()
    {
        (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", "\"x\":\"1\",\"y\":\"1\""))).Must(201);

        var updated = (await Api.Patch($"{ConfigMaps}/a?fieldManager=editor", Json("""{"data":{"x":"2"}}"""))).Must(200);

        Assert.Equal("""{"f:data":{"f:y":{}}}""", updated.OwnedBy("one")!.ToJsonString());
        Assert.Equal("""{"f:data":{"f:x":{}}}""", updated.OwnedBy("editor")!.ToJsonString());
        var conflict = (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", "\"x\":\"1\",\"y\":\"1\""))).Must(409);
        Assert.Equal("Apply failed with 1 conflict: conflict with \"editor\" using v1: .data.x", conflict.Message);
    }

    [Fact]
    public async Task A_field_of_an_updater_stays_when_an_applier_leaves()
    {
        (await Api.Post($"{ConfigMaps}?fieldManager=editor", ConfigMap("a", "\"x\":\"1\""))).Must(201);
        (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", "\"x\":\"1\",\"y\":\"1\""))).Must(200);

        var left = (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a"))).Must(200);

        Assert.Equal("""{"x":"1"}""", left["data"]!.ToJsonString());
    }

    [Fact]
    public async Task A_removed_field_leaves_its_owner()
    {
        (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", "\"x\":\"1\",\"y\":\"1\""))).Must(201);

        var removed = (await Api.Patch($"{ConfigMaps}/a", Json("""{"data":{"x":null}}"""))).Must(200);

        Assert.Equal("""{"f:data":{"f:y":{}}}""", removed.OwnedBy("one")!.ToJsonString());
        Assert.Equal("1", (string?)(await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", "\"x\":\"1\",\"y\":\"1\""))).Must(200)["data"]!["x"]);
    }

    [Fact]
    public async Task Apply_needs_a_field_manager() => Assert.Contains(
        "fieldManager: Required value: is required for apply patch",
        (await Api.Patch($"{ConfigMaps}/a", ConfigMap("a"), RawClient.ApplyType)).Must(422).Message,
        StringComparison.Ordinal);

    [Theory]
    [InlineData("""{"metadata":{"name":"a"}}""", 400, "BadRequest")]
    [InlineData("""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"}}""", 400, "BadRequest")]
    [InlineData("""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","managedFields":[]}}""", 400, "BadRequest")]
    [InlineData("""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","resourceVersion":"1"},"data":{"x":"2"}}""", 409, "Conflict")]
    [InlineData("""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","uid":"other"},"data":{"x":"2"}}""", 422, "Invalid")]
    public async Task A_bad_configuration_is_refused(string config, int code, string reason)
    {
        (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a"))).Must(201);

        var answer = (await Api.Apply($"{ConfigMaps}/a", Json(config))).Must(code);

        Assert.Equal(reason, answer.Reason);
        Assert.True(code != 409 || answer["details"]!["causes"] is null, answer.Text);
    }

    [Theory]
    [InlineData(""" "unknown":1 """, ".unknown: field not declared in schema")]
    [InlineData(""" "data":{"x":1} """, ".data.x: expected string")]
    public async Task An_unknown_or_mistyped_field_is_500_without_reason(string field, string message)
    {
        var config = Json($$"""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},{{field}}}""");

        var answer = (await Api.Apply($"{ConfigMaps}/a", config)).Must(500);

        Assert.Null(answer.Reason);
        Assert.StartsWith("failed to create typed patch object: " + message, answer.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("x\\/y", "yaml: found unknown escape character")]
    [InlineData("\\ud83d\\ude00", "yaml: found invalid Unicode character escape code")]
    public async Task The_body_is_YAML_and_some_escapes_of_JSON_are_errors_in_it(string escaped, string problem)
    {
        var body = $$"""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"{{escaped}}"} }""";

        var answer = (await Api.Send(HttpMethod.Patch, $"{ConfigMaps}/a?fieldManager=one", body, RawClient.ApplyType)).Must(400);

        Assert.Contains(problem, answer.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_body_may_be_plain_YAML()
    {
        const string Body = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: \"1\"\n  emoji: 😀\n";

        var created = (await Api.Send(HttpMethod.Patch, $"{ConfigMaps}/a?fieldManager=one", Body, RawClient.ApplyType)).Must(201);

        Assert.Equal("😀", (string?)created["data"]!["emoji"]);
    }

    [Fact]
    public async Task A_uid_keeps_a_deleted_object_from_coming_back()
    {
        var config = ConfigMap("gone", metadata: "\"uid\":\"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed\"");

        var answer = (await Api.Apply($"{ConfigMaps}/gone", config)).Must(409);

        Assert.Contains("uid mismatch", answer.Message, StringComparison.Ordinal);
        (await Api.Get($"{ConfigMaps}/gone")).Must(404);
    }

    [Fact]
    public async Task List_elements_are_owned_by_their_key()
    {
        var created = (await Api.Apply($"{StatefulSets}/w", StatefulSet("w", containers:
            """{"name":"main","image":"i:1","ports":[{"containerPort":80}],"env":[{"name":"A","value":"1"}],"volumeMounts":[{"name":"v","mountPath":"/v"}]}"""))).Must(201);

        var owned = created.OwnedBy("one")!["f:spec"]!;
        var container = owned["f:template"]!["f:spec"]!["f:containers"]!["""k:{"name":"main"}"""]!.AsObject();
        Assert.Equal("{}", owned["f:selector"]!.ToJsonString());
        Assert.True(container.ContainsKey("."));
        Assert.NotNull(container["f:ports"]!["""k:{"containerPort":80,"protocol":"TCP"}"""]);
        Assert.NotNull(container["f:env"]!["""k:{"name":"A"}"""]);
        Assert.NotNull(container["f:volumeMounts"]!["""k:{"mountPath":"/v"}"""]);
    }

    [Fact]
    public async Task Each_manager_has_its_own_containers()
    {
        (await Api.Apply($"{StatefulSets}/w", StatefulSet("w"))).Must(201);
        var sideCar = Json("""{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"w"},"spec":{"template":{"spec":{"containers":[{"name":"side","image":"s:1"}]}}}}""");

        var both = (await Api.Apply($"{StatefulSets}/w", sideCar, "two")).Must(200);
        var again = (await Api.Apply($"{StatefulSets}/w", StatefulSet("w"))).Must(200);

        Assert.Equal(["main", "side"], ContainerNames(both));
        Assert.Equal(both.Version, again.Version);
    }

    [Fact]
    public async Task A_container_no_longer_applied_goes_with_its_defaults()
    {
        (await Api.Apply($"{StatefulSets}/w", StatefulSet("w", containers: SideCar))).Must(201);

        var left = (await Api.Apply($"{StatefulSets}/w", StatefulSet("w"))).Must(200);

        Assert.Equal(["main"], ContainerNames(left));
    }

    [Fact]
    public async Task A_container_that_another_manager_touches_survives_in_part()
    {
        (await Api.Apply($"{StatefulSets}/w", StatefulSet("w", containers: """{"name":"main","image":"i:1"},{"name":"side","image":"s:1","workingDir":"/x"}"""))).Must(201);
        var shared = Json("""{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"w"},"spec":{"template":{"spec":{"containers":[{"name":"side","image":"s:1"}]}}}}""");
        (await Api.Apply($"{StatefulSets}/w", shared, "two")).Must(200);

        var left = (await Api.Apply($"{StatefulSets}/w", StatefulSet("w"))).Must(200);

        var side = left["spec"]!["template"]!["spec"]!["containers"]!.AsArray().Single(one => (string?)one!["name"] == "side")!;
        Assert.Equal("s:1", (string?)side["image"]);
        Assert.Null(side["workingDir"]);
    }

    [Fact]
    public async Task An_atomic_list_has_one_owner()
    {
        (await Api.Apply($"{StatefulSets}/w", StatefulSet("w", containers: """{"name":"main","image":"i:1","command":["a","b"]}"""))).Must(201);

        var conflict = (await Api.Apply($"{StatefulSets}/w", StatefulSet("w", containers: """{"name":"main","image":"i:1","command":["a","c"]}"""), "two")).Must(409);

        Assert.Equal(".spec.template.spec.containers[name=\"main\"].command", (string?)conflict["details"]!["causes"]![0]!["field"]);
    }

    [Fact]
    public async Task Replicas_set_by_another_are_left_alone_when_not_applied()
    {
        var config = StatefulSet("w");
        config["spec"]!.AsObject().Remove("replicas");
        (await Api.Apply($"{StatefulSets}/w", config)).Must(201);
        (await Api.Patch($"{StatefulSets}/w", Json("""{"spec":{"replicas":5}}"""))).Must(200);

        Assert.Equal(5, (int)(await Api.Apply($"{StatefulSets}/w", config)).Must(200)["spec"]!["replicas"]!);
    }

    [Fact]
    public async Task A_default_returns_when_a_field_is_no_longer_applied()
    {
        (await Api.Apply($"{StatefulSets}/w", StatefulSet("w", replicas: 3))).Must(201);
        var config = StatefulSet("w");
        config["spec"]!.AsObject().Remove("replicas");

        Assert.Equal(1, (int)(await Api.Apply($"{StatefulSets}/w", config)).Must(200)["spec"]!["replicas"]!);
    }

    [Fact]
    public async Task Finalizers_and_owner_references_merge_by_element()
    {
        (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", metadata: "\"finalizers\":[\"x.io/one\"]"))).Must(201);

        var both = (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a", metadata: "\"finalizers\":[\"x.io/two\"]"), "two")).Must(200);
        var left = (await Api.Apply($"{ConfigMaps}/a", ConfigMap("a"))).Must(200);

        Assert.Equal(["x.io/one", "x.io/two"], both["metadata"]!["finalizers"]!.AsArray().Select(one => (string?)one).Order());
        Assert.Equal("""["x.io/two"]""", left["metadata"]!["finalizers"]!.ToJsonString());
    }

    [Fact]
    public async Task A_list_element_without_its_key_is_refused()
    {
        var service = Json("""{"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"clusterIP":"None","ports":[{"port":80}]}}""");

        Assert.Contains("omits key field \"protocol\"", (await Api.Apply($"/api/v1/namespaces/{Namespace}/services/s", service)).Must(500).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Applying_status_of_a_missing_object_is_404() =>
        (await Api.Apply($"{StatefulSets}/none/status", Json("""{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"none"},"status":{"replicas":1}}"""))).Must(404);

    [Fact]
    public async Task A_dry_run_says_what_would_be()
    {
        var would = (await Api.Apply($"{ConfigMaps}/a?dryRun=All", ConfigMap("a", "\"x\":\"1\""))).Must(201);

        Assert.Equal("1", (string?)would["data"]!["x"]);
        (await Api.Get($"{ConfigMaps}/a")).Must(404);
    }

    private static IEnumerable<string?> ContainerNames(ApiAnswer answer) =>
        answer["spec"]!["template"]!["spec"]!["containers"]!.AsArray().Select(one => (string?)one!["name"]).Order();
}
