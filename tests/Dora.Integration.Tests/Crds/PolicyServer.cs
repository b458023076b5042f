using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Dora.Kubernetes.Model;
using Dora.Testing.ApiServer.Contract;
using Dora.Testing.Http;

namespace Dora.Integration.Tests.Crds;

/// <summary>
/// The server of <see cref="CrdServer"/> once more, with Kubernetes' own admission plugin of policies switched on. The plugin lists
/// policies from the API server that it belongs to; here a scripted one hands it those of this repository.
/// </summary>
internal sealed class PolicyServer : IAsyncDisposable
{
    private const string Group = "/apis/admissionregistration.k8s.io/v1";
    private const string OtherPlugins = "NamespaceLifecycle,MutatingAdmissionWebhook,ValidatingAdmissionWebhook,MutatingAdmissionPolicy";

    private readonly ScriptedServer policies;
    private readonly ChildProcess process;
    private readonly HttpClient http;
    private readonly string kubeconfig;

    private PolicyServer(ScriptedServer policies, ChildProcess process, HttpClient http, string kubeconfig) =>
        (this.policies, this.process, this.http, this.kubeconfig) = (policies, process, http, kubeconfig);

    public RawClient Api => new(http);

    public static async Task<PolicyServer> StartAsync(CrdServer server, JsonObject policy, JsonObject binding)
    {
        var scripted = await ScriptedServer.StartAsync();
        Serve(scripted, $"{Group}/validatingadmissionpolicies", "ValidatingAdmissionPolicyList", AsStored(policy));
        Serve(scripted, $"{Group}/validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBindingList", AsStored(binding));
        Serve(scripted, "/api/v1/namespaces", "NamespaceList", AsStored(JsonNode.Parse("""{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"default"}}""")!.AsObject()));
        var core = Path.GetTempFileName();
        await File.WriteAllTextAsync(core, $"{{apiVersion: v1, kind: Config, current-context: a, contexts: [{{name: a, context: {{cluster: a, user: a}}}}], users: [{{name: a, user: {{}}}}], clusters: [{{name: a, cluster: {{server: '{scripted.Address}'}}}}]}}");

        var port = FreePort();
        var command = await CommandLineAsync(server.Folder);
        Set(command, "--etcd-prefix", $"/policy-{Guid.NewGuid():N}");
        Set(command, "--secure-port", port);
        Set(command, "--kubeconfig", core);
        Set(command, "--disable-admission-plugins", OtherPlugins);
        var access = KubeYaml.Read(await File.ReadAllTextAsync(Path.Combine(server.Folder, "crd-server.kubeconfig")))!;
        access["clusters"]![0]!["cluster"]!["server"] = $"https://127.0.0.1:{port}";
        return new(scripted, new(command[0], command.Skip(1)), KubeconfigHttp.ClientOf(access), core);
    }

    /// <summary>Asks until the answer has a status code; what the server printed is in the error when it takes too long.</summary>
    public async Task<ApiAnswer> UntilAsync(Func<Task<ApiAnswer>> ask, int code)
    {
        async Task<ApiAnswer?> TryAsync()
        {
            try
            {
                return await ask();
            }
            catch (HttpRequestException)
            {
                return null;
            }
        }

        try
        {
            return (await ChildProcess.UntilAsync(TryAsync, answer => answer?.Code == code, TimeSpan.FromSeconds(60), RawClient.Token))!;
        }
        catch (TimeoutException exception)
        {
            throw new TimeoutException($"{exception.Message}\n{process.Output}", exception);
        }
    }

    public async ValueTask DisposeAsync()
    {
        http.Dispose();
        await process.DisposeAsync();
        await policies.DisposeAsync();
        File.Delete(kubeconfig);
    }

    // An informer asks for a watch that begins with the list, which old servers refuse, then lists, then watches.
    private static void Serve(ScriptedServer server, string path, string kind, JsonObject item) => server.On(
        $"GET {path}",
        Reply.Status(422, "Invalid", "sendInitialEvents is forbidden"),
        Reply.Json(new JsonObject { ["kind"] = kind, ["apiVersion"] = (string?)item["apiVersion"], ["metadata"] = new JsonObject { ["resourceVersion"] = "1" }, ["items"] = new JsonArray(item) }.ToJsonString()),
        Reply.Open(new()));

    // What the API server itself adds to an object that it stores.
    private static JsonObject AsStored(JsonObject body)
    {
        var stored = body.DeepClone().AsObject();
        stored["metadata"]!["uid"] = Guid.NewGuid().ToString();
        stored["metadata"]!["resourceVersion"] = "1";
        if (stored["spec"]?["matchConstraints"] is JsonObject match)
        {
            match["matchPolicy"] = "Equivalent";
            match["namespaceSelector"] = new JsonObject();
            match["objectSelector"] = new JsonObject();
            foreach (var rule in match["resourceRules"]!.AsArray())
                rule!["scope"] = "*";
        }

        return stored;
    }

    private static async Task<List<string>> CommandLineAsync(string folder)
    {
        var id = (await File.ReadAllTextAsync(Path.Combine(folder, "run", "crd-server.pid"))).Split(' ')[0].Trim();
        return [.. (await File.ReadAllTextAsync($"/proc/{id}/cmdline")).TrimEnd('\0').Split('\0')];
    }

    private static void Set(List<string> command, string flag, string value) => command[command.IndexOf(flag) + 1] = value;

    private static string FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture);
    }
}
