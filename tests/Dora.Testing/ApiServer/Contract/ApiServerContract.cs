using System.Text.Json.Nodes;
using Xunit;

namespace Dora.Testing.ApiServer.Contract;

/// <summary>A server that the contract is tried on.</summary>
public interface IApiServerUnderTest
{
    /// <summary>Talks to the server with all rights.</summary>
    HttpClient Http { get; }

    /// <summary>Talks to the server as someone who may do nothing.</summary>
    HttpClient WithoutRights { get; }

    /// <summary>Talks to the server as nobody it knows.</summary>
    HttpClient Unknown { get; }

    /// <summary>Forgets the history of everything up to now.</summary>
    Task CompactAsync();
}

/// <summary>
/// What the tests of one topic need. Each test has a namespace of its own, so that all can run on one server, one after the other
/// or at the same time.
/// </summary>
public abstract class ApiServerContract(IApiServerUnderTest server) : IAsyncLifetime
{
    protected RawClient Api { get; } = new(server.Http);

    protected IApiServerUnderTest Server => server;

    protected string Namespace { get; } = "contract-" + Guid.NewGuid().ToString("N")[..12];

    protected string ConfigMaps => $"/api/v1/namespaces/{Namespace}/configmaps";

    protected string StatefulSets => $"/apis/apps/v1/namespaces/{Namespace}/statefulsets";

    public virtual async ValueTask InitializeAsync() => (await Api.Post("/api/v1/namespaces", Json($$"""{"metadata":{"name":"{{Namespace}}"} }"""))).Must(201);

    public ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    protected static JsonObject Json(string text) => JsonNode.Parse(text)!.AsObject();

    /// <summary>A ConfigMap with this data, e.g. <c>"a":"1"</c>.</summary>
    protected static JsonObject ConfigMap(string name, string data = "", string metadata = "") => Json(
        $$"""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"{{name}}"{{(metadata.Length > 0 ? "," + metadata : "")}}},"data":{ {{data}} } }""");

    /// <summary>A StatefulSet with one container <c>main</c>.</summary>
    protected static JsonObject StatefulSet(string name, int replicas = 1, string containers = """{"name":"main","image":"i:1"}""") => Json(
        $$"""
        {"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"{{name}}"},"spec":{"replicas":{{replicas}},"serviceName":"{{name}}",
         "selector":{"matchLabels":{"app":"{{name}}"} },"template":{"metadata":{"labels":{"app":"{{name}}"} },"spec":{"containers":[{{containers}}]} } } }
        """);

    /// <summary>Asks again until the condition holds, for at most 20 seconds.</summary>
    protected static async Task<ApiAnswer> Until(Func<Task<ApiAnswer>> ask, Func<ApiAnswer, bool> holds)
    {
        for (var attempt = 0; ; attempt++)
        {
            var answer = await ask();
            if (holds(answer))
                return answer;
            Assert.True(attempt < 200, $"still not so after 20 s: {answer.Code} {answer.Text}");
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, RawClient.Token);
        }
    }
}
