using System.Text.Json.Nodes;
using Xunit;

namespace Dora.Testing.ApiServer.Contract;

/// <summary>Create, read, replace, patch.</summary>
public abstract class ObjectContract(IApiServerUnderTest server) : ApiServerContract(server)
{
    [Fact]
    public async Task A_created_object_has_identity_and_a_version()
    {
        var created = (await Api.Post(ConfigMaps, ConfigMap("a", "\"x\":\"1\""))).Must(201);

        Assert.Equal(Namespace, (string?)created["metadata"]!["namespace"]);
        Assert.NotEmpty(created.Uid);
        Assert.Matches("^[0-9]+$", created.Version);
        Assert.Matches("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z$", (string?)created["metadata"]!["creationTimestamp"]);
        Assert.Equal(created.Text, (await Api.Get($"{ConfigMaps}/a")).Must(200).Text);
    }

    [Fact]
    public async Task A_missing_object_is_404_NotFound()
    {
        var answer = (await Api.Get($"{ConfigMaps}/none")).Must(404);

        Assert.Equal(("NotFound", "configmaps \"none\" not found"), (answer.Reason, answer.Message));
        Assert.Equal("Status", (string?)answer["kind"]);
        Assert.Equal("""{"name":"none","kind":"configmaps"}""", answer["details"]!.ToJsonString());
    }

    [Fact]
    public async Task Creating_it_again_is_409_AlreadyExists()
    {
        (await Api.Post(ConfigMaps, ConfigMap("a"))).Must(201);

        var again = (await Api.Post(ConfigMaps, ConfigMap("a"))).Must(409);

        Assert.Equal(("AlreadyExists", "configmaps \"a\" already exists"), (again.Reason, again.Message));
    }

    [Fact]
    public async Task A_missing_namespace_is_404()
    {
        var answer = (await Api.Post("/api/v1/namespaces/not-there/configmaps", ConfigMap("a"))).Must(404);

        Assert.Equal("namespaces \"not-there\" not found", answer.Message);
    }

    [Theory]
    [InlineData("""{"metadata":{}}""", 422, "metadata.name: Required value: name or generateName is required")]
    [InlineData("""{"metadata":{"name":"A_b"}}""", 422, "metadata.name: Invalid value: \"A_b\": a lowercase RFC 1123 subdomain")]
    [InlineData("""{"metadata":{"name":"b","namespace":"other"}}""", 400, "the namespace of the provided object does not match the namespace sent on the request")]
    [InlineData("""{"apiVersion":"v1","kind":"Secret","metadata":{"name":"b"}}""", 400, "cannot be handled as a ConfigMap")]
    [InlineData("""{"metadata":{"name":"b"},"data":{"x":1}}""", 400, "ConfigMap in version \"v1\" cannot be handled as a ConfigMap")]
    [InlineData("""{"metadata":{"name":"b","resourceVersion":"1"}}""", 500, "resourceVersion should not be set on objects to be created")]
    public async Task A_bad_new_object_is_refused(string body, int code, string message) =>
        Assert.Contains(message, (await Api.Post(ConfigMaps, Json(body))).Must(code).Message, StringComparison.Ordinal);

    [Fact]
    public async Task A_body_that_is_no_JSON_is_400() =>
        Assert.Equal("BadRequest", (await Api.Send(HttpMethod.Post, ConfigMaps, "{nope")).Must(400).Reason);

    [Fact]
    public async Task An_unknown_field_is_dropped_on_create()
    {
        var created = (await Api.Post(ConfigMaps, Json("""{"metadata":{"name":"a"},"unknown":1}"""))).Must(201);

        Assert.Null(created["unknown"]);
    }

    [Fact]
    public async Task GenerateName_gives_names_that_differ()
    {
        var body = Json("""{"metadata":{"generateName":"gen-"}}""");
        var (one, two) = (await Api.Post(ConfigMaps, body), await Api.Post(ConfigMaps, body));

        Assert.Matches("^gen-[a-z0-9]{5}$", (string?)one.Must(201)["metadata"]!["name"]);
        Assert.NotEqual((string?)one["metadata"]!["name"], (string?)two.Must(201)["metadata"]!["name"]);
    }

    [Fact]
    public async Task Replacing_with_a_stale_version_is_409_without_causes()
    {
        var old = (await Api.Post(ConfigMaps, ConfigMap("a", "\"x\":\"1\""))).Must(201);
        (await Api.Patch($"{ConfigMaps}/a", Json("""{"data":{"x":"2"}}"""))).Must(200);

        var stale = (await Api.Put($"{ConfigMaps}/a", old.Body)).Must(409);

        Assert.Equal("Conflict", stale.Reason);
        Assert.Equal("Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again", stale.Message);
        Assert.Null(stale["details"]!["causes"]);
    }

    [Fact]
    public async Task Replacing_needs_no_version_for_built_in_kinds()
    {
        var first = (await Api.Post(ConfigMaps, ConfigMap("a", "\"x\":\"1\""))).Must(201);

        var second = (await Api.Put($"{ConfigMaps}/a", ConfigMap("a", "\"x\":\"2\""))).Must(200);

        Assert.Equal("2", (string?)second["data"]!["x"]);
        Assert.Equal(first.Uid, second.Uid);
        Assert.NotEqual(first.Version, second.Version);
    }

    [Theory]
    [InlineData("""{"metadata":{"name":"b"}}""", 400, "BadRequest")]
    [InlineData("""{"metadata":{"name":"a","uid":"other"}}""", 409, "Conflict")]
    public async Task Replacing_another_object_is_refused(string body, int code, string reason)
    {
        (await Api.Post(ConfigMaps, ConfigMap("a"))).Must(201);

        Assert.Equal(reason, (await Api.Put($"{ConfigMaps}/a", Json(body))).Must(code).Reason);
    }

    [Fact]
    public async Task Replacing_a_missing_object_is_404() => (await Api.Put($"{ConfigMaps}/none", ConfigMap("none"))).Must(404);

    [Fact]
    public async Task A_write_that_changes_nothing_keeps_the_version()
    {
        var first = (await Api.Post(ConfigMaps, ConfigMap("a", "\"x\":\"1\""))).Must(201);

        Assert.Equal(first.Version, (await Api.Put($"{ConfigMaps}/a", first.Body)).Must(200).Version);
        Assert.Equal(first.Version, (await Api.Patch($"{ConfigMaps}/a", Json("""{"data":{"x":"1"}}"""))).Must(200).Version);
    }

    [Fact]
    public async Task A_merge_patch_sets_and_removes()
    {
        (await Api.Post(ConfigMaps, ConfigMap("a", "\"x\":\"1\",\"y\":\"2\""))).Must(201);

        var patched = (await Api.Patch($"{ConfigMaps}/a", Json("""{"data":{"x":null,"z":"3"},"metadata":{"labels":{"l":"v"}}}"""))).Must(200);

        Assert.Equal("""{"y":"2","z":"3"}""", patched["data"]!.ToJsonString());
        Assert.Equal("v", (string?)patched["metadata"]!["labels"]!["l"]);
    }

    [Theory]
    [InlineData("""{"metadata":{"resourceVersion":"1"}}""", 409)]
    [InlineData("""{"metadata":{"name":"b"}}""", 400)]
    public async Task A_merge_patch_is_checked_like_a_replacement(string patch, int code)
    {
        (await Api.Post(ConfigMaps, ConfigMap("a"))).Must(201);

        (await Api.Patch($"{ConfigMaps}/a", Json(patch))).Must(code);
    }

    [Fact]
    public async Task A_JSON_patch_is_all_or_nothing()
    {
        (await Api.Post(ConfigMaps, ConfigMap("a", "\"x\":\"1\""))).Must(201);
        var operations = JsonNode.Parse("""[{"op":"replace","path":"/data/x","value":"2"},{"op":"add","path":"/data/y","value":"3"}]""")!;
        var failing = JsonNode.Parse("""[{"op":"replace","path":"/data/x","value":"9"},{"op":"test","path":"/data/y","value":"other"}]""")!;

        (await Api.Patch($"{ConfigMaps}/a", operations, RawClient.JsonPatchType)).Must(200);
        Assert.Equal("Invalid", (await Api.Patch($"{ConfigMaps}/a", failing, RawClient.JsonPatchType)).Must(422).Reason);

        Assert.Equal("""{"x":"2","y":"3"}""", (await Api.Get($"{ConfigMaps}/a"))["data"]!.ToJsonString());
    }

    [Fact]
    public async Task A_strategic_merge_patch_merges_lists_by_their_key()
    {
        (await Api.Post(StatefulSets, StatefulSet("w"))).Must(201);
        var patch = Json("""{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"s:1"},{"name":"main","image":"i:2"}]}}}}""");

        var patched = (await Api.Patch($"{StatefulSets}/w", patch, RawClient.StrategicType)).Must(200);

        var containers = patched["spec"]!["template"]!["spec"]!["containers"]!.AsArray();
        Assert.Equal(["main=i:2", "side=s:1"], containers.Select(one => $"{one!["name"]}={one["image"]}").Order());
    }

    [Fact]
    public async Task An_unknown_patch_type_is_415()
    {
        (await Api.Post(ConfigMaps, ConfigMap("a"))).Must(201);

        (await Api.Patch($"{ConfigMaps}/a", Json("{}"), "application/json")).Must(415);
    }

    [Fact]
    public async Task A_dry_run_stores_nothing()
    {
        (await Api.Post($"{ConfigMaps}?dryRun=All", ConfigMap("a"))).Must(201);
        (await Api.Get($"{ConfigMaps}/a")).Must(404);

        var wrong = (await Api.Post($"{ConfigMaps}?dryRun=Yes", ConfigMap("a"))).Must(422);
        Assert.Contains("supported values: \"All\"", wrong.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_generation_moves_with_the_spec_only()
    {
        Assert.Equal(1, (await Api.Post(StatefulSets, StatefulSet("w"))).Must(201).Generation);

        Assert.Equal(1, (await Api.Patch($"{StatefulSets}/w", Json("""{"metadata":{"labels":{"a":"b"}}}"""))).Must(200).Generation);
        Assert.Equal(1, (await Api.Patch($"{StatefulSets}/w/status", Json("""{"status":{"replicas":1,"observedGeneration":1}}"""))).Must(200).Generation);
        Assert.Equal(2, (await Api.Patch($"{StatefulSets}/w", Json("""{"spec":{"replicas":2}}"""))).Must(200).Generation);
    }

    [Fact]
    public async Task Status_and_spec_are_written_apart()
    {
        (await Api.Post(StatefulSets, StatefulSet("w"))).Must(201);

        var status = (await Api.Patch($"{StatefulSets}/w/status", Json("""{"spec":{"replicas":7},"status":{"replicas":3}}"""))).Must(200);
        var spec = (await Api.Patch($"{StatefulSets}/w", Json("""{"spec":{"replicas":2},"status":{"replicas":9}}"""))).Must(200);

        Assert.Equal((1, 3), ((int)status["spec"]!["replicas"]!, (int)status["status"]!["replicas"]!));
        Assert.Equal((2, 3), ((int)spec["spec"]!["replicas"]!, (int)spec["status"]!["replicas"]!));
    }

    [Fact]
    public async Task Built_in_defaults_are_set()
    {
        var spec = (await Api.Post(StatefulSets, StatefulSet("w", containers: """{"name":"main","image":"i","readinessProbe":{"tcpSocket":{"port":1}}}"""))).Must(201)["spec"]!;
        var container = spec["template"]!["spec"]!["containers"]![0]!;

        Assert.Equal("OrderedReady", (string?)spec["podManagementPolicy"]);
        Assert.Equal("""{"type":"RollingUpdate","rollingUpdate":{"partition":0}}""", spec["updateStrategy"]!.ToJsonString());
        Assert.Equal("Always", (string?)container["imagePullPolicy"]);
        Assert.Equal((10, 1, 3), ((int)container["readinessProbe"]!["periodSeconds"]!, (int)container["readinessProbe"]!["timeoutSeconds"]!, (int)container["readinessProbe"]!["failureThreshold"]!));
        Assert.Equal(30, (int)spec["template"]!["spec"]!["terminationGracePeriodSeconds"]!);
    }

    [Fact]
    public async Task Empty_values_that_the_server_cannot_tell_from_none_are_dropped()
    {
        const string Container = """{"name":"main","image":"i","env":[{"name":"A","value":""}],"args":[],"volumeMounts":[{"name":"v","mountPath":"/v","readOnly":false}],"securityContext":{"privileged":false}}""";
        var body = StatefulSet("w", replicas: 0, containers: Container);
        body["spec"]!["template"]!["spec"]!["volumes"] = JsonNode.Parse("""[{"name":"v","emptyDir":{"medium":""}}]""");

        var spec = (await Api.Post(StatefulSets, body)).Must(201)["spec"]!;
        var container = spec["template"]!["spec"]!["containers"]![0]!;

        Assert.Equal("""[{"name":"A"}]""", container["env"]!.ToJsonString());
        Assert.Null(container["args"]);
        Assert.Null(container["volumeMounts"]![0]!["readOnly"]);
        Assert.Equal("{}", spec["template"]!["spec"]!["volumes"]![0]!["emptyDir"]!.ToJsonString());
        // What may be null in Go's types keeps its zero.
        Assert.Equal(0, (int)spec["replicas"]!);
        Assert.False((bool)container["securityContext"]!["privileged"]!);
    }

    [Theory]
    [InlineData("1024Mi", "1Gi")]
    [InlineData("1000m", "1")]
    [InlineData("0.5", "500m")]
    [InlineData("1.5Gi", "1536Mi")]
    [InlineData("2e3", "2e3")]
    [InlineData("2000e0", "2e3")]
    [InlineData("1e2", "100")]
    [InlineData("2000", "2k")]
    [InlineData("500Mi", "500Mi")]
    [InlineData("0.5Mi", "512Ki")]
    [InlineData("1.25", "1250m")]
    [InlineData("100", "100")]
    [InlineData("0.1Gi", "107374182400m")]
    public async Task Quantities_are_stored_in_canonical_form(string written, string stored)
    {
        var container = $$"""{"name":"main","image":"i","resources":{"requests":{"memory":"{{written}}"} } }""";

        var created = (await Api.Post(StatefulSets, StatefulSet("w", containers: container))).Must(201);

        Assert.Equal(stored, (string?)created["spec"]!["template"]!["spec"]!["containers"]![0]!["resources"]!["requests"]!["memory"]);
    }

    [Fact]
    public async Task Immutable_fields_of_a_StatefulSet_are_refused()
    {
        (await Api.Post(StatefulSets, StatefulSet("w"))).Must(201);

        var answer = (await Api.Patch($"{StatefulSets}/w", Json("""{"spec":{"serviceName":"other"}}"""))).Must(422);

        Assert.Contains("updates to statefulset spec for fields other than 'replicas', 'template', and 'updateStrategy' are forbidden", answer.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_StatefulSet_needs_a_selector()
    {
        var body = StatefulSet("w");
        body["spec"]!.AsObject().Remove("selector");

        Assert.Contains("spec.selector: Required value", (await Api.Post(StatefulSets, body)).Must(422).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task String_data_of_a_Secret_becomes_data()
    {
        var secrets = $"/api/v1/namespaces/{Namespace}/secrets";
        var created = (await Api.Post(secrets, Json("""{"metadata":{"name":"s"},"stringData":{"a":"b"},"data":{"c":"ZA=="}}"""))).Must(201);

        Assert.Equal("Yg==", (string?)created["data"]!["a"]);
        Assert.Equal("ZA==", (string?)created["data"]!["c"]);
        Assert.Equal("Opaque", (string?)created["type"]);
        Assert.Null(created["stringData"]);
        (await Api.Post(secrets, Json("""{"metadata":{"name":"t"},"data":{"c":"not base64!"}}"""))).Must(400);
    }
}
