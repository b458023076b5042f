using System.Text.Json.Nodes;
using Dora.Testing.ApiServer;
using Dora.Testing.ApiServer.Contract;
using Xunit;

namespace Dora.Integration.Tests.ApiServer;

/// <summary>
/// The same random writes by several managers to a real API server and to the one in memory: every answer, the object after it and
/// the owners of its fields must be the same.
/// </summary>
public sealed class DifferentialTests(RealServer real) : IAsyncLifetime
{
    private const int Steps = 25;

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 12)];

    private readonly string ns = "differential-" + Guid.NewGuid().ToString("N")[..12];
    private InMemoryApiServer server = null!;
    private HttpClient http = null!;

    private IReadOnlyList<RawClient> Both => [new(real.Http), new(http)];

    public async ValueTask InitializeAsync()
    {
        server = await InMemoryApiServer.StartAsync();
        http = new HttpClient { BaseAddress = server.Address };
        foreach (var api in Both)
            (await api.Post("/api/v1/namespaces", new JsonObject { ["metadata"] = new JsonObject { ["name"] = ns } })).Must(201);
    }

    public async ValueTask DisposeAsync()
    {
        http.Dispose();
        await server.DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task Random_writes_have_the_same_effect(int seed)
    {
        var random = new Random(seed);
        var path = $"/apis/apps/v1/namespaces/{ns}/statefulsets/w{seed}";
        var history = new List<string>();
        for (var step = 0; step < Steps; step++)
        {
            var (verb, manager, force) = (random.Next(5), $"m{random.Next(3)}", random.Next(2) == 0);
            var body = RandomWorkload(random, $"w{seed}", isPatch: verb == 0);
            history.Add($"{(verb == 0 ? "patch" : "apply")} {manager} {(force ? "force " : "")}{body.ToJsonString()}");
            var answers = new List<ApiAnswer>();
            foreach (var api in Both)
                answers.Add(verb == 0 ? await api.Patch($"{path}?fieldManager={manager}", body) : await api.Apply(path, body, manager, force));

            Assert.True(Essence(answers[0]) == Essence(answers[1]), $"after\n{string.Join('\n', history)}\nreal:\n{Essence(answers[0])}\nin memory:\n{Essence(answers[1])}");
        }
    }

    private static JsonObject RandomWorkload(Random random, string name, bool isPatch)
    {
        JsonNode? Sometimes(Func<JsonNode> make) => random.Next(2) == 0 ? make() : null;
        JsonObject Compact(params (string Name, JsonNode? Value)[] fields) =>
            new(fields.Where(field => field.Value is not null).Select(field => KeyValuePair.Create(field.Name, field.Value)));
        JsonNode Container(string container) => Compact(
            ("name", container),
            ("image", $"{container}:{random.Next(2)}"),
            ("env", Sometimes(() => new JsonArray([.. Enumerable.Range(0, random.Next(1, 3)).Select(i => Compact(("name", $"E{i}"), ("value", $"{random.Next(2)}")))]))),
            ("ports", Sometimes(() => new JsonArray(Compact(("containerPort", 80 + random.Next(2)), ("name", $"p{random.Next(2)}"))))),
            ("command", Sometimes(() => new JsonArray("run", $"{random.Next(2)}"))),
            ("resources", Sometimes(() => new JsonObject { ["requests"] = new JsonObject { ["memory"] = $"{random.Next(1, 3)}Gi" } })));
        var template = new JsonObject
        {
            ["metadata"] = Compact(
                ("labels", new JsonObject { ["app"] = name }),
                ("annotations", Sometimes(() => new JsonObject { [$"a{random.Next(2)}"] = $"{random.Next(2)}" }))),
            ["spec"] = Compact(
                ("containers", new JsonArray([.. new[] { "one", "two" }.Take(random.Next(1, 3)).Select(Container)])),
                ("volumes", Sometimes(() => new JsonArray(Compact(("name", "v"), ("emptyDir", new JsonObject { ["medium"] = random.Next(2) == 0 ? "" : "Memory" }))))),
                ("terminationGracePeriodSeconds", Sometimes(() => random.Next(30, 32)))),
        };
        var metadata = Compact(
            ("name", name),
            ("labels", Sometimes(() => new JsonObject { [$"l{random.Next(3)}"] = $"{random.Next(2)}" })),
            ("finalizers", Sometimes(() => new JsonArray($"x.io/f{random.Next(2)}"))));
        if (isPatch)
            return new() { ["metadata"] = metadata, ["spec"] = Compact(("replicas", Sometimes(() => random.Next(3))), ("template", template)) };
        return new()
        {
            ["apiVersion"] = "apps/v1",
            ["kind"] = "StatefulSet",
            ["metadata"] = metadata,
            ["spec"] = Compact(
                ("serviceName", name),
                ("replicas", Sometimes(() => random.Next(3))),
                ("selector", new JsonObject { ["matchLabels"] = new JsonObject { ["app"] = name } }),
                ("template", template)),
        };
    }

    // What must be the same: the code, the refusal, the object and its owners; not identity, time and version.
    private static string Essence(ApiAnswer answer)
    {
        var body = answer.Body.DeepClone().AsObject();
        // Of several conflicts Kubernetes 1.20 gets some paths wrong (it reuses their memory), so they are only counted.
        if (answer.Code >= 400)
            return $"{answer.Code} {answer.Reason} {string.Join(',', (body["details"]?["causes"] as JsonArray ?? []).Select(cause => (string?)cause!["message"]).Order(StringComparer.Ordinal))}";
        var metadata = body["metadata"]!.AsObject();
        foreach (var field in (string[])["uid", "resourceVersion", "creationTimestamp"])
            metadata.Remove(field);
        foreach (var entry in metadata["managedFields"] as JsonArray ?? [])
            entry!.AsObject().Remove("time");
        return $"{answer.Code} {Sorted(body)?.ToJsonString()}";
    }

    // Owners and map keys come in an order of no meaning; template.metadata.creationTimestamp is written as null by real servers.
    private static JsonNode? Sorted(JsonNode? node, string name = "") => node switch
    {
        JsonObject map => new JsonObject(map.Where(field => field.Value is not null).OrderBy(field => field.Key, StringComparer.Ordinal)
            .Select(field => KeyValuePair.Create(field.Key, Sorted(field.Value, field.Key)))),
        JsonArray list when name == "managedFields" => new JsonArray([.. list.Select(item => Sorted(item)).OrderBy(item => $"{item!["operation"]} {item["manager"]}", StringComparer.Ordinal)]),
        JsonArray list => new JsonArray([.. list.Select(item => Sorted(item))]),
        _ => node?.DeepClone(),
    };
}
