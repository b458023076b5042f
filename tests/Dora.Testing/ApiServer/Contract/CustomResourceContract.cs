using System.Text.Json.Nodes;
using Xunit;

namespace Dora.Testing.ApiServer.Contract;

/// <summary>Custom resources: definition, validation, defaults, pruning, apply.</summary>
public abstract class CustomResourceContract(IApiServerUnderTest server) : ApiServerContract(server)
{
    private const string Definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

    // A group of its own for each test: definitions are cluster-wide.
    private string Group => $"{Namespace}.dora-operator.io";

    private string Ponds => $"/apis/{Group}/v1/namespaces/{Namespace}/ponds";

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        (await Api.Post(Definitions, Definition())).Must(201);
        await Until(() => Api.Get(Ponds), answer => answer.Code == 200);
        // The schema reaches the server's writing side a little later than its reading side.
        await Until(() => Api.Post($"{Ponds}?dryRun=All", Pond("try", """ "owner":"x" """)), answer => answer.Code == 201);
    }

    [Fact]
    public async Task A_definition_is_established_and_discovered()
    {
        var definition = await Until(() => Api.Get($"{Definitions}/ponds.{Group}"), answer => answer.Must(200)["status"]?["conditions"]?.AsArray().Count >= 2);
        var resources = (await Api.Get($"/apis/{Group}/v1")).Must(200);

        Assert.Contains(definition["status"]!["conditions"]!.AsArray(), one => (string?)one!["type"] == "Established" && (string?)one["status"] == "True");
        Assert.Equal(["ponds", "ponds/status"], resources["resources"]!.AsArray().Select(one => (string?)one!["name"]).Order());
        Assert.Equal("pond", (string?)resources["resources"]!.AsArray().First(one => (string?)one!["name"] == "ponds")!["singularName"]);
    }

    [Fact]
    public async Task Defaults_are_set_and_unknown_fields_dropped()
    {
        var created = (await Api.Post(Ponds, Pond("p", """ "owner":"x","unknown":1,"edge":{"what":2},"extras":{"kept":1},"note":null """))).Must(201);

        Assert.Equal(
            JsonNode.Parse("""{"owner":"x","fish":3,"soil":"Loam","edge":{"width":7},"extras":{"kept":1},"note":null}""")!.ToJsonString(),
            Ordered(created["spec"]!, "owner", "fish", "soil", "edge", "extras", "note"));
    }

    [Theory]
    [InlineData(""" "fish":1 """, "spec.owner: Required value", "FieldValueRequired")]
    [InlineData(""" "owner":"TOO" """, "spec.owner: Invalid value: \"TOO\": spec.owner in body should match '^[a-z]+$'", "FieldValueInvalid")]
    [InlineData(""" "owner":"toolong" """, "spec.owner in body should be at most 5 chars long", "FieldValueInvalid")]
    [InlineData(""" "owner":"x","fish":99 """, "spec.fish: Invalid value: 99: spec.fish in body should be less than or equal to 9", "FieldValueInvalid")]
    [InlineData(""" "owner":"x","fish":0 """, "spec.fish in body should be greater than or equal to 1", "FieldValueInvalid")]
    [InlineData(""" "owner":"x","fish":2.5 """, "spec.fish in body must be of type integer: \"number\"", "FieldValueInvalid")]
    [InlineData(""" "owner":"x","fish":"2" """, "spec.fish in body must be of type integer: \"string\"", "FieldValueInvalid")]
    [InlineData(""" "owner":"x","soil":"Rock" """, "spec.soil: Unsupported value: \"Rock\": supported values: \"Clay\", \"Loam\"", "FieldValueNotSupported")]
    [InlineData(""" "owner":"x","paths":["a","b","c"] """, "spec.paths: Invalid value: 3: spec.paths in body should have at most 2 items", "FieldValueInvalid")]
    [InlineData(""" "owner":"x","labels":{"a":1} """, "spec.labels.a in body must be of type string: \"integer\"", "FieldValueInvalid")]
    [InlineData(""" "owner":"x","dug":"yesterday" """, "spec.dug in body must be of type date-time: \"yesterday\"", "FieldValueInvalid")]
    [InlineData(""" "owner":5 """, "spec.owner in body must be of type string: \"integer\"", "FieldValueInvalid")]
    public async Task A_value_outside_the_schema_is_422_with_path_and_cause(string spec, string message, string cause)
    {
        var refused = (await Api.Post(Ponds, Pond("p", spec))).Must(422);

        Assert.StartsWith($"Pond.{Group} \"p\" is invalid: ", refused.Message, StringComparison.Ordinal);
        Assert.Contains(message, refused.Message, StringComparison.Ordinal);
        Assert.Equal(cause, (string?)refused["details"]!["causes"]![0]!["reason"]);
    }

    [Fact]
    public async Task Every_problem_is_named_at_once() => Assert.Equal(
        ["spec.fish", "spec.owner"],
        (await Api.Post(Ponds, Pond("p", """ "owner":"TOO","fish":99 """))).Must(422)["details"]!["causes"]!.AsArray().Select(one => (string?)one!["field"]).Order());

    [Fact]
    public async Task Type_and_kind_are_required() => (await Api.Post(Ponds, Json("""{"metadata":{"name":"p"},"spec":{"owner":"x"}}"""))).Must(400);

    [Fact]
    public async Task A_new_object_has_no_status_and_generation_1()
    {
        var body = Pond("p", """ "owner":"x" """);
        body["status"] = Json("""{"phase":"Ready"}""");

        var created = (await Api.Post(Ponds, body)).Must(201);

        Assert.Null(created["status"]);
        Assert.Equal(1, created.Generation);
    }

    [Fact]
    public async Task Status_and_spec_are_written_apart()
    {
        (await Api.Post(Ponds, Pond("p", """ "owner":"x" """))).Must(201);

        var status = (await Api.Patch($"{Ponds}/p/status", Json("""{"spec":{"owner":"y"},"status":{"phase":"Ready"},"metadata":{"labels":{"a":"b"}}}"""))).Must(200);
        var spec = (await Api.Patch($"{Ponds}/p", Json("""{"spec":{"owner":"z"},"status":{"phase":"Other"}}"""))).Must(200);

        Assert.Equal(("x", "Ready", 1), ((string?)status["spec"]!["owner"], (string?)status["status"]!["phase"], status.Generation));
        Assert.Null(status["metadata"]!["labels"]);
        Assert.Equal(("z", "Ready", 2), ((string?)spec["spec"]!["owner"], (string?)spec["status"]!["phase"], spec.Generation));
        Assert.Equal("Ready", (string?)(await Api.Get($"{Ponds}/p/status")).Must(200)["status"]!["phase"]);
    }

    [Fact]
    public async Task Replacing_needs_the_version()
    {
        var created = (await Api.Post(Ponds, Pond("p", """ "owner":"x" """))).Must(201);

        var refused = (await Api.Put($"{Ponds}/p", Pond("p", """ "owner":"y" """))).Must(422);
        var body = created.Body.DeepClone();
        body["spec"]!["owner"] = "y";

        Assert.Contains("metadata.resourceVersion: Invalid value: 0x0: must be specified for an update", refused.Message, StringComparison.Ordinal);
        Assert.Equal("y", (string?)(await Api.Put($"{Ponds}/p", body)).Must(200)["spec"]!["owner"]);
    }

    [Fact]
    public async Task A_strategic_merge_patch_is_415()
    {
        (await Api.Post(Ponds, Pond("p", """ "owner":"x" """))).Must(201);

        (await Api.Patch($"{Ponds}/p", Json("""{"spec":{"owner":"y"}}"""), RawClient.StrategicType)).Must(415);
    }

    [Fact]
    public async Task Items_of_a_list_keep_their_type()
    {
        (await Api.Post(Ponds, Pond("p", """ "owner":"x" """))).Must(201);

        var list = (await Api.Get(Ponds)).Must(200);

        Assert.Equal("PondList", (string?)list["kind"]);
        Assert.Equal("Pond", (string?)list["items"]![0]!["kind"]);
    }

    [Fact]
    public async Task Apply_owns_what_is_applied_and_not_the_defaults()
    {
        var applied = (await Api.Apply($"{Ponds}/p", Pond("p", """ "owner":"x","labels":{"a":"b"},"paths":["q"],"edge":{"width":2} """))).Must(201);

        Assert.Equal(3, (int)applied["spec"]!["fish"]!);
        Assert.Equal(
            """{"f:edge":{"f:width":{}},"f:labels":{"f:a":{}},"f:owner":{},"f:paths":{}}""",
            Ordered(applied.OwnedBy("one")!["f:spec"]!, "f:edge", "f:labels", "f:owner", "f:paths"));
    }

    [Fact]
    public async Task Applying_an_unknown_field_is_500()
    {
        var answer = (await Api.Apply($"{Ponds}/p", Pond("p", """ "owner":"x","unknown":1 """))).Must(500);

        Assert.Equal("failed to create typed patch object: .spec.unknown: field not declared in schema", answer.Message);
    }

    [Fact]
    public async Task Applying_a_bad_value_is_422() => Assert.Contains(
        "spec.fish in body should be less than or equal to 9",
        (await Api.Apply($"{Ponds}/p", Pond("p", """ "owner":"x","fish":99 """))).Must(422).Message,
        StringComparison.Ordinal);

    [Fact]
    public async Task Conditions_merge_by_type()
    {
        (await Api.Post(Ponds, Pond("p", """ "owner":"x" """))).Must(201);
        JsonObject Condition(string type) => Json(
            $$$"""{"apiVersion":"{{{Group}}}/v1","kind":"Pond","metadata":{"name":"p"},"status":{"conditions":[{"type":"{{{type}}}","status":"True"}]}}""");

        (await Api.Apply($"{Ponds}/p/status", Condition("Ready"), "first")).Must(200);
        var both = (await Api.Apply($"{Ponds}/p/status", Condition("Other"), "second")).Must(200);
        var left = (await Api.Apply($"{Ponds}/p/status", Json($$$"""{"apiVersion":"{{{Group}}}/v1","kind":"Pond","metadata":{"name":"p"},"status":{"phase":"x"}}"""), "first")).Must(200);

        Assert.Equal(["Other", "Ready"], both["status"]!["conditions"]!.AsArray().Select(one => (string?)one!["type"]).Order());
        Assert.Equal(["Other"], left["status"]!["conditions"]!.AsArray().Select(one => (string?)one!["type"]));
    }

    [Fact]
    public async Task Applying_status_does_not_bump_the_generation_and_404s_when_missing()
    {
        (await Api.Post(Ponds, Pond("p", """ "owner":"x" """))).Must(201);
        JsonObject Status(string name) => Json($$$"""{"apiVersion":"{{{Group}}}/v1","kind":"Pond","metadata":{"name":"{{{name}}}"},"status":{"phase":"x"}}""");

        var applied = (await Api.Apply($"{Ponds}/p/status", Status("p"))).Must(200);
        var again = (await Api.Apply($"{Ponds}/p/status", Status("p"))).Must(200);

        Assert.Equal(1, applied.Generation);
        Assert.Equal(applied.Version, again.Version);
        (await Api.Apply($"{Ponds}/none/status", Status("none"))).Must(404);
    }

    [Fact]
    public async Task A_watch_from_before_the_kind_existed_gets_an_ERROR_frame_in_a_stream_of_status_200()
    {
        using var watch = await Api.Watch($"{Ponds}?watch=true&resourceVersion=1");

        var frame = await watch.Next();

        Assert.Equal((200, "ERROR"), (watch.Code, frame?.Type));
        Assert.Equal((410, "Expired"), ((int)frame!.Object["code"]!, (string?)frame.Object["reason"]));
        Assert.StartsWith("too old resource version: 1 (", (string?)frame.Object["message"], StringComparison.Ordinal);
        Assert.Null(await watch.Next());
    }

    [Fact]
    public async Task Deleting_the_definition_deletes_the_objects_and_the_path()
    {
        (await Api.Post(Ponds, Pond("p", """ "owner":"x" """))).Must(201);

        (await Api.Delete($"{Definitions}/ponds.{Group}")).Must(200);

        await Until(() => Api.Get($"{Ponds}/p"), answer => answer.Code == 404);
        await Until(() => Api.Get($"/apis/{Group}/v1"), answer => answer.Code == 404);
    }

    // What pins a stack to its version: docs/decisions/0008-stack-versions.md.
    [Fact]
    public async Task A_new_default_reaches_new_objects_and_none_that_is_stored_unless_its_writer_takes_the_field_away()
    {
        (await Api.Post(Ponds, Pond("created", """ "owner":"x" """))).Must(201);
        (await Api.Apply($"{Ponds}/applied", Pond("applied", """ "owner":"x" """))).Must(201);
        (await Api.Apply($"{Ponds}/stated", Pond("stated", """ "owner":"x","fish":3 """))).Must(201);
        var definition = (await Api.Get($"{Definitions}/ponds.{Group}")).Must(200).Body;
        definition["spec"]!["versions"]![0]!["schema"]!["openAPIV3Schema"]!["properties"]!["spec"]!["properties"]!["fish"]!["default"] = 4;
        (await Api.Put($"{Definitions}/ponds.{Group}", definition)).Must(200);
        await Until(() => Api.Post($"{Ponds}?dryRun=All", Pond("try", """ "owner":"x" """)), answer => Fish(answer.Must(201)) == 4);

        Assert.Equal(3, Fish((await Api.Get($"{Ponds}/created")).Must(200)));
        Assert.Equal(3, Fish((await Api.Patch($"{Ponds}/created", Json("""{"spec":{"owner":"y"}}"""))).Must(200)));
        Assert.Equal(3, Fish((await Api.Apply($"{Ponds}/applied", Pond("applied", """ "owner":"y" """))).Must(200)));
        Assert.Equal(4, Fish((await Api.Post(Ponds, Pond("new", """ "owner":"x" """))).Must(201)));

        var replaced = Pond("created", """ "owner":"z" """);
        replaced["metadata"]!["resourceVersion"] = (await Api.Get($"{Ponds}/created")).Version;
        Assert.Equal(4, Fish((await Api.Put($"{Ponds}/created", replaced)).Must(200)));
        Assert.Equal(4, Fish((await Api.Apply($"{Ponds}/stated", Pond("stated", """ "owner":"x" """))).Must(200)));
    }

    [Fact]
    public async Task A_wrongly_named_definition_is_422()
    {
        var definition = Definition();
        definition["metadata"]!["name"] = "wrong";

        Assert.Contains("metadata.name", (await Api.Post(Definitions, definition)).Must(422).Message, StringComparison.Ordinal);
    }

    private static int Fish(ApiAnswer pond) => (int)pond["spec"]!["fish"]!;

    private static string Ordered(JsonNode map, params string[] order) =>
        new JsonObject(order.Select(name => KeyValuePair.Create(name, map[name]?.DeepClone()))).ToJsonString();

    private JsonObject Pond(string name, string spec) => Json(
        $$"""{"apiVersion":"{{Group}}/v1","kind":"Pond","metadata":{"name":"{{name}}"},"spec":{ {{spec}} } }""");

    private JsonObject Definition() => Json(
        $$"""
        {"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"ponds.{{Group}}"},
         "spec":{"group":"{{Group}}","scope":"Namespaced","names":{"plural":"ponds","singular":"pond","kind":"Pond","listKind":"PondList"},
          "versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{} },"schema":{"openAPIV3Schema":{"type":"object",
           "required":["spec"],"properties":{"apiVersion":{"type":"string"},"kind":{"type":"string"},"metadata":{"type":"object"},
            "spec":{"type":"object","required":["owner"],"properties":{
             "owner":{"type":"string","pattern":"^[a-z]+$","minLength":1,"maxLength":5},
             "fish":{"type":"integer","format":"int32","default":3,"minimum":1,"maximum":9},
             "soil":{"type":"string","enum":["Clay","Loam"],"default":"Loam"},
             "edge":{"type":"object","properties":{"width":{"type":"integer","default":7} } },
             "paths":{"type":"array","maxItems":2,"items":{"type":"string"} },
             "labels":{"type":"object","additionalProperties":{"type":"string"} },
             "note":{"type":"string","nullable":true},
             "dug":{"type":"string","format":"date-time"},
             "extras":{"type":"object","x-kubernetes-preserve-unknown-fields":true} } },
            "status":{"type":"object","properties":{"phase":{"type":"string"},
             "conditions":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["type"],
              "items":{"type":"object","required":["type","status"],"properties":{"type":{"type":"string"},"status":{"type":"string"} } } } } }
           } } } }]} }
        """);
}
